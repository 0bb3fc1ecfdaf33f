//! What strikes hosts: pauses, crashes, clocks.

use super::*;

pub fn who_pauses_reading_has_it_all_to_read_later<P: Sample>() {
    let lasts = millis(100);
    let host = Fault::PauseHostReading { host: "alice".to_owned(), lasts };
    let one = Fault::PauseReading { connections: every(), end: End::Client, lasts };
    for pause in [host, one] {
        let mut scene = Scene::<P>::new();
        let id = scene.connected();
        scene.inject(pause);
        assert_eq!(scene.read(id, End::Client), (0, OPEN));
        assert_eq!(scene.took_effect(), None, "there was nothing to read");
        assert_eq!(scene.send(id, End::Server), Ok(true));
        scene.pass(millis(99));
        assert_eq!(scene.read(id, End::Client), (0, OPEN));
        assert_eq!(scene.took_effect(), Some(scene.now));
        scene.world.effects.awake.clear();
        scene.pass(millis(1));
        assert_eq!(scene.world.effects.awake, [Awake::End(id, End::Client, Waits::Reading)]);
        assert_eq!(scene.read(id, End::Client), (1, OPEN));
    }
}

pub fn a_machine_that_stands_still_matters_from_when_something_arrives<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let id = scene.connected();
    let pause = || Fault::Pause { host: "alice".to_owned(), lasts: millis(100) };
    scene.inject(pause());
    scene.pass(millis(100));
    assert_eq!(scene.send(id, End::Server), Ok(true));
    scene.pass(millis(10));
    assert_eq!(scene.took_effect(), None, "it was over");
    scene.inject(pause());
    assert_eq!(scene.send(id, End::Server), Ok(true));
    scene.pass(millis(10));
    assert_eq!(scene.took_effect(), Some(scene.now));
}

fn crash(host: &str, peers: Peers) -> Fault {
    Fault::Crash { host: host.to_owned(), peers }
}

pub fn the_peers_of_a_crashed_host_see_a_reset_or_nothing<P: Sample>() {
    for (peers, seen) in [(Peers::SeeReset, RESET), (Peers::SeeNothing, OPEN)] {
        let mut scene = Scene::<P>::new();
        let id = scene.connected();
        scene.inject(crash("alice", peers));
        assert_eq!(scene.took_effect(), Some(scene.now));
        assert_eq!(scene.read(id, End::Client), (0, Read::Failed(ErrorKind::ConnectionAborted)));
        scene.pass(millis(60_000));
        assert_eq!(scene.read(id, End::Server), (0, seen), "{peers:?}");
        scene.inject(crash("alice", peers));
        assert_eq!(scene.took_effect(), None, "there is nothing left to die");
    }
}

pub fn a_machine_that_is_back_resets_whoever_writes_to_an_old_connection<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let ids @ [told, silent] = [scene.connected(), scene.connected()];
    scene.inject(crash("alice", Peers::SeeNothing));
    assert_eq!(scene.send(told, End::Server), Ok(true));
    scene.pass(millis(5_000));
    assert_eq!(ids.map(|id| scene.read(id, End::Server)), [(0, OPEN), (0, OPEN)]);
    scene.open();
    scene.pass(millis(220));
    assert_eq!(ids.map(|id| scene.read(id, End::Server)), [(0, RESET), (0, OPEN)]);
    assert_eq!(scene.send(silent, End::Server), Ok(true));
    scene.pass(millis(20));
    assert_eq!(scene.read(silent, End::Server), (0, RESET));
}

pub fn a_crashed_server_listens_no_more<P: Sample>() {
    for (peers, answer) in [(Peers::SeeReset, REFUSED), (Peers::SeeNothing, Dial::Pending)] {
        let mut scene = Scene::<P>::new();
        scene.inject(crash("hub", peers));
        assert_eq!(scene.took_effect(), Some(scene.now), "it listened");
        assert_eq!(scene.world.waiting(scene.listener), Err(ErrorKind::ConnectionAborted));
        let id = scene.open();
        scene.pass(millis(60_000));
        assert_eq!(scene.world.dial(id), answer);
        let ListenerId { place, .. } = scene.listener;
        scene.world.listen(scene.now, place.host, place.port).expect("the port is free again");
        scene.connected();
    }
}

pub fn a_clock_is_skewed_once<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let skew = Fault::ClockSkew { host: "alice".to_owned(), milliseconds: -7 };
    scene.inject(skew.clone());
    assert_eq!(scene.world.clock_skew(scene.alice), -7);
    assert_eq!(scene.took_effect(), Some(scene.now));
    scene.inject(skew);
    assert_eq!(scene.took_effect(), None);
}

pub fn a_fault_of_an_unknown_host_is_refused<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let refused = scene.world.inject(scene.now, crash("nowhere", Peers::SeeReset));
    assert_eq!(refused, Err(FaultError::UnknownHost("nowhere".to_owned())));
    assert_eq!(scene.world.faults, []);
}
