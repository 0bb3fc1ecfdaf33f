//! What the engine wrote, and who had it written (I4, I14, I47, I50, L6).

use std::time::Duration;

use signal_hub::cluster::engine::{NodeName, Revision};
use signal_hub::cluster::{AddressRow, NodeRow, Place, RowKey};
use signal_hub::protocol::ActorAddress;

use super::{Client, Judge, REVISION_BITS, Violation, Written, talk};
use crate::engine::Engine;
use crate::invariants::Invariant;

impl Judge {
    pub fn restarted(&mut self, engine: &Engine, at: Duration) -> Result<(), Violation> {
        if engine.revision() < self.judged {
            self.generation_lost = true;
            self.judged = Revision(0);
            self.log.clear();
            self.nodes.clear();
            self.versions.clear();
            self.given_back.clear();
            self.watched.values_mut().for_each(|watched| watched.is_current = false);
            // Versions of before name no row any longer.
            let registered =
                self.clients.values_mut().filter_map(|known| known.registered.as_mut());
            registered.for_each(|version| *version = u64::MAX);
            self.saw("the engine lost rows");
        }
        self.wrote(engine, None, at)
    }

    /// A node asked; what the engine wrote since is its doing (I47, I50).
    pub fn wrote(
        &mut self,
        engine: &Engine,
        writer: Option<Place>,
        at: Duration,
    ) -> Result<(), Violation> {
        for (revision, key, value) in engine.writes_after(self.judged) {
            self.judged = revision;
            match RowKey::decode(key) {
                Some(RowKey::Node(node)) => {
                    let row = value.and_then(|text| NodeRow::decode(text).ok());
                    self.node_written(&node, row, writer.as_ref(), at)?;
                }
                Some(RowKey::Address(address)) => {
                    let row = value.and_then(|text| AddressRow::decode(text).ok());
                    let owner = row.as_ref().map(|row| &row.owner);
                    let process = owner.and_then(|owner| self.processes.get(owner)).copied();
                    let written = Written { at, revision, row, process };
                    self.row_written(address, written, writer.as_ref())?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// A late write was carried out, by the life of its writer that sent it.
    pub fn wrote_late(
        &mut self,
        engine: &Engine,
        _writer: &NodeName,
        at: Duration,
    ) -> Result<(), Violation> {
        self.saw("a late write was carried out");
        self.wrote(engine, None, at)
    }

    fn node_written(
        &mut self,
        node: &NodeName,
        row: Option<NodeRow>,
        writer: Option<&Place>,
        at: Duration,
    ) -> Result<(), Violation> {
        let Some(row) = row else {
            return Err(Violation::new(Invariant::I47, format!("the row of {node} is gone")));
        };
        let is_own = writer.is_none_or(|writer| writer.node == *node);
        let before = self.nodes.insert(node.clone(), row.clone());
        let place = Place { node: node.clone(), epoch: row.epoch };
        self.processes.insert(place, row.incarnation);
        if let Some(before) = &before
            && before.alive
            && !(row.alive && row.epoch == before.epoch)
        {
            // The log may be read again, after the engine lost its end.
            self.died.entry(Place { node: node.clone(), epoch: before.epoch }).or_insert(at);
        }
        let came_back = before.as_ref().is_some_and(|before| {
            !before.alive && row.alive && before.incarnation == row.incarnation
        });
        if came_back {
            self.saw("a node came back that was declared dead");
        }
        if !is_own {
            let same_life = before.as_ref().is_some_and(|before| before.epoch == row.epoch);
            if row.alive || !same_life {
                let what = format!("{writer:?} wrote the row of {node}: {row:?}");
                return Err(Violation::new(Invariant::I47, what));
            }
            self.saw("a node was declared dead");
        }
        Ok(())
    }

    fn row_written(
        &mut self,
        address: ActorAddress,
        written: Written,
        writer: Option<&Place>,
    ) -> Result<(), Violation> {
        let last = self.log.get(&address).and_then(|history| history.last()).cloned();
        let before = last.as_ref().and_then(|last| last.row.clone());
        if let (Some(row), Some(writer)) = (&written.row, writer)
            && row.owner.node != writer.node
        {
            let what = format!("{} wrote a row of {address} for {}", writer.node, row.owner);
            return Err(Violation::new(Invariant::I47, what));
        }
        if written.row.as_ref().is_some_and(|row| row.generation > 0) {
            self.saw("the generation was raised");
        }
        if let (Some(before), Some(writer)) = (&last, writer) {
            self.heeds_the_owner(&address, before, &written, writer)?;
        }
        match (&before, &written.row, writer) {
            (Some(before), Some(row), _) => self.moved(&address, before, row)?,
            (Some(before), None, Some(writer)) => {
                self.cleared(&address, &before.owner, writer, written.at)?;
            }
            _ => {}
        }
        self.log.entry(address).or_default().push(written);
        Ok(())
    }

    /// A row takes the place of another one: a version is one owner's, and topics stay (I2, I14).
    fn moved(
        &mut self,
        address: &ActorAddress,
        before: &AddressRow,
        row: &AddressRow,
    ) -> Result<(), Violation> {
        if before.owner != row.owner && row.since.is_some() {
            let what = format!("{address} moved to {} with the version of before", row.owner);
            return Err(Violation::new(Invariant::I2, what));
        }
        if before.owner.node == row.owner.node {
            return Ok(());
        }
        let how =
            if row.detached { "an address was adopted" } else { "an address moved between nodes" };
        self.saw(how);
        if !row.detached
            && let Some(left) = &mut self.moves_left
        {
            let left = left.entry(talk::actor_of(address)).or_default();
            let Some(fewer) = left.checked_sub(1) else {
                let what = format!("when all is well, {address} moves once more, to {}", row.owner);
                return Err(Violation::new(Invariant::L6, what));
            };
            *left = fewer;
        }
        let lost = before.topics.iter().find(|topic| !row.topics.contains(topic));
        match lost.filter(|_| !self.generation_lost) {
            None => Ok(()),
            Some((lost, _)) => {
                let what = format!("{address} moved to {} without its topic {lost}", row.owner);
                Err(Violation::new(Invariant::I14, what))
            }
        }
    }

    /// A registration stays as it is, topics and all, unless its own session changes or leaves it, or it expires (I4).
    fn heeds_the_owner(
        &self,
        address: &ActorAddress,
        before: &Written,
        after: &Written,
        writer: &Place,
    ) -> Result<(), Violation> {
        let Some(row) = before.row.as_ref().filter(|row| row.owner == *writer && !row.detached)
        else {
            return Ok(());
        };
        let since = row.version(before.revision);
        let is_same = |after: &&AddressRow| after.version(Revision(0)) == since;
        let same = after.row.as_ref().filter(is_same);
        let version = row.generation << REVISION_BITS | since.0;
        let owner = self.clients.values().find(|client| {
            client.registered == Some(version) && talk::address(client.actor) == *address
        });
        let history = self.log.get(address).into_iter().flatten();
        let mut history = history.filter(|written| written.revision == since);
        // Clocks run at unequal pace.
        let expires = history.next().map(|written| written.at + row.ttl * 9 / 10);
        let (Some(owner), false) = (owner, expires.is_none_or(|at| at < after.at)) else {
            return Ok(());
        };
        let ends = after.row.is_none() || same.is_some_and(|after| after.detached);
        let what = if ends && !owner.leaves {
            "detaches or clears"
        } else if same.is_some_and(|after| after.topics != row.topics) && !owner.subscribes {
            "changes the topics of"
        } else {
            return Ok(());
        };
        let what = format!("{writer} {what} {address}, which a{} has and left alone", owner.actor);
        Err(Violation::new(Invariant::I4, what))
    }

    /// Its owner may clear a row; others, when the owner's life and then the resume window are over, unless
    /// its session lives on (I3, I47, I50).
    fn cleared(
        &self,
        address: &ActorAddress,
        owner: &Place,
        writer: &Place,
        at: Duration,
    ) -> Result<(), Violation> {
        let known = self.nodes.get(&owner.node);
        let lives = known.is_some_and(|row| row.alive && row.epoch == owner.epoch);
        if owner.node != writer.node && lives {
            let what = format!("{} cleared {address} of {owner}, which lives", writer.node);
            return Err(Violation::new(Invariant::I47, what));
        }
        let died = self.died.get(owner).copied();
        // Its client gave it back; that it was there is what the engine lost.
        let given_back = self.given_back.contains(&(address.clone(), writer.node.clone()));
        let is_asked = self.generation_lost && given_back;
        let just_died = died.is_some_and(|died| at < died + self.window);
        if owner.node != writer.node && just_died && !is_asked {
            let what = format!("{} cleared {address} of {owner}, which just died", writer.node);
            return Err(Violation::new(Invariant::I50, what));
        }
        let is_well =
            self.troubled.get(&owner.node).is_none_or(|troubled| *troubled + self.lease * 2 < at);
        let keeps = |client: &Client| {
            client.node == owner.node
                && client.registered.is_some()
                && talk::address(client.actor) == *address
        };
        if owner.node != writer.node && is_well && self.clients.values().any(keeps) {
            let what = format!("{} cleared {address} of {owner}, which has it", writer.node);
            return Err(Violation::new(Invariant::I3, what));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use signal_hub::cluster::engine::{Event, Request, RequestId};
    use signal_hub::cluster::{ClaimId, Format, NodeEpoch};
    use signal_hub::protocol::Json;
    use signal_hub::time::Timestamp;

    use super::*;
    use crate::engine::Lane;
    use crate::nodes::world::Setting;

    /// Writes a row by which a node has the address of the first actor.
    fn write(
        engine: &mut Engine,
        judge: &mut Judge,
        node: &str,
        number: u64,
    ) -> Result<(), Violation> {
        let node = NodeName::parse(node).expect("a name");
        let owner = Place { node: node.clone(), epoch: NodeEpoch(1) };
        let row = AddressRow {
            format: Format,
            owner: owner.clone(),
            claim: ClaimId(number),
            since: None,
            generation: 0,
            detached: false,
            recovers: false,
            capabilities: Vec::new(),
            metadata: Json::EMPTY_OBJECT,
            registered_at: Timestamp::from_millis(0),
            ttl: Duration::from_secs(60),
            principal: None,
            peer: [127, 0, 0, 1].into(),
            topics: Vec::new(),
        };
        let key = RowKey::Address(talk::address(0)).encode();
        let expected = engine.row(&key).map(|(revision, _)| revision);
        let id = RequestId(number);
        engine.request(&node, Request::Write { id, key, expected, value: Some(row.encode()) });
        judge.wrote(engine, Some(owner), Duration::from_secs(number))
    }

    #[test]
    fn an_address_moves_once_for_each_connection_when_all_is_well() {
        let (mut engine, mut judge) = (Engine::default(), Judge::new(&Setting::new(2, 1)));
        for node in ["n0", "n1"] {
            let node = NodeName::parse(node).expect("a name");
            engine.connect(&node);
            assert_eq!(engine.draw(&node, &Lane::Connection), Some(Event::Back));
        }
        let mut writes = BTreeMap::new();
        for (number, node) in (1..).zip(["n0", "n1", "n0", "n1"]) {
            if number == 2 {
                judge.healed([0, 0].into_iter());
            }
            writes.insert(number, write(&mut engine, &mut judge, node, number));
        }
        let broken = writes.remove(&4).expect("the fourth").expect_err("it moves a third time");
        assert_eq!(broken.invariant, Invariant::L6);
        assert!(writes.values().all(Result::is_ok), "{writes:?}");
    }
}
