//! Running the process that decodes, and what its end means.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::decode::{PROCESSOR_SECONDS, REFUSED, is_picture};
use super::{ARGUMENT, OUTPUT_MAX};

/// When it is killed: on a busy machine it may wait for its turn longer than it works.
const DEADLINE: Duration = Duration::from_secs(20);
/// How often it is asked whether it has ended, at first; then ever less often, up to the last.
const ASKED_EVERY: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// Characters of a reason.
const REASON_MAX: usize = 200;
/// The allocator of the process: no thread of its own, and no more address space than is in use, because that is limited.
const ALLOCATOR: &str = "background_thread:false,narenas:1,retain:false,dirty_decay_ms:0";
/// What asks the process to end when it has used its time, and when it has written too much.
const SIGNALS_OF_TIME: [i32; 2] = [24, 9];

/// Makes small pictures, by a process for each.
#[derive(Clone, Debug)]
pub struct Decoder {
    program: PathBuf,
}

impl Decoder {
    /// With a program that calls [`decode_stdin`](super::decode_stdin) when its one argument is [`ARGUMENT`](super::ARGUMENT).
    #[must_use]
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    /// This program's own file: the one that runs, also where another has taken its place since.
    ///
    /// # Errors
    /// When the system does not say which it is.
    pub fn this_program() -> io::Result<PathBuf> {
        let running = Path::new("/proc/self/exe");
        if running.exists() { Ok(running.to_owned()) } else { std::env::current_exe() }
    }

    /// Makes a small JPEG or WebP of the picture in a file, or says why not. May be dropped at any moment: the process ends then.
    ///
    /// # Errors
    /// When no process could be started, or a temporary file not be used: nothing is known of the picture then.
    pub async fn thumbnail(&self, mut picture: File) -> io::Result<Result<Vec<u8>, String>> {
        picture.rewind()?;
        let mut out = tempfile::tempfile()?;
        let mut command = Command::new(&self.program);
        command.arg(ARGUMENT).env_clear().env("MALLOC_CONF", ALLOCATOR).current_dir("/");
        command.stdin(picture).stdout(out.try_clone()?).stderr(Stdio::null());
        let mut running = Running(command.spawn()?);
        let Some(status) = running.ended().await? else {
            return Ok(Err(format!("decoding it took more than {DEADLINE:?}")));
        };
        out.rewind()?;
        let mut bytes = Vec::new();
        out.take(OUTPUT_MAX).read_to_end(&mut bytes)?;
        Ok(meaning(status, bytes))
    }
}

/// A process that ends when this is dropped.
struct Running(Child);

impl Running {
    /// How it ended; `None` when the deadline has passed.
    async fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let (end, (mut pause, longest)) = (Instant::now() + DEADLINE, ASKED_EVERY);
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() > end {
                return Ok(None);
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is no error; one that was killed is gone at once.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What came of it, as the process ended and by what it wrote.
fn meaning(status: ExitStatus, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    match (status.code(), status.signal()) {
        (Some(0), _) if is_picture(&bytes) => Ok(bytes),
        (Some(code), _) if code == i32::from(REFUSED) => {
            let text = String::from_utf8_lossy(&bytes);
            Err(text.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect())
        }
        (_, Some(signal)) if SIGNALS_OF_TIME.contains(&signal) => {
            Err(format!("decoding it takes more than {PROCESSOR_SECONDS} s of processor time"))
        }
        // An allocation that fails aborts.
        (_, Some(6)) => Err("decoding it takes too much memory".to_owned()),
        _ => Err("the decoder failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32, signal: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8 | signal)
    }

    #[test]
    fn only_a_picture_of_a_process_that_ended_well_is_believed() {
        let jpeg = vec![0xff, 0xd8, 0xff, 0xe0];
        assert_eq!(meaning(ended(0, 0), jpeg.clone()), Ok(jpeg.clone()));
        assert!(meaning(ended(0, 0), b"running 0 tests".to_vec()).is_err());
        assert!(meaning(ended(0, 0), Vec::new()).is_err());
        assert!(meaning(ended(101, 0), jpeg.clone()).is_err());
        assert_eq!(meaning(ended(3, 0), b"it is\r\n damaged".to_vec()), Err("it is damaged".to_owned()));
        assert_eq!(meaning(ended(3, 0), vec![b'x'; 10_000]).unwrap_err().len(), REASON_MAX);
        assert!(meaning(ended(0, 24), jpeg.clone()).unwrap_err().contains("processor time"));
        assert!(meaning(ended(0, 6), jpeg).unwrap_err().contains("memory"));
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_killed_with_whoever_waits_for_it() {
        // It takes the argument for a file that is not there; `sleep` takes none of ours, so a shell script stands for the program.
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("decoder");
        std::fs::write(&program, "#!/bin/sh\necho $$ >\"$0.pid\"\nexec sleep 600\n").unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let decoder = Decoder::new(&program);
        let pid = folder.path().join("decoder.pid");
        let waiting = async {
            while std::fs::read_to_string(&pid).map_or(0, |text| text.len()) == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            outcome = decoder.thumbnail(tempfile::tempfile().unwrap()) => panic!("{outcome:?}"),
            () = waiting => {}
        }
        let pid = std::fs::read_to_string(&pid).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "it is gone");
        let missing = Decoder::new(&folder.path().join("nothing"));
        assert!(missing.thumbnail(tempfile::tempfile().unwrap()).await.is_err());
    }
}
