//! What a request and an answer are good for, and what they are refused for.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use super::*;
use crate::seal::KeyRing;

const NOW: i64 = 1_700_000_000;

struct Bench {
    ring: KeyRing,
    nonces: Nonces,
    random: StdRng,
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
        Self { ring, nonces: Nonces::new(), random }
    }

    fn seal(&mut self, plaintext: &Value) -> String {
        seal(plaintext.to_string().as_bytes(), &self.ring.keys()[0], Purpose::Request, &mut self.random)
    }

    fn open(&self, token: &str) -> Result<OpenedRequest, RefusalReason> {
        self.open_at(token, "GET", "/v1/peers?limit=3", NOW)
    }

    fn open_at(&self, token: &str, method: &str, target: &str, now: i64) -> Result<OpenedRequest, RefusalReason> {
        open_request(token, self.ring.keys(), &self.nonces, method, target, at(now)).map_err(|refused| refused.reason())
    }

    fn refusal(&mut self, plaintext: Value) -> Option<RefusalReason> {
        let token = self.seal(&plaintext);
        self.open(&token).err()
    }
}

fn plaintext() -> Value {
    json!({"iat": NOW, "jti": "n-1", "htm": "GET", "htu": "/v1/peers?limit=3"})
}

fn with(member: &str, value: Value) -> Value {
    let mut plaintext = plaintext();
    plaintext[member] = value;
    plaintext
}

#[test]
fn a_request_arrives_and_its_answer_comes_back() {
    let mut bench = Bench::new();
    let key = Arc::clone(&bench.ring.keys()[0]);
    let body = json!({"query": "今天 \"x\"", "n": [1, null]});
    let sent = seal_request(&key, "POST", "/v1/search", Some(&body), at(NOW), &mut bench.random);
    let request = bench.open_at(&sent.token, "POST", "/v1/search", NOW).unwrap();
    assert_eq!((request.client(), request.kid(), &request.jti), (key.client(), key.id(), &sent.jti));
    assert_eq!(request.body, body);
    assert!(!format!("{request:?}").contains("今天"));

    let token = request.seal_answer(404, &json!({"title": "no such peer"}), at(NOW), &mut bench.random);
    let answer = open_answer(&token, &key, &sent.jti).unwrap();
    assert_eq!(answer, OpenedAnswer { iat: NOW as u64, status: 404, body: json!({"title": "no such peer"}) });
}

#[test]
fn a_request_without_a_body_has_none() {
    let mut bench = Bench::new();
    let key = Arc::clone(&bench.ring.keys()[0]);
    let sent = seal_request(&key, "GET", "/v1/peers?limit=3", None, at(NOW), &mut bench.random);
    let opened = open(&sent.token, bench.ring.keys(), Purpose::Request).unwrap();
    let plaintext: Value = serde_json::from_slice(&opened.plaintext).unwrap();
    assert_eq!(plaintext, json!({"iat": NOW, "jti": sent.jti, "htm": "GET", "htu": "/v1/peers?limit=3"}));
    assert_eq!(bench.open(&sent.token).unwrap().body, Value::Null);
}

#[test]
fn an_answer_to_another_request_or_under_another_key_is_refused() {
    let mut bench = Bench::new();
    let [key, other] = [0, 1].map(|index| Arc::clone(&bench.ring.keys()[index]));
    let token = seal_answer(&key, "n-1", 200, &json!("line\nline\n"), at(NOW), &mut bench.random);
    assert_eq!(open_answer(&token, &key, "n-1").unwrap().body, json!("line\nline\n"));
    assert_eq!(open_answer(&token, &key, "n-2").unwrap_err().reason(), RefusalReason::Target);
    assert_eq!(open_answer(&token, &other, "n-1").unwrap_err().reason(), RefusalReason::Authentication);
}

#[test]
fn a_request_is_good_once() {
    let mut bench = Bench::new();
    let token = bench.seal(&plaintext());
    assert!(bench.open(&token).is_ok());
    assert_eq!(bench.open(&token).unwrap_err(), RefusalReason::Replay);
    assert_eq!(bench.refusal(with("iat", json!(NOW + 1))), Some(RefusalReason::Replay), "sealed anew with the same nonce");
    assert_eq!(bench.refusal(with("jti", json!("n-2"))), None);
}

