//! What breaks, and what mends it.

use signal_hub::cluster::LifePhase;
use signal_hub::cluster::engine::WriteOutcome;

use super::{Node, Violation, World};
use crate::nodes::moves::Fault;

impl World {
    pub(super) fn break_or_mend(&mut self, node: usize, fault: Fault) -> Result<(), Violation> {
        self.notes(node, fault);
        let one = &mut self.nodes[node];
        let name = one.name.clone();
        match fault {
            Fault::Pause if one.is_paused => return self.go_on(node),
            Fault::Pause => one.is_paused = one.hub.is_some(),
            Fault::Crash if one.hub.is_none() => self.start(node),
            Fault::Crash => self.crash(node),
            Fault::Leave if one.hub.is_none() => self.start(node),
            Fault::Leave => return self.leave(node),
            Fault::Twin => self.start_twin(node),
            Fault::Upgrade => one.is_upgraded = true,
            Fault::Clock(by) => one.clock.step(by),
            Fault::Disconnect if one.is_lost => {
                one.is_lost = false;
                self.engine.connect(&name);
            }
            Fault::Disconnect if one.hub.is_some() => {
                one.is_lost = true;
                self.engine.disconnect(&name);
            }
            Fault::Disconnect => {}
            Fault::Cut(way) if one.cut.remove(&way) => self.engine.heal(&name, way),
            Fault::Cut(way) if one.hub.is_some() => {
                one.cut.insert(way);
                self.engine.cut(&name, way);
            }
            Fault::Cut(_) => {}
            Fault::HoldWatch => one.is_watch_held ^= true,
            Fault::HoldAnswers => one.are_answers_held ^= true,
            Fault::HoldMessages => one.are_messages_held ^= true,
            Fault::EndWatch if one.hub.is_some() => self.engine.end_watch(&name),
            Fault::EndWatch => {}
            Fault::Hold => one.is_held ^= true,
            Fault::LoseAnswer => one.loses_answer = true,
            Fault::Late => one.is_late = true,
            Fault::Stale => one.is_stale = true,
            Fault::LoseMessage | Fault::DoubleMessage if one.hub.is_none() => {}
            Fault::LoseMessage => {
                let from = self.nodes[(node + 1) % self.nodes.len()].name.clone();
                self.engine.lose_message(&from, &name);
            }
            Fault::DoubleMessage => {
                let from = self.nodes[(node + 1) % self.nodes.len()].name.clone();
                self.engine.double_message(&from, &name);
            }
            Fault::CarryOut | Fault::Election | Fault::Restart(_) => {
                return self.break_engine(fault);
            }
        }
        Ok(())
    }

    fn break_engine(&mut self, fault: Fault) -> Result<(), Violation> {
        match fault {
            Fault::CarryOut => {
                let late = self.engine.late_writes().first().map(|late| late.from.clone());
                let Some(writer) = late else { return Ok(()) };
                let outcome = self.engine.carry_out_late(0);
                self.judge.unknown(matches!(outcome, WriteOutcome::Done(_)));
                return self.judge.wrote_late(&self.engine, &writer, self.now);
            }
            Fault::Election if self.is_electing => {
                self.is_electing = false;
                self.engine.end_election();
            }
            Fault::Election => {
                self.is_electing = true;
                self.engine.begin_election();
            }
            Fault::Restart(kept) => {
                self.is_electing = false;
                // What was asked before it is back is not carried out after that.
                (0..self.engine.late_writes().len()).for_each(|_| self.engine.drop_late(0));
                self.engine.restart(kept);
                self.judge.restarted(&self.engine, self.now)?;
                for node in &mut self.nodes {
                    self.judge.troubled(&node.node, self.now);
                    node.is_lost = false;
                    if node.hub.is_some() {
                        self.engine.connect(&node.name);
                    }
                }
            }
            _ => unreachable!("{fault} is a node's"),
        }
        Ok(())
    }

    /// Returns whether this is so now, and the same fault mends it.
    pub(in crate::nodes) fn is_broken(&self, node: usize, fault: Fault) -> bool {
        let one = &self.nodes[node % self.nodes.len()];
        match fault {
            Fault::Pause => one.is_paused,
            Fault::Crash | Fault::Leave => one.hub.is_none(),
            Fault::Disconnect => one.is_lost,
            Fault::Cut(way) => one.cut.contains(&way),
            Fault::HoldWatch => one.is_watch_held,
            Fault::HoldAnswers => one.are_answers_held,
            Fault::HoldMessages => one.are_messages_held,
            Fault::Hold => one.is_held,
            Fault::Election => self.is_electing,
            _ => false,
        }
    }

    /// Whether nobody may notice: who ends in order hands on what it keeps, if there is anybody.
    fn is_harmless(&self, node: usize, fault: Fault) -> bool {
        let lives = |one: &Node| {
            let life = one.hub.as_ref().and_then(|hub| hub.life());
            life.is_some_and(|life| life.phase() == LifePhase::Living) && one.leaves.is_none()
        };
        let mut others = self.nodes.iter().enumerate().filter(|(other, _)| *other != node);
        match fault {
            Fault::Leave => others.any(|(_, other)| lives(other)),
            Fault::Clock(_) | Fault::Upgrade => true,
            _ => false,
        }
    }

    pub(super) fn notes(&mut self, node: usize, fault: Fault) {
        self.judge.saw(fault_name(fault));
        if !self.is_harmless(node, fault) {
            self.judge.is_troubled(self.now);
        }
    }

    fn go_on(&mut self, node: usize) -> Result<(), Violation> {
        let one = &mut self.nodes[node];
        one.is_paused = false;
        let waiting = std::mem::take(&mut one.waiting);
        waiting.into_iter().try_for_each(|input| self.give(node, input))
    }

    pub(super) fn mend(&mut self, node: usize) -> Result<(), Violation> {
        let one = &mut self.nodes[node];
        (one.is_held, one.is_watch_held) = (false, false);
        (one.are_answers_held, one.are_messages_held) = (false, false);
        (one.loses_answer, one.is_late, one.is_stale) = (false, false, false);
        let name = one.name.clone();
        if one.hub.is_none() {
            self.start(node);
        }
        let one = &mut self.nodes[node];
        for way in std::mem::take(&mut one.cut) {
            self.engine.heal(&name, way);
        }
        if std::mem::take(&mut one.is_lost) {
            self.engine.connect(&name);
        }
        if self.nodes[node].is_paused { self.go_on(node) } else { Ok(()) }
    }
}

fn fault_name(fault: Fault) -> &'static str {
    match fault {
        Fault::Pause => "a node stood still",
        Fault::Crash => "a node crashed",
        Fault::Leave => "a node left in order, or came back",
        Fault::Twin => "two nodes had one name",
        Fault::Upgrade => "a node was upgraded",
        Fault::Clock(_) => "a clock was set",
        Fault::Disconnect => "a node lost the engine",
        Fault::Cut(_) => "a way was cut",
        Fault::HoldWatch => "a watch was slow",
        Fault::HoldAnswers => "answers came late",
        Fault::HoldMessages => "messages came late",
        Fault::EndWatch => "a watch ended without a word",
        Fault::Hold => "events came late",
        Fault::LoseAnswer => "an answer was lost",
        Fault::Late | Fault::CarryOut => "a write was late",
        Fault::Stale => "a read was old",
        Fault::LoseMessage => "a message was lost",
        Fault::DoubleMessage => "a message came twice",
        Fault::Election => "nobody decided writes",
        Fault::Restart(_) => "the engine started anew",
    }
}
