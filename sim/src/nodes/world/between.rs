//! What passes between hubs and their engine.

use signal_hub::cluster::engine::{Event, Request};
use signal_hub::hub::Output;

use super::{EVENTS_MAX, Node, Violation, World};
use crate::invariants::Invariant;

impl World {
    pub(super) fn hear(&mut self, node: usize, event: Event) -> Result<(), Violation> {
        let now = self.time(node);
        let Node { hub: Some(hub), name, .. } = &mut self.nodes[node] else { return Ok(()) };
        // What is due is done first, as if it had not heard of it.
        let (name, is_end) = (name.clone(), event == Event::Lost);
        if !is_end {
            self.judge.hears(&name, &event);
        }
        let outputs: Vec<Output> = hub.hear(now, event).collect();
        self.follow(node, outputs)?;
        if is_end {
            self.judge.hears(&name, &Event::Lost);
        }
        Ok(())
    }

    /// What arrives at the engine by itself, in order.
    pub(super) fn next_to_arrive(&mut self, node: usize) -> Option<Request> {
        let asked = &mut self.nodes[node].asked;
        let waits =
            |request: &Request| self.is_stepwise && matches!(request, Request::Write { .. });
        if asked.front().is_some_and(waits) { None } else { asked.pop_front() }
    }

    pub(super) fn arrive(&mut self, node: usize, request: Request) {
        for request in self.in_its_words(node, request).into_iter().flatten() {
            self.arrives(node, request);
        }
    }

    fn arrives(&mut self, node: usize, request: Request) {
        let one = &mut self.nodes[node];
        match &request {
            Request::Write { .. } if std::mem::take(&mut one.is_late) => {
                self.engine.request_late(&one.name, request);
            }
            Request::Write { id, .. } if std::mem::take(&mut one.loses_answer) => {
                let (id, before) = (*id, self.engine.revision());
                self.engine.request(&one.name, request);
                self.engine.lose_answer(&one.name, id);
                self.judge.unknown(self.engine.revision() > before);
            }
            Request::Read { .. } | Request::Watch { .. } if std::mem::take(&mut one.is_stale) => {
                self.engine.request_stale(&one.name, request, 5);
            }
            Request::Send { message, .. } => {
                self.judge.passes(message);
                self.engine.request(&one.name, request);
            }
            _ => self.engine.request(&one.name, request),
        }
    }

    /// Everything that can arrive does, lane by lane in turns.
    pub(super) fn flow(&mut self) -> Result<(), Violation> {
        for _ in 0..EVENTS_MAX {
            let mut is_quiet = true;
            for node in 0..self.nodes.len() {
                let one = &self.nodes[node];
                if one.is_paused || one.hub.is_none() {
                    continue;
                }
                if let Some(event) = self.next_event(node) {
                    is_quiet = false;
                    self.hear(node, event)?;
                }
            }
            if is_quiet {
                return Ok(());
            }
        }
        Err(Violation::new(
            Invariant::I51,
            "the hubs and their engine go round in a circle".to_owned(),
        ))
    }

    /// What the engine tells a node next, lane by lane in turns.
    pub(super) fn next_event(&mut self, node: usize) -> Option<Event> {
        let one = &self.nodes[node];
        let mut ready = self.engine.ready(&one.name);
        ready.retain(|lane| !one.is_held && one.hears(lane));
        if ready.is_empty() {
            return None;
        }
        self.drawn += 1;
        let lane = &ready[self.drawn % ready.len()];
        self.engine.draw(&one.name, lane)
    }
}
