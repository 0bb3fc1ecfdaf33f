//! What became of a mutant: which trials found it, by which invariants, how soon.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A way to look for bugs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trial {
    /// Storms on the message backend.
    Message,
    /// Storms against the whole server.
    Simulated,
    /// Every order of a few events.
    Exhaustive,
    /// The files of `scenarios/`.
    Scenarios,
    /// The hub's conversations, one page of the protocol each.
    Conversations,
    /// The property tests.
    Properties,
    /// Storms on the message backend and on the whole server, which must agree.
    Differential,
    /// Storms over several hubs on one engine.
    Nodes,
    /// Every order of a few events of two of them.
    Orders,
}

impl Trial {
    /// Those of one hub, the quickest first.
    pub const ALL: [Trial; 7] = [
        Trial::Message,
        Trial::Simulated,
        Trial::Exhaustive,
        Trial::Scenarios,
        Trial::Conversations,
        Trial::Properties,
        Trial::Differential,
    ];

    /// Those of several hubs.
    pub const NODES: [Trial; 2] = [Trial::Nodes, Trial::Orders];

    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Trial::Message => "message",
            Trial::Simulated => "simulated",
            Trial::Exhaustive => "exhaustive",
            Trial::Scenarios => "scenarios",
            Trial::Conversations => "conversations",
            Trial::Properties => "properties",
            Trial::Differential => "differential",
            Trial::Nodes => "nodes",
            Trial::Orders => "orders",
        }
    }
}

/// What a trial found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Kills {
    /// Seeds, files or tests.
    pub runs: u64,
    /// How many of them failed.
    pub failed: u64,
    /// What broke, each with the first run that broke it, counted from 1.
    pub first: BTreeMap<String, u64>,
}

impl Kills {
    /// Counts a run in which this broke.
    pub fn add(&mut self, run: u64, broken: &str) {
        self.failed += 1;
        let first = self.first.entry(broken.to_owned()).or_insert(run);
        *first = run.min(*first);
    }

    /// Adds what came of further runs.
    pub fn go_on(&mut self, more: Kills) {
        for (broken, run) in more.first {
            self.first.entry(broken).or_insert(self.runs + run);
        }
        self.runs += more.runs;
        self.failed += more.failed;
    }
}

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fate {
    /// A trial that was not made is not in it.
    findings: BTreeMap<Trial, Kills>,
    /// Steps of the shrunk scenario that shows it.
    pub steps: Option<usize>,
}

impl Fate {
    /// Notes what a trial found.
    pub fn note(&mut self, trial: Trial, kills: Kills) {
        self.findings.insert(trial, kills);
    }

    /// What the trial found, if it was made.
    pub fn kills(&self, trial: Trial) -> Option<&Kills> {
        self.findings.get(&trial)
    }

    /// Returns whether any trial found it.
    pub fn was_killed(&self) -> bool {
        self.findings.values().any(|kills| kills.failed > 0)
    }

    /// Returns whether this broke in a storm, or in an order of two hubs.
    pub fn broke_in_storms(&self, invariant: &str) -> bool {
        let storms = [Trial::Message, Trial::Simulated, Trial::Differential];
        let storms = storms.into_iter().chain(Trial::NODES);
        let mut kills = storms.filter_map(|trial| self.kills(trial));
        kills.any(|kills| kills.first.contains_key(invariant))
    }

    /// Everything that broke, in whichever trial.
    pub fn killers(&self) -> BTreeSet<&str> {
        self.findings.values().flat_map(|kills| kills.first.keys().map(String::as_str)).collect()
    }

    /// How many storms it took until anything broke.
    pub fn seeds_to_the_first_kill(&self) -> Option<u64> {
        self.storms().find_map(|kills| kills.first.values().min().copied())
    }

    /// Returns whether the first storm of one hub failed; of several hubs, where little may be said in a storm, one of
    /// the first.
    pub fn failed_at_once(&self) -> bool {
        const AT_ONCE: u64 = 20;
        let is_of_nodes = self.kills(Trial::Message).is_none();
        let most = if is_of_nodes { AT_ONCE } else { 1 };
        self.seeds_to_the_first_kill().is_some_and(|first| first <= most)
    }

    /// How many storms it took until this broke.
    pub fn seeds_to(&self, invariant: &str) -> Option<u64> {
        self.storms().find_map(|kills| kills.first.get(invariant).copied())
    }

    /// Those on the message backend, then those that it has to play as the whole server does; those over several hubs.
    fn storms(&self) -> impl Iterator<Item = &Kills> {
        [Trial::Message, Trial::Differential, Trial::Nodes]
            .into_iter()
            .filter_map(|trial| self.kills(trial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_that_breaks_something_counts() {
        let mut kills = Kills { runs: 50, ..Kills::default() };
        for (run, broken) in [(9, "I4"), (3, "I1"), (5, "I4")] {
            kills.add(run, broken);
        }
        let mut fate = Fate::default();
        fate.note(Trial::Message, kills);
        assert_eq!(fate.seeds_to_the_first_kill(), Some(3));
        assert_eq!((fate.seeds_to("I4"), fate.seeds_to("I9")), (Some(5), None));
        assert_eq!(fate.kills(Trial::Message).map(|kills| kills.failed), Some(3));
        assert_eq!(fate.killers().into_iter().collect::<Vec<_>>(), ["I1", "I4"]);
    }

    #[test]
    fn a_batch_counts_on_from_the_one_before() {
        let mut kills = Kills { runs: 20, ..Kills::default() };
        kills.add(3, "I1");
        let mut more = Kills { runs: 20, ..Kills::default() };
        for (run, broken) in [(2, "I1"), (5, "I4")] {
            more.add(run, broken);
        }
        kills.go_on(more);
        let first = [("I1".to_owned(), 3), ("I4".to_owned(), 25)].into();
        assert_eq!(kills, Kills { runs: 40, failed: 3, first });
    }

    #[test]
    fn a_difference_counts_where_the_message_backend_alone_shows_nothing() {
        let mut fate = Fate::default();
        fate.note(Trial::Message, Kills { runs: 50, ..Kills::default() });
        let mut kills = Kills { runs: 95, ..Kills::default() };
        kills.add(95, "SameOnBackends");
        fate.note(Trial::Differential, kills);
        assert_eq!(fate.seeds_to_the_first_kill(), Some(95));
        assert_eq!(fate.seeds_to("SameOnBackends"), Some(95));
    }

    #[test]
    fn what_only_a_scenario_finds_is_found_by_no_storm() {
        let mut kills = Kills { runs: 60, ..Kills::default() };
        kills.add(12, "I27");
        let mut fate = Fate::default();
        fate.note(Trial::Scenarios, kills);
        assert!(fate.was_killed() && !fate.broke_in_storms("I27"));
        assert_eq!(fate.seeds_to_the_first_kill(), None);
        let mut kills = Kills { runs: 20, ..Kills::default() };
        kills.add(7, "I27");
        fate.note(Trial::Simulated, kills);
        assert!(fate.broke_in_storms("I27"));
    }
}
