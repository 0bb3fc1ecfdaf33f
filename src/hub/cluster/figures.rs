//! What a node counts, and how it stands.

use serde::Serialize;

use super::timers::Waiting;
use crate::cluster::Place;
use crate::hub::{Hub, NodeChange, Output, Record};
use crate::time::Timestamp;

/// What a node counted since it joined its cluster, and how it stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NodeFigures {
    /// Rows that were passed over because this release cannot read them.
    pub rows_unread: u64,
    /// Messages of other nodes that were passed over because this release cannot read them.
    pub messages_unread: u64,
    /// Copies for addresses that are not here, or no longer.
    pub copies_stale: u64,
    /// Logs of addresses that came here with them.
    pub logs_fetched: u64,
    /// Those that did not come: another node was gone, or did not answer.
    pub logs_lost: u64,
    /// Writes of which the engine did not say whether they were carried out.
    pub writes_unknown: u64,
    /// How often this node fenced itself.
    pub fencings: u64,
    /// Lives of this node that began; all but the first because it was taken for dead, or rows were lost.
    pub lives: u64,
    /// Watches that began.
    pub watches: u64,
    /// How often the engine lost rows, as far as this node knows.
    pub generation: u64,
    /// Whether it does nothing for its addresses.
    pub fenced: bool,
    /// Rows of addresses that it knows.
    pub rows: usize,
    /// The last revision that a watch has shown.
    pub revision_shown: u64,
    /// The last revision that it knows is so far ahead of that.
    pub revision_lag: u64,
    /// Addresses whose rows are being written, claims among them.
    pub writes_under_way: usize,
    /// Sessions that wait for an address.
    pub claims_under_way: usize,
}

/// How much of everything waits at a node, beside what all hubs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeSizes {
    /// Requests of all sessions that are neither carried out nor refused yet.
    pub requests: usize,
    /// Those of the session that has the most, but for a claim.
    pub requests_of_session: usize,
    /// Bytes of their frames, of the session that has the most among those with more than one.
    pub bytes_of_session: usize,
    /// Writes of rows.
    pub writes: usize,
    /// Copies for other nodes, by request.
    pub relays: usize,
    /// Addresses for which copies are on their way.
    pub lanes: usize,
    /// Logs that come here.
    pub fetches: usize,
    /// Logs that others may fetch.
    pub aside: usize,
    /// What all of these weigh, in bytes.
    pub aside_bytes: usize,
    /// Others that ask for one.
    pub asking: usize,
    /// Addresses that this node is to adopt.
    pub adoptions: usize,
    /// Timers that are armed.
    pub timers: usize,
    /// Those of them for nothing that waits.
    pub ownerless_timers: usize,
}

impl Hub {
    /// What waits at this node; none if the hub is alone. Counts one by one.
    pub fn node_sizes(&self) -> Option<NodeSizes> {
        let cluster = self.cluster.as_ref()?;
        let waiting = cluster.waiting.values();
        let (aside, aside_bytes, asking) = cluster.handovers.sizes();
        let (relays, lanes) = cluster.relays.sizes();
        Some(NodeSizes {
            requests: cluster.parked.len() + waiting.clone().map(Waiting::requests).sum::<usize>(),
            requests_of_session: waiting.clone().map(Waiting::requests).max().unwrap_or_default(),
            bytes_of_session: waiting.map(Waiting::bytes_of_many).max().unwrap_or_default(),
            writes: cluster.writes.len(),
            relays,
            lanes,
            fetches: cluster.fetches.len(),
            aside,
            aside_bytes,
            asking,
            adoptions: cluster.adoptions.len(),
            timers: cluster.timers.len(),
            ownerless_timers: cluster.ownerless_timers().count(),
        })
    }

    /// The figures of this node; none if the hub is alone.
    pub fn node_figures(&self, now: Timestamp) -> Option<NodeFigures> {
        let cluster = self.cluster.as_ref()?;
        Some(NodeFigures {
            generation: cluster.generation,
            fenced: !cluster.acts(now),
            rows: cluster.rows.len(),
            revision_shown: cluster.shown.0,
            revision_lag: cluster.last.0.saturating_sub(cluster.shown.0),
            writes_under_way: cluster.writes.len(),
            claims_under_way: cluster.parked.len(),
            ..cluster.figures
        })
    }
}

impl Hub {
    /// Counts and tells if the node fenced itself, or serves again, since this was last asked. Returns whether it does.
    pub(super) fn note_fencing(&mut self, now: Timestamp) -> bool {
        let Some(cluster) = &mut self.cluster else { return false };
        let (acts, place) = (cluster.acts(now), cluster.life.place());
        if std::mem::replace(&mut cluster.acted, acts) == acts {
            return false;
        }
        cluster.figures.fencings += u64::from(!acts);
        self.tell_of(&place, if acts { NodeChange::Serves } else { NodeChange::Fenced });
        acts
    }

