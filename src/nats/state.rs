//! What is asked of the engine and not yet answered, without I/O: requests, messages of the engine and the time come in,
//! and what to publish and what the hub hears goes out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use async_nats::{Message, StatusCode};
use bytes::{Bytes, BytesMut};

use super::Settings;
use super::output::{Answer, Output, Publication};
use super::watch::{Heard, Watch};
use super::wire::{self, LastMessage, Published};
use crate::cluster::engine::{
    Event, Key, NodeName, Request, RequestId, Revision, Unanswered, WriteOutcome,
};

/// How long a write waits for another of the same row to be decided.
const PAUSE: Duration = Duration::from_millis(10);
/// Messages that are larger together go one after the other.
const PARCEL_BYTES_MAX: usize = 64 * 1024;
/// How often a write that expects no row follows a deletion that came between.
const DELETIONS_MAX: u32 = 3;

pub(super) struct State {
    settings: Settings,
    /// What the subjects begin with that nobody else hears.
    inbox: String,
    is_connected: bool,
    /// How often the hub was told that the engine is back.
    backs: u64,
    asked: BTreeMap<RequestId, Asked>,
    /// In their order, and of answered requests as well: all have the same time.
    deadlines: VecDeque<(Duration, RequestId)>,
    pauses: BTreeSet<(Duration, RequestId)>,
    /// Which request each answer belongs to that is under way.
    tokens: BTreeMap<u64, RequestId>,
    last_token: u64,
    watch: Option<(u64, Watch)>,
    /// Messages that go to a node together, by the next flush.
    parcels: BTreeMap<NodeName, BytesMut>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Asked {
    Read,
    Write(Write),
}

#[derive(Debug)]
struct Write {
    key: Key,
    expected: Option<Revision>,
    value: Option<Bytes>,
    /// What it was published with last: without a row that is the revision of the deletion, or 0.
    tried: Revision,
    stage: Stage,
    deletions: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Published,
    LooksForDeletion,
}

impl State {
    pub(super) fn new(settings: Settings, inbox: String) -> Self {
        Self {
            settings,
            inbox,
            is_connected: false,
            backs: 0,
            asked: BTreeMap::new(),
            deadlines: VecDeque::new(),
            pauses: BTreeSet::new(),
            tokens: BTreeMap::new(),
            last_token: 0,
            watch: None,
            parcels: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    pub(super) fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`State::tick`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let request = self.deadlines.front().map(|(at, _)| *at);
        let pause = self.pauses.first().map(|(at, _)| *at);
        [request, pause, self.watch.as_ref().map(|(_, watch)| watch.silent_at())]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn connected(&mut self) {
        if !self.is_connected {
            self.is_connected = true;
            self.tell(Event::Back);
        }
    }

    pub(super) fn lost(&mut self) {
        if std::mem::take(&mut self.is_connected) {
            for id in self.asked.keys().copied().collect::<Vec<_>>() {
                self.leave_unanswered(id);
            }
            self.tokens.clear();
            self.parcels.clear();
            self.end_watch();
            self.tell(Event::Lost);
        }
    }

    /// The same as [`State::request`], of a hub that has heard so often that the engine is back. If that is not all that it was
    /// told, its request is of a time before, and not carried out.
    pub(super) fn request_after(&mut self, now: Duration, backs: u64, request: Request) {
        let is_connected = self.is_connected;
        self.is_connected &= backs == self.backs;
        self.request(now, request);
        self.is_connected = is_connected;
    }

    pub(super) fn request(&mut self, now: Duration, request: Request) {
        match request {
            Request::Read { id, .. } if !self.is_connected => {
                self.tell(Event::Read { id, row: Err(Unanswered) });
            }
            Request::Write { id, .. } if !self.is_connected => {
                self.tell(Event::Written { id, outcome: WriteOutcome::Unknown });
            }
            Request::Send { .. } | Request::Watch { .. } if !self.is_connected => {}
            Request::Read { id, key } => {
                self.ask(now, id, Asked::Read);
                self.ask_row(id, &key);
            }
            Request::Write { id, key, expected, value } => {
                let tried = expected.unwrap_or(Revision(0));
                let (stage, deletions) = (Stage::Published, 0);
                let write = Write { key, expected, value, tried, stage, deletions };
                self.ask(now, id, Asked::Write(write));
                self.publish_write(id);
            }
            Request::Send { to, message } => {
                let parcel = self.parcels.entry(to.clone()).or_default();
                if parcel.len() + message.len() > PARCEL_BYTES_MAX {
                    self.flush_to(&to);
                }
                wire::pack(self.parcels.entry(to).or_default(), &message);
            }
            Request::Watch { id } => self.begin_watch(now, id),
        }
    }

    /// Messages to nodes leave.
    pub(super) fn flush(&mut self) {
        while let Some(node) = self.parcels.keys().next().cloned() {
            self.flush_to(&node);
        }
    }

    fn flush_to(&mut self, node: &NodeName) {
        let Some(parcel) = self.parcels.remove(node).filter(|parcel| !parcel.is_empty()) else {
            return;
        };
        self.publish(self.settings.inbox(node), Answer::None, Vec::new(), parcel.freeze());
    }

    /// An answer of the engine to a publication.
    pub(super) fn answered(&mut self, now: Duration, token: u64, message: &Message) {
        let Some(id) = self.tokens.remove(&token) else {
            return self.watch_answered(now, token, message);
        };
        let has_none = message.status == Some(StatusCode::NO_RESPONDERS);
        match self.asked.get(&id) {
            None => {}
            Some(_) if has_none => self.leave_unanswered(id),
            Some(Asked::Read) => self.row_read(id, &message.payload),
            Some(Asked::Write(write)) if write.stage == Stage::Published => {
                self.write_answered(now, id, &message.payload);
            }
            Some(Asked::Write(_)) => self.deletion_looked_for(id, &message.payload),
        }
    }

    /// A message of the watch.
    pub(super) fn watched(&mut self, now: Duration, message: &Message) {
        if let Some((_, watch)) = &mut self.watch {
            let heard = watch.heard(now, &self.settings, message);
            self.heard(heard);
        }
    }

    /// The engine cannot say what the watch misses.
    pub(super) fn watch_broken(&mut self) {
        self.heard(Heard::Broken);
    }

    /// Messages of a node.
    pub(super) fn arrived(&mut self, mut parcel: Bytes) {
        while let Some(message) = wire::unpack(&mut parcel) {
            self.tell(Event::Arrived { message });
        }
    }

    /// The time has come to [`State::next_deadline`].
    pub(super) fn tick(&mut self, now: Duration) {
        while let Some((_, id)) = self.deadlines.pop_front_if(|(at, _)| *at <= now) {
            if self.asked.contains_key(&id) {
                self.leave_unanswered(id);
                self.tokens.retain(|_, belongs| *belongs != id);
            }
        }
        while let Some((at, id)) = self.pauses.first().copied().filter(|(at, _)| *at <= now) {
            self.pauses.remove(&(at, id));
            self.publish_write(id);
        }
        if let Some((_, watch)) = self.watch.take_if(|(_, watch)| watch.silent_at() <= now) {
            if watch.has_begun() {
                self.heard(Heard::Broken);
            } else {
                self.begin_watch(now, watch.id());
            }
        }
    }

    fn ask(&mut self, now: Duration, id: RequestId, asked: Asked) {
        self.deadlines.push_back((now + self.settings.request_timeout, id));
        let before = self.asked.insert(id, asked);
        assert!(before.is_none(), "a hub gives each number once");
    }

    fn row_read(&mut self, id: RequestId, payload: &[u8]) {
        let row = match wire::last_message(payload) {
            LastMessage::Is(revision, value) => Ok(value.map(|value| (revision, value))),
            LastMessage::None => Ok(None),
            LastMessage::Unsure => Err(Unanswered),
        };
        self.asked.remove(&id);
        self.tell(Event::Read { id, row });
    }

    fn write_answered(&mut self, now: Duration, id: RequestId, payload: &[u8]) {
        let Some(Asked::Write(write)) = self.asked.get_mut(&id) else { return };
        match wire::published(payload) {
            Published::Stored(revision) => self.written(id, WriteOutcome::Done(revision)),
            Published::Wrong if write.expected.is_some() => {
                self.written(id, WriteOutcome::Conflict);
            }
            // Whether that is a row or a deletion, the refusal does not say.
            Published::Wrong if write.deletions < DELETIONS_MAX => {
                write.stage = Stage::LooksForDeletion;
                let key = write.key.clone();
                self.ask_row(id, &key);
            }
            Published::Busy => {
                self.pauses.insert((now + PAUSE, id));
            }
            Published::Wrong | Published::Unsure => self.written(id, WriteOutcome::Unknown),
        }
    }

    fn deletion_looked_for(&mut self, id: RequestId, payload: &[u8]) {
        let Some(Asked::Write(write)) = self.asked.get_mut(&id) else { return };
        write.tried = match wire::last_message(payload) {
            LastMessage::Is(_, Some(_)) => return self.written(id, WriteOutcome::Conflict),
            LastMessage::Unsure => return self.written(id, WriteOutcome::Unknown),
            LastMessage::Is(deletion, None) => deletion,
            LastMessage::None => Revision(0),
        };
        write.deletions += 1;
        self.publish_write(id);
    }

    fn written(&mut self, id: RequestId, outcome: WriteOutcome) {
        self.asked.remove(&id);
        self.tell(Event::Written { id, outcome });
    }

    fn leave_unanswered(&mut self, id: RequestId) {
        match self.asked.remove(&id) {
            None => {}
            Some(Asked::Read) => self.tell(Event::Read { id, row: Err(Unanswered) }),
            Some(Asked::Write(_)) => {
                self.tell(Event::Written { id, outcome: WriteOutcome::Unknown });
            }
        }
    }

    fn publish_write(&mut self, id: RequestId) {
        let Some(Asked::Write(write)) = self.asked.get_mut(&id) else { return };
        write.stage = Stage::Published;
        let subject = format!("{}{}", self.settings.rows(), write.key);
        let mut headers = vec![(wire::EXPECTED, write.tried.0.to_string())];
        if write.value.is_none() {
            headers.push((wire::OPERATION, wire::DELETED.to_owned()));
        }
        let payload = write.value.clone().unwrap_or_default();
        let token = self.token(id);
        self.publish(subject, Answer::To(token), headers, payload);
    }

    fn ask_row(&mut self, id: RequestId, key: &Key) {
        let (subject, payload) = wire::ask_last_message(&self.settings, key);
        let token = self.token(id);
        self.publish(subject, Answer::To(token), Vec::new(), payload);
    }

    fn token(&mut self, id: RequestId) -> u64 {
        self.last_token += 1;
        self.tokens.insert(self.last_token, id);
        self.last_token
    }

    /// Whoever shows the rows may be behind who decides writes. So it first writes a row of its own, and is caught up once it
    /// has shown that.
    fn begin_watch(&mut self, now: Duration, id: RequestId) {
        self.last_token += 1;
        let token = self.last_token;
        self.watch = Some((token, Watch::new(now, id, &self.settings)));
        let subject = format!("{}{}{}", self.settings.rows(), wire::MARKS, self.settings.node);
        self.publish(subject, Answer::To(token), Vec::new(), Bytes::new());
    }

    fn ask_watch(&mut self) {
        self.last_token += 1;
        let token = self.last_token;
        let Some((asked, _)) = &mut self.watch else { return };
        *asked = token;
        let place = format!("{}.watch.{token}", self.inbox);
        let unique = self.inbox.rsplit('.').next().unwrap_or_default();
        let name = format!("{}-{unique}-{token}", self.settings.node);
        let (subject, payload) = wire::ask_watch(&self.settings, &name, &place);
        self.outputs.push_back(Output::Hear(place));
        self.publish(subject, Answer::To(token), Vec::new(), payload);
    }

    /// A watch that does not begin begins anew once it is silent for too long.
    fn watch_answered(&mut self, now: Duration, token: u64, message: &Message) {
        let Some((_, watch)) = self.watch.as_mut().filter(|(asked, _)| *asked == token) else {
            return;
        };
        if !watch.is_marking() {
            let begun = wire::begun(&message.payload);
            let heard = begun.map(|begun| watch.begun(now, &self.settings, begun));
            heard.into_iter().for_each(|heard| self.heard(heard));
        } else if let Published::Stored(mark) = wire::published(&message.payload) {
            watch.marked(now, &self.settings, mark);
            self.ask_watch();
        }
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Events(events) => self.outputs.extend(events.into_iter().map(Output::Event)),
            Heard::Acknowledge(subject) => {
                self.publish(subject, Answer::None, Vec::new(), Bytes::new());
            }
            Heard::Broken => {
                self.end_watch();
                self.tell(Event::Lost);
                self.tell(Event::Back);
            }
        }
    }

    fn end_watch(&mut self) {
        self.watch = None;
        self.outputs.push_back(Output::Deafen);
    }

    fn publish(
        &mut self,
        subject: String,
        answer: Answer,
        headers: Vec<(&'static str, String)>,
        payload: Bytes,
    ) {
        let publication = Publication { subject, answer, headers, payload };
        self.outputs.push_back(Output::Publish(publication));
    }

    fn tell(&mut self, event: Event) {
        self.backs += u64::from(event == Event::Back);
        self.outputs.push_back(Output::Event(event));
    }
}
