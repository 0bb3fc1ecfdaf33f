//! Who sends what to whom, what came of it, and when. Told the time, it does no I/O.

use std::ops::Range;
use std::time::Duration;

use super::arrivals::{Arrival, Arrivals};
use super::figures::Figures;
use super::frames::Heard;
use super::lane::Lane;
use super::pace::Pace;

/// All lanes and all members; lane `i` is member `i`'s.
#[derive(Debug)]
pub struct Exchange {
    lanes: Vec<Lane>,
    members: Vec<Member>,
    /// Whether each message gets an answer.
    is_answered: bool,
    phase: Phase,
    /// The time that counts.
    measured: Range<Duration>,
    figures: Figures,
    /// When anything came last.
    latest: Duration,
}

/// What one session got.
#[derive(Debug)]
struct Member {
    /// The lane that it listens to.
    hears: Option<usize>,
    messages: Arrivals,
    /// Of its own lane.
    answers: Arrivals,
}

#[derive(Debug)]
enum Phase {
    Waiting,
    Sending(Pace),
    /// What is under way may still arrive.
    Draining,
}

impl Exchange {
    /// `hears` says of each member which lane it listens to; a message of one of the `lanes` is
    /// whole once all listeners have it and, if `is_answered`, the hub has answered.
    pub fn new(lanes: usize, hears: &[Option<usize>], is_answered: bool) -> Self {
        let mut listeners = vec![u32::from(is_answered); lanes];
        hears.iter().flatten().for_each(|lane| listeners[*lane] += 1);
        Self {
            lanes: listeners.into_iter().map(Lane::new).collect(),
            members: hears.iter().map(|hears| Member::new(*hears)).collect(),
            is_answered,
            phase: Phase::Waiting,
            measured: Duration::MAX..Duration::MAX,
            figures: Figures::default(),
            latest: Duration::ZERO,
        }
    }

    pub fn send_at(&mut self, pace: Pace) {
        self.phase = Phase::Sending(pace);
    }

    /// Only what is due from `now` on counts, and what arrives then.
    pub fn measure_from(&mut self, now: Duration) {
        self.measured = now..Duration::MAX;
    }

    pub fn measure_until(&mut self, now: Duration) {
        self.measured.end = now;
    }

    pub fn drain(&mut self) {
        self.phase = Phase::Draining;
    }

    /// The number of the message that the lane is to send now, if it is to send one.
    pub fn next(&mut self, lane: usize, now: Duration) -> Option<u64> {
        let Phase::Sending(pace) = &self.phase else { return None };
        let lane_state = &mut self.lanes[lane];
        let due = pace.due(lane, lane_state.sent(), lane_state.under_way(), now)?;
        if self.measured.contains(&due) {
            self.figures.messages += 1;
        }
        Some(lane_state.send(due))
    }

    /// Takes down what a member heard. Returns the lane that may be able to send because of it.
    pub fn heard(&mut self, member: usize, heard: Heard, now: Duration) -> Option<usize> {
        self.latest = now;
        match heard {
            Heard::Delivery { lane, number, to_me, is_intact } => {
                if !is_intact || self.lanes.get(lane).is_none_or(|lane| !lane.knows(number)) {
                    self.figures.integrity.altered += 1;
                } else if !to_me || self.members[member].hears != Some(lane) {
                    self.figures.integrity.misrouted += 1;
                } else {
                    return self.delivered(member, lane, number, now);
                }
                None
            }
            Heard::Answer { number } => self.answered(member, number, now),
            Heard::Refused { number, why } => {
                *self.figures.refused.entry(why).or_default() += 1;
                self.lanes.get_mut(member)?.refuse(number?);
                Some(member)
            }
            Heard::Else => None,
            Heard::Strange => {
                self.figures.integrity.altered += 1;
                None
            }
        }
    }

    fn answered(&mut self, member: usize, number: u64, now: Duration) -> Option<usize> {
        let lane = self.lanes.get_mut(member).filter(|lane| lane.knows(number))?;
        if self.members[member].answers.see(number) == Arrival::Again {
            self.figures.integrity.doubled += 1;
            return None;
        }
        if self.measured.contains(&now) {
            self.figures.answers += 1;
        }
        let due = lane.part(number)?;
        if self.measured.contains(&due) {
            self.figures.answer_time.record(now.saturating_sub(due));
        }
        Some(member)
    }

