//! Connects, and what strikes connections that exist.

use super::*;

pub fn a_connect_fares_as_it_is_told_to<P: Sample>() {
    for (mode, during, after) in [
        (ConnectMode::Accept, Dial::Established, Dial::Established),
        (ConnectMode::Refuse, REFUSED, REFUSED),
        (ConnectMode::Hang, Dial::Pending, Dial::Established),
        (ConnectMode::BlackHole, Dial::Established, Dial::Established),
    ] {
        let mut scene = Scene::<P>::new();
        scene.inject(connects(mode));
        let id = scene.open();
        assert_eq!(scene.took_effect(), None);
        scene.pass(millis(1_000));
        assert_eq!(scene.world.dial(id), during, "{mode:?}");
        assert_eq!(scene.took_effect().is_some(), mode != ConnectMode::Accept);
        scene.inject(connects(ConnectMode::Accept));
        assert_eq!(scene.took_effect().is_some(), mode != ConnectMode::Accept);
        scene.pass(millis(1_000));
        assert_eq!(scene.world.dial(id), after, "{mode:?}");
        scene.connected();
    }
}

pub fn no_payload_passes_a_black_hole_until_it_is_lifted<P: Sample>() {
    for lifted in [connects(ConnectMode::Accept), Fault::Heal] {
        let mut scene = Scene::<P>::new();
        scene.inject(connects(ConnectMode::BlackHole));
        let id = scene.connected();
        assert_eq!(End::BOTH.map(|end| scene.send(id, end)), [Ok(true), Ok(true)]);
        scene.pass(millis(10_000));
        assert_eq!(End::BOTH.map(|end| scene.read(id, end)), [(0, OPEN), (0, OPEN)]);
        scene.inject(lifted);
        scene.pass(millis(300));
        assert_eq!(End::BOTH.map(|end| scene.read(id, end)), [(1, OPEN), (1, OPEN)]);
    }
}

pub fn a_duplicate_connect_is_refused_for_the_client_alone<P: Sample>() {
    let mut scene = Scene::<P>::new();
    scene.inject(connects(ConnectMode::Duplicate));
    let first = scene.open();
    scene.pass(millis(20));
    assert_eq!(scene.world.dial(first), REFUSED);
    assert_eq!(scene.took_effect(), Some(millis(10)));
    scene.world.release(scene.now, first, End::Client);
    scene.inject(connects(ConnectMode::Accept));
    let second = scene.open();
    scene.pass(millis(20));
    assert_eq!([first, second].map(|id| scene.world.accept(id)), [true, true]);
    scene.pass(millis(60_000));
    assert_eq!(scene.read(first, End::Server), (0, OPEN));
    assert_eq!(
        scene.world.connections.get(first).map(|known| known.state()),
        Some(ConnectionState::HalfOpen)
    );
    assert_eq!(scene.send(first, End::Server), Ok(true));
    scene.pass(millis(20));
    assert_eq!(scene.read(first, End::Server), (0, RESET));
    assert_eq!(scene.world.dial(second), Dial::Established);
}

pub fn a_connect_is_refused_where_nobody_listens<P: Sample>() {
    let mut scene = Scene::<P>::new();
    scene.world.unlisten(scene.now, scene.listener);
    let id = scene.open();
    scene.pass(millis(20));
    assert_eq!(scene.world.dial(id), REFUSED);
}

pub fn a_connect_that_is_given_up_leaves_nothing<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let id = scene.open();
    scene.pass(millis(5));
    scene.world.release(scene.now, id, End::Client);
    assert_eq!(scene.state(), None);
    let id = scene.open();
    scene.pass(millis(15));
    scene.world.release(scene.now, id, End::Client);
    assert!(scene.world.accept(id));
    scene.pass(millis(10));
    assert_eq!(scene.read(id, End::Server), (0, RESET));
}

pub fn who_was_not_accepted_is_reset_when_nobody_listens_any_more<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let id = scene.open();
    scene.pass(millis(20));
    scene.world.unlisten(scene.now, scene.listener);
    scene.pass(millis(10));
    assert_eq!(scene.read(id, End::Client), (0, RESET));
}

