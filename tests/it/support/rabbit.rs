//! A RabbitMQ node of the tests' own: own ports, own data, own Erlang name, cookie and epmd; the system's service is not touched.
//!
//! A shell holds the node and its epmd. It listens to this process through a pipe and kills both when the pipe closes, so that
//! nothing is left behind however the tests end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
/// A cold Erlang node on a busy machine with two cores was seen to need 20 s.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Reads one word a line: `start` the node, `kill` it. Each node is a process group of its own, so that killing the group ends
/// the launcher, the node and its helpers, and nothing else.
const KEEPER: &str = r#"
# Ctrl-C reaches the whole terminal; the keeper must outlive it to clean up.
trap '' INT TERM HUP
epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 </dev/null >/dev/null 2>&1 &
epmd=$!
# A node that finds no epmd starts one as a daemon, which nobody would end.
until epmd -names >/dev/null 2>&1; do kill -0 "$epmd" || exit 1; sleep 0.05; done
node=
stop() { [ -z "$node" ] || { kill -9 "-$node"; wait "$node"; } 2>/dev/null; node=; }
while read -r word; do
    case $word in
    start) setsid "$SCRIPTS/rabbitmq-server" </dev/null >>"$BASE/output" 2>&1 & node=$! ;;
    kill) stop; echo killed ;;
    esac
done
stop
kill -9 "$epmd"
rm -rf "$BASE"
"#;

/// A running node.
pub(crate) struct Node {
    keeper: Child,
    base: PathBuf,
    port: u16,
    environment: Vec<(&'static str, String)>,
}

impl Node {
    /// The node that all tests share; nobody may disturb it.
    pub(crate) fn shared() -> &'static Node {
        static NODE: OnceLock<Node> = OnceLock::new();
        NODE.get_or_init(Node::start)
    }

    /// The node that may be restarted, blocked and broken by one test at a time.
    pub(crate) async fn disturbed() -> MutexGuard<'static, Node> {
        static NODE: OnceLock<Mutex<Node>> = OnceLock::new();
        NODE.get_or_init(|| Mutex::new(Node::start())).lock().await
    }

    /// Starts a node and waits until it answers.
    pub(crate) fn start() -> Node {
        assert!(
            Path::new(SCRIPTS).join("rabbitmq-server").exists(),
            "RabbitMQ is not installed: run `./dev test`, which installs it (Debian's package rabbitmq-server)"
        );
        let base = TempDir::with_prefix("telescribe-rabbit-").unwrap().keep();
        let [port, distribution, epmd] = free_ports();
        let environment = environment(&base, port, distribution, epmd);
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER]).envs(environment.iter().map(|(k, v)| (k, v))).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut node = Node { keeper: keeper.spawn().unwrap(), base, port, environment };
        node.tell("start");
        node.wait_until_ready();
        node
    }

    /// The node's address, with the password of its only user.
    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Ends the node as a power cut would, without telling anyone.
    pub(crate) fn kill(&mut self) {
        use std::io::{BufRead as _, BufReader};
        self.tell("kill");
        let mut answer = String::new();
        BufReader::new(self.keeper.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "killed");
    }

    /// Starts the node again, with the data it had.
    pub(crate) fn start_again(&mut self) {
        self.tell("start");
        self.wait_until_ready();
    }

    /// Runs an operator's command on the node.
    pub(crate) fn ctl(&self, arguments: &[&str]) {
        let mut ctl = Command::new(Path::new(SCRIPTS).join("rabbitmqctl"));
        ctl.args(["-n", self.get("RABBITMQ_NODENAME")]).args(arguments).envs(self.environment.iter().map(|(k, v)| (k, v)));
        let output = ctl.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn get(&self, name: &str) -> &str {
        self.environment.iter().find(|(k, _)| *k == name).map_or("", |(_, v)| v)
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.keeper.stdin.as_mut().unwrap(), "{word}").unwrap();
    }

    fn wait_until_ready(&self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let end = Instant::now() + START_TIMEOUT;
        // Not only the port: the node listens a moment before it lets anyone in.
        let login = async {
            while Instant::now() < end {
                if let Ok(connection) = lapin::Connection::connect(&self.url(), lapin::ConnectionProperties::default()).await {
                    connection.close(200, "ready".into()).await.unwrap();
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let output = std::fs::read_to_string(self.base.join("output")).unwrap_or_default();
            panic!("the RabbitMQ node was not ready after {START_TIMEOUT:?}; it said:\n{output}");
        };
        // A thread of its own: a test may wait for a node from within a runtime.
        std::thread::scope(|scope| scope.spawn(|| runtime.block_on(login)).join().unwrap());
        std::thread::scope(|scope| scope.spawn(|| drop(runtime)).join().unwrap());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }
}

fn environment(base: &Path, port: u16, distribution: u16, epmd: u16) -> Vec<(&'static str, String)> {
    let path = |name: &str| base.join(name).display().to_string();
    for folder in ["home", "mnesia", "log"] {
        std::fs::create_dir(base.join(folder)).unwrap();
    }
    std::fs::write(path("plugins"), "[].\n").unwrap();
    // Absolute limits: those relative to the machine would make the result depend on it.
    std::fs::write(path("rabbit.conf"), "vm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 10MB\n").unwrap();
    vec![
        ("SCRIPTS", SCRIPTS.to_owned()),
        ("BASE", base.display().to_string()),
        ("HOME", path("home")),
        ("ERL_EPMD_PORT", epmd.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODENAME", format!("telescribe{port}@localhost")),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        ("RABBITMQ_DIST_PORT", distribution.to_string()),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_PID_FILE", path("pid")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins")),
        ("RABBITMQ_CONFIG_FILE", path("rabbit")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced")),
        ("RABBITMQ_CONF_ENV_FILE", path("none")),
    ]
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until all are known, so that they differ.
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}
