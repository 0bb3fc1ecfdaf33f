//! A run as a picture in text: time runs down, each client has a column, the hub the last one, and
//! messages are arrows. It knows of the events no more than their text and [`System::messages`].

use std::collections::BTreeMap;

use super::canvas::{Arrow, Canvas, legend};
use super::lanes::Lanes;
use crate::System;
use crate::backend::Outcome;

/// Columns beside the hub's; what others do is noted beside the hub.
const CLIENTS_MAX: usize = 3;
/// Characters behind the hub's column.
const NOTE: usize = 60;

/// The events at these places, in order, and the place of the one that broke something; none if no
/// client takes part in them.
pub(super) fn sequence<S: System>(outcome: &Outcome<S>, places: &[usize]) -> Option<String> {
    let events = &outcome.events;
    let lanes = Lanes::of(events, places, CLIENTS_MAX)?;
    let arrows: BTreeMap<usize, usize> =
        S::messages(events).into_iter().map(|(from, to)| (to, from)).collect();
    let broken = outcome.broken_at();
    let canvas = Canvas::new(lanes.hub(), NOTE);
    let lines = places.iter().map(|place| {
        let from = arrows.get(place).and_then(|from| lanes.sender(&events[*from]));
        let drawn = match lanes.told(&events[*place]) {
            (None, text) => canvas.across(&text),
            (Some(to), text) => match from.filter(|from| *from != to) {
                Some(from) => {
                    let (label, stroke) = (text.as_str(), '─');
                    canvas.arrow(Arrow { from, to, is_lost: false, stroke, label, note: "" })
                }
                None => canvas.mark(to, &text),
            },
        };
        let time = format!("{:.6}", events[*place].at.as_secs_f64());
        canvas.timed(&time, Some(*place) == broken, &drawn) + "\n"
    });
    let head = format!("(seconds; {})\n", legend(broken, events.len()));
    Some(head + &canvas.heading(lanes.names()) + &lines.collect::<String>())
}
