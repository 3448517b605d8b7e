//! What can go wrong with the broker, named for what to do next: wait, or call somebody.

use std::time::Duration;

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Error, ErrorKind};

use super::{FRAME_MAX_MIN, Settings};
use crate::model::Seq;

/// What can go wrong between us and the broker. None of them loses an event.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The exchange cannot be called that.
    #[error(
        "`{exchange}` is not a name for an exchange: use 1 to 246 bytes without control characters, not beginning with `amq.`"
    )]
    ExchangeName {
        /// The name.
        exchange: String,
    },
    /// No connection could be made.
    #[error("broker `{address}` cannot be reached: {reason}; check that it runs and that the address is right")]
    Unreachable {
        /// Where, without password.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The connection came about, and was closed before it could be used.
    #[error(
        "broker `{address}` closed the connection during the handshake: {reason}; its log says why: it may be starting, a proxy before it may have \
         no broker behind it, or its `frame_max` (rabbitmq.conf) is below the {FRAME_MAX_MIN} bytes that are needed"
    )]
    Handshake {
        /// Where, without password.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The broker does not let us in.
    #[error("broker `{address}` refused the login: {reason}; check user and password")]
    Login {
        /// Where, without password.
        address: String,
        /// What it said.
        reason: String,
    },
    /// The broker knows us, but does not open the virtual host.
    #[error(
        "broker `{address}` refuses the virtual host: {reason}; create it with `rabbitmqctl add_vhost`, grant the user access \
         with `rabbitmqctl set_permissions`, or name another at the end of `{key}.url` (/%2f is the default one)"
    )]
    VirtualHost {
        /// Where the output stands in the configuration.
        key: String,
        /// Where, without password.
        address: String,
        /// What it said.
        reason: String,
    },
    /// The user may not do something that is needed.
    #[error(
        "the broker's user lacks a permission ({needed}): {reason}; grant it with `rabbitmqctl set_permissions`, or create the \
         exchange by other means and set `{key}.declare = false` to use it as it is"
    )]
    Permission {
        /// Where the output stands in the configuration.
        key: String,
        /// Which, and on what.
        needed: String,
        /// What it said.
        reason: String,
    },
    /// The exchanges are not as we need them.
    #[error(
        "exchange `{exchange}` cannot be used: {reason}; delete it if it is not needed, set another `{key}.exchange`, or \
         set `{key}.declare = false` to use it as it is"
    )]
    Topology {
        /// Where the output stands in the configuration.
        key: String,
        /// The exchange.
        exchange: String,
        /// What the broker said.
        reason: String,
    },
    /// The connection or its channel was closed.
    #[error("the connection to the broker was lost: {reason}")]
    Lost {
        /// What happened.
        reason: String,
    },
    /// A message was larger than the broker takes, so it closed the channel.
    #[error(
        "the broker takes no message above {max} bytes (`max_message_size`); events that are larger are sent as claim checks from now on"
    )]
    TooLarge {
        /// How large one may be.
        max: usize,
    },
    /// The broker took too long.
    #[error("the broker sent no publisher confirm for {0:?}")]
    Timeout(Duration),
    /// The broker refused an event.
    #[error(
        "the broker refused the event of change {seq}; a bound queue may be full (overflow policy `reject-publish`) or failing"
    )]
    Refused {
        /// The change.
        seq: Seq,
    },
    /// The broker does not confirm.
    #[error("the broker does not support publisher confirms")]
    Unconfirmed,
}

impl BrokerError {
    /// Whether the error is permanent: only a person can help, so that an early retry is of no use.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::ExchangeName { .. }
            | Self::Login { .. }
            | Self::VirtualHost { .. }
            | Self::Permission { .. }
            | Self::Topology { .. } => true,
            Self::Unreachable { .. }
            | Self::Handshake { .. }
            | Self::Lost { .. }
            | Self::TooLarge { .. }
            | Self::Timeout(_)
            | Self::Refused { .. }
            | Self::Unconfirmed => false,
        }
    }

    pub(super) fn lost(error: &Error) -> Self {
        Self::Lost { reason: reason(error) }
    }

    /// Of the handshake: the broker was reached.
    pub(super) fn connecting(settings: &Settings, error: &Error) -> Self {
        let (key, address, reason) = (settings.key.clone(), settings.address(), reason(error));
        match protocol(error) {
            Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)) => Self::Login { address, reason },
            Some(AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)) => Self::VirtualHost { key, address, reason },
            _ if error.is_io_error() => Self::Handshake { address, reason },
            _ => Self::Unreachable { address, reason },
        }
    }

    pub(super) fn declaring(settings: &Settings, exchange: &str, needed: &str, error: &Error) -> Self {
        let (key, reason) = (settings.key.clone(), reason(error));
        match protocol(error) {
            Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)) => {
                Self::Permission { key, needed: needed.to_owned(), reason }
            }
            Some(AMQPErrorKind::Soft(_)) => Self::Topology { key, exchange: exchange.to_owned(), reason },
            _ => Self::lost(error),
        }
    }
}

/// What the broker called it, where it was the broker that ended something.
fn protocol(error: &Error) -> Option<&AMQPErrorKind> {
    match error.kind() {
        ErrorKind::ProtocolError(e) => Some(e.kind()),
        _ => None,
    }
}

/// What happened, in words for people: what the broker or the system said, never a library's debug text.
pub(super) fn reason(error: &Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(e) => e.get_message().to_string(),
        ErrorKind::IOError(e) => e.to_string(),
        ErrorKind::MissingHeartbeatError => "no heartbeat".to_owned(),
        ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => "it was closed".to_owned(),
        _ => error.to_string(),
    }
}
