use dst::campaign::Verdict;

use super::*;
use crate::against::results::{Break, Fate, Played, Results, Rule};

const HOSTILE: &str = "</section><img src=x onerror=\"alert(1)\">{{style}}&";

fn rule(code: &str, name: &str, decided: u64, undecided: u64) -> Rule {
    Rule {
        code: code.to_owned(),
        name: name.to_owned(),
        sentence: format!("The {name}."),
        promised: true,
        decided,
        undecided,
        broken: Vec::new(),
    }
}

fn played(file: &str, fate: Fate) -> Played {
    Played { file: format!("scenarios/{file}.json").into(), title: format!("On {file}"), fate }
}

fn moment(milliseconds: u64, who: Option<&str>, way: Way, what: &str) -> Moment {
    Moment { milliseconds, who: who.map(str::to_owned), way, what: what.to_owned(), broke: false }
}

fn broken(steps: usize, count: usize) -> Break {
    let heard = moment(1_204, Some("alice"), Way::Hears, "hears nothing of bob");
    Break {
        run: "seed 3".to_owned(),
        evidence: format!("bob is unknown after {steps} steps"),
        count,
        command: "cargo sim against --replay failures/I3.json".to_owned(),
        file: Some("failures/I3.json".into()),
        steps: Some(steps),
        tries: Some((7, 10)),
        story: "FAILED   I3\nstory    ...\n".to_owned(),
        moments: vec![
            moment(0, None, Way::Around, "step 1: bob reconnects"),
            moment(7, Some("bob"), Way::Says, "asks to register"),
            moment(9, Some("bob"), Way::Alone, "lost connection 1"),
            Moment { broke: true, ..heard },
        ],
    }
}

fn naive() -> Results {
    let mut results = Results::of("naive", "signal-hub", "storms of swarm".to_owned());
    results.runs = 20;
    results.rules = vec![
        rule("I2", "growth of versions", 214, 3),
        Rule { broken: vec![broken(4, 7)], ..rule("I3", "last registration", 9, 0) },
        rule("I27", "time to live", 0, 2),
        rule("L8", "end of a shutdown", 0, 0),
    ];
    (results.verdict, results.exit_code) = (Verdict::Unsafe, 2);
    results
}

fn other() -> Results {
    let mut results = Results::of("other", "mqtt", "3 files".to_owned());
    results.runs = 2;
    results.rules = vec![
        Rule { promised: false, ..rule("I2", "growth of versions", 0, 0) },
        rule("I3", "last registration", 9, 0),
    ];
    let reason = "it has no tokens".to_owned();
    results.files = vec![
        played("late_close", Fate::Passed),
        played("tokens", Fate::Skipped { reason }),
        played("takeover", Fate::Broke { code: "I14".to_owned() }),
    ];
    (results.verdict, results.exit_code) = (Verdict::Passed, 0);
    results
}

#[test]
fn what_json_says_is_read_back() {
    let all = [naive(), other()];
    let read = all.iter().map(|results| serde_json::from_str(&results.json()).expect("results"));
    assert_eq!(read.collect::<Vec<Results>>(), all);
}

#[test]
fn a_table_has_a_column_a_hub_and_the_stories_below() {
    let expected = "\
rule                                        naive                     other
I2 growth of versions                       held 214, 3 undecided     skipped: not promised
I3 last registration                        BROKEN in 7 runs          held 9
I27 time to live                            undecided 2
L8 end of a shutdown                        never came up
file                                        naive                     other
late_close                                                            passed
tokens                                                                skipped: it has no tokens
takeover                                                              BREAKS I14

hub      naive
FAILED   I3
story    ...
tries    broke in 7 of 10
";
    assert_eq!(table(&[naive(), other()]), expected);
}

#[test]
fn results_of_one_hub_are_one_and_the_smallest_story_comes_first() {
    let mut conform = other();
    conform.hub = "naive".to_owned();
    conform.rules[1].broken = vec![broken(3, 1)];
    let mut expected = naive();
    expected.played = "storms of swarm; 3 files".to_owned();
    expected.runs = 22;
    expected.files.clone_from(&conform.files);
    expected.rules[1].decided = 18;
    expected.rules[1].broken = vec![broken(3, 1), broken(4, 7)];
    assert_eq!(merged(vec![naive(), other(), conform]), Ok(vec![expected, other()]));
}

#[test]
fn results_of_another_version_are_refused() {
    let newer = Results { version: 2, ..other() };
    let refused = merged(vec![naive(), newer]).expect_err("another version");
    assert_eq!(refused.to_string(), "these are results of version 2, and this program reads 1");
}

#[test]
fn junit_has_a_suite_a_hub_and_skips_what_proves_nothing() {
    let xml = junit(&[naive(), other()]).expect("XML");
    for part in [
        "<testsuite name=\"naive\" tests=\"4\" skipped=\"2\" errors=\"0\" failures=\"1\">",
        "<testsuite name=\"other\" tests=\"5\" skipped=\"2\" errors=\"0\" failures=\"1\">",
        "<testcase name=\"I3 last registration\" classname=\"naive.rules\" file=\"failures/I3.json\">",
        "<failure message=\"bob is unknown after 4 steps\" type=\"I3\">",
        "<skipped message=\"it has no tokens\"/>",
        "<failure message=\"BREAKS I14\"",
    ] {
        assert!(xml.contains(part), "{part} is in\n{xml}");
    }
}

#[test]
fn a_page_links_what_is_broken_to_its_drawing() {
    let page = html(&[other(), naive()]);
    for part in [
        "<title>other, naive from outside</title>",
        "<td class=\"broken\"><a href=\"#hub1-I3\">BROKEN in 7 runs</a></td>",
        "<section id=\"hub1-I3\">",
        "<td class=\"skipped\">skipped<small>it has no tokens</small></td>",
        "seed 3, 4 steps, broke in 7 of 10 tries",
        "<rect class=\"broke\" x=\"2\" y=\"97\"",
        ">hears nothing of bob</text>",
    ] {
        assert!(page.contains(part), "{part} is in\n{page}");
    }
    assert!(!page.contains("{{") && !page.contains("<script"), "{page}");
}

#[test]
fn what_a_hub_says_is_text_in_a_page() {
    let mut results = naive();
    let smallest = &mut results.rules[1].broken[0];
    smallest.evidence = HOSTILE.to_owned();
    smallest.moments[3].what = HOSTILE.to_owned();
    smallest.moments[3].who = Some(HOSTILE.to_owned());
    results.rules[1].broken.push(Break {
        moments: Vec::new(),
        story: HOSTILE.to_owned(),
        ..broken(1, 1)
    });
    results.rules[1].broken.rotate_right(1);
    results.hub = HOSTILE.to_owned();
    for page in [html(&[results.clone()]), {
        results.rules[1].broken.remove(0);
        html(&[results])
    }] {
        assert!(!page.contains("<img") && page.contains("&lt;img"), "{page}");
        assert_eq!(page.matches("<section ").count(), page.matches("</section>").count());
    }
}
