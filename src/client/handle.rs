//! The async client: cheap handles that give orders to one task, and the events that the task
//! reports.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::driver::{Driver, Order};
use super::{
    ActorConfig, ClientConfig, ClientError, Command, Event, Message, Observer, Outcome,
    RequestCommand, SendOutcome,
};
use crate::protocol::{
    ActorAddress, ActorList, AuthToken, Broadcast, Discover, Discovered, Heartbeat, HeartbeatAck,
    Json, ListActors, Metrics, Pattern, Publish, Published, QueueStats, RefreshToken, Reply, Send,
    Subscribed, TokenRefreshed, Topic, Unsubscribed, Verb,
};
use crate::runtime::Runtime;

/// A handle to a client. Clones share the client. When the last one is dropped, the client closes
/// its connection without a goodbye, so the hub keeps its addresses for a while.
///
/// ```
/// # #[cfg(not(feature = "server"))]
/// # fn main() {}
/// # #[cfg(feature = "server")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use signal_hub::{hub::Config, server::Server};
/// # let server = Server::bind(Tokio, "127.0.0.1:0".parse()?, Config::default(), ()).await?;
/// # let hub: HubUrl = format!("ws://{}/ws", server.local_address()?).parse()?;
/// # tokio::spawn(server.run(std::future::pending()));
/// use signal_hub::prelude::*;
/// use signal_hub::protocol::{Discover, Glob, Reply, Verb};
///
/// let (client, _events) = Client::connect(Tokio, ClientConfig::new(hub, Vec::new()));
/// let bob: ActorAddress = "@(berlin/bob)".parse()?;
/// client.register(bob.clone().into()).await?;
/// client.subscribe("news".parse()?).await?;
///
/// // The first address is the sender; a publication comes back to who subscribes.
/// let published = client.ask_publish("news".parse()?, "text", Json::NULL).await?;
/// assert_eq!(published.subscriber_count, 1);
///
/// let search = Discover { pattern: Glob::new("berlin/*"), ..Discover::default() };
/// let found = client.discover(search).await?;
/// assert_eq!(found.actors[0].address, bob);
///
/// // A verb that has no method of its own, or any other.
/// let Reply::Metrics(_) = client.ask(Verb::Metrics).await? else { panic!("an ask has its reply") };
/// client.unregister(bob).await?;
/// assert_eq!(client.subscribe("news".parse()?).await, Err(ClientError::NoAddress));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    orders: mpsc::Sender<Order>,
}

/// A client's events, in order. They must be read, or dropped: while
/// [`ClientConfig::event_queue_max`] are unread, the client reads nothing from the hub, not even
/// replies.
///
/// ```
/// # #[cfg(not(feature = "server"))]
/// # fn main() {}
/// # #[cfg(feature = "server")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use signal_hub::{hub::Config, server::Server};
/// # let server = Server::bind(Tokio, "127.0.0.1:0".parse()?, Config::default(), ()).await?;
/// # let hub: HubUrl = format!("ws://{}/ws", server.local_address()?).parse()?;
/// # tokio::spawn(server.run(std::future::pending()));
/// use futures_util::StreamExt;
/// use signal_hub::prelude::*;
///
/// let bob: ActorAddress = "@(bob)".parse()?;
/// let (client, events) = Client::connect(Tokio, ClientConfig::for_actor(hub, bob.clone()));
/// client.ask_send(bob.clone(), "note", Json::NULL).await?;
/// client.disconnect(None).await?;
///
/// // A stream, which ends with the client.
/// let events: Vec<Event> = events.collect().await;
/// assert!(matches!(&events[..2], [Event::Connected { .. }, Event::Registered { .. }]));
/// assert!(matches!(&events[2], Event::Delivered(message) if message.from == bob));
/// assert!(matches!(events.last(), Some(Event::Ended { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; none after [`Event::Ended`], once the connection is closed.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// The messages alone; all else that the client tells is dropped.
    pub fn messages(self) -> Messages {
        Messages(self)
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(context)
    }
}

/// The messages for a client, in order. They must be read, as [`Events`] must.
#[derive(Debug)]
pub struct Messages(Events);

