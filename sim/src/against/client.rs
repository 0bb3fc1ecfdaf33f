//! A client that keeps trying: it connects, registers, subscribes, says what steps say, and comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dst::backend::testbed::{self, Doing, ended};
use dst::backend::{FullStack, Wire, WireProcess};
use dst::runtime::Runtime;
use tokio::select;
use tokio::sync::{mpsc, oneshot};

use super::AnyHub;
use super::dialect::{Heard, Notice, Promise, Report, Verb};
use super::history::ClientEvent;
use super::line::Line;
use super::words::{self, Words};
use crate::history::ClientName;
use crate::scenario::{Action, WhichToken};

/// How long a client waits before it tries again: at first, and at most.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// How often a client shows that it lives, if nothing says how often it has to.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often a client looks what is due.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What an actor wants of its clients.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The first is its own.
    pub addresses: Vec<String>,
    /// Of its own address.
    pub topics: BTreeSet<String>,
    /// Of registrations that name none.
    pub ttl: Duration,
}

impl Wishes {
    /// Remembers what the actor wants from now on.
    pub fn note(&mut self, speaker: Option<&str>, action: &Action) {
        match action {
            Action::Subscribe { topic } if speaker.is_none() => {
                self.topics.insert(topic.to_string());
            }
            Action::Unsubscribe { topic, .. } if speaker.is_none() => {
                self.topics.remove(topic.as_str());
            }
            Action::Register { address: Some(address), .. }
                if !self.addresses.contains(address) =>
            {
                self.addresses.push(address.clone());
            }
            Action::Unregister { address } => {
                let named = address.as_deref().or(speaker).unwrap_or(&self.addresses[0]).to_owned();
                // Its own address is what it comes back for.
                let mut place = 0;
                self.addresses.retain(|known| {
                    place += 1;
                    place == 1 || *known != named
                });
            }
            _ => {}
        }
    }
}

/// What a client is told to do.
#[derive(Debug, Clone)]
pub enum Command {
    /// What a step says.
    Step {
        /// Its number.
        number: usize,
        /// In whose name, if not the actor's.
        speaker: Option<String>,
        /// What.
        action: Action,
    },
    /// Asks somebody for an answer.
    Probe {
        /// Whom.
        to: String,
        /// What is said.
        payload: String,
    },
}

/// What a client knows of itself.
#[derive(Debug, Default)]
pub struct Belief {
    /// Its own address.
    own: String,
    owned: BTreeSet<String>,
    /// Addresses that it has lost for good.
    given_up: BTreeSet<String>,
    ended: bool,
    /// Whether anybody has asked what it believes.
    asked: AtomicBool,
    /// Whether the hub has been heard of since then: a connection can be dead and look alive.
    proved: bool,
}

/// What a client believes, for whoever asks whether everybody is back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The actor's own address.
    pub address: String,
    /// Whether the client tries to be there.
    pub wants: bool,
    /// Whether it believes to be there.
    pub owns: bool,
}

impl Belief {
    /// Whether it has ended.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether it tries to be at the address.
    pub fn wants(&self, address: &str) -> bool {
        !self.ended && !self.given_up.contains(address)
    }

    /// What a client that has not ended believes.
    pub fn agreement(&self) -> Option<Agreement> {
        self.asked.store(true, Ordering::Relaxed);
        let (address, owns) = (self.own.clone(), self.proved && self.owned.contains(&self.own));
        (!self.ended).then(|| Agreement { wants: self.wants(&address), owns, address })
    }
}

enum Order {
    Do(Command, oneshot::Sender<()>),
    Leave(oneshot::Sender<()>),
}

/// A client that runs.
pub struct Client {
    orders: mpsc::UnboundedSender<Order>,
    belief: Arc<Mutex<Belief>>,
}

