use std::time::Duration;

use dst::seeds::Seeds;

use super::*;
use crate::engine::Kept;

#[test]
fn storms_of_several_nodes_break_nothing() {
    let asked = |name: &str| std::env::var(name).ok();
    let Seeds(seeds) = Seeds::from_environment(asked, 0..500).expect("seeds");
    let mut seen = Seen::new();
    for seed in seeds.clone() {
        let setting = Setting::new(2 + (seed % 2) as usize, 3);
        let more = play(&setting, &storm(&setting, seed, None)).unwrap_or_else(|(_, violation)| {
            let nodes = setting.nodes;
            panic!("{violation}\ncargo sim nodes --seed {seed} --nodes {nodes}")
        });
        more.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    if seeds.end - seeds.start >= 500 {
        assert_eq!(missing(&seen), [""; 0], "in {seen:#?}");
    }
}

#[test]
fn a_storm_is_the_same_every_time() {
    let setting = Setting::new(3, 3);
    let play = || play(&setting, &storm(&setting, 7, None)).map_err(|(_, violation)| violation);
    assert_eq!(play(), play());
}

fn wait(milliseconds: u64) -> Move {
    Move::Wait(Duration::from_millis(milliseconds))
}

fn says(actor: usize, slot: usize, word: Word) -> Move {
    Move::Say { actor, slot, word }
}

#[test]
fn a_registration_that_waits_while_the_generation_rises_is_told_the_version_of_its_row() {
    let lost = Fault::Restart(Kept::AllBut(3));
    let moves = [
        wait(1_000),
        Move::Open { actor: 1, node: 2 },
        says(1, 0, Word::Register),
        Move::Open { actor: 2, node: 0 },
        says(2, 0, Word::Register),
        Move::Open { actor: 1, node: 2 },
        wait(729),
        Move::Fault(2, Fault::Hold),
        says(1, 1, Word::Recover),
        says(1, 0, Word::Subscribe),
        wait(656),
        Move::Fault(1, lost),
    ];
    assert_eq!(play(&Setting::new(3, 3), &moves).map(|_| ()), Ok(()));
}

#[test]
fn an_address_may_be_given_back_at_once_whose_last_row_the_engine_lost() {
    let moves = [
        wait(1_000),
        Move::Open { actor: 2, node: 0 },
        says(2, 0, Word::Recover),
        Move::Open { actor: 2, node: 2 },
        Move::Open { actor: 1, node: 0 },
        says(1, 0, Word::Recover),
        says(2, 1, Word::Recover),
        Move::Fault(1, Fault::Restart(Kept::AllBut(1))),
        says(2, 1, Word::Disconnect),
    ];
    assert_eq!(play(&Setting::new(3, 3), &moves).map(|_| ()), Ok(()));
}

#[test]
fn who_made_room_for_another_of_its_name_takes_nothing_back() {
    let moves = [
        wait(1_000),
        Move::Open { actor: 0, node: 0 },
        says(0, 0, Word::Register),
        Move::Fault(0, Fault::Pause),
        Move::Fault(0, Fault::Twin),
        Move::Open { actor: 0, node: 0 },
        says(0, 1, Word::Register),
        wait(3_000),
    ];
    assert_eq!(play(&Setting::new(2, 3), &moves).map(|_| ()), Ok(()));
}

#[test]
fn what_a_node_keeps_that_ends_in_order_is_found_at_another() {
    let moves = [
        wait(1_000),
        Move::Open { actor: 0, node: 0 },
        says(0, 0, Word::Recover),
        Move::Open { actor: 1, node: 1 },
        says(1, 0, Word::Register),
        says(1, 0, Word::Send(0)),
        Move::End { actor: 0, slot: 0 },
        says(1, 0, Word::Send(0)),
        Move::Fault(0, Fault::Leave),
        says(1, 0, Word::Send(0)),
        wait(1_000),
        Move::Open { actor: 0, node: 2 },
        says(0, 0, Word::Recover),
    ];
    let seen = play(&Setting::new(3, 2), &moves).expect("nothing breaks");
    assert_eq!(seen.get("what a node kept was lost"), None, "{seen:#?}");
    assert_eq!(seen.get("an address was adopted"), Some(&1), "{seen:#?}");
    assert_eq!(seen.get("a node left in order"), Some(&1), "{seen:#?}");
}

#[test]
fn a_node_that_starts_knows_of_whom_others_keep_messages() {
    let moves = [
        wait(1_000),
        Move::Open { actor: 0, node: 1 },
        says(0, 0, Word::Recover),
        Move::End { actor: 0, slot: 0 },
        wait(3_000),
        Move::Fault(0, Fault::Leave),
        Move::Fault(0, Fault::Leave),
        wait(3_000),
        Move::Open { actor: 1, node: 0 },
        says(1, 0, Word::Register),
        says(1, 0, Word::Send(0)),
    ];
    let seen = play(&Setting::new(2, 2), &moves).expect("nothing breaks");
    assert!(seen.contains_key("a send was queued"), "{seen:#?}");
}
