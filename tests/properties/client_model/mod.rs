//! What a client promises, as far as its user and the hub can see it: what is wished for, what is
//! pending, and whether there is a connection. It watches inputs and outputs, and objects.

mod answers;
mod restoring;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use signal_hub::client::state::Output;
use signal_hub::client::{ClientConfig, ClientError, Command, CommandId, DisconnectReason, Event};
use signal_hub::protocol::{
    ActorAddress, ClientFrame, CloseReason, Details, MessageId, Pattern, Reply, Request, Topic,
    UnregisterReason, Verb,
};
use signal_hub::time::Timestamp;

/// Closed with these, a client stays away (protocol, section 3; ERRORS.md).
const FOR_GOOD: [CloseReason; 4] = [
    CloseReason::Unauthorized,
    CloseReason::VersionMismatch,
    CloseReason::DuplicateConnection,
    CloseReason::TooManyMalformed,
];

/// What happened to the client.
pub enum Cause {
    Start,
    Opened,
    /// The hub's answer to this request.
    Reply(Box<Request>, Reply),
    /// `hub:disconnect`, because another connection registered the last address.
    Replaced,
    TakenOver(ActorAddress),
    Expired(ActorAddress),
    Lost,
    Command(CommandId, Command),
    TimePasses,
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Down,
    Dialling,
    /// There is a transport; `hub:connect` is not accepted yet.
    Open,
    Connected,
}

struct Pending {
    command: Command,
    issued: Timestamp,
    /// Whose registration it waits for, if it is a request that waits for one.
    speaker: Option<ActorAddress>,
    /// As which message it was written.
    message: Option<MessageId>,
}

pub struct Model {
    config: ClientConfig,
    /// In the order in which they were first wished for.
    wishes: Vec<(ActorAddress, BTreeSet<Topic>)>,
    /// Which command was the last one about a topic.
    last_words: BTreeMap<(ActorAddress, Topic), CommandId>,
    link: Link,
    /// A goodbye is said, by either side: nothing may follow but the end.
    parting: bool,
    ended: bool,
    held: BTreeSet<ActorAddress>,
    /// Registered in this session, once at least.
    restored: BTreeSet<ActorAddress>,
    /// What the hub said that this session is subscribed to.
    confirmed: BTreeSet<(ActorAddress, Topic)>,
    /// The hub wants fewer requests: when the client asks again is up to it.
    hurried: bool,
    pending: BTreeMap<CommandId, Pending>,
    on_the_wire: BTreeSet<MessageId>,
    /// Attempts that failed since a session lasted.
    failures: u32,
    settled: Option<Timestamp>,
    /// When the next attempt is due.
    attempt_at: Option<Timestamp>,
}

impl Model {
    pub fn new(config: ClientConfig, now: Timestamp) -> Self {
        let wish = |actor: &signal_hub::client::ActorConfig| {
            (actor.address.clone(), actor.topics.iter().cloned().collect())
        };
        Self {
            wishes: config.actors.iter().map(wish).collect(),
            config,
            last_words: BTreeMap::new(),
            link: Link::Down,
            parting: false,
            ended: false,
            held: BTreeSet::new(),
            restored: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            hurried: false,
            pending: BTreeMap::new(),
            on_the_wire: BTreeSet::new(),
            failures: 0,
            settled: None,
            attempt_at: Some(now),
        }
    }

