//! The same as one HTML page that needs nothing else, not even a script: the matrix, and below it the smallest story
//! of each rule that does not hold, drawn. Whatever a hub said is text in it.

use super::super::results::{Results, Rule};
use super::matrix::{Cell, Row, files, rules};
use super::{Moment, Way};
use crate::report::{PALETTE, fill};

const PAGE: &str = include_str!("matrix.html");
const STYLE: &str = include_str!("matrix.css");
/// Where the first lane is, how far lanes and rows are apart, and how wide a character is.
const LEFT: usize = 130;
const LANE: usize = 96;
const LINE: usize = 22;
const CHARACTER: usize = 8;

/// All hubs beside each other.
pub fn html(hubs: &[Results]) -> String {
    let names: Vec<&str> = hubs.iter().map(|hub| hub.hub.as_str()).collect();
    let tables = matrix("rule", hubs, &rules(hubs)) + &matrix("file", hubs, &files(hubs));
    let numbered = hubs.iter().enumerate();
    let broken =
        numbered.flat_map(|(number, hub)| hub.rules.iter().map(move |rule| (number, hub, rule)));
    let stories = broken.filter(|(.., rule)| !rule.broken.is_empty());
    let stories: String = stories.map(|(number, hub, rule)| story(number, hub, rule)).collect();
    fill(
        PAGE,
        &[
            ("title", &escaped(&format!("{} from outside", names.join(", ")))),
            ("palette", PALETTE),
            ("style", STYLE),
            ("tables", &tables),
            ("stories", &stories),
        ],
    )
}

fn matrix(head: &str, hubs: &[Results], rows: &[Row<'_>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let columns = hubs.iter().map(|hub| {
        let (name, dialect, played) =
            (escaped(&hub.hub), escaped(&hub.dialect), escaped(&hub.played));
        let runs = hub.runs;
        format!("<th scope=\"col\">{name}<small>{dialect}: {played}, {runs} played</small></th>")
    });
    let lines = rows.iter().map(|row| {
        let (name, sentence) = (escaped(&row.name), escaped(row.sentence));
        let cells = row.cells.iter().enumerate().map(|(hub, found)| cell(hub, row.code, *found));
        let cells: String = cells.collect();
        format!("<tr><th scope=\"row\">{name}<small>{sentence}</small></th>{cells}</tr>\n")
    });
    let (columns, lines): (String, String) = (columns.collect(), lines.collect());
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">{head}</th>{columns}</tr></thead>\n\
         <tbody>\n{lines}</tbody>\n</table></div>\n"
    )
}

fn cell(hub: usize, code: &str, cell: Cell<'_>) -> String {
    let (word, text) = (cell.word(), escaped(&cell.text()));
    let text = match cell {
        Cell::Broken { .. } => format!("<a href=\"#{}\">{text}</a>", id(hub, code)),
        Cell::Breaks { code } => format!("<a href=\"#{}\">{text}</a>", id(hub, code)),
        Cell::Skipped { reason } => format!("{text}<small>{}</small>", escaped(reason)),
        _ => text,
    };
    format!("<td class=\"{word}\">{text}</td>")
}

/// Where the story of a rule is.
fn id(hub: usize, code: &str) -> String {
    let plain = code.chars().filter(char::is_ascii_alphanumeric);
    format!("hub{hub}-{}", plain.collect::<String>())
}

/// The smallest story of a rule, and how else it broke.
fn story(number: usize, hub: &Results, rule: &Rule) -> String {
    let mut text = format!(
        "<section id=\"{}\">\n<h2><span class=\"broken\">{}</span>: {} {}</h2>\n<p class=\"facts\">{}</p>\n",
        id(number, &rule.code),
        escaped(&hub.hub),
        escaped(&rule.code),
        escaped(&rule.name),
        escaped(&rule.sentence),
    );
    for (place, broken) in rule.broken.iter().enumerate() {
        let steps = broken.steps.map(|steps| format!(", {steps} steps"));
        let tries = broken.tries.map(|(broke, of)| format!(", broke in {broke} of {of} tries"));
        text.push_str(&format!(
            "<p class=\"evidence\">{}</p>\n<p class=\"facts\">{}{}{}</p>\n<p><code>{}</code></p>\n",
            escaped(&broken.evidence),
            escaped(&broken.run),
            steps.unwrap_or_default(),
            tries.unwrap_or_default(),
            escaped(&broken.command),
        ));
        match (place, broken.moments.is_empty()) {
            (0, false) => text.push_str(&drawing(&broken.moments)),
            (0, true) => text.push_str(&format!("<pre>{}</pre>\n", escaped(&broken.story))),
            _ => {}
        }
    }
    text + "</section>\n"
}