    fn delivered(
        &mut self,
        member: usize,
        lane: usize,
        number: u64,
        now: Duration,
    ) -> Option<usize> {
        let integrity = &mut self.figures.integrity;
        match self.members[member].messages.see(number) {
            Arrival::InOrder => {}
            Arrival::Late => integrity.reordered += 1,
            Arrival::Again => {
                integrity.doubled += 1;
                return None;
            }
        }
        if self.measured.contains(&now) {
            self.figures.deliveries += 1;
        }
        let due = self.lanes[lane].part(number)?;
        if self.measured.contains(&due) {
            self.figures.latency.record(now.saturating_sub(due));
        }
        Some(lane)
    }

    /// When anything came last.
    pub fn latest(&self) -> Duration {
        self.latest
    }

    /// Returns whether nothing is under way, and no lane has a last message still to send.
    pub fn is_settled(&self) -> bool {
        let last = match &self.phase {
            Phase::Sending(pace) => pace.messages_max.unwrap_or(u64::MAX),
            Phase::Waiting | Phase::Draining => 0,
        };
        self.lanes.iter().all(|lane| lane.under_way() == 0 && lane.sent() >= last)
    }

    /// What came of it all.
    pub fn figures(&self) -> Figures {
        let mut figures = self.figures.clone();
        figures.integrity.sent = self.lanes.iter().map(Lane::sent).sum();
        for member in &self.members {
            if let Some(lane) = member.hears.map(|lane| &self.lanes[lane]) {
                figures.integrity.lost += member.messages.lost(lane.sent(), lane.refused());
            }
        }
        let asking = self.lanes.iter().zip(&self.members).filter(|_| self.is_answered);
        figures.integrity.unanswered =
            asking.map(|(lane, member)| member.answers.lost(lane.sent(), lane.refused())).sum();
        figures
    }
}

