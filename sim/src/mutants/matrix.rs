//! The matrix of mutants and what kills them, for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::fate::{Fate, Kills, Trial};
use super::patch::{Expectation, Mutant, Scope};

/// Mutants and what became of them, in the order in which they were tried.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    rows: Vec<(Mutant, Fate)>,
}

impl Matrix {
    /// Adds a row.
    pub fn add(&mut self, mutant: Mutant, fate: Fate) {
        self.rows.push((mutant, fate));
    }

    /// The names of those that did not do what they must.
    pub fn unexpected(&self) -> Vec<&str> {
        let rows = self.rows.iter().filter(|(mutant, fate)| !mutant.is_as_expected(fate));
        rows.map(|(mutant, _)| mutant.name.as_str()).collect()
    }

    /// A table of those of the scope in Markdown, and what it comes to; none if no such one was tried.
    pub fn markdown(&self, scope: Scope) -> Option<String> {
        let of_it = self.only(scope);
        // What is shrunk is a scenario of one hub.
        let has_steps = scope == Scope::OneHub;
        let mut text = head(scope.trials(), has_steps.then_some("steps"));
        for (mutant, fate) in &of_it.rows {
            text.push_str(&row(mutant, fate, scope.trials()));
            if has_steps {
                let _ = write!(text, " {} |", number(fate.steps.map(|steps| steps as u64)));
            }
            text.push('\n');
        }
        let _ = write!(text, "\n{}", of_it.summary());
        (!of_it.rows.is_empty()).then_some(text)
    }

    /// Those of the scope, and the guards that were tried there.
    fn only(&self, scope: Scope) -> Self {
        let trials = scope.trials();
        let is_of_it = |(mutant, fate): &&(Mutant, Fate)| {
            let was_tried = trials.iter().any(|trial| fate.kills(*trial).is_some());
            if mutant.is_guard() { was_tried } else { mutant.scope() == scope }
        };
        Self { rows: self.rows.iter().filter(is_of_it).cloned().collect() }
    }

    /// The same for programs.
    pub fn json(&self) -> String {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|(mutant, fate)| {
                json!({
                    "mutant": mutant.name,
                    "bug": mutant.bug,
                    "profile": format!("{:?}", mutant.profile).to_lowercase(),
                    "expect": expectation(mutant),
                    "asExpected": mutant.is_as_expected(fate),
                    "fate": fate,
                    "seedsToTheFirstKill": fate.seeds_to_the_first_kill(),
                    "seedsToTheDeclared": seeds_to_declared(mutant, fate),
                })
            })
            .collect();
        format!("{:#}\n", Value::Array(rows))
    }

    fn summary(&self) -> String {
        let mutants = || self.rows.iter().filter(|(mutant, _)| !mutant.is_guard());
        let killed = mutants().filter(|(mutant, fate)| mutant.is_as_expected(fate)).count();
        let mut text = format!(
            "{killed} of {} mutants break the invariant that they declare, without any written test.\n",
            mutants().count()
        );
        for (mutant, fate) in self.rows.iter().filter(|(mutant, _)| mutant.is_guard()) {
            let did = match (mutant.is_as_expected(fate), &mutant.expect) {
                (true, Expectation::Pass) => "lives, as it must",
                (true, _) => "dies at once, as it must",
                (false, _) => "does NOT do what it must: all of this is void",
            };
            let _ = writeln!(text, "`{}` {did}.", mutant.name);
        }
        let first = median(mutants().filter_map(|(_, fate)| fate.seeds_to_the_first_kill()));
        let declared =
            median(mutants().filter_map(|(mutant, fate)| seeds_to_declared(mutant, fate)));
        if let (Some(first), Some(declared)) = (first, declared) {
            let _ = writeln!(
                text,
                "Of those that storms kill, half are dead after {first} seeds, by the declared \
                 invariant after {declared}."
            );
        }
        if let Some(steps) = mutants().filter_map(|(_, fate)| fate.steps).max() {
            let _ = writeln!(text, "No shrunk scenario has more than {steps} steps.");
        }
        text
    }
}

fn head(trials: &[Trial], last: Option<&str>) -> String {
    let words = trials.iter().map(|trial| trial.word());
    let titles = ["mutant", "must break"].into_iter().chain(words);
    let titles: Vec<&str> =
        titles.chain(["seeds to a kill", "to the declared one"]).chain(last).collect();
    format!("| {} |\n|{}\n", titles.join(" | "), "---|".repeat(titles.len()))
}

