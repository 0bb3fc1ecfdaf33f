//! How long each fault lasts in a page: from its injection to what ends it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::lanes::{Lanes, microseconds};
use crate::history::{Event, What};
use crate::net::{Choice, ConnectMode, ConnectionId, Fault, FaultId, NetEventKind, Ways};
use crate::scenario::HUB_HOST;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultSpan {
    pub id: FaultId,
    /// As a scenario file has it, for people.
    pub text: String,
    /// The event of its injection.
    pub event: usize,
    /// Microseconds.
    pub from: u64,
    pub until: u64,
    pub took_effect: Option<u64>,
    /// Lanes of the hosts that it strikes.
    pub lanes: Vec<usize>,
}

/// All faults but the healing.
pub fn spans(events: &[Event], lanes: &Lanes) -> Vec<FaultSpan> {
    let end = events.last().map_or(Duration::ZERO, |event| event.at);
    let mut spans: Vec<FaultSpan> = Vec::new();
    let mut open: BTreeMap<ConnectionId, &str> = BTreeMap::new();
    for (number, event) in events.iter().enumerate() {
        match &event.what {
            What::Net(NetEventKind::Opened { connection, client, .. }) => {
                open.insert(*connection, client);
            }
            What::Net(NetEventKind::Closed { connection }) => drop(open.remove(connection)),
            What::Net(NetEventKind::TookEffect { id }) => {
                let struck = spans.iter_mut().rev().find(|span| span.id == *id);
                struck.into_iter().for_each(|span| span.took_effect = Some(microseconds(event.at)));
            }
            What::Net(NetEventKind::Injected { id, fault }) if **fault != Fault::Heal => {
                let later = &events[number + 1..];
                let until = lasts(fault, event.at)
                    .or_else(|| over(fault, &open, later))
                    .unwrap_or(if is_a_state(fault) { end } else { event.at });
                spans.push(FaultSpan {
                    id: *id,
                    text: fault.to_string(),
                    event: number,
                    from: microseconds(event.at),
                    until: microseconds(until.min(end)),
                    took_effect: None,
                    lanes: struck(fault, lanes, &open),
                });
            }
            What::Net(_)
            | What::Hub(_)
            | What::Client { .. }
            | What::HubStarted { .. }
            | What::HubStopped { .. }
            | What::Run(_)
            | What::Step { .. } => {}
        }
    }
    spans
}

/// When it ends by itself.
fn lasts(fault: &Fault, at: Duration) -> Option<Duration> {
    match fault {
        Fault::Stall { lasts, .. }
        | Fault::PauseHostReading { lasts, .. }
        | Fault::Pause { lasts, .. }
        | Fault::PauseReading { lasts, .. } => Some(at + *lasts),
        Fault::Link { .. }
        | Fault::Partition { .. }
        | Fault::Rejoin { .. }
        | Fault::Connects { .. }
        | Fault::Reset { .. }
        | Fault::Sever { .. }
        | Fault::Crash { .. }
        | Fault::ClockSkew { .. }
        | Fault::Heal => None,
    }
}

/// Returns whether it goes on until something ends it.
fn is_a_state(fault: &Fault) -> bool {
    match fault {
        Fault::Connects { mode, .. } => *mode != ConnectMode::Accept,
        Fault::Rejoin { .. } | Fault::Reset { .. } | Fault::Heal => false,
        Fault::Link { .. }
        | Fault::Stall { .. }
        | Fault::Partition { .. }
        | Fault::Sever { .. }
        | Fault::PauseHostReading { .. }
        | Fault::Pause { .. }
        | Fault::PauseReading { .. }
        | Fault::Crash { .. }
        | Fault::ClockSkew { .. } => true,
    }
}

/// When a later event ends it.
fn over(fault: &Fault, open: &BTreeMap<ConnectionId, &str>, later: &[Event]) -> Option<Duration> {
    if !is_a_state(fault) {
        return None;
    }
    let cut = cut(fault, open);
    let ends = |event: &&Event| match &event.what {
        What::Net(NetEventKind::Injected { fault: next, .. }) => is_ended_by(fault, next),
        What::Net(NetEventKind::Closed { connection }) => cut.contains(connection),
        What::Net(NetEventKind::Opened { client, .. }) => {
            matches!(fault, Fault::Crash { host, .. } if **host == **client)
        }
        What::HubStarted { .. } => {
            matches!(fault, Fault::Crash { host, .. } if host == HUB_HOST)
        }
        What::Net(_)
        | What::Hub(_)
        | What::Client { .. }
        | What::HubStopped { .. }
        | What::Run(_)
        | What::Step { .. } => false,
    };
    later.iter().find(ends).map(|event| event.at)
}

fn is_ended_by(fault: &Fault, next: &Fault) -> bool {
    match (fault, next) {
        (Fault::Sever { .. } | Fault::Crash { .. } | Fault::ClockSkew { .. }, Fault::Heal) => false,
        (_, Fault::Heal) => true,
        (Fault::Link { from, to, .. }, Fault::Link { from: f, to: t, .. })
        | (Fault::Connects { from, to, .. }, Fault::Connects { from: f, to: t, .. }) => {
            (from, to) == (f, t)
        }
        (Fault::Partition { from, to, .. }, Fault::Rejoin { from: f, to: t, ways }) => {
            (from, to) == (f, t) || (*ways == Ways::BothWays && (from, to) == (t, f))
        }
        (Fault::ClockSkew { host, .. }, Fault::ClockSkew { host: other, .. }) => host == other,
        (_, _) => false,
    }
}

