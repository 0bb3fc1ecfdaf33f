//! Rows and columns: what is in each cell.

use super::super::results::{Fate, Played, Results, Rule};

/// A rule or a scenario file.
pub struct Row<'a> {
    /// The rule's code; of a file nothing.
    pub code: &'a str,
    /// A few words, or the file's name.
    pub name: String,
    /// What must hold, or what the file is about.
    pub sentence: &'a str,
    /// One for each hub.
    pub cells: Vec<Cell<'a>>,
}

/// What was found of one row in one hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// The rule holds wherever it could be decided.
    Held { decided: u64, undecided: u64 },
    /// The file does what it says.
    Passed,
    /// The rule does not hold, in so many runs.
    Broken { runs: usize },
    /// The file breaks the rule of this code.
    Breaks { code: &'a str },
    /// It came up, and could never be decided.
    Undecided { times: u64 },
    /// It never came up, which proves nothing.
    Never,
    /// It was not judged.
    Skipped { reason: &'a str },
    /// Nothing is said of it.
    Unknown,
}

/// The rules of all hubs, in the order in which they come.
pub fn rules(hubs: &[Results]) -> Vec<Row<'_>> {
    let mut known: Vec<&Rule> = Vec::new();
    for rule in hubs.iter().flat_map(|hub| &hub.rules) {
        if !known.iter().any(|known| known.code == rule.code) {
            known.push(rule);
        }
    }
    let row = |rule: &&'_ Rule| {
        let of = |hub: &'_ Results| hub.rules.iter().position(|own| own.code == rule.code);
        hubs.iter()
            .map(|hub| of(hub).map_or(Cell::Unknown, |place| of_rule(&hub.rules[place])))
            .collect()
    };
    let cells: Vec<Vec<Cell<'_>>> = known.iter().map(row).collect();
    let rows = known.into_iter().zip(cells);
    rows.map(|(rule, cells)| Row {
        code: &rule.code,
        name: format!("{} {}", rule.code, rule.name),
        sentence: &rule.sentence,
        cells,
    })
    .collect()
}

/// The files of all hubs, in the order in which they come.
pub fn files(hubs: &[Results]) -> Vec<Row<'_>> {
    let mut known: Vec<&Played> = Vec::new();
    for played in hubs.iter().flat_map(|hub| &hub.files) {
        if !known.iter().any(|known| known.file == played.file) {
            known.push(played);
        }
    }
    let rows = known.into_iter().map(|played| {
        let found = hubs.iter().map(|hub| hub.files.iter().find(|own| own.file == played.file));
        let cells = found.map(|own| own.map_or(Cell::Unknown, of_file)).collect();
        let name = played.file.file_stem().unwrap_or(played.file.as_os_str());
        Row { code: "", name: name.to_string_lossy().into_owned(), sentence: &played.title, cells }
    });
    rows.collect()
}

fn of_rule(rule: &Rule) -> Cell<'_> {
    let (decided, undecided) = (rule.decided, rule.undecided);
    let runs = rule.broken.iter().map(|broken| broken.count).sum();
    match (runs, decided, undecided) {
        (0, 0, 0) if !rule.promised => Cell::Skipped { reason: "not promised" },
        (0, 0, 0) => Cell::Never,
        (0, 0, times) => Cell::Undecided { times },
        (0, ..) => Cell::Held { decided, undecided },
        (runs, ..) => Cell::Broken { runs },
    }
}

fn of_file(played: &Played) -> Cell<'_> {
    match &played.fate {
        Fate::Passed => Cell::Passed,
        Fate::Broke { code } => Cell::Breaks { code },
        Fate::Skipped { reason } => Cell::Skipped { reason },
    }
}

impl Cell<'_> {
    /// In a few words.
    pub fn text(self) -> String {
        match self {
            Cell::Held { decided, undecided: 0 } => format!("held {decided}"),
            Cell::Held { decided, undecided } => format!("held {decided}, {undecided} undecided"),
            Cell::Passed => "passed".to_owned(),
            Cell::Broken { runs: 1 } => "BROKEN".to_owned(),
            Cell::Broken { runs } => format!("BROKEN in {runs} runs"),
            Cell::Breaks { code } => format!("BREAKS {code}"),
            Cell::Undecided { times } => format!("undecided {times}"),
            Cell::Never => "never came up".to_owned(),
            Cell::Skipped { .. } => "skipped".to_owned(),
            Cell::Unknown => String::new(),
        }
    }

    /// The word of its kind.
    pub const fn word(self) -> &'static str {
        match self {
            Cell::Held { .. } | Cell::Passed => "held",
            Cell::Broken { .. } | Cell::Breaks { .. } => "broken",
            Cell::Undecided { .. } => "undecided",
            Cell::Never => "never",
            Cell::Skipped { .. } => "skipped",
            Cell::Unknown => "none",
        }
    }
}
