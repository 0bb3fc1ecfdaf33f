//! Recovery: each number reaches the user once, in order, and a gap is told.

use super::*;
use crate::protocol::{
    Epoch, Position, Recover, Recovered, RecoveryWish, Unrecovered, UnregisterReason,
    UnregisteredNotice,
};

fn recovering() -> ClientConfig {
    config(vec![ActorConfig { recovery: true, ..ActorConfig::new(address("alice")) }])
}

fn position(epoch: u128, after: u64) -> Position {
    Position { epoch: Epoch::new(Uuid::from_u128(epoch)), after }
}

/// Nothing was asked for, or recovered.
fn at(epoch: u128, after: u64) -> Recovery {
    let epoch = Some(position(epoch, after).epoch);
    Recovery {
        epoch,
        after,
        recovered: false,
        replayed: 0,
        ttl_expired: 0,
        reason: None,
        window: Default::default(),
    }
}

fn replay(after: u64, replayed: u64, ttl_expired: u64) -> Recovery {
    Recovery { recovered: true, replayed, ttl_expired, ..at(1, after) }
}

fn refused(epoch: u128, after: u64, reason: Unrecovered) -> Recovery {
    Recovery { reason: Some(reason), ..at(epoch, after) }
}

fn off() -> Recovery {
    Recovery { epoch: None, ..refused(1, 0, Unrecovered::Off) }
}

/// What the user sees of recovery.
#[derive(Debug, PartialEq)]
enum Seen {
    Message(u64),
    Recovered(u64, u64),
    Gap(Unrecovered),
}

use Seen::{Gap, Message as Note, Recovered as Back};

impl Conversation {
    fn recovering_at(after: u64) -> Self {
        let mut talk = Self::greeted(recovering());
        talk.confirm_recovery(at(1, after));
        talk.unseen.clear();
        talk
    }

    /// Answers the next registration; what it asked for.
    fn confirm_recovery(&mut self, recovery: Recovery) -> Option<RecoveryWish> {
        let [request] = self.requests().try_into().unwrap();
        let Ok(Verb::Register(register)) = &request.verb else { panic!("{request:?}") };
        let wish = register.recovery;
        self.confirm_registration_with(&request, 1, &[], Some(recovery));
        wish
    }

    fn comes(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for seq in numbers {
            let (kind, payload) = ("note".to_owned(), Json::from(serde_json::Value::from(seq)));
            let body = HubBody::Delivery { kind, payload, route: Route::Send, origin: None };
            self.hear_numbered(NonZeroU64::new(seq), body);
        }
    }

    fn seen(&mut self) -> Vec<Seen> {
        let events = self.unseen.iter().filter_map(|output| match output {
            Output::Event(Event::Delivered(message)) => {
                Some(Note(message.payload.as_str().parse().unwrap()))
            }
            Output::Event(Event::Recovered { replayed, ttl_expired, .. }) => {
                Some(Back(*replayed, *ttl_expired))
            }
            Output::Event(Event::Gap { reason, .. }) => Some(Gap(*reason)),
            _ => None,
        });
        let seen = events.collect();
        self.unseen.retain(|output| matches!(output, Output::Send(_)));
        seen
    }

    /// The numbers after which the hub is asked for what is missing.
    fn asks_after(&mut self) -> Vec<(Request, u64)> {
        let asks = self.requests().into_iter().filter_map(|request| match request.verb {
            Ok(Verb::Recover(Recover { after, .. })) => Some((request, after)),
            _ => None,
        });
        asks.collect()
    }

    /// The only ask for what is missing.
    fn asked(&mut self, after: u64) -> Request {
        let [(request, asked)] = self.asks_after().try_into().unwrap();
        assert_eq!(asked, after);
        request
    }

    fn answer_recovery(&mut self, request: &Request, recovery: Recovery) {
        let actor_address = address("alice");
        self.reply(request, Reply::Recovered(Recovered { actor_address, recovery }));
    }

