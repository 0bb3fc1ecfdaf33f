//! What programs with a planted bug end with and print, as numbers.

use std::process::Output;

use anyhow::{Result, bail};

use super::fate::Kills;

pub fn check_exit(output: &Output, expected: &[i32]) -> Result<()> {
    if output.status.code().is_some_and(|code| expected.contains(&code)) {
        return Ok(());
    }
    bail!("it ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// Lines such as `scenarios/a.json message BROKE I4 stale events are inert`, one for each run.
pub fn read_scenarios(said: &str) -> Kills {
    let mut kills = Kills::default();
    for line in said.lines().filter(|line| !line.starts_with(' ')) {
        let mut words = line.split_whitespace().skip(2);
        let what = words.next();
        kills.runs += u64::from(what != Some("skipped:"));
        match (what, words.next()) {
            (Some("BROKE"), Some(invariant)) => kills.add(kills.runs, invariant),
            (Some("DIFFERS"), _) => kills.add(kills.runs, "what is seen"),
            _ => {}
        }
    }
    kills
}

/// The file of the first run that broke the invariant, or else of the first that broke any.
pub fn broken_file<'a>(said: &'a str, declared: Option<&str>) -> Option<&'a str> {
    let broken = said.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let file = words.next()?;
        (words.nth(1)? == "BROKE").then_some((file, words.next()?))
    });
    let is_declared = |(_, invariant): &(&str, &str)| Some(*invariant) == declared;
    let found = broken.clone().find(is_declared).or_else(|| broken.clone().next());
    found.map(|(file, _)| file)
}

/// The failed tests by name, from the list at the end.
pub fn read_tests(said: &str) -> Kills {
    let mut kills = Kills::default();
    let results = said.lines().filter_map(|line| line.strip_prefix("test result: "));
    for count in results.flat_map(|result| result.split(['.', ';'])) {
        let mut words = count.split_whitespace();
        if let (Some(Ok(number)), Some("passed" | "failed")) =
            (words.next().map(str::parse::<u64>), words.next())
        {
            kills.runs += number;
        }
    }
    let is_name = |line: &&str| line.starts_with("    ");
    let listed = said.lines().rev().skip_while(|line| !is_name(line));
    for name in listed.take_while(is_name) {
        kills.add(1, name.trim());
    }
    kills
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_say_what_they_broke() {
        let said = "\
scenarios/a.json                  message    passed, as expected
scenarios/a.json                  simulated  BROKE I27 TTL respected
scenarios/b.json                  message    DIFFERS
    expected 1 alice sees note
    seen     1 alice sees nothing
scenarios/b.json                  simulated  skipped: no such thing
";
        let kills = read_scenarios(said);
        let first = [("I27".to_owned(), 2), ("what is seen".to_owned(), 3)].into();
        assert_eq!(kills, Kills { runs: 3, failed: 2, first });
        assert_eq!(broken_file(said, Some("I27")), Some("scenarios/a.json"));
        assert_eq!(broken_file(said, Some("I4")), Some("scenarios/a.json"));
        assert_eq!(broken_file("", Some("I4")), None);
    }

    #[test]
    fn tests_say_which_failed() {
        let said = "\
running 3 tests
.FF
failures:

---- model::agrees stdout ----
    a line of its own
minimal failing input

failures:
    model::agrees
    regression::one

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s

";
        let kills = read_tests(said);
        assert_eq!((kills.runs, kills.failed), (3, 2));
        assert_eq!(kills.first.keys().collect::<Vec<_>>(), ["model::agrees", "regression::one"]);
        assert_eq!(read_tests("test result: ok. 7 passed; 0 failed; 1 ignored\n").runs, 7);
    }
}
