//! The hub at one moment of one order of events, and what each move makes of it.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hub::hub::{
    CloseCause, Hub, Ids, Input, Output, Peer, Phase, Queued, SessionKey, SessionRow, Written,
};
use signal_hub::protocol::{Body, Outgoing, Reply};
use signal_hub::time::Timestamp;

use super::form::Form;
use super::moves::{Move, Place, Word};
use super::setting::{BEAT, EPOCH, Setting};
use crate::history::{Event, HubEvent, What};
use crate::invariants::{Judge, Recovery, Shadow, Violation, check_rest};
use crate::lower::{Positions, access};

/// States are one if their forms are one.
#[derive(Debug, Clone)]
pub struct State {
    hub: Hub,
    now: Timestamp,
    /// Actor by actor.
    places: Vec<Option<Connection>>,
    opened: u64,
    /// The hub's rows, for a judge.
    known: Arc<Shadow>,
    /// What was sent to who recovers, for a judge; and where they stand, actor by actor.
    past: Arc<Recovery>,
    positions: Vec<Positions>,
    form: Arc<Form>,
    /// Moves since the beginning, on the way that was first.
    pub depth: usize,
    /// What the last move broke; nothing is done after it.
    pub broken: Option<Violation>,
}

/// A session, and what the hub knows of it and does not show.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    pub key: SessionKey,
    pub heard: Timestamp,
    pub spoke: bool,
    /// Whether application data waits for it; then what comes behind waits, too.
    holds_data: bool,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        (&self.form, &self.broken) == (&other.form, &other.broken)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.form, self.broken.is_some()).hash(state);
    }
}

impl State {
    pub fn first(setting: &Setting) -> Self {
        let scenario = setting.scenario();
        let (config, ids) = (setting.config.clone(), Ids::new([0; 32]));
        let hub = Hub::with_access(config, ids, access(&scenario));
        let known = Arc::new(Shadow::of(&scenario));
        let places = vec![None; setting.size.actors * setting.size.connections];
        let (now, view) = (EPOCH, hub.view());
        let past = Arc::new(Recovery::new(&setting.config));
        let positions = vec![Positions::default(); setting.size.actors];
        let form = Arc::new(Form::of(setting, now, &view, &places, &known, (&past, &positions)));
        Self { hub, now, places, opened: 0, known, past, positions, form, depth: 0, broken: None }
    }

    /// What can happen next.
    pub fn moves(&self, setting: &Setting, moves: &mut Vec<Move>) {
        let slots = setting.size.connections;
        for actor in 0..setting.size.actors {
            let free =
                (0..setting.slots(actor)).find(|slot| self.places[actor * slots + slot].is_none());
            moves.extend(free.map(|slot| Move::Open(Place { actor, slot })));
            for slot in 0..slots {
                let place = Place { actor, slot };
                if let Some(row) = self.session(setting, place) {
                    let sends = setting.size.sends > 0;
                    let words = match row.phase {
                        Phase::Connecting => Word::FIRST,
                        Phase::Connected => setting.words(actor),
                        Phase::Disconnecting => Word::LATE,
                    };
                    moves.extend(words.iter().map(|word| Move::Say(place, *word)));
                    if row.phase == Phase::Disconnecting || sends && row.queued.messages > 0 {
                        moves.push(Move::Written(place));
                    }
                    moves.push(Move::Ended(place));
                }
            }
        }
        if self.hub.next_deadline().is_some() {
            moves.push(Move::Wait);
        }
    }

    /// The state after a move.
    pub fn after(&self, setting: &Setting, next: Move) -> Self {
        let mut state = Self {
            hub: self.hub.clone(),
            now: self.now,
            places: self.places.clone(),
            opened: self.opened,
            known: Arc::clone(&self.known),
            past: Arc::clone(&self.past),
            positions: self.positions.clone(),
            form: Arc::clone(&self.form),
            depth: self.depth + 1,
            broken: None,
        };
        let verdict = panic::catch_unwind(AssertUnwindSafe(|| state.happen(setting, next)));
        state.broken = verdict.unwrap_or_else(|payload| Err(Violation::of_panic(&*payload))).err();
        state
    }

