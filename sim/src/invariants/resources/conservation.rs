//! I28: nothing is lost from the books. What the hub counts is what the history shows, and its
//! gauges are the sizes of its sets.

use signal_hub::hub::{Counters, DropReason, Hub, Input, Phase, Record, Totals, weights};
use signal_hub::protocol::{Body, ClientFrame, ErrorCode, Metrics, Reply};
use signal_hub::time::Timestamp;

use super::super::shadow::is_open;
use super::super::{Invariant, Shadow, Transition, Violation};

/// The span of what `hub:metrics` tells (docs/PROTOCOL.md, section 4).
const MINUTE_MILLIS: u64 = 60_000;

/// Whether sessions and frames are accounted for, of which these are there, and wait to be decided.
///
/// # Errors
/// If they are not.
pub fn check_balance(
    (sessions, waiting): (usize, usize),
    counters: &Counters,
) -> Result<(), Violation> {
    let accounted = counters.sessions_closed + sessions as u64;
    if counters.sessions_opened != accounted {
        return amiss("sessions opened", counters.sessions_opened, accounted);
    }
    let answered = counters.requests_handled
        + counters.requests_refused
        + counters.frames_malformed
        + counters.frames_ignored
        + counters.pings_dropped
        + waiting as u64;
    if counters.frames_received == answered {
        Ok(())
    } else {
        amiss("frames received", counters.frames_received, answered)
    }
}

fn amiss(what: &str, counted: u64, seen: u64) -> Result<(), Violation> {
    let evidence = format!("{counted} {what}, and {seen} are accounted for");
    Err(Violation::new(Invariant::I28, evidence))
}

/// What the history shows of what the hub counts, in one life of the hub.
#[derive(Debug, Default)]
pub struct Tally {
    /// All but the refusals by code.
    seen: Counters,
    refused: [u64; ErrorCode::ALL.len()],
    /// When the minute began whose figures clients may ask for, and what was seen before it.
    minute: (Timestamp, Counters),
}

impl Tally {
    /// Counts one input and what came of it.
    ///
    /// # Errors
    /// If the figures that a client gets are others.
    pub fn count(&mut self, transition: &Transition<'_>) -> Result<(), Violation> {
        let minute = transition.now.as_millis() / MINUTE_MILLIS * MINUTE_MILLIS;
        if self.minute.0 != Timestamp::from_millis(minute) {
            self.minute = (Timestamp::from_millis(minute), self.seen);
        }
        self.check_figures(transition)?;
        let mut refusals = 0;
        self.seen.messages_sent += transition.sent().count() as u64;
        // What expired in a queue is recorded first, and counted apart.
        let mut in_queue = match &transition.hub.input {
            Input::Drained(_, written) => written.expired.len(),
            _ => 0,
        };
        for record in transition.records() {
            match record {
                Record::RequestRefused { code, .. } => {
                    refusals += 1;
                    self.seen.requests_refused += 1;
                    self.refused[*code as usize] += 1;
                }
                Record::MessageDelivered { .. } => self.seen.messages_delivered += 1,
                Record::MessageDropped { .. } if in_queue > 0 => in_queue -= 1,
                Record::MessageDropped { why, .. } => self.dropped(*why),
                Record::MessageQueued { .. } => self.seen.messages_queued += 1,
                Record::MessageReplayed { .. } => self.seen.messages_replayed += 1,
                Record::RecoveryAnswered { recovered, reason, .. } => {
                    self.seen.recoveries += u64::from(*recovered);
                    self.seen.unrecovered += u64::from(reason.is_some());
                }
                Record::DuplicateConnectionDetected { .. } => self.seen.takeovers += 1,
                Record::ActorResumed { .. } => self.seen.resumes += 1,
                _ => {}
            }
        }
        match &transition.hub.input {
            Input::Opened(..) => self.seen.sessions_opened += 1,
            Input::Closed(key, _) => {
                self.seen.sessions_closed += u64::from(transition.was(*key).is_some());
            }
            Input::Frame(key, frame) => {
                self.seen.frames_received += 1;
                match (transition.hears(*key), frame) {
                    (false, _) => self.seen.frames_ignored += 1,
                    (true, Err(_)) => self.seen.frames_malformed += 1,
                    (true, Ok(ClientFrame::Ping)) if transition.ping_rate_limited => {
                        self.seen.pings_dropped += 1;
                    }
                    (true, Ok(ClientFrame::Ping)) => self.seen.requests_handled += 1,
                    (true, Ok(ClientFrame::Request(_))) => {
                        self.seen.requests_handled += u64::from(refusals == 0)
                    }
                }
            }
            Input::Drained(_, written) => {
                self.seen.messages_expired += written.expired.len() as u64
            }
            Input::Restored(_) | Input::Alive(_) => {}
            Input::Tick | Input::Late(_) | Input::Shutdown => {}
        }
        Ok(())
    }

    /// What `hub:metrics` answers: this frame counts, its answer does not.
    fn check_figures(&self, transition: &Transition<'_>) -> Result<(), Violation> {
        for (nth, (_, message)) in transition.sent().enumerate() {
            let Body::Reply { reply, .. } = &message.body else { continue };
            let Reply::Metrics(told) = reply.as_ref() else { continue };
            let ((start, before), seen) = (&self.minute, &self.seen);
            let errors = |of: &Counters| of.requests_refused + of.frames_malformed;
            let figures = Metrics {
                messages_received: seen.frames_received + 1 - before.frames_received,
                messages_sent: seen.messages_sent + nth as u64 - before.messages_sent,
                errors: errors(seen) - errors(before),
                connections_opened: seen.sessions_opened - before.sessions_opened,
                connections_closed: seen.sessions_closed - before.sessions_closed,
                window_start: *start,
                timestamp: transition.now,
            };
            if *told != figures {
                let evidence = format!("a client is told {told:?}, and it is {figures:?}");
                return Err(Violation::new(Invariant::I28, evidence));
            }
        }
        Ok(())
    }

