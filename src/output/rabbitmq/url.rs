//! The broker's URL, checked before anything is started: an ambiguous one is refused, never guessed at.
//!
//! A password with a bare `/`, `#` or `?` in it would end the host where the password begins to be secret, and lead to another
//! broker with the rest in plain sight. So nothing that an error, a log or the status says of a URL is taken from a text that was
//! refused, and of one that was not, the password and the parameters are left out.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use lapin::uri::{AMQPAuthority, AMQPScheme, AMQPUri, AMQPUserInfo};
use percent_encoding::percent_decode_str;

/// AMQP's limit on the name of a virtual host.
const VIRTUAL_HOST_LENGTH_MAX: usize = 255;
/// The virtual host of a URL that names none.
const VIRTUAL_HOST: &str = "/";
/// Who logs in where the URL does not say: what every broker has on its own machine.
const GUEST: &str = "guest";
/// The smallest frames that the transport uses, whatever is negotiated.
pub const FRAME_MAX_MIN: u32 = 8_192;
/// The parameters that the transport understands.
const PARAMETERS: [&str; 5] = ["auth_mechanism", "channel_max", "connection_timeout", "frame_max", "heartbeat"];

/// A broker's address with user, password and virtual host: `amqp://user:password@host:port/vhost`, or `amqps://`.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl {
    uri: AMQPUri,
    shown: String,
}

/// Why a text is no URL of a broker. It never repeats the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmqpUrl {
    /// Another kind of URL, or none.
    #[error("must start with amqp:// or amqps://, as in amqp://user:password@host:5672/%2f")]
    Scheme,
    /// Something that a URL cannot hold.
    #[error("must not have spaces or control characters; percent-encode them (a space is %20)")]
    Characters,
    /// An `@` behind the end of the host: user or password hold what ends it.
    #[error(
        "has an `@` after the host: percent-encode special characters in user and password: write / as %2F, # as %23, ? as %3F, \
         @ as %40, : as %3A, % as %25"
    )]
    Separator,
    /// Only one of the two, or an escape that is none.
    #[error(
        "must have both user and password or neither, with special characters percent-encoded: write / as %2F, # as %23, ? as %3F, \
         @ as %40, : as %3A, % as %25"
    )]
    Credentials,
    /// No host, or none that can be looked up.
    #[error("must name a host: a name of only letters, digits and -._, an IPv4 address, or an IPv6 address in []")]
    Host,
    /// No number of a port behind the host's colon.
    #[error("must have a port number from 1 to 65535, or no colon after the host for the default port")]
    Port,
    /// The path is no name of a virtual host.
    #[error(
        "must name one virtual host after the host, percent-encoded and of at most 255 bytes: write / as %2F, % as %25; /%2f is \
         the default one"
    )]
    VirtualHost,
    /// Something behind a `#`.
    #[error("must not have a #; write it as %23 if it belongs to a name or a password")]
    Fragment,
    /// A parameter that is not known; its name where that can be nothing else.
    #[error("has an unknown parameter{}; known are {}", name.as_ref().map(|n| format!(" `{n}`")).unwrap_or_default(), PARAMETERS.join(", "))]
    UnknownParameter {
        /// Its name.
        name: Option<String>,
    },
    /// Frames that are smaller than can be used.
    #[error(
        "must have a `frame_max` of at least {FRAME_MAX_MIN}, the least that is understood; leave it out for what the broker offers"
    )]
    FrameMax,
    /// A parameter whose value is invalid, or that is given twice.
    #[error("must have the parameter `{name}` only once, and with a valid value")]
    Parameter {
        /// Its name.
        name: &'static str,
    },
}

impl FromStr for AmqpUrl {
    type Err = InvalidAmqpUrl;

