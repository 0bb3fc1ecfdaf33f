//! One watch: whether what comes is all that should come. It never mends itself, for a log that went back would
//! make the mended one skip rows: whoever owns it begins another.

use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;

use super::Settings;
use super::wire::{self, Begun};
use crate::cluster::engine::{Event, Key, RequestId, Revision};

#[derive(Debug)]
pub(super) struct Watch {
    id: RequestId,
    stage: Stage,
    /// What it has to show before it is caught up: whoever shows rows may be behind who decides writes.
    mark: Revision,
    /// The place of the next row.
    next: u64,
    silent_at: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It writes what it has to show.
    Marks,
    Asked,
    Begun,
    CaughtUp,
}

/// What follows from what a watch hears.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Events, in their order.
    Events(Vec<Event>),
    /// The engine wants to hear that it was heard.
    Acknowledge(String),
    /// Something is missing: the watch has ended.
    Broken,
}

impl Watch {
    pub(super) fn new(now: Duration, id: RequestId, settings: &Settings) -> Self {
        let silent_at = now + settings.request_timeout;
        Self { id, stage: Stage::Marks, mark: Revision(u64::MAX), next: 1, silent_at }
    }

    /// Its mark is written: it can be asked for.
    pub(super) fn marked(&mut self, now: Duration, settings: &Settings, mark: Revision) {
        (self.stage, self.mark) = (Stage::Asked, mark);
        self.silent_at = now + settings.request_timeout;
    }

    pub(super) fn is_marking(&self) -> bool {
        self.stage == Stage::Marks
    }

    pub(super) fn id(&self) -> RequestId {
        self.id
    }

    pub(super) fn silent_at(&self) -> Duration {
        self.silent_at
    }

    /// Whether it had begun before it fell silent.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.stage, Stage::Marks | Stage::Asked)
    }

    /// The engine says what it begins with, before or after its first rows.
    pub(super) fn begun(&mut self, now: Duration, settings: &Settings, begun: Begun) -> Heard {
        self.lives(now, settings);
        let is_empty = begun.left == 0 && self.next == 1;
        Heard::Events(is_empty.then(|| self.catch_up(begun.before)).flatten().into_iter().collect())
    }

    pub(super) fn heard(&mut self, now: Duration, settings: &Settings, message: &Message) -> Heard {
        self.lives(now, settings);
        if message.status == Some(StatusCode::IDLE_HEARTBEAT) {
            return self.heartbeat(message);
        }
        let Some(place) = message.reply.as_deref().and_then(wire::place) else {
            return Heard::Broken;
        };
        if place.in_watch != self.next {
            return Heard::Broken;
        }
        self.next += 1;
        let row = self.row(settings, message, place.revision);
        let caught_up = (place.left == 0).then(|| self.catch_up(place.revision)).flatten();
        Heard::Events(row.into_iter().chain(caught_up).collect())
    }

    fn lives(&mut self, now: Duration, settings: &Settings) {
        self.silent_at = now + settings.heartbeat * 3;
        if self.stage == Stage::Asked {
            self.stage = Stage::Begun;
        }
    }

    /// It tells how far the watch is, or how far it may not go before it is acknowledged.
    fn heartbeat(&self, message: &Message) -> Heard {
        if let Some(reply) = &message.reply {
            return Heard::Acknowledge(reply.to_string());
        }
        let header = |name| header(message.headers.as_ref(), name);
        if let Some(stalled) = header("Nats-Consumer-Stalled") {
            return Heard::Acknowledge(stalled.to_owned());
        }
        let shown = header("Nats-Last-Consumer").and_then(|shown| shown.parse::<u64>().ok());
        if shown.is_some_and(|shown| shown >= self.next) {
            Heard::Broken
        } else {
            Heard::Events(Vec::new())
        }
    }

    /// Marks, and what somebody else keeps in the bucket, are no rows.
    fn row(&self, settings: &Settings, message: &Message, revision: Revision) -> Option<Event> {
        let key = message.subject.strip_prefix(settings.rows().as_str())?;
        let key = Key::parse(key).ok().filter(|key| !key.as_str().starts_with(wire::MARKS))?;
        let is_deleted =
            header(message.headers.as_ref(), wire::OPERATION).is_some_and(wire::removes);
        let value = (!is_deleted).then(|| Bytes::clone(&message.payload));
        Some(Event::Row { watch: self.id, key, revision, value })
    }

    fn catch_up(&mut self, revision: Revision) -> Option<Event> {
        if revision < self.mark {
            return None;
        }
        let before = std::mem::replace(&mut self.stage, Stage::CaughtUp);
        let event = Event::CaughtUp { watch: self.id, revision };
        (before != Stage::CaughtUp).then_some(event)
    }
}

fn header<'a>(headers: Option<&'a HeaderMap>, name: &str) -> Option<&'a str> {
    headers?.get(name).map(|value| value.as_str())
}
