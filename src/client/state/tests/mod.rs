//! Short conversations with the state: the test is the hub and the world.

use std::num::NonZeroU64;
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::client::{ActorConfig, Message, RequestCommand};
use crate::protocol::codec::{HubBody, HubMessage};
use crate::protocol::{
    AuthToken, Connect, Connected, DeliveryAck, DeliveryStatus, DisconnectNotice, Disconnected,
    ErrorCode, HubCapabilities, Notice, PauseNotice, Recovery, RefreshToken, Refusal, Registered,
    Renewed, Reply, Route, Send, Subscribed, SubscriptionId, TokenRefreshed, Topic, Unsubscribed,
};
use crate::protocol::{Json, RenewalToken, Subscription};

mod asking;
mod authorizing;
mod connecting;
mod losing;
mod recovering;
mod wanting;

const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(25);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn address(path: &str) -> ActorAddress {
    ActorAddress::from_path(path).unwrap()
}

fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

fn token(number: u128) -> RenewalToken {
    RenewalToken::new(Uuid::from_u128(number))
}

fn session() -> SessionId {
    SessionId::new(Uuid::nil())
}

fn config(actors: Vec<ActorConfig>) -> ClientConfig {
    ClientConfig::new("ws://hub:1/ws".parse().unwrap(), actors)
}

fn alice() -> ClientConfig {
    config(vec![ActorConfig::new(address("alice"))])
}

fn alice_subscribed_to(topics: &[&str]) -> ClientConfig {
    let mut actor = ActorConfig::new(address("alice"));
    actor.topics = topics.iter().map(|name| topic(name)).collect();
    config(vec![actor])
}

fn refusal(code: ErrorCode) -> Box<Refusal> {
    Box::new(Refusal::new(code, "no", "Do not."))
}

fn say(text: &str) -> Verb {
    let (to, data) = (address("bob"), Json::from(serde_json::Value::from(text)));
    Verb::Send(Send { to: to.into(), kind: "chat".into(), data, queue: true })
}

/// A client and the outputs that nobody has looked at yet.
struct Conversation {
    client: ClientState,
    now: Timestamp,
    unseen: Vec<Output>,
    commands: u64,
}

impl Conversation {
    fn new(config: ClientConfig) -> Self {
        let client = ClientState::new(config, Dice::new([7; 32]));
        let now = Timestamp::from_millis(1_000_000);
        Self { client, now, unseen: Vec::new(), commands: 0 }
    }

    /// Connected, with nothing registered yet.
    fn greeted(config: ClientConfig) -> Self {
        let mut talk = Self::new(config);
        talk.input(Input::Start);
        talk.greet();
        talk
    }

    /// Connected, all addresses registered without subscriptions, nothing unseen.
    fn registered(config: ClientConfig) -> Self {
        let mut talk = Self::greeted(config);
        for request in talk.requests() {
            talk.confirm_registration(&request, 1, &[]);
        }
        talk.unseen.clear();
        talk
    }

    /// Opens the transport and answers `hub:connect`.
    fn greet(&mut self) {
        self.input(Input::Opened);
        let [connect] = self.requests().try_into().unwrap();
        self.reply(&connect, Reply::Connected(connected()));
    }

    fn input(&mut self, input: Input) {
        self.unseen.extend(self.client.handle(self.now, input));
    }

    fn command(&mut self, command: Command) -> CommandId {
        let id = CommandId(self.commands);
        self.commands += 1;
        self.input(Input::Command(id, command));
        id
    }

    fn ask(&mut self, verb: Verb) -> CommandId {
        self.command(Command::Request(Box::new(RequestCommand::new(Pattern::Ask, verb))))
    }

    fn subscribe(&mut self, name: &str) -> CommandId {
        self.command(Command::Subscribe { address: None, topic: topic(name) })
    }

    fn unsubscribe(&mut self, name: &str) -> CommandId {
        self.command(Command::Unsubscribe { address: None, topic: topic(name) })
    }

    fn hear(&mut self, body: HubBody) {
        self.hear_numbered(None, body);
    }