#[test]
fn a_request_stays_used_for_as_long_as_the_clock_would_let_it_pass() {
    let mut bench = Bench::new();
    let token = bench.seal(&with("iat", json!(NOW + 120)));
    assert!(bench.open(&token).is_ok());
    for later in [1, 119, 120, 121, 239, 240] {
        assert_eq!(bench.open_at(&token, "GET", "/v1/peers?limit=3", NOW + later).unwrap_err(), RefusalReason::Replay, "{later}");
    }
    assert_eq!(bench.open_at(&token, "GET", "/v1/peers?limit=3", NOW + 241).unwrap_err(), RefusalReason::Time);
}

#[test]
fn clocks_may_be_120_s_apart_and_not_one_more() {
    let mut bench = Bench::new();
    let cases = [(-121, Some(RefusalReason::Time)), (-120, None), (0, None), (120, None), (121, Some(RefusalReason::Time))];
    for (index, (offset, expected)) in cases.into_iter().enumerate() {
        let mut plaintext = with("jti", json!(format!("n{index}")));
        plaintext["iat"] = json!(NOW + offset);
        assert_eq!(bench.refusal(plaintext), expected, "{offset} s");
    }
}

#[test]
fn times_with_fractions_are_understood_and_nonsense_is_not() {
    let mut bench = Bench::new();
    assert_eq!(bench.refusal(with("iat", json!(NOW as f64 + 0.75))), None);
    for iat in [json!("1700000000"), json!(-1), json!(-1.5), json!(null), json!(1e300), json!([NOW])] {
        assert_eq!(bench.refusal(with("iat", iat.clone())), Some(RefusalReason::Content), "{iat}");
    }
    assert_eq!(bench.refusal(with("iat", json!(u64::MAX))), Some(RefusalReason::Time));
}

#[test]
fn a_request_for_elsewhere_is_refused_and_does_not_use_up_its_nonce() {
    let mut bench = Bench::new();
    let token = bench.seal(&plaintext());
    for (method, target) in [
        ("POST", "/v1/peers?limit=3"),
        ("get", "/v1/peers?limit=3"),
        ("GET", "/v1/peers"),
        ("GET", "/v1/peers?limit=30"),
        ("GET", "/v1/peers?limit=%33"),
        ("GET", "/v1/peers/?limit=3"),
        ("GET", ""),
    ] {
        assert_eq!(bench.open_at(&token, method, target, NOW).unwrap_err(), RefusalReason::Target, "{method} {target}");
    }
    assert!(bench.open(&token).is_ok());
}

#[test]
fn an_absolute_uri_counts_by_its_path_and_query() {
    for (htu, target) in [
        ("https://archive.example/v1/peers?limit=3", "/v1/peers?limit=3"),
        ("http://127.0.0.1:8080/v1/peers?limit=3", "/v1/peers?limit=3"),
        ("https://archive.example", "/"),
        ("https://archive.example/", "/"),
        ("https://archive.example?q=a/b", "/?q=a/b"),
        ("/v1/peers", "/v1/peers"),
    ] {
        assert!(names_target(htu, target), "{htu} {target}");
    }
    for (htu, target) in [
        ("https://archive.example/v1/peers", "/v1/peers?limit=3"),
        ("https://archive.example/v1/peers#x", "/v1/peers"),
        ("ftp://archive.example/v1/peers", "/v1/peers"),
        ("archive.example/v1/peers", "/v1/peers"),
        ("//archive.example/v1/peers", "/v1/peers"),
        ("https://archive.example", ""),
        ("v1/peers", "/v1/peers"),
        ("", "/"),
        ("", ""),
    ] {
        assert!(!names_target(htu, target), "{htu} {target}");
    }
}

