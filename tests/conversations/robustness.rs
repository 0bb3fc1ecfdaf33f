//! Whatever comes in whatever order: the hub never panics, keeps what must always hold, and is
//! empty once everyone is gone (I34).

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use signal_hub::hub::{CloseCause, SessionKey};

use crate::fixture::*;

#[derive(Debug, Clone)]
enum Step {
    Opens,
    Connects(u64),
    Asks(u64, Say),
    Tells(u64, Say),
    Frame(u64, Vec<u8>),
    TooLarge(u64),
    Pongs(u64),
    Drains(u64, usize, usize),
    Ends(u64, CloseCause),
    Waits(u64),
    /// The next input comes so much later, and no tick before it.
    Sleeps(u64),
    ShutsDown,
}

fn plays(hub: &mut Conversation, opened: &mut u64, step: Step) {
    // Steps name sessions by number; only those that were opened can do anything.
    let open = |session: u64| (session <= *opened).then_some(SessionKey(session));
    match step {
        Step::Opens => {
            hub.opens();
            *opened += 1;
        }
        Step::Connects(session) => drop(open(session).map(|key| hub.asks(key, connect()))),
        Step::Asks(session, words) => drop(open(session).map(|key| hub.asks(key, words))),
        Step::Tells(session, words) => drop(open(session).map(|key| hub.tells(key, words))),
        Step::Frame(session, bytes) => drop(open(session).map(|key| hub.frame(key, &bytes))),
        Step::TooLarge(session) => drop(open(session).map(|key| hub.too_large(key, 2_000_000))),
        Step::Pongs(session) => drop(open(session).map(|key| hub.pongs(key))),
        Step::Drains(session, messages, bytes) => {
            drop(open(session).map(|key| hub.drains(key, messages, bytes)));
        }
        Step::Ends(session, cause) => drop(open(session).map(|key| hub.ends(key, cause))),
        Step::Waits(wait) => drop(hub.after(milliseconds(wait))),
        Step::Sleeps(wait) => hub.unnoticed(milliseconds(wait)),
        Step::ShutsDown => drop(hub.shuts_down()),
    }
}

fn session() -> impl Strategy<Value = u64> {
    1..6u64
}

fn actor() -> impl Strategy<Value = &'static str> {
    select(&["alice", "bob", "carol/one", "cloudflare/signal-hub"][..])
}

fn topic() -> impl Strategy<Value = &'static str> {
    select(&["news", "art", "sub-1", "sub-2"][..])
}

fn wait() -> impl Strategy<Value = u64> {
    select(&[0, 1, 999, 4_000, 9_999, 10_000, 29_999, 30_000, 60_000, 400_000][..])
}

fn words() -> impl Strategy<Value = Say> {
    let token = select(&["token-1", "token-2", "token-3", "x"][..]);
    let data = || prop_oneof![Just(Value::Null), Just(json!("x".repeat(700)))];
    let words = prop_oneof![
        1 => Just(connect()),
        1 => Just(heartbeat()),
        1 => Just(disconnect()),
        6 => (actor(), 0..40u64).prop_map(|(name, ttl)| register_for(name, ttl)),
        2 => actor().prop_map(unregister),
        1 => Just(say("hub:unregister", Value::Null)),
        1 => Just(renew()),
        2 => token.prop_map(renew_with),
        6 => (actor(), data()).prop_map(|(to, data)| send(to, "chat", data)),
        4 => topic().prop_map(subscribe),
        2 => topic().prop_map(unsubscribe),
        2 => topic().prop_map(unsubscribe_id),
        6 => (topic(), data()).prop_map(|(topic, data)| publish(topic, "flash", data)),
        4 => (data(), any::<bool>()).prop_map(|(data, exclude)| {
            say("hub:broadcast", json!({ "type": "flash", "data": data, "excludeSelf": exclude }))
        }),
        1 => select(&["*", "b*", "*o*e", "@(alice)"][..]).prop_map(discover),
        1 => (0..3u64, 1..3u64).prop_map(|(offset, limit)| {
            say("hub:list_actors", json!({ "offset": offset, "limit": limit }))
        }),
        1 => select(&["hub:queue_stats", "hub:metrics"][..])
            .prop_map(|kind| say(kind, Value::Null)),
    ];
    let id = proptest::option::weighted(0.2, select(&["one", "two"][..]));
    (words, proptest::option::of(actor()), id).prop_map(|(words, from, id)| {
        let words = from.into_iter().fold(words, Say::from);
        id.into_iter().fold(words, |words, id| words.with("id", id))
    })
}

fn step() -> impl Strategy<Value = Step> {
    let causes =
        [CloseCause::Hub, CloseCause::Client, CloseCause::Lost, CloseCause::Protocol].to_vec();
    prop_oneof![
        4 => Just(Step::Opens),
        6 => session().prop_map(Step::Connects),
        30 => (session(), words()).prop_map(|(key, words)| Step::Asks(key, words)),
        10 => (session(), words()).prop_map(|(key, words)| Step::Tells(key, words)),
        2 => (session(), any::<Vec<u8>>()).prop_map(|(key, bytes)| Step::Frame(key, bytes)),
        1 => session().prop_map(Step::TooLarge),
        2 => session().prop_map(Step::Pongs),
        4 => (session(), 0..9usize, 0..9_000usize).prop_map(|(k, m, b)| Step::Drains(k, m, b)),
        2 => (session(), select(causes)).prop_map(|(key, cause)| Step::Ends(key, cause)),
        4 => wait().prop_map(Step::Waits),
        2 => wait().prop_map(Step::Sleeps),
        1 => Just(Step::ShutsDown),
    ]
}

