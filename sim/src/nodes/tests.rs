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

#[test]
fn a_storm_is_the_same_every_time() {
    let setting = Setting::new(3, 3);
    let play = || play(&setting, &storm(&setting, 7, None)).map_err(|(_, violation)| violation);
    assert_eq!(play(), play());
}
