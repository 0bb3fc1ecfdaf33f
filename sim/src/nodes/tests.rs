use dst::seeds::Seeds;

use super::*;

/// What must have come up, or the storms prove little.
const MUST_COME_UP: [&str; 15] = [
    "a late write was carried out",
    "a message came twice",
    "a node was declared dead",
    "a position counted",
    "a send was delivered",
    "a send was queued",
    "a session lost its address",
    "a watch ended without a word",
    "an address moved between nodes",
    "an answer was lost",
    "nobody decided writes",
    "the engine lost rows",
    "timeout",
    "unavailable",
    "what a node kept was lost",
];

#[test]
fn storms_of_several_nodes_break_nothing() {
    let asked = |name: &str| std::env::var(name).ok();
    let Seeds(seeds) = Seeds::from_environment(asked, 0..500).expect("seeds");
    let mut seen = Seen::new();
    for seed in seeds.clone() {
        let setting = Setting::new(2 + (seed % 2) as usize, 3);
        let more = play(&setting, &storm(&setting, seed)).unwrap_or_else(|(_, violation)| {
            let nodes = setting.nodes;
            panic!("{violation}\ncargo sim nodes --seed {seed} --nodes {nodes}")
        });
        more.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    if seeds.end - seeds.start >= 500 {
        let missing: Vec<_> =
            MUST_COME_UP.iter().filter(|what| !seen.contains_key(*what)).collect();
        assert!(missing.is_empty(), "{missing:?} never came up in {seen:#?}");
    }
}

#[test]
fn a_storm_is_the_same_every_time() {
    let setting = Setting::new(3, 3);
    let play = || play(&setting, &storm(&setting, 7)).map_err(|(_, violation)| violation);
    assert_eq!(play(), play());
}