/// The story as a drawing: a lane a client, the hub as one at the right of them, time runs downwards.
fn drawing(story: &[Moment]) -> String {
    let mut clients: Vec<&str> = Vec::new();
    for who in story.iter().filter_map(|moment| moment.who.as_deref()) {
        if !clients.contains(&who) {
            clients.push(who);
        }
    }
    let hub = LEFT + clients.len() * LANE;
    let longest = story.iter().map(|moment| moment.what.chars().count()).max().unwrap_or_default();
    let (width, height) = (hub + 60 + longest * CHARACTER, (story.len() + 2) * LINE);
    let mut svg = format!("<figure><svg width=\"{width}\" height=\"{height}\" role=\"img\">\n");
    for (place, moment) in story.iter().enumerate().filter(|(_, moment)| moment.broke) {
        let (top, _) = (place * LINE + LINE + 9, moment);
        svg.push_str(&format!(
            "<rect class=\"broke\" x=\"2\" y=\"{top}\" width=\"{}\" height=\"{LINE}\"/>\n",
            width - 4
        ));
    }
    let lanes = clients.iter().map(|who| (*who, "lane")).chain([("hub", "hub")]);
    for (number, (who, class)) in lanes.enumerate() {
        let x = LEFT + number * LANE;
        let who = escaped(who);
        svg.push_str(&format!(
            "<text class=\"head\" x=\"{x}\" y=\"14\">{who}</text>\
             <line class=\"{class}\" x1=\"{x}\" x2=\"{x}\" y1=\"{LINE}\" y2=\"{height}\"/>\n"
        ));
    }
    for (place, moment) in story.iter().enumerate() {
        let number = clients.iter().position(|who| moment.who.as_deref() == Some(who));
        svg.push_str(&line(moment, place, number.map(|number| LEFT + number * LANE), hub));
    }
    svg.push_str("</svg></figure>\n");
    svg
}

/// One moment: `lane` is where its client's is.
fn line(moment: &Moment, place: usize, lane: Option<usize>, hub: usize) -> String {
    let (middle, base) = (place * LINE + 2 * LINE - 2, place * LINE + 2 * LINE + 2);
    let (seconds, rest) = (moment.milliseconds / 1_000, moment.milliseconds % 1_000);
    let arrow = match (moment.way, lane) {
        (Way::Says, Some(lane)) => arrow(lane, hub, middle),
        (Way::Hears, Some(lane)) => arrow(hub, lane, middle),
        (Way::Alone, Some(lane)) => {
            format!("<circle class=\"tip\" cx=\"{lane}\" cy=\"{middle}\" r=\"3.5\"/>")
        }
        (Way::Around, _) | (_, None) => String::new(),
    };
    let class = if moment.way == Way::Around { " class=\"around\"" } else { "" };
    format!(
        "<text class=\"time\" x=\"70\" y=\"{base}\">{seconds}.{rest:03}</text>{arrow}\
         <text{class} x=\"{}\" y=\"{base}\">{}</text>\n",
        hub + 16,
        escaped(&moment.what)
    )
}

fn arrow(from: usize, to: usize, y: usize) -> String {
    let back = if from < to { to - 7 } else { to + 7 };
    let (above, below) = (y - 4, y + 4);
    format!(
        "<line class=\"arrow\" x1=\"{from}\" x2=\"{to}\" y1=\"{y}\" y2=\"{y}\"/>\
         <path class=\"tip\" d=\"M{to} {y}L{back} {above}V{below}Z\"/>"
    )
}

/// Text that is nothing but text wherever it stands in a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