/// The connections that it cuts in the middle.
fn cut(fault: &Fault, open: &BTreeMap<ConnectionId, &str>) -> Vec<ConnectionId> {
    let Fault::Sever { connections, .. } = fault else { return Vec::new() };
    let of = |host: &str| -> Vec<ConnectionId> {
        open.iter().filter(|(_, client)| **client == host).map(|(id, _)| *id).collect()
    };
    match connections {
        Choice::Id(id) => vec![*id],
        Choice::Latest { client, .. } => of(client).last().copied().into_iter().collect(),
        Choice::Every { client, .. } => of(client),
        Choice::Of { host } if host == HUB_HOST => open.keys().copied().collect(),
        Choice::Of { host } => of(host),
    }
}

/// The actors' lanes; the hub's own only where no actor is named.
fn struck(fault: &Fault, lanes: &Lanes, open: &BTreeMap<ConnectionId, &str>) -> Vec<usize> {
    let mut hosts: Vec<&str> = fault.hosts();
    hosts.extend(cut(fault, open).iter().filter_map(|id| open.get(id).copied()));
    let mut struck: Vec<usize> = hosts.iter().map(|host| lanes.host(host)).collect();
    struck.sort_unstable();
    struck.dedup();
    if struck.len() > 1 {
        struck.retain(|lane| *lane != lanes.hub);
    }
    struck
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::history::{ClientEvent, ClientKind, ClientName};
    use crate::net::CutDetection;

    fn event(seconds: u64, kind: NetEventKind) -> Event {
        Event { at: Duration::from_secs(seconds), what: What::Net(kind) }
    }

    fn injected(seconds: u64, id: u64, fault: Fault) -> Event {
        event(seconds, NetEventKind::Injected { id: FaultId(id), fault: Arc::new(fault) })
    }

    fn partition() -> Fault {
        Fault::Partition { from: "alice".into(), to: "hub".into(), ways: Ways::BothWays }
    }

    /// From and until, in seconds, and whether it took effect.
    fn spans_of(events: &[Event]) -> Vec<(u64, u64, bool)> {
        let spans = spans(events, &Lanes::of(events));
        let seconds = |span: &FaultSpan| {
            (span.from / 1_000_000, span.until / 1_000_000, span.took_effect.is_some())
        };
        spans.iter().map(seconds).collect()
    }

    #[test]
    fn a_partition_lasts_until_the_hosts_are_rejoined() {
        let rejoin = Fault::Rejoin { from: "hub".into(), to: "alice".into(), ways: Ways::BothWays };
        let took = event(3, NetEventKind::TookEffect { id: FaultId(1) });
        let events = [injected(1, 1, partition()), took, injected(5, 2, rejoin)];
        assert_eq!(spans_of(&events), [(1, 5, true), (5, 5, false)]);
    }

    #[test]
    fn a_partition_that_nobody_ends_lasts_until_all_is_healed() {
        let events = [injected(1, 1, partition()), injected(8, 2, Fault::Heal)];
        assert_eq!(spans_of(&events), [(1, 8, false)]);
    }

    #[test]
    fn a_stall_ends_by_itself_and_no_later_than_the_history() {
        let stall = |lasts| Fault::Stall {
            from: "hub".into(),
            to: "alice".into(),
            lasts: Duration::from_secs(lasts),
        };
        let events =
            [injected(1, 1, stall(2)), injected(4, 2, stall(60)), injected(9, 3, Fault::Heal)];
        assert_eq!(spans_of(&events), [(1, 3, false), (4, 9, false)]);
    }

    #[test]
    fn a_pause_is_a_span_of_its_actors_lane() {
        let client = ClientName { actor: "alice".into(), kind: ClientKind::Raw, number: 1 };
        let opened = What::Client { client, event: ClientEvent::Opened { connection: 1 } };
        let pause = Fault::Pause { host: "alice/1".into(), lasts: Duration::from_secs(3) };
        let events = [
            Event { at: Duration::ZERO, what: opened },
            injected(1, 1, pause),
            event(2, NetEventKind::TookEffect { id: FaultId(1) }),
            event(9, NetEventKind::Closed { connection: ConnectionId(1) }),
        ];
        assert_eq!(spans_of(&events), [(1, 4, true)]);
        let lanes = Lanes::of(&events);
        assert_eq!(spans(&events, &lanes)[0].lanes, [lanes.host("alice")]);
        assert_ne!(lanes.host("alice"), lanes.hub);
    }

    #[test]
    fn a_cut_lasts_until_nobody_has_the_connection() {
        let (connection, server) = (ConnectionId(1), Arc::from("hub"));
        let opened = NetEventKind::Opened { connection, client: "alice".into(), server, port: 1 };
        let cut = Fault::Sever {
            connections: Choice::Latest { client: "alice".into(), server: "hub".into() },
            client_sees: CutDetection::NEVER,
            server_sees: CutDetection::NEVER,
        };
        let events = [
            event(0, opened),
            injected(2, 1, cut),
            injected(3, 2, Fault::Heal),
            event(7, NetEventKind::Closed { connection }),
        ];
        assert_eq!(spans_of(&events), [(2, 7, false)]);
    }
}