    fn comes_back(&mut self) {
        self.lose();
        self.pass(seconds(4));
        self.greet();
    }
}

#[test]
fn who_does_not_recover_asks_for_nothing_and_gets_everything() {
    let mut talk = Conversation::greeted(alice());
    let [request] = talk.requests().try_into().unwrap();
    let Ok(Verb::Register(register)) = &request.verb else { panic!("{request:?}") };
    assert_eq!(register.recovery, None);
    talk.confirm_registration(&request, 1, &[]);
    talk.comes([1, 1, 7]);
    assert_eq!(talk.seen(), [Note(1), Note(1), Note(7)]);
    assert_eq!(talk.requests(), []);
}

#[test]
fn the_first_registration_begins_and_each_later_one_shows_the_position() {
    let mut talk = Conversation::greeted(recovering());
    assert_eq!(talk.confirm_recovery(at(1, 4)), Some(RecoveryWish::Begin));
    talk.comes([5, 6]);
    assert_eq!(talk.seen(), [Note(5), Note(6)]);
    talk.comes_back();
    let wish = talk.confirm_recovery(replay(6, 2, 0));
    assert_eq!(wish, Some(RecoveryWish::From(position(1, 6))));
    talk.comes([7, 8, 9]);
    assert_eq!(talk.seen(), [Back(2, 0), Note(7), Note(8), Note(9)]);
    let notice =
        UnregisteredNotice { actor_address: address("alice"), reason: UnregisterReason::Expired };
    talk.notice(Notice::Unregistered(notice));
    let wish = talk.confirm_recovery(replay(9, 0, 0));
    assert_eq!(wish, Some(RecoveryWish::From(position(1, 9))));
}

#[test]
fn what_comes_again_is_handed_over_once() {
    let mut talk = Conversation::recovering_at(0);
    talk.comes([1, 2, 1, 2, 3]);
    assert_eq!(talk.seen(), [Note(1), Note(2), Note(3)]);
}

#[test]
fn a_gap_is_asked_for_once_and_what_is_behind_it_waits() {
    let mut talk = Conversation::recovering_at(0);
    talk.comes([1, 3, 4]);
    let request = talk.asked(1);
    talk.comes([5]);
    assert_eq!(talk.asks_after(), []);
    assert_eq!(talk.seen(), [Note(1)]);
    talk.answer_recovery(&request, replay(1, 4, 0));
    talk.comes([2, 3, 4, 5, 6]);
    assert_eq!(talk.seen(), [Back(4, 0), Note(2), Note(3), Note(4), Note(5), Note(6)]);
    assert_eq!(talk.asks_after(), []);
}

#[test]
fn what_expired_is_no_gap_until_the_replay_is_over() {
    for (replayed, next) in [(vec![3, 6], 8), (vec![4, 7], 8), (vec![], 8)] {
        let mut talk = Conversation::recovering_at(2);
        talk.comes_back();
        let came = replayed.len() as u64;
        talk.confirm_recovery(replay(2, came, 5 - came));
        talk.comes(replayed.iter().copied().chain([next]));
        let notes = replayed.into_iter().chain([next]).map(Note);
        let expected: Vec<Seen> = [Back(came, 5 - came)].into_iter().chain(notes).collect();
        assert_eq!(talk.seen(), expected);
        assert_eq!(talk.asks_after(), []);
        talk.comes([10]);
        talk.asked(8);
    }
}

#[test]
fn a_gap_right_behind_a_replay_is_asked_for_from_its_end() {
    let mut talk = Conversation::recovering_at(0);
    talk.comes_back();
    talk.confirm_recovery(replay(0, 1, 2));
    talk.comes([1, 5]);
    talk.asked(3);
}

#[test]
fn what_expired_behind_a_replay_counts_as_read() {
    for (replayed, came) in [(0, vec![]), (1, vec![3]), (1, vec![4])] {
        let mut talk = Conversation::recovering_at(2);
        talk.comes_back();
        talk.confirm_recovery(replay(2, replayed, 2));
        talk.comes(came);
        talk.comes_back();
        let wish = talk.confirm_recovery(replay(4 + replayed, 0, 0));
        assert_eq!(wish, Some(RecoveryWish::From(position(1, 4 + replayed))));
    }
}