impl Client {
    /// Starts it.
    pub fn start<W: Wire>(
        stack: &FullStack<AnyHub, W>,
        name: ClientName,
        wishes: &Wishes,
    ) -> (W::Process, Self) {
        let host = Arc::clone(&name.actor);
        let process = stack.wire.process(&host, &name.to_string());
        let run = Arc::clone(stack.scenario.hub.run());
        let belief = Belief { own: host.to_string(), ..Belief::default() };
        let belief = Arc::new(Mutex::new(belief));
        let (orders, received) = mpsc::unbounded_channel();
        let keeper = Keeper {
            words: Words::new(&name, &run, wishes.ttl),
            line: Line::new(stack, name.clone(), &host, &process),
            wishes: wishes.clone(),
            belief: Arc::clone(&belief),
            orders: received,
            awaited: BTreeMap::new(),
            due: Due::default(),
        };
        run.note_latest(&name);
        let runtime = process.runtime();
        runtime.spawn(keeper.keep(name));
        (process, Self { orders, belief })
    }

    fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) -> Doing {
        let (done, when_done) = oneshot::channel();
        // A client whose process is gone does nothing.
        let _ = self.orders.send(order(done));
        ended(when_done)
    }
}

impl testbed::Client<AnyHub> for Client {
    fn obey(&self, commands: Vec<Command>) -> Doing {
        let doings: Vec<Doing> = commands
            .into_iter()
            .map(|command| self.order(|done| Order::Do(command, done)))
            .collect();
        Box::pin(async move {
            for doing in doings {
                doing.await;
            }
        })
    }

    fn leave(&self) -> Doing {
        self.order(Order::Leave)
    }

    fn belief<T>(&self, look: impl FnOnce(&Belief) -> T) -> T {
        look(&lock(&self.belief))
    }
}

/// What has to be done in time, by the clock of the process.
#[derive(Default)]
struct Due {
    heartbeat: Duration,
    renewal: Duration,
    /// What had come when something came last, and when that was seen.
    life: (u64, Duration),
    /// The renewals under way, by their ids.
    renewals: BTreeMap<String, String>,
    /// Addresses that it has to take anew.
    lost: BTreeSet<String>,
    /// What had come when the hub was asked for a sign of life, and when that has to have come.
    proof: Option<(u64, Duration)>,
}

struct Keeper<W: Wire> {
    line: Line<W>,
    words: Words,
    wishes: Wishes,
    belief: Arc<Mutex<Belief>>,
    orders: mpsc::UnboundedReceiver<Order>,
    awaited: BTreeMap<String, oneshot::Sender<()>>,
    due: Due,
}

impl<W: Wire> Keeper<W> {
    async fn keep(mut self, name: ClientName) {
        self.line.record(ClientEvent::Started);
        let mut backoff = BACKOFF[0];
        while !self.has_ended() {
            if self.begin().await {
                backoff = BACKOFF[0];
                self.go_on().await;
            }
            self.line.close().await;
            lock(&self.belief).owned.clear();
            self.awaited.clear();
            self.give_way(&name);
            if !self.has_ended() {
                self.wait(backoff).await;
                backoff = BACKOFF[1].min(backoff * 2);
            }
        }
        self.line.record(ClientEvent::Ended);
        // Whoever orders something now is told at once that nothing comes of it.
        while let Some(order) = self.orders.recv().await {
            drop(order);
        }
    }

    /// Without a notice, only the end of its connection tells that a later client is to be there.
    fn give_way(&mut self, name: &ClientName) {
        let mut belief = lock(&self.belief);
        let is_told = self.line.run().promises.keep(Promise::TakeoverTold);
        let is_superseded = !is_told && !self.line.run().is_latest(name);
        let is_unwanted = self.wishes.addresses.iter().all(|a| belief.given_up.contains(a));
        belief.ended |= is_superseded || is_unwanted;
    }

    /// Nothing is said meanwhile.
    async fn wait(&mut self, pause: Duration) {
        let over = self.line.runtime().sleep(pause);
        tokio::pin!(over);
        loop {
            select! {
                biased;
                () = &mut over => return,
                order = self.orders.recv() => match order {
                    Some(Order::Do(command, _done)) => self.note_wish(&command),
                    Some(Order::Leave(_done)) => {
                        lock(&self.belief).ended = true;
                        return;
                    }
                    None => return,
                },
            }
        }
    }

