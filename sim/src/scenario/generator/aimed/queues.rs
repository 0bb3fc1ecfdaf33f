//! A stranger that reads nothing, and another one that feeds it: what waits goes overdue, fills the
//! queue, is taken over with its address, dies, or is read just before it is too late.

use std::time::Duration;

use super::super::dice::Dice;
use super::super::stranger::{LATENCY, Stranger, connect, register, tell};
use crate::net::Seen;
use crate::scenario::{Action, ConnectionAct, Scenario, Speech};

/// Fits into no window of this storm.
const FILLER: usize = 2_000;
const WINDOW: usize = 1_024;

/// Who does not read, and who feeds it. In the order of addresses the feeder comes last.
struct Jam {
    slow: Stranger,
    name: String,
    feeder: Stranger,
}

impl Jam {
    /// From `self.slow.at` on nothing is read, for so long.
    fn new(number: u32, at: Duration, lasts: Duration) -> Self {
        let name = format!("mallory/slow/{number}");
        let mut slow = Stranger::registered(number, at, &name);
        slow.steady(WINDOW);
        let feeder = Stranger::registered(number + 1, at, &format!("mallory/talks/{number}"));
        slow.does_at(slow.at, ConnectionAct::PauseReading { lasts });
        let mut jam = Self { slow, name, feeder };
        jam.feeder.at += Duration::from_millis(50);
        jam
    }

    fn fed(&mut self, dice: &mut Dice, times: usize, padding: usize) {
        for _ in 0..times {
            self.feeder.does_at(self.feeder.at, tell(&self.name, padding));
            self.feeder.at += dice.millis(1, 4);
        }
    }

    /// The same, of which some is worth little time.
    fn fed_for_a_while(&mut self, dice: &mut Dice, times: usize) {
        for _ in 0..times {
            let ttl = Some(Duration::from_millis(*dice.pick(&[20, 200, 400, 60_000])));
            let speech = Speech { ttl, ..Speech::default() };
            let tell = Action::Tell { to: self.name.clone(), speech };
            self.feeder.does_at(self.feeder.at, tell);
            self.feeder.at += dice.millis(1, 40);
        }
    }

    fn broadcasts(&mut self, dice: &mut Dice) {
        for _ in 0..dice.between(1, 3) {
            let exclude_self = dice.one_in(4);
            let broadcast = Action::Broadcast { exclude_self, speech: Speech::default() };
            self.feeder.does(dice, broadcast);
        }
    }

    fn joins(self, scenario: &mut Scenario) {
        self.slow.joins(scenario);
        self.feeder.joins(scenario);
    }
}

/// What waits is worth less time than it waits.
pub fn overdue(dice: &mut Dice, scenario: &mut Scenario) {
    let lasts = dice.millis(1_600, 1_900);
    let mut jam = Jam::new(20, dice.millis(1_500, 50_000), lasts);
    jam.fed(dice, 1, FILLER);
    let times = dice.between(1, 4);
    jam.fed_for_a_while(dice, times);
    jam.joins(scenario);
}

/// The queue comes to its bound; then everybody is told something, and somebody else takes the address,
/// or its connection dies, or nothing happens until the hub has had enough.
pub fn filled(dice: &mut Dice, scenario: &mut Scenario) {
    let mut jam = Jam::new(30, dice.millis(1_500, 45_000), dice.millis(3_000, 12_000));
    jam.fed(dice, 1, FILLER);
    let more = scenario.hub.queue_messages_max + dice.between(0, 3);
    let padding = *dice.pick(&[0, 0, 1_500]);
    jam.fed(dice, more, padding);
    jam.broadcasts(dice);
    let at = jam.feeder.at + dice.millis(0, 1_000);
    match dice.between(0, 3) {
        0 | 1 => {
            let mut heir = Stranger::connected(32, at - Duration::from_millis(300));
            heir.does_at(at, register(&jam.name, None));
            heir.joins(scenario);
        }
        2 => jam.slow.does_at(at, ConnectionAct::Reconnect { hub_sees: dice.seen() }),
        _ => {}
    }
    jam.feeder.at = at;
    jam.fed(dice, 2, 0);
    jam.joins(scenario);
}

/// The queue comes to its bound and is read again when the hub is about to lose patience: its next
/// deadline is that of the message that was the first too many.
pub fn recovering(dice: &mut Dice, scenario: &mut Scenario) {
    let patience = scenario.hub.slow_consumer_timeout;
    let begin = dice.millis(1_500, 45_000);
    // As in [`Jam::new`]: what it reads again arrives two round trips later.
    let fed_at = Duration::from_millis(50);
    let lasts = fed_at + LATENCY + patience - 4 * LATENCY - dice.millis(0, 120);
    let mut jam = Jam::new(35, begin, lasts);
    jam.fed(dice, 1, FILLER);
    let more = scenario.hub.queue_messages_max + dice.between(0, 2);
    jam.fed(dice, more, 0);
    if dice.one_in(2) {
        // What it says then may be in the very input of that deadline.
        let due = jam.slow.at + fed_at + patience;
        jam.slow.does_at(due + dice.millis(0, 2), Action::Heartbeat);
    }
    if dice.one_in(4) {
        let back = jam.slow.at + lasts + Duration::from_millis(500);
        jam.slow.does_at(back, ConnectionAct::Reconnect { hub_sees: Seen::Now });
        jam.slow.does_at(back + Duration::from_millis(100), connect());
        jam.slow.does_at(back + Duration::from_millis(400), register(&jam.name, None));
    }
    jam.joins(scenario);
}

/// A window opens for a part of what waits, which is the batch that is written next: how much of it
/// counts as having left the queue is seen once it is read.
pub fn in_batches(dice: &mut Dice, scenario: &mut Scenario) {
    let mut jam = Jam::new(25, dice.millis(200, 6_000), dice.millis(2_300, 3_500));
    jam.fed(dice, 1, FILLER);
    let (small, large) = (8_300, 44_000);
    jam.fed(dice, 2, small);
    jam.fed(dice, 1, large);
    jam.slow.at = jam.feeder.at;
    // Also by a third less it has room for the small ones; by half more, not for the large one.
    jam.slow.steady(36 * 1024);
    jam.slow.does_at(jam.slow.at + Duration::from_millis(1), Action::QueueStats);
    jam.joins(scenario);
}