#[test]
fn what_expired_once_it_had_come_hides_nothing_behind_it() {
    let mut talk = Conversation::recovering_at(0);
    talk.comes([1, 3]);
    let request = talk.asked(1);
    talk.comes([2]);
    talk.answer_recovery(&request, replay(1, 2, 1));
    talk.comes([3, 4]);
    assert_eq!(talk.seen(), [Note(1), Note(2), Back(2, 1), Note(3), Note(4)]);
}

#[test]
fn what_waited_behind_a_gap_that_stays_is_handed_over_after_it() {
    let mut talk = Conversation::recovering_at(0);
    talk.comes([1, 3]);
    let request = talk.asked(1);
    talk.comes([5]);
    talk.answer_recovery(&request, refused(1, 5, Unrecovered::Overflow));
    talk.comes([6]);
    assert_eq!(talk.seen(), [Note(1), Gap(Unrecovered::Overflow), Note(3), Note(5), Note(6)]);
    assert_eq!(talk.asks_after(), []);
}

#[test]
fn what_waits_behind_a_gap_has_a_bound() {
    let mut talk =
        Conversation::greeted(ClientConfig { held_back_bytes_max: 1100, ..recovering() });
    talk.confirm_recovery(at(1, 0));
    talk.comes([2, 3, 4]);
    let request = talk.asked(0);
    talk.answer_recovery(&request, refused(1, 4, Unrecovered::Expired));
    talk.comes([5]);
    assert_eq!(talk.seen(), [Gap(Unrecovered::Expired), Note(2), Note(3), Note(5)]);
}

#[test]
fn a_position_that_does_not_count_any_more_is_told_and_replaced() {
    let mut talk = Conversation::recovering_at(8);
    talk.comes_back();
    talk.confirm_recovery(refused(2, 0, Unrecovered::Epoch));
    talk.comes([1]);
    assert_eq!(talk.seen(), [Gap(Unrecovered::Epoch), Note(1)]);
    talk.comes_back();
    let wish = talk.confirm_recovery(replay(1, 0, 0));
    assert_eq!(wish, Some(RecoveryWish::From(position(2, 1))));
}

#[test]
fn a_gap_at_the_moment_of_a_loss_is_filled_by_the_return() {
    let mut talk = Conversation::recovering_at(0);
    talk.comes([2]);
    let old = talk.asked(0);
    talk.comes_back();
    assert_eq!(talk.confirm_recovery(replay(0, 2, 0)), Some(RecoveryWish::From(position(1, 0))));
    talk.answer_recovery(&old, refused(1, 9, Unrecovered::Expired));
    talk.comes([1, 2]);
    assert_eq!(talk.seen(), [Back(2, 0), Note(1), Note(2)]);
}

#[test]
fn a_gap_that_the_hub_does_not_fill_is_filled_by_a_registration() {
    for refused in [true, false] {
        let mut talk = Conversation::recovering_at(0);
        talk.comes([2]);
        let request = talk.asked(0);
        if refused {
            talk.reply(&request, Reply::Error(refusal(ErrorCode::InternalError)));
        } else {
            talk.pass(seconds(10));
        }
        // While it is under way, nothing else is asked for.
        talk.comes([3]);
        let wish = talk.confirm_recovery(replay(0, 3, 0));
        assert_eq!(wish, Some(RecoveryWish::From(position(1, 0))));
        talk.comes([1, 2, 3]);
        assert_eq!(talk.seen(), [Back(3, 0), Note(1), Note(2), Note(3)]);
    }
}

