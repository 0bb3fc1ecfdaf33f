//! Whole histories: nothing that clients tell makes the judge panic, or slow.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["alice", "bob", "alice.2"];
const TOPICS: [&str; 2] = ["news", "rain"];

fn verb() -> impl Strategy<Value = Verb> {
    let name = || prop::sample::select(&NAMES[..2]);
    let topic = || prop::sample::select(&TOPICS[..]);
    prop_oneof![
        Just(Verb::Connect { version: None }),
        name().prop_map(register),
        name().prop_map(|name| Verb::Unregister { address: name.to_owned() }),
        name().prop_map(|name| {
            Verb::Renew { address: name.to_owned(), token: Default::default() }
        }),
        topic().prop_map(|topic| Verb::Subscribe { topic: topic.to_owned() }),
        topic().prop_map(|topic| Verb::Unsubscribe { topic: topic.to_owned(), by_id: false }),
        (name(), 0..5_u64).prop_map(|(name, said)| tell(name, said)),
        (name(), 0..5_u64).prop_map(|(name, said)| ask(name, said)),
        (topic(), 0..5_u64).prop_map(|(topic, said)| Verb::Publish {
            topic: topic.to_owned(),
            payload: json!(said),
            ttl: None
        }),
        Just(Verb::Discover { pattern: "*".to_owned() }),
        Just(Verb::Heartbeat),
        Just(Verb::Disconnect),
    ]
}

fn report() -> impl Strategy<Value = Report> {
    let name = || prop::sample::select(&NAMES[..2]);
    let id = || (prop::sample::select(&NAMES[..]), 1..30_u32).prop_map(|(n, i)| format!("{n}-{i}"));
    prop_oneof![
        id().prop_map(|operation| Report::Connected { operation }),
        (id(), name(), 0..4_u64).prop_map(|(id, name, version)| owned(&id, name, version, &[])),
        id().prop_map(|id| done(&id)),
        (id(), 0..3_u64).prop_map(|(id, copies)| counted(&id, copies)),
        id().prop_map(|id| listed(&id, &["alice"])),
        id().prop_map(|id| refused(&id, Refusal::UnknownRecipient)),
        id().prop_map(|id| refused(&id, Refusal::Unauthorized)),
        (name(), name(), 0..5_u64).prop_map(|(from, to, said)| delivered(from, to, said)),
        name().prop_map(|name| told(Notice::Superseded, name)),
        name().prop_map(|name| told(Notice::Expired, name)),
        Just(Report::Told { what: Notice::Shutdown, address: None }),
        Just(Report::Other),
    ]
}

#[derive(Debug, Clone)]
enum Deed {
    Opens(u32),
    Asks(u32, Verb),
    Hears(u32, Report),
    Loses(u32, Option<u16>),
    Restarts,
    Heals,
}

fn deed() -> impl Strategy<Value = Deed> {
    let connection = || 1..3_u32;
    prop_oneof![
        3 => connection().prop_map(Deed::Opens),
        12 => (connection(), verb()).prop_map(|(connection, verb)| Deed::Asks(connection, verb)),
        12 => (connection(), report()).prop_map(|(connection, report)| Deed::Hears(connection, report)),
        2 => (connection(), prop::sample::select(&[None, Some(4003), Some(4004), Some(1001)][..]))
            .prop_map(|(connection, code)| Deed::Loses(connection, code)),
        1 => Just(Deed::Restarts),
        1 => Just(Deed::Heals),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        cases: 500,
        ..Default::default()
    })]

    #[test]
    fn whatever_clients_tell_is_judged_to_its_end(
        deeds in prop::collection::vec((prop::sample::select(&NAMES[..]), deed(), 0..40_u64), 0..80)
    ) {
        let mut story = Story::new();
        for (who, deed, pause) in deeds {
            story.waits(pause);
            match deed {
                Deed::Opens(connection) => {
                    story.client(who, ClientEvent::Opened { connection });
                }
                Deed::Asks(connection, verb) => {
                    story.asked += 1;
                    let id = format!("{who}-{}", story.asked);
                    let operation = Operation { id, speaker: who.to_owned(), verb };
                    let operation = Arc::new(operation);
                    story.client(who, ClientEvent::Asked { connection, operation });
                }
                Deed::Hears(connection, report) => {
                    let heard = Arc::new(Heard::from(report));
                    story.client(who, ClientEvent::Heard { connection, heard });
                }
                Deed::Loses(connection, code) => {
                    story.client(who, ClientEvent::Lost { connection, code, own: false });
                }
                Deed::Restarts => {
                    story.happens(What::HubStopped { how: Stop::Crashed });
                }
                Deed::Heals => {
                    story.happens(What::Run(Milestone::Heal));
                }
            }
        }
        let mut judge = Judge::of(story.promises.clone());
        for event in &story.events {
            // What is broken is broken: it goes on all the same.
            let _ = judge.observe(event);
        }
    }
}