    fn hear_numbered(&mut self, seq: Option<NonZeroU64>, body: HubBody) {
        let message = HubMessage {
            id: MessageId::parse("m").unwrap(),
            from: address("hub"),
            to: address("alice"),
            timestamp: self.now,
            ttl: None,
            metadata: Json::EMPTY_OBJECT,
            seq,
            body,
        };
        self.input(Input::Frame(Ok(HubFrame::Message(Box::new(message)))));
    }

    fn notice(&mut self, notice: Notice) {
        self.hear(HubBody::Notice(notice));
    }

    fn reply(&mut self, request: &Request, reply: Reply) {
        self.hear(HubBody::Reply { correlation: Some(request.id.clone()), reply });
    }

    fn confirm_registration(&mut self, request: &Request, version: u64, topics: &[&str]) {
        self.confirm_registration_with(request, version, topics, None);
    }

    fn confirm_registration_with(
        &mut self,
        request: &Request,
        version: u64,
        topics: &[&str],
        recovery: Option<Recovery>,
    ) {
        let registered = Registered {
            actor_address: request.from.clone(),
            expires_at: self.now + seconds(300),
            renewal_token: token(version.into()),
            version,
            resumed: version > 1,
            subscriptions: topics.iter().map(|name| topic(name)).collect(),
            subscription_count: None,
            recovery,
        };
        self.reply(request, Reply::Registered(registered));
    }

    /// Lets time pass, with a tick at each deadline.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(deadline) = self.client.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(deadline);
            self.input(Input::Tick);
        }
        self.now = end;
    }

    fn lose(&mut self) {
        self.input(Input::Lost(DisconnectReason::Broken("test".to_owned())));
    }

    fn lose_by_close(&mut self, code: u16) {
        self.input(Input::Lost(DisconnectReason::Closed {
            code: Some(code),
            reason: String::new(),
        }));
    }

    /// Takes all that was not looked at.
    fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.unseen)
    }

    /// Takes the requests among what was not looked at.
    fn requests(&mut self) -> Vec<Request> {
        let is_request = |output: &mut Output| matches!(output, Output::Send(_));
        let sent = self.unseen.extract_if(.., is_request);
        sent.filter_map(|output| match output {
            Output::Send(ClientFrame::Request(request)) => Some(Arc::unwrap_or_clone(request)),
            _ => None,
        })
        .collect()
    }

    fn verbs(&mut self) -> Vec<Verb> {
        self.requests().into_iter().map(|request| request.verb.unwrap()).collect()
    }

    /// The pause that the last loss announced.
    fn pause(&mut self) -> Option<Duration> {
        self.outputs().into_iter().find_map(|output| match output {
            Output::Event(Event::Disconnected { retry_in, .. })
            | Output::Event(Event::ConnectFailed { retry_in, .. }) => retry_in,
            _ => None,
        })
    }
}

fn connected() -> Connected {
    Connected {
        session_id: session(),
        server_version: "0".to_owned(),
        server_time: None,
        token_expires_at: None,
        max_message_size: 1_048_576,
        heartbeat_interval: HEARTBEAT_INTERVAL.as_millis() as u64,
        capabilities: HubCapabilities {
            max_actors_per_instance: 1,
            supports_backpressure: true,
            supports_recovery: true,
            supported_content_types: Vec::new(),
        },
        actor_identity: None,
    }
}

fn subscribe_verb(name: &str) -> Verb {
    Verb::Subscribe(crate::protocol::Subscribe { topic: topic(name), durable: false })
}

fn unsubscribe_verb(name: &str) -> Verb {
    let subscription = Subscription::Topic(topic(name));
    Verb::Unsubscribe(crate::protocol::Unsubscribe { subscription })
}

fn subscribed(name: &str) -> Reply {
    let subscription_id = SubscriptionId::new(Uuid::nil());
    Reply::Subscribed(Subscribed { topic: topic(name), subscription_id, durable: None })
}

fn unsubscribed(name: &str) -> Reply {
    let unsubscribed_at = Timestamp::default();
    Reply::Unsubscribed(Unsubscribed { topic: topic(name), unsubscribed_at })
}

fn delivery_ack(request: &Request) -> Reply {
    Reply::DeliveryAck(DeliveryAck {
        message_id: request.id.clone(),
        delivered_at: Timestamp::default(),
        status: DeliveryStatus::Delivered,
    })
}
