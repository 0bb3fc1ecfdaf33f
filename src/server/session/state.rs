//! Decides what a session does next, without a stream, a task or a clock: its shell passes in what
//! came and carries out the decisions. Time is monotonic, from any start.

mod writing;

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::io::{Farewell, Heard, Manner, Reads};
use super::parts::Parts;
use super::phase::{Answer, Goodbye, Phase};
use crate::hub::{CloseCause, Config, Input, SessionKey, Written};
use crate::protocol::{CloseReason, Malformed, Outgoing};
use crate::server::Limits;

/// One session, from the upgrade to the end of its stream.
#[derive(Debug)]
pub struct SessionState {
    key: SessionKey,
    config: Arc<Config>,
    limits: Arc<Limits>,
    phase: Phase,
    /// When the phase ends at the latest; while talking, never.
    until: Duration,
    closed: Option<CloseCause>,
    queue: VecDeque<Outgoing>,
    /// Messages that were taken from the queue, until the hub knows that they left.
    batch: Option<Written>,
    /// Whether they left.
    has_left: bool,
    /// The session's own reports of what left that the hub has not heard yet.
    unheard: u64,
    /// Whether the codec holds something beside a batch.
    unflushed: bool,
    /// Whether the codec is being flushed; nothing is added to it then.
    flushing: bool,
    ping_due: Duration,
    pongs: usize,
    parts: Parts,
}

impl SessionState {
    /// A session that begins at `now`.
    pub fn new(key: SessionKey, config: &Arc<Config>, limits: &Arc<Limits>, now: Duration) -> Self {
        Self {
            key,
            config: Arc::clone(config),
            limits: Arc::clone(limits),
            phase: Phase::Talking,
            until: Duration::MAX,
            closed: None,
            queue: VecDeque::new(),
            batch: None,
            has_left: false,
            unheard: 0,
            unflushed: false,
            flushing: false,
            ping_due: now.saturating_add(config.ping_interval),
            pongs: 0,
            parts: Parts::default(),
        }
    }

    /// Why the session is over for the hub, if it is; the hub is told once.
    pub fn closed(&self) -> Option<CloseCause> {
        self.closed
    }

    /// Returns whether a client whose hub:connect was refused has time to close by itself.
    pub fn is_lingering(&self) -> bool {
        matches!(self.phase, Phase::Lingering(_))
    }

    /// Takes a message of the hub.
    pub fn queue(&mut self, message: Outgoing) {
        self.queue.push_back(message);
    }

    /// The same for many.
    pub(super) fn queue_all(&mut self, messages: &mut Vec<Outgoing>) {
        if self.queue.is_empty() {
            self.queue = mem::take(messages).into();
        } else {
            self.queue.extend(messages.drain(..));
        }
    }

    /// The room of an empty queue: an idle session holds none.
    pub(super) fn take_room(&mut self) -> Vec<Outgoing> {
        if self.queue.is_empty() { mem::take(&mut self.queue).into() } else { Vec::new() }
    }

    /// Takes the hub's decision to close; nothing is queued after it.
    pub fn farewell(&mut self, now: Duration, Farewell { reason, manner }: Farewell) {
        let reads = match self.phase {
            Phase::Talking => Reads::Messages,
            Phase::Unreadable => Reads::Bytes(u64::MAX),
            Phase::LettingGo(_)
            | Phase::Lingering(_)
            | Phase::Closing { .. }
            | Phase::Ending { .. }
            | Phase::Draining
            | Phase::Over => return,
        };
        match manner {
            Manner::AtOnce => self.close(now, reason, Answer::Awaited(reads)),
            Manner::Linger => self.enter(Phase::LettingGo(reason), now, self.config.close_timeout),
        }
    }

    /// The place of a lingering client is needed.
    pub fn give_way(&mut self, now: Duration) {
        if let Phase::Lingering(reason) = self.phase {
            self.close(now, reason, Answer::Came);
        }
    }

    /// Takes what came; returns what to tell the hub.
    pub fn hear(&mut self, now: Duration, heard: Heard) -> Option<Input> {
        match self.phase {
            Phase::Talking => self.listen(now, heard),
            Phase::Lingering(reason) => {
                match heard {
                    Heard::Close => self.close(now, reason, Answer::Came),
                    Heard::TooLarge { .. } | Heard::Lost => {
                        self.close(now, reason, Answer::Awaited(Reads::Bytes(u64::MAX)));
                    }
                    Heard::Frame(_) | Heard::Ping | Heard::Pong => {}
                    Heard::Part { .. } | Heard::Violation => {}
                }
                None
            }
            Phase::Closing { reason, goodbye, answer: Answer::Awaited(reads) } => {
                let answer = match (heard, reads) {
                    (Heard::Close, _) => Answer::Came,
                    (Heard::Lost | Heard::Violation, _) => Answer::Never,
                    (Heard::TooLarge { .. }, _) => Answer::Awaited(Reads::Bytes(u64::MAX)),
                    (Heard::Frame(_) | Heard::Ping | Heard::Pong | Heard::Part { .. }, reads) => {
                        Answer::Awaited(reads)
                    }
                };
                self.phase = Phase::Closing { reason, goodbye, answer };
                None
            }
            Phase::Draining => {
                if let Heard::Lost = heard {
                    self.over(CloseCause::Hub);
                }
                None
            }
            Phase::Unreadable
            | Phase::LettingGo(_)
            | Phase::Closing { .. }
            | Phase::Ending { .. }
            | Phase::Over => None,
        }
    }

