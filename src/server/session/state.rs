//! What a session does next, decided without a stream, a task or a clock: its shell hands in what came
//! and carries out what is decided. Time is monotonic, since whenever the shell says.

use std::collections::VecDeque;
use std::time::Duration;

use super::parts::Parts;
use crate::hub::{CloseCause, Config, Expired, Input, SessionKey, Written};
use crate::protocol::{Body, ClientFrame, CloseReason, Malformed, Outgoing};
use crate::server::Limits;
use crate::time::Timestamp;

/// How the hub wants a session to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farewell {
    /// What the close frame says.
    pub reason: CloseReason,
    /// When it is sent.
    pub manner: Manner,
}

/// When a session is closed whose last message is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Behind what is queued.
    AtOnce,
    /// When the client closes, `refusal_linger` is over, or its place is wanted.
    Linger,
}

impl Farewell {
    /// A close behind what is queued.
    pub fn at_once(reason: CloseReason) -> Self {
        Self { reason, manner: Manner::AtOnce }
    }
}

/// What came from the client.
#[derive(Debug)]
pub enum Heard {
    /// A message, read.
    Frame(Result<ClientFrame, Malformed>),
    /// A ping, which the codec answers.
    Ping,
    /// A pong.
    Pong,
    /// Bytes of a message on its way.
    Part {
        /// Which message, in the order of their coming.
        message: u64,
        /// How many bytes it is to have, as far as its headers have come.
        declared: u64,
    },
    /// The header of a message beyond the bound, both in bytes: the codec is not read any more.
    TooLarge {
        /// Its size.
        actual: usize,
        /// The bound.
        max: usize,
    },
    /// A close frame.
    Close,
    /// The end of the stream, or its failure.
    Lost,
    /// What breaks the WebSocket protocol.
    Violation,
}

/// What is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Messages, by the codec, which answers a close frame.
    Messages,
    /// Bytes, past the codec; a message of more than so many is told.
    Bytes(u64),
    /// Nothing at present.
    Nothing,
}

/// What is to be written.
#[derive(Debug)]
pub enum Write {
    /// A message of the hub.
    Message(Outgoing),
    /// A ping.
    Ping,
    /// The close frame.
    Close(CloseReason),
}

/// What the shell does with the stream.
#[derive(Debug)]
pub enum Next {
    /// Hands this to the codec.
    Write(Write),
    /// Writes what the codec holds, then calls [`SessionState::flushed`].
    Flush,
    /// Ends its half of the stream behind that, then calls [`SessionState::ended`].
    End,
    /// Waits, unless the session is over.
    Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Talking,
    /// The hub was told of a message that is too large, and is to close the session.
    Unreadable,
    /// What is queued tells why hub:connect was refused.
    LettingGo(CloseReason),
    /// It was told so.
    Lingering(CloseReason),
    /// The hub closes the session: what of its close frame is out, and what came of the client's.
    Closing {
        reason: CloseReason,
        goodbye: Goodbye,
        answer: Answer,
    },
    /// The last bytes are being written, then the stream is read to its end or dropped.
    Ending {
        drains: bool,
    },
    /// The stream is read, so that no reset overtakes what was written.
    Draining,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    Unsaid,
    Said,
    /// It has left, or never will.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The client's close frame is looked for by the codec, or past it.
    Awaited(Reads),
    Came,
    /// The stream ended without one.
    Never,
}

/// One session, from the upgrade to the end of its stream.
#[derive(Debug)]
pub struct SessionState {
    key: SessionKey,
    ping_interval: Duration,
    close_timeout: Duration,
    refusal_linger: Duration,
    connect_bytes_max: u64,
    batch_messages_max: usize,
    batch_bytes_max: usize,
    pongs_max: usize,
    phase: Phase,
    /// When the phase is over at the latest; while talking, never.
    until: Duration,
    closed: Option<CloseCause>,
    queue: VecDeque<Outgoing>,
    /// What was taken from the queue and has not left.
    batch: Option<Written>,
    /// What has left, and the hub does not know yet.
    report: Option<Written>,
    /// The codec holds something beside a batch.
    unflushed: bool,
    /// What the codec holds is being written; nothing is added to it.
    flushing: bool,
    ping_due: Duration,
    pongs: usize,
    parts: Parts,
}

