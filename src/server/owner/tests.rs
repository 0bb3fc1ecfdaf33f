//! The owner, beside sessions that the test plays.

use std::sync::{Arc, Mutex, PoisonError};

use super::*;
use crate::hub::{Config, Ids};
use crate::protocol::Outgoing;
use crate::protocol::codec::decode_client_frame;
use crate::runtime::Tokio;

/// What the owner did with a session.
#[derive(Debug, Default)]
struct Played {
    has_defect: bool,
    did: Mutex<Vec<String>>,
}

impl Played {
    fn note(&self, what: impl Into<String>) {
        self.did.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }
}

impl Line for Played {
    fn close(&self, _: Vec<Outgoing>, farewell: Farewell) {
        self.note(format!("close {}", farewell.reason.code()));
    }

    fn report_heard(&self) {}

    fn write(&self, messages: &mut Vec<Outgoing>, _: Duration, _: Timestamp) -> Option<Input> {
        assert!(!self.has_defect, "a defect");
        self.note(format!("write {}", messages.drain(..).count()));
        None
    }
}

/// Plays `told` to a hub with two sessions, of which the first has a defect or not; returns what was
/// done with each.
async fn play(
    config: Config,
    has_defect: bool,
    told: impl IntoIterator<Item = u64>,
) -> [Vec<String>; 2] {
    let lines =
        [has_defect, false].map(|has_defect| Arc::new(Played { has_defect, ..Played::default() }));
    let (events, inbox) = mpsc::channel(64);
    let peer = Peer { address: ([127, 0, 0, 1], 1).into() };
    for (key, line) in (0..).zip(&lines) {
        let outbox = Outbox::new(Arc::clone(line) as _);
        assert!(events.try_send(Event::Opened(SessionKey(key), peer, outbox)).is_ok());
    }
    for key in told {
        let nonsense = decode_client_frame(b"{}", &config.bounds());
        assert!(events.try_send(Event::Input(Input::Frame(SessionKey(key), nonsense))).is_ok());
    }
    drop(events);
    let hub = Hub::new(config, Ids::new([7; 32]));
    Owner::new(Tokio, SteadyClock::new(Tokio), hub, ()).run(inbox).await.expect("no store fails");
    lines.map(|line| line.did.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

#[tokio::test]
async fn a_defect_in_the_writing_to_one_session_ends_that_session_alone() {
    let [broken, sound] = play(Config::default(), true, [0, 1]).await;
    assert_eq!(broken, ["close 1011"]);
    assert_eq!(sound, ["write 1", "close 1011"]);
}

#[tokio::test]
async fn no_queue_fills_with_the_answers_to_one_batch() {
    let config = Config { queue_messages_max: 4, pause_threshold: 1, ..Config::default() };
    let [did, _] = play(config, false, [0; 5]).await;
    assert_eq!(did, ["write 2", "write 2", "write 1", "close 1011"]);
}
