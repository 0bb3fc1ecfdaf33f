//! What strikes links and connections that exist.

use super::*;

#[test]
fn a_stall_holds_what_arrives_during_it() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, mut server) = pair.connected().await;
        let start = pair.net.elapsed();
        let fault = pair.inject(stall(millis(500)));
        server.write_all(b"back").await.unwrap();
        assert_eq!(read_some(&mut client).await.unwrap(), b"back");
        assert!(!pair.took_effect(fault));
        client.write_all(b"one").await.unwrap();
        assert_eq!(read_some(&mut server).await.unwrap(), b"one");
        let held = pair.net.elapsed() - start;
        assert!(millis(500) <= held && held < millis(501), "{held:?}");
        assert!(pair.took_effect(fault));
    });
}

#[test]
fn a_stall_that_holds_nothing_has_no_effect() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, mut server) = pair.connected().await;
        let fault = pair.inject(stall(millis(50)));
        sleep(millis(60)).await;
        client.write_all(b"late").await.unwrap();
        assert_eq!(read_some(&mut server).await.unwrap(), b"late");
        assert!(!pair.took_effect(fault));
        assert_eq!(pair.net.faults()[0].took_effect, None);
    });
}

#[test]
fn a_partition_one_way_holds_one_way_until_it_is_over() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, mut server) = pair.connected().await;
        let fault = pair.inject(partition(Ways::OneWay));
        client.write_all(b"held").await.unwrap();
        server.write_all(b"free").await.unwrap();
        assert_eq!(read_some(&mut client).await.unwrap(), b"free");
        assert!(within(Duration::from_secs(99), read_some(&mut server)).await.is_none());
        assert!(pair.took_effect(fault));
        let (from, to) = ("alice".to_owned(), "hub".to_owned());
        let over = pair.inject(Fault::Rejoin { from, to, ways: Ways::BothWays });
        assert!(pair.took_effect(over));
        let start = pair.net.elapsed();
        assert_eq!(read_some(&mut server).await.unwrap(), b"held");
        assert!(pair.net.elapsed() - start >= millis(200));
    });
}

#[test]
fn a_partition_both_ways_lets_connects_hang() {
    simulate(1, async || {
        let pair = Pair::new();
        let _listener = pair.listen();
        pair.inject(partition(Ways::BothWays));
        let mut connect = Box::pin(pair.connect());
        assert!(within(Duration::from_secs(99), &mut connect).await.is_none());
        pair.net.heal();
        connect.await.unwrap();
    });
}

#[test]
fn a_changed_link_changes_only_what_is_sent_later() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, mut server) = pair.connected().await;
        client.write_all(b"early").await.unwrap();
        let slow = LinkConfig { latency: Duration::from_secs(1), ..Default::default() };
        let fault = pair.inject(link(slow));
        let start = pair.net.elapsed();
        assert_eq!(read_some(&mut server).await.unwrap(), b"early");
        assert!(!pair.took_effect(fault));
        client.write_all(b"late").await.unwrap();
        assert!(pair.took_effect(fault));
        assert_eq!(read_some(&mut server).await.unwrap(), b"late");
        assert!(pair.net.elapsed() - start >= Duration::from_secs(1));
    });
}

#[test]
fn a_reset_reaches_both_ends_at_once_and_loses_what_is_unread() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, mut server) = pair.connected().await;
        client.write_all(b"unread").await.unwrap();
        sleep(millis(5)).await;
        let fault = pair.inject(Fault::Reset { connections: every() });
        let reset = Some(io::ErrorKind::ConnectionReset);
        assert_eq!(failure(read_some(&mut server)).await, reset);
        assert_eq!(failure(client.write(b"more")).await, reset);
        assert!(pair.took_effect(fault));
        let again = pair.inject(Fault::Reset { connections: every() });
        assert!(!pair.took_effect(again));
    });
}

#[test]
fn each_end_of_a_severed_connection_learns_of_it_in_its_own_time() {
    simulate(1, async || {
        let pair = Pair::with(1, LinkConfig { window_bytes: 10, ..Default::default() });
        let (mut client, mut server) = pair.connected().await;
        client.write_all(b"lost").await.unwrap();
        let fault = pair.inject(Fault::Sever {
            connections: every(),
            client_sees: Notice::reset(Seen::After(Duration::from_secs(5))),
            server_sees: Notice::end_of_stream(Seen::Now),
        });
        assert!(pair.took_effect(fault));
        assert_eq!(pair.state(), Some(ConnectionState::HalfOpen));
        assert_eq!(read_some(&mut server).await.unwrap(), b"");
        assert_eq!(failure(server.write(b"x")).await, Some(io::ErrorKind::BrokenPipe));
        client.write_all(b"a void").await.unwrap();
        assert!(within(Duration::from_secs(4), client.write(b"x")).await.is_none());
        assert_eq!(failure(client.write(b"x")).await, Some(io::ErrorKind::ConnectionReset));
        assert_eq!(pair.state(), Some(ConnectionState::Closing));
    });
}

#[test]
fn a_severed_connection_stays_half_open_through_a_heal() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, server) = pair.connected().await;
        pair.inject(Fault::Sever {
            connections: every(),
            client_sees: Notice::NEVER,
            server_sees: Notice::reset(Seen::Now),
        });
        drop(server);
        pair.net.heal();
        client.write_all(b"hello?").await.unwrap();
        assert!(within(Duration::from_secs(99), read_some(&mut client)).await.is_none());
        assert_eq!(pair.state(), Some(ConnectionState::HalfOpen));
    });
}

