//! The connection: one to the broker, one `amqp_channel` in confirm mode (publisher confirms), and the exchanges.
//!
//! # Correctness
//! Whatever becomes of a connection, also of one that never came about: when it is dropped, its socket is shut down. lapin has a thread for each
//! connection that ends with its socket, and waits for the other side until then.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::runtime::default_runtime;
use lapin::tcp::AMQPUriTcpExt as _;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, BasicProperties, Channel, Connection, ConnectionProperties, Error, ExchangeKind};

use super::batch::{Batch, PendingConfirm};
use super::error::{BrokerError, reason};
use super::size_limit::SizeLimit;
use super::socket::Socket;
use super::{Settings, is_exchange_name};
use crate::event::{CONTENT_TYPE, Event};
use crate::output::OutputSession;

/// The timeout of closing a connection; the broker notices a lost one as well.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// AMQP's delivery mode for messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;
/// AMQP's reply code for "all is well".
const REPLY_SUCCESS: u16 = 200;

/// An open connection with its topology in place.
pub struct Broker {
    connection: Connection,
    amqp_channel: Channel,
    exchange: ShortString,
    limit: SizeLimit,
    /// Dropped last: what is to be said is said before.
    _socket: Socket,
}

impl Broker {
    /// Connects and puts the topology in place. Events above the limit are sent as claim checks.
    pub(super) async fn connect(settings: &Settings, limit: &SizeLimit) -> Result<Self, BrokerError> {
        if !is_exchange_name(&settings.exchange) {
            return Err(BrokerError::ExchangeName { exchange: settings.exchange.clone() });
        }
        let Ok(connected) = tokio::time::timeout(settings.connect_timeout, Self::open(settings, limit)).await else {
            return Err(BrokerError::Unreachable {
                address: settings.address(),
                reason: format!("no response for {:?}", settings.connect_timeout),
            });
        };
        connected
    }

    async fn open(settings: &Settings, limit: &SizeLimit) -> Result<Self, BrokerError> {
        let uri = settings.uri();
        let unreachable = |reason: String| BrokerError::Unreachable { address: settings.address(), reason };
        let runtime = default_runtime().map_err(|e| unreachable(reason(&e)))?;
        // Before lapin begins: its thread could not be told that it took too long.
        let stream = uri.connect_async(&runtime).await.map_err(|e| unreachable(e.to_string()))?;
        let socket = match &stream {
            AsyncTcpStream::Plain(plain) => Socket::beside(plain.get_ref()),
            AsyncTcpStream::Rustls(tls) => Socket::beside(tls.get_ref().0.get_ref()),
            // Another library for encryption, which is not built in.
            _ => Err(std::io::ErrorKind::Unsupported.into()),
        };
        let socket = socket.map_err(|e| unreachable(e.to_string()))?;
        let properties = ConnectionProperties::default().with_connection_name("telescribe".into());
        let stream = Mutex::new(Some(stream));
        let take = async move |_: AMQPUri, _| {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            stream.ok_or_else(|| Error::from(std::io::Error::from(std::io::ErrorKind::NotConnected)))
        };
        let connection = Connection::connector(uri, runtime, take, properties).await;
        let connection = connection.map_err(|e| BrokerError::connecting(settings, &e))?;
        let lost = |e: Error| BrokerError::lost(&e);
        let amqp_channel = connection.create_channel().await.map_err(lost)?;
        topology(&amqp_channel, settings).await?;
        amqp_channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(lost)?;
        let exchange = ShortString::from(settings.exchange.as_str());
        Ok(Self { connection, amqp_channel, exchange, limit: limit.clone(), _socket: socket })
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
        let mut batch = Batch::new(self.limit.clone());
        for event in events {
            let (seq, whole) = (event.seq, event.body.len());
            match self.limit.fit(event) {
                Ok(event) => {
                    let size = event.body.len();
                    batch.push(seq, size, self.publish(event).await);
                }
                Err(max) => batch.push_undeliverable(
                    seq,
                    format!(
                        "it has {whole} bytes, and its claim check has more than the {max} that the broker takes; raise `max_message_size` \
                         of the broker"
                    ),
                ),
            }
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
        declared.map_err(|e| BrokerError::declaring(settings, name, needed, &e))
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
