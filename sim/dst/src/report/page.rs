//! A run as one HTML page without a script: time runs down, each client has a lane, the hub the last one,
//! and messages are arrows from where they were sent.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::canvas::cut;
use super::lanes::Lanes;
use super::{lines, verdict};
use crate::System;
use crate::backend::Outcome;
use crate::history::What;
use crate::scenario::Scenario;

/// The latest so many events are drawn.
const ROWS_MAX: usize = 2_000;
/// The latest so many clients have a lane.
const LANES_MAX: usize = 12;
/// Pixels from one lane to the next, and from one row to the next.
const LANE: usize = 260;
const ROW: usize = 18;
/// Pixels before the first lane, and above the first row.
const LEFT: usize = 100;
const TOP: usize = 40;
/// Characters of an event that are shown; all of them when one points at it.
const TEXT_MAX: usize = 40;

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><style>\
    body{font:14px sans-serif;margin:1em}pre,text{font:12px monospace}\
    svg{overflow:visible}line,path{stroke:#999}text{fill:#222;paint-order:stroke;stroke:#fff;stroke-width:3px}.name{font-weight:bold}\
    .arrow{stroke:#06c}.all{stroke:#333;stroke-width:2}.broken text{fill:#c00;font-weight:bold}\
    .broken path{stroke:#c00;stroke-width:2}.broken circle{fill:#c00}circle{fill:#06c}</style>";

/// The run; `command` plays it again, and an explanation tells why it fails.
pub fn page<S: System>(
    scenario: &Scenario<S>,
    command: &str,
    outcome: &Outcome<S>,
    explanation: Option<&str>,
) -> String {
    let title = escaped(&scenario.title);
    let told = escaped(&verdict(outcome, command));
    let why = explanation.map(|why| format!("<pre>{}</pre>\n", escaped(why))).unwrap_or_default();
    let picture = picture(outcome).unwrap_or_default();
    let all = escaped(&lines(&outcome.events));
    format!(
        "{HEAD}<title>{title}</title><h1>{title}</h1>\n<pre>{told}</pre>\n{picture}{why}\
         <details><summary>All events</summary><pre>{all}</pre></details></html>\n"
    )
}

fn picture<S: System>(outcome: &Outcome<S>) -> Option<String> {
    let events = &outcome.events;
    let told = (0..events.len()).filter(|place| !matches!(events[*place].what, What::Net(_)));
    let mut places: Vec<usize> = told.collect();
    places.drain(..places.len().saturating_sub(ROWS_MAX));
    let lanes = Lanes::of(events, &places, LANES_MAX)?;
    let rows: BTreeMap<usize, usize> = places.iter().copied().zip(0..).collect();
    let arrows: BTreeMap<usize, usize> =
        S::messages(events).into_iter().map(|(from, to)| (to, from)).collect();
    let (width, height) = (x(lanes.hub()) + 2 * LANE, y(places.len()));
    let mut svg = format!(
        "<svg width=\"{width}\" height=\"{height}\"><defs><marker id=\"tip\" orient=\"auto\" \
         markerUnits=\"userSpaceOnUse\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"#06c\"/></marker></defs>\n"
    );
    for (lane, name) in lanes.names().enumerate() {
        let (at, name) = (x(lane), escaped(&name));
        put(&mut svg, format_args!("<text class=\"name\" x=\"{at}\" y=\"16\">{name}</text>"));
        put(&mut svg, format_args!("<line x1=\"{at}\" y1=\"24\" x2=\"{at}\" y2=\"{height}\"/>\n"));
    }
    for (row, place) in places.iter().enumerate() {
        let event = &events[*place];
        let from = arrows.get(place).and_then(|from| {
            let sent = rows.get(from)?;
            Some((lanes.sender(&events[*from])?, *sent))
        });
        let class = if Some(*place) == outcome.broken_at() { "broken" } else { "event" };
        let at = format!("{:.6}", event.at.as_secs_f64());
        let drawn = drawn(lanes.told(event), from, row, lanes.hub());
        put(
            &mut svg,
            format_args!(
                "<g class=\"{class}\"><text x=\"0\" y=\"{}\">{at}</text>{drawn}</g>\n",
                y(row) + 4
            ),
        );
    }
    Some(svg + "</svg>\n")
}

/// One event: a mark, an arrow from the lane and the row that it was sent in, or a line across all lanes.
fn drawn(
    (lane, text): (Option<usize>, String),
    from: Option<(usize, usize)>,
    row: usize,
    hub: usize,
) -> String {
    let (short, whole) = (escaped(&cut(&text, TEXT_MAX)), escaped(&text));
    let (at, down) = (x(lane.unwrap_or(hub)), y(row));
    let mark = match (lane, from) {
        (None, _) => format!("<path class=\"all\" d=\"M{} {down}H{at}\"/>", x(0)),
        (Some(lane), Some((from, sent))) if from != lane => format!(
            "<path class=\"arrow\" marker-end=\"url(#tip)\" d=\"M{} {}L{at} {down}\"/>",
            x(from),
            y(sent)
        ),
        (Some(_), _) => format!("<circle cx=\"{at}\" cy=\"{down}\" r=\"3\"/>"),
    };
    format!("{mark}<text x=\"{}\" y=\"{}\">{short}<title>{whole}</title></text>", at + 8, down + 4)
}

fn x(lane: usize) -> usize {
    LEFT + lane * LANE
}

fn y(row: usize) -> usize {
    TOP + row * ROW
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes all");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
