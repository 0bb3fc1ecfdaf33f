//! A campaign as JUnit's XML, as CI services read it: a test case for each invariant, and for each
//! situation that has to come up, each of one name whatever becomes of it.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::results::{Alike, Results};
use super::summary::{some_seeds, verdict};
use crate::System;
use crate::campaign::Verdict;
use crate::verdict::Invariant;

/// The results; `took` is the campaign's, where it is known.
///
/// # Errors
/// If the text cannot be made.
pub fn junit<S: System>(
    results: &Results,
    took: Option<Duration>,
) -> Result<String, SerializeError> {
    junit_of_all::<S>(&[(results, took)])
}

/// The same of several campaigns.
///
/// # Errors
/// If the text cannot be made.
pub fn junit_of_all<S: System>(
    all: &[(&Results, Option<Duration>)],
) -> Result<String, SerializeError> {
    let mut report = Report::new(format!("{} simulation", S::NAME));
    report.time = all.iter().map(|(_, took)| *took).sum();
    report.add_test_suites(all.iter().flat_map(|(results, took)| suites::<S>(results, *took)));
    report.to_string()
}

fn suites<S: System>(results: &Results, took: Option<Duration>) -> [TestSuite; 2] {
    let name = format!("{} on {}", results.profile, results.backend);
    let class = format!("simulation.{}", results.profile);
    let case = |name: String, status: TestCaseStatus, time: Option<Duration>| {
        let mut case = TestCase::new(name, status);
        case.set_classname(class.clone());
        case.time = time;
        case
    };
    let mut invariants = TestSuite::new(format!("{name}: invariants"));
    invariants.time = took;
    // Every run is judged by all of them, and whoever adds their times up wants the campaign's.
    let judged = S::Invariant::ALL.iter().filter(|invariant| invariant.is_judged());
    let share = took.map(|took| took / judged.clone().count().max(1) as u32);
    for invariant in judged {
        let code = format!("{invariant:?}");
        let broken: Vec<_> =
            results.distinct_failures.iter().filter(|alike| alike.invariant == code).collect();
        let mut case = case(invariant.to_string(), status(results, &broken), share);
        if let Some(file) = broken.iter().find_map(|alike| alike.file.as_ref()) {
            case.extra.insert("file".into(), file.display().to_string().into());
        }
        invariants.add_test_case(case);
    }
    let mut situations = TestSuite::new(format!("{name}: situations"));
    situations.time = took.map(|_| Duration::ZERO);
    for seen in results.situations.iter().filter(|seen| seen.required) {
        let mut status = match (results.missing.contains(&seen.name), results.verdict) {
            (false, _) => TestCaseStatus::success(),
            (true, Verdict::Void) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            (true, _) => TestCaseStatus::skipped(),
        };
        status.set_message(format!("never came up: {}", seen.sentence));
        situations.add_test_case(case(seen.name.clone(), status, situations.time));
    }
    [invariants, situations]
}

fn status(results: &Results, broken: &[&Alike]) -> TestCaseStatus {
    let Some(first) = broken.first() else {
        if results.runs > 0 {
            return TestCaseStatus::success();
        }
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(verdict(results));
        return status;
    };
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(first.invariant.as_str());
    let seen = broken.iter().map(|alike| {
        let seeds = some_seeds(&alike.seeds, alike.count);
        format!("{} (broken by {}; {seeds})", alike.evidence, alike.broken_by)
    });
    status.set_message(seen.collect::<Vec<_>>().join("; "));
    let stories: Vec<&str> = broken.iter().map(|alike| alike.story.as_str()).collect();
    status.set_description(stories.join("\n"));
    status
}
