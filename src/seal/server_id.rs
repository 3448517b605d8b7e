//! The id of a server: which one of several that have the same keys a request is meant for.
//!
//! It is random, of one data folder, and public.

use std::fmt;
use std::str::FromStr;

use rand::CryptoRng;

/// Characters of an id: 128 random bits in hexadecimal, which no two servers share.
const LENGTH: usize = 32;

/// The id of a server: 32 hexadecimal digits. `aud` of a request, and of the key file that a client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerId(String);

/// A text is no id of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the id of a server: that is 32 of the digits 0-9 and a-f, as `telescribe key server` shows it", .0.escape_debug())]
pub struct InvalidServerId(String);

impl ServerId {
    /// Makes one that there is nowhere else.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        Self(random_id(random))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 128 random bits in hexadecimal.
pub(super) fn random_id(random: &mut impl CryptoRng) -> String {
    format!("{:016x}{:016x}", random.next_u64(), random.next_u64())
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ServerId {
    type Err = InvalidServerId;

    fn from_str(id: &str) -> Result<Self, InvalidServerId> {
        let fits = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if id.len() != LENGTH || !id.bytes().all(fits) {
            return Err(InvalidServerId(id.to_owned()));
        }
        Ok(Self(id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::system_random;
    use super::*;

    #[test]
    fn an_id_is_32_digits_and_no_two_are_the_same() {
        let [one, other] = std::array::from_fn(|_| ServerId::generate(&mut system_random()));
        assert_ne!(one, other);
        assert_eq!(one.as_str().parse::<ServerId>(), Ok(one.clone()));
        let long = format!("{one}0");
        for bad in ["", "0", &one.as_str()[1..], &long, &one.as_str().replace(|_: char| true, "A"), &"g".repeat(32)] {
            assert!(bad.parse::<ServerId>().is_err(), "{bad}");
        }
    }
}