/// A field as it may stand in a frame: right, wrong, or barely JSON.
fn raw_value() -> impl Strategy<Value = String> {
    let odd = [
        r#""@(alice)""#,
        r#""@(bob)""#,
        r#""news""#,
        r#""ask""#,
        r#""chat""#,
        r#""\ud800""#,
        r#""\u0000""#,
        r#"{"\ud800":1}"#,
        r#"{"topic":7,"publication":"yes","forwarded":[]}"#,
        r#"{"originalMessageId":{},"via":null}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"to":"@(alice)","topic":"news","type":"chat","data":1e999}"#,
        r#"{"actorAddress":"@(bob)","capabilities":["c"],"metadata":{"\udfff":[]}}"#,
        r#"{"timestamp":-1e999}"#,
        r#"{"targetCapability":"chat","pattern":"***","limit":100,"offset":18446744073709551615}"#,
        r#"{"type":"t","excludeSelf":true,"offset":-0,"limit":1e2,"capability":"\ud800"}"#,
        "{}",
        "null",
        "true",
        "7",
        "-0",
        "1e999",
        "18446744073709551615",
        "18446744073709551616",
        "[",
        "",
    ];
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let all: Vec<String> = odd.iter().map(|text| text.to_string()).chain([deep]).collect();
    select(all)
}

fn raw_frame() -> impl Strategy<Value = String> {
    let kinds = [
        "hub:connect",
        "hub:heartbeat",
        "hub:register",
        "hub:unregister",
        "hub:renew",
        "hub:send",
        "hub:subscribe",
        "hub:unsubscribe",
        "hub:publish",
        "hub:broadcast",
        "hub:discover",
        "hub:list_actors",
        "hub:queue_stats",
        "hub:metrics",
        "ping",
        "x",
    ];
    let fields =
        ["id", "from", "to", "pattern", "timestamp", "payload", "metadata", "ttl", "signature"];
    let whole = [
        ("id", r#""m""#),
        ("from", r#""@(alice)""#),
        ("to", r#""@(bob)""#),
        ("pattern", r#""ask""#),
        ("timestamp", "1000000000"),
        ("payload", r#"{"to":"@(bob)","topic":"news","type":"chat","data":1e999}"#),
        ("metadata", "{}"),
    ];
    let wrong = proptest::collection::btree_map(select(fields.to_vec()), raw_value(), 0..3);
    (select(kinds.to_vec()), wrong).prop_map(move |(kind, wrong)| {
        let right = whole.iter().filter(|(field, _)| !wrong.contains_key(field));
        let right = right.map(|(field, value)| format!(r#""{field}":{value}"#));
        let wrong = wrong.iter().map(|(field, value)| format!(r#""{field}":{value}"#));
        let fields: Vec<String> = right.chain(wrong).collect();
        format!(r#"{{"type":"{kind}",{}}}"#, fields.join(","))
    })
}

fn runs() -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(1);
    ProptestConfig { cases: 256, rng_seed, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(runs())]

    #[test]
    fn any_order_of_inputs_comes_to_rest(steps in proptest::collection::vec(step(), 1..120)) {
        let mut hub = Conversation::with(|config| {
            (config.rate_limit_per_second, config.rate_limit_burst) = (5, 20);
            config.queue_messages_max = 4;
            config.queue_bytes_max = 4_000;
            (config.pause_threshold, config.resume_threshold) = (2, 1);
            config.dedupe_entries_max = 3;
            config.sessions_max = 5;
            config.registrations_max = 2;
            config.addresses_per_session_max = 1;
            config.subscriptions_per_session_max = 2;
        });
        for name in ["alice", "bob", "carol/one"] {
            hub.connected(name);
        }
        let mut opened = 3;
        for step in steps {
            plays(&mut hub, &mut opened, step);
        }
        hub.comes_to_rest();
    }

    #[test]
    fn any_frame_is_answered_or_ignored(frames in proptest::collection::vec(raw_frame(), 1..20)) {
        let mut hub = Conversation::with(|config| config.malformed_per_minute_max = 100);
        let alice = hub.subscribed("alice", "news");
        hub.subscribed("bob", "news");
        for frame in frames {
            hub.swallows(alice, frame.as_bytes());
        }
        hub.comes_to_rest();
    }

    #[test]
    fn any_bytes_are_answered_or_ignored(frames in any::<Vec<Vec<u8>>>()) {
        let mut hub = Conversation::new();
        let alice = hub.registered("alice");
        for frame in frames {
            hub.swallows(alice, &frame);
        }
        hub.comes_to_rest();
    }
}