#[test]
fn a_hub_that_keeps_nothing_is_told_of_once() {
    let mut talk = Conversation::greeted(recovering());
    talk.confirm_recovery(off());
    assert_eq!(talk.seen(), [Gap(Unrecovered::Off)]);
    talk.comes_back();
    assert_eq!(talk.confirm_recovery(off()), Some(RecoveryWish::Begin));
    assert_eq!(talk.seen(), []);
    talk.comes_back();
    talk.confirm_recovery(at(1, 0));
    assert_eq!(talk.seen(), []);
    talk.comes_back();
    talk.confirm_recovery(off());
    assert_eq!(talk.seen(), [Gap(Unrecovered::Off)]);
}

#[test]
fn an_older_hub_is_not_asked() {
    let mut talk = Conversation::new(recovering());
    talk.input(Input::Start);
    talk.input(Input::Opened);
    let [connect] = talk.requests().try_into().unwrap();
    let mut older = connected();
    older.capabilities.supports_recovery = false;
    talk.reply(&connect, Reply::Connected(older));
    let [request] = talk.requests().try_into().unwrap();
    let Ok(Verb::Register(register)) = &request.verb else { panic!("{request:?}") };
    assert_eq!(register.recovery, None);
    talk.confirm_registration(&request, 1, &[]);
    assert_eq!(talk.seen(), [Gap(Unrecovered::Off)]);
}

#[test]
fn an_address_that_is_wanted_again_begins_anew() {
    let mut talk = Conversation::recovering_at(5);
    talk.command(Command::Unregister(address("alice")));
    talk.requests();
    let [actor] = recovering().actors.try_into().unwrap();
    talk.command(Command::Register(actor));
    assert_eq!(talk.confirm_recovery(at(2, 0)), Some(RecoveryWish::Begin));
}

#[test]
fn what_comes_for_an_address_that_was_given_up_is_not_handed_over() {
    let mut talk = Conversation::recovering_at(5);
    talk.comes([6]);
    let [actor] = recovering().actors.try_into().unwrap();
    talk.command(Command::Register(actor.clone()));
    let [older] = talk.requests().try_into().unwrap();
    talk.command(Command::Unregister(address("alice")));
    talk.comes([6]);
    talk.command(Command::Register(actor));
    talk.confirm_registration_with(&older, 1, &[], Some(replay(5, 1, 0)));
    talk.comes([6]);
    assert_eq!(talk.seen(), [Note(6)]);
    let [unregister, register] = talk.requests().try_into().unwrap();
    assert_eq!(unregister.type_name, "hub:unregister");
    talk.confirm_registration_with(&register, 1, &[], Some(at(2, 0)));
    talk.comes([1]);
    assert_eq!(talk.seen(), [Note(1)]);
}

#[test]
fn of_a_replay_that_goes_on_behind_a_gap_nothing_is_handed_over_twice() {
    let mut talk = Conversation::recovering_at(5);
    talk.comes([6, 7]);
    let [actor] = recovering().actors.try_into().unwrap();
    talk.command(Command::Register(actor));
    talk.confirm_recovery(refused(1, 6, Unrecovered::Overflow));
    talk.comes([7, 8]);
    assert_eq!(talk.seen(), [Note(6), Note(7), Gap(Unrecovered::Overflow), Note(8)]);
}

#[test]
fn what_waits_behind_a_gap_and_follows_in_a_replay_is_handed_over_once() {
    let mut talk = Conversation::recovering_at(5);
    talk.comes([7, 9]);
    let request = talk.asked(5);
    talk.answer_recovery(&request, refused(1, 7, Unrecovered::Overflow));
    talk.comes([8, 9]);
    assert_eq!(talk.seen(), [Gap(Unrecovered::Overflow), Note(7), Note(8), Note(9)]);
}

#[test]
fn who_is_ahead_of_the_hub_goes_on_where_the_hub_is() {
    let mut talk = Conversation::recovering_at(5);
    talk.comes_back();
    talk.confirm_recovery(refused(1, 3, Unrecovered::Ahead));
    talk.comes([4]);
    assert_eq!(talk.seen(), [Gap(Unrecovered::Ahead), Note(4)]);
}