impl SessionState {
    /// A session that begins now.
    pub fn new(key: SessionKey, config: &Config, limits: &Limits, now: Duration) -> Self {
        Self {
            key,
            ping_interval: config.ping_interval,
            close_timeout: config.close_timeout,
            refusal_linger: config.refusal_linger,
            connect_bytes_max: config.connect_bytes_max() as u64,
            batch_messages_max: limits.batch_messages_max,
            batch_bytes_max: limits.batch_bytes_max,
            pongs_max: limits.pongs_queued_max,
            phase: Phase::Talking,
            until: Duration::MAX,
            closed: None,
            queue: VecDeque::new(),
            batch: None,
            report: None,
            unflushed: false,
            flushing: false,
            ping_due: now.saturating_add(config.ping_interval),
            pongs: 0,
            parts: Parts::new(config.ping_interval),
        }
    }

    /// Why the session is over for the hub, once it is; the hub is told that once.
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

    /// Takes the hub's decision to close: nothing is queued behind it.
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
            Manner::Linger => self.enter(Phase::LettingGo(reason), now, self.close_timeout),
        }
    }

    /// The place of a client that lingers is wanted.
    pub fn give_way(&mut self, now: Duration) {
        if let Phase::Lingering(reason) = self.phase {
            self.close(now, reason, Answer::Came);
        }
    }

    /// Takes what came; returns what the hub is told of it.
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
                    (Heard::Lost, _) => Answer::Never,
                    (Heard::TooLarge { .. }, _) => Answer::Awaited(Reads::Bytes(u64::MAX)),
                    (Heard::Frame(_) | Heard::Ping | Heard::Pong, reads)
                    | (Heard::Part { .. } | Heard::Violation, reads) => Answer::Awaited(reads),
                };
                self.phase = Phase::Closing { reason, goodbye, answer };
                None
            }
            Phase::Draining => match heard {
                Heard::Lost => self.over(CloseCause::Hub),
                _ => None,
            },
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
                self.parts.part(now, message, declared).then_some(Input::Alive(self.key))
            }
            Heard::TooLarge { actual, max } => {
                self.enter(Phase::Unreadable, now, self.close_timeout);
                Some(Input::Frame(self.key, Err(Malformed::TooLarge { actual, max })))
            }
            Heard::Close => self.end(now, CloseCause::Client, false),
            Heard::Lost => self.over(CloseCause::Lost),
            Heard::Violation => self.end(now, CloseCause::Protocol, true),
        }
    }

    /// What is to be read.
    pub fn reads(&self) -> Reads {
        match self.phase {
            Phase::Talking if self.pongs < self.pongs_max => Reads::Messages,
            Phase::Lingering(_) => Reads::Bytes(self.connect_bytes_max),
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

    /// What is to be done with the stream; `clock` tells the time by which messages are overdue.
    pub fn next(&mut self, now: Duration, clock: impl Fn() -> Timestamp) -> Next {
        match self.phase {
            Phase::Talking | Phase::Unreadable | Phase::LettingGo(_) => {}
            Phase::Closing { goodbye: Goodbye::Unsaid, .. } => {}
            Phase::Closing { goodbye: Goodbye::Said, .. } => return Next::Flush,
            Phase::Closing { goodbye: Goodbye::Gone, answer, .. } => {
                self.phase = match answer {
                    Answer::Awaited(_) => return Next::Wait,
                    Answer::Came => Phase::Ending { drains: false },
                    Answer::Never => Phase::Ending { drains: true },
                };
                return Next::End;
            }
            Phase::Ending { .. } => return Next::End,
            Phase::Lingering(_) | Phase::Draining | Phase::Over => return Next::Wait,
        }
        if self.report.is_some() {
            return Next::Wait;
        }
        if self.batch.is_none() && now >= self.ping_due {
            self.ping_due = now.saturating_add(self.ping_interval);
            self.unflushed = true;
            return Next::Write(Write::Ping);
        }
        self.flushing |= self.unflushed || self.pongs >= self.pongs_max;
        if !self.flushing
            && let Some(message) = self.next_message(clock)
        {
            return Next::Write(Write::Message(message));
        }
        match self.flushing {
            true => Next::Flush,
            false => self.nothing_queued(now),
        }
    }

    /// The next of what is queued, up to a bound. What nobody wants any more is left out.
    fn next_message(&mut self, clock: impl Fn() -> Timestamp) -> Option<Outgoing> {
        let (messages_max, bytes_max) = (self.batch_messages_max, self.batch_bytes_max);
        let is_full = |batch: &Written| batch.messages >= messages_max || batch.bytes >= bytes_max;
        while !self.batch.as_ref().is_some_and(is_full)
            && let Some(message) = self.queue.pop_front()
        {
            let batch = self.batch.get_or_insert_default();
            batch.messages += 1;
            batch.bytes += message.weight();
            match &message.body {
                Body::Delivery(delivery)
                    if delivery.ttl.is_some() && message.is_overdue(clock()) =>
                {
                    let (to, message) = (message.to.clone(), delivery.origin.clone());
                    batch.expired.push(Expired { to, message });
                }
                Body::Delivery(_) | Body::Pong | Body::Reply { .. } | Body::Notice(_) => {
                    return Some(message);
                }
            }
        }
        self.flushing = self.batch.is_some();
        None
    }

    fn nothing_queued(&mut self, now: Duration) -> Next {
        match self.phase {
            Phase::LettingGo(reason) => {
                self.closed = Some(CloseCause::Hub);
                self.enter(Phase::Lingering(reason), now, self.refusal_linger);
                Next::Wait
            }
            Phase::Closing { reason, answer, .. } => {
                self.phase = Phase::Closing { reason, goodbye: Goodbye::Said, answer };
                Next::Write(Write::Close(reason))
            }
            Phase::Talking
            | Phase::Unreadable
            | Phase::Lingering(_)
            | Phase::Ending { .. }
            | Phase::Draining
            | Phase::Over => Next::Wait,
        }
    }

    /// What the codec held has left.
    pub fn flushed(&mut self) {
        (self.unflushed, self.flushing, self.pongs) = (false, false, 0);
        self.report = self.batch.take();
        if let Phase::Closing { reason, goodbye: Goodbye::Said, answer } = self.phase {
            self.phase = Phase::Closing { reason, goodbye: Goodbye::Gone, answer };
        }
    }

    /// What the hub is told of what has left.
    pub fn report(&mut self) -> Option<Input> {
        self.report.take().map(|written| Input::Drained(self.key, written))
    }

    /// The stream takes no more: who talks is lost, who closes waits for the client.
    pub fn cannot_write(&mut self) {
        self.queue.clear();
        (self.batch, self.report) = (None, None);
        (self.unflushed, self.flushing) = (false, false);
        match self.phase {
            Phase::Talking | Phase::Unreadable => drop(self.over(CloseCause::Lost)),
            Phase::LettingGo(_) => drop(self.over(CloseCause::Hub)),
            Phase::Closing { reason, answer, .. } => {
                self.phase = Phase::Closing { reason, goodbye: Goodbye::Gone, answer };
            }
            Phase::Ending { .. } => self.ended(),
            Phase::Lingering(_) | Phase::Draining | Phase::Over => {}
        }
    }

    /// Its half of the stream has ended.
    pub fn ended(&mut self) {
        match self.phase {
            Phase::Ending { drains: true } => self.phase = Phase::Draining,
            Phase::Ending { drains: false } => drop(self.over(CloseCause::Hub)),
            _ => {}
        }
    }

    /// Does what is due; returns what the hub is told.
    pub fn tick(&mut self, now: Duration) -> Option<Input> {
        if now >= self.until {
            match self.phase {
                Phase::Unreadable => return self.end(now, CloseCause::Protocol, true),
                Phase::Lingering(reason) => {
                    self.close(now, reason, Answer::Awaited(Reads::Bytes(u64::MAX)));
                }
                Phase::Talking
                | Phase::LettingGo(_)
                | Phase::Closing { .. }
                | Phase::Ending { .. }
                | Phase::Draining
                | Phase::Over => return self.over(CloseCause::Hub),
            }
        }
        let talks = self.phase == Phase::Talking;
        (talks && self.parts.tick(now)).then_some(Input::Alive(self.key))
    }

    /// When the session next wants a tick or a write.
    pub fn next_deadline(&self) -> Duration {
        let mut at = self.until;
        if self.phase == Phase::Talking {
            at = at.min(self.parts.next_look());
        }
        // While it writes, a ping has to wait.
        let is_idle = self.batch.is_none() && self.report.is_none() && !self.unflushed;
        match self.phase {
            Phase::Talking | Phase::Unreadable | Phase::LettingGo(_) if is_idle => {
                at.min(self.ping_due)
            }
            _ => at,
        }
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
        self.enter(phase, now, self.close_timeout);
    }

    fn end(&mut self, now: Duration, cause: CloseCause, drains: bool) -> Option<Input> {
        self.closed = Some(cause);
        self.enter(Phase::Ending { drains }, now, self.close_timeout);
        None
    }

    fn over(&mut self, cause: CloseCause) -> Option<Input> {
        self.closed.get_or_insert(cause);
        (self.phase, self.until) = (Phase::Over, Duration::MAX);
        None
    }
}
