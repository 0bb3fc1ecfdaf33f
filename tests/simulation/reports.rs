//! What programs get to read of a campaign: JSON, JUnit, GitHub's lines; and shards taken together.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use signal_hub_sim::SignalHub;
use signal_hub_sim::campaign::{ENFORCED_FROM, Findings, Plan, Verdict};
use signal_hub_sim::invariants::Invariant;
use signal_hub_sim::report::{self, Results};
use signal_hub_sim::situations::Situation;

use super::program::{folder, simulator, text};
use super::{found, outcome, plan, played};

/// Two of ten runs break something at once, and the first was shrunk.
fn failed() -> Results {
    let play = |seed| outcome(seed, |_| true, (seed % 5 == 3).then_some(Invariant::I14));
    let plan = plan("0..10");
    let mut findings = found(&plan, &play);
    let failure = findings.failures.get_mut(&3).expect("it failed");
    let (file, outcome) = (PathBuf::from("failures/I14-1,2.json"), failure.outcome.clone());
    failure.shrunk = Some(dst::campaign::ShrunkFile { file, outcome });
    Results::of(&findings, &plan)
}

fn passed() -> Results {
    let plan = plan("0..10");
    Results::of(&found(&plan, &|seed| outcome(seed, |_| true, None)), &plan)
}

const COMMAND: &str = "cargo sim replay failures/I14-1,2.json --backend message";

#[test]
fn the_json_tells_what_broke_where_it_is_and_how_to_see_it_again() {
    let json: Value = serde_json::from_str(&failed().json()).expect("it is JSON");
    assert_eq!((&json["version"], &json["verdict"]), (&json!(1), &json!("unsafe")));
    assert_eq!((&json["seeds"], &json["shard"]), (&json!({ "start": 0, "end": 10 }), &Value::Null));
    let failure = |seed: u64, file: Value| {
        json!({
            "seed": seed, "invariant": "I14", "brokenBy": "", "evidence": "as the test says", "event": 1,
            "command":
                format!("cargo sim run --profile swarm --seed {seed} --backend message --trace"),
            "file": file,
        })
    };
    let file = json!("failures/I14-1,2.json");
    assert_eq!(json["failures"], json!([failure(3, file.clone()), failure(8, Value::Null)]));
    let mut distinct = json["distinctFailures"].clone();
    let story = distinct[0].as_object_mut().and_then(|first| first.remove("story"));
    assert!(story.is_some_and(|story| story.to_string().contains(COMMAND)));
    assert_eq!(
        distinct,
        json!([{
            "invariant": "I14", "name": Invariant::I14.to_string(), "brokenBy": "", "count": 2,
            "evidence": "as the test says", "firstSeed": 3, "seeds": [3, 8], "command": COMMAND, "file": file,
        }])
    );
}

/// The names of all cases, and the lines of the one that tells of I14.
fn cases(results: &Results) -> (Vec<String>, String) {
    let took = Some(Duration::from_secs(100));
    let xml = report::junit::<SignalHub>(results, took).expect("it is XML");
    let named =
        |line: &str| Some(line.split_once("<testcase name=\"")?.1.split('"').next()?.to_owned());
    let names = xml.lines().filter_map(named).collect();
    let begin = xml.find("<testcase name=\"I14 ").expect("each invariant has a case");
    let rest = &xml[begin..];
    let end = rest[1..].find("<testcase").map_or(rest.len(), |end| end + 1);
    (names, rest[..end].trim_end().to_owned())
}

/// All but that of a program of one's own, for none adds one here, and those of several hubs (I46 to I50).
const fn judged() -> usize {
    Invariant::ALL.len() - 1 - 5
}

#[test]
fn a_case_has_one_name_whether_it_passes_or_fails() {
    let ((passed, case), (failed, broken)) = (cases(&passed()), cases(&failed()));
    assert_eq!(passed, failed);
    let share = Duration::from_secs(100) / judged() as u32;
    let begin = format!(
        "<testcase name=\"{}\" classname=\"simulation.swarm\" time=\"{:.3}\"",
        Invariant::I14,
        share.as_secs_f64()
    );
    assert_eq!(case, format!("{begin}/>"));
    let failure = format!(
        "{begin} file=\"failures/I14-1,2.json\">\n            \
         <failure message=\"as the test says (broken by ; seeds 3, 8)\" type=\"I14\">FAILED   "
    );
    assert!(broken.starts_with(&failure), "{broken}");
    assert!(broken.contains(&format!("\nreplay   {COMMAND}\n")), "{broken}");
}

#[test]
fn a_campaign_without_a_run_passes_no_case() {
    let plan = plan("0..10");
    let results = Results::of(&Findings::default(), &plan);
    let (names, case) = cases(&results);
    let xml = report::junit::<SignalHub>(&results, None).expect("it is XML");
    let invariants = judged();
    assert!(case.contains("<error message=\"VOID     no seed was played: this proves nothing\""));
    assert!(xml.contains(&format!("tests=\"{invariants}\" skipped=\"0\" errors=\"{invariants}\"")));
    assert_eq!(names.len(), invariants + plan.required().len());
}