    /// The addresses that the client is to have, and the topics of each.
    pub fn wishes(&self) -> BTreeMap<ActorAddress, BTreeSet<Topic>> {
        self.wishes.iter().cloned().collect()
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What the client did because of `cause`.
    pub fn observe(&mut self, now: Timestamp, cause: &Cause, outputs: &[Output]) -> Result<()> {
        let had_ended = self.ended;
        let waiting = self.waiting_changes(cause);
        self.prepare(now, cause);
        let mut over = false;
        for output in outputs {
            let is_answer = matches!(output, Output::Resolve(_, Err(ClientError::Ended)));
            over |= is_answer;
            ensure!(!had_ended || is_answer, "it has ended, and yet does {output:?}");
            self.output(now, cause, output).with_context(|| format!("{output:?}"))?;
        }
        ensure!(!over || self.ended || self.parting, "a command ends with a client that goes on");
        self.check_restored(cause, waiting, outputs)?;
        if let Cause::Command(_, Command::Disconnect { .. }) | Cause::Stop = cause {
            self.parting = true;
        }
        if matches!(cause, Cause::Stop) {
            ensure!(self.ended, "it was stopped and goes on");
        }
        if self.ended {
            ensure!(self.pending.is_empty(), "it has ended without an answer");
        }
        for (id, pending) in &self.pending {
            let waits = match pending.command {
                Command::Request(_) => 1,
                _ => 2,
            };
            let due = pending.issued + self.config.ask_timeout * waits;
            ensure!(now < due, "{id:?} should have been answered by {due}: {:?}", pending.command);
        }
        Ok(())
    }

    fn prepare(&mut self, now: Timestamp, cause: &Cause) {
        match cause {
            Cause::Command(id, command) => {
                let speaker = self.speaker(command);
                let pending =
                    Pending { command: command.clone(), issued: now, speaker, message: None };
                self.pending.insert(*id, pending);
                if !self.ended && !self.parting {
                    self.wish(*id, command);
                }
            }
            Cause::Opened => self.link = Link::Open,
            Cause::Reply(request, reply) => {
                self.on_the_wire.remove(&request.id);
                self.confirm(&request.from, reply);
                if let Reply::Error(refusal) = reply {
                    self.hurried |= matches!(refusal.details, Details::RetryAfter { .. });
                }
            }
            Cause::Replaced => self.parting |= self.link == Link::Connected,
            Cause::TakenOver(address) => self.wish_no_more(address),
            Cause::Expired(address) => {
                self.held.remove(address);
            }
            Cause::Lost => self.disconnected(),
            Cause::Start | Cause::TimePasses | Cause::Stop => {}
        }
    }

    fn confirm(&mut self, address: &ActorAddress, reply: &Reply) {
        let of = |topic: &Topic| (address.clone(), topic.clone());
        if let Reply::Registered(registered) = reply {
            self.confirmed.retain(|(confirmed, _)| confirmed != address);
            self.confirmed.extend(registered.subscriptions.iter().map(of));
        } else if let Reply::Subscribed(subscribed) = reply {
            self.confirmed.insert(of(&subscribed.topic));
        } else if let Reply::Unsubscribed(unsubscribed) = reply {
            self.confirmed.remove(&of(&unsubscribed.topic));
        }
    }

    fn disconnected(&mut self) {
        self.link = Link::Down;
        self.held.clear();
        self.restored.clear();
        self.confirmed.clear();
        self.on_the_wire.clear();
        self.hurried = false;
    }

    fn wish(&mut self, id: CommandId, command: &Command) {
        match command {
            Command::Register(actor) => match self.topics(&actor.address) {
                Some(topics) => topics.extend(actor.topics.iter().cloned()),
                None => {
                    let topics = actor.topics.iter().cloned().collect();
                    self.wishes.push((actor.address.clone(), topics));
                }
            },
            Command::Unregister(address) => self.wish_no_more(address),
            Command::Subscribe { address, topic } | Command::Unsubscribe { address, topic } => {
                let wanted = matches!(command, Command::Subscribe { .. });
                let Some(address) = address else { return };
                let Some(topics) = self.topics(address) else { return };
                if wanted {
                    topics.insert(topic.clone())
                } else {
                    topics.remove(topic)
                };
                self.last_words.insert((address.clone(), topic.clone()), id);
            }
            Command::Request(_) | Command::Disconnect { .. } => {}
        }
    }

    fn topics(&mut self, address: &ActorAddress) -> Option<&mut BTreeSet<Topic>> {
        self.wishes.iter_mut().find(|(wished, _)| wished == address).map(|(_, topics)| topics)
    }

    fn wish_no_more(&mut self, address: &ActorAddress) {
        self.wishes.retain(|(wished, _)| wished != address);
        self.held.remove(address);
    }

    fn output(&mut self, now: Timestamp, cause: &Cause, output: &Output) -> Result<()> {
        match output {
            Output::Connect => {
                ensure!(self.link == Link::Down && !self.parting, "nobody wants a transport");
                ensure!(self.attempt_at == Some(now), "it is due at {:?}", self.attempt_at);
                self.link = Link::Dialling;
            }
            Output::Send(ClientFrame::Request(request)) => self.sent(cause, request)?,
            Output::RequestToken => bail!("nobody gives tokens"),
            Output::Send(ClientFrame::Ping) => bail!("no client pings"),
            Output::CloseTransport => {
                ensure!(self.link != Link::Down, "there is none");
                self.disconnected();
            }
            Output::Event(event) => self.event(now, event)?,
            Output::Resolve(id, result) => {
                let pending = self.pending.remove(id).context("it is not pending")?;
                self.resolved(now, cause, *id, pending, result)?;
            }
        }
        Ok(())
    }

    fn sent(&mut self, cause: &Cause, request: &Request) -> Result<()> {
        let (verb, from) = (request.verb.as_ref().ok().context("no client errs")?, &request.from);
        let greets = matches!(verb, Verb::Connect(_));
        ensure!(greets == matches!(cause, Cause::Opened), "hub:connect opens a session, once");
        ensure!(greets || self.link == Link::Connected, "there is no session");
        ensure!(!self.parting, "the goodbye was said");
        match verb {
            Verb::Register(register) => {
                ensure!(register.actor_address == *from, "it registers in another's name");
                ensure!(self.topics(from).is_some(), "nobody wishes for the address");
            }
            Verb::Subscribe(_) | Verb::Unsubscribe(_) | Verb::Renew(_) => {
                ensure!(self.held.contains(from), "its registration is not confirmed");
            }
            Verb::Send(send) => {
                let id = CommandId(send.data.to()?);
                let pending = self.pending.get_mut(&id).context("its call is over")?;
                let held = pending.speaker.as_ref().is_none_or(|who| self.held.contains(who));
                ensure!(held, "its registration is not confirmed");
                ensure!(pending.message.is_none(), "it was written before");
                pending.message = Some(request.id.clone());
            }
            _ => {}
        }
        if request.pattern == Pattern::Ask {
            ensure!(self.on_the_wire.insert(request.id.clone()), "its id is in use");
        }
        Ok(())
    }

    fn event(&mut self, now: Timestamp, event: &Event) -> Result<()> {
        match event {
            Event::Connected { .. } => {
                ensure!(self.link == Link::Open, "there is no transport");
                self.link = Link::Connected;
                self.settled = self.wishes.is_empty().then_some(now);
            }
            Event::Disconnected { why, retry_in, .. } => self.lost(now, why, *retry_in)?,
            Event::ConnectFailed { why, retry_in } => {
                self.settled = None;
                self.lost(now, why, *retry_in)?;
            }
            Event::Registered { address, .. } => {
                ensure!(self.topics(address).is_some(), "nobody wishes for the address");
                self.held.insert(address.clone());
                self.settled.get_or_insert(now);
            }
            Event::RegistrationRefused { address, refusal, retry_in } => match retry_in {
                Some(pause) => {
                    if let Details::RetryAfter { wait, .. } = refusal.details {
                        ensure!(*pause >= wait, "the hub said to wait for {wait:?}");
                    }
                    self.held.remove(address);
                }
                None => self.wish_no_more(address),
            },
            Event::SubscriptionRefused { address, topic, .. } => {
                self.topics(address).context("nobody wishes for the address")?.remove(topic);
            }
            Event::Unregistered { address, reason: UnregisterReason::Expired } => {
                self.held.remove(address);
            }
            Event::Unregistered { address, .. } => self.wish_no_more(address),
            Event::Ended { .. } => {
                ensure!(!self.ended, "it ends twice");
                self.ended = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// The bounds of the pause before the next attempt, and who may make one.
    fn lost(
        &mut self,
        now: Timestamp,
        why: &DisconnectReason,
        pause: Option<Duration>,
    ) -> Result<()> {
        self.disconnected();
        let code = match why {
            DisconnectReason::Closed { code, .. } => *code,
            DisconnectReason::Refused(refusal) => Some(refusal.code.closes_connect().code()),
            _ => None,
        };
        let for_good = FOR_GOOD.iter().any(|reason| Some(reason.code()) == code) || self.parting;
        let Some(pause) = pause else {
            ensure!(for_good, "it may come back");
            self.parting = true;
            return Ok(());
        };
        ensure!(!for_good, "it must not come back");
        let lasted = self.settled.take().map(|settled| now.since(settled));
        if lasted >= Some(self.config.backoff_reset_after) {
            self.failures = 0;
        }
        let most = self.config.backoff_min * 2_u32.saturating_pow(self.failures);
        let most = most.min(self.config.backoff_max);
        ensure!(pause <= most && pause >= most / 2, "{pause:?} is not half to whole of {most:?}");
        self.failures += 1;
        self.attempt_at = Some(now + pause);
        Ok(())
    }
}
