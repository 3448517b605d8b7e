//! The two-step password: the questions and answers around [`crate::password`].

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::password::Verifier;
use crate::world::{World, mix};

const PASSWORD_HASH_INVALID: RpcError = RpcError::new(400, "PASSWORD_HASH_INVALID");

impl Call<'_> {
    fn verifier(&self, world: &World) -> Option<Verifier> {
        let password = world.accounts.get(self.account)?.password.as_ref()?;
        Some(Verifier::new(password, mix(world.seed ^ mix(self.account as u64 ^ 0x5afe))))
    }

    fn srp_id(&self, world: &World) -> i64 {
        mix(world.seed ^ mix(self.account as u64 ^ 0x01d5)) as i64
    }

    pub(super) fn get_password(&self) -> Answer {
        let world = self.core.world();
        let verifier = self.verifier(&world);
        let srp_id = self.srp_id(&world);
        // Deriving the verifier takes a tenth of a second: off the lock, so that nothing else waits for it.
        drop(world);
        let algorithm = |salt1: Vec<u8>, salt2: Vec<u8>| {
            enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(
                types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow {
                    salt1,
                    salt2,
                    g: crate::password::GENERATOR,
                    p: crate::password::PRIME.to_vec(),
                },
            )
        };
        let password = types::account::Password {
            has_recovery: false,
            has_secure_values: false,
            has_password: verifier.is_some(),
            current_algo: verifier.as_ref().map(|verifier| algorithm(verifier.salt1.clone(), verifier.salt2.clone())),
            srp_b: verifier.as_ref().map(Verifier::public_value),
            srp_id: verifier.as_ref().map(|_| srp_id),
            hint: verifier.as_ref().map(|_| "the simulated one".into()),
            email_unconfirmed_pattern: None,
            new_algo: algorithm(vec![1; 8], vec![2; 16]),
            new_secure_algo: enums::SecurePasswordKdfAlgo::Unknown,
            secure_random: vec![3; 256],
            pending_reset_date: None,
            login_email_pattern: None,
        };
        Ok(enums::account::Password::Password(password).to_bytes())
    }

    pub(super) fn check_password(&self) -> Answer {
        let request: f::auth::CheckPassword = self.request()?;
        let enums::InputCheckPasswordSrp::Srp(proof) = request.password else { return Err(PASSWORD_HASH_INVALID) };
        let (verifier, srp_id, passed_code) = {
            let world = self.core.world();
            let passed = world.accounts.get(self.account).is_some_and(|account| account.login_accepted);
            (self.verifier(&world), self.srp_id(&world), passed)
        };
        if !passed_code {
            return Err(RpcError::new(401, "AUTH_KEY_UNREGISTERED"));
        }
        if proof.srp_id != srp_id {
            return Err(RpcError::new(400, "SRP_ID_INVALID"));
        }
        if !verifier.is_some_and(|verifier| verifier.accepts(&proof.a, &proof.m1)) {
            return Err(PASSWORD_HASH_INVALID);
        }
        let mut world = self.core.world_mut();
        if let Some(account) = world.accounts.get_mut(self.account) {
            account.sign_in();
            account.login_accepted = false;
        }
        Ok(self.authorization(&world).to_bytes())
    }
}
