//! Scenarios at random, a few steps each: connections that contend for the same few names, with all
//! that can be said and all bounds within reach. A hub is quick to show that it is wrong when
//! everything happens close together.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use signal_hub::hub::Config;
use signal_hub::protocol::Topic;
use signal_hub_sim::net::{Choice, End, Fault, LinkConfig, Seen};
use signal_hub_sim::scenario::{
    Act, Action, Actor, ActorKind, Clients, ConnectionAct, HUB_HOST, HubAction, ProcessAct,
    Scenario, Speech, Step, Token, What, When, WhichPosition, WhichToken, Who,
};

use super::tokens::{shown, tokens};

/// Who has a client, and who only connections.
pub const CLIENT: &str = "alice";
pub const RAW: [&str; 2] = ["bob", "carol"];
const CONNECTIONS: u32 = 2;
const NAMES: [&str; 6] = ["alice", "bob", "carol", "bob/desk", "carol/desk", "nobody"];
const TOPICS: [&str; 3] = ["news", "sports", "chess"];
/// What hubs call themselves; nobody may be that.
const HUB: &str = "cloudflare/signal-hub";

/// Any scenario.
pub fn scenarios() -> impl Strategy<Value = Scenario> {
    let clients =
        (1..20_u64, prop_oneof![2 => Just(BTreeMap::new()), 1 => tokens()], any::<bool>());
    let done = (weighted(0.6, Just(WhichPosition::Begin)), vec((pause(), what()), 10..70));
    (any::<u32>(), hub(), network(), clients, done).prop_map(
        |(seed, hub, network, (ttl, tokens, client_recovers), (recovery, done))| {
            let client = Actor::client(CLIENT);
            let raw = RAW.map(|name| Actor { kind: ActorKind::Raw, ..Actor::client(name) });
            Scenario {
                seed: seed.into(),
                hub,
                network,
                clients: Clients {
                    registration_ttl: Duration::from_secs(ttl),
                    tokens,
                    recovering: client_recovers.then(|| CLIENT.to_owned()).into_iter().collect(),
                    store: None,
                },
                actors: std::iter::once(client).chain(raw).collect(),
                races: Some("steps at random".to_owned()),
                steps: steps(recovery, done),
                ..Scenario::default()
            }
        },
    )
}

/// Everybody is there first, and recovers or not; then comes what is done, each after its pause.
fn steps(recovery: Option<WhichPosition>, done: Vec<(Duration, What)>) -> Vec<Step> {
    let mut at = Duration::from_millis(20);
    let mut steps = Vec::new();
    for who in connections() {
        let token = Some(Token::default().into());
        let connect = Action::Connect { protocol_version: None, token };
        steps.push(Step::at(at, who.clone(), connect));
        steps.push(Step::at(
            at,
            who,
            Action::Register { address: None, ttl: None, renew_on_heartbeat: false, recovery },
        ));
        at += Duration::from_millis(20);
    }
    for (pause, what) in done {
        at += pause;
        steps.push(Step { when: When::At(at), what });
    }
    // What was done last takes its course.
    steps.push(Step::fault(at + Duration::from_secs(10), Fault::Heal));
    steps
}

fn connections() -> Vec<Who> {
    let raw = |name: &str, number| Who::Raw(name.to_owned(), number);
    RAW.iter().flat_map(|name| (1..=CONNECTIONS).map(move |number| raw(name, number))).collect()
}

pub fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn pause() -> impl Strategy<Value = Duration> {
    prop_oneof![6 => millis(0..20), 3 => millis(0..500), 1 => millis(500..6_000)]
}

fn network() -> impl Strategy<Value = LinkConfig> {
    (millis(1..20), 1_024..8_192_usize).prop_map(|(latency, window_bytes)| LinkConfig {
        latency,
        window_bytes,
        ..LinkConfig::default()
    })
}

