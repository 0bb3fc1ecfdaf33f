//! Where hosts, their ports and their listeners are found.

use super::*;

#[test]
fn a_connect_takes_a_round_trip() {
    simulate(1, async || {
        let pair = Pair::with(1, LinkConfig { latency: millis(10), ..Default::default() });
        let (client, server) = pair.connected().await;
        assert!((millis(20)..millis(21)).contains(&pair.net.elapsed()));
        assert_eq!(client.peer_address(), "10.0.0.2:80".parse().unwrap());
        assert_eq!(server.peer_address(), client.local_address());
        assert_eq!(client.connection(), ConnectionId(1));
        assert_eq!(pair.state(), Some(ConnectionState::Open));
    });
}

#[test]
fn a_host_goes_by_its_name_its_address_and_from_itself_by_localhost() {
    simulate(1, async || {
        let pair = Pair::new();
        let listener = pair.listen();
        for (host, authority) in [
            (&pair.client, "hub:80"),
            (&pair.client, "10.0.0.2:80"),
            (&pair.server, "localhost:80"),
            (&pair.server, "127.0.0.1:80"),
        ] {
            let (client, server) = tokio::join!(host.connect(authority), listener.accept());
            assert_eq!(client.unwrap().connection(), server.unwrap().0.connection());
        }
        let nowhere = failure(pair.client.connect("nowhere:80")).await;
        assert_eq!(nowhere, Some(io::ErrorKind::NotFound));
        let portless = failure(pair.client.connect("hub")).await;
        assert_eq!(portless, Some(io::ErrorKind::InvalidInput));
    });
}

#[test]
fn port_zero_chooses_a_port_and_a_taken_one_is_refused() {
    simulate(1, async || {
        let pair = Pair::new();
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let (one, two) = (pair.server.listen(any).unwrap(), pair.server.listen(any).unwrap());
        assert_ne!(one.local_address(), two.local_address());
        let taken = pair.server.listen(one.local_address()).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        let foreign = pair.client.listen(one.local_address()).unwrap_err();
        assert_eq!(foreign.kind(), io::ErrorKind::AddrNotAvailable);
        let free_again = one.local_address();
        drop(one);
        pair.server.listen(free_again).unwrap();
    });
}

#[test]
fn a_listener_that_is_dropped_resets_those_who_were_not_accepted() {
    simulate(1, async || {
        let pair = Pair::new();
        let listener = pair.listen();
        let mut client = pair.connect().await.unwrap();
        drop(listener);
        assert_eq!(failure(read_some(&mut client)).await, Some(io::ErrorKind::ConnectionReset));
        assert_eq!(failure(pair.connect()).await, Some(io::ErrorKind::ConnectionRefused));
    });
}
