//! Faults as data, and what tasks that wait notice of them.

use super::*;

#[test]
fn whoever_reads_is_woken_when_it_may_go_on() {
    simulate(1, async || {
        let pair = Pair::new();
        let (mut client, mut server) = pair.connected().await;
        let lasts = Duration::from_secs(5);
        let paused = Fault::PauseReading { connections: every(), end: End::Server, lasts };
        let fault = pair.inject(paused);
        let start = pair.net.elapsed();
        client.write_all(b"one").await.unwrap();
        assert_eq!(read_some(&mut server).await.unwrap(), b"one");
        let held = pair.net.elapsed() - start;
        assert!(lasts <= held && held < lasts + millis(1), "{held:?}");
        assert!(pair.took_effect(fault));
        let reset = async {
            sleep(millis(50)).await;
            pair.inject(Fault::Reset { connections: every() });
        };
        let (failed, ()) = tokio::join!(failure(read_some(&mut server)), reset);
        assert_eq!(failed, Some(io::ErrorKind::ConnectionReset));
    });
}

#[test]
fn whoever_writes_is_woken_when_it_may_go_on() {
    simulate(1, async || {
        let pair = Pair::with(1, LinkConfig { window_bytes: 4, ..Default::default() });
        let (mut client, _server) = pair.connected().await;
        client.write_all(b"full").await.unwrap();
        let wider = async {
            sleep(millis(50)).await;
            pair.inject(link(LinkConfig { window_bytes: 6, ..Default::default() }));
        };
        let (written, ()) = tokio::join!(within(millis(60), client.write(b"more")), wider);
        assert_eq!(written.unwrap().unwrap(), 2);
        let reset = async {
            sleep(millis(50)).await;
            pair.inject(Fault::Reset { connections: every() });
        };
        let (failed, ()) = tokio::join!(failure(client.write(b"more")), reset);
        assert_eq!(failed, Some(io::ErrorKind::ConnectionReset));
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