#[test]
fn what_is_not_exactly_a_request_is_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.refusal(with("jti", json!(""))), Some(RefusalReason::Content));
    assert_eq!(bench.refusal(with("jti", json!("n".repeat(65)))), Some(RefusalReason::Content));
    assert_eq!(bench.refusal(with("jti", json!(7))), Some(RefusalReason::Content));
    assert_eq!(bench.refusal(with("sub", json!("me"))), Some(RefusalReason::Content));
    assert_eq!(bench.refusal(json!({})), Some(RefusalReason::Content));
    assert_eq!(bench.refusal(json!([NOW, "n-1", "GET", "/v1/peers?limit=3", null])), Some(RefusalReason::Content));
    for member in ["iat", "jti", "htm", "htu"] {
        let mut plaintext = plaintext();
        plaintext.as_object_mut().unwrap().remove(member);
        assert_eq!(bench.refusal(plaintext), Some(RefusalReason::Content), "{member}");
    }
    let key = Arc::clone(&bench.ring.keys()[0]);
    let twice = plaintext().to_string().replace('}', r#","jti":"n-2"}"#);
    let deep = plaintext().to_string().replace('}', &format!(r#","body":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000)));
    for text in [twice.as_str(), deep.as_str(), "", "null", "\u{feff}{}"] {
        let token = seal(text.as_bytes(), &key, Purpose::Request, &mut bench.random);
        assert_eq!(bench.open(&token).unwrap_err(), RefusalReason::Content);
    }
    assert_eq!(bench.refusal(with("jti", json!("n".repeat(64)))), None);
}

#[test]
fn a_full_memory_of_nonces_refuses() {
    let mut bench = Bench::new();
    bench.nonces = Nonces::with_limits(CLOCK_TOLERANCE * 2, 1);
    assert_eq!(bench.refusal(with("jti", json!("n-1"))), None);
    assert_eq!(bench.refusal(with("jti", json!("n-2"))), Some(RefusalReason::Full));
}

#[test]
fn a_key_that_was_taken_out_still_seals_the_answer_to_what_it_asked() {
    let mut bench = Bench::new();
    let token = bench.seal(&plaintext());
    let request = bench.open(&token).unwrap();
    let kid = request.kid().clone();
    let key = bench.ring.remove(&kid).unwrap();
    let token = request.seal_answer(200, &json!({}), at(NOW), &mut bench.random);
    assert!(open_answer(&token, &key, "n-1").is_ok());
    assert_eq!(bench.refusal(with("jti", json!("n-2"))), None, "the other key is the first now");
    let token = seal(plaintext().to_string().as_bytes(), &key, Purpose::Request, &mut bench.random);
    assert_eq!(bench.open(&token).unwrap_err(), RefusalReason::Authentication);
}

proptest! {
    #[test]
    fn any_request_and_answer_come_through(method in "[A-Z]{1,8}", target in "/[ -~]{0,60}", text in ".*", status in 100..600_u16, seed: u64) {
        let mut bench = Bench::new();
        bench.random = StdRng::seed_from_u64(seed);
        let key = Arc::clone(&bench.ring.keys()[1]);
        let body = json!({"text": text, "more": [status]});
        let sent = seal_request(&key, &method, &target, Some(&body), at(NOW), &mut bench.random);
        let request = bench.open_at(&sent.token, &method, &target, NOW).unwrap();
        prop_assert_eq!(&request.body, &body);
        let token = request.seal_answer(status, &Value::from(text.as_str()), at(NOW), &mut bench.random);
        let answer = open_answer(&token, &key, &sent.jti).unwrap();
        prop_assert_eq!((answer.status, answer.body), (status, Value::from(text)));
    }

    #[test]
    fn no_plaintext_at_all_makes_opening_panic(text in r#"\{("(iat|jti|htm|htu|body)":("x"|1|null|\[\]),?){0,5}\}"#) {
        let mut bench = Bench::new();
        let key = Arc::clone(&bench.ring.keys()[0]);
        let token = seal(text.as_bytes(), &key, Purpose::Request, &mut bench.random);
        prop_assert!(bench.open(&token).is_err());
    }
}
