//! Plays askers on the stand-in: chance decides what is asked, when it arrives, what is heard next and what breaks.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use signal_hub::cluster::engine::{Event, NodeName, Request};

use super::history::{Asker, History, KEYS, key, nodes};
use super::stand_in::{Check, Engine, Kept, Lane, Way};

/// What may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    None,
    /// All that the promises leave room for.
    Allowed,
    /// Reads by somebody who has not heard of the last writes.
    StaleReads,
    /// Restarts that forget acknowledged writes.
    Forgets,
    /// Messages that come again although nobody lost the engine.
    Doubles,
}

pub struct Run {
    pub engine: Engine,
    pub history: History,
    askers: Vec<Asker>,
    /// Requests that have not yet arrived.
    sent: Vec<(NodeName, Request)>,
    dice: ChaCha8Rng,
    faults: Faults,
}

/// Plays a seed to its end, when all is healed and every node has watched and read everything once more.
pub fn play(seed: u64, count: usize, check: Check, faults: Faults) -> History {
    let mut run = Run::new(seed, count, check, faults);
    for _ in 0..400 {
        run.step();
    }
    run.end();
    run.history
}

impl Run {
    pub fn new(seed: u64, count: usize, check: Check, faults: Faults) -> Self {
        let nodes = nodes(count);
        let askers = (0..count).map(|index| Asker::new(index, &nodes)).collect();
        let (dice, history) = (ChaCha8Rng::seed_from_u64(seed), History::default());
        let mut engine = Engine::new(check);
        nodes.iter().for_each(|node| engine.connect(node));
        Self { engine, history, askers, sent: Vec::new(), dice, faults }
    }

    fn step(&mut self) {
        let index = self.dice.random_range(0..self.askers.len());
        match self.dice.random_range(0..100) {
            0..35 if self.askers[index].unanswered() < 3 => {
                let request = self.askers[index].next(&mut self.dice);
                self.ask(index, request);
            }
            0..60 => self.arrive(),
            60..95 => {
                let node = self.askers[index].node.clone();
                let lanes = self.engine.ready(&node);
                if !lanes.is_empty() {
                    let lane = self.dice.random_range(0..lanes.len());
                    self.hear(index, &lanes[lane]);
                }
            }
            _ => self.break_something(index),
        }
    }

    pub fn ask(&mut self, index: usize, request: Request) {
        let node = self.askers[index].node.clone();
        self.history.asked(&node, &request);
        self.sent.push((node, request));
    }

    /// Of one node, messages and watches arrive in their order; between writes and reads there is none.
    fn arrive(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let mut at = self.dice.random_range(0..self.sent.len());
        let is_ordered =
            |request: &Request| matches!(request, Request::Send { .. } | Request::Watch { .. });
        if is_ordered(&self.sent[at].1) {
            let node = self.sent[at].0.clone();
            let first =
                |(from, request): &(NodeName, Request)| *from == node && is_ordered(request);
            at = self.sent.iter().position(first).unwrap_or(at);
        }
        let (node, request) = self.sent.remove(at);
        match (self.faults, self.dice.random_range(0..10)) {
            (Faults::Allowed, 0) => self.engine.request_late(&node, request),
            (Faults::Allowed, 1) | (Faults::StaleReads, 0..5) => {
                self.engine.request_stale(&node, request, 3)
            }
            (_, _) => self.engine.request(&node, request),
        }
    }

    pub fn hear(&mut self, index: usize, lane: &Lane) -> Option<Event> {
        let node = self.askers[index].node.clone();
        let event = self.engine.draw(&node, lane)?;
        self.history.heard(&node, &event);
        self.askers[index].hear(&event);
        Some(event)
    }

    fn break_something(&mut self, index: usize) {
        let node = self.askers[index].node.clone();
        let other = self.askers[self.dice.random_range(0..self.askers.len())].node.clone();
        match self.faults {
            Faults::None | Faults::StaleReads => {}
            Faults::Allowed => self.break_as_allowed(&node, &other),
            Faults::Forgets => {
                self.engine.restart(Kept::AllBut(3));
                self.connect_all();
            }
            Faults::Doubles => self.engine.double_message(&node, &other),
        }
    }

    fn break_as_allowed(&mut self, node: &NodeName, other: &NodeName) {
        let engine = &mut self.engine;
        match self.dice.random_range(0..16) {
            0 => engine.hold_watch(node),
            1 => engine.release_watch(node),
            2 => engine.push_rows(node),
            3 => engine.end_watch(node),
            4 => {
                let answered = engine.ready(node).into_iter().find_map(|lane| match lane {
                    Lane::Answer(id) => Some(id),
                    Lane::Connection | Lane::Watch | Lane::From(_) => None,
                });
                if let Some(id) = answered {
                    engine.lose_answer(node, id);
                }
            }
            5 | 6 if !engine.late_writes().is_empty() => {
                engine.carry_out_late(0);
            }
            7 if !engine.late_writes().is_empty() => engine.drop_late(0),
            8 => engine.lose_message(node, other),
            9 => engine.begin_election(),
            10 => engine.end_election(),
            11 => engine.cut(node, Way::ToEngine),
            12 => engine.cut(node, Way::FromEngine),
            13 => self.heal(node),
            14 => {
                engine.disconnect(node);
                engine.connect(node);
                engine.double_message(node, other);
            }
            15 => {
                engine.restart(Kept::All);
                self.connect_all();
            }
            _ => {}
        }
    }

    fn heal(&mut self, node: &NodeName) {
        self.engine.heal(node, Way::ToEngine);
        self.engine.heal(node, Way::FromEngine);
        self.engine.release_watch(node);
        self.engine.connect(node);
    }

    fn connect_all(&mut self) {
        let nodes: Vec<NodeName> = self.askers.iter().map(|asker| asker.node.clone()).collect();
        nodes.iter().for_each(|node| self.engine.connect(node));
    }

    fn end(&mut self) {
        self.engine.end_election();
        let nodes: Vec<NodeName> = self.askers.iter().map(|asker| asker.node.clone()).collect();
        nodes.iter().for_each(|node| self.heal(node));
        self.settle();
        while !self.engine.late_writes().is_empty() {
            self.engine.carry_out_late(0);
        }
        for index in 0..self.askers.len() {
            let watch = self.askers[index].watch();
            self.ask(index, watch);
            for at in KEYS {
                let read = self.askers[index].read_of(key(at));
                self.ask(index, read);
            }
        }
        self.settle();
    }

    /// Everything that was asked arrives, and everything that waits is heard.
    pub fn settle(&mut self) {
        let faults = std::mem::replace(&mut self.faults, Faults::None);
        while !self.sent.is_empty() {
            self.arrive();
        }
        for index in 0..self.askers.len() {
            while let Some(lane) = self.engine.ready(&self.askers[index].node).first() {
                self.hear(index, lane);
            }
        }
        self.faults = faults;
    }
}
