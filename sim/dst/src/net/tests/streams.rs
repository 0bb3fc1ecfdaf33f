//! Bytes between two hosts that nothing is wrong with.

use std::io::IoSlice;

use super::*;

#[test]
fn a_vectored_write_is_one_segment() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, mut server) = pair.connected().await;
        let slices = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 8);
        assert_eq!(read_some(&mut server).await.unwrap(), b"headbody");
    });
}

#[test]
fn split_halves_echo_a_megabyte() {
    simulate(1, async || {
        let pair = Pair::with(1, LinkConfig { window_bytes: 1000, ..Default::default() });
        let (client, server) = pair.connected().await;
        Current::current().spawn(Box::pin(async move {
            let (mut reader, mut writer) = tokio::io::split(server);
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        }));
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (mut reader, mut writer) = tokio::io::split(client);
        let mut echoed = Vec::new();
        let write = async {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        tokio::join!(write, async { reader.read_to_end(&mut echoed).await.unwrap() });
        assert!(sent == echoed, "the echo differs");
    });
}

#[test]
fn a_full_window_holds_the_writer_until_the_reader_reads() {
    simulate(1, async || {
        let pair = Pair::with(1, LinkConfig { window_bytes: 10, ..Default::default() });
        let (mut client, mut server) = pair.connected().await;
        client.write_all(b"0123456789").await.unwrap();
        assert!(within(Duration::from_secs(9), client.write(b"abcdef")).await.is_none());
        let mut four = [0; 4];
        server.read_exact(&mut four).await.unwrap();
        assert_eq!(client.write(b"abcdef").await.unwrap(), 4);
        assert_eq!(read_some(&mut server).await.unwrap(), b"456789");
        assert_eq!(read_some(&mut server).await.unwrap(), b"abcd");
    });
}

#[test]
fn after_a_half_close_the_other_direction_still_works() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, mut server) = pair.connected().await;
        client.write_all(b"last").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(failure(client.write(b"more")).await, Some(io::ErrorKind::BrokenPipe));
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"last");
        server.write_all(b"reply").await.unwrap();
        assert_eq!(read_some(&mut client).await.unwrap(), b"reply");
        assert_eq!(pair.state(), Some(ConnectionState::Closing));
    });
}

#[test]
fn a_dropped_stream_ends_the_peer_and_resets_it_if_it_writes_on() {
    simulate(1, async || {
        let pair = Pair::new();
        let (client, mut server) = pair.connected().await;
        drop(client);
        assert_eq!(read_some(&mut server).await.unwrap(), b"");
        server.write_all(b"into the void").await.unwrap();
        assert_eq!(failure(read_some(&mut server)).await, None);
        sleep(millis(3)).await;
        assert_eq!(failure(server.write(b"more")).await, Some(io::ErrorKind::ConnectionReset));
        drop(server);
        assert_eq!(pair.state(), None);
        let lines = pair.lines();
        assert_eq!(lines[0], "c1 opened alice -> hub:80");
        assert_eq!(lines[1], "c1 established");
        assert_eq!(lines[2], "c1 client sent FIN");
        assert_eq!(lines[3], "c1 server sees FIN");
        assert!(lines[4].starts_with("c1 server sent 13 bytes "));
        assert_eq!(lines[5..], ["c1 server sees reset", "c1 closed"]);
    });
}

#[test]
fn once_stopped_and_killed_a_run_leaves_nothing_behind() {
    let alive = simulate(1, async || {
        let pair = Pair::new();
        let (client, mut server) = pair.connected().await;
        let token = Arc::new(());
        let watched = Arc::downgrade(&token);
        let node = Current::current().node("alice");
        node.spawn(Box::pin(async move {
            let _token = token;
            let _client = client;
            read_some(&mut server).await.unwrap();
        }));
        sleep(millis(5)).await;
        let world = Arc::downgrade(&pair.net.shared);
        node.kill();
        drop(pair);
        move || (watched.strong_count(), world.strong_count())
    });
    assert_eq!(alive(), (0, 0));
}
