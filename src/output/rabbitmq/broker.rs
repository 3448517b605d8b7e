//! The connection: one to the broker, one `amqp_channel` in confirm mode (publisher confirms), and the exchanges.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Error, ExchangeKind};

use super::batch::{Batch, PendingConfirm};
use super::error::{BrokerError, reason};
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
}

impl Broker {
    /// Connects and puts the topology in place.
    pub(super) async fn connect(settings: &Settings) -> Result<Self, BrokerError> {
        if !is_exchange_name(&settings.exchange) {
            return Err(BrokerError::ExchangeName { exchange: settings.exchange.clone() });
        }
        let Ok(connected) = tokio::time::timeout(settings.connect_timeout, Self::open(settings)).await else {
            return Err(BrokerError::Unreachable {
                address: settings.address(),
                reason: format!("no response for {:?}", settings.connect_timeout),
            });
        };
        connected
    }

    async fn open(settings: &Settings) -> Result<Self, BrokerError> {
        let properties = ConnectionProperties::default().with_connection_name("telescribe".into());
        let connection =
            Connection::connect_uri(settings.uri(), properties).await.map_err(|e| BrokerError::connecting(settings, &e))?;
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
            let seq = event.seq;
            batch.push(seq, self.publish(event).await);
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
