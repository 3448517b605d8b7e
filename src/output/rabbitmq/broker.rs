//! The connection: one to the broker, one `amqp_channel` in confirm mode (publisher confirms), and the exchanges.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Error, ErrorKind, ExchangeKind};

use crate::model::Seq;

use super::Settings;
use super::batch::{Batch, PendingConfirm};
use crate::event::{CONTENT_TYPE, Event};
use crate::output::OutputSession;

/// The timeout of closing a connection; the broker notices a lost one as well.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// AMQP's delivery mode for messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;
/// AMQP's reply code for "all is well".
const REPLY_SUCCESS: u16 = 200;

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
         with `rabbitmqctl set_permissions`, or name another at the end of `publish.url` (/%2f is the default one)"
    )]
    VirtualHost {
        /// Where, without password.
        address: String,
        /// What it said.
        reason: String,
    },
    /// The user may not do something that is needed.
    #[error(
        "the broker's user lacks a permission ({needed}): {reason}; grant it with `rabbitmqctl set_permissions`, or create the \
         exchange by other means and set `publish.declare = false` to use it as it is"
    )]
    Permission {
        /// Which, and on what.
        needed: String,
        /// What it said.
        reason: String,
    },
    /// The exchanges are not as we need them.
    #[error(
        "exchange `{exchange}` cannot be used: {reason}; delete it if it is not needed, set another `publish.exchange`, or \
         set `publish.declare = false` to use it as it is"
    )]
    Topology {
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
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Timeout(_) | Self::Refused { .. } | Self::Unconfirmed => false,
        }
    }

    pub(super) fn lost(error: &Error) -> Self {
        Self::Lost { reason: reason(error) }
    }

    fn connecting(address: String, error: &Error) -> Self {
        let reason = reason(error);
        match protocol(error) {
            Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)) => Self::Login { address, reason },
            Some(AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)) => Self::VirtualHost { address, reason },
            _ => Self::Unreachable { address, reason },
        }
    }

    fn declaring(exchange: &str, needed: &str, error: &Error) -> Self {
        let reason = reason(error);
        match protocol(error) {
            Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)) => Self::Permission { needed: needed.to_owned(), reason },
            Some(AMQPErrorKind::Soft(_)) => Self::Topology { exchange: exchange.to_owned(), reason },
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
fn reason(error: &Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(e) => e.get_message().to_string(),
        ErrorKind::IOError(e) => e.to_string(),
        ErrorKind::MissingHeartbeatError => "no heartbeat".to_owned(),
        ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => "it was closed".to_owned(),
        _ => error.to_string(),
    }
}

/// An open connection with its topology in place.
pub struct Broker {
    connection: Connection,
    amqp_channel: Channel,
    exchange: ShortString,
}

impl Broker {
    /// Connects and puts the topology in place.
    pub(super) async fn connect(settings: &Settings) -> Result<Self, BrokerError> {
        settings.check()?;
        let address = settings.address();
        let Ok(connected) = tokio::time::timeout(settings.connect_timeout, Self::open(settings, &address)).await else {
            return Err(BrokerError::Unreachable { address, reason: format!("no response for {:?}", settings.connect_timeout) });
        };
        connected
    }

    async fn open(settings: &Settings, address: &str) -> Result<Self, BrokerError> {
        let properties = ConnectionProperties::default().with_connection_name("telescribe".into());
        let connection = Connection::connect_uri(settings.uri(), properties)
            .await
            .map_err(|e| BrokerError::connecting(address.to_owned(), &e))?;
        let lost = |e: Error| BrokerError::lost(&e);
        let amqp_channel = connection.create_channel().await.map_err(lost)?;
        topology(&amqp_channel, settings).await?;
        amqp_channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(lost)?;
        Ok(Self { connection, amqp_channel, exchange: ShortString::from(settings.exchange.as_str()) })
    }