#[test]
fn an_annotation_names_the_file_and_the_command() {
    assert_eq!(
        report::annotations(&failed()),
        format!(
            "::error file=failures/I14-1%2C2.json,title={} (seed 3)::as the test says%0Aseeds 3, \
             8%0A{COMMAND}\n",
            Invariant::I14
        )
    );
    assert_eq!(report::annotations(&passed()), "");
}

#[test]
fn a_step_summary_is_a_verdict_and_a_table() {
    let (name, required) = (Invariant::I14, plan("0..10").required().len());
    assert_eq!(
        report::step_summary(&failed()),
        format!(
            "### simulation, swarm on message\n\n\
             FAILED   2 of 10 runs broke {name}\n\n\
             | broken | by | seen | seeds | scenario | plays it again |\n\
             |---|---|---|---|---|---|\n\
             | {name} |  | as the test says | seeds 3, 8 | failures/I14-1,2.json | {COMMAND} |\n\n\
             {required} of {required} situations that have to come up did.\n"
        )
    );
}

fn shard(whole: &Plan, name: &str) -> Plan {
    Plan { shard: name.parse().expect("it is a shard"), ..whole.clone() }
}

#[test]
fn the_shards_together_say_what_the_whole_does() {
    let whole = plan("0..12");
    let shards = ["3/3", "1/3", "2/3"].map(|name| {
        let plan = shard(&whole, name);
        Results::of(&played(&plan), &plan)
    });
    let merged = Results::merged(shards.to_vec()).expect("they are all");
    // Which shapes two shards had in common is not told.
    assert_eq!(merged, Results { shapes: None, ..Results::of(&played(&whole), &whole) });
}

#[test]
fn a_shard_is_not_void_but_all_of_them_may_be() {
    let whole = plan(&format!("0..{}", 2 * ENFORCED_FROM));
    let results = |name: &str, met: u64| {
        let plan = shard(&whole, name);
        let met = move |seed: u64| move |situation| situation != Situation::RoomMade || seed == met;
        Results::of(&found(&plan, &|seed| outcome(seed, met(seed), None)), &plan)
    };
    let one = results("1/2", u64::MAX);
    assert_eq!((one.verdict, one.missing.len()), (Verdict::Passed, 1));
    let verdict = |other: Results| Results::merged(vec![one.clone(), other]).map(|all| all.verdict);
    assert_eq!(verdict(results("2/2", 7)), Ok(Verdict::Passed));
    assert_eq!(verdict(results("2/2", u64::MAX)), Ok(Verdict::Void));
}

#[test]
fn only_all_shards_of_one_campaign_are_judged_together() {
    let results = |seeds: &str, name: &str| {
        let plan = shard(&plan(seeds), name);
        Results::of(&Findings::default(), &plan)
    };
    let told = |parts: &[(&str, &str)]| {
        let parts = parts.iter().map(|(seeds, name)| results(seeds, name));
        Results::merged(parts.collect()).expect_err("they are not all").to_string()
    };
    let missing = "is missing: play it, or look why its job wrote nothing";
    assert_eq!(told(&[("0..9", "1/3"), ("0..9", "3/3")]), format!("shard 2/3 {missing}"));
    assert_eq!(told(&[("0..9", "1/3"), ("0..9", "2/3")]), format!("shard 3/3 {missing}"));
    assert_eq!(told(&[("0..9", "1/2"), ("0..9", "1/2")]), "shard 1/2 is there more than once");
    assert_eq!(
        told(&[("0..9", "1/1")]),
        "seeds 0..9 were played as a whole: only shards are merged"
    );
    assert_eq!(
        told(&[("0..9", "1/2"), ("0..8", "2/2")]),
        "seeds 0..9 of swarm on message in 2 shards and seeds 0..8 of swarm on message in 2 shards are not \
         of the same campaign"
    );
}

#[test]
fn the_program_merges_what_its_shards_wrote() {
    let folder = folder("merged");
    for name in ["1", "2"] {
        let shard = format!("{name}/2");
        let mut run =
            simulator(&["run", "--backend", "message", "--seeds", "0..4", "--format", "json"]);
        let output = run.args(["--shard", &shard]).output().expect("the simulator runs");
        fs::write(folder.join(name), output.stdout).expect("the build folder can be written");
    }
    let summary = folder.join("summary.md");
    let mut merge = simulator(&["merge", "1", "2", "--junit", "junit.xml"]);
    let merge = merge.current_dir(&folder).env("GITHUB_STEP_SUMMARY", &summary);
    let output = merge.output().expect("the simulator runs");
    let told = text(&output.stdout);
    let last = "\n\nPASSED   4 runs, and every invariant held in all of them\n\
        next     other seeds meet other situations: cargo sim run --backend message --seeds 4..1004\n";
    assert!(output.status.success() && told.ends_with(last), "{told}{}", text(&output.stderr));
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("it was written");
    assert!(read("junit.xml").contains("<testsuites name=\"signal-hub simulation\""));
    assert!(read("summary.md").starts_with("### simulation, swarm on message\n"));
    let output = simulator(&["merge", "1"]).current_dir(&folder).output().expect("it runs");
    assert!(text(&output.stderr).starts_with("error: shard 2/2 is missing"));
}
