//! What is left to the tasks of a host that died.

use super::*;

fn crash_hub(pair: &Pair, peers: Peers) -> FaultId {
    pair.net.crash("hub", peers).unwrap()
}

#[test]
fn the_streams_and_listeners_of_a_host_that_crashed_are_dead() {
    simulate(1, async || {
        let pair = Pair::new();
        let listener = pair.listen();
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
        let node = Current::current().node("hub");
        let listener = pair.listen();
        node.spawn(Box::pin(async move {
            let (mut server, _) = listener.accept().await.unwrap();
            read_some(&mut server).await.unwrap();
        }));
        let mut client = pair.connect().await.unwrap();
        crash_hub(&pair, Peers::SeeNothing);
        node.kill();
        assert!(within(Duration::from_secs(99), read_some(&mut client)).await.is_none());
    });
}
