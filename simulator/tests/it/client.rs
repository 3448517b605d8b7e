//! A client: grammers' own sender pool over a session that was given the simulator's keys.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use grammers_mtsender::{ConnectionParams, InvocationError, NoRetries, SenderPool, SenderPoolFatHandle};
use grammers_session::storages::MemorySession;
use grammers_session::types::{DcOption, PeerId as SessionPeerId, PeerInfo, UpdateState, UpdatesState};
use grammers_session::updates::UpdatesLike;
use grammers_session::{BoxFuture, Session, SessionData};
use grammers_tl_types::{RemoteCall, enums, functions as f, types};
use telescribe_simulator::{AccountAccess, DataCentreAccess, Options, PeerId, Simulator, World, WorldSpec};
use tokio::sync::mpsc;

/// Nothing on loopback takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) access: AccountAccess,
    pub(crate) handle: SenderPoolFatHandle,
    pub(crate) updates: mpsc::Receiver<UpdatesLike>,
}

/// A session that stays at the addresses that it was given: what `help.getConfig` says would lead it away from those that serve files.
struct FixedAddresses(MemorySession);

impl Session for FixedAddresses {
    type Error = <MemorySession as Session>::Error;

    fn home_dc_id(&self) -> Result<i32, Self::Error> {
        self.0.home_dc_id()
    }

    fn set_home_dc_id(&self, dc_id: i32) -> BoxFuture<'_, Result<(), Self::Error>> {
        self.0.set_home_dc_id(dc_id)
    }

    fn dc_option(&self, dc_id: i32) -> Result<Option<DcOption>, Self::Error> {
        self.0.dc_option(dc_id)
    }

    fn set_dc_option(&self, _: &DcOption) -> BoxFuture<'_, Result<(), Self::Error>> {
        Box::pin(async { Ok(()) })
    }

    fn peer(&self, peer: SessionPeerId) -> BoxFuture<'_, Result<Option<PeerInfo>, Self::Error>> {
        self.0.peer(peer)
    }

    fn cache_peer(&self, peer: PeerInfo) -> BoxFuture<'_, Result<(), Self::Error>> {
        self.0.cache_peer(peer)
    }

    fn updates_state(&self) -> BoxFuture<'_, Result<UpdatesState, Self::Error>> {
        self.0.updates_state()
    }

    fn set_update_state(&self, update: UpdateState) -> BoxFuture<'_, Result<(), Self::Error>> {
        self.0.set_update_state(update)
    }
}

pub(crate) fn spec() -> WorldSpec {
    WorldSpec { seed: 11, accounts: 3, peers: 10, messages: 1_000, shared_groups: true, ..WorldSpec::default() }
}

pub(crate) async fn start(spec: &WorldSpec) -> Simulator {
    Simulator::start(spec.generate(), Options::default()).await.unwrap()
}

impl Client {
    pub(crate) fn connect(simulator: &Simulator, name: &str) -> Self {
        Self::connect_to(simulator, name, |access| &access.data_centres)
    }

    /// The same over the addresses that serve files only.
    pub(crate) fn connect_to_media(simulator: &Simulator, name: &str) -> Self {
        Self::connect_to(simulator, name, |access| &access.media_data_centres)
    }

    #[expect(clippy::disallowed_methods, reason = "the client is not part of what counts its tasks")]
    fn connect_to(simulator: &Simulator, name: &str, addresses: impl Fn(&AccountAccess) -> &Vec<DataCentreAccess>) -> Self {
        let access = simulator.accounts().into_iter().find(|account| account.name == name).unwrap();
        let mut data = SessionData { home_dc: access.home_dc, ..SessionData::default() };
        data.dc_options.clear();
        for dc in addresses(&access) {
            let ipv6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, dc.address.port(), 0, 0);
            data.dc_options.insert(dc.id, DcOption { id: dc.id, ipv4: dc.address, ipv6, auth_key: Some(dc.auth_key) });
        }
        let parameters = ConnectionParams { retry_policy: Box::new(NoRetries), ..ConnectionParams::default() };
        let SenderPool { runner, handle, updates } =
            SenderPool::with_configuration(Arc::new(FixedAddresses(MemorySession::from(data))), 1, parameters);
        tokio::spawn(runner.run());
        Self { access, handle, updates }
    }

    pub(crate) async fn call<R: RemoteCall>(&self, request: &R) -> Result<R::Return, InvocationError> {
        self.call_in(self.access.home_dc, request).await
    }

    pub(crate) async fn call_in<R: RemoteCall>(&self, dc: i32, request: &R) -> Result<R::Return, InvocationError> {
        tokio::time::timeout(PATIENCE, self.handle.invoke_in_dc(dc, request)).await.expect("the simulator answers in time")
    }

    /// The error name that a request is refused with, digits included.
    pub(crate) async fn refusal<R: RemoteCall>(&self, request: &R) -> String {
        refusal(self.call(request).await)
    }

    pub(crate) async fn next_update(&mut self) -> enums::Update {
        self.next_updates().await.0
    }

    /// The next update, and the chats that came with it.
    pub(crate) async fn next_updates(&mut self) -> (enums::Update, Vec<enums::Chat>) {
        loop {
            let update = tokio::time::timeout(PATIENCE, self.updates.recv()).await.expect("an update comes in time").unwrap();
            if let UpdatesLike::Updates(enums::Updates::Updates(mut updates)) = update {
                return (updates.updates.remove(0), updates.chats);
            }
        }
    }
}