/// Each bound is far away or near.
fn hub() -> impl Strategy<Value = Config> {
    let near = |bound: std::ops::Range<usize>| weighted(0.2, bound);
    let queue = (4..12_usize, near(1_024..4_096), millis(500..3_000));
    let times = (millis(500..2_000), millis(2_000..8_000), millis(0..6_000), millis(0..6_000));
    let bounds = (near(3..6), near(2..5), near(1..4), near(1..4), near(1..5), near(1..4));
    let limit = weighted(0.3, (1..5_u32, 1..10_u32));
    let few = prop_oneof![5 => Just(None), 1 => Just(Some(0)), 4 => (1..3_usize).prop_map(Some)];
    let kept = (few, near(1_024..6_000), near(1_024..9_000));
    (queue, times, bounds, limit, kept).prop_map(|(queue, times, bounds, limit, kept)| {
        let (queue_messages_max, queue_bytes_max, slow_consumer_timeout) = queue;
        let (connect_timeout, idle_timeout, resume_window, dedupe_window) = times;
        let (sessions, registrations, subscriptions, recipients, malformed, outcomes) = bounds;
        let (kept, kept_bytes, kept_in_all) = kept;
        let plenty = Config::default();
        let round =
            |window: Duration| if window.as_millis() < 600 { Duration::ZERO } else { window };
        Config {
            queue_messages_max,
            queue_bytes_max: queue_bytes_max.unwrap_or(plenty.queue_bytes_max),
            pause_threshold: queue_messages_max / 2,
            resume_threshold: queue_messages_max / 4,
            slow_consumer_timeout,
            connect_timeout,
            idle_timeout,
            ping_interval: Duration::from_secs(1),
            heartbeat_interval: Duration::from_secs(1),
            resume_window: round(resume_window),
            dedupe_window: round(dedupe_window),
            sessions_max: sessions.unwrap_or(plenty.sessions_max),
            registrations_max: registrations.unwrap_or(plenty.registrations_max),
            addresses_per_session_max: subscriptions.unwrap_or(plenty.addresses_per_session_max),
            subscriptions_per_session_max: subscriptions
                .unwrap_or(plenty.subscriptions_per_session_max),
            dedupe_entries_max: outcomes.unwrap_or(plenty.dedupe_entries_max),
            dedupe_entries_per_address_max: outcomes.map_or(8_000, |most| most.div_ceil(2)),
            broadcast_recipients_max: recipients.unwrap_or(plenty.broadcast_recipients_max),
            malformed_per_minute_max: malformed
                .map_or(plenty.malformed_per_minute_max, |most| most as u32),
            message_bytes_max: 3_000,
            rate_limit_per_second: limit.map_or(plenty.rate_limit_per_second, |(rate, _)| rate),
            rate_limit_burst: limit.map_or(plenty.rate_limit_burst, |(_, burst)| burst),
            rate_limit_bytes: limit.map_or(plenty.rate_limit_bytes, |_| 700),
            rate_limit_rows: limit.map_or(plenty.rate_limit_rows, |_| 2),
            ping_limit_per_second: limit.map_or(plenty.ping_limit_per_second, |(rate, _)| rate),
            ping_limit_burst: limit.map_or(plenty.ping_limit_burst, |(_, burst)| burst),
            recovery_messages_max: kept.unwrap_or(plenty.recovery_messages_max),
            recovery_bytes_max: kept_bytes.unwrap_or(plenty.recovery_bytes_max),
            recovery_total_bytes_max: kept_in_all.unwrap_or(plenty.recovery_total_bytes_max),
            ..plenty
        }
    })
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        30 => (select(connections()), weighted(0.1, name()), raw_act())
            .prop_map(|(who, speaker, act)| What::Act { who, speaker, act }),
        6 => client_act().prop_map(|act| What::Act {
            who: Who::Client(CLIENT.to_owned()),
            speaker: None,
            act,
        }),
        1 => trouble(),
    ]
}

fn name() -> impl Strategy<Value = String> {
    select(&NAMES).prop_map(str::to_owned)
}

fn topic() -> impl Strategy<Value = Topic> {
    select(&TOPICS).prop_map(|name| Topic::parse(name).expect("its topics are topics"))
}

fn speech() -> impl Strategy<Value = Speech> {
    let padding = prop_oneof![3 => Just(0_usize), 1 => 500..2_500_usize];
    let not_queued = proptest::bool::weighted(0.1);
    (padding, weighted(0.2, millis(1..2_000)), not_queued)
        .prop_map(|(padding, ttl, not_queued)| Speech { text: None, padding, ttl, not_queued })
}

