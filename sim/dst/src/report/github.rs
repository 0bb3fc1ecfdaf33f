//! A campaign as GitHub shows it: annotations, which are lines of output, and the summary of a step, which
//! is Markdown.

use std::fmt::Write;

use super::results::{Alike, Results};
use super::summary::{some_seeds, verdict};
use crate::campaign::Verdict;

/// A line for each distinct failure, and one if the campaign proves nothing.
pub fn annotations(results: &Results) -> String {
    let mut text = String::new();
    for alike in &results.distinct_failures {
        let Alike { name, evidence, command, first_seed, file, .. } = alike;
        let seeds = some_seeds(&alike.seeds, alike.count);
        let title = property(&format!("{name} (seed {first_seed})"));
        let message = escaped(&format!("{evidence}\n{seeds}\n{command}"));
        let file = file.as_ref().map(|file| format!("file={},", property(&file.to_string_lossy())));
        let _ = writeln!(text, "::error {}title={title}::{message}", file.unwrap_or_default());
    }
    if matches!(results.verdict, Verdict::Void | Verdict::Unplayed) {
        let missing = results.missing.join(", ");
        let message = match results.verdict {
            Verdict::Void => format!("{}: {missing}", verdict(results)),
            _ => verdict(results),
        };
        let _ = writeln!(text, "::error title=void campaign::{}", escaped(&message));
    }
    text
}

/// What the step shows below its job.
pub fn step_summary(results: &Results) -> String {
    let mut text = format!("### {}, {} on {}\n\n", "simulation", results.profile, results.backend);
    let _ = writeln!(text, "{}\n", cell(&verdict(results)));
    if !results.distinct_failures.is_empty() {
        text.push_str("| broken | by | seen | seeds | scenario | plays it again |\n");
        text.push_str("|---|---|---|---|---|---|\n");
    }
    for alike in &results.distinct_failures {
        let file = alike.file.as_ref().map(|file| file.display().to_string());
        let cells = [
            alike.name.clone(),
            alike.broken_by.clone(),
            alike.evidence.clone(),
            some_seeds(&alike.seeds, alike.count),
            file.unwrap_or_default(),
            alike.command.clone(),
        ];
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    if !results.distinct_failures.is_empty() {
        text.push('\n');
    }
    let required = results.situations.iter().filter(|seen| seen.required).count();
    if required > 0 {
        let met = required - results.missing.len();
        let _ = writeln!(text, "{met} of {required} situations that have to come up did.");
    }
    if results.verdict == Verdict::Void {
        let _ = writeln!(text, "\nNever: {}.", cell(&results.missing.join(", ")));
    }
    text
}

/// As Markdown has plain text in a table.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for char in text.trim().chars() {
        match char {
            '\n' => cell.push_str("<br>"),
            '<' => cell.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => cell.extend(['\\', char]),
            _ => cell.push(char),
        }
    }
    cell
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_stays_on_its_line() {
        assert_eq!(escaped("100%\r\nsure"), "100%25%0D%0Asure");
        assert_eq!(property("a: b, c"), "a%3A b%2C c");
    }

    #[test]
    fn a_table_keeps_its_cells_whatever_is_in_them() {
        assert_eq!(cell("a|b <c>\n`d` @(e_f)\n"), "a\\|b &lt;c><br>\\`d\\` @(e\\_f)");
    }
}
