//! The lanes of a page: the hub in the middle, and on both sides the actors, each with one lane for
//! itself and one for every connection of its clients.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::super::links::{Connection, Place};
use crate::history::{ClientEvent, Event, What};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// `alice`, `alice#1.2`, `mallory/1.1` or `hub`.
    pub name: String,
    pub kind: LaneKind,
    /// The actor it belongs to, as its place among [`Lanes::actors`].
    pub actor: Option<usize>,
    /// Microseconds; nothing for a lane that is there from the start.
    pub opened: Option<u64>,
    pub lost: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneKind {
    Hub,
    Actor,
    Connection,
}

/// All lanes, in the order in which they are drawn.
#[derive(Debug, Default)]
pub struct Lanes {
    pub actors: Vec<String>,
    pub all: Vec<Lane>,
    pub hub: usize,
    of_actor: BTreeMap<String, usize>,
    of_connection: BTreeMap<Connection, usize>,
}

#[derive(Debug, Default)]
struct Life {
    opened: Option<u64>,
    lost: Option<u64>,
}

impl Lanes {
    pub fn of(events: &[Event]) -> Self {
        let (actors, lives) = lives(events);
        let mut lanes = Self::default();
        for (number, actor) in actors.iter().enumerate() {
            if number == actors.len().div_ceil(2) {
                lanes.add_hub();
            }
            lanes.of_actor.insert(actor.to_string(), lanes.all.len());
            lanes.add(actor.to_string(), LaneKind::Actor, Some(number), &Life::default());
            for (connection, life) in lives.iter().filter(|(c, _)| c.client.actor == *actor) {
                lanes.of_connection.insert(connection.clone(), lanes.all.len());
                let name = format!("{}.{}", connection.client, connection.number);
                lanes.add(name, LaneKind::Connection, Some(number), life);
            }
        }
        if actors.len() < 2 {
            lanes.add_hub();
        }
        lanes.actors = actors.iter().map(ToString::to_string).collect();
        lanes
    }

    fn add_hub(&mut self) {
        self.hub = self.all.len();
        self.add("hub".to_owned(), LaneKind::Hub, None, &Life::default());
    }

    fn add(&mut self, name: String, kind: LaneKind, actor: Option<usize>, life: &Life) {
        self.all.push(Lane { name, kind, actor, opened: life.opened, lost: life.lost });
    }

    pub fn connection(&self, connection: &Connection) -> usize {
        self.of_connection.get(connection).copied().unwrap_or(self.hub)
    }

    /// The lane of a host: its actor's own, which is also that of `alice/1`, or the hub's.
    pub fn host(&self, name: &str) -> usize {
        let raw_of = || self.of_actor.get(name.rsplit_once('/')?.0);
        self.of_actor.get(name).or_else(raw_of).copied().unwrap_or(self.hub)
    }

    pub fn actor(&self, lane: usize) -> Option<usize> {
        self.all[lane].actor
    }
}

/// The actors in the order in which they begin, and when each connection was there.
fn lives(events: &[Event]) -> (Vec<Arc<str>>, BTreeMap<Connection, Life>) {
    let mut actors: Vec<Arc<str>> = Vec::new();
    let mut lives: BTreeMap<Connection, Life> = BTreeMap::new();
    let mut place = Place::default();
    for event in events {
        place.pass(event);
        let What::Client { client, event: what } = &event.what else { continue };
        if !actors.contains(&client.actor) {
            actors.push(Arc::clone(&client.actor));
        }
        let at = Some(microseconds(event.at));
        if let ClientEvent::Started { .. }
        | ClientEvent::Ended
        | ClientEvent::Told { .. }
        | ClientEvent::Said(_) = what
        {
            continue;
        }
        let life = lives.entry(place.connection(client)).or_default();
        match what {
            ClientEvent::Opened { .. } => life.opened = at,
            ClientEvent::Lost { .. } => life.lost = at,
            ClientEvent::Started { .. }
            | ClientEvent::Ended
            | ClientEvent::Told { .. }
            | ClientEvent::Said(_)
            | ClientEvent::Sent(_)
            | ClientEvent::Received(_) => {}
        }
    }
    (actors, lives)
}

pub fn microseconds(at: std::time::Duration) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use signal_hub::client::DisconnectReason;

    use crate::history::{ClientKind, ClientName};

    fn event(seconds: u64, actor: &str, number: u32, event: ClientEvent) -> Event {
        let client = ClientName { actor: actor.into(), kind: ClientKind::Client, number };
        Event { at: Duration::from_secs(seconds), what: What::Client { client, event } }
    }

    #[test]
    fn every_connection_has_a_lane_beside_its_actor_and_the_hub_is_in_the_middle() {
        let events = [
            event(1, "bob", 1, ClientEvent::Opened { connection: 1 }),
            event(2, "alice", 1, ClientEvent::Said("x".into())),
            event(3, "bob", 1, ClientEvent::Lost { connection: 1, why: DisconnectReason::Silent }),
            event(4, "bob", 1, ClientEvent::Opened { connection: 2 }),
            event(5, "bob", 2, ClientEvent::Opened { connection: 1 }),
            event(6, "carol", 1, ClientEvent::Ended),
        ];
        let lanes = Lanes::of(&events);
        let names: Vec<&str> = lanes.all.iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(names, ["bob", "bob#1.1", "bob#1.2", "bob#2.1", "alice", "hub", "carol"]);
        assert_eq!(names[lanes.hub], "hub");
        assert_eq!(lanes.actors, ["bob", "alice", "carol"]);
        let life = |lane: usize| (lanes.all[lane].opened, lanes.all[lane].lost);
        assert_eq!(life(1), (Some(1_000_000), Some(3_000_000)));
        assert_eq!(life(2), (Some(4_000_000), None));
    }

    #[test]
    fn a_history_without_actors_has_the_hub() {
        let lanes = Lanes::of(&[]);
        assert_eq!(lanes.all[lanes.hub].name, "hub");
        assert_eq!(lanes.host("nobody"), lanes.hub);
    }
}
