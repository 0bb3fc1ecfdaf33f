//! The rows for a terminal, and below them the smallest story of each rule that does not hold.

use dst::report::canvas::cut;

use super::super::results::{Results, Rule};
use super::matrix::{Cell, Row, files, rules};

/// Characters of a row's name, and of a hub's column where there are several.
const NAME: usize = 44;
const COLUMN: usize = 26;

/// All hubs beside each other.
pub fn table(hubs: &[Results]) -> String {
    let mut text = rows(hubs);
    for hub in hubs {
        for rule in &hub.rules {
            text.extend(failure(hub, rule));
        }
    }
    text
}

/// The same without the stories.
pub fn rows(hubs: &[Results]) -> String {
    part("rule", hubs, &rules(hubs)) + &part("file", hubs, &files(hubs))
}

fn part(head: &str, hubs: &[Results], rows: &[Row<'_>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads = line(head, hubs.iter().map(|hub| hub.hub.clone()));
    let lines = rows.iter().map(|row| line(&row.name, row.cells.iter().map(told)));
    heads + &lines.collect::<String>()
}

fn told(cell: &Cell<'_>) -> String {
    if let Cell::Skipped { reason } = cell { format!("skipped: {reason}") } else { cell.text() }
}

/// One cell alone may be as long as it is.
fn line(head: &str, cells: impl ExactSizeIterator<Item = String>) -> String {
    let is_alone = cells.len() == 1;
    let whole = |cell: String| if is_alone { cell } else { cut(&cell, COLUMN - 1) };
    let cells = cells.map(|cell| format!("{:<COLUMN$}", whole(cell)));
    let line = format!("{:<NAME$}{}", cut(head, NAME - 1), cells.collect::<String>());
    format!("{}\n", line.trim_end())
}

/// The smallest story of a rule, if the hub breaks it.
pub(super) fn failure(hub: &Results, rule: &Rule) -> Option<String> {
    let smallest = rule.broken.first()?;
    let tries = smallest.tries.map(|(broke, of)| format!("tries    broke in {broke} of {of}\n"));
    Some(format!("\nhub      {}\n{}{}", hub.hub, smallest.story, tries.unwrap_or_default()))
}
