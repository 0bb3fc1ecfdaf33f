//! Our own client, on real sockets, before hubs that behave badly.

use std::sync::{Arc, Mutex};

use signal_hub::client::{ClientError, Ending, Events, SendOutcome};
use signal_hub::protocol::Json;
use tokio::sync::oneshot;

use super::*;

/// What a client does with a hub, and what the hub tells of it.
fn play<F: Future<Output = ()>>(
    script: &str,
    client: impl FnOnce(Client, Events) -> F,
) -> (Vec<String>, Vec<usize>) {
    let script = read(script).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = {
        let told = Arc::clone(&told);
        move |line: &str| told.lock().unwrap().push(line.to_owned())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let left = runtime.block_on(async {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let hub = ScriptedHub::bind(anywhere, script, tell).await.unwrap();
        let config = ClientConfig {
            backoff_min: Duration::from_millis(1),
            backoff_max: Duration::from_millis(1),
            ..ClientConfig::for_actor(hub.url().unwrap().parse().unwrap(), bob())
        };
        let (done, end) = oneshot::channel::<()>();
        let stop = async { drop(end.await) };
        let acts = async {
            let (ours, events) = Client::connect(Tokio, config);
            client(ours, events).await;
            drop(done);
        };
        tokio::join!(hub.run(stop), acts).0
    });
    let told = told.lock().unwrap().clone();
    (told, left)
}

fn bob() -> ActorAddress {
    "@(bob)".parse().unwrap()
}

async fn registered(events: &mut Events) -> bool {
    loop {
        if let Event::Registered { resumed, .. } = events.next().await.expect("it lives on") {
            return resumed;
        }
    }
}

async fn ending(events: &mut Events) -> Ending {
    loop {
        if let Event::Ended { why } = events.next().await.expect("it has not ended") {
            return why;
        }
    }
}

#[test]
fn a_client_comes_back_from_a_refused_upgrade() {
    let script = r#"{"rules": [{"on": "connect", "times": 2, "do": "refuse", "status": 503}]}"#;
    let (told, left) = play(script, async |_client, mut events| {
        for _ in 0..2 {
            let Some(Event::ConnectFailed { why, .. }) = events.next().await else { panic!() };
            assert!(why.to_string().contains("503"), "{why}");
        }
        registered(&mut events).await;
    });
    let refused =
        |number: u64| [format!("{number} > connect"), format!("{number} ! refuse (rule 1)")];
    assert_eq!(told[..4], [refused(1), refused(2)].concat());
    assert_eq!(
        told[4..],
        [
            "3 > connect",
            "3 > hub:connect",
            "3 < hub:connected",
            "3 > hub:register",
            "3 < hub:registered"
        ]
    );
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_late_close_of_a_connection_takes_nothing_from_the_next() {
    let script = r#"{"rules": [{"on": "hub:registered", "times": 1, "do": "reset", "hub_learns_after": "300ms"}]}"#;
    let (_, left) = play(script, async |client, mut events| {
        registered(&mut events).await;
        Tokio.sleep(Duration::from_millis(500)).await;
        let outcome = client.ask_send(bob(), "note", Json::EMPTY_OBJECT).await;
        assert!(matches!(outcome, Ok(SendOutcome::Delivered(_))), "{outcome:?}");
    });
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_client_whose_address_is_taken_ends() {
    let script = r#"{"rules": [{"on": "hub:registered", "do": "take_over", "address": "@(bob)"}]}"#;
    let (told, left) = play(script, async |_client, mut events| {
        assert_eq!(ending(&mut events).await, Ending::DuplicateConnection);
    });
    assert!(told.contains(&"1 < hub:disconnect".to_owned()), "{told:?}");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_request_gets_the_error_of_the_script() {
    let script = r#"{"rules": [{"on": "hub:send", "do": "error", "code": "rate_limited", "retry_after": "2s"}]}"#;
    let (told, _) = play(script, async |client, mut events| {
        registered(&mut events).await;
        let outcome = client.ask_send(bob(), "note", Json::EMPTY_OBJECT).await;
        let Err(ClientError::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(refusal.code.as_str(), "rate_limited");
        assert!(format!("{refusal:?}").contains("wait: 2s"), "{refusal:?}");
    });
    let told = told.iter().filter(|line| line.contains("note") || line.contains("delivery"));
    assert_eq!(told.count(), 0, "the hub heard of it");
}

#[test]
fn a_connection_that_is_half_open_is_given_up() {
    let script = r#"{
        "hub": {"heartbeat_interval": "100ms", "ping_interval": "100ms", "idle_timeout": "1s"},
        "rules": [{"on": "hub:registered", "times": 1, "do": "half_open"}]}"#;
    let (told, _) = play(script, async |_client, mut events| {
        registered(&mut events).await;
    });
    assert!(told.contains(&"2 > connect".to_owned()), "{told:?}");
}

#[test]
fn a_close_frame_says_what_the_script_says() {
    let script =
        r#"{"rules": [{"on": "hub:register", "do": "close", "code": 4002, "reason": "later"}]}"#;
    let (_, left) = play(script, async |_client, mut events| {
        assert_eq!(ending(&mut events).await, Ending::VersionMismatch);
    });
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_same_client_meets_the_same_each_time() {
    let script = r#"{"rules": [{"on": "connect", "skip": 1, "times": 1, "do": "reset"},
        {"on": "hub:connected", "times": 1, "do": "say", "text": "no frame at all"},
        {"on": "hub:register", "times": 1, "do": "reset"},
        {"on": "hub:send", "times": 1, "do": "drop"},
        {"on": "hub:delivery_ack", "times": 1, "do": "repeat"}]}"#;
    let told = || {
        let (told, left) = play(script, async |client, mut events| {
            registered(&mut events).await;
            client.send(bob(), "note", Json::EMPTY_OBJECT).await.unwrap();
            let outcome = client.ask_send(bob(), "note", Json::EMPTY_OBJECT).await;
            assert!(matches!(outcome, Ok(SendOutcome::Delivered(_))), "{outcome:?}");
        });
        assert!(left.is_empty(), "{left:?}");
        told
    };
    assert_eq!(told(), told());
}