/// What clients and connections can do.
fn action() -> impl Strategy<Value = Action> {
    let register = (weighted(0.4, name()), weighted(0.4, 1..5_u64)).prop_map(|(address, ttl)| {
        let renew_on_heartbeat = ttl.is_some_and(|seconds| seconds % 2 == 0);
        Action::Register {
            address,
            ttl: ttl.map(Duration::from_secs),
            renew_on_heartbeat,
            recovery: None,
        }
    });
    let ask = (name(), weighted(0.3, select(vec!["one".to_owned(), "two".to_owned()])), speech());
    prop_oneof![
        4 => (name(), speech()).prop_map(|(to, speech)| Action::Tell { to, speech }),
        4 => ask.prop_map(|(to, id, speech)| Action::Ask { to, id, speech }),
        4 => (any::<bool>(), speech())
            .prop_map(|(exclude_self, speech)| Action::Broadcast { exclude_self, speech }),
        4 => (topic(), speech()).prop_map(|(topic, speech)| Action::Publish { topic, speech }),
        4 => topic().prop_map(|topic| Action::Subscribe { topic, durable: false }),
        1 => topic().prop_map(|topic| Action::Unsubscribe { topic, by_id: false }),
        5 => register,
        1 => of(name()).prop_map(|address| Action::Unregister { address }),
        1 => Just(Action::Discover { pattern: Some("bob*".to_owned()) }),
        1 => Just(Action::ListActors),
        1 => Just(Action::QueueStats),
        1 => Just(Action::Metrics),
        2 => shown().prop_map(|token| Action::RefreshToken { token }),
        1 => Just(Action::Disconnect),
    ]
}

/// The same, or what befalls their connection.
fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        32 => action().prop_map(Act::Do),
        1 => seen().prop_map(|hub_sees| ConnectionAct::Reconnect { hub_sees }.into()),
        3 => millis(100..4_000).prop_map(|lasts| ConnectionAct::PauseReading { lasts }.into()),
    ]
}

fn position() -> impl Strategy<Value = WhichPosition> {
    prop_oneof![
        2 => Just(WhichPosition::Begin),
        6 => Just(WhichPosition::Latest),
        4 => Just(WhichPosition::Start),
        1 => Just(WhichPosition::Ahead),
        2 => Just(WhichPosition::Before),
        1 => Just(WhichPosition::Foreign),
    ]
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![Just(Seen::Now), Just(Seen::Never), millis(10..5_000).prop_map(Seen::After)]
}

fn raw_act() -> impl Strategy<Value = Act> {
    let version =
        weighted(0.1, select(vec!["0.9.7".to_owned(), "1.0.0".to_owned(), "0".to_owned()]));
    let token = select(vec![WhichToken::Latest, WhichToken::Used, WhichToken::None]);
    let action = prop_oneof![
        4 => (version, of(shown()))
            .prop_map(|(protocol_version, token)| Action::Connect { protocol_version, token }),
        2 => (of(name()), token).prop_map(|(address, token)| Action::Renew { address, token }),
        6 => (weighted(0.2, name()), position()).prop_map(|(address, position)| Action::Register {
            address,
            ttl: None,
            renew_on_heartbeat: false,
            recovery: Some(position),
        }),
        4 => (weighted(0.2, name()), position())
            .prop_map(|(address, position)| Action::Recover { address, position }),
        2 => Just(Action::Open),
        1 => Just(Action::Close),
        1 => Just(Action::Ping),
        1 => Just(Action::Heartbeat),
        12 => envelope().prop_map(|envelope| Action::Write { text: envelope.to_string() }),
        1 => select(vec!["", "{", "[]", "{\"id\":\"odd\"}"])
            .prop_map(|text| Action::Write { text: text.to_owned() }),
        1 => Just(Action::Write { text: format!("\"{}\"", "~".repeat(3_100)) }),
    ];
    prop_oneof![30 => act(), 35 => action.prop_map(Act::Do)]
}

fn client_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => act(),
        2 => name().prop_map(|to| Action::AskTwice { to }.into()),
        1 => Just(ProcessAct::Start.into()),
        1 => millis(10..3_000).prop_map(|pause| ProcessAct::Leave { pause }.into()),
    ]
}

