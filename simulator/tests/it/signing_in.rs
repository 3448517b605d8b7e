//! Signing in by code and password, at home only.

use grammers_crypto::two_factor_auth::calculate_2fa;
use grammers_tl_types::{enums, functions as f, types};
use telescribe_simulator::WorldSpec;

use crate::client::{Client, refusal, spec, start};

fn send_code(phone: &str) -> f::auth::SendCode {
    let settings = types::CodeSettings {
        allow_flashcall: false,
        current_number: false,
        allow_app_hash: false,
        allow_missed_call: false,
        allow_firebase: false,
        unknown_number: false,
        logout_tokens: None,
        token: None,
        app_sandbox: None,
    };
    f::auth::SendCode { phone_number: phone.into(), api_id: 1, api_hash: String::new(), settings: settings.into() }
}

async fn code_hash(client: &Client) -> String {
    match client.call(&send_code(&client.access.phone)).await.unwrap() {
        enums::auth::SentCode::Code(sent) => sent.phone_code_hash,
        other => panic!("{other:?}"),
    }
}

fn sign_in(client: &Client, hash: &str, code: &str) -> f::auth::SignIn {
    f::auth::SignIn {
        phone_number: format!("+{}", client.access.phone),
        phone_code_hash: hash.into(),
        phone_code: Some(code.into()),
        email_verification: None,
    }
}

async fn check(client: &Client, password: &str) -> f::auth::CheckPassword {
    let enums::account::Password::Password(asked) = client.call(&f::account::GetPassword {}).await.unwrap();
    let Some(enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(algorithm)) = asked.current_algo else {
        panic!("an algorithm")
    };
    let (m1, a) = calculate_2fa(
        &algorithm.salt1,
        &algorithm.salt2,
        &algorithm.p,
        &algorithm.g,
        asked.srp_b.unwrap(),
        vec![0x42; 256],
        password,
    );
    let proof = types::InputCheckPasswordSrp { srp_id: asked.srp_id.unwrap(), a: a.to_vec(), m1: m1.to_vec() };
    f::auth::CheckPassword { password: proof.into() }
}

#[tokio::test]
async fn a_code_signs_in_and_logging_out_signs_out() {
    let simulator = start(&WorldSpec { signed_in: false, ..spec() }).await;
    let client = Client::connect(&simulator, "alpha");
    assert!(client.access.password.is_none());
    let state = f::updates::GetState {};
    assert_eq!(client.refusal(&state).await, "AUTH_KEY_UNREGISTERED");
    assert_eq!(client.refusal(&send_code("123")).await, "PHONE_NUMBER_INVALID");
    let away = client.access.data_centres.iter().find(|dc| dc.id != client.access.home_dc).unwrap().id;
    let refused = refusal(client.call_in(away, &send_code(&client.access.phone)).await);
    assert_eq!(refused, format!("PHONE_MIGRATE_{}", client.access.home_dc));
    let hash = code_hash(&client).await;
    assert_eq!(client.refusal(&sign_in(&client, &hash, "no")).await, "PHONE_CODE_INVALID");
    assert_eq!(client.refusal(&sign_in(&client, "no", &client.access.code)).await, "PHONE_CODE_EXPIRED");
    client.call(&sign_in(&client, &hash, &client.access.code)).await.unwrap();
    client.call(&state).await.unwrap();
    client.call(&f::auth::LogOut {}).await.unwrap();
    assert_eq!(client.refusal(&state).await, "AUTH_KEY_UNREGISTERED");
    simulator.stop().await;
}

#[tokio::test]
async fn a_two_step_password_is_asked_for_and_proven() {
    let simulator = start(&WorldSpec { signed_in: false, ..spec() }).await;
    let client = Client::connect(&simulator, "bravo");
    let password = client.access.password.clone().unwrap();
    let early = check(&client, &password).await;
    assert_eq!(client.refusal(&early).await, "AUTH_KEY_UNREGISTERED");
    let hash = code_hash(&client).await;
    assert_eq!(client.refusal(&sign_in(&client, &hash, &client.access.code)).await, "SESSION_PASSWORD_NEEDED");
    let wrong = check(&client, "wrong").await;
    assert_eq!(client.refusal(&wrong).await, "PASSWORD_HASH_INVALID");
    let right = check(&client, &password).await;
    client.call(&right).await.unwrap();
    client.call(&f::updates::GetState {}).await.unwrap();
    simulator.stop().await;
}

#[tokio::test]
async fn a_qr_login_succeeds_once_it_is_accepted() {
    let simulator = start(&WorldSpec { signed_in: false, ..spec() }).await;
    let client = Client::connect(&simulator, "alpha");
    let request = f::auth::ExportLoginToken { api_id: 1, api_hash: String::new(), except_ids: vec![] };
    assert!(matches!(client.call(&request).await.unwrap(), enums::auth::LoginToken::Token(_)));
    simulator.accept_login("alpha").unwrap();
    assert!(matches!(client.call(&request).await.unwrap(), enums::auth::LoginToken::Success(_)));
    client.call(&f::updates::GetState {}).await.unwrap();
    simulator.stop().await;
}