#[test]
fn a_late_end_of_stream_comes_after_the_bytes_by_its_own_delay() {
    simulate(1, async || {
        let fin = Seen::After(Duration::from_secs(30));
        let pair = Pair::with(1, LinkConfig { fin, ..Default::default() });
        let (mut client, mut server) = pair.connected().await;
        client.write_all(b"bye").await.unwrap();
        drop(client);
        assert_eq!(read_some(&mut server).await.unwrap(), b"bye");
        assert!(within(Duration::from_secs(29), read_some(&mut server)).await.is_none());
        let end = within(Duration::from_secs(2), read_some(&mut server)).await.unwrap();
        assert_eq!(end.unwrap(), b"");
    });
}

#[test]
fn a_reset_overtakes_a_late_end_of_stream() {
    simulate(1, async || {
        let fin = Seen::After(Duration::from_secs(30));
        let pair = Pair::with(1, LinkConfig { fin, ..Default::default() });
        let (client, mut server) = pair.connected().await;
        drop(client);
        server.write_all(b"anyone?").await.unwrap();
        let reset = within(millis(5), read_some(&mut server)).await.unwrap();
        assert_eq!(reset.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn an_end_of_stream_that_never_comes_leaves_the_peer_half_open() {
    simulate(1, async || {
        let pair = Pair::new();
        let (client, mut server) = pair.connected().await;
        let fault = pair.inject(link(LinkConfig { fin: Seen::Never, ..Default::default() }));
        drop(client);
        assert!(pair.took_effect(fault));
        assert!(within(Duration::from_secs(99), read_some(&mut server)).await.is_none());
        assert_eq!(pair.state(), Some(ConnectionState::HalfOpen));
        server.write_all(b"anyone?").await.unwrap();
        assert_eq!(failure(read_some(&mut server)).await, Some(io::ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_reader_that_pauses_fills_the_window_and_holds_the_writer() {
    simulate(1, async || {
        let pair = Pair::with(1, LinkConfig { window_bytes: 4, ..Default::default() });
        let (mut client, mut server) = pair.connected().await;
        let host = "hub".to_owned();
        let fault = pair.inject(Fault::PauseHostReading { host, lasts: Duration::from_secs(5) });
        let (connections, end) = (every(), End::Server);
        let lasts = Duration::from_secs(9);
        let longer = pair.inject(Fault::PauseReading { connections, end, lasts });
        assert!(within(millis(9), read_some(&mut server)).await.is_none());
        assert!(!pair.took_effect(fault), "nothing has arrived that could be read");
        let start = pair.net.elapsed();
        let write = client.write_all(b"12345678");
        let mut read = [0; 8];
        let (written, _) = tokio::join!(write, server.read_exact(&mut read));
        written.unwrap();
        assert_eq!(&read, b"12345678");
        assert!(pair.net.elapsed() - start >= millis(8900));
        assert!(pair.took_effect(fault) || pair.took_effect(longer));
    });
}

#[test]
fn a_machine_that_stands_still_matters_from_when_something_arrives() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, mut server) = pair.connected().await;
        let pause = || Fault::Pause { host: "hub".to_owned(), lasts: millis(100) };
        let idle = pair.inject(pause());
        assert!(within(millis(100), read_some(&mut server)).await.is_none());
        client.write_all(b"after it").await.unwrap();
        read_some(&mut server).await.unwrap();
        assert!(!pair.took_effect(idle));
        let fault = pair.inject(pause());
        client.write_all(b"in it").await.unwrap();
        read_some(&mut server).await.unwrap();
        assert!(pair.took_effect(fault));
    });
}

#[test]
fn healing_an_unharmed_network_has_no_effect() {
    simulate(1, async || {
        let pair = Pair::new();
        let _open = pair.connected().await;
        let idle = pair.inject(Fault::Heal);
        assert!(!pair.took_effect(idle));
        pair.inject(link(LinkConfig { latency: Duration::from_secs(9), ..Default::default() }));
        let needed = pair.inject(Fault::Heal);
        assert!(pair.took_effect(needed));
    });
}

#[test]
fn what_a_slow_link_carries_flows_once_it_is_healed() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, mut server) = pair.connected().await;
        pair.inject(link(LinkConfig { latency: Duration::from_secs(999), ..Default::default() }));
        client.write_all(b"soon").await.unwrap();
        pair.net.heal();
        assert!(within(millis(300), read_some(&mut server)).await.is_some());
    });
}

#[test]
fn faults_are_data() {
    let text = r#"[
        {"do": "stall", "from": "alice", "to": "hub", "lasts": "1s 500ms"},
        {"do": "link", "from": "hub", "to": "alice",
         "config": {"latency": "20ms", "loss_per_mille": 5, "fin": {"after": "3s"}}},
        {"do": "sever", "connections": {"latest": {"client": "alice", "server": "hub"}},
         "client_sees": {"when": "never", "ending": "reset"},
         "server_sees": {"when": {"after": "2s"}, "ending": "end_of_stream"}},
        {"do": "reset", "connections": {"id": 3}},
        {"do": "heal"}
    ]"#;
    let faults: Vec<Fault> = serde_json::from_str(text).unwrap();
    assert_eq!(faults[0], stall(millis(1500)));
    let again: Vec<Fault> = serde_json::from_str(&serde_json::to_string(&faults).unwrap()).unwrap();
    assert_eq!(faults, again);
    serde_json::from_str::<Fault>(r#"{"do": "stall", "from": "alice"}"#).unwrap_err();
}
