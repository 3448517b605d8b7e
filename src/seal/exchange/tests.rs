//! What a request and an answer are good for, and what they are refused for.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use super::*;
use crate::seal::nonces::Nonces;
use crate::seal::{KeyRing, ServerId};

const NOW: i64 = 1_700_000_000;

struct Bench {
    ring: KeyRing,
    recipient: Recipient,
    random: StdRng,
}

fn raw(value: Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

impl Bench {
    fn new() -> Self {
        let (mut ring, mut random) = (KeyRing::default(), StdRng::seed_from_u64(11));
        for name in ["analyst", "desk"] {
            ring.add_new(&name.parse().unwrap(), at(0), &mut random);
        }
        let recipient = Recipient::new(ServerId::generate(&mut random), &mut random);
        Self { ring, recipient, random }
    }

    fn seal(&mut self, plaintext: &Value) -> String {
        seal(plaintext.to_string().as_bytes(), &self.ring.keys()[0], Purpose::Request, &mut self.random)
    }

    fn open(&self, token: &str) -> Result<OpenedRequest, RefusalReason> {
        self.open_at(token, NOW)
    }

    fn open_at(&self, token: &str, now: i64) -> Result<OpenedRequest, RefusalReason> {
        open_request(token, self.ring.keys(), &self.recipient, at(now)).map_err(|refused| refused.reason())
    }

    fn refusal(&mut self, plaintext: Value) -> Option<RefusalReason> {
        let token = self.seal(&plaintext);
        self.open(&token).err()
    }

    fn plaintext(&self) -> Value {
        let Destination { server, start } = self.recipient.destination();
        json!({"iat": NOW, "jti": "n-1", "aud": server.as_str(), "start": start, "method": "GET", "target": "/v1/peers?limit=3"})
    }

    fn with(&self, member: &str, value: Value) -> Value {
        let mut plaintext = self.plaintext();
        plaintext[member] = value;
        plaintext
    }

    fn sealed(&mut self, member: &str, value: Value) -> String {
        let plaintext = self.with(member, value);
        self.seal(&plaintext)
    }

    fn refused(&mut self, member: &str, value: Value) -> Option<RefusalReason> {
        let token = self.sealed(member, value);
        self.open(&token).err()
    }

    fn ask(&mut self, key: &Key, method: &str, target: &str, body: Option<&Value>) -> SealedRequest {
        let to = self.recipient.destination().clone();
        seal_request(key, &to, method, target, body, at(NOW), &mut self.random)
    }
}

#[test]
fn a_request_arrives_and_its_answer_comes_back() {
    let mut bench = Bench::new();
    let key = Arc::clone(&bench.ring.keys()[0]);
    let body = json!({"query": "今天 \"x\"", "n": [1, null]});
    let sent = bench.ask(&key, "POST", "/v1/search", Some(&body));
    let request = bench.open(&sent.token).unwrap();
    assert_eq!((request.client(), request.kid(), &request.jti), (key.client(), key.id(), &sent.jti));
    assert_eq!((request.method.as_str(), request.target.as_str(), &request.body), ("POST", "/v1/search", &body));
    let shown = format!("{request:?}");
    assert!(!shown.contains("今天") && !shown.contains("search"), "{shown}");

    let token = request.seal_answer(404, &raw(json!({"title": "no such peer"})), at(NOW), &mut bench.random);
    let answer = open_answer(&token, &key, &sent.jti).unwrap();
    assert_eq!(answer, OpenedAnswer { iat: NOW as u64, status: 404, body: json!({"title": "no such peer"}) });
}

#[test]
fn a_request_without_a_body_has_none() {
    let mut bench = Bench::new();
    let key = Arc::clone(&bench.ring.keys()[0]);
    let sent = bench.ask(&key, "GET", "/v1/peers?limit=3", None);
    let opened = open(&sent.token, bench.ring.keys(), Purpose::Request).unwrap();
    let plaintext: Value = serde_json::from_slice(&opened.plaintext).unwrap();
    assert_eq!(plaintext, bench.with("jti", json!(sent.jti)));
    assert_eq!(bench.open(&sent.token).unwrap().body, Value::Null);
}

#[test]
fn an_answer_to_another_request_or_under_another_key_is_refused() {
    let mut bench = Bench::new();
    let [key, other] = [0, 1].map(|index| Arc::clone(&bench.ring.keys()[index]));
    let token = seal_answer(&key, "n-1", 200, &raw(json!("line\nline\n")), at(NOW), &mut bench.random);
    assert_eq!(open_answer(&token, &key, "n-1").unwrap().body, json!("line\nline\n"));
    assert_eq!(open_answer(&token, &key, "n-2").unwrap_err().reason(), RefusalReason::Target);
    assert_eq!(open_answer(&token, &other, "n-1").unwrap_err().reason(), RefusalReason::Authentication);
}

#[test]
fn a_request_is_good_once() {
    let mut bench = Bench::new();
    let plaintext = bench.plaintext();
    let token = bench.seal(&plaintext);
    assert!(bench.open(&token).is_ok());
    assert_eq!(bench.open(&token).unwrap_err(), RefusalReason::Replay);
    assert_eq!(bench.refused("iat", json!(NOW + 1)), Some(RefusalReason::Replay), "sealed anew with the same nonce");
    assert_eq!(bench.refused("jti", json!("n-2")), None);
}

#[test]
fn a_request_stays_used_for_as_long_as_the_clock_would_let_it_pass() {
    let mut bench = Bench::new();
    let token = bench.sealed("iat", json!(NOW + 120));
    assert!(bench.open(&token).is_ok());
    for later in [1, 119, 120, 121, 239, 240] {
        assert_eq!(bench.open_at(&token, NOW + later).unwrap_err(), RefusalReason::Replay, "{later}");
    }
    assert_eq!(bench.open_at(&token, NOW + 241).unwrap_err(), RefusalReason::Time);
}

#[test]
fn clocks_may_be_120_s_apart_and_not_one_more() {
    let mut bench = Bench::new();
    let cases = [(-121, Some(RefusalReason::Time)), (-120, None), (0, None), (120, None), (121, Some(RefusalReason::Time))];
    for (index, (offset, expected)) in cases.into_iter().enumerate() {
        let mut plaintext = bench.with("jti", json!(format!("n{index}")));
        plaintext["iat"] = json!(NOW + offset);
        assert_eq!(bench.refusal(plaintext), expected, "{offset} s");
    }
}

#[test]
fn times_with_fractions_are_understood_and_nonsense_is_not() {
    let mut bench = Bench::new();
    assert_eq!(bench.refused("iat", json!(NOW as f64 + 0.75)), None);
    for iat in [json!("1700000000"), json!(-1), json!(-1.5), json!(null), json!(1e300), json!([NOW])] {
        assert_eq!(bench.refused("iat", iat.clone()), Some(RefusalReason::Content), "{iat}");
    }
    assert_eq!(bench.refused("iat", json!(u64::MAX)), Some(RefusalReason::Time));
}

#[test]
fn a_request_for_another_server_is_refused_also_by_one_with_the_same_keys() {
    let mut bench = Bench::new();
    let plaintext = bench.plaintext();
    let token = bench.seal(&plaintext);
    let other = Recipient::new(ServerId::generate(&mut bench.random), &mut bench.random);
    let refused = open_request(&token, bench.ring.keys(), &other, at(NOW)).unwrap_err();
    assert_eq!(refused.reason(), RefusalReason::Server);
    for aud in ["", "*", &bench.recipient.destination().server.as_str().to_uppercase()] {
        assert_eq!(bench.refused("aud", json!(aud)), Some(RefusalReason::Server), "{aud}");
    }
    let both = [bench.recipient.destination(), other.destination()].map(|to| to.server.as_str().to_owned());
    assert_eq!(bench.refused("aud", json!(both)), Some(RefusalReason::Content), "one server, and no list of them");
    assert!(bench.open(&token).is_ok(), "what was refused there is good here");
}

#[test]
fn nothing_from_before_a_start_is_accepted_after_it_whatever_the_clocks_say() {
    let mut bench = Bench::new();
    let issued = [-120, -60, 0, 60, 119, 120];
    // Recorded before the restart: half of them were answered, the others were held back.
    let recorded: Vec<String> = issued
        .iter()
        .enumerate()
        .map(|(at, skew)| {
            let mut plaintext = bench.with("jti", json!(format!("n{at}")));
            plaintext["iat"] = json!(NOW + skew);
            bench.seal(&plaintext)
        })
        .collect();
    for token in recorded.iter().step_by(2) {
        assert!(bench.open(token).is_ok());
    }
    let server = bench.recipient.destination().server.clone();
    bench.recipient = Recipient::new(server, &mut bench.random);
    for later in [-3_600, -60, 0, 1, 60, 120, 240] {
        for token in &recorded {
            assert_eq!(bench.open_at(token, NOW + later).unwrap_err(), RefusalReason::Start, "{later} s later");
        }
    }
    // A new one is answered at once, with a nonce that was used before the start.
    assert_eq!(bench.refused("jti", json!("n0")), None);
    assert_eq!(bench.refused("start", json!("")), Some(RefusalReason::Start));
}

#[test]
fn what_is_not_exactly_a_request_is_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.refused("jti", json!("")), Some(RefusalReason::Content));
    assert_eq!(bench.refused("jti", json!("n".repeat(65))), Some(RefusalReason::Content));
    assert_eq!(bench.refused("jti", json!(7)), Some(RefusalReason::Content));
    assert_eq!(bench.refused("sub", json!("me")), Some(RefusalReason::Content));
    assert_eq!(bench.refusal(json!({})), Some(RefusalReason::Content));
    assert_eq!(bench.refusal(json!([NOW, "n-1", "a", "s", "GET", "/v1/peers?limit=3", null])), Some(RefusalReason::Content));
    for member in ["iat", "jti", "aud", "start", "method", "target"] {
        let mut plaintext = bench.plaintext();
        plaintext.as_object_mut().unwrap().remove(member);
        assert_eq!(bench.refusal(plaintext), Some(RefusalReason::Content), "{member}");
    }
    let key = Arc::clone(&bench.ring.keys()[0]);
    let twice = bench.plaintext().to_string().replace('}', r#","jti":"n-2"}"#);
    let deep = bench.plaintext().to_string().replace('}', &format!(r#","body":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000)));
    for text in [twice.as_str(), deep.as_str(), "", "null", "\u{feff}{}"] {
        let token = seal(text.as_bytes(), &key, Purpose::Request, &mut bench.random);
        assert_eq!(bench.open(&token).unwrap_err(), RefusalReason::Content);
    }
    assert_eq!(bench.refused("jti", json!("n".repeat(64))), None);
}

#[test]
fn a_full_memory_of_nonces_refuses() {
    let mut bench = Bench::new();
    bench.recipient.nonces = Nonces::with_limits(CLOCK_TOLERANCE * 2, 1);
    assert_eq!(bench.refused("jti", json!("n-1")), None);
    assert_eq!(bench.refused("jti", json!("n-2")), Some(RefusalReason::Full));
}

#[test]
fn a_key_that_was_taken_out_still_seals_the_answer_to_what_it_asked() {
    let mut bench = Bench::new();
    let plaintext = bench.plaintext();
    let token = bench.seal(&plaintext);
    let request = bench.open(&token).unwrap();
    let kid = request.kid().clone();
    let key = bench.ring.remove(&kid).unwrap();
    let token = request.seal_answer(200, &raw(json!({})), at(NOW), &mut bench.random);
    assert!(open_answer(&token, &key, "n-1").is_ok());
    assert_eq!(bench.refused("jti", json!("n-2")), None, "the other key is the first now");
    let token = seal(bench.plaintext().to_string().as_bytes(), &key, Purpose::Request, &mut bench.random);
    assert_eq!(bench.open(&token).unwrap_err(), RefusalReason::Authentication);
}

proptest! {
    #[test]
    fn any_request_and_answer_come_through(method in ".{0,8}", target in ".{0,60}", text in ".*", status in 100..600_u16, seed: u64) {
        let mut bench = Bench::new();
        bench.random = StdRng::seed_from_u64(seed);
        let key = Arc::clone(&bench.ring.keys()[1]);
        let body = json!({"text": text, "more": [status]});
        let sent = bench.ask(&key, &method, &target, Some(&body));
        let request = bench.open(&sent.token).unwrap();
        prop_assert_eq!((&request.method, &request.target, &request.body), (&method, &target, &body));
        let token = request.seal_answer(status, &raw(Value::from(text.as_str())), at(NOW), &mut bench.random);
        let answer = open_answer(&token, &key, &sent.jti).unwrap();
        prop_assert_eq!((answer.status, answer.body), (status, Value::from(text)));
    }

    #[test]
    fn no_plaintext_at_all_makes_opening_panic(text in r#"\{("(iat|jti|aud|start|method|target|body)":("x"|1|null|\[\]),?){0,5}\}"#) {
        let mut bench = Bench::new();
        let key = Arc::clone(&bench.ring.keys()[0]);
        let token = seal(text.as_bytes(), &key, Purpose::Request, &mut bench.random);
        prop_assert!(bench.open(&token).is_err());
    }
}
