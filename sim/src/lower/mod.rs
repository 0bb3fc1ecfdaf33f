//! From the words of a scenario to those of the protocol.

mod issuer;
mod raw_session;
pub mod store;
mod wishes;

use std::time::Duration;

use serde::Serialize;
use signal_hub::client::{ActorConfig, Command, HubUrl, RequestCommand};
use signal_hub::protocol::{
    self, ActorAddress, AuthToken, Broadcast, Discover, Glob, Heartbeat, Json, ListActors,
    MessageId, Pattern, Publish, RefreshToken, Verb,
};

pub use issuer::{Issuer, access};
pub use raw_session::{CLOSE_TIMEOUT, Positions, RawSession, answered};
pub use wishes::Wishes;

use crate::history::PROBE;
use crate::scenario::{self, Action, NOTE, Shown, Speech};

/// The address that a scenario means: an actor's name, or an address as it is.
pub fn address(name: &str) -> ActorAddress {
    scenario::address(name).expect("names were checked when the scenario was read")
}

/// Where clients find a hub at `host:port`.
pub fn hub_url(authority: &str) -> HubUrl {
    format!("ws://{authority}/ws").parse().expect("the hub has a URL")
}

/// What step `number` says: no two steps say the same, unless they name the id of what they say.
pub fn payload(number: Option<usize>, speech: &Speech) -> Json {
    #[derive(Serialize)]
    struct Said<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
    }

    let said = Said { step: number, text: speech.text.as_deref() };
    let said = Json::from_value(&said).expect("texts and numbers are JSON");
    if speech.padding == 0 {
        return said;
    }
    // Written by hand: a serializer would look at each byte of it.
    let rest = &said.as_str()[1..];
    let comma = if rest == "}" { "" } else { "," };
    let text = format!(r#"{{"padding":"{}"{comma}{rest}"#, "~".repeat(speech.padding));
    Json::parse(text).expect("a padded object is JSON")
}

/// A request, apart from who makes it.
pub struct LoweredRequest {
    pub pattern: Pattern,
    pub verb: Verb,
    pub id: Option<MessageId>,
    pub ttl: Option<Duration>,
}

fn ask(verb: Verb) -> LoweredRequest {
    LoweredRequest { pattern: Pattern::Ask, verb, id: None, ttl: None }
}

/// Who an actor is, whoever speaks for it.
pub struct Own {
    name: String,
    address: ActorAddress,
    issuer: Issuer,
}

impl Own {
    /// An actor of a run whose tokens the issuer signs.
    pub fn new(name: &str, issuer: Issuer) -> Self {
        Self { name: name.to_owned(), address: address(name), issuer }
    }

    fn token(&self, shown: &Shown) -> AuthToken {
        self.issuer.text(&self.name, shown)
    }
}

/// The request that the action makes, if it makes one that needs to know nothing but the step.
fn request(own: &Own, number: usize, action: &Action) -> Option<LoweredRequest> {
    let send = |to: &str, number: Option<usize>, speech: &Speech| {
        let (to, data) = (address(to).into(), payload(number, speech));
        let queue = !speech.not_queued;
        Verb::Send(protocol::Send { to, kind: NOTE.into(), data, queue })
    };
    let nth = Some(number);
    let id = |id: &str| MessageId::parse(id).ok();
    Some(match action {
        Action::Tell { to, speech } => {
            LoweredRequest { pattern: Pattern::Tell, ttl: speech.ttl, ..ask(send(to, nth, speech)) }
        }
        Action::Ask { to, id: again, speech } => LoweredRequest {
            id: again.as_deref().and_then(id),
            ttl: speech.ttl,
            ..ask(send(to, nth.filter(|_| again.is_none()), speech))
        },
        Action::AskTwice { to } => LoweredRequest {
            id: id(&format!("twice-{number}")),
            ..ask(send(to, nth, &Speech::default()))
        },
        Action::Broadcast { exclude_self, speech } => {
            let broadcast = Broadcast {
                exclude_self: *exclude_self,
                ..Broadcast::new(NOTE, payload(nth, speech))
            };
            LoweredRequest { ttl: speech.ttl, ..ask(Verb::Broadcast(broadcast)) }
        }
        Action::Publish { topic, speech } => {
            let (topic, data) = (topic.clone(), payload(nth, speech));
            let publish = Publish { topic, kind: NOTE.into(), data };
            LoweredRequest { ttl: speech.ttl, ..ask(Verb::Publish(publish)) }
        }
        Action::Discover { pattern } => {
            let pattern = pattern.as_deref().map_or_else(Glob::any, Glob::new);
            ask(Verb::Discover(Discover { pattern, ..Discover::default() }))
        }
        Action::ListActors => ask(Verb::ListActors(ListActors::default())),
        Action::QueueStats => ask(Verb::QueueStats),
        Action::Metrics => ask(Verb::Metrics),
        Action::RefreshToken { token } => {
            ask(Verb::RefreshToken(RefreshToken { token: own.token(token) }))
        }
        Action::Heartbeat => ask(Verb::Heartbeat(Heartbeat { timestamp: Json::NULL })),
        Action::Subscribe { .. }
        | Action::Unsubscribe { .. }
        | Action::Register { .. }
        | Action::Unregister { .. }
        | Action::Renew { .. }
        | Action::Recover { .. }
        | Action::Disconnect
        | Action::Open
        | Action::Connect { .. }
        | Action::Write { .. }
        | Action::Ping
        | Action::Close
        | Action::Refused { .. } => return None,
    })
}

/// What a client is told to do, one after the other.
pub type Commands = Vec<Command>;

/// What a client is told to do to ask an actor for nothing but its answer. The payload is JSON.
pub fn probe(to: &str, payload: &str) -> Commands {
    let data = Json::parse(payload).expect("a probe says JSON");
    let send = protocol::Send { to: address(to).into(), kind: PROBE.into(), data, queue: true };
    let ask = RequestCommand::new(Pattern::Ask, Verb::Send(send));
    vec![Command::Request(Box::new(ask))]
}

/// What a client is told to do, if the action is for its command queue; `ttl` is that of registrations that
/// name none.
fn command(
    number: usize,
    own: &Own,
    speaker: Option<&str>,
    ttl: Duration,
    action: &Action,
) -> Option<Command> {
    let speaker = speaker.map(address);
    if let Some(LoweredRequest { pattern, verb, id, ttl }) = request(own, number, action) {
        let request =
            RequestCommand { from: speaker, id, ttl, ..RequestCommand::new(pattern, verb) };
        return Some(Command::Request(Box::new(request)));
    }
    let named =
        |name: &Option<String>| name.as_deref().map_or_else(|| own.address.clone(), address);
    match action {
        Action::Subscribe { topic, .. } => {
            Some(Command::Subscribe { address: speaker, topic: topic.clone() })
        }
        Action::Unsubscribe { topic, .. } => {
            Some(Command::Unsubscribe { address: speaker, topic: topic.clone() })
        }
        Action::Register { address: name, ttl: wanted, renew_on_heartbeat, recovery: _ } => {
            let ttl = wanted.unwrap_or(ttl);
            let metadata = if *renew_on_heartbeat {
                Json::from(serde_json::json!({ "renewOnHeartbeat": true }))
            } else {
                Json::EMPTY_OBJECT
            };
            Some(Command::Register(ActorConfig { ttl, metadata, ..ActorConfig::new(named(name)) }))
        }
        Action::Unregister { address: name } => Some(Command::Unregister(named(name))),
        Action::Disconnect => Some(Command::Disconnect { reason: None }),
        _ => None,
    }
}