    fn listen(&mut self, now: Duration, heard: Heard) -> Option<Input> {
        match heard {
            Heard::Frame(frame) => {
                self.parts.whole();
                Some(Input::Frame(self.key, frame))
            }
            Heard::Ping => {
                self.pongs += 1;
                Some(Input::Alive(self.key))
            }
            Heard::Pong => Some(Input::Alive(self.key)),
            Heard::Part { message, declared } => {
                let pause = self.config.ping_interval;
                self.parts.part(now, pause, message, declared).then_some(Input::Alive(self.key))
            }
            Heard::TooLarge { actual, max } => {
                self.enter(Phase::Unreadable, now, self.config.close_timeout);
                Some(Input::Frame(self.key, Err(Malformed::TooLarge { actual, max })))
            }
            Heard::Close => {
                self.end(now, CloseCause::Client, false);
                None
            }
            Heard::Lost => {
                self.over(CloseCause::Lost);
                None
            }
            Heard::Violation => {
                self.end(now, CloseCause::Protocol, true);
                None
            }
        }
    }

    /// How to read the stream now.
    pub fn reads(&self) -> Reads {
        match self.phase {
            Phase::Talking if self.pongs < self.limits.pongs_queued_max => Reads::Messages,
            Phase::Lingering(_) => Reads::Bytes(self.config.connect_bytes_max() as u64),
            Phase::Closing { answer: Answer::Awaited(reads), .. } => reads,
            Phase::Draining => Reads::Bytes(u64::MAX),
            Phase::Talking
            | Phase::Unreadable
            | Phase::LettingGo(_)
            | Phase::Closing { .. }
            | Phase::Ending { .. }
            | Phase::Over => Reads::Nothing,
        }
    }

    /// The shell's half of the stream ended.
    pub fn ended(&mut self) {
        if let Phase::Ending { drains } = self.phase {
            if drains {
                self.phase = Phase::Draining;
            } else {
                self.over(CloseCause::Hub);
            }
        }
    }

    /// Does what is due; returns what to tell the hub.
    pub fn tick(&mut self, now: Duration) -> Option<Input> {
        if now >= self.until {
            match self.phase {
                Phase::Unreadable => self.end(now, CloseCause::Protocol, true),
                Phase::Lingering(reason) => {
                    self.close(now, reason, Answer::Awaited(Reads::Bytes(u64::MAX)));
                }
                Phase::Talking
                | Phase::LettingGo(_)
                | Phase::Closing { .. }
                | Phase::Ending { .. }
                | Phase::Draining
                | Phase::Over => self.over(CloseCause::Hub),
            }
        }
        let talks = self.phase == Phase::Talking;
        (talks && self.parts.tick(now)).then_some(Input::Alive(self.key))
    }

    /// When the session next needs a tick or a write.
    pub fn next_deadline(&self) -> Duration {
        let mut at = self.until;
        if self.phase == Phase::Talking {
            at = at.min(self.parts.next_look());
        }
        // While it writes, a ping has to wait.
        let is_idle = self.batch.is_none() && !self.unflushed;
        let pings = matches!(self.phase, Phase::Talking | Phase::Unreadable | Phase::LettingGo(_));
        if pings && is_idle { at.min(self.ping_due) } else { at }
    }

    /// Returns whether nothing is left to do with the stream.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    fn enter(&mut self, phase: Phase, now: Duration, lasts: Duration) {
        self.phase = phase;
        self.until = now.saturating_add(lasts);
    }

    fn close(&mut self, now: Duration, reason: CloseReason, answer: Answer) {
        let phase = Phase::Closing { reason, goodbye: Goodbye::Unsaid, answer };
        self.enter(phase, now, self.config.close_timeout);
    }

    fn end(&mut self, now: Duration, cause: CloseCause, drains: bool) {
        self.closed = Some(cause);
        self.enter(Phase::Ending { drains }, now, self.config.close_timeout);
    }

    fn over(&mut self, cause: CloseCause) {
        self.closed.get_or_insert(cause);
        (self.phase, self.until) = (Phase::Over, Duration::MAX);
    }
}
