//! The async client: cheap handles that give orders to one task, and the events that it reports.

use tokio::sync::{mpsc, oneshot};

use super::driver::{Driver, Order};
use super::{
    ActorConfig, ClientConfig, ClientError, Command, Event, Observer, Outcome, RequestCommand,
    SendOutcome,
};
use crate::protocol::{
    ActorAddress, ActorList, AuthToken, Broadcast, Discover, Discovered, Heartbeat, HeartbeatAck,
    Json, ListActors, Metrics, Pattern, Publish, Published, QueueStats, RefreshToken, Reply, Send,
    Subscribed, TokenRefreshed, Topic, Unsubscribed, Verb,
};
use crate::runtime::Runtime;

/// A handle to a client. Clones share the client; when the last one is dropped, it closes its
/// connection without taking leave, so that the hub keeps its addresses for a while.
#[derive(Debug, Clone)]
pub struct Client {
    orders: mpsc::Sender<Order>,
}

/// What happens to a client, in order, at most [`ClientConfig::event_queue_max`] unread ones. They
/// must be read, or dropped: while the queue is full the client reads nothing from the hub, so
/// that replies wait too.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; none after [`Event::Ended`], once the connection is closed.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Client {
    /// Starts a client on `runtime`. It connects, and connects again, until it ends.
    pub fn connect<R: Runtime>(runtime: R, config: ClientConfig) -> (Self, Events) {
        Self::connect_observed(runtime, config, ())
    }

    /// Starts a client that `observer` watches.
    pub fn connect_observed<R: Runtime>(
        runtime: R,
        config: ClientConfig,
        observer: impl Observer,
    ) -> (Self, Events) {
        let (orders, for_driver) = mpsc::channel(config.command_queue_max.max(1));
        let (events, for_user) = mpsc::channel(config.event_queue_max.max(1));
        let driver = Driver::new(runtime.clone(), config, observer, for_driver, events);
        runtime.spawn(driver.run());
        (Self { orders }, Events(for_user))
    }

    /// Sends application data and does not wait for its delivery.
    pub async fn send(
        &self,
        to: ActorAddress,
        kind: impl Into<String>,
        data: Json,
    ) -> Result<(), ClientError> {
        let verb = Verb::Send(Send { to: to.into(), kind: kind.into(), data });
        self.request(RequestCommand::new(Pattern::Tell, verb)).await.map(drop)
    }

    /// Sends application data and waits for what becomes of it.
    pub async fn ask_send(
        &self,
        to: ActorAddress,
        kind: impl Into<String>,
        data: Json,
    ) -> Result<SendOutcome, ClientError> {
        match self.ask(Verb::Send(Send { to: to.into(), kind: kind.into(), data })).await? {
            Reply::DeliveryAck(ack) => Ok(SendOutcome::Delivered(ack)),
            Reply::UnknownActor(unknown) => Ok(SendOutcome::UnknownActor(unknown)),
            other => Err(unexpected(&other)),
        }
    }

    /// Publishes application data and does not wait.
    pub async fn publish(
        &self,
        topic: Topic,
        kind: impl Into<String>,
        data: Json,
    ) -> Result<(), ClientError> {
        let verb = Verb::Publish(Publish { topic, kind: kind.into(), data });
        self.request(RequestCommand::new(Pattern::Tell, verb)).await.map(drop)
    }

    /// Publishes application data and waits for how many sessions got it.
    pub async fn ask_publish(
        &self,
        topic: Topic,
        kind: impl Into<String>,
        data: Json,
    ) -> Result<Published, ClientError> {
        match self.ask(Verb::Publish(Publish { topic, kind: kind.into(), data })).await? {
            Reply::Published(published) => Ok(published),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends application data to everyone and does not wait.
    pub async fn broadcast(&self, broadcast: Broadcast) -> Result<(), ClientError> {
        let verb = Verb::Broadcast(broadcast);
        self.request(RequestCommand::new(Pattern::Tell, verb)).await.map(drop)
    }

    /// Asks who is registered, by pattern and capability.
    pub async fn discover(&self, discover: Discover) -> Result<Discovered, ClientError> {
        match self.ask(Verb::Discover(discover)).await? {
            Reply::Discovered(discovered) => Ok(discovered),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks for a page of all registrations.
    pub async fn list_actors(&self, list: ListActors) -> Result<ActorList, ClientError> {
        match self.ask(Verb::ListActors(list)).await? {
            Reply::ActorList(list) => Ok(list),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks how this client's own queue at the hub does.
    pub async fn queue_stats(&self) -> Result<QueueStats, ClientError> {
        match self.ask(Verb::QueueStats).await? {
            Reply::QueueStats(stats) => Ok(stats),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks what the hub counted in the present minute.
    pub async fn metrics(&self) -> Result<Metrics, ClientError> {
        match self.ask(Verb::Metrics).await? {
            Reply::Metrics(metrics) => Ok(metrics),
            other => Err(unexpected(&other)),
        }
    }

    /// Wants the topic from now on, on this connection and on later ones. An error tells of this
    /// call only: the topic stays wanted unless the hub refused it.
    pub async fn subscribe(&self, topic: Topic) -> Result<Subscribed, ClientError> {
        match reply_in(self.command(Command::Subscribe { address: None, topic }).await?)? {
            Reply::Subscribed(subscribed) => Ok(subscribed),
            other => Err(unexpected(&other)),
        }
    }

    /// Wants the topic no more; an error tells of this call only.
    pub async fn unsubscribe(&self, topic: Topic) -> Result<Unsubscribed, ClientError> {
        match reply_in(self.command(Command::Unsubscribe { address: None, topic }).await?)? {
            Reply::Unsubscribed(unsubscribed) => Ok(unsubscribed),
            other => Err(unexpected(&other)),
        }
    }

    /// Wants one more address, or wants it differently, and waits for its registration. An error
    /// tells of this call only: the address stays wanted unless the hub refused it for good.
    pub async fn register(&self, actor: ActorConfig) -> Result<(), ClientError> {
        self.command(Command::Register(actor)).await.map(drop)
    }

    /// Wants the address no more.
    pub async fn unregister(&self, address: ActorAddress) -> Result<(), ClientError> {
        self.command(Command::Unregister(address)).await.map(drop)
    }

    /// Asks for a sign of life.
    pub async fn heartbeat(&self) -> Result<HeartbeatAck, ClientError> {
        match self.ask(Verb::Heartbeat(Heartbeat { timestamp: Json::NULL })).await? {
            Reply::HeartbeatAck(ack) => Ok(ack),
            other => Err(unexpected(&other)),
        }
    }

    /// Shows the hub a newer token of the same principal, for this session and for later ones.
    pub async fn refresh_token(&self, token: AuthToken) -> Result<TokenRefreshed, ClientError> {
        match self.ask(Verb::RefreshToken(RefreshToken { token })).await? {
            Reply::TokenRefreshed(refreshed) => Ok(refreshed),
            other => Err(unexpected(&other)),
        }
    }

    /// Takes leave: the hub forgets the client's addresses, and the client ends. Says whether the
    /// hub acknowledged; if not, it may keep the addresses for a while.
    pub async fn disconnect(&self, reason: Option<String>) -> Result<bool, ClientError> {
        match self.command(Command::Disconnect { reason }).await? {
            Outcome::Disconnected { acknowledged } => Ok(acknowledged),
            Outcome::Sent | Outcome::Replied(_) | Outcome::Registered | Outcome::NotNeeded => {
                unreachable!("a disconnect ends as one")
            }
        }
    }

    /// Drops the present connection without a word, as a network would, and connects again.
    pub async fn drop_connection(&self) -> Result<(), ClientError> {
        self.orders.send(Order::DropConnection).await.map_err(|_| ClientError::Ended)
    }

    /// Asks the hub anything and waits for its reply; never [`Reply::Error`].
    pub async fn ask(&self, verb: Verb) -> Result<Reply, ClientError> {
        reply_in(self.request(RequestCommand::new(Pattern::Ask, verb)).await?)
    }

    /// Makes any request.
    pub async fn request(&self, request: RequestCommand) -> Result<Outcome, ClientError> {
        self.command(Command::Request(Box::new(request))).await
    }

    /// Gives any command and waits for its end.
    pub async fn command(&self, command: Command) -> Result<Outcome, ClientError> {
        let (caller, answer) = oneshot::channel();
        let order = Order::Command(command, caller);
        self.orders.send(order).await.map_err(|_| ClientError::Ended)?;
        answer.await.unwrap_or(Err(ClientError::Ended))
    }
}

fn reply_in(outcome: Outcome) -> Result<Reply, ClientError> {
    match outcome {
        Outcome::Replied(reply) => Ok(*reply),
        Outcome::Sent | Outcome::Registered | Outcome::NotNeeded | Outcome::Disconnected { .. } => {
            unreachable!("an ask ends with a reply")
        }
    }
}

fn unexpected(reply: &Reply) -> ClientError {
    ClientError::Unexpected(reply.type_name())
}