    fn from_str(text: &str) -> Result<Self, InvalidAmqpUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidAmqpUrl::Scheme)?;
        let scheme: AMQPScheme = scheme.to_ascii_lowercase().parse().map_err(|_: String| InvalidAmqpUrl::Scheme)?;
        // The standard parser would silently leave some of them out.
        if rest.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(InvalidAmqpUrl::Characters);
        }
        let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if behind.contains('@') {
            return Err(InvalidAmqpUrl::Separator);
        }
        if behind.contains('#') {
            return Err(InvalidAmqpUrl::Fragment);
        }
        let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
        let (credentials, place) = authority.rsplit_once('@').map_or((None, authority), |(c, place)| (Some(c), place));
        let userinfo = credentials.map(userinfo).transpose()?.unwrap_or_default();
        let (host, port) = host_and_port(place)?;
        let port = port.unwrap_or_else(|| scheme.default_port());
        let vhost = virtual_host(path)?;
        let mut uri = parameters(query)?;
        let shown = {
            let user = credentials.and_then(|c| c.split_once(':')).map_or(GUEST, |(user, _)| user);
            let path = if path.len() > 1 { path } else { "/%2f" };
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            format!("{scheme}://{user}@{host}:{port}{path}")
        };
        // The parts are taken from here, not from the parser: it fills in `guest` and `localhost` where it finds nothing.
        uri.authority = AMQPAuthority { userinfo, host: host.to_owned(), port };
        (uri.scheme, uri.vhost) = (scheme, vhost);
        Ok(Self { uri, shown })
    }
}

impl AmqpUrl {
    /// The whole of it, password included, for the transport alone. It must not be shown: its `Debug` has the password.
    pub(super) fn uri(&self) -> &AMQPUri {
        &self.uri
    }
}

impl fmt::Display for AmqpUrl {
    /// Where it is and who logs in, without password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AmqpUrl({self})")
    }
}

fn userinfo(credentials: &str) -> Result<AMQPUserInfo, InvalidAmqpUrl> {
    let part = |text: &str| {
        // A login is sent as `\0user\0password`.
        let decoded = decoded(text).filter(|part| !part.is_empty() && !part.contains('\0'));
        decoded.ok_or(InvalidAmqpUrl::Credentials)
    };
    let (user, password) = credentials.split_once(':').ok_or(InvalidAmqpUrl::Credentials)?;
    Ok(AMQPUserInfo { username: part(user)?, password: part(password)? })
}

fn host_and_port(place: &str) -> Result<(&str, Option<u16>), InvalidAmqpUrl> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(InvalidAmqpUrl::Host)?;
            host.parse::<Ipv6Addr>().map_err(|_| InvalidAmqpUrl::Host)?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(InvalidAmqpUrl::Host)?) };
            (host, port)
        }
        None => {
            let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
            let is_name = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
            (if is_name { host } else { return Err(InvalidAmqpUrl::Host) }, port)
        }
    };
    let number = |port: &str| {
        let port = Some(port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
        Some(port).filter(|port| *port != 0)
    };
    Ok((host, port.map(|port| number(port).ok_or(InvalidAmqpUrl::Port)).transpose()?))
}

/// The virtual host that a path names. A lone slash names none: no broker has one without a name, so it is the default, `/`.
fn virtual_host(path: &str) -> Result<String, InvalidAmqpUrl> {
    let name = path.strip_prefix('/').unwrap_or(path);
    if name.is_empty() {
        return Ok(VIRTUAL_HOST.to_owned());
    }
    let fits = |name: &String| name.len() <= VIRTUAL_HOST_LENGTH_MAX && !name.contains(char::is_control);
    let name = if name.contains('/') { None } else { decoded(name).filter(fits) };
    name.ok_or(InvalidAmqpUrl::VirtualHost)
}

/// A URI with these parameters and nothing else.
fn parameters(query: &str) -> Result<AMQPUri, InvalidAmqpUrl> {
    let mut given = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name) = PARAMETERS.into_iter().find(|known| *known == name) else {
            let is_plain = name.len() <= 32 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            return Err(InvalidAmqpUrl::UnknownParameter { name: is_plain.then(|| name.to_owned()) });
        };
        if given.contains(&name) || format!("amqp://localhost/?{name}={value}").parse::<AMQPUri>().is_err() {
            return Err(InvalidAmqpUrl::Parameter { name });
        }
        given.push(name);
    }
    // Each of them was understood, so all are.
    let uri: AMQPUri =
        format!("amqp://localhost/?{query}").parse().map_err(|_: String| InvalidAmqpUrl::UnknownParameter { name: None })?;
    // 0 is what the broker offers.
    match uri.query.frame_max {
        Some(1..FRAME_MAX_MIN) => Err(InvalidAmqpUrl::FrameMax),
        _ => Ok(uri),
    }
}

