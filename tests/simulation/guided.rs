//! Guided campaigns: what comes of a seed and a corpus is the same everywhere, and what was changed is
//! still a storm.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dst::campaign::{Candidate, Corpus, Feature, Origin};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use signal_hub_sim::campaign::{Findings, Plan, Stopped, Watcher};
use signal_hub_sim::invariants::Invariant;
use signal_hub_sim::report::Results;
use signal_hub_sim::scenario::{self, Profile, Scenario};
use signal_hub_sim::situations::Situation;
use signal_hub_sim::{SignalHub, failures};

use super::program::{folder, simulator, text};
use super::{found, json, outcome, plan};

fn guided(text: &str, jobs: usize) -> Plan {
    Plan { jobs, guided: Some("--guided".to_owned()), ..plan(text) }
}

/// A corpus of two, so that the first batch changes something.
fn begun() -> Vec<Scenario> {
    [901, 902].map(|seed| scenario::generate(Profile::Takeover, seed)).into()
}

fn played(plan: &Plan, watcher: &Watcher<'_>) -> (Findings, Vec<Scenario>) {
    let (findings, corpus) = dst::campaign::guided(plan, begun(), watcher);
    (findings, corpus.new_ones().cloned().collect())
}

#[test]
fn a_seed_and_a_corpus_find_the_same_on_any_number_of_threads() {
    let (alone, beside) = (guided("0..22", 1), guided("0..22", 4));
    let ((one, kept), (four, kept_beside)) =
        (played(&alone, &Watcher::SILENT), played(&beside, &Watcher::SILENT));
    assert_eq!(json(&one, &alone), json(&four, &alone));
    assert_eq!(kept, kept_beside);
    let won = one.won.expect("it is guided");
    assert_eq!((won.begun, one.runs), (2, 22));
    assert!(won.changed_runs > 4 && won.by_changed.pairs > 0 && won.kept > 2, "{won:?}");
}

#[test]
fn the_first_runs_are_what_it_began_with_in_its_order() {
    let corpus = Corpus::<SignalHub>::new(Profile::Swarm, 7, begun());
    let first: Vec<Scenario> = (7..9).map(|seed| corpus.candidate(seed).scenario).collect();
    assert_eq!(first, begun());
    let origins: Vec<Origin> = (7..11).map(|seed| corpus.candidate(seed).origin).collect();
    assert_eq!(origins, [Origin::Corpus, Origin::Corpus, Origin::Fresh, Origin::Fresh]);
}

#[test]
fn a_budget_cuts_between_batches_alone() {
    let plan = guided("0..100", 3);
    // It is asked before each batch, and within one only by those who would interrupt.
    let over = AtomicU64::new(0);
    let progress = |_: &mut Findings, _: &_| {
        over.fetch_add(1, Ordering::Relaxed);
    };
    let stop = || (over.load(Ordering::Relaxed) >= 9).then_some(Stopped::TimeUp);
    let (cut, _) = played(&plan, &Watcher { stop: &stop, progress: &progress });
    assert_eq!((cut.runs, cut.stopped), (16, Some(Stopped::TimeUp)));
    let (whole, _) = played(&guided("0..16", 1), &Watcher::SILENT);
    assert_eq!((cut.sightings, cut.shapes), (whole.sightings, whole.shapes));
}

#[test]
fn what_was_changed_is_a_storm_within_bounds_that_heals() {
    let storms: Vec<Scenario> =
        (0..12).map(|seed| scenario::generate(Profile::Swarm, seed)).collect();
    let mut changed = 0;
    for seed in 0..150 {
        let [parent, other, fresh] = [1, 5, 7].map(|step| &storms[seed * step % storms.len()]);
        let mut dice = ChaCha8Rng::seed_from_u64(seed as u64);
        let sources = dst::scenario::Sources { parent, other, fresh };
        let Some(storm) = dst::scenario::mutate(sources, &mut dice) else { continue };
        changed += 1;
        let read = scenario::read(&scenario::write(&storm)).expect("it can be played");
        assert!(read == storm && dst::scenario::is_storm(&storm), "{storm:?}");
        let last = storm.steps.last().and_then(|step| step.begins_at());
        assert!(last.is_some_and(|last| last <= Duration::from_secs(120)), "{last:?}");
        assert!(storm.steps.len() <= 400, "{}", storm.steps.len());
    }
    assert!(changed > 140, "{changed}");
}

#[test]
fn a_corpus_keeps_no_more_than_it_may() {
    let mut corpus = Corpus::<SignalHub>::new(Profile::Swarm, 0, Vec::new());
    let storm = scenario::generate(Profile::Calm, 0);
    for number in 0..600 {
        let all = Situation::ALL;
        let pair = Feature::Pair(all[number / all.len()], all[number % all.len()]);
        let candidate = Candidate { scenario: storm.clone(), origin: Origin::Fresh };
        corpus.take_in(candidate, BTreeSet::from([pair]), false);
    }
    corpus.settle();
    assert_eq!(corpus.kept(), 500);
}

