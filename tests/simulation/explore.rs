//! Every order of events of small sizes; `cargo sim explore` takes larger ones.

use signal_hub::hub::{Input, Output, Phase, Record};
use signal_hub::protocol::CloseReason;
use signal_hub_sim::backend::{self, Backend};
use signal_hub_sim::explore::{Check, Explored, Found, Patience, Plan, Size, explore};
use signal_hub_sim::history::{Event, What};
use signal_hub_sim::invariants::{Invariant, Shadow, Violation};
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario;

const PAIR: Size = Size { actors: 1, connections: 2, sends: 0, principals: false, recovery: false };

fn explored(plan: &Plan) -> Explored {
    explore(plan, &mut |_| Patience::Waits)
}

/// Everything of this size breaks nothing. Returns how many moves away the farthest state is.
fn depth_of_sound(size: Size) -> usize {
    let Explored { progress, exhausted, found } = explored(&Plan::of(size));
    assert!(found.is_none(), "{found:#?}");
    assert!(exhausted);
    progress.depth
}

#[test]
fn two_actors_with_two_connections_each_break_no_invariant_in_any_order() {
    assert_eq!(depth_of_sound(Size { actors: 2, ..PAIR }), 23);
}

#[test]
fn two_connections_for_which_messages_wait_break_no_invariant_in_any_order() {
    assert_eq!(depth_of_sound(Size { sends: 1, ..PAIR }), 12);
    assert_eq!(depth_of_sound(Size { sends: 2, ..PAIR }), 14);
}

#[test]
fn two_principals_who_are_for_one_address_break_no_invariant_in_any_order() {
    // Enough for a token to end that was refreshed.
    let size = Size { actors: 2, connections: 1, principals: true, ..PAIR };
    assert!(depth_of_sound(size) > 10);
}

#[test]
fn who_recovers_breaks_no_invariant_in_any_order() {
    let alone = Size { connections: 1, sends: 1, recovery: true, ..PAIR };
    assert!(depth_of_sound(alone) > 10);
    assert!(depth_of_sound(Size { connections: 2, ..alone }) > 20);
    let two = Plan { depth: Some(9), ..Plan::of(Size { actors: 2, ..alone }) };
    let Explored { progress, found, .. } = explored(&two);
    assert!(found.is_none(), "{found:#?}");
    assert_eq!(progress.depth, 9);
}

#[test]
fn what_was_held_back_is_not_exhausted() {
    let shallow = explored(&Plan { depth: Some(3), ..Plan::of(PAIR) });
    assert!(!shallow.exhausted && shallow.found.is_none());
    assert_eq!(shallow.progress.depth, 3);
    let large = Plan::of(Size { actors: 3, connections: 3, ..PAIR });
    let impatient = explore(&large, &mut |_| Patience::Ended);
    assert!(!impatient.exhausted && impatient.found.is_none());
}

/// Nobody ever takes an address over: which is wrong.
fn no_takeover(event: &Event, _shadow: &Shadow) -> Result<(), Violation> {
    let What::Hub(hub) = &event.what else { return Ok(()) };
    let told = |output: &Output| {
        matches!(output, Output::Audit(Record::DuplicateConnectionDetected { .. }))
    };
    if hub.outputs.iter().any(told) {
        Err(Violation::new(Invariant::I5, "somebody did"))
    } else {
        Ok(())
    }
}

/// No connection ends while the address that it lost belongs to another one: which is wrong.
fn no_late_end(event: &Event, shadow: &Shadow) -> Result<(), Violation> {
    let What::Hub(hub) = &event.what else { return Ok(()) };
    let Input::Closed(key, _) = hub.input else { return Ok(()) };
    let is_over = shadow.session(key).is_some_and(|row| row.phase == Phase::Disconnecting);
    let is_lost =
        shadow.address_rows().any(|(_, row)| row.registration.is_some_and(|r| r.owner.is_some()));
    if is_over && is_lost { Err(Violation::new(Invariant::I4, "one did")) } else { Ok(()) }
}

/// No session ends with its token: which is wrong.
fn no_token_ends(event: &Event, _shadow: &Shadow) -> Result<(), Violation> {
    let What::Hub(hub) = &event.what else { return Ok(()) };
    let ends = |output: &Output| matches!(output, Output::Close(_, CloseReason::TokenExpired));
    match hub.outputs.iter().any(ends) {
        true => Err(Violation::new(Invariant::I54, "one did")),
        false => Ok(()),
    }
}

fn broken(size: Size, check: Check) -> Found {
    let plan = Plan { check: Some(check), ..Plan::of(size) };
    let Explored { exhausted, found, .. } = explored(&plan);
    assert!(!exhausted);
    found.expect("the check is wrong")
}

/// Returns whether what is found shows on the backend, too, when its file is played there.
fn shows(found: &Found, check: Check, backend: Backend) -> bool {
    let file = scenario::write(&found.scenario);
    let scenario = scenario::read(&file).unwrap_or_else(|error| panic!("{error}\n{file}"));
    let outcome = backend::play(&scenario, backend, Keep::All).expect("it can be played");
    assert_eq!(outcome.violation, None, "{file}");
    let mut shadow = Shadow::default();
    outcome.events.iter().any(|event| {
        let breaks = check(event, &shadow).is_err();
        shadow.apply(event);
        breaks
    })
}

#[test]
fn a_wrong_belief_is_broken_in_as_few_moves_as_can_be() {
    let found = broken(PAIR, no_takeover);
    assert_eq!(found.moves.len(), 6, "two opened, connected and registered: {:?}", found.moves);
    assert_eq!(found.violation.evidence, "somebody did");
}

#[test]
fn what_is_found_happens_again_when_its_file_is_played() {
    let bearer = Size { connections: 1, principals: true, ..PAIR };
    for (size, check) in
        [(PAIR, no_takeover as Check), (PAIR, no_late_end), (bearer, no_token_ends)]
    {
        let found = broken(size, check);
        for backend in [Backend::Message, Backend::Simulated] {
            assert!(shows(&found, check, backend), "{backend}: {:?}", found.moves);
        }
    }
}