impl Member {
    fn new(hears: Option<usize>) -> Self {
        Self { hears, messages: Arrivals::default(), answers: Arrivals::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::figures::Integrity;
    use crate::bench::pace::Loop;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A lane with two listeners, members 1 and 2, that has sent two messages, both at 10 ms.
    fn fanout() -> Exchange {
        let mut exchange = Exchange::new(1, &[None, Some(0), Some(0)], true);
        exchange.send_at(Pace { loop_: Loop::Closed { window: 2 }, messages_max: None });
        exchange.measure_from(ms(10));
        assert_eq!([(); 3].map(|()| exchange.next(0, ms(10))), [Some(0), Some(1), None]);
        exchange
    }

    fn delivery(number: u64) -> Heard {
        Heard::Delivery { lane: 0, number, to_me: true, is_intact: true }
    }

    fn integrity(exchange: &Exchange) -> Integrity {
        exchange.figures().integrity
    }

    /// All of the two messages that is not in the exchange yet.
    fn whole() -> Integrity {
        Integrity { sent: 2, ..Integrity::default() }
    }

    fn arrive(exchange: &mut Exchange, heard: &[(usize, Heard)]) {
        for (member, heard) in heard {
            exchange.heard(*member, heard.clone(), ms(15));
        }
    }

    #[test]
    fn a_message_is_whole_with_its_answer_and_its_last_delivery() {
        let mut exchange = fanout();
        assert_eq!(exchange.heard(1, delivery(0), ms(11)), Some(0));
        assert_eq!(exchange.heard(0, Heard::Answer { number: 0 }, ms(12)), Some(0));
        assert_eq!(exchange.next(0, ms(12)), None);
        assert_eq!(exchange.heard(2, delivery(0), ms(13)), Some(0));
        assert_eq!(exchange.next(0, ms(13)), Some(2));
    }

    #[test]
    fn everything_that_arrives_once_and_in_order_is_right() {
        let mut exchange = fanout();
        let answers = [0, 1].map(|number| (0, Heard::Answer { number }));
        arrive(&mut exchange, &answers);
        for member in [1, 2] {
            arrive(&mut exchange, &[(member, delivery(0)), (member, delivery(1))]);
        }
        assert_eq!(integrity(&exchange), whole());
        exchange.drain();
        assert!(exchange.is_settled());
        let figures = exchange.figures();
        assert_eq!((figures.messages, figures.deliveries, figures.answers), (2, 4, 2));
    }

    #[test]
    fn each_fault_has_its_own_count() {
        let right = [
            (0, Heard::Answer { number: 0 }),
            (0, Heard::Answer { number: 1 }),
            (1, delivery(0)),
            (1, delivery(1)),
            (2, delivery(0)),
        ];
        let last = (2, delivery(1));
        let elsewhere = Heard::Delivery { lane: 0, number: 1, to_me: false, is_intact: true };
        let changed = Heard::Delivery { lane: 0, number: 1, to_me: true, is_intact: false };
        for (arrival, wanted) in [
            (None, Integrity { lost: 1, ..whole() }),
            (Some((1, delivery(1))), Integrity { lost: 1, doubled: 1, ..whole() }),
            (Some((0, Heard::Answer { number: 1 })), Integrity { lost: 1, doubled: 1, ..whole() }),
            (Some((0, delivery(1))), Integrity { lost: 1, misrouted: 1, ..whole() }),
            (Some((2, elsewhere)), Integrity { lost: 1, misrouted: 1, ..whole() }),
            (Some((2, changed)), Integrity { lost: 1, altered: 1, ..whole() }),
            (Some((2, delivery(9))), Integrity { lost: 1, altered: 1, ..whole() }),
            (Some((2, Heard::Strange)), Integrity { lost: 1, altered: 1, ..whole() }),
            (Some((2, Heard::Else)), Integrity { lost: 1, ..whole() }),
            (Some(last.clone()), whole()),
        ] {
            let mut exchange = fanout();
            arrive(&mut exchange, &right);
            arrive(&mut exchange, arrival.as_slice());
            assert_eq!(integrity(&exchange), wanted, "{arrival:?}");
        }
        let mut exchange = fanout();
        arrive(&mut exchange, &right[1..4]);
        arrive(&mut exchange, &[last, (2, delivery(0))]);
        assert_eq!(integrity(&exchange), Integrity { unanswered: 1, reordered: 1, ..whole() });
    }

    #[test]
    fn a_refused_message_is_not_lost_and_makes_room() {
        let mut exchange = fanout();
        let refused = Heard::Refused { number: Some(1), why: "rate_limited".to_owned() };
        assert_eq!(exchange.heard(0, refused, ms(11)), Some(0));
        assert_eq!(exchange.next(0, ms(11)), Some(2));
        let figures = exchange.figures();
        assert_eq!(figures.refused, BTreeMap::from([("rate_limited".to_owned(), 1)]));
        let wanted = Integrity { sent: 3, lost: 4, unanswered: 2, ..Integrity::default() };
        assert_eq!(figures.integrity, wanted);
    }

    #[test]
    fn only_what_is_due_in_the_measured_time_has_a_latency_and_only_what_comes_then_counts() {
        let mut exchange = fanout();
        exchange.measure_until(ms(12));
        exchange.heard(1, delivery(0), ms(11));
        exchange.heard(2, delivery(0), ms(900));
        let figures = exchange.figures();
        assert_eq!(figures.deliveries, 1);
        assert_eq!(figures.latency.summary().map(|latency| latency.count), Some(2));
        let mut later = fanout();
        later.measure_from(ms(11));
        later.heard(1, delivery(0), ms(11));
        let figures = later.figures();
        assert_eq!((figures.deliveries, figures.latency.summary()), (1, None));
    }

    #[test]
    fn lanes_that_send_so_many_are_settled_after_the_last() {
        let mut exchange = Exchange::new(1, &[None, Some(0)], false);
        exchange.send_at(Pace { loop_: Loop::Closed { window: 1 }, messages_max: Some(1) });
        assert!(!exchange.is_settled());
        assert_eq!(exchange.next(0, ms(1)), Some(0));
        assert!(!exchange.is_settled());
        exchange.heard(1, delivery(0), ms(2));
        assert!(exchange.is_settled());
    }
}
