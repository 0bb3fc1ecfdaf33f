//! Bytes in order whatever happens, and the same events for the same seed.

use super::*;
use crate::hash::stable_hash;

/// Loss, jitter, little bandwidth, a small window, a stall and a partition at once.
async fn storm(seed: u64) -> (Vec<NetEvent>, Vec<u8>) {
    let rough = LinkConfig {
        latency: millis(5),
        jitter: millis(20),
        bytes_per_second: Some(200_000),
        window_bytes: 4000,
        segment_bytes_max: 700,
        loss_per_mille: 100,
        ..Default::default()
    };
    let pair = Pair::with(seed, rough);
    let (mut client, mut server) = pair.connected().await;
    let node = Current::current().node("alice");
    node.spawn(Box::pin(async move {
        for number in 0_u32..5000 {
            client.write_all(&number.to_be_bytes()).await.unwrap();
        }
    }));
    let net = pair.net.clone();
    node.spawn(Box::pin(async move {
        let (from, to) = ("alice".to_owned(), "hub".to_owned());
        sleep(millis(300)).await;
        net.inject(Fault::Stall { from, to, lasts: millis(500) }).unwrap();
        sleep(millis(700)).await;
        net.inject(partition(Ways::BothWays)).unwrap();
        sleep(millis(900)).await;
        net.heal();
    }));
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await.unwrap();
    (pair.events.lock().unwrap().clone(), bytes)
}

#[test]
fn bytes_stay_in_order_in_a_storm() {
    for seed in 0..20 {
        let (events, bytes) = simulate(seed, move || storm(seed));
        let expected: Vec<u8> = (0_u32..5000).flat_map(u32::to_be_bytes).collect();
        assert!(bytes == expected, "seed {seed}: other bytes or another order");
        assert!(events.is_sorted_by_key(|event| event.at), "seed {seed}: time ran backwards");
    }
}

#[test]
fn the_same_seed_gives_the_same_events_and_another_seed_others() {
    let (one, _) = simulate(7, || storm(7));
    let (two, _) = simulate(7, || storm(7));
    let (other, _) = simulate(8, || storm(8));
    assert!(one == two, "two runs of one seed differ");
    assert!(one != other, "two seeds gave the same run");
}

/// Compared with a constant, so that it holds in other processes and builds too.
#[test]
fn the_events_of_a_seed_never_change() {
    let (events, _) = simulate(7, || storm(7));
    let text: String = events.iter().map(|event| format!("{event}\n")).collect();
    // Another executor has tasks in another order.
    let hash = if cfg!(madsim) { 0x9e00_8e58_b32f_9c31 } else { 0x9bf1_accf_eb40_f3d4 };
    assert_eq!(stable_hash(text.as_bytes()), hash);
}

#[test]
fn a_sink_may_use_the_network() {
    simulate(1, async || {
        let slot: Arc<Mutex<Option<Net>>> = Arc::default();
        let used = slot.clone();
        let sink = move |event: NetEvent| {
            if let NetEventKind::Established { connection } = event.kind
                && let Some(net) = &*used.lock().unwrap()
            {
                net.inject(Fault::Reset { connections: Choice::Id(connection) }).unwrap();
            }
        };
        let net = Net::new(1, LinkConfig::default(), Box::new(sink));
        *slot.lock().unwrap() = Some(net.clone());
        let (client, server) = (net.host("alice"), net.host("hub"));
        let _listener = server.listen(SocketAddr::from(([0, 0, 0, 0], PORT))).unwrap();
        let reset = failure(client.connect("hub:80")).await;
        assert_eq!(reset, Some(io::ErrorKind::ConnectionReset));
        slot.lock().unwrap().take();
        net.stop();
    });
}