pub(crate) fn refusal<T>(result: Result<T, InvocationError>) -> String {
    match result.err().expect("the request is refused") {
        InvocationError::Rpc(error) => match error.value {
            Some(value) => format!("{}_{value}", error.name),
            None => error.name,
        },
        other => panic!("not an answer: {other}"),
    }
}

/// The first chat of a kind that the account is in.
pub(crate) fn chat_of(world: &World, account: &str, matches: impl Fn(&telescribe_simulator::world::Chat) -> bool) -> PeerId {
    let index = world.account_named(account).unwrap();
    let found = world.accounts[index].dialogs.iter().map(|at| &world.chats[*at as usize]).find(|chat| matches(chat));
    found.unwrap().peer
}

fn bare_channel(peer: PeerId) -> i64 {
    -peer.marked() - 1_000_000_000_000
}

pub(crate) fn input_channel(world: &World, account: &str, peer: PeerId) -> enums::InputChannel {
    let access_hash = world.access_hash(world.account_named(account).unwrap(), peer);
    types::InputChannel { channel_id: bare_channel(peer), access_hash }.into()
}

pub(crate) fn input_peer(world: &World, account: &str, peer: PeerId) -> enums::InputPeer {
    let access_hash = world.access_hash(world.account_named(account).unwrap(), peer);
    match peer.marked() {
        id if id > 0 => types::InputPeerUser { user_id: id, access_hash }.into(),
        id if id > -1_000_000_000_000 => types::InputPeerChat { chat_id: -id }.into(),
        _ => types::InputPeerChannel { channel_id: bare_channel(peer), access_hash }.into(),
    }
}

pub(crate) fn history(peer: enums::InputPeer) -> f::messages::GetHistory {
    f::messages::GetHistory { peer, offset_id: 0, offset_date: 0, add_offset: 0, limit: 100, max_id: 0, min_id: 0, hash: 0 }
}

pub(crate) fn dialogs(folder_id: Option<i32>, limit: i32) -> f::messages::GetDialogs {
    let offset_peer = enums::InputPeer::Empty;
    f::messages::GetDialogs { exclude_pinned: true, folder_id, offset_date: 0, offset_id: 0, offset_peer, limit, hash: 0 }
}

/// The peers of the newest dialogs, marked.
pub(crate) async fn dialog_peers(client: &Client) -> Vec<i64> {
    let dialogs = match client.call(&dialogs(None, 100)).await.unwrap() {
        enums::messages::Dialogs::Dialogs(page) => page.dialogs,
        enums::messages::Dialogs::Slice(page) => page.dialogs,
        enums::messages::Dialogs::NotModified(_) => vec![],
    };
    let dialogs = dialogs.iter().filter_map(|dialog| match dialog {
        enums::Dialog::Dialog(dialog) => Some(marked(&dialog.peer)),
        _ => None,
    });
    dialogs.collect()
}

pub(crate) fn marked(peer: &enums::Peer) -> i64 {
    match peer {
        enums::Peer::User(user) => user.user_id,
        enums::Peer::Chat(chat) => -chat.chat_id,
        enums::Peer::Channel(channel) => -1_000_000_000_000 - channel.channel_id,
    }
}

pub(crate) fn messages_in(answer: enums::messages::Messages) -> Vec<enums::Message> {
    match answer {
        enums::messages::Messages::Messages(messages) => messages.messages,
        enums::messages::Messages::Slice(messages) => messages.messages,
        enums::messages::Messages::ChannelMessages(messages) => messages.messages,
        enums::messages::Messages::NotModified(_) => vec![],
    }
}

pub(crate) fn ids(messages: &[enums::Message]) -> Vec<i32> {
    messages
        .iter()
        .map(|message| match message {
            enums::Message::Message(message) => message.id,
            enums::Message::Service(message) => message.id,
            enums::Message::Empty(message) => message.id,
        })
        .collect()
}
