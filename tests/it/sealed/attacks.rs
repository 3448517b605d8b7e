//! Whoever holds no key, or repeats what somebody else has sent, is told one and the same thing, whatever he tries.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use telescribe::archive::DataFolder;
use telescribe::http::{Sealing, Settings};
use telescribe::model::{Clock as _, FixedClock};
use telescribe::seal::{self, Destination, Key, Purpose, ServerId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{ask, key, opened, post, sealed, sealed_for};
use crate::support::messages::NOW;
use crate::support::served::{Answer, Served, listening};

const TARGET: &str = "/v1/peers";

/// The plaintext of a good request.
fn plaintext(served: &Served, nonce: &str) -> Value {
    let Destination { server, start } = &served.destination;
    json!({ "iat": NOW.0, "jti": nonce, "aud": server.as_str(), "start": start, "method": "GET", "target": TARGET })
}

fn seal_plaintext(key: &Key, plaintext: &Value) -> String {
    seal::seal(plaintext.to_string().as_bytes(), key, Purpose::Request, &mut seal::system_random())
}

/// Plaintexts that a holder of the key could send, and that are good nowhere.
fn wrong_plaintexts(served: &Served, key: &Key) -> Vec<(String, String)> {
    let other = ServerId::generate(&mut seal::system_random());
    let both = json!([served.destination.server.as_str(), other.as_str()]);
    let mut tokens = Vec::new();
    for (member, values) in [
        ("aud", vec![json!(other.as_str()), json!(""), json!("*"), json!(null), both]),
        ("start", vec![json!("0".repeat(32)), json!(""), json!(null), json!(served.destination.server.as_str())]),
        ("iat", vec![json!(NOW.0 - 121), json!(NOW.0 + 121), json!(0), json!("now"), json!(null)]),
        ("jti", vec![json!(""), json!("n".repeat(65)), json!(7), json!(null)]),
        ("method", vec![json!(null), json!(["GET"])]),
        ("target", vec![json!(null), json!({})]),
        ("htu", vec![json!(TARGET)]),
    ] {
        for (at, value) in values.into_iter().enumerate() {
            let mut wrong = plaintext(served, &format!("{member}{at}"));
            wrong[member] = value;
            tokens.push((format!("{member}: {}", wrong[member]), seal_plaintext(key, &wrong)));
        }
    }
    for member in ["iat", "jti", "aud", "start", "method", "target"] {
        let mut wrong = plaintext(served, &format!("without {member}"));
        wrong.as_object_mut().unwrap().remove(member);
        tokens.push((format!("without {member}"), seal_plaintext(key, &wrong)));
    }
    let earlier = json!({ "iat": NOW.0, "jti": "earlier", "htm": "GET", "htu": TARGET });
    tokens.push(("the form of earlier versions".to_owned(), seal_plaintext(key, &earlier)));
    tokens
}

/// Tokens that are changed, cut or made of others'.
fn wrong_tokens(served: &Served, key: &Key) -> Vec<(String, String)> {
    let fresh = || sealed(served, key, "GET", TARGET, None).token;
    let parts = || fresh().split('.').map(str::to_owned).collect::<Vec<String>>();
    let mut tokens = Vec::new();
    for part in 0..5 {
        let (mut changed, mut cut, mut longer) = (parts(), parts(), parts());
        let first = if changed[part].starts_with('A') { "B" } else { "A" };
        changed[part].replace_range(..1, first);
        cut[part].pop();
        longer[part].push_str("AAAA");
        for (what, token) in [("changed", changed), ("cut", cut), ("longer", longer)] {
            tokens.push((format!("part {part} {what}"), token.join(".")));
        }
    }
    let stranger = Key::generate(&"tester".parse().unwrap(), served.clock.now(), &mut seal::system_random());
    let header = |more: Value| {
        let mut header = json!({ "alg": "A256KW", "enc": "A256GCM", "kid": key.id().as_str(), "typ": "telescribe-req+jwe", "cty": "application/json" });
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut parts = parts();
        parts[0] = URL_SAFE_NO_PAD.encode(header.to_string());
        parts.join(".")
    };
    let [one, other] = [parts(), parts()];
    // The wrapped key of one with the text of the other, and the reverse.
    let with = |at: usize, part: &str| [&one[..at], &[part.to_owned()], &one[at + 1..]].concat().join(".");
    let (mixed, mixed_text, unwrapped) = (with(1, &other[1]), with(3, &other[3]), with(1, ""));
    tokens.extend(
        [
            ("nothing", String::new()),
            ("no token", "abc".to_owned()),
            ("dots", "....".to_owned()),
            ("no UTF-8 in base64", "\u{fffd}.\u{fffd}..".to_owned()),
            ("a stranger's key", sealed(served, &stranger, "GET", TARGET, None).token),
            ("two that are mixed", mixed),
            ("two whose texts are mixed", mixed_text),
            ("without a wrapped key", unwrapped),
            ("one behind the other", format!("{}{}", fresh(), fresh())),
            ("a line feed behind it", format!("{}\n", fresh())),
            ("no algorithm", header(json!({ "alg": "none" }))),
            ("another algorithm", header(json!({ "alg": "dir" }))),
            ("the algorithms of earlier versions", header(json!({ "alg": "dir", "enc": "A256CBC-HS512" }))),
            ("another encryption", header(json!({ "enc": "A128CBC-HS256" }))),
            ("compressed", header(json!({ "zip": "DEF" }))),
            ("critical", header(json!({ "crit": ["exp"], "exp": 1 }))),
            ("another key's id", header(json!({ "kid": "tester-00000000" }))),
            (
                "as JSON",
                json!({ "protected": one[0], "encrypted_key": one[1], "iv": one[2], "ciphertext": one[3], "tag": one[4] })
                    .to_string(),
            ),
            ("the key of a session", seal::seal(b"{}", key, Purpose::Session, &mut seal::system_random())),
            ("a chunk", seal::seal(b"{}\n", key, Purpose::Chunk, &mut seal::system_random())),
        ]
        .map(|(what, token)| (what.to_owned(), token)),
    );
    tokens
}

fn names(answer: &Answer) -> Vec<String> {
    let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    names
}

/// Checks that an answer is the one that says nothing.
#[track_caller]
fn check(what: &str, answer: &Answer, same: &Answer, elapsed: Duration) {
    assert!(elapsed >= seal::REFUSAL_DELAY, "{what} was refused early");
    assert_eq!((answer.status, &answer.body), (same.status, &same.body), "{what}");
    assert_eq!(names(answer), names(same), "{what}");
}

#[tokio::test]
async fn whoever_holds_no_key_is_told_one_and_the_same_thing() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    let plain = served.get(TARGET).await;
    assert_eq!(plain.status, 401);
    insta::assert_json_snapshot!(plain.json());

    let good = sealed(&served, &key, "GET", TARGET, None).token;
    let reflected = post(&served, &good).await;
    assert_eq!(reflected.status, 200);
    let mut tokens = wrong_plaintexts(&served, &key);
    tokens.extend(wrong_tokens(&served, &key));
    tokens.push(("a replayed request".to_owned(), good));
    tokens.push(("a reflected answer".to_owned(), String::from_utf8(reflected.body.to_vec()).unwrap()));
    assert!(tokens.len() > 48, "{}", tokens.len());
    for (what, token) in tokens {
        let started = Instant::now();
        let answer = post(&served, &token).await;
        check(&what, &answer, &plain, started.elapsed());
    }
    // Nobody was locked out by it.
    assert_eq!(ask(&served, &key, TARGET).await.0, 200);
    served.stop().await;
}