    /// The key that the next connection gets.
    pub fn next_key(&self) -> SessionKey {
        SessionKey(self.opened)
    }

    /// The hub's row of the session at this place.
    pub fn session(&self, setting: &Setting, place: Place) -> Option<&SessionRow> {
        let key = self.key(setting, place)?;
        self.known.session(key)
    }

    pub fn key(&self, setting: &Setting, place: Place) -> Option<SessionKey> {
        self.places[index(setting, place)].map(|connection| connection.key)
    }

    /// The sessions that are over for the hub and not gone.
    pub fn over(&self) -> impl Iterator<Item = SessionKey> {
        let sessions = self.known.sessions();
        sessions.filter(|(_, row)| row.phase == Phase::Disconnecting).map(|(key, _)| key)
    }

    fn happen(&mut self, setting: &Setting, next: Move) -> Result<(), Violation> {
        let mut judge = Judge::from_here(&setting.config, Shadow::clone(&self.known));
        let past = Arc::new(Mutex::new(Recovery::clone(&self.past)));
        if setting.size.recovery {
            judge = judge.remembering(Arc::clone(&past));
        }
        let input = self.input(setting, next);
        self.handle(setting, &mut judge, input)?;
        if setting.size.sends > 0 {
            self.write_what_need_not_wait(setting, &mut judge)?;
        }
        let view = self.hub.view();
        let told = judge.shadow().equals(&view);
        assert!(told, "the rows that the hub calls touched are all that changed");
        if self.places.iter().all(Option::is_none) && self.hub.next_deadline().is_none() {
            check_rest(self.hub.sizes())?;
        }
        let known = judge.into_shadow();
        self.past = Arc::new(past.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let past = (&*self.past, &*self.positions);
        self.form = Arc::new(Form::of(setting, self.now, &view, &self.places, &known, past));
        self.known = Arc::new(known);
        Ok(())
    }

    fn input(&mut self, setting: &Setting, next: Move) -> Input {
        let expected = "a move is of a connection that is there";
        match next {
            Move::Open(place) => {
                let key = self.next_key();
                self.opened += 1;
                let (heard, spoke, holds_data) = (self.now, false, false);
                let connection = Connection { key, heard, spoke, holds_data };
                self.places[index(setting, place)] = Some(connection);
                let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 49152);
                Input::Opened(key, Peer { address })
            }
            Move::Say(place, word) => {
                let row = self.session(setting, place);
                let is_heard = row.is_some_and(|row| row.phase != Phase::Disconnecting);
                let connection = self.places[index(setting, place)].as_mut().expect(expected);
                if is_heard {
                    connection.heard = self.now;
                    connection.spoke |= word != Word::Ping;
                }
                let positions = self.positions[place.actor];
                let frame = setting.frame(place.actor, word, self.now, positions);
                Input::Frame(connection.key, Ok(frame))
            }
            Move::Written(place) => {
                let queued = self.session(setting, place).map(|row| row.queued);
                let connection = self.places[index(setting, place)].as_mut().expect(expected);
                connection.holds_data = false;
                // Of a session that is over, what was being written when it ended.
                let queued = queued.filter(|queued| queued.messages > 0);
                let Queued { messages, bytes } = queued.unwrap_or(Queued { messages: 1, bytes: 1 });
                Input::Drained(connection.key, Written { messages, bytes, expired: Vec::new() })
            }
            Move::Ended(place) => {
                let connection = self.places[index(setting, place)].take().expect(expected);
                Input::Closed(connection.key, CloseCause::Lost)
            }
            Move::Wait => {
                self.now = self.now + BEAT;
                Input::Tick
            }
        }
    }

