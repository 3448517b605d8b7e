//! Sealing is plain JOSE: stock libraries of other languages open what we seal, and we open what they seal.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use telescribe::model::Timestamp;
use telescribe::seal::{
    Key, KeyRing, PORTABLE_PLAINTEXT_MAX, Purpose, Recipient, RefusalReason, ServerId, open_answer, open_request, seal,
    seal_request, system_random,
};

use crate::support::old_key::add_old_key;
use crate::support::python::python;

const TARGET: &str = "/v1/search?q=%E4%BB%8A%E5%A4%A9";
const ISSUED: i64 = 1_700_000_000;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(ISSUED, 0).unwrap()
}

/// A library of another language, asked through its script in `tests/seal/`.
struct Library {
    name: &'static str,
    program: String,
    script: PathBuf,
}

impl Library {
    fn python(name: &'static str) -> Self {
        Self { name, program: python(&[name]), script: script("interop.py") }
    }

    fn jose() -> Self {
        let library = Self { name: "jose", program: "node".to_owned(), script: script("interop.mjs") };
        let there = library.command().stdin(Stdio::null()).output().is_ok_and(|output| {
            // Without a job the script complains about that, and not about the library that is missing.
            !String::from_utf8_lossy(&output.stderr).contains("MODULE_NOT_FOUND")
        });
        assert!(
            there,
            "`node` lacks jose: run `./dev test`, which installs it, or set JOSE_FOLDER to where `npm install jose` was run"
        );
        library
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(&self.script);
        command
    }

    fn ask(&self, mut job: Value) -> Value {
        job["library"] = self.name.into();
        let mut child = self.command().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn seal(&self, keys: &Value, kid: &str, purpose: Purpose, plaintext: &Value) -> String {
        let plaintext = plaintext.to_string();
        let job = json!({ "op": "seal", "jwks": keys, "kid": kid, "typ": purpose.typ(), "plaintext": plaintext });
        let sealed = self.ask(job);
        sealed["token"].as_str().unwrap_or_else(|| panic!("{} does not seal: {sealed}", self.name)).to_owned()
    }

    fn open(&self, keys: &Value, token: &str) -> Value {
        self.ask(json!({ "op": "open", "jwks": keys, "token": token }))
    }
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/seal").join(name)
}

/// A server's keys as their file holds them, and the second one, which is of an earlier version or as they are made now.
fn keys(of: Made) -> (Value, Vec<Arc<Key>>, Arc<Key>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let mut random = system_random();
    let mut ring = KeyRing::load(&path).unwrap();
    ring.add_new(&"other".parse().unwrap(), now(), &mut random);
    match of {
        Made::Now => {
            ring.add_new(&"analyst".parse().unwrap(), now(), &mut random);
            ring.save(&path).unwrap();
        }
        Made::Before => {
            ring.save(&path).unwrap();
            add_old_key(&path, "analyst", Timestamp(ISSUED));
            ring = KeyRing::load(&path).unwrap();
        }
    }
    let set = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let key = Arc::clone(&ring.keys()[1]);
    (set, ring.keys().to_vec(), key)
}

/// Which version has made a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Now,
    /// A key of 64 bytes.
    Before,
}

impl Made {
    fn algorithms(self) -> [&'static str; 2] {
        match self {
            Self::Now => ["A256KW", "A256GCM"],
            Self::Before => ["dir", "A256CBC-HS512"],
        }
    }
}

/// A server that has just started.
fn recipient() -> Recipient {
    let mut random = system_random();
    Recipient::new(ServerId::generate(&mut random), &mut random)
}

/// The plaintext of a request to it, with more members.
fn asked(recipient: &Recipient, nonce: &str, more: Value) -> Value {
    let to = recipient.destination();
    let mut asked = json!({ "jti": nonce, "aud": to.server.as_str(), "start": to.start, "method": "POST", "target": TARGET });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    asked
}

