//! What each hub is handed and says, beside what it counts and holds (I28, I29, I30).

use signal_hub::cluster::engine::NodeName;
use signal_hub::hub::{Hub, Input, NodeSizes, Output, SessionKey};
use signal_hub::protocol::{Body, ClientFrame, Request, Verb};

use super::{Judge, Violation, number_of, talk};
use crate::invariants::{Invariant, check_balance};
use crate::nodes::world::Setting;

/// What became of a hub's process since it began.
#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    opened: u64,
    closed: u64,
    frames: u64,
    sent: u64,
    copies: u64,
}

/// The bounds of what waits at a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    requests: usize,
    bytes: usize,
    writes: usize,
    addresses: usize,
    logs: usize,
}

impl Bounds {
    pub fn of(Setting { config, cluster, .. }: &Setting) -> Self {
        Self {
            requests: cluster.waiting_requests_max,
            bytes: cluster.waiting_bytes_max,
            writes: cluster.writes_under_way_max,
            addresses: config.registrations_max,
            logs: config.recovery_total_bytes_max,
        }
    }
}

impl Judge {
    /// A hub is about to be handed this, from a client's connection or about it.
    pub fn takes(&mut self, node: &NodeName, key: Option<SessionKey>, input: &Input, hub: &Hub) {
        let books = self.books.entry(node.clone()).or_default();
        match input {
            Input::Opened(..) => books.opened += 1,
            Input::Closed(..) => books.closed += 1,
            Input::Frame(_, frame) => {
                books.frames += 1;
                if let (Some(key), Ok(ClientFrame::Request(request))) = (key, frame) {
                    self.takes_request(key, request, hub);
                }
            }
            _ => {}
        }
    }

    fn takes_request(&mut self, key: SessionKey, request: &Request, hub: &Hub) {
        match &request.verb {
            Ok(Verb::Unregister(_) | Verb::Disconnect(_)) => {
                self.gives_back(key, talk::actor_of(&request.from));
            }
            Ok(Verb::Publish(publish)) => {
                self.publishes(key, number_of(&request.id), &publish.topic, hub);
            }
            _ => {}
        }
    }

    /// A hub has done this, for whichever sessions.
    pub fn does(&mut self, node: &NodeName, outputs: &[Output]) {
        let books = self.books.entry(node.clone()).or_default();
        for output in outputs {
            let Output::Send(_, message) = output else { continue };
            books.sent += 1;
            books.copies += u64::from(matches!(message.body, Body::Delivery(_)));
        }
    }

    /// Whether a hub counted the same, and is within its bounds.
    pub fn accounts(&self, node: &NodeName, hub: &Hub) -> Result<(), Violation> {
        let (counters, sizes) = (hub.counters(), hub.node_sizes().unwrap_or_default());
        let sessions = hub.sizes().sessions;
        check_balance((sessions, sizes.requests), counters).map_err(|broken| {
            Violation::new(Invariant::I28, format!("{node}: {}", broken.evidence))
        })?;
        let books = self.books.get(node).cloned().unwrap_or_default();
        let counted = [
            ("sessions opened", counters.sessions_opened, books.opened),
            ("sessions closed", counters.sessions_closed, books.closed),
            ("frames received", counters.frames_received, books.frames),
            ("messages sent", counters.messages_sent, books.sent),
            (
                "copies handed out",
                counters.messages_delivered + counters.messages_replayed,
                books.copies,
            ),
        ];
        if let Some((what, counted, seen)) = counted.iter().find(|(_, it, seen)| it != seen) {
            let what = format!("{node} counts {counted} {what}, and there were {seen}");
            return Err(Violation::new(Invariant::I28, what));
        }
        self.is_bounded(node, &sizes)?;
        if sizes.ownerless_timers > 0 {
            let what = format!("{node} has timers for what waits no longer: {sizes:?}");
            return Err(Violation::new(Invariant::I30, what));
        }
        Ok(())
    }

    fn is_bounded(&self, node: &NodeName, sizes: &NodeSizes) -> Result<(), Violation> {
        let Bounds { requests, bytes, writes, addresses, logs } = self.bounds;
        let held = [
            ("requests of a session that wait", sizes.requests_of_session, requests),
            ("their bytes", sizes.bytes_of_session, bytes),
            ("writes", sizes.writes, writes),
            ("logs that come", sizes.fetches, addresses),
            ("logs for others", sizes.aside, addresses),
            ("bytes of logs for others", sizes.aside_bytes, logs),
            ("others that ask for logs", sizes.asking, addresses),
            ("addresses to adopt", sizes.adoptions, addresses),
        ];
        let Some((what, held, most)) = held.iter().find(|(_, held, most)| held > most) else {
            return Ok(());
        };
        let what = format!("{node}: {what}: {held} are more than {most}");
        Err(Violation::new(Invariant::I29, what))
    }
}