#[test]
fn what_brought_nothing_new_or_failed_is_not_kept() {
    let mut corpus = Corpus::<SignalHub>::new(Profile::Swarm, 0, Vec::new());
    let situation = |situation| BTreeSet::from([Feature::Situation(situation)]);
    let storm = scenario::generate(Profile::Calm, 0);
    let (paused, late) = (situation(Situation::HubPaused), situation(Situation::HubLate));
    for (brings, has_failed, kept) in [(&paused, false, 1), (&paused, false, 1), (&late, true, 1)] {
        let candidate = Candidate { scenario: storm.clone(), origin: Origin::Fresh };
        corpus.take_in(candidate, brings.clone(), has_failed);
        assert_eq!(corpus.kept(), kept);
    }
}

#[test]
fn a_failure_that_is_no_seeds_names_the_campaign_that_comes_to_it() {
    let plan = guided("0..10", 1);
    let play = |seed| outcome(seed, |_| true, (seed == 3).then_some(Invariant::I14));
    let mut findings = found(&plan, &play);
    let failure = findings.failures.get_mut(&3).expect("it failed");
    failure.scenario = Some(Scenario::default());
    let results = serde_json::to_value(Results::of(&findings, &plan)).expect("it is JSON");
    let command = "cargo sim run --guided --profile swarm --seeds 0..4 --backend message";
    assert_eq!(results["failures"][0]["command"], json!(command));
}

/// What the program prints when all goes well.
fn told(arguments: &[&str]) -> String {
    let output = simulator(arguments).output().expect("the simulator runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn what_a_campaign_keeps_is_distilled_and_begins_the_next() {
    let folder = folder("distilled");
    let path = |name: &str| folder.join(name).display().to_string();
    let [kept, twice, corpus] = ["kept", "twice", "corpus"].map(path);
    let run = ["run", "--backend", "message", "--profile", "calm", "--guided"];
    told(&[&run[..], &["--seeds", "0..9", "--keep", &kept]].concat());
    let files = failures::scenarios_in(kept.as_ref()).expect("they were kept");
    fs::create_dir(&twice).expect("the build folder can be written");
    for (number, file) in files.iter().enumerate() {
        let storm = fs::read_to_string(file).expect("it was written");
        let again = storm.replacen("\"title\": \"", "\"title\": \"again ", 1);
        fs::write(format!("{twice}/{number}.json"), again).expect("it can be written");
    }
    fs::create_dir(&corpus).expect("the build folder can be written");
    for name in ["0123456789abcdef", "mine"] {
        fs::write(format!("{corpus}/{name}.json"), "").expect("it can be written");
    }
    let distilled = told(&["distill", &kept, &twice, "--into", &corpus]);
    let mine = format!("{corpus}/mine.json");
    fs::remove_file(mine).expect("what nobody distilled stays");
    let left = failures::scenarios_in(corpus.as_ref()).expect("some are left").len();
    assert!((1..=files.len()).contains(&left), "{left} of {}", files.len());
    assert!(
        distilled.starts_with(&format!("kept     {left} of {} ", 2 * files.len())),
        "{distilled}"
    );
    // But for shapes, which change with any step less, all that there was is still met.
    let words: Vec<&str> =
        distilled.lines().last().unwrap_or_default().split_whitespace().collect();
    assert_eq!([words[1], words[5]], [words[3], words[7]], "{distilled}");
    let size = |folder: &str| {
        let files = failures::scenarios_in(folder.as_ref()).expect("they are there");
        let sizes = files.iter().map(|file| fs::metadata(file).expect("a file").len());
        sizes.max().unwrap_or_default()
    };
    assert!(size(&corpus) < size(&kept), "{distilled}");
    let next = told(&[&run[..], &["--seeds", "50..60", "--corpus", &corpus]].concat());
    assert!(next.contains(&format!(" scenarios, of {left} at first\n")), "{next}");
}

#[test]
fn what_is_no_storm_begins_nothing() {
    let folder = folder("no_storm");
    let file = folder.join("stops.json");
    let stops = r#"{ "version": 1, "actors": ["alice"], "steps": [] }"#;
    fs::write(&file, stops).expect("the build folder can be written");
    let corpus = folder.display().to_string();
    let run = ["run", "--guided", "--seeds", "0..1", "--corpus", &corpus];
    let output = simulator(&run).output().expect("the simulator runs");
    let why = format!("error: {}: no storm: ", file.display());
    assert!(text(&output.stderr).starts_with(&why), "{}", text(&output.stderr));
}