pub fn a_reset_loses_what_is_unread_at_both_ends<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let id = scene.connected();
    assert_eq!(scene.send(id, End::Client), Ok(true));
    scene.pass(millis(10));
    scene.inject(Fault::Reset { connections: every() });
    for end in End::BOTH {
        assert_eq!(scene.read(id, end), (0, RESET));
        assert_eq!(scene.send(id, end), Err(ErrorKind::ConnectionReset));
    }
    assert_eq!(scene.took_effect(), Some(scene.now));
    scene.inject(Fault::Reset { connections: every() });
    assert_eq!(scene.took_effect(), None, "there is none left");
}

pub fn the_ends_of_a_severed_connection_learn_of_it_in_their_own_time<P: Sample>() {
    let link = LinkConfig { latency: millis(10), window_bytes: BYTES, ..LinkConfig::default() };
    let mut scene = Scene::<P>::with(link);
    let id = scene.connected();
    assert_eq!(scene.send(id, End::Client), Ok(true));
    scene.inject(Fault::Sever {
        connections: every(),
        client_sees: CutDetection::reset(Seen::Now),
        server_sees: CutDetection::end_of_stream(Seen::After(millis(3_000))),
    });
    assert_eq!(scene.took_effect(), Some(scene.now));
    assert_eq!(scene.state(), Some(ConnectionState::HalfOpen));
    assert_eq!(scene.read(id, End::Client), (0, RESET));
    scene.pass(millis(2_999));
    assert_eq!(scene.read(id, End::Server), (0, OPEN), "what was in flight is lost");
    assert_eq!(scene.send(id, End::Server), Ok(true), "into the void");
    assert_eq!(scene.send(id, End::Server), Ok(false), "until the window is full");
    scene.pass(millis(1));
    assert_eq!(scene.read(id, End::Server), (0, Read::Ended));
    assert_eq!(scene.send(id, End::Server), Err(ErrorKind::BrokenPipe));
    assert_eq!(scene.state(), Some(ConnectionState::Closing));
}

pub fn a_severed_connection_stays_half_open_through_a_heal<P: Sample>() {
    let mut scene = Scene::<P>::new();
    let id = scene.connected();
    let (client_sees, server_sees) = (CutDetection::NEVER, CutDetection::NEVER);
    scene.inject(Fault::Sever { connections: every(), client_sees, server_sees });
    assert_eq!(scene.took_effect(), Some(scene.now));
    scene.inject(Fault::Heal);
    assert_eq!(scene.send(id, End::Client), Ok(true));
    scene.pass(millis(100_000));
    assert_eq!(End::BOTH.map(|end| scene.read(id, end)), [(0, OPEN), (0, OPEN)]);
    assert_eq!(scene.state(), Some(ConnectionState::HalfOpen));
}

pub fn an_orderly_end_comes_now_later_or_never<P: Sample>() {
    for (fin, by_then, state) in [
        (Seen::Now, Read::Ended, ConnectionState::Closing),
        (Seen::After(millis(100)), Read::Ended, ConnectionState::Closing),
        (Seen::After(millis(101)), OPEN, ConnectionState::Closing),
        (Seen::Never, OPEN, ConnectionState::HalfOpen),
    ] {
        let link = LinkConfig { latency: millis(10), fin, ..LinkConfig::default() };
        let mut scene = Scene::<P>::with(link);
        let id = scene.connected();
        assert_eq!(scene.send(id, End::Client), Ok(true));
        scene.world.release(scene.now, id, End::Client);
        scene.pass(millis(110));
        assert_eq!(scene.read(id, End::Server), (1, by_then), "{fin:?}");
        assert_eq!(scene.state(), Some(state), "{fin:?}");
    }
}

pub fn a_reset_overtakes_a_late_end<P: Sample>() {
    for fin in [Seen::After(millis(30_000)), Seen::Never] {
        let link = LinkConfig { latency: millis(10), fin, ..LinkConfig::default() };
        let mut scene = Scene::<P>::with(link);
        let id = scene.connected();
        scene.world.release(scene.now, id, End::Client);
        assert_eq!(scene.send(id, End::Server), Ok(true));
        scene.pass(millis(20));
        assert_eq!(scene.read(id, End::Server), (0, RESET));
    }
}