    /// Connects, registers and subscribes; says whether it is there.
    async fn begin(&mut self) -> bool {
        let own = self.wishes.addresses[0].clone();
        if !self.line.open(&own).await {
            return false;
        }
        let connected = self.ask(None, Verb::Connect { version: None }).await;
        if !matches!(connected.as_deref(), Some(Heard { report: Report::Connected { .. }, .. })) {
            return false;
        }
        for address in self.wishes.addresses.clone() {
            if lock(&self.belief).wants(&address) && !self.register(&address).await {
                return false;
            }
        }
        let now = self.line.runtime().monotonic();
        let (heartbeat, renewal) = (now + self.beat(), now + self.wishes.ttl / 2);
        let life = (self.line.came(), now);
        self.due = Due { heartbeat, renewal, life, ..Due::default() };
        self.line.is_open()
    }

    async fn register(&mut self, address: &str) -> bool {
        let verb = self.words.register(address);
        let speaker = Some(address.to_owned());
        let Some(heard) = self.ask(speaker, verb).await else { return false };
        let Report::Owned { resumed, topics, .. } = &heard.report else { return false };
        if *address != self.wishes.addresses[0] {
            return true;
        }
        let resumed = resumed.unwrap_or_default();
        for topic in self.wishes.topics.clone() {
            let is_back = topics.as_ref().map_or(resumed, |topics| topics.contains(&topic));
            if !is_back && self.ask(None, Verb::Subscribe { topic }).await.is_none() {
                return false;
            }
        }
        true
    }

    /// Asks, and waits for the answer.
    async fn ask(&mut self, speaker: Option<String>, verb: Verb) -> Option<Arc<Heard>> {
        let operation = self.words.operation(speaker.as_deref(), verb);
        let id = operation.id.clone();
        if !self.line.say(operation).await {
            return None;
        }
        let over = self.line.runtime().sleep(self.line.run().promises.patience());
        tokio::pin!(over);
        loop {
            select! {
                biased;
                heard = self.line.next() => {
                    heard.iter().for_each(|heard| self.hear(heard));
                    let answer = heard.into_iter().find(|heard| heard.report.answers() == Some(&id));
                    if answer.is_some() || !self.line.is_open() {
                        return answer;
                    }
                }
                () = &mut over => return None,
            }
        }
    }

    async fn go_on(&mut self) {
        while self.line.is_open() && !self.has_ended() {
            let look = self.line.runtime().sleep(LOOK_EVERY);
            select! {
                biased;
                heard = self.line.next() => heard.iter().for_each(|heard| self.hear(heard)),
                order = self.orders.recv() => match order {
                    Some(Order::Do(command, done)) => self.obey(command, done).await,
                    Some(Order::Leave(done)) => self.leave(done).await,
                    None => return,
                },
                () = look => self.look().await,
            }
        }
    }

    async fn obey(&mut self, command: Command, done: oneshot::Sender<()>) {
        self.note_wish(&command);
        let operation = match command {
            Command::Probe { to, payload } => {
                Some(self.words.operation(None, words::probe(&to, &payload)))
            }
            Command::Step { number, speaker, action } => {
                self.words.of(number, speaker.as_deref(), &action)
            }
        };
        let Some(operation) = operation else {
            return self.line.record(ClientEvent::Said("has no words for that".to_owned()));
        };
        let id = operation.verb.wants_answer().then(|| operation.id.clone());
        if matches!(operation.verb, Verb::Disconnect) {
            return self.leave(done).await;
        }
        if self.line.say(operation).await
            && let Some(id) = id
        {
            self.awaited.insert(id, done);
        }
    }

    async fn leave(&mut self, done: oneshot::Sender<()>) {
        let known = self.line.run().promises.knows("disconnect");
        if known {
            let operation = self.words.operation(None, Verb::Disconnect);
            if self.line.say(operation).await {
                let over = self.line.runtime().sleep(Duration::from_secs(2));
                tokio::pin!(over);
                while self.line.is_open() {
                    select! {
                        biased;
                        heard = self.line.next() => heard.iter().for_each(|heard| self.hear(heard)),
                        () = &mut over => break,
                    }
                }
            }
        }
        self.line.close().await;
        lock(&self.belief).ended = true;
        // Whoever gave the order may not wait for it.
        let _ = done.send(());
    }

