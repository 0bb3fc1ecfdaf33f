//! I36 to I45, L9, and what I52 says of logs.

use std::num::NonZeroU64;

use signal_hub::hub::{LogRow, Record, Storage};
use signal_hub::protocol::{Epoch, Position, RecoveryWish, Unrecovered};

use super::*;
use crate::history::Told;

/// An epoch that never was.
const NO_EPOCH: Epoch = Epoch::new(uuid::Uuid::nil());

pub(super) fn recovers(name: &str, wish: RecoveryWish) -> Verb {
    match register(name) {
        Verb::Register(register) => Verb::Register(Register { recovery: Some(wish), ..register }),
        verb => verb,
    }
}

/// Alice recovers; Bob does not, and said this often something to her.
fn heard(times: usize) -> Story {
    let mut story = Story::new();
    story.connected(1, "alice");
    story.asks(1, "alice", recovers("alice", RecoveryWish::Begin));
    story.connected(2, "bob");
    story.asks(2, "bob", register("bob"));
    for _ in 0..times {
        story.asks(2, "bob", send("alice"));
    }
    story
}

/// The same, and she was away meanwhile and is connected again.
fn missed(times: usize) -> (Story, Epoch) {
    let mut story = heard(0);
    let epoch = story.log("alice").epoch;
    story.closes(1);
    for _ in 0..times {
        story.asks(2, "bob", send("alice"));
    }
    story.connected(3, "alice");
    (story, epoch)
}

/// She is back, and was told what she missed.
fn recovered(times: usize) -> Story {
    let (mut story, epoch) = missed(times);
    story.comes_back(Position { epoch, after: 0 });
    story.holds();
    story
}

impl Story {
    fn log(&self, name: &str) -> LogRow {
        self.hub.view().logs[&at(name)].expect("it recovers")
    }

    fn comes_back(&mut self, position: Position) {
        self.asks(3, "alice", recovers("alice", RecoveryWish::From(position)));
    }

    /// Changes a row that the last event touched.
    fn log_of_last(&mut self, change: impl FnOnce(&mut LogRow)) {
        let mut logs = self.last().touched.logs.values_mut();
        change(logs.next().and_then(Option::as_mut).expect("a log is touched"));
    }

    /// Changes what the last event says of a position.
    fn answer(&mut self, change: impl Fn(&mut bool, &mut Option<Epoch>, &mut Option<Unrecovered>)) {
        for output in &mut self.last().outputs {
            if let Output::Audit(Record::RecoveryAnswered { recovered, epoch, reason, .. }) = output
            {
                change(recovered, epoch, reason);
            }
        }
    }

    /// The client of the story hands this to its user.
    fn tells_user(&mut self, told: Told) {
        self.at_client(ClientEvent::Told { address: at("alice"), told });
    }

    fn hands_over(&mut self, after: u64) {
        let epoch = self.log("alice").epoch;
        self.tells_user(Told::Message(Position { epoch, after }));
    }
}

#[test]
fn copies_are_numbered_one_after_the_other() {
    let mut story = heard(2);
    story.holds();
    for output in &mut story.last().outputs {
        if let Output::Send(_, message) = output {
            message.seq = message.seq.and(NonZeroU64::new(3));
        }
    }
    story.breaks(Invariant::I36);
}

#[test]
fn a_publication_that_a_full_store_leaves_out_has_a_number() {
    let mut story = heard(0);
    story.asks(1, "alice", subscribe("news"));
    story.closes(1);
    story.hub.change_storage(Storage::Full);
    story.happens(Input::Restored(Vec::new()));
    story.asks(2, "bob", send("alice"));
    story.asks(2, "bob", publish("news"));
    story.holds();
    story.log_of_last(|row| (row.last, row.floor) = (0, 0));
    story.breaks(Invariant::I36);
}

#[test]
fn what_was_missed_comes_again_in_order() {
    let mut story = recovered(2);
    let is_copy = |output: &Output| {
        is_delivery(output) || matches!(output, Output::Audit(Record::MessageReplayed { .. }))
    };
    let (mut copies, rest) =
        std::mem::take(&mut story.last().outputs).into_iter().partition::<Vec<_>, _>(is_copy);
    copies.rotate_left(2);
    story.last().outputs = rest.into_iter().chain(copies).collect();
    story.breaks(Invariant::I37);
}

#[test]
fn a_position_that_nobody_had_does_not_count() {
    let (mut story, epoch) = missed(1);
    story.comes_back(Position { epoch, after: 7 });
    story.holds();
    story.answer(|recovered, _, reason| (*recovered, *reason) = (true, None));
    story.breaks(Invariant::I38);
}

#[test]
fn the_reason_of_a_refusal_is_so() {
    let (mut story, epoch) = missed(1);
    story.comes_back(Position { epoch, after: 7 });
    story.answer(|_, _, reason| *reason = Some(Unrecovered::Expired));
    story.breaks(Invariant::I39);
}