    /// Also without an audit: whoever runs the node is to know.
    pub(super) fn tell_of(&mut self, place: &Place, became: NodeChange) {
        let node = place.to_string();
        self.outputs.push(Output::Audit(Record::NodeChanged { node, became }));
    }
}

/// What was read, unless it is counted as unread.
pub(super) fn readable<T>(read: Result<T, String>, unread: &mut u64) -> Option<T> {
    *unread += u64::from(read.is_err());
    read.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::cluster::ClusterConfig;
    use crate::cluster::engine::{
        Event, Key, NodeName, Request, RequestId, Revision, WriteOutcome,
    };
    use crate::hub::{Config, Ids, Input, Peer, SessionKey};
    use crate::protocol::{
        ActorAddress, Body, ClientFrame, Connect, ErrorCode, Json, MessageId, PROTOCOL_VERSION,
        Pattern, Register, Reply, Request as Asked, Verb,
    };

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn hear(hub: &mut Hub, event: Event) -> Vec<Request> {
        assert!(hub.hear(START, event).all(|output| matches!(output, Output::Audit(_))));
        hub.requests().collect()
    }

    /// A node that has reached an engine without rows, and its watch.
    fn node() -> (Hub, RequestId) {
        let mut hub = Hub::new(Config::default(), Ids::new([0; 32]));
        hub.join(ClusterConfig::new(NodeName::parse("a").expect("a name")));
        let asked = hear(&mut hub, Event::Back);
        let [Request::Watch { id }] = asked[..] else { panic!("{asked:?} is no watch") };
        (hub, id)
    }

    fn row(watch: RequestId, key: &str, revision: u64, text: &Bytes) -> Event {
        let (key, revision) = (Key::parse(key).expect("a key"), Revision(revision));
        Event::Row { watch, key, revision, value: Some(text.clone()) }
    }

    #[test]
    fn what_a_node_cannot_read_is_counted() {
        let (mut hub, watch) = node();
        let text = Bytes::from_static(b"{}");
        for (revision, key) in [(3, "n.b"), (4, "a.bob"), (5, "x.bob")] {
            hear(&mut hub, row(watch, key, revision, &text));
        }
        hear(&mut hub, Event::Arrived { message: text });
        let figures = hub.node_figures(START).expect("a node");
        assert_eq!((figures.rows_unread, figures.messages_unread), (3, 1));
        assert_eq!((figures.rows, figures.revision_shown), (0, 5));
    }

    /// Of a release that this one does not understand.
    const NEWER: Bytes = Bytes::from_static(br#"{"v":2}"#);

    fn says(hub: &mut Hub, number: u128, verb: Verb) -> (Vec<Request>, Vec<Output>) {
        let [bob, hub_address] =
            ["bob", "hub"].map(|path| ActorAddress::from_path(path).expect("a path"));
        let id = MessageId::from(Uuid::from_u128(number));
        let request = Asked::new(id, bob, hub_address, Pattern::Ask, START, verb);
        let frame = ClientFrame::Request(Arc::new(request));
        let outputs = hub.handle(START, Input::Frame(SessionKey(1), Ok(frame))).collect();
        (hub.requests().collect(), outputs)
    }

    #[test]
    fn an_address_whose_row_cannot_be_read_is_refused_and_left_as_it_is() {
        let (mut hub, watch) = node();
        let asked = hear(&mut hub, Event::CaughtUp { watch, revision: Revision(0) });
        let [Request::Write { id, value: Some(value), .. }] = &asked[..] else {
            panic!("{asked:?} is no write of a row")
        };
        hear(&mut hub, Event::Written { id: *id, outcome: WriteOutcome::Done(Revision(1)) });
        hear(&mut hub, row(watch, "n.a", 1, value));
        hear(&mut hub, row(watch, "a.bob", 2, &NEWER));
        let peer = Peer { address: ([127, 0, 0, 1], 1).into() };
        drop(hub.handle(START, Input::Opened(SessionKey(1), peer)));
        says(
            &mut hub,
            1,
            Verb::Connect(Connect {
                protocol_version: PROTOCOL_VERSION.to_owned(),
                capabilities: Vec::new(),
                auth_token: None,
                client_metadata: None,
            }),
        );
        let (mut asked, mut outputs) = says(
            &mut hub,
            2,
            Verb::Register(Register {
                actor_address: ActorAddress::from_path("bob").expect("a path"),
                capabilities: Vec::new(),
                metadata: Json::EMPTY_OBJECT,
                ttl: Duration::from_secs(60),
                renew_on_heartbeat: false,
                recovery: None,
            }),
        );
        let (mut now, mut tries) = (START, 0);
        while outputs.is_empty() && tries < 20 {
            for request in std::mem::take(&mut asked) {
                let answer = match request {
                    Request::Write { id, key, expected, .. } if key.as_str() == "a.bob" => {
                        assert_eq!(expected, None, "what it cannot read it does not expect");
                        tries += 1;
                        Event::Written { id, outcome: WriteOutcome::Conflict }
                    }
                    Request::Read { id, .. } => {
                        Event::Read { id, row: Ok(Some((Revision(2), NEWER))) }
                    }
                    _ => continue,
                };
                outputs.extend(hub.hear(now, answer));
                asked.extend(hub.requests());
            }
            if asked.is_empty() && outputs.is_empty() {
                now = hub.next_deadline().expect("it tries again");
                outputs.extend(hub.handle(now, Input::Tick));
                asked.extend(hub.requests());
            }
        }
        let [Output::Audit(_), Output::Send(_, refusal)] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        let Body::Reply { reply, .. } = &refusal.body else { panic!("{refusal:?}") };
        let Reply::Error(refusal) = reply.as_ref() else { panic!("{reply:?}") };
        assert_eq!((refusal.code, tries), (ErrorCode::Unavailable, 9));
    }

    #[test]
    fn a_node_whose_own_row_cannot_be_read_looks_again_later_and_does_not_serve() {
        let (mut hub, watch) = node();
        hear(&mut hub, row(watch, "n.a", 1, &NEWER));
        let asked = hear(&mut hub, Event::CaughtUp { watch, revision: Revision(1) });
        let [Request::Write { id, .. }] = asked[..] else { panic!("{asked:?} is no write") };
        let asked = hear(&mut hub, Event::Written { id, outcome: WriteOutcome::Conflict });
        let [Request::Read { id, .. }] = asked[..] else { panic!("{asked:?} is no read") };
        let read = Event::Read { id, row: Ok(Some((Revision(1), NEWER))) };
        let told: Vec<Output> = hub.hear(START, read).collect();
        let (node, became) = ("a/0".to_owned(), NodeChange::Unreadable);
        assert_eq!(told, [Output::Audit(Record::NodeChanged { node, became })]);
        assert_eq!(hub.requests().count(), 0, "it does not write over it, nor read again at once");
        let later = hub.next_deadline().expect("it goes on");
        assert!(later > START);
        assert!(hub.handle(later, Input::Tick).all(|output| matches!(output, Output::Audit(_))));
        assert!(matches!(hub.requests().next(), Some(Request::Read { .. })));
        let figures = hub.node_figures(later).expect("a node");
        assert_eq!((figures.fenced, figures.rows_unread), (true, 2));
    }

    #[test]
    fn a_node_that_sees_its_renewals_no_more_counts_a_fencing() {
        let (mut hub, watch) = node();
        let asked = hear(&mut hub, Event::CaughtUp { watch, revision: Revision(0) });
        let [Request::Write { id, value: Some(value), .. }] = &asked[..] else {
            panic!("{asked:?} is no write of a row")
        };
        let before = hub.node_figures(START).expect("a node");
        assert_eq!((before.fenced, before.fencings, before.lives), (true, 0, 0));
        hear(&mut hub, Event::Written { id: *id, outcome: WriteOutcome::Done(Revision(1)) });
        assert_eq!(hub.node_figures(START).map(|known| known.revision_lag), Some(1));
        hear(&mut hub, row(watch, "n.a", 1, value));
        let lives = hub.node_figures(START).expect("a node");
        assert_eq!((lives.fenced, lives.fencings, lives.lives), (false, 0, 1));
        let later = START + Duration::from_secs(9);
        let told: Vec<Output> = hub.handle(later, Input::Tick).collect();
        let (node, became) = ("a/1".to_owned(), NodeChange::Fenced);
        assert_eq!(told, [Output::Audit(Record::NodeChanged { node, became })]);
        let fenced = hub.node_figures(later).expect("a node");
        assert_eq!((fenced.fenced, fenced.fencings, fenced.watches), (true, 1, 1));
    }

    #[test]
    fn a_hub_alone_has_no_figures_of_a_node() {
        let hub = Hub::new(Config::default(), Ids::new([0; 32]));
        assert_eq!(hub.node_figures(START), None);
    }
}