    /// Shows that it lives, and renews its registrations.
    async fn look(&mut self) {
        let now = self.line.runtime().monotonic();
        if now >= self.due.heartbeat {
            self.due.heartbeat = now + self.beat();
            if self.line.run().promises.knows("heartbeat") {
                let operation = self.words.operation(None, Verb::Heartbeat);
                self.line.say(operation).await;
            }
        }
        if !self.is_proved(now).await {
            self.line.record(ClientEvent::Said("takes the connection for dead".to_owned()));
            return self.line.abandon();
        }
        let came = self.line.came();
        if came != self.due.life.0 {
            self.due.life = (came, now);
        }
        let silence = now.saturating_sub(self.due.life.1);
        if self.line.run().promises.knows("heartbeat") && silence > self.beat() * 5 / 2 {
            self.line.record(ClientEvent::Said("takes the silent connection for dead".to_owned()));
            return self.line.abandon();
        }
        if now >= self.due.renewal && self.due.renewals.is_empty() {
            self.due.renewal = now + self.wishes.ttl / 2;
            self.renew().await;
        }
        while let Some(address) = self.due.lost.pop_first() {
            if lock(&self.belief).wants(&address) && !self.register(&address).await {
                return self.line.abandon();
            }
        }
    }

    /// Whether nothing says that the connection is dead. Whoever is asked what it believes asks the hub.
    async fn is_proved(&mut self, now: Duration) -> bool {
        let is_asked = {
            let belief = lock(&self.belief);
            belief.asked.load(Ordering::Relaxed) && !belief.proved
        };
        if !is_asked {
            return true;
        }
        let came = self.line.came();
        if let Some((before, until)) = self.due.proof {
            lock(&self.belief).proved = came > before;
            return came > before || now < until;
        }
        self.due.proof = Some((came, now + self.line.run().promises.patience()));
        let verb = if self.line.run().promises.knows("heartbeat") {
            Verb::Heartbeat
        } else {
            words::probe(&self.wishes.addresses[0], "am I there?")
        };
        let operation = self.words.operation(None, verb);
        self.line.say(operation).await;
        true
    }

    async fn renew(&mut self) {
        let owned: Vec<String> = lock(&self.belief).owned.iter().cloned().collect();
        for address in owned {
            let verb = if self.line.run().promises.knows("renew") {
                Verb::Renew { address: address.clone(), token: WhichToken::Latest }
            } else {
                self.words.register(&address)
            };
            let operation = self.words.operation(Some(&address), verb);
            let id = operation.id.clone();
            if self.line.say(operation).await {
                self.due.renewals.insert(id, address);
            }
        }
    }

    fn hear(&mut self, heard: &Heard) {
        if let Some(done) = heard.report.answers().and_then(|id| self.awaited.remove(id)) {
            // Whoever gave the order may not wait for it.
            let _ = done.send(());
        }
        let renewed = heard.report.answers().and_then(|id| self.due.renewals.remove(id));
        if let Report::Refused { .. } = &heard.report {
            self.due.lost.extend(renewed);
        }
        let mut belief = lock(&self.belief);
        match &heard.report {
            Report::Owned { address, .. } => {
                belief.owned.insert(address.clone());
            }
            Report::Told { what: Notice::Superseded, address } => {
                let all = address.is_none().then(|| self.wishes.addresses.iter());
                let lost = all.into_iter().flatten().chain(address).cloned().collect::<Vec<_>>();
                belief.owned.retain(|owned| !lost.contains(owned));
                belief.given_up.extend(lost);
            }
            Report::Told { what: Notice::Expired, address: Some(address) } => {
                belief.owned.remove(address);
                self.due.lost.insert(address.clone());
            }
            _ => {}
        }
    }

    fn note_wish(&mut self, command: &Command) {
        if let Command::Step { speaker, action, .. } = command {
            self.wishes.note(speaker.as_deref(), action);
        }
    }

    fn has_ended(&self) -> bool {
        lock(&self.belief).ended
    }

    fn beat(&self) -> Duration {
        let promises = &self.line.run().promises;
        let often = || promises.idle_timeout.map_or(HEARTBEAT, |idle| idle / 3);
        promises.heartbeat.unwrap_or_else(often)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
