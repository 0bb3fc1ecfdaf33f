//! Hosts that die, and what their peers see of it.

use super::*;

fn crash_hub(pair: &Pair, peers: Peers) -> FaultId {
    pair.net.crash("hub", peers).unwrap()
}

#[test]
fn peers_of_a_process_that_dies_see_a_reset() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, server) = pair.connected().await;
        let fault = crash_hub(&pair, Peers::SeeReset);
        drop(server);
        assert!(pair.took_effect(fault));
        assert_eq!(failure(read_some(&mut client)).await, Some(io::ErrorKind::ConnectionReset));
        assert_eq!(failure(pair.connect()).await, Some(io::ErrorKind::ConnectionRefused));
        assert!(!pair.lines().iter().any(|line| line.contains("FIN")));
    });
}

#[test]
fn peers_of_a_machine_that_dies_see_nothing_until_they_write_to_the_next_one() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, server) = pair.connected().await;
        crash_hub(&pair, Peers::SeeNothing);
        drop(server);
        client.write_all(b"hello?").await.unwrap();
        let silence = Duration::from_secs(99);
        assert!(within(silence, read_some(&mut client)).await.is_none());
        assert!(within(silence, pair.connect()).await.is_none());
        assert_eq!(pair.state(), Some(ConnectionState::HalfOpen));
        let _restarted = pair.listen();
        let reset = within(millis(300), read_some(&mut client)).await.unwrap();
        assert_eq!(reset.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        pair.connect().await.unwrap();
    });
}

#[test]
fn an_old_connection_that_is_silent_stays_half_open_after_a_restart() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, server) = pair.connected().await;
        crash_hub(&pair, Peers::SeeNothing);
        drop(server);
        let _restarted = pair.listen();
        assert!(within(Duration::from_secs(99), read_some(&mut client)).await.is_none());
        client.write_all(b"hello?").await.unwrap();
        let reset = within(millis(5), read_some(&mut client)).await.unwrap();
        assert_eq!(reset.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn the_streams_and_listeners_of_a_host_that_crashed_are_dead() {
    simulate(1, async || {
        let pair = Pair::new();
        let mut listener = pair.listen();
        let (client, server) = tokio::join!(pair.connect(), listener.accept());
        let (_client, mut server) = (client.unwrap(), server.unwrap().0);
        crash_hub(&pair, Peers::SeeReset);
        let aborted = Some(io::ErrorKind::ConnectionAborted);
        assert_eq!(failure(read_some(&mut server)).await, aborted);
        assert_eq!(failure(server.write(b"x")).await, aborted);
        assert_eq!(failure(listener.accept()).await, aborted);
        let _next = pair.listen();
        drop(listener);
        pair.connect().await.unwrap();
    });
}

#[test]
fn a_killed_node_tells_its_peers_nothing_after_the_crash() {
    simulate(1, async || {
        let pair = Pair::new();
        let node = madsim::runtime::Handle::current().create_node().name("hub").build();
        let mut listener = pair.listen();
        node.spawn(async move {
            let (mut server, _) = listener.accept().await.unwrap();
            read_some(&mut server).await.unwrap();
        });
        let mut client = pair.connect().await.unwrap();
        crash_hub(&pair, Peers::SeeNothing);
        madsim::runtime::Handle::current().kill(node.id());
        assert!(within(Duration::from_secs(99), read_some(&mut client)).await.is_none());
    });
}

#[test]
fn a_crash_of_a_host_without_streams_has_no_effect() {
    simulate(1, async || {
        let pair = Pair::new();
        let fault = crash_hub(&pair, Peers::SeeReset);
        assert!(!pair.took_effect(fault));
        let unknown = pair.net.crash("nowhere", Peers::SeeReset);
        assert_eq!(unknown, Err(FaultError::UnknownHost("nowhere".to_owned())));
    });
}
