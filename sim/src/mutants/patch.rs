//! A mutant as a file: a patch, with a few words of what it is and what must come of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::fate::{Fate, Trial};
use crate::scenario::Profile;

/// A patch and what is said of it in its first lines: `# Expect: I4`, `# Bug: a sentence`,
/// `# Names: words` and, where they are not the usual ones, `# Unseen: why no client sees it`, `# Profile: takeover`,
/// `# Quick: yes` and `# Nodes: yes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// That of the file, without its ending.
    pub name: String,
    /// Where the file is.
    pub patch: PathBuf,
    /// What must come of it.
    pub expect: Expectation,
    /// What it breaks, in a sentence.
    pub bug: String,
    /// What an explanation of it has to name: the verb, row, deadline or decision that it touches.
    pub names: Option<String>,
    /// Why clients cannot see it, if they cannot.
    pub unseen: Option<String>,
    /// Of the storms that it is to be found in.
    pub profile: Profile,
    /// Whether it is one of the few that every change is tried with.
    pub is_quick: bool,
    /// Whether it is of the hub as a node: only several hubs show it.
    pub is_of_nodes: bool,
}

/// Where a mutant can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Where one hub has clients.
    OneHub,
    /// Where several share an engine.
    Nodes,
}

impl Scope {
    /// What looks for it there.
    pub const fn trials(self) -> &'static [Trial] {
        match self {
            Scope::OneHub => &Trial::ALL,
            Scope::Nodes => &Trial::NODES,
        }
    }
}

/// What a patch must lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing is found: the patch changes nothing.
    Pass,
    /// The very first seed fails: the patch breaks everything.
    FailAtOnce,
    /// This invariant breaks in a storm, whatever else does.
    Breaks(String),
}

