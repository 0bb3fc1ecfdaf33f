//! A run as a picture in text: time runs down, each client has a column, the hub the last one, and
//! messages are arrows. It knows of the events no more than their text and [`System::messages`].

use std::collections::BTreeMap;

use crate::System;
use crate::backend::Outcome;
use crate::history::{ClientName, Event, What};
use crate::scenario;

/// Columns beside the hub's; what others do is noted beside the hub.
const CLIENTS_MAX: usize = 3;
/// Characters before the first column.
const LEFT: usize = 14;
/// Characters from one column to the next.
const COLUMN: usize = 30;
/// Characters behind the hub's column.
const NOTE: usize = 60;
/// What marks the event that broke something.
const BROKEN: char = '✗';

/// The events at these places, in order, and the place of the one that broke something; none if no
/// client takes part in them.
pub(super) fn sequence<S: System>(outcome: &Outcome<S>, places: &[usize]) -> Option<String> {
    let events = &outcome.events;
    let columns = Columns::of(events, places)?;
    let arrows: BTreeMap<usize, usize> =
        S::messages(events).into_iter().map(|(from, to)| (to, from)).collect();
    let broken = outcome.broken_at();
    let lines = places.iter().map(|place| {
        let sign = if Some(*place) == broken { BROKEN } else { ' ' };
        let drawn = columns.draw(events, *place, &arrows);
        let line = format!("{sign}{:>12.6} {drawn}", events[*place].at.as_secs_f64());
        line.trim_end().to_owned() + "\n"
    });
    let is_last = broken.is_some_and(|broken| broken + 1 == events.len());
    let marked = if is_last { "the event that broke it" } else { "where a wait in vain began" };
    let head = format!("(seconds; {BROKEN} marks {marked})\n{}", columns.heading());
    Some(head + &lines.collect::<String>())
}

/// Who has a column: the clients that came last.
struct Columns(Vec<ClientName>);

impl Columns {
    fn of<S: System>(events: &[Event<S>], places: &[usize]) -> Option<Self> {
        let mut clients = Vec::<ClientName>::new();
        for place in places.iter().rev() {
            if let What::Client { client, .. } = &events[*place].what
                && !clients.contains(client)
                && clients.len() < CLIENTS_MAX
            {
                clients.push(client.clone());
            }
        }
        clients.sort();
        (!clients.is_empty()).then_some(Self(clients))
    }

    fn hub(&self) -> usize {
        self.0.len() * COLUMN
    }

    fn client(&self, client: &ClientName) -> Option<usize> {
        Some(self.0.iter().position(|known| known == client)? * COLUMN)
    }

    /// That of the youngest client of the actor.
    fn actor(&self, actor: &str) -> Option<usize> {
        Some(self.0.iter().rposition(|known| *known.actor == *actor)? * COLUMN)
    }

    fn heading(&self) -> String {
        let names = self.0.iter().map(|name| format!("{:<COLUMN$}", name.to_string()));
        format!("{:>13} {}hub\n", "seconds", names.collect::<String>())
    }

    /// One line.
    fn draw<S: System>(
        &self,
        events: &[Event<S>],
        place: usize,
        arrows: &BTreeMap<usize, usize>,
    ) -> String {
        let (at, text) = match &events[place].what {
            What::Net(event) => (self.hub(), event.to_string()),
            What::Run(milestone) => {
                return format!("{:═<1$} {milestone}", "", self.hub() + 1);
            }
            What::Step { step, .. } => {
                let at = match &step.what {
                    scenario::What::Act { who, .. } => self.actor(who.actor()),
                    scenario::What::Hub(_) | scenario::What::Network(_) => None,
                };
                (at.unwrap_or(self.hub()), step.in_short())
            }
            What::Client { client, event } => match self.client(client) {
                Some(at) => (at, event.to_string()),
                None => (self.hub(), format!("{client} {event}")),
            },
            What::Hub(event) => (self.hub(), event.to_string()),
            What::HubStarted { .. } => (self.hub(), "starts".to_owned()),
            What::HubStopped { .. } => (self.hub(), "stops".to_owned()),
        };
        let from = arrows.get(&place).and_then(|from| self.column(&events[*from]));
        match from.filter(|from| *from != at) {
            Some(from) => self.arrow(from, at, &text),
            None => self.mark(at, &text),
        }
    }

    fn column<S: System>(&self, event: &Event<S>) -> Option<usize> {
        match &event.what {
            What::Client { client, .. } => self.client(client),
            What::Hub(_) => Some(self.hub()),
            _ => None,
        }
    }

    /// What somebody does alone.
    fn mark(&self, at: usize, text: &str) -> String {
        let mut line = self.empty();
        let room = if at == self.hub() { NOTE } else { self.hub() - at - 4 };
        line[at] = '●';
        write(&mut line, at + 2, text, room);
        line.into_iter().collect()
    }

    /// What goes from one column to another; the text stands on its way.
    fn arrow(&self, from: usize, to: usize, text: &str) -> String {
        let mut line = self.empty();
        let (left, right) = (from.min(to), from.max(to));
        for cell in &mut line[left + 1..right] {
            *cell = if *cell == '│' { '┼' } else { '─' };
        }
        (line[left], line[right]) = ('├', '┤');
        if to == right {
            line[right - 1] = '▶';
        } else {
            line[left + 1] = '◀';
        }
        write(&mut line, left + 3, &format!(" {text} "), right - left - 5);
        line.into_iter().collect()
    }

    fn empty(&self) -> Vec<char> {
        let mut line = vec![' '; self.hub() + NOTE + LEFT];
        for column in 0..=self.0.len() {
            line[column * COLUMN] = '│';
        }
        line
    }
}

/// Writes as much of the text as there is room for.
fn write(line: &mut [char], at: usize, text: &str, room: usize) {
    let is_cut = text.chars().count() > room;
    let kept = if is_cut { room.saturating_sub(1) } else { room };
    let text = text.chars().take(kept).chain(is_cut.then_some('…'));
    for (cell, letter) in line[at..].iter_mut().zip(text) {
        *cell = letter;
    }
}
