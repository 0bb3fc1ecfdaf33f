//! A run as a picture in text: time runs down, each client has a column, the hub the last one, and
//! messages are arrows. It knows of the events no more than their text and [`System::messages`].

use std::collections::BTreeMap;

use super::lanes::Lanes;
use crate::System;
use crate::backend::Outcome;

/// Columns beside the hub's; what others do is noted beside the hub.
const CLIENTS_MAX: usize = 3;
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
    let lanes = Lanes::of(events, places, CLIENTS_MAX)?;
    let arrows: BTreeMap<usize, usize> =
        S::messages(events).into_iter().map(|(from, to)| (to, from)).collect();
    let broken = outcome.broken_at();
    let hub = lanes.hub() * COLUMN;
    let lines = places.iter().map(|place| {
        let sign = if Some(*place) == broken { BROKEN } else { ' ' };
        let from = arrows.get(place).and_then(|from| lanes.sender(&events[*from]));
        let drawn = match lanes.told(&events[*place]) {
            (None, text) => format!("{:═<1$} {text}", "", hub + 1),
            (Some(at), text) => match from.filter(|from| *from != at) {
                Some(from) => arrow(hub, from * COLUMN, at * COLUMN, &text),
                None => mark(hub, at * COLUMN, &text),
            },
        };
        let line = format!("{sign}{:>12.6} {drawn}", events[*place].at.as_secs_f64());
        line.trim_end().to_owned() + "\n"
    });
    let is_last = broken.is_some_and(|broken| broken + 1 == events.len());
    let marked = if is_last { "the event that broke it" } else { "where a wait in vain began" };
    let names: String = lanes.names().map(|name| format!("{name:<COLUMN$}")).collect();
    let head =
        format!("(seconds; {BROKEN} marks {marked})\n{:>13} {}\n", "seconds", names.trim_end());
    Some(head + &lines.collect::<String>())
}

/// What somebody does alone.
fn mark(hub: usize, at: usize, text: &str) -> String {
    let mut line = empty(hub);
    let room = if at == hub { NOTE } else { hub - at - 4 };
    line[at] = '●';
    write(&mut line, at + 2, text, room);
    line.into_iter().collect()
}

/// What goes from one column to another; the text stands on its way.
fn arrow(hub: usize, from: usize, to: usize, text: &str) -> String {
    let mut line = empty(hub);
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

/// A line in which nothing happens; the hub's column is the last.
fn empty(hub: usize) -> Vec<char> {
    let mut line = vec![' '; hub + 2 + NOTE];
    for column in (0..=hub).step_by(COLUMN) {
        line[column] = '│';
    }
    line
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
