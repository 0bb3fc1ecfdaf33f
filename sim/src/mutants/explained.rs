//! Whether explanations name what a patch touches.

use std::fmt::Write;

use super::patch::Mutant;

/// In how many of the explanations of other bugs a word may stand that names something: a third.
const ELSEWHERE_MAX: usize = 3;

/// What `explain` said of a mutant.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Which one.
    pub mutant: Mutant,
    /// What it said; nothing if no failure was found.
    pub text: Option<String>,
}

/// Whether an explanation names something, the best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Does {
    NotFound,
    No,
    TooCommon,
    Yes,
}

impl Does {
    const fn words(self) -> &'static str {
        match self {
            Does::NotFound => "nothing failed",
            Does::No => "no",
            Does::TooCommon => "too common",
            Does::Yes => "yes",
        }
    }
}

struct Naming<'a> {
    line: Option<&'a str>,
    elsewhere: usize,
    does: Does,
}

/// The explanations of all mutants, in the order in which they were tried.
#[derive(Debug, Clone, Default)]
pub struct Explanations(Vec<Explained>);

impl Explained {
    /// The lines that count: what differs and what led there, without what else breaks like that.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.iter().flat_map(|text| text.lines());
        let from_difference = lines.skip_while(|line| !line.starts_with("what "));
        from_difference.take_while(|line| !line.starts_with("like "))
    }

    /// The last line that says so: the nearest to what broke.
    fn naming(&self, words: &str) -> Option<&str> {
        self.lines().filter(|line| line.contains(words)).last()
    }

    /// The invariant that broke, and the kind of event that broke it.
    fn broken(&self) -> Option<(&str, &str)> {
        let text = self.text.as_deref()?;
        let invariant = text.strip_prefix("FAILED   ")?.split([' ', ',']).next()?;
        let like = text.lines().find(|line| line.starts_with("like "))?;
        Some((invariant, like.split('"').nth(1)?))
    }
}

impl Explanations {
    /// Adds one.
    pub fn add(&mut self, explained: Explained) {
        self.0.push(explained);
    }

    /// A table in Markdown, and what it comes to.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| mutant | must name | does | in this line | elsewhere |\n|---|---|---|---|---|\n",
        );
        let mut named = 0;
        for explained in &self.0 {
            let words = explained.mutant.names.as_deref().unwrap_or_default();
            let found = words.split(" or ").map(|words| self.naming(explained, words));
            let Naming { line, elsewhere, does } =
                found.max_by_key(|naming| naming.does).expect("one at least");
            named += usize::from(does == Does::Yes);
            let (name, line) = (&explained.mutant.name, line.map_or("-".to_owned(), cell));
            let _ = writeln!(
                text,
                "| `{name}` | `{words}` | {} | {line} | {elsewhere} |",
                does.words()
            );
        }
        let _ = writeln!(text, "\n{named} of {} explanations name it.", self.0.len());
        text
    }

    fn naming<'a>(&'a self, explained: &'a Explained, words: &str) -> Naming<'a> {
        let (line, elsewhere) = (explained.naming(words), self.elsewhere(explained, words));
        let does = match line {
            None if explained.text.is_none() => Does::NotFound,
            None => Does::No,
            Some(_) if elsewhere * ELSEWHERE_MAX > self.0.len() => Does::TooCommon,
            Some(_) => Does::Yes,
        };
        Naming { line, elsewhere, does }
    }

    /// How many others say it as well.
    fn elsewhere(&self, explained: &Explained, words: &str) -> usize {
        let others = self.0.iter().filter(|other| other.mutant.name != explained.mutant.name);
        others.filter(|other| other.naming(words).is_some()).count()
    }

    /// What broke by which kind of event, in lines for [`known_bugs`](super::known_bugs).
    pub fn known(&self) -> String {
        let line = |explained: &Explained| {
            let (invariant, by) = explained.broken()?;
            let Mutant { name, bug, .. } = &explained.mutant;
            Some(format!("{invariant}\t{by}\t{name}\t{bug}\n"))
        };
        let mut lines: Vec<String> = self.0.iter().filter_map(line).collect();
        lines.sort();
        lines.concat()
    }
}

/// The line as it stands in a table.
fn cell(line: &str) -> String {
    format!("`{}`", line.trim_start_matches('✗').trim().replace('|', "/").replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::patch::Expectation;
    use super::*;
    use crate::scenario::Profile;

    fn explained(name: &str, names: &str, past: &str) -> Explained {
        let mutant = Mutant {
            name: name.to_owned(),
            patch: PathBuf::new(),
            expect: Expectation::Breaks("I4".to_owned()),
            bug: "One.".to_owned(),
            names: Some(names.to_owned()),
            unseen: None,
            profile: Profile::Swarm,
            is_quick: false,
            is_of_nodes: false,
        };
        let text = format!(
            "FAILED   I4 stale events are inert, on the backend message\nwhen     renew\n\
             what     it passes\nwhy      only what led there\n{past}\n\
             like     by \"tick\", too\n         renew: the same\n"
        );
        Explained { mutant, text: Some(text) }
    }

    #[test]
    fn what_is_named_stands_in_the_difference_or_the_past_and_seldom_elsewhere() {
        let mut explanations = Explanations::default();
        explanations.add(explained("one", "renew", "✗  1.0 s1 says renew"));
        explanations.add(explained("two", "renew or expire", "   1.0 s1 says register"));
        explanations.add(explained("three", "s1 says", "   1.0 s1 says register"));
        let silent = Explained { text: None, ..explained("four", "expire", "") };
        explanations.add(silent);
        assert_eq!(
            explanations.markdown(),
            "\
| mutant | must name | does | in this line | elsewhere |
|---|---|---|---|---|
| `one` | `renew` | yes | `1.0 s1 says renew` | 0 |
| `two` | `renew or expire` | no | - | 0 |
| `three` | `s1 says` | too common | `1.0 s1 says register` | 2 |
| `four` | `expire` | nothing failed | - | 0 |

1 of 4 explanations name it.
"
        );
        assert!(explanations.known().starts_with("I4\ttick\tone\tOne.\n"));
    }
}