    /// Publishes an event, in order behind those published before. Await the result for its confirm.
    async fn publish(&self, event: Event) -> PendingConfirm {
        let amqp_channel = self.amqp_channel.clone();
        let exchange = self.exchange.clone();
        let mut pending: PendingConfirm = Box::pin(async move {
            let properties = properties(&event);
            // Mandatory: what no queue wants comes back, and is counted.
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let routing_key = ShortString::from(event.routing_key);
            let confirm = amqp_channel.basic_publish(exchange, routing_key, options, &event.body, properties).await?;
            drop(event.body);
            confirm.await
        });
        // The first poll queues the frames (pipelining). Waiting here until the socket has them would wake two threads for each event.
        match futures_util::poll!(&mut pending) {
            std::task::Poll::Ready(done) => Box::pin(std::future::ready(done)),
            std::task::Poll::Pending => pending,
        }
    }
}

impl OutputSession for Broker {
    type Batch = Batch;

    /// Whether both the connection and its channel are open.
    fn is_open(&self) -> bool {
        self.connection.status().connected() && self.amqp_channel.status().connected()
    }

    /// Whether the broker exerts back-pressure (`connection.blocked`): it takes nothing at the moment.
    fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    async fn send(&mut self, events: Vec<Event>) -> Batch {
        let mut batch = Batch::new();
        for event in events {
            let (seq, at) = (event.seq, event.at);
            batch.push(seq, at, self.publish(event).await);
        }
        batch
    }

    async fn close(self) {
        let goodbye = self.connection.close(REPLY_SUCCESS, "bye".into());
        match tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("the broker was left without goodbye: {}", reason(&error)),
            Err(_) => tracing::debug!("the broker did not answer the goodbye for {CLOSE_TIMEOUT:?}"),
        }
    }
}

/// The durable topic exchange, and behind it the alternate exchange, a fanout without queues of its own.
///
/// The two nets work together: as long as nobody binds a queue to the alternate exchange, an event that no queue is bound for
/// fails there as well, comes back because it is mandatory, and is counted as unroutable. Once a queue is bound to it, the broker
/// counts such an event as routed: it is kept there, does not come back and is not counted, for nothing is lost any more.
async fn topology(amqp_channel: &Channel, settings: &Settings) -> Result<(), BrokerError> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declare = async |name: &str, kind, options, arguments, needed: &str| {
        let declared = amqp_channel.exchange_declare(ShortString::from(name), kind, options, arguments).await;
        declared.map_err(|e| BrokerError::declaring(name, needed, &e))
    };
    let exchange = settings.exchange.as_str();
    if !settings.declare {
        let look = ExchangeDeclareOptions { passive: true, ..durable };
        let needed = format!("`configure` on exchange `{exchange}`");
        return declare(exchange, ExchangeKind::Topic, look, FieldTable::default(), &needed).await;
    }
    let unrouted = settings.unrouted();
    let needed = format!("`configure` on exchange `{unrouted}`");
    declare(&unrouted, ExchangeKind::Fanout, durable, FieldTable::default(), &needed).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("alternate-exchange".into(), AMQPValue::LongString(LongString::from(unrouted.as_str())));
    // The last two are for the alternate exchange.
    let needed = format!("`configure` and `read` on exchange `{exchange}`, `write` on `{unrouted}`");
    declare(exchange, ExchangeKind::Topic, durable, arguments, &needed).await
}

fn properties(event: &Event) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("seq".into(), AMQPValue::LongLongInt(i64::try_from(event.seq.0).unwrap_or(i64::MAX)));
    BasicProperties::default()
        .with_message_id(ShortString::from(event.id.as_str()))
        .with_content_type(CONTENT_TYPE.into())
        .with_delivery_mode(PERSISTENT)
        .with_timestamp(u64::try_from(event.at.0).unwrap_or_default())
        .with_type(ShortString::from(event.kind.as_str()))
        .with_app_id("telescribe".into())
        .with_headers(headers)
}
