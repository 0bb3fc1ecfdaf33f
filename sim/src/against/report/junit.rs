//! The same as JUnit's XML, as CI services read it: a suite a hub, a test case a rule or a scenario file.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::super::results::Results;
use super::matrix::{Cell, Row, files, rules};
use super::table::failure;

/// All hubs, one after the other.
///
/// # Errors
/// If the text cannot be made.
pub fn junit(hubs: &[Results]) -> Result<String, SerializeError> {
    let mut report = Report::new("hubs from outside");
    report.add_test_suites(hubs.iter().map(|hub| {
        let mut suite = TestSuite::new(hub.hub.as_str());
        let one = std::slice::from_ref(hub);
        suite.add_test_cases(rules(one).iter().map(|row| case(hub, "rules", row)));
        suite.add_test_cases(files(one).iter().map(|row| case(hub, "files", row)));
        suite
    }));
    report.to_string()
}

fn case(hub: &Results, kind: &str, row: &Row<'_>) -> TestCase {
    let cell = row.cells.first().copied().unwrap_or(Cell::Unknown);
    let mut status = match cell {
        Cell::Held { .. } | Cell::Passed => TestCaseStatus::success(),
        Cell::Broken { .. } | Cell::Breaks { .. } => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
        Cell::Undecided { .. } | Cell::Never | Cell::Skipped { .. } | Cell::Unknown => {
            TestCaseStatus::skipped()
        }
    };
    match cell {
        Cell::Skipped { reason } => drop(status.set_message(reason)),
        cell => drop(status.set_message(cell.text())),
    }
    let rule = hub.rules.iter().find(|rule| rule.code == row.code);
    let smallest = rule.and_then(|rule| Some((rule, rule.broken.first()?)));
    if let Some((rule, smallest)) = smallest {
        status.set_type(row.code).set_message(smallest.evidence.as_str());
        status.set_description(failure(hub, rule).unwrap_or_default());
    }
    let mut case = TestCase::new(row.name.as_str(), status);
    case.set_classname(format!("{}.{kind}", hub.hub));
    if let Some(file) = smallest.and_then(|(_, smallest)| smallest.file.as_ref()) {
        case.extra.insert("file".into(), file.display().to_string().into());
    }
    case
}
