//! What is carried, and what strikes links.

use super::*;

pub fn a_payload_arrives_after_the_latency_and_behind_those_before_it<P: Sample>() {
    let jitter = millis(30);
    let link = LinkConfig { latency: millis(10), jitter, ..LinkConfig::default() };
    let mut scene = Scene::<P>::with(link);
    let id = scene.connected();
    for _ in 0..20 {
        assert_eq!(scene.send(id, End::Client), Ok(true));
    }
    scene.pass(millis(9));
    assert_eq!(scene.read(id, End::Server), (0, OPEN));
    scene.pass(millis(31));
    assert_eq!(scene.read(id, End::Server), (20, OPEN));
}

pub fn a_full_window_holds_the_writer_until_the_peer_reads<P: Sample>() {
    let link = LinkConfig { window_bytes: 2 * BYTES, ..LinkConfig::default() };
    let mut scene = Scene::<P>::with(link);
    let id = scene.connected();
    let sent = [(); 3].map(|()| scene.send(id, End::Server));
    assert_eq!(sent, [Ok(true), Ok(true), Ok(false)]);
    scene.pass(millis(5));
    assert_eq!(scene.send(id, End::Server), Ok(false), "unread counts, too");
    scene.world.effects.awake.clear();
    assert_eq!(scene.read(id, End::Client), (2, OPEN));
    assert_eq!(scene.world.effects.awake, [Awake::End(id, End::Server, Waits::Writing)]);
    assert_eq!(scene.send(id, End::Server), Ok(true));
}

pub fn a_lost_segment_is_late_by_its_retransmissions<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let id = scene.connected();
    scene.inject(link(LinkConfig { loss_per_mille: 1000, ..LinkConfig::default() }));
    assert_eq!(scene.took_effect(), None);
    assert_eq!(scene.send(id, End::Client), Ok(true));
    assert_eq!(scene.took_effect(), Some(scene.now));
    scene.pass(millis(12_000));
    assert_eq!(scene.read(id, End::Server), (0, OPEN));
    scene.pass(millis(1_000));
    assert_eq!(scene.read(id, End::Server), (1, OPEN));
}

pub fn a_changed_link_changes_only_what_is_sent_later<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let id = scene.connected();
    assert_eq!(scene.send(id, End::Client), Ok(true));
    scene.inject(link(LinkConfig { latency: millis(1_000), ..LinkConfig::default() }));
    assert_eq!(scene.send(id, End::Client), Ok(true));
    scene.pass(millis(999));
    assert_eq!(scene.read(id, End::Server), (1, OPEN));
    scene.pass(millis(1));
    assert_eq!(scene.read(id, End::Server), (1, OPEN));
}

pub fn a_stall_holds_what_would_arrive_and_then_lets_it_flow<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let id = scene.connected();
    scene.inject(stall(millis(50)));
    scene.pass(millis(50));
    assert_eq!(scene.send(id, End::Client), Ok(true));
    scene.pass(millis(10));
    assert_eq!((scene.read(id, End::Server), scene.took_effect()), ((1, OPEN), None));
    scene.inject(stall(millis(500)));
    let injected = scene.now;
    assert_eq!(scene.send(id, End::Client), Ok(true));
    assert_eq!(scene.send(id, End::Server), Ok(true));
    scene.pass(millis(499));
    assert_eq!(scene.read(id, End::Server), (0, OPEN));
    assert_eq!(scene.read(id, End::Client), (1, OPEN), "the other way nothing is held");
    assert_eq!(scene.took_effect(), Some(injected + millis(10)));
    scene.pass(millis(1));
    assert_eq!(scene.read(id, End::Server), (1, OPEN));
}

pub fn a_partition_holds_until_it_is_over_one_way_or_both<P: Sample>() {
    for (ways, through) in [(Ways::OneWay, 1), (Ways::BothWays, 0)] {
        let mut scene = Scene::<P>::new();
        let id = scene.connected();
        scene.inject(partition(ways));
        assert_eq!(scene.send(id, End::Client), Ok(true));
        assert_eq!(scene.send(id, End::Server), Ok(true));
        let next = scene.open();
        scene.pass(millis(60_000));
        assert_eq!(scene.read(id, End::Server), (0, OPEN));
        assert_eq!(scene.read(id, End::Client), (through, OPEN));
        assert_eq!(scene.world.dial(next), Dial::Pending);
        let (from, to) = ("alice".to_owned(), "hub".to_owned());
        scene.inject(Fault::Rejoin { from, to, ways });
        assert_eq!(scene.took_effect(), Some(scene.now));
        scene.pass(millis(199));
        assert_eq!(scene.read(id, End::Server), (0, OPEN));
        scene.pass(millis(11));
        assert_eq!(scene.read(id, End::Server), (1, OPEN));
        assert_eq!(scene.read(id, End::Client), (1 - through, OPEN));
        assert_eq!(scene.world.dial(next), Dial::Established);
    }
}

pub fn healing_an_unharmed_network_has_no_effect<P: Sample>() {
    let mut scene = Scene::<P>::new();
    scene.connected();
    scene.inject(Fault::Heal);
    assert_eq!(scene.took_effect(), None);
    for harm in [
        link(LinkConfig::default()),
        stall(millis(1)),
        partition(Ways::OneWay),
        connects(ConnectMode::Hang),
        Fault::PauseHostReading { host: "hub".to_owned(), lasts: millis(1) },
        Fault::PauseReading { connections: every(), end: End::Server, lasts: millis(1) },
    ] {
        scene.inject(harm.clone());
        scene.inject(Fault::Heal);
        assert_eq!(scene.took_effect(), Some(scene.now), "{harm}");
    }
}

pub fn what_a_slow_link_carries_flows_once_it_is_healed<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let id = scene.connected();
    scene.inject(link(LinkConfig { latency: millis(999_000), ..LinkConfig::default() }));
    assert_eq!(scene.send(id, End::Client), Ok(true));
    scene.inject(Fault::Heal);
    scene.pass(millis(300));
    assert_eq!(scene.read(id, End::Server), (1, OPEN));
}