/// What no step says: tells of all kinds, metadata, pages, what is missing or wrong.
fn envelope() -> impl Strategy<Value = Value> {
    let pattern = select(vec!["tell", "ask"]);
    let ttl = weighted(0.4, select(vec![0_u64, 4_000_000_000_000]));
    let number = (any::<u32>(), proptest::bool::weighted(0.3));
    let metadata = select(vec![json!({}), json!({ "b": 1, "via": "me" })]);
    (number, name(), pattern, ttl, request(), metadata).prop_map(
        |((number, again), from, pattern, ttl, (kind, payload, more), mut metadata)| {
            // Nobody is to use an id again but for the retry of an ask.
            let id = if again && pattern == "ask" {
                format!("again-{kind}")
            } else {
                number.to_string()
            };
            if let (Value::Object(all), Value::Object(more)) = (&mut metadata, more) {
                all.extend(more);
            }
            json!({
                "id": id, "from": format!("@({from})"), "to": format!("@({HUB})"),
                "type": format!("hub:{kind}"), "pattern": pattern, "timestamp": 1, "ttl": ttl,
                "payload": payload, "metadata": metadata,
            })
        },
    )
}

/// The end of a type, a payload, and metadata that goes with it.
fn request() -> impl Strategy<Value = (&'static str, Value, Value)> {
    let none = || json!({});
    let address = || name().prop_map(|name| format!("@({name})"));
    let capabilities = select(vec![json!(["chat"]), json!(["chat", "games"])]);
    let register = (prop_oneof![4 => address(), 1 => Just(format!("@({HUB})"))], capabilities);
    let target = select(vec![json!({}), json!({ "targetCapability": "games" })]);
    prop_oneof![
        3 => (address(), any::<bool>()).prop_map(move |(to, typed)| if typed {
            ("send", json!({ "to": to, "type": "note", "data": [1] }), none())
        } else {
            ("send", json!({ "to": to }), none())
        }),
        3 => register.prop_map(move |(address, capabilities)| {
            let payload = json!({
                "actorAddress": address, "capabilities": capabilities, "ttlSeconds": 7,
                "metadata": { "lang": "en" },
            });
            ("register", payload, none())
        }),
        1 => topic().prop_map(move |topic| ("subscribe", json!({ "topic": topic }), none())),
        1 => topic().prop_map(move |topic| ("unsubscribe", json!({ "subscriptionId": topic }), none())),
        2 => topic().prop_map(move |topic| {
            ("publish", json!({ "topic": topic, "type": "headline", "data": null }), none())
        }),
        2 => (any::<bool>(), target).prop_map(|(exclude_self, target)| {
            ("broadcast", json!({ "type": "all", "excludeSelf": exclude_self }), target)
        }),
        1 => (0..4_u64, 1..3_u64).prop_map(move |(offset, limit)| {
            ("list_actors", json!({ "offset": offset, "limit": limit }), none())
        }),
        1 => (1..3_u64).prop_map(move |limit| {
            ("discover", json!({ "capability": "messaging", "limit": limit }), none())
        }),
        1 => Just(("heartbeat", json!({ "timestamp": 17 }), none())),
        1 => Just(("renew", Value::Null, none())),
        1 => Just(("unregister", Value::Null, none())),
        1 => Just(("disconnect", Value::Null, none())),
        3 => Just(("connect", Value::Null, none())),
        1 => Just(("nothing", Value::Null, none())),
    ]
}

/// What goes wrong beside what the actors do.
fn trouble() -> impl Strategy<Value = What> {
    let host = || select(connections()).prop_map(|who| who.to_string());
    prop_oneof![
        2 => (host(), any::<bool>(), millis(100..5_000)).prop_map(|(host, to_hub, lasts)| {
            let (from, to) = if to_hub {
                (host, HUB_HOST.to_owned())
            } else {
                (HUB_HOST.to_owned(), host)
            };
            What::Network(Fault::Stall { from, to, lasts })
        }),
        1 => (host(), millis(100..5_000)).prop_map(|(client, lasts)| {
            let connections = Choice::Latest { client, server: HUB_HOST.to_owned() };
            What::Network(Fault::PauseReading { connections, end: End::Server, lasts })
        }),
        1 => millis(100..5_000).prop_map(|lasts| What::Hub(HubAction::Pause { lasts })),
        1 => (any::<bool>(), millis(10..500))
            .prop_map(|(abruptly, pause)| What::Hub(HubAction::Restart { abruptly, pause })),
    ]
}