/// A part of a URL with its escapes undone; `None` where a `%` begins none, or they are not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let is_escape = |rest: &str| rest.get(..2).is_some_and(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
    let whole = text.split('%').skip(1).all(is_escape);
    percent_decode_str(text).decode_utf8().ok().filter(|_| whole).map(String::from)
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> InvalidAmqpUrl {
        text.parse::<AmqpUrl>().unwrap_err()
    }

    #[test]
    fn a_broker_is_shown_without_its_password_and_parameters() {
        for (text, shown) in [
            ("amqps://crawler:s3cret@mq.example.org/%2farchive?heartbeat=5", "amqps://crawler@mq.example.org:5671/%2farchive"),
            ("AMQP://crawler:s3cret@my_broker:5673", "amqp://crawler@my_broker:5673/%2f"),
            ("amqp://localhost/", "amqp://guest@localhost:5672/%2f"),
            ("amqp://u:p@[::1]:5673/v", "amqp://u@[::1]:5673/v"),
        ] {
            let url: AmqpUrl = text.parse().unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), format!("AmqpUrl({shown})")));
        }
    }

    #[test]
    fn what_is_ambiguous_is_refused_and_nothing_of_it_is_shown() {
        for (text, error) in [
            ("", InvalidAmqpUrl::Scheme),
            ("http://crawler:s3cret@127.0.0.1", InvalidAmqpUrl::Scheme),
            ("127.0.0.1:5672", InvalidAmqpUrl::Scheme),
            ("amqp:guest", InvalidAmqpUrl::Scheme),
            ("amqp:crawler:s3cret@mq", InvalidAmqpUrl::Scheme),
            ("amqp://", InvalidAmqpUrl::Host),
            ("amqp:///%2f", InvalidAmqpUrl::Host),
            ("amqp://crawler:s3cret@/", InvalidAmqpUrl::Host),
            ("amqp://crawler:s3cret@:5672/", InvalidAmqpUrl::Host),
            ("amqp://crawler:s3cret@m%71/", InvalidAmqpUrl::Host),
            ("amqp://crawler:s3cret@[::1/", InvalidAmqpUrl::Host),
            ("amqp://crawler:s3cret@[::1]5672/", InvalidAmqpUrl::Host),
            ("amqp://127.0.0.1:99999", InvalidAmqpUrl::Port),
            ("amqp://127.0.0.1:0", InvalidAmqpUrl::Port),
            ("amqp://127.0.0.1:+5672", InvalidAmqpUrl::Port),
            ("amqp://127.0.0.1:", InvalidAmqpUrl::Port),
            ("amqp://crawler:s3cret", InvalidAmqpUrl::Port),
            ("amqp://crawler:7/s3cret@127.0.0.1:5672/%2f", InvalidAmqpUrl::Separator),
            ("amqp://crawler:2024#s3cret@127.0.0.1:5672/%2f", InvalidAmqpUrl::Separator),
            ("amqp://crawler:7?s3cret@127.0.0.1:5672/%2f", InvalidAmqpUrl::Separator),
            ("amqp://s3cret@127.0.0.1", InvalidAmqpUrl::Credentials),
            ("amqp://s3cret:@127.0.0.1", InvalidAmqpUrl::Credentials),
            ("amqp://:s3cret@127.0.0.1", InvalidAmqpUrl::Credentials),
            ("amqp://crawler:s3cret%@127.0.0.1", InvalidAmqpUrl::Credentials),
            ("amqp://crawler:s3cret%ff@127.0.0.1", InvalidAmqpUrl::Credentials),
            ("amqp://crawler:s3cret%00@127.0.0.1", InvalidAmqpUrl::Credentials),
            ("amqp://crawler:s3cret @127.0.0.1", InvalidAmqpUrl::Characters),
            ("amqp://crawler:s3cret@127.0.0.1/\n", InvalidAmqpUrl::Characters),
            ("amqp://127.0.0.1//", InvalidAmqpUrl::VirtualHost),
            ("amqp://127.0.0.1/a/b", InvalidAmqpUrl::VirtualHost),
            ("amqp://127.0.0.1/%2", InvalidAmqpUrl::VirtualHost),
            ("amqp://127.0.0.1/#a", InvalidAmqpUrl::Fragment),
            ("amqp://127.0.0.1/?foo=1", InvalidAmqpUrl::UnknownParameter { name: Some("foo".to_owned()) }),
            ("amqp://127.0.0.1/?s3cret=1", InvalidAmqpUrl::UnknownParameter { name: None }),
            ("amqp://127.0.0.1/?heartbeat=s3cret", InvalidAmqpUrl::Parameter { name: "heartbeat" }),
            ("amqp://127.0.0.1/?frame_max=1024", InvalidAmqpUrl::FrameMax),
            ("amqp://127.0.0.1/?heartbeat=5&frame_max=8191", InvalidAmqpUrl::FrameMax),
            ("amqp://127.0.0.1/?heartbeat=1&heartbeat=2", InvalidAmqpUrl::Parameter { name: "heartbeat" }),
            ("amqp://127.0.0.1/?auth_mechanism=s3cret", InvalidAmqpUrl::Parameter { name: "auth_mechanism" }),
        ] {
            let refusal = refused(text);
            assert_eq!(refusal, error, "{text}");
            assert!(!format!("{refusal} {refusal:?}").contains("s3cret"), "{refusal}");
        }
        let long = "v".repeat(256);
        assert_eq!(refused(&format!("amqp://127.0.0.1/{long}")), InvalidAmqpUrl::VirtualHost);
        assert!(refused("amqp://crawler:7/s3cret@127.0.0.1").to_string().contains("write / as %2F, # as %23"));
    }

    #[test]
    fn the_virtual_host_is_the_default_one_unless_it_is_named() {
        for (path, vhost) in [("", "/"), ("/", "/"), ("/%2f", "/"), ("/%2F", "/"), ("/v", "v"), ("/..", ".."), ("/a%2fb", "a/b")]
        {
            let url: AmqpUrl = format!("amqp://127.0.0.1{path}").parse().unwrap();
            assert_eq!(url.uri().vhost, vhost, "{path}");
        }
        let url: AmqpUrl = "amqp://127.0.0.1/?heartbeat=7&frame_max=8192".parse().unwrap();
        assert_eq!((url.uri().query.heartbeat, url.uri().query.frame_max), (Some(7), Some(8192)));
    }

    /// Whatever somebody's generator of passwords may come up with.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[/#?@:%&=+\\[\\]\\\\;,.|<>^`{}\"'$!~*() -]{0,3}",
            "%[0-9a-fA-F]{0,2}",
            "(//|amqp://|@|:[0-9]{1,5}/|\\PC){0,2}",
            "[\\t\\r\\n]?",
        ];
        prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
    }

    const MARK: &str = "s3cretw0rd";

    proptest! {
        #[test]
        fn a_password_is_never_shown_however_it_is_written(
            user in hostile(), before in hostile(), behind in hostile(), encoded: bool, scheme in "(amqps?://|amqp:|http://|amqp:/)", path in "(|/|/%2f|/v)"
        ) {
            let password = format!("{before}{MARK}{behind}");
            let written = |text: &str| if encoded { utf8_percent_encode(text, NON_ALPHANUMERIC).to_string() } else { text.to_owned() };
            let text = format!("{scheme}{}:{}@127.0.0.1:5672{path}", written(&user), written(&password));
            let shown = match text.parse::<AmqpUrl>() {
                // A user with a bare colon in it ends there.
                Ok(url) => format!("{url} {url:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains(MARK), "{shown}");
        }

        #[test]
        fn user_and_password_that_are_percent_encoded_are_what_the_broker_is_told(user in hostile(), password in hostile()) {
            let (user, password) = (format!("u{user}"), format!("p{password}"));
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let url: AmqpUrl = format!("amqp://{}:{}@mq.example.org:5673/%2f", encode(&user), encode(&password)).parse().unwrap();
            let AMQPAuthority { userinfo, host, port } = &url.uri().authority;
            prop_assert_eq!((userinfo.username.as_str(), userinfo.password.as_str()), (user.as_str(), password.as_str()));
            prop_assert_eq!((host.as_str(), *port, url.uri().vhost.as_str()), ("mq.example.org", 5673, "/"));
        }

        #[test]
        fn one_that_is_taken_as_it_is_written_means_what_it_says(password in hostile()) {
            let password = format!("p{}", password.replace('%', ""));
            if let Ok(url) = format!("amqp://crawler:{password}@127.0.0.1:5672/%2f").parse::<AmqpUrl>() {
                let AMQPAuthority { userinfo, host, port } = &url.uri().authority;
                prop_assert_eq!((userinfo.password.as_str(), host.as_str(), *port), (password.as_str(), "127.0.0.1", 5672));
            }
        }
    }
}
