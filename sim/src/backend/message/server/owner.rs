//! The hub's owner by messages: what the server's owner does with the hub, its store and its sessions.

use signal_hub::hub::{Input, Output, SessionKey};
use signal_hub::protocol::{CloseReason, Outgoing};
use signal_hub::runtime::Reading;
use signal_hub::server::{Farewell, Keeper, OwnerState};
use signal_hub::store::StoreError;
use signal_hub::time::Timestamp;

use super::World;
use crate::backend::message::agenda::Event;
use crate::backend::message::network::HostId;
use crate::history::{HubEvent, Stop, What};
use crate::run;

impl World {
    /// The hub hears it in its owner's next turn.
    pub(in crate::backend::message) fn tell_hub(&mut self, input: Input) {
        if let Some(server) = &mut self.server {
            server.events.push_back(input);
        }
    }

    /// As the server's owner does: the hub hears some of what waits for it, and then all that comes of that is written.
    /// Returns whether there was anything to do.
    pub(in crate::backend::message) fn take_turn(&mut self) -> bool {
        let Some(server) = self.server.as_ref().filter(|_| !self.hub_paused) else { return false };
        if server.events.is_empty() {
            return self.write_all();
        }
        let events_max = server.state.events_max();
        self.look_at_hub_clock();
        for _ in 0..events_max {
            let event = self.server.as_mut().and_then(|server| server.events.pop_front());
            let Some(event) = event else { break };
            let opened = if let Input::Opened(key, _) = &event { Some(*key) } else { None };
            self.note_report(&event);
            self.hand_to_hub(event);
            let farewell = self.server.as_ref().and_then(|server| server.state.farewell());
            opened.zip(farewell).into_iter().for_each(|(key, farewell)| self.close(key, farewell));
        }
        self.settle_hub();
        self.write_all();
        true
    }

    fn note_report(&mut self, event: &Input) {
        if let (Input::Drained(key, _), Some(server)) = (event, &mut self.server)
            && let Some(session) = server.session(server.keys[key.0 as usize])
        {
            session.state.report_heard();
        }
    }

    /// Writes to each session that got something, and tells the hub what left; returns whether any did.
    fn write_all(&mut self) -> bool {
        let mut is_done = false;
        while let Some(server) = self.server.as_mut().filter(|server| !server.dirty.is_empty()) {
            is_done = true;
            let dirty = std::mem::take(&mut server.dirty);
            let left: Vec<_> = dirty.into_iter().filter_map(|id| self.write_as_owner(id)).collect();
            if !left.is_empty() {
                left.into_iter().for_each(|input| self.hand_to_hub(input));
                self.settle_hub();
            }
        }
        is_done
    }

    /// What the hub's clock shows; and the wall clock of its host.
    pub(in crate::backend::message) fn read_hub_clock(&mut self) -> Option<(Reading, Timestamp)> {
        let (at, wall) = (self.now, self.wall(HostId::FIRST));
        let server = self.server.as_mut()?;
        server.clock.advance(at, wall);
        Some((server.clock, wall))
    }

    /// As the server's owner does: a look that is much too late is told before anything else.
    fn look_at_hub_clock(&mut self) {
        let (at, reading) = (self.now, self.read_hub_clock());
        let (Some((clock, _)), Some(server)) = (reading, &mut self.server) else { return };
        if let Some(input) = server.state.look(clock.timestamp(), at) {
            self.hand_to_hub(input);
        }
    }

    pub(in crate::backend::message) fn hand_to_hub(&mut self, input: Input) {
        let Some(server) = self.server.as_mut().filter(|server| !server.fails) else { return };
        let recorded = input.clone();
        let mut outputs = std::mem::take(&mut server.outputs);
        let now = server.state.now();
        outputs.extend(server.state.hub.handle(now, input));
        let (touched, work) = (server.state.hub.touched(), server.state.hub.work());
        let event = HubEvent { now, input: recorded, outputs: outputs.clone(), touched, work };
        self.recorder.record(self.now, What::Hub(Box::new(event)));
        server.inputs += 1;
        run::audit(&self.recorder, &server.state.hub, server.inputs);
        let mut outputs = server.state.pass(outputs);
        outputs.drain(..).for_each(|output| self.carry_out_for_hub(output));
        if let Some(server) = &mut self.server {
            server.outputs = outputs;
        }
    }

    /// What the hub has heard is all that it hears for now.
    pub(in crate::backend::message) fn settle_hub(&mut self) {
        let Some(server) = self.server.as_ref().filter(|server| !server.fails) else { return };
        if server.state.keeper().is_some() {
            self.settle_store(|state| state.settle(Keeper::settle));
        } else {
            self.set_hub_alarm();
        }
    }

    /// Writes rows, then does what waited for them.
    pub(super) fn settle_store(
        &mut self,
        settle: impl FnOnce(&mut OwnerState) -> Result<Vec<Output>, StoreError>,
    ) {
        let Some(server) = &mut self.server else { return };
        match settle(&mut server.state) {
            Ok(outputs) => {
                outputs.into_iter().for_each(|output| self.carry_out_for_hub(output));
                self.set_hub_alarm();
            }
            Err(_) => self.fail_hub(),
        }
    }

    fn carry_out_for_hub(&mut self, output: Output) {
        match output {
            Output::Send(key, message) => self.queue(key, message),
            other => {
                let closed = Farewell::of(&other);
                closed.into_iter().for_each(|(key, farewell)| self.close(key, farewell));
            }
        }
    }

    /// The server ends because its store has failed: what waited for that leaves no more.
    fn fail_hub(&mut self) {
        let Some(server) = &mut self.server else { return };
        server.fails = true;
        drop(server.state.take_keeper());
        self.let_nobody_in();
        self.close_sessions(CloseReason::InternalError);
        self.give_up();
    }

    /// A server whose store has failed ends with its last connection.
    pub(super) fn give_up(&mut self) {
        let Some(server) = &mut self.server else { return };
        if server.fails
            && server.ends.is_empty()
            && !std::mem::replace(&mut server.has_failed, true)
        {
            self.recorder.record(self.now, What::HubStopped { how: Stop::Failed });
        }
    }

    /// The store ends in order.
    pub(in crate::backend::message) fn close_store(&mut self) {
        let keeper = self.server.as_mut().and_then(|server| server.state.take_keeper());
        if keeper.is_some_and(|keeper| keeper.close().is_err()) {
            self.fail_hub();
        }
    }

    fn queue(&mut self, key: SessionKey, message: Outgoing) {
        let Some(server) = &mut self.server else { return };
        let id = server.keys[key.0 as usize];
        let Some(session) = server.session(id) else { return };
        if !session.is_closing {
            session.state.queue(message);
            if !std::mem::replace(&mut session.is_dirty, true) {
                server.dirty.push(id);
            }
        }
    }

    fn set_hub_alarm(&mut self) {
        let Some(server) = &mut self.server else { return };
        server.alarm.set(server.state.next_look(), |at| {
            let rings = self.now.saturating_add(at.since(server.state.now()));
            self.agenda.plan(rings, Event::HubAlarm(server.life));
            rings
        });
    }

    pub(in crate::backend::message) fn hub_alarm(&mut self, life: u32) {
        let server = self.server.as_mut().filter(|server| server.life == life);
        if !server.is_some_and(|server| server.alarm.rings(|at| *at <= self.now)) {
            return;
        }
        self.look_at_hub_clock();
        if let Some(tick) = self.server.as_ref().and_then(|server| server.state.tick()) {
            self.hand_to_hub(tick);
        }
        self.settle_hub();
        self.write_all();
    }
}