    fn handle(
        &mut self,
        setting: &Setting,
        judge: &mut Judge,
        input: Input,
    ) -> Result<(), Violation> {
        let outputs: Vec<Output> = self.hub.handle(self.now, input.clone()).collect();
        for output in &outputs {
            let Output::Send(key, message) = output else { continue };
            let is_it = |place: &Option<Connection>| place.is_some_and(|known| known.key == *key);
            let Some(place) = self.places.iter().position(is_it) else { continue };
            if setting.size.recovery {
                self.reads(place / setting.size.connections, message);
            }
            if let (Body::Delivery(_), Some(connection)) = (&message.body, &mut self.places[place])
            {
                connection.holds_data = true;
            }
        }
        let (touched, work) = (self.hub.touched(), self.hub.work());
        let hub = HubEvent { now: self.now, input, outputs, touched, work };
        let event = Event { at: self.now.since(EPOCH), what: What::Hub(Box::new(hub)) };
        if let Some(check) = setting.check {
            check(&event, judge.shadow())?;
        }
        judge.observe(&event)
    }

    /// An actor stands where it would if everything that is sent to it arrived at once. It may show
    /// an earlier position, as if it had not.
    fn reads(&mut self, actor: usize, message: &Outgoing) {
        let positions = &mut self.positions[actor];
        message.seq.into_iter().for_each(|seq| positions.pass(seq));
        let Body::Reply { reply, .. } = &message.body else { return };
        let told = match reply.as_ref() {
            Reply::Registered(told) => told.recovery.as_ref(),
            Reply::Recovered(told) => Some(&told.recovery),
            _ => None,
        };
        told.into_iter().for_each(|told| positions.follow(told));
    }

    /// Replies and notices that no data is in front of.
    fn write_what_need_not_wait(
        &mut self,
        setting: &Setting,
        judge: &mut Judge,
    ) -> Result<(), Violation> {
        for place in 0..self.places.len() {
            let Some(connection) = self.places[place].filter(|known| !known.holds_data) else {
                continue;
            };
            let row = judge.shadow().session(connection.key);
            let Queued { messages, bytes } = row.map(|row| row.queued).unwrap_or_default();
            if messages > 0 {
                let written = Written { messages, bytes, expired: Vec::new() };
                self.handle(setting, judge, Input::Drained(connection.key, written))?;
            }
        }
        Ok(())
    }
}

fn index(setting: &Setting, place: Place) -> usize {
    place.actor * setting.size.connections + place.slot
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, VecDeque};

    use super::super::setting::Size;
    use super::*;

    fn next(setting: &Setting, state: &State) -> Vec<State> {
        let mut moves = Vec::new();
        state.moves(setting, &mut moves);
        moves.into_iter().map(|next| state.after(setting, next)).collect()
    }

    #[test]
    fn states_that_are_taken_for_one_go_on_as_one() {
        for size in SIZES {
            let mut merged = 0;
            let setting = Setting::new(size, None);
            let first = State::first(&setting);
            let forms = |state: &State| -> BTreeSet<Arc<Form>> {
                next(&setting, state).into_iter().map(|state| state.form).collect()
            };
            let mut known = BTreeMap::from([(Arc::clone(&first.form), forms(&first))]);
            let mut pending = VecDeque::from([first]);
            while let Some(state) = pending.pop_front() {
                for state in next(&setting, &state) {
                    let after = forms(&state);
                    match known.get(&state.form) {
                        Some(known) => {
                            merged += 1;
                            assert_eq!(*known, after, "{:?}", state.form);
                        }
                        None => {
                            known.insert(Arc::clone(&state.form), after);
                            if known.len() < STATES_MAX {
                                pending.push_back(state);
                            }
                        }
                    }
                }
            }
            assert!(merged > known.len(), "{size:?}");
        }
    }

    /// Every way into so many is tried.
    const STATES_MAX: usize = 300;
    const PAIR: Size =
        Size { actors: 1, connections: 2, sends: 0, principals: false, recovery: false };
    const TWO: Size = Size { actors: 2, connections: 1, ..PAIR };
    const SIZES: [Size; 5] = [
        PAIR,
        Size { sends: 1, ..PAIR },
        TWO,
        Size { principals: true, ..TWO },
        Size { sends: 1, recovery: true, ..TWO },
    ];
}