#[tokio::test]
async fn another_method_or_path_is_refused_before_anything_is_looked_at() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    let plain = served.get(TARGET).await;
    let token = sealed(&served, &key, "POST", "/v1/search", Some(&json!({ "q": "report" }))).token;
    let bearer = format!("Bearer {token}");
    let (jose, json) = (("content-type", "application/jose"), ("content-type", "application/json"));
    for (method, target, headers, body) in [
        ("POST", "/v1/search", vec![jose], token.as_str()),
        ("POST", "/v1/search", vec![json], r#"{"q":"report"}"#),
        ("POST", "/v1/sealed", vec![], &token),
        ("POST", "/v1/sealed", vec![json], &token),
        ("POST", "/v1/sealed", vec![("content-type", "text/plain")], &token),
        ("POST", "/v1/sealed", vec![("authorization", &bearer)], ""),
        ("POST", "/v1/sealed?", vec![jose], &token),
        ("POST", "/v1/sealed?q=report", vec![jose], &token),
        ("POST", "/v1/sealed/", vec![jose], &token),
        ("POST", "/v1//sealed", vec![jose], &token),
        ("POST", "/V1/sealed", vec![jose], &token),
        ("POST", "/v1/%73ealed", vec![jose], &token),
        ("POST", "/v1/search/../sealed", vec![jose], &token),
        ("PUT", "/v1/sealed", vec![jose], &token),
        ("PATCH", "/v1/sealed", vec![jose], &token),
        ("DELETE", "/v1/sealed", vec![jose], &token),
        ("OPTIONS", "/v1/sealed", vec![("access-control-request-method", "POST")], ""),
        ("POST", "/healthz", vec![jose], &token),
        ("POST", "/", vec![jose], &token),
        ("GET", "/v1/search?q=report", vec![("authorization", &bearer)], ""),
        ("GET", "/v1/search?q=report", vec![jose], &token),
        ("GET", "/v1/nowhere", vec![], ""),
        ("DELETE", "/v1/watches/books", vec![], ""),
    ] {
        let started = Instant::now();
        let answer = served.ask(method, target, &headers, body).await;
        check(&format!("{method} {target} {headers:?}"), &answer, &plain, started.elapsed());
    }
    // The token was looked at by none of them: it is good still, once.
    assert_eq!(post(&served, &token).await.status, 200);
    assert_eq!(post(&served, &token).await.status, 401);
    // What needs no key is there for reading.
    for open in ["/", "/page.css", "/page.js", "/seal.js", "/view.js", "/openapi.json", "/healthz", "/readyz", "/v1/sealed"] {
        assert_eq!(served.get(open).await.status, 200, "{open}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused_unread() {
    let served = Served::start(Settings { body_size_max: 4_000, ..listening(Sealing::Required) }).await;
    let key = key(&served);
    let long = json!({ "q": "x".repeat(4_000) });
    let token = sealed(&served, &key, "POST", "/v1/search", Some(&long)).token;
    let noise = "A".repeat(token.len());
    let [right, wrong] = [post(&served, &token).await, post(&served, &noise).await];
    assert_eq!((right.status.as_u16(), &right.body, names(&right)), (413, &wrong.body, names(&wrong)));
    served.stop().await;
    // Not longer than a token may be, whatever a body may be.
    let served = Served::start(Settings { body_size_max: 1 << 20, ..listening(Sealing::Required) }).await;
    let answer = post(&served, &"A".repeat(300_000)).await;
    assert_eq!(answer.status.as_u16(), 413);
    served.stop().await;
}

/// Sends the head of a request, and its body later; returns how long the answer took from the end of the body on, and its status.
async fn slowly(at: SocketAddr, (path, media_type): (&str, &str), token: &str, pause: Duration) -> (Duration, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n",
        token.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(pause).await;
    let sent = Instant::now();
    stream.write_all(token.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (sent.elapsed(), answer.lines().next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_slow_body_does_not_show_how_long_the_refusal_took() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    let old = seal_plaintext(&key, &json!({ "iat": 0 }));
    let sealed = ("/v1/sealed", "application/jose");
    for (to, token) in [
        (sealed, "abc"),
        (sealed, &old),
        // Also what is refused whatever its body is.
        (("/v1/sealed", "text/plain"), "abc"),
        (("/v1/sealed?q=1", "application/jose"), "abc"),
        (("/v1/search", "application/json"), "{}"),
    ] {
        let (elapsed, status) = slowly(served.address, to, token, seal::REFUSAL_DELAY * 4).await;
        assert!(status.contains(" 401 ") && elapsed >= seal::REFUSAL_DELAY, "{to:?}: {status} after {elapsed:?}");
    }
    served.stop().await;
}

#[tokio::test]
async fn two_servers_with_one_key_file_do_not_accept_each_others_requests() {
    let [one, other] = [Served::start(listening(Sealing::Required)).await, Served::start(listening(Sealing::Required)).await];
    let key = key(&one);
    let keys = |of: &Served| DataFolder::keys(of.folder.path());
    std::fs::copy(keys(&one), keys(&other)).unwrap();
    for (here, there) in [(&one, &other), (&other, &one)] {
        let request = sealed(here, &key, "GET", TARGET, None);
        assert_eq!(post(there, &request.token).await.status, 401);
        assert_eq!(opened(&post(here, &request.token).await, &key, &request).0, 200, "it was good where it was meant for");
        // Nor where somebody on the way has told the client the other's start.
        let misled = Destination { start: there.destination.start.clone(), ..here.destination.clone() };
        let request = sealed_for(&misled, here, &key, ("GET", TARGET, None));
        for server in [here, there] {
            assert_eq!(post(server, &request.token).await.status, 401);
        }
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn nothing_recorded_before_a_restart_is_accepted_after_it() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    let at = |seconds: i64| {
        let clock = FixedClock::new(NOW);
        clock.advance(seconds);
        let random = &mut seal::system_random();
        seal::seal_request(&key, &served.destination, "GET", TARGET, None, clock.now(), random).token
    };
    // By clients whose clocks are wrong by all that is tolerated; a part was answered, a part was held back on the way.
    let recorded: Vec<String> = [-120, -119, -60, -1, 0, 1, 60, 119, 120].into_iter().map(at).collect();
    for token in recorded.iter().step_by(2) {
        assert_eq!(post(&served, token).await.status, 200);
    }
    let before = served.destination.clone();
    let served = served.restart().await;
    assert_eq!(before.server, served.destination.server, "the server is the same");
    // Also where the clock was set back or on meanwhile.
    for advanced in [0, 60, 60, -240] {
        served.clock.advance(advanced);
        for token in &recorded {
            assert_eq!(post(&served, token).await.status, 401);
        }
        assert_eq!(ask(&served, &key, TARGET).await.0, 200, "and nobody has to wait");
    }
    served.stop().await;
}