fn number(value: Option<u64>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn row(mutant: &Mutant, fate: &Fate, trials: &[Trial]) -> String {
    let mut text = format!("| `{}` | {} |", mutant.name, expectation(mutant));
    for trial in trials {
        let found = match (fate.kills(*trial), trial) {
            (None, _) => "-".to_owned(),
            (Some(kills), _) if kills.failed == 0 => format!("lives ({})", kills.runs),
            // Tests are no invariants, and their names are long.
            (Some(kills), Trial::Conversations | Trial::Properties) => counts(kills),
            (Some(kills), _) => format!("{}: {}", counts(kills), names(kills, mutant.declared())),
        };
        let _ = write!(text, " {found} |");
    }
    let (first, declared) = (fate.seeds_to_the_first_kill(), seeds_to_declared(mutant, fate));
    let _ = write!(text, " {} | {} |", number(first), number(declared));
    text
}

fn counts(kills: &Kills) -> String {
    format!("{} of {}", kills.failed, kills.runs)
}

/// What broke; the declared invariant first.
fn names(kills: &Kills, declared: Option<&str>) -> String {
    const NAMES_MAX: usize = 4;
    let mut broken: Vec<&str> = kills.first.keys().map(String::as_str).collect();
    broken.sort_by_key(|name| Some(*name) != declared);
    let marked =
        |name: &str| if Some(name) == declared { format!("**{name}**") } else { name.to_owned() };
    let mut names: Vec<String> = broken.iter().take(NAMES_MAX).map(|name| marked(name)).collect();
    if broken.len() > NAMES_MAX {
        names.push(format!("{} more", broken.len() - NAMES_MAX));
    }
    names.join(", ")
}

fn expectation(mutant: &Mutant) -> &str {
    match &mutant.expect {
        Expectation::Pass => "nothing",
        Expectation::FailAtOnce => "at once",
        Expectation::Breaks(invariant) => invariant,
    }
}

fn seeds_to_declared(mutant: &Mutant, fate: &Fate) -> Option<u64> {
    fate.seeds_to(mutant.declared()?)
}

/// The lower one of the two in the middle.
fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::scenario::Profile;

    fn mutant(name: &str, expect: Expectation) -> Mutant {
        Mutant {
            name: name.to_owned(),
            patch: PathBuf::new(),
            expect,
            bug: "One.".to_owned(),
            names: None,
            unseen: None,
            profile: Profile::Swarm,
            is_quick: false,
            is_of_nodes: name.starts_with("node_"),
        }
    }

    fn kills(runs: u64, broken: &[(u64, &str)]) -> Kills {
        let mut kills = Kills { runs, ..Kills::default() };
        for (run, name) in broken {
            kills.add(*run, name);
        }
        kills
    }

    fn matrix() -> Matrix {
        let mut matrix = Matrix::default();
        let mut fate = Fate::default();
        fate.note(Trial::Message, kills(50, &[]));
        matrix.add(mutant("null", Expectation::Pass), fate);
        let mut fate = Fate::default();
        fate.note(Trial::Message, kills(50, &[(2, "I1"), (5, "I4")]));
        fate.note(Trial::Scenarios, kills(60, &[]));
        fate.steps = Some(3);
        matrix.add(mutant("late_close", Expectation::Breaks("I4".to_owned())), fate);
        let mut fate = Fate::default();
        fate.note(Trial::Message, kills(50, &[(9, "I1")]));
        matrix.add(mutant("hidden", Expectation::Breaks("I30".to_owned())), fate);
        let mut fate = Fate::default();
        fate.note(Trial::Nodes, kills(200, &[(7, "I48")]));
        matrix.add(mutant("node_forgets", Expectation::Breaks("I48".to_owned())), fate);
        matrix
    }

    #[test]
    fn the_table_says_who_killed_whom_and_how_soon() {
        assert_eq!(
            matrix().markdown(Scope::OneHub).unwrap(),
            "\
| mutant | must break | message | simulated | exhaustive | scenarios | conversations | properties | differential | seeds to a kill | to the declared one | steps |
|---|---|---|---|---|---|---|---|---|---|---|---|
| `null` | nothing | lives (50) | - | - | - | - | - | - | - | - | - |
| `late_close` | I4 | 2 of 50: **I4**, I1 | - | - | lives (60) | - | - | - | 2 | 5 | 3 |
| `hidden` | I30 | 1 of 50: I1 | - | - | - | - | - | - | 9 | - | - |

1 of 2 mutants break the invariant that they declare, without any written test.
`null` lives, as it must.
Of those that storms kill, half are dead after 2 seeds, by the declared invariant after 5.
No shrunk scenario has more than 3 steps.
"
        );
        assert_eq!(matrix().unexpected(), ["hidden"]);
    }

    #[test]
    fn those_of_several_hubs_have_a_table_of_their_own() {
        assert_eq!(
            matrix().markdown(Scope::Nodes).unwrap(),
            "\
| mutant | must break | nodes | orders | seeds to a kill | to the declared one |
|---|---|---|---|---|---|
| `node_forgets` | I48 | 1 of 200: **I48** | - | 7 | 7 |

1 of 1 mutants break the invariant that they declare, without any written test.
Of those that storms kill, half are dead after 7 seeds, by the declared invariant after 7.
"
        );
        assert_eq!(Matrix::default().markdown(Scope::Nodes), None);
    }

    #[test]
    fn programs_read_the_same() {
        let rows: Value = serde_json::from_str(&matrix().json()).unwrap();
        assert_eq!(rows[1]["fate"]["findings"]["message"]["first"], json!({ "I1": 2, "I4": 5 }));
        assert_eq!(rows[1]["seedsToTheDeclared"], json!(5));
        assert_eq!(rows[2]["asExpected"], json!(false));
    }

    #[test]
    fn the_median_of_an_even_number_is_the_lower_one() {
        assert_eq!(median([4, 1, 9, 2].into_iter()), Some(2));
        assert_eq!(median([4, 1, 9].into_iter()), Some(4));
        assert_eq!(median([].into_iter()), None);
    }
}
