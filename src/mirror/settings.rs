//! What a mirror is told: where the bucket is, with which keys it is asked, and how much at once.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Uploads at once at most: each has up to two parts in memory, and more gain nothing on one connection to the network.
pub const UPLOADS_MAX: usize = 32;

/// How to mirror.
#[derive(Clone, Debug)]
pub struct MirrorSettings {
    /// The storage server; `None` for Amazon's in the region.
    pub endpoint: Option<Endpoint>,
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// What all names of objects begin with, without a slash at either end; may be empty.
    pub prefix: String,
    /// Whether the bucket is in the path of addresses, and not in the host name.
    pub path_style: bool,
    /// With which keys.
    pub credentials: Credentials,
    /// Uploads at once.
    pub uploads: usize,
    /// Whether copies here go once they are mirrored.
    pub drop_local: bool,
    /// Whether objects go that nothing refers to any more.
    pub delete: bool,
}

/// The address of a storage server: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    is_secure: bool,
    host: String,
    /// With its colon; empty for the scheme's own.
    port: String,
}

/// A text is no address of a storage server. It is not repeated: somebody may have put a password into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidEndpoint(&'static str);

impl Endpoint {
    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        address.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The address with the bucket before the host.
    fn virtual_host(&self, bucket: &str) -> Self {
        Self { host: format!("{bucket}.{}", self.host), ..self.clone() }
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let (is_secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(InvalidEndpoint("must start with https:// or http://")),
        };
        if rest.contains('@') {
            return Err(InvalidEndpoint("must have no user and no password: set `credentials_file`"));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(InvalidEndpoint("must end behind host and port: set `bucket` and `prefix` by their own keys"));
        }
        let at = match rest.rfind(':') {
            // Not one within an IPv6 address.
            Some(at) if !rest.get(at..).is_some_and(|port| port.contains(']')) => at,
            _ => rest.len(),
        };
        let (host, port) = rest.split_at(at);
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':');
        if host.is_empty() || !host.chars().all(is_host) || (host.contains(':') && !host.starts_with('[')) {
            return Err(InvalidEndpoint("must have a host, such as https://s3.example.org"));
        }
        if !port.is_empty() && !port.get(1..).is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
            return Err(InvalidEndpoint("must have a port number behind its colon, or no colon"));
        }
        Ok(Self { is_secure, host: host.to_owned(), port: port.to_owned() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.is_secure { "https" } else { "http" }, self.host, self.port)
    }
}

impl MirrorSettings {
    /// The server's address, Amazon's where none is set.
    pub(super) fn server(&self) -> Endpoint {
        let amazon = || Endpoint { is_secure: true, host: format!("s3.{}.amazonaws.com", self.region), port: String::new() };
        self.endpoint.clone().unwrap_or_else(amazon)
    }

    /// The address that names of objects are put behind. Where the bucket is not in it, it is put between.
    pub(super) fn base(&self) -> Endpoint {
        if self.path_style { self.server() } else { self.server().virtual_host(&self.bucket) }
    }

    /// Where files are mirrored to, for people.
    #[must_use]
    pub fn target(&self) -> String {
        let prefix = if self.prefix.is_empty() { String::new() } else { format!("/{}", self.prefix) };
        format!("s3://{}{prefix} at {}", self.bucket, self.server())
    }
}

/// The keys of an account at the storage server. Nothing shows the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(super) key_id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

/// A text has no keys in it. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCredentials(&'static str);

impl Credentials {
    /// The keys themselves.
    ///
    /// # Errors
    /// Where one is empty, or has characters that none has.
    pub fn new(key_id: &str, secret: &str, token: Option<&str>) -> Result<Self, InvalidCredentials> {
        let is_key = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        if !is_key(key_id) {
            return Err(InvalidCredentials("the access key id must be printable characters without spaces"));
        }
        if !is_key(secret) {
            return Err(InvalidCredentials("the secret access key must be printable characters without spaces"));
        }
        if !token.is_none_or(is_key) {
            return Err(InvalidCredentials("the session token must be printable characters without spaces"));
        }
        Ok(Self { key_id: key_id.to_owned(), secret: secret.to_owned(), token: token.map(str::to_owned) })
    }

    /// Reads a file of lines `access_key_id = …` and `secret_access_key = …`, as the AWS tools write it with one profile: an `aws_` before the names, a
    /// line `[default]` and comments are fine.
    ///
    /// # Errors
    /// Where a line is none of these, a key is twice, or one is missing.
    pub fn read(text: &str) -> Result<Self, InvalidCredentials> {
        let (mut key_id, mut secret, mut token) = (None, None, None);
        let mut profiles = 0;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
            if line.starts_with('[') {
                profiles += 1;
                continue;
            }
            let (name, value) = line.split_once('=').ok_or(InvalidCredentials("a line is not of the form `name = value`"))?;
            let name = name.trim().to_ascii_lowercase();
            let place = match name.strip_prefix("aws_").unwrap_or(&name) {
                "access_key_id" => &mut key_id,
                "secret_access_key" => &mut secret,
                "session_token" => &mut token,
                _ => return Err(InvalidCredentials("known names are `access_key_id`, `secret_access_key` and `session_token`")),
            };
            if place.replace(value.trim().trim_matches('"')).is_some() {
                return Err(InvalidCredentials("a name is there twice: it must be the keys of one account"));
            }
        }
        match (key_id, secret) {
            _ if profiles > 1 => Err(InvalidCredentials("there is more than one profile: it must be the keys of one account")),
            (Some(key_id), Some(secret)) => Self::new(key_id, secret, token),
            _ => Err(InvalidCredentials("it must have a line `access_key_id = …` and a line `secret_access_key = …`")),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_scheme_host_and_port_or_refused_without_being_repeated() {
        for text in ["https://s3.example.org", "http://127.0.0.1:8333", "http://[::1]:8333", "https://storage"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
            assert_eq!(format!("{text}/").parse::<Endpoint>().unwrap().to_string(), text);
        }
        let loopback = |text: &str| text.parse::<Endpoint>().unwrap().is_loopback();
        assert!(loopback("http://127.0.0.1:1") && loopback("http://localhost") && loopback("http://[::1]"));
        assert!(!loopback("http://192.0.2.1") && !loopback("https://localhost.example.org"));
        for text in [
            "",
            "s3.example.org",
            "ftp://secret",
            "https://",
            "https://user:secret@host",
            "https://host/secret",
            "https://host?secret",
            "https://host:secret",
            "https://host:",
            "https://host:0",
            "https://se cret",
            "https://::1",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn keys_are_read_as_the_tools_write_them_and_never_shown() {
        let text = "# mine\n[default]\naws_access_key_id = AKIA\naws_secret_access_key=s3cr/+t==\n";
        let read = Credentials::read(text).unwrap();
        assert_eq!(read, Credentials::new("AKIA", "s3cr/+t==", None).unwrap());
        assert_eq!(format!("{read:?}"), "Credentials");
        assert!(Credentials::read("access_key_id = a\nsecret_access_key = b\nsession_token = c").unwrap().token.is_some());
        for wrong in [
            "",
            "access_key_id = a",
            "access_key_id = a\naccess_key_id = b\nsecret_access_key = s3cret",
            "s3cret",
            "secret = s3cret",
            "access_key_id = a b\nsecret_access_key = s3cret",
            "[a]\naccess_key_id = a\n[b]\nsecret_access_key = s3cret",
        ] {
            let error = Credentials::read(wrong).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