    fn dropped(&mut self, why: DropReason) {
        self.seen.messages_dropped += 1;
        let drops = &mut self.seen.drops;
        match why {
            DropReason::QueueFull => drops.queue_full += 1,
            DropReason::UnknownActor => drops.unknown_actor += 1,
            DropReason::Detached => drops.detached += 1,
            DropReason::Expired => drops.expired += 1,
            DropReason::Overflow => drops.overflow += 1,
            DropReason::Unclaimed => drops.unclaimed += 1,
            DropReason::StoreFull => drops.store_full += 1,
        }
    }

    /// Whether the hub counted the same; refusals by code are compared apart.
    pub fn check(&self, counters: &Counters) -> Result<(), Violation> {
        let (counted, seen) = (counted(counters), counted(&self.seen));
        match (0..COUNTED.len()).find(|nth| counted[*nth] != seen[*nth]) {
            Some(nth) => amiss(COUNTED[nth], counted[nth], seen[nth]),
            None => Ok(()),
        }
    }

    fn check_refusals(&self, counters: &Counters) -> Result<(), Violation> {
        let mut refusals = counters.refusals.iter().zip(self.refused);
        match refusals.find(|((_, counted), seen)| counted != seen) {
            None => Ok(()),
            Some(((code, counted), seen)) => {
                amiss(&format!("refusals for {}", code.as_str()), counted, seen)
            }
        }
    }
}

/// What is counted, in the order of [`counted`].
const COUNTED: [&str; 25] = [
    "sessions opened",
    "sessions closed",
    "frames received",
    "requests handled",
    "requests refused",
    "frames malformed",
    "frames ignored",
    "pings dropped",
    "messages sent",
    "messages delivered",
    "messages queued",
    "messages replayed",
    "messages dropped",
    "messages dropped for full queues",
    "messages to nobody",
    "messages to detached actors",
    "messages overdue on arrival",
    "kept messages that gave way",
    "kept messages that nobody claimed",
    "messages that a full store did not take",
    "messages overdue in the queue",
    "takeovers",
    "resumes",
    "recoveries",
    "refused recoveries",
];

fn counted(counters: &Counters) -> [u64; COUNTED.len()] {
    [
        counters.sessions_opened,
        counters.sessions_closed,
        counters.frames_received,
        counters.requests_handled,
        counters.requests_refused,
        counters.frames_malformed,
        counters.frames_ignored,
        counters.pings_dropped,
        counters.messages_sent,
        counters.messages_delivered,
        counters.messages_queued,
        counters.messages_replayed,
        counters.messages_dropped,
        counters.drops.queue_full,
        counters.drops.unknown_actor,
        counters.drops.detached,
        counters.drops.expired,
        counters.drops.overflow,
        counters.drops.unclaimed,
        counters.drops.store_full,
        counters.messages_expired,
        counters.takeovers,
        counters.resumes,
        counters.recoveries,
        counters.unrecovered,
    ]
}

/// The hub itself against what the history tells of it: rows, refusals by code, gauges.
pub fn check_against(shadow: &Shadow, tally: &Tally, hub: &Hub) -> Result<(), Violation> {
    tally.check_refusals(hub.counters())?;
    if !shadow.equals(&hub.view()) {
        let evidence = "rows of the hub have changed that it does not call touched";
        return Err(Violation::new(Invariant::I28, evidence));
    }
    let gauges = hub.totals();
    let sets = totals(shadow, &gauges);
    if gauges == sets {
        Ok(())
    } else {
        Err(Violation::new(
            Invariant::I28,
            format!("the gauges say {gauges:?}, the sets are {sets:?}"),
        ))
    }
}

/// The gauges as they follow from the rows. Remembered outcomes have no row: what the hub says of
/// them is believed, and one deadline may be theirs.
fn totals(shadow: &Shadow, told: &Totals) -> Totals {
    let mut totals = Totals { outcomes: told.outcomes, ..Totals::default() };
    totals.accounted.outcomes = told.accounted.outcomes;
    let mut armed = 0;
    for (_, row) in shadow.sessions() {
        match row.phase {
            Phase::Connecting => totals.connecting += 1,
            Phase::Connected => totals.connected += 1,
            Phase::Disconnecting => totals.disconnecting += 1,
        }
        if is_open(row) {
            totals.queued_messages += row.queued.messages;
            totals.queued_bytes += row.queued.bytes;
        }
        totals.accounted.sessions += weights::SESSION;
        armed += row.deadlines.armed().count();
    }
    totals.accounted.queues = totals.queued_bytes;
    for (_, row) in shadow.address_rows() {
        totals.accounted.registrations += row.registration.map_or(0, |known| known.weight);
        let topics = row.topics.iter().map(weights::subscription);
        totals.accounted.subscriptions += topics.sum::<usize>();
        match row.registration.map(|registration| registration.owner) {
            Some(Some(_)) => totals.registrations += 1,
            Some(None) => totals.detached += 1,
            None => {}
        }
        armed += usize::from(row.deadline.is_some());
    }
    for (_, row) in shadow.logs() {
        totals.kept_messages += row.messages;
        totals.kept_bytes += row.bytes;
        totals.accounted.logs += weights::LOG + row.bytes;
        armed += usize::from(row.due.is_some());
    }
    for subscribers in shadow.subscriber_counts() {
        totals.topics += 1;
        totals.subscriptions += subscribers;
    }
    totals.deadlines = if told.deadlines == armed + 1 { told.deadlines } else { armed };
    totals
}
