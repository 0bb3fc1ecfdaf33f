//! The frames of one client are alike but for a few values. A template has what does not change, so most frames are
//! compared with it rather than read word by word. It gives up, as [`plain`](super::plain) does, on whatever differs.

use std::sync::Arc;

use super::plain::{Envelope, application_type};
use super::scanner::Scanner;
use super::{envelope_metadata, json};
use crate::protocol::codec::Bounds;
use crate::protocol::{
    FrameBytes, Json, MessageId, Publish, Recipient, Request, Send, Topic, Verb,
};
use crate::time::Timestamp;

/// What the last frames of a client had in common. Made for one client and one set of bounds.
#[derive(Debug, Default)]
pub struct Template(Option<Box<Learned>>);

#[derive(Debug)]
struct Learned {
    /// The frame without the values that may change.
    text: Box<[u8]>,
    /// Where they were in it, in order.
    holes: Box<[(usize, Hole)]>,
    /// The frame's request, without what may be long.
    like: Request,
    /// Frames in a row that did not fit.
    misses: u8,
}

/// A value that may change.
#[derive(Debug, Clone, Copy)]
enum Hole {
    Id,
    Timestamp,
    /// The recipient or the topic.
    To,
    Kind,
    Data,
    Metadata,
    /// A text that the hub does not need.
    Unneeded,
}

/// The most bytes of a text that is remembered.
const TEXT_BYTES_MAX: usize = 1024;
/// A client that takes turns with two kinds of frames has the template of one of them.
const MISSES_MAX: u8 = 2;

#[derive(Default)]
struct Values<'a> {
    id: Option<&'a str>,
    timestamp: Option<u64>,
    to: Option<&'a str>,
    kind: Option<&'a str>,
    data: Option<&'a str>,
    metadata: Option<&'a str>,
}

impl Template {
    /// Reads a frame that fits.
    pub(super) fn read(&mut self, text: &str, bounds: &Bounds) -> Option<Arc<Request>> {
        let learned = self.0.as_mut()?;
        let request = learned.read(text, bounds);
        learned.misses = if request.is_some() { 0 } else { learned.misses.saturating_add(1) };
        request
    }

    /// Takes over what a frame is like that did not fit.
    pub(super) fn learn(&mut self, text: &str, envelope: &Envelope<'_>, request: &Request) {
        if self.0.as_ref().is_none_or(|learned| learned.misses >= MISSES_MAX) {
            self.0 = Learned::of(text, envelope, request).map(Box::new);
        }
    }
}

impl Learned {
    fn of(text: &str, envelope: &Envelope<'_>, request: &Request) -> Option<Self> {
        let mut spans = spans(text, envelope, request.verb.as_ref().ok()?)?;
        spans.sort_unstable_by_key(|(at, ..)| *at);
        let changing: usize = spans.iter().map(|(_, len, _)| len).sum();
        if text.len() - changing > TEXT_BYTES_MAX {
            return None;
        }
        let (mut fixed, mut holes, mut from) = (Vec::new(), Vec::new(), 0);
        for (at, len, hole) in spans {
            fixed.extend_from_slice(&text.as_bytes()[from..at]);
            holes.push((fixed.len(), hole));
            from = at + len;
        }
        fixed.extend_from_slice(&text.as_bytes()[from..]);
        let mut like = request.clone();
        if let Ok(Verb::Send(Send { data, .. }) | Verb::Publish(Publish { data, .. })) =
            &mut like.verb
        {
            *data = Json::NULL;
        }
        if like.metadata.len() > TEXT_BYTES_MAX {
            like.metadata = Json::EMPTY_OBJECT;
        }
        Some(Self { text: fixed.into(), holes: holes.into(), like, misses: 0 })
    }

    fn read(&mut self, text: &str, bounds: &Bounds) -> Option<Arc<Request>> {
        let (mut scanner, mut values) = (Scanner::new(text), Values::default());
        let mut from = 0;
        for (until, hole) in &self.holes {
            scanner.literal(self.text.get(from..*until)?)?;
            from = *until;
            match hole {
                Hole::Id => values.id = Some(scanner.string()?),
                Hole::Timestamp => values.timestamp = Some(scanner.number()?),
                Hole::To => values.to = Some(scanner.string()?),
                Hole::Kind => values.kind = Some(scanner.string()?),
                Hole::Data => values.data = Some(scanner.value()?),
                Hole::Metadata => values.metadata = Some(scanner.value()?),
                Hole::Unneeded => {
                    scanner.string()?;
                }
            }
        }
        scanner.literal(self.text.get(from..)?)?;
        scanner.end()?;
        self.request(text.len(), &values, bounds)
    }