impl Mutant {
    /// All patches of a directory, by name.
    ///
    /// # Errors
    /// If the directory or a patch cannot be read.
    pub fn read_all(directory: &Path) -> Result<Vec<Mutant>> {
        let mut patches: Vec<PathBuf> = fs::read_dir(directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
            .collect();
        patches.sort();
        patches.iter().map(|path| Self::read(path)).collect()
    }

    /// The mutant of a patch.
    ///
    /// # Errors
    /// If the file cannot be read or does not say what it must.
    pub fn read(patch: &Path) -> Result<Mutant> {
        let text = fs::read_to_string(patch)
            .with_context(|| format!("cannot read {}", patch.display()))?;
        Self::parse(patch, &text).with_context(|| patch.display().to_string())
    }

    fn parse(patch: &Path, text: &str) -> Result<Mutant> {
        let mut head = Head::default();
        for line in text.lines().map_while(|line| line.strip_prefix('#')) {
            head.note(line)?;
        }
        let stem = patch.file_stem().and_then(|stem| stem.to_str());
        Ok(Mutant {
            name: stem.context("a patch has a name")?.to_owned(),
            patch: patch.to_owned(),
            expect: head.expect.context("no line \"# Expect: ...\"")?,
            bug: head.bug.context("no line \"# Bug: ...\"")?,
            names: head.names,
            unseen: head.unseen,
            profile: head.profile.unwrap_or_default(),
            is_quick: head.is_quick,
            is_of_nodes: head.is_of_nodes,
        })
    }

    /// Where it can show.
    pub fn scope(&self) -> Scope {
        if self.is_of_nodes { Scope::Nodes } else { Scope::OneHub }
    }

    /// The invariant that must break.
    pub fn declared(&self) -> Option<&str> {
        match &self.expect {
            Expectation::Breaks(invariant) => Some(invariant),
            Expectation::Pass | Expectation::FailAtOnce => None,
        }
    }

    /// Returns whether it is here to see that the run itself is sound.
    pub fn is_guard(&self) -> bool {
        self.declared().is_none()
    }

    /// Returns whether the mutant's fate is the expected one.
    pub fn is_as_expected(&self, fate: &Fate) -> bool {
        match &self.expect {
            Expectation::Pass => !fate.was_killed(),
            Expectation::FailAtOnce => fate.failed_at_once(),
            Expectation::Breaks(invariant) => fate.broke_in_storms(invariant),
        }
    }
}

#[derive(Default)]
struct Head {
    expect: Option<Expectation>,
    bug: Option<String>,
    names: Option<String>,
    unseen: Option<String>,
    profile: Option<Profile>,
    is_quick: bool,
    is_of_nodes: bool,
}

impl Head {
    fn note(&mut self, line: &str) -> Result<()> {
        let (field, value) = line.split_once(':').context("a first line says what it is about")?;
        let value = value.trim();
        match field.trim() {
            "Expect" => self.expect = Some(expectation(value)),
            "Bug" => self.bug = Some(value.to_owned()),
            "Names" => self.names = Some(value.to_owned()),
            "Unseen" => self.unseen = Some(value.to_owned()),
            "Profile" => {
                let known = Profile::from_str(value, false);
                self.profile = Some(known.map_err(|_| anyhow::anyhow!("no profile {value:?}"))?);
            }
            "Quick" => self.is_quick = value == "yes",
            "Nodes" => self.is_of_nodes = value == "yes",
            unknown => bail!("a patch says nothing about {unknown:?}"),
        }
        Ok(())
    }
}

fn expectation(value: &str) -> Expectation {
    match value {
        "pass" => Expectation::Pass,
        "fail at once" => Expectation::FailAtOnce,
        invariant => Expectation::Breaks(invariant.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fate::Kills;
    use super::*;
    use crate::invariants::Invariant;

    fn parse(text: &str) -> Result<Mutant> {
        Mutant::parse(Path::new("mutants/late_close.patch"), text)
    }

    fn fate(invariant: &str, seed: u64) -> Fate {
        let mut fate = Fate::default();
        let kills = Kills { runs: 50, failed: 1, first: [(invariant.to_owned(), seed)].into() };
        fate.note(Trial::Message, kills);
        fate
    }

    #[test]
    fn the_first_lines_say_what_a_patch_is() {
        let text = "# Expect: I4\n# Bug: It deletes: all.\n# Names: is gone\n# Profile: takeover\n# Quick: yes\n--- a\n";
        let mutant = parse(text).unwrap();
        assert_eq!(
            mutant,
            Mutant {
                name: "late_close".to_owned(),
                patch: PathBuf::from("mutants/late_close.patch"),
                expect: Expectation::Breaks("I4".to_owned()),
                bug: "It deletes: all.".to_owned(),
                names: Some("is gone".to_owned()),
                unseen: None,
                profile: Profile::Takeover,
                is_quick: true,
                is_of_nodes: false,
            }
        );
    }

    #[test]
    fn what_a_patch_does_not_say_is_usual() {
        let mutant = parse("# Bug: None.\n# Expect: pass\n").unwrap();
        assert_eq!((mutant.profile, mutant.is_quick), (Profile::Swarm, false));
        assert!(mutant.is_guard());
    }

    #[test]
    fn a_patch_that_says_too_little_or_nonsense_is_refused() {
        for (text, why) in [
            ("# Bug: None.\n", "no line \"# Expect: ...\""),
            ("# Expect: pass\n--- a\n# Bug: None.\n", "no line \"# Bug: ...\""),
            ("# Expect: pass\n# Profile: wild\n", "no profile \"wild\""),
            ("# Expect: pass\n# Colour: red\n", "a patch says nothing about \"Colour\""),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn every_patch_of_the_project_declares_a_known_invariant() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants");
        let mutants = Mutant::read_all(&directory).unwrap();
        let declared: Vec<&str> = mutants.iter().filter_map(Mutant::declared).collect();
        assert_eq!(mutants.len(), declared.len() + 2, "the null and the canary declare none");
        let silent = mutants.iter().filter(|mutant| !mutant.is_guard() && mutant.names.is_none());
        assert_eq!(silent.count(), 0, "each but the guards says what it touches");
        for name in declared {
            let mut known = Invariant::ALL.iter();
            assert!(known.any(|invariant| format!("{invariant:?}") == name), "no invariant {name}");
        }
    }

    #[test]
    fn a_mutant_must_break_the_invariant_that_it_declares() {
        let mutant = parse("# Expect: I4\n# Bug: One.\n").unwrap();
        assert!(mutant.is_as_expected(&fate("I4", 7)));
        assert!(!mutant.is_as_expected(&fate("I1", 7)));
        assert!(!mutant.is_as_expected(&Fate::default()));
    }

    #[test]
    fn the_null_must_live_and_the_canary_die_at_once() {
        let null = parse("# Expect: pass\n# Bug: None.\n").unwrap();
        assert!(null.is_as_expected(&Fate::default()));
        assert!(!null.is_as_expected(&fate("I1", 50)));
        let canary = parse("# Expect: fail at once\n# Bug: All.\n").unwrap();
        assert!(canary.is_as_expected(&fate("I1", 1)));
        assert!(!canary.is_as_expected(&fate("I1", 2)));
    }
}
