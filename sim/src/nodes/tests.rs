use std::time::Duration;

use dst::seeds::Seeds;

use super::*;

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

/// Nodes renew their rows at 2 s, 4 s and so on; so a row of another is shown in place of the claim that was replaced.
#[test]
fn a_claim_that_is_replaced_before_it_is_shown_loses_nothing() {
    let setting = Setting::new(3, 2);
    let (recover, milliseconds) = (Word::Recover, Duration::from_millis);
    for waits in 0..12 {
        let registers = |node, slot| {
            let say = Move::Say { actor: 0, slot, word: recover };
            [Move::Open { actor: 0, node }, say]
        };
        let mut moves = vec![Move::Wait(milliseconds(2_500 + 200 * waits))];
        moves.extend(registers(0, 0));
        moves.extend([Move::Open { actor: 1, node: 0 }, Move::End { actor: 0, slot: 0 }]);
        moves.push(Move::Fault(0, Fault::Hold));
        moves.extend(registers(1, 0));
        moves.push(Move::Wait(milliseconds(1_500)));
        moves.extend(registers(2, 1));
        moves.extend([Move::Fault(0, Fault::Hold), Move::Wait(milliseconds(500))]);
        let seen = play(&setting, &moves).unwrap_or_else(|(_, violation)| panic!("{violation}"));
        assert_eq!(seen.get("what a node kept was lost"), None, "{waits}: {seen:?}");
    }
}

#[test]
fn storms_on_the_servers_break_nothing() {
    for seed in 0..60 {
        let setting = Setting::new(2 + (seed % 2) as usize, 3);
        let moves = storm(&setting, seed, None);
        simulated::play(&setting, &moves, seed).unwrap_or_else(|(_, violation)| {
            let nodes = setting.nodes;
            panic!("{violation}\ncargo sim nodes --seed {seed} --nodes {nodes} --backend simulated")
        });
    }
}

#[test]
fn a_storm_on_the_servers_is_the_same_every_time() {
    let setting = Setting::new(3, 3);
    for seed in [7, 8, 14] {
        let moves = storm(&setting, seed, None);
        let play = || simulated::play(&setting, &moves, seed).map_err(|(_, violation)| violation);
        assert_eq!(play(), play());
    }
}

#[test]
fn a_storm_is_the_same_every_time() {
    let setting = Setting::new(3, 3);
    let play = || play(&setting, &storm(&setting, 7, None)).map_err(|(_, violation)| violation);
    assert_eq!(play(), play());
}
