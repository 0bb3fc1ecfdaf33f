//! Keeps a client going: connects, registers, subscribes, says what it is told to, shows that it lives, and comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dst::backend::Wire;
use dst::runtime::Runtime;
use tokio::select;
use tokio::sync::{mpsc, oneshot};

use super::{Belief, Command, Order, Wishes, lock};
use crate::against::dialect::{Heard, Promise, Report, Verb};
use crate::against::history::ClientEvent;
use crate::against::line::Line;
use crate::against::words::{self, Words};
use crate::history::ClientName;
use crate::scenario::WhichToken;

/// How long a client waits before it tries again: at first, and at most.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// How often a client shows that it lives, if nothing says how often it has to.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long nothing more is awaited before everybody is back for good; what is asked for is late with that.
const CALM_FOR: Duration = Duration::from_secs(5);
/// How often a client looks what is due.
const LOOK_EVERY: Duration = Duration::from_millis(250);

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

/// A client's task.
pub(super) struct Keeper<W: Wire> {
    line: Line<W>,
    words: Words,
    wishes: Wishes,
    belief: Arc<Mutex<Belief>>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// What it was told to ask, since when it waits for the answer, and who waits for it as well.
    awaited: BTreeMap<String, (Duration, oneshot::Sender<()>)>,
    due: Due,
}

impl<W: Wire> Keeper<W> {
    /// One that wants this, tells what it believes, and does what it is told to.
    pub(super) fn new(
        (line, words): (Line<W>, Words),
        wishes: Wishes,
        belief: Arc<Mutex<Belief>>,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> Self {
        let (awaited, due) = (BTreeMap::new(), Due::default());
        Self { line, words, wishes, belief, orders, awaited, due }
    }

    /// Goes on until it has ended, or its process has.
    pub(super) async fn keep(mut self, name: ClientName) {
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
            self.awaited.insert(id, (self.line.runtime().monotonic(), done));
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
        let waits = self.line.run().promises.patience().saturating_sub(CALM_FOR);
        let waits = self.awaited.values().any(|(since, _)| now < *since + waits);
        lock(&self.belief).waits = waits;
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

    /// Returns whether nothing says that the connection is dead. Whoever is asked what it believes asks
    /// the hub.
    async fn is_proved(&mut self, now: Duration) -> bool {
        if !lock(&self.belief).wants_proof() {
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
        if let Some((_, done)) = heard.report.answers().and_then(|id| self.awaited.remove(id)) {
            // Whoever gave the order may not wait for it.
            let _ = done.send(());
        }
        let renewed = heard.report.answers().and_then(|id| self.due.renewals.remove(id));
        if let Report::Refused { .. } = &heard.report {
            self.due.lost.extend(renewed);
        }
        let lost = lock(&self.belief).note(&heard.report, &self.wishes.addresses);
        self.due.lost.extend(lost);
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