    fn request(
        &mut self,
        frame_bytes: usize,
        values: &Values<'_>,
        bounds: &Bounds,
    ) -> Option<Arc<Request>> {
        let verb = self.verb(values, bounds)?;
        let like = &self.like;
        let metadata = match values.metadata {
            Some(text) if text != like.metadata.as_str() => {
                bounds.check_metadata(Some(text)).ok()?;
                envelope_metadata(Some(text)).ok()?
            }
            Some(_) | None => like.metadata.clone(),
        };
        Some(Arc::new(Request {
            id: MessageId::parse(values.id?).ok()?,
            from: like.from.clone(),
            to: like.to.clone(),
            type_name: like.type_name.clone(),
            pattern: like.pattern,
            timestamp: Timestamp::from_millis(values.timestamp?),
            ttl: like.ttl,
            metadata,
            frame_bytes: FrameBytes(frame_bytes),
            verb: Ok(verb),
        }))
    }

    /// Remembers the names that are new, for they will come again.
    fn verb(&mut self, values: &Values<'_>, bounds: &Bounds) -> Option<Verb> {
        let (to, data) = (values.to, json(values.data));
        let known_kind = |kind: &mut Arc<str>| {
            if let Some(text) = values.kind.filter(|text| *text != &**kind) {
                *kind = application_type(text, bounds)?;
            }
            Some(Arc::clone(kind))
        };
        match &mut self.like.verb {
            Ok(Verb::Send(like)) => {
                if let Some(text) = to.filter(|text| *text != like.to.as_str()) {
                    like.to = Recipient::parse(text).ok()?;
                }
                let (to, kind) = (like.to.clone(), known_kind(&mut like.kind)?);
                Some(Verb::Send(Send { to, kind, data, queue: like.queue }))
            }
            Ok(Verb::Publish(like)) => {
                if let Some(text) = to.filter(|text| *text != like.topic.as_str()) {
                    like.topic = Topic::parse(text).ok()?;
                }
                let (topic, kind) = (like.topic.clone(), known_kind(&mut like.kind)?);
                Some(Verb::Publish(Publish { topic, kind, data }))
            }
            Ok(_) | Err(_) => None,
        }
    }
}

type Span = (usize, usize, Hole);

/// Where the values are that may change, and their lengths, for a verb that has a template. Quotes belong to them.
fn spans(text: &str, envelope: &Envelope<'_>, verb: &Verb) -> Option<Vec<Span>> {
    let at = |part: &str| part.as_ptr().addr() - text.as_ptr().addr();
    let value = |part: &str, hole| (at(part), part.len(), hole);
    let quoted = |part: &str, hole| (at(part) - 1, part.len() + 2, hole);
    let timestamp = envelope.timestamp.map(|(number, end)| {
        let digits = number.checked_ilog10().map_or(1, |more| more as usize + 1);
        (end - digits, digits, Hole::Timestamp)
    });
    let payload = &envelope.payload;
    let to = match verb {
        Verb::Send(_) => payload.to.flatten().filter(|to| !to.is_empty()),
        Verb::Publish(_) => payload.topic.flatten(),
        _ => return None,
    };
    let spans = [
        envelope.id.map(|id| quoted(id, Hole::Id)),
        timestamp,
        to.map(|to| quoted(to, Hole::To)),
        payload.kind.flatten().map(|kind| quoted(kind, Hole::Kind)),
        payload.data.flatten().map(|data| value(data, Hole::Data)),
        envelope.metadata.flatten().map(|metadata| value(metadata, Hole::Metadata)),
        envelope.correlation_id.flatten().map(|id| quoted(id, Hole::Unneeded)),
        envelope.signature.flatten().map(|signature| quoted(signature, Hole::Unneeded)),
    ];
    Some(spans.into_iter().flatten().collect())
}