#[test]
fn a_user_hears_of_a_hole() {
    let mut story = heard(0);
    story.hands_over(1);
    story.tells_user(Told::Recovered { replayed: 1, ttl_expired: 1 });
    story.hands_over(3);
    story.holds();
    story.hands_over(5);
    story.breaks(Invariant::I40);
}

#[test]
fn what_expired_is_behind_whoever_has_read_all_else() {
    let mut story = heard(0);
    story.hands_over(1);
    for _ in 0..2 {
        story.tells_user(Told::Recovered { replayed: 0, ttl_expired: 1 });
    }
    story.hands_over(4);
    story.holds();
    story.hands_over(6);
    story.breaks(Invariant::I40);
}

#[test]
fn what_expired_behind_the_first_message_is_read_with_it() {
    let mut story = heard(0);
    story.tells_user(Told::Recovered { replayed: 1, ttl_expired: 1 });
    story.hands_over(1);
    story.tells_user(Told::Recovered { replayed: 1, ttl_expired: 0 });
    story.hands_over(3);
    story.holds();
    story.hands_over(5);
    story.breaks(Invariant::I40);
}

#[test]
fn a_user_gets_each_number_once() {
    let mut story = heard(0);
    story.hands_over(1);
    story.holds();
    story.hands_over(1);
    story.breaks(Invariant::I41);
}

#[test]
fn a_log_gives_up_nothing_that_it_has_room_for() {
    let mut story = heard(2);
    story.holds();
    story.log_of_last(|row| (row.floor, row.messages) = (1, 1));
    story.breaks(Invariant::I42);

    let mut story = Story::with(|config| config.recovery_messages_max = 1);
    story.connected(1, "alice");
    story.asks(1, "alice", recovers("alice", RecoveryWish::Begin));
    story.asks(1, "alice", send("alice"));
    story.asks(1, "alice", send("alice"));
    story.holds();
    story.scenario.hub.recovery_messages_max = 2;
    story.breaks(Invariant::I42);
}

#[test]
fn an_epoch_goes_on_over_a_loss() {
    let mut story = recovered(1);
    story.answer(|_, epoch, _| *epoch = Some(NO_EPOCH));
    story.breaks(Invariant::I43);
}

/// Alice's client lost its connection after its first answer, and registers with this epoch.
fn returns_with(epoch: impl FnOnce(Epoch) -> Epoch) -> Story {
    let mut story = Story::new();
    story.reaches(Milestone::Heal);
    story.connected(1, "alice");
    story.asks(1, "alice", recovers("alice", RecoveryWish::Begin));
    let registered = story.last().sent_to(1).remove(0);
    story.receives(&registered);
    let epoch = epoch(story.log("alice").epoch);
    story.closes(1);
    story.connected(3, "alice");
    let connected = story.last().sent_to(3).remove(0);
    story.receives(&connected);
    story.comes_back(Position { epoch, after: 0 });
    let request = ClientFrame::Request(Arc::new(story.last().request().clone()));
    let asked = story.events.pop();
    story.at_client(ClientEvent::Sent(request));
    story.events.extend(asked);
    story
}

#[test]
fn who_comes_back_to_what_is_kept_recovers() {
    returns_with(|epoch| epoch).holds();
    returns_with(|_| NO_EPOCH).breaks(Invariant::L9);
}

#[test]
fn who_asks_again_before_it_is_answered_has_nothing_to_come_back_to() {
    for answered in [true, false] {
        let mut story = Story::new();
        story.reaches(Milestone::Heal);
        story.connected(1, "alice");
        let connected = story.last().sent_to(1).remove(0);
        story.receives(&connected);
        story.asks(1, "alice", recovers("alice", RecoveryWish::Begin));
        let registered = story.last().sent_to(1).remove(0);
        story.asks(1, "alice", recovers("alice", RecoveryWish::Begin));
        let request = ClientFrame::Request(Arc::new(story.last().request().clone()));
        let asked = story.events.pop();
        if answered {
            story.receives(&registered);
        }
        story.at_client(ClientEvent::Sent(request));
        if !answered {
            story.receives(&registered);
        }
        story.events.extend(asked);
        if answered { story.breaks(Invariant::L9) } else { story.holds() }
    }
}

#[test]
fn who_does_not_ask_gets_no_number() {
    let mut story = heard(0);
    story.asks(1, "alice", send("bob"));
    story.holds();
    for output in &mut story.last().outputs {
        if let Output::Send(_, message) = output
            && let Body::Delivery(_) = message.body
        {
            message.seq = NonZeroU64::new(1);
        }
    }
    story.breaks(Invariant::I44);
}

#[test]
fn what_is_queued_ends_with_a_word() {
    let (mut story, _) = missed(1);
    story.asks(3, "alice", register("alice"));
    story.holds();
    story.last().without(|output| matches!(output, Output::Audit(Record::MessageDropped { .. })));
    story.breaks(Invariant::I45);
}

#[test]
fn all_logs_together_have_a_bound() {
    let mut story = heard(1);
    story.holds();
    story.scenario.hub.recovery_total_bytes_max = story.log("alice").bytes - 1;
    story.breaks(Invariant::I52);
}