impl Messages {
    /// The next message; none once the client has ended.
    pub async fn next(&mut self) -> Option<Message> {
        StreamExt::next(self).await
    }
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            match ready!(self.0.0.poll_recv(context)) {
                Some(Event::Delivered(message)) => return Poll::Ready(Some(*message)),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Client {
    /// Starts a client on `runtime`. It connects, and reconnects, until it ends.
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
        kind: impl Into<Arc<str>>,
        data: Json,
    ) -> Result<(), ClientError> {
        let verb = Verb::Send(Send { to: to.into(), kind: kind.into(), data, queue: true });
        self.request(RequestCommand::new(Pattern::Tell, verb)).await.map(drop)
    }

    /// Sends application data and waits for the outcome.
    pub async fn ask_send(
        &self,
        to: ActorAddress,
        kind: impl Into<Arc<str>>,
        data: Json,
    ) -> Result<SendOutcome, ClientError> {
        match self
            .ask(Verb::Send(Send { to: to.into(), kind: kind.into(), data, queue: true }))
            .await?
        {
            Reply::DeliveryAck(ack) => Ok(SendOutcome::Delivered(ack)),
            Reply::UnknownActor(unknown) => Ok(SendOutcome::UnknownActor(unknown)),
            other => Err(unexpected(&other)),
        }
    }

    /// Publishes application data and does not wait.
    pub async fn publish(
        &self,
        topic: Topic,
        kind: impl Into<Arc<str>>,
        data: Json,
    ) -> Result<(), ClientError> {
        let verb = Verb::Publish(Publish { topic, kind: kind.into(), data });
        self.request(RequestCommand::new(Pattern::Tell, verb)).await.map(drop)
    }

    /// Publishes application data and waits for the number of copies.
    pub async fn ask_publish(
        &self,
        topic: Topic,
        kind: impl Into<Arc<str>>,
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

    /// Asks who is registered, by pattern, capabilities and metadata.
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

    /// Asks for the state of this client's queue at the hub.
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

    /// Subscribes to the topic, on this connection and on later ones. An error is about this call
    /// only: the topic stays wanted unless the hub refused it.
    pub async fn subscribe(&self, topic: Topic) -> Result<Subscribed, ClientError> {
        match reply_in(self.command(Command::Subscribe { address: None, topic }).await?)? {
            Reply::Subscribed(subscribed) => Ok(subscribed),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives the topic up; an error is about this call only.
    pub async fn unsubscribe(&self, topic: Topic) -> Result<Unsubscribed, ClientError> {
        match reply_in(self.command(Command::Unsubscribe { address: None, topic }).await?)? {
            Reply::Unsubscribed(unsubscribed) => Ok(unsubscribed),
            other => Err(unexpected(&other)),
        }
    }

    /// Registers an address, on this connection and on later ones, or changes how it is registered.
    /// An error is about this call only: the address stays wanted unless the hub refused it for
    /// good.
    pub async fn register(&self, actor: ActorConfig) -> Result<(), ClientError> {
        self.command(Command::Register(actor)).await.map(drop)
    }

    /// Gives the address up. If it recovers, what is on its way to it is not handed over any more.
    pub async fn unregister(&self, address: ActorAddress) -> Result<(), ClientError> {
        self.command(Command::Unregister(address)).await.map(drop)
    }

    /// Asks the hub for a sign of life.
    pub async fn heartbeat(&self) -> Result<HeartbeatAck, ClientError> {
        match self.ask(Verb::Heartbeat(Heartbeat { timestamp: Json::NULL })).await? {
            Reply::HeartbeatAck(ack) => Ok(ack),
            other => Err(unexpected(&other)),
        }
    }

    /// Presents a newer token of the same principal, for this session and for later ones.
    pub async fn refresh_token(&self, token: AuthToken) -> Result<TokenRefreshed, ClientError> {
        match self.ask(Verb::RefreshToken(RefreshToken { token })).await? {
            Reply::TokenRefreshed(refreshed) => Ok(refreshed),
            other => Err(unexpected(&other)),
        }
    }

    /// Says goodbye: the hub forgets the client's addresses, and the client ends. Returns whether
    /// the hub acknowledged; if not, it may keep the addresses for a while.
    pub async fn disconnect(&self, reason: Option<String>) -> Result<bool, ClientError> {
        match self.command(Command::Disconnect { reason }).await? {
            Outcome::Disconnected { acknowledged } => Ok(acknowledged),
            Outcome::Sent | Outcome::Replied(_) | Outcome::Registered | Outcome::NotNeeded => {
                unreachable!("a disconnect ends as one")
            }
        }
    }

    /// Drops the connection without a goodbye, as a network would, and reconnects.
    pub async fn drop_connection(&self) -> Result<(), ClientError> {
        self.orders.send(Order::DropConnection).await.map_err(|_| ClientError::Ended)
    }

    /// Asks the hub and waits for its reply, which is never [`Reply::Error`].
    pub async fn ask(&self, verb: Verb) -> Result<Reply, ClientError> {
        reply_in(self.request(RequestCommand::new(Pattern::Ask, verb)).await?)
    }

    /// Makes any request. A durable subscription that is made so is given up at the next registration, unless its
    /// topic is wanted as well.
    pub async fn request(&self, request: RequestCommand) -> Result<Outcome, ClientError> {
        self.command(Command::Request(Box::new(request))).await
    }

    /// Gives a command and waits for its end.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::event::tests::message;

    #[tokio::test]
    async fn a_stream_of_messages_leaves_out_all_else() {
        let (sender, receiver) = mpsc::channel(4);
        for event in [Event::Resumed, Event::Delivered(Box::new(message())), Event::Resumed] {
            sender.try_send(event).unwrap();
        }
        drop(sender);
        let messages: Vec<Message> = Events(receiver).messages().collect().await;
        assert_eq!(messages, [message()]);
    }
}