fn both_ways(library: &Library, of: Made) {
    let (set, ring, key) = keys(of);
    let (kid, name, mut random) = (key.id().as_str(), library.name, system_random());
    let recipient = recipient();
    for (nonce, length) in ["0", "1", "2"].into_iter().zip([0, 30_000, 150_000]) {
        // Theirs opens here, once.
        let body = json!(format!("今天{}", "x".repeat(length)));
        let asked = asked(&recipient, nonce, json!({ "iat": ISSUED as f64 + 0.5, "body": body }));
        let token = library.seal(&set, kid, Purpose::Request, &asked);
        let request = open_request(&token, &ring, &recipient, now()).unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str(), &request.body), ("POST", TARGET, &body), "{name}");
        assert_eq!((request.kid(), request.client().as_str()), (key.id(), "analyst"), "{name}");
        let again = open_request(&token, &ring, &recipient, now()).unwrap_err();
        assert_eq!(again.reason(), RefusalReason::Replay, "{name}");
        // Ours opens there.
        let token = request.seal_answer(200, body.to_string().as_bytes(), now(), &mut random);
        let opened = library.open(&set, &token);
        let plaintext = opened["plaintext"].as_str().unwrap_or_else(|| panic!("{name} does not open: {opened}"));
        let answer: Value = serde_json::from_str(plaintext).unwrap();
        assert_eq!(answer, json!({ "iat": ISSUED, "req": nonce, "status": 200, "body": body }), "{name}");
        let [alg, enc] = of.algorithms();
        let header = json!({ "alg": alg, "enc": enc, "kid": kid, "typ": Purpose::Answer.typ(), "cty": "application/json" });
        assert_eq!(opened["header"], header, "{name}");
    }
    let token = library.seal(&set, kid, Purpose::Answer, &json!({ "iat": 1, "req": "j", "status": 200, "body": [1] }));
    assert_eq!(open_answer(&token, &key, "j").unwrap().body, json!([1]), "{name}");
}

/// What must not open does not, here or there.
fn changed_and_foreign_tokens_are_refused(library: &Library, of: Made) {
    let (set, ring, key) = keys(of);
    let name = library.name;
    let recipient = recipient();
    let to = recipient.destination();
    let token = seal_request(&key, to, "GET", "/", None, now(), &mut system_random()).token;
    let exported: Value = serde_json::from_slice(&KeyRing::export(&key, &to.server)).unwrap();
    assert!(library.open(&exported, &token)["plaintext"].is_string(), "{name} opens with the key that is handed over");
    let others = json!({ "keys": [set["keys"][0]] });
    assert!(library.open(&others, &token)["error"].is_string(), "{name} has no such key");
    let asked = asked(&recipient, "n", json!({ "iat": ISSUED }));
    let theirs = library.seal(&set, key.id().as_str(), Purpose::Request, &asked);
    // Each part of the token in turn: header, wrapped key, vector, ciphertext, tag.
    for part in [0, 1, 2, 3, 4] {
        if part == 1 && of == Made::Before {
            continue; // It is empty.
        }
        let changed = |token: &str| {
            let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
            let first = if parts[part].starts_with('e') { "f" } else { "e" };
            parts[part].replace_range(..1, first);
            parts.join(".")
        };
        // A header that is no JSON any more is a job that is wrong in itself for some libraries: they are not asked.
        if part > 0 {
            assert!(library.open(&set, &changed(&token))["error"].is_string(), "{name} opened a changed part {part}");
        }
        let refused = open_request(&changed(&theirs), &ring, &recipient, now());
        let reason = refused.unwrap_err().reason();
        assert!(matches!(reason, RefusalReason::Malformed | RefusalReason::Authentication), "{name}, part {part}");
    }
    open_request(&theirs, &ring, &recipient, now()).unwrap();
}

fn portable_answers_open_with_stock_limits(library: &Library, of: Made) {
    let (set, _, key) = keys(of);
    let sealed = seal(vec![b' '; PORTABLE_PLAINTEXT_MAX], &key, Purpose::Answer, &mut system_random());
    let opened = library.ask(json!({ "op": "open", "jwks": set, "token": sealed, "stock_limits": true }));
    assert_eq!(opened["plaintext"].as_str().map(str::len), Some(PORTABLE_PLAINTEXT_MAX), "{}: {}", library.name, opened["error"]);
}

fn all(library: &Library) {
    for of in [Made::Now, Made::Before] {
        both_ways(library, of);
        changed_and_foreign_tokens_are_refused(library, of);
        portable_answers_open_with_stock_limits(library, of);
    }
}

#[test]
fn jwcrypto_and_we_open_each_others_seals() {
    all(&Library::python("jwcrypto"));
}

#[test]
fn joserfc_and_we_open_each_others_seals() {
    all(&Library::python("joserfc"));
}

#[test]
fn jose_and_we_open_each_others_seals() {
    all(&Library::jose());
}
