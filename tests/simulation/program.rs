//! The program itself: what it refuses, what it tells, and how it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub fn simulator(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signal-hub-sim"));
    let github = ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"];
    github.iter().fold(command.args(arguments), |command, name| command.env_remove(name));
    command
}

fn command(arguments: &[&str]) -> Command {
    simulator(&[&["run", "--backend", "message"], arguments].concat())
}

fn program(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the simulator runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An empty folder for one test.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the build folder can be written");
    folder
}

#[test]
fn the_program_tells_the_same_whatever_the_threads() {
    let arguments = ["--seeds", "0..4", "--format", "json", "--jobs"];
    let [one, two] = ["1", "2"].map(|jobs| program(&[&arguments[..], &[jobs]].concat()));
    assert!(one.status.success(), "{}", text(&one.stderr));
    assert_eq!(text(&one.stdout), text(&two.stdout));
}

#[test]
fn a_campaign_ends_with_its_verdict_and_what_to_do_next() {
    let output = program(&["--seeds", "0..2"]);
    let told = text(&output.stdout);
    let last = "\n\nPASSED   2 runs, and every invariant held in all of them\n\
        next     other seeds meet other situations: cargo sim run --backend message --seeds 2..1002\n";
    assert!(output.status.success() && told.ends_with(last), "{told}");
}

#[test]
fn no_run_is_no_pass() {
    let nothing: [(&[&str], &str); 3] = [
        (&["--budget", "0s"], "give it a longer --budget"),
        (&["--seeds", "0..2", "--shard", "3/4"], "deal the seeds out to fewer shards"),
        (&["--seed", "18446744073709551615"], "choose --seeds below 18446744073709551615"),
    ];
    for (arguments, next) in nothing {
        let output = program(arguments);
        let told = text(&output.stdout);
        let last =
            format!("\n\nVOID     no seed was played: this proves nothing\nnext     {next}\n");
        assert!(output.status.code() == Some(5) && told.ends_with(&last), "{arguments:?}: {told}");
    }
    let output = simulator(&["explore", "--depth", "0"]).output().expect("the simulator runs");
    let told = text(&output.stdout);
    let last = "\nVOID: no move was made, which proves nothing\n";
    assert!(output.status.code() == Some(5) && told.ends_with(last), "{told}");
    let output = program(&["--check-determinism", "--seed", "18446744073709551615"]);
    assert_eq!(text(&output.stdout), "no seed was played: this proves nothing\n");
    assert_eq!(output.status.code(), Some(5));
}

#[test]
fn what_would_do_nothing_is_refused() {
    let refused: [(&[&str], &str); 14] = [
        (&["--jobs", "0"], "'0' for '--jobs <JOBS>'"),
        (&["--until-saturated", "0"], "'0' for '--until-saturated <RUNS>'"),
        (&["--seed", "1", "--trace", "--junit", "x"], "'--trace' cannot be used with '--junit"),
        (
            &["--seed", "1", "--trace", "--format", "json"],
            "'--trace' cannot be used with '--format",
        ),
        (&["--seed", "1", "--html", "x", "--budget", "1s"], "cannot be used with '--budget"),
        (&["--seed", "1", "--html", "x", "--shard", "1/2"], "cannot be used with '--shard"),
        (&["--guided", "--shard", "1/2"], "'--guided' cannot be used with '--shard"),
        (&["--corpus", "x"], "not provided:\n  --guided"),
        (&["--check-determinism", "--fail-fast"], "cannot be used with '--fail-fast'"),
        (&["--check-determinism", "--format", "json"], "cannot be used with '--format"),
        (&["--check-determinism", "--seed", "1", "--html", "x"], "cannot be used with '--html"),
        (&["--seeds", "5.."], "--seeds 5.. has no end: say where, as in --seeds 5..205, or when"),
        (&["--seeds", "5..", "--check-determinism"], "--seeds 5.. has no end"),
        (&["--seeds", "5..5"], "expected A..B with A below B, such as 0..200, or A.."),
    ];
    for (arguments, why) in refused {
        let output = program(arguments);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(why), "{arguments:?}: {told}");
    }
    let real = ["run", "--backend", "real", "--seed", "1", "--shrink", "1s"];
    let told = text(&simulator(&real).output().expect("it runs").stderr);
    assert!(told.starts_with("error: --shrink does nothing with --backend real"), "{told}");
}

#[test]
fn seeds_without_an_end_are_played_as_long_as_the_budget_lasts() {
    let output = program(&["--seeds", "18446744073709551613..", "--budget", "1h"]);
    let told = text(&output.stdout);
    assert!(output.status.success() && told.starts_with("runs     2 passed, 0 failed\n"), "{told}");
}

/// Waits for a file that a program writes.
#[cfg(unix)]
fn until_there(file: &Path, running: &mut std::process::Child) {
    while !file.exists() {
        assert!(running.try_wait().expect("it is a child").is_none(), "it ended before");
        std::thread::yield_now();
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_campaign_with_what_was_found() {
    let junit = folder("interrupted").join("junit.xml");
    let mut running = command(&["--budget", "1h", "--junit"])
        .arg(&junit)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the simulator runs");
    // From then on it listens.
    until_there(&junit, &mut running);
    let pressed = Command::new("kill").args(["-INT", &running.id().to_string()]).status();
    assert!(pressed.expect("there are signals").success());
    let output = running.wait_with_output().expect("it ends");
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("\nstopped  before the last seed: Ctrl-C\n"), "{told}");
    // Perhaps before any run was over.
    assert!(told.contains("\nENDED    by Ctrl-C"), "{told}");
    assert!(fs::read_to_string(junit).expect("it is there").contains("</testsuites>"));
}

#[cfg(target_os = "linux")]
#[test]
fn no_hub_under_test_outlives_a_program_that_is_ended() {
    let file = folder("ended").join("hub");
    let hub = "sh -c 'echo $$ > FILE.$$; mv FILE.$$ FILE; exec sleep 1000' {port}";
    let hub = hub.replace("FILE", &file.display().to_string());
    let mut running = simulator(&["against", "--start-within", "1h", "--exec", &hub])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the simulator runs");
    until_there(&file, &mut running);
    // The first is only noted.
    while running.try_wait().expect("it is a child").is_none() {
        let _ = Command::new("kill").args(["-TERM", &running.id().to_string()]).status();
    }
    assert_eq!(running.wait().expect("it has ended").code(), Some(130));
    let hub = fs::read_to_string(file).expect("it is there");
    let is_alive = format!("read -r _ _ state _ < /proc/{}/stat && [ $state != Z ]", hub.trim());
    let is_gone = |_| {
        let looked = Command::new("sh").args(["-c", &is_alive]).stderr(Stdio::null()).status();
        !looked.expect("there is a shell").success()
    };
    assert!((0..1_000).any(is_gone), "hub {hub} lives");
}

pub const SCENARIO: &str = r#"{ "version": 1, "actors": ["alice"], "steps": [{ "at": "1s", "who": "alice", "do": "heartbeat" }] }"#;

/// Adopts a file, and says what was said and which files there are then.
fn adopt(folder: &Path, file: &str) -> (String, Vec<String>) {
    let mut command = simulator(&["adopt", file]);
    let output = command.current_dir(folder).output().expect("the simulator runs");
    let mut files: Vec<String> = ["failures", "elsewhere", "scenarios/found"]
        .into_iter()
        .filter_map(|name| Some((name, fs::read_dir(folder.join(name)).ok()?)))
        .flat_map(|(name, entries)| {
            entries.flatten().map(move |entry| format!("{name}/{}", entry.file_name().display()))
        })
        .collect();
    files.sort();
    (text(&output.stdout) + &text(&output.stderr), files)
}

#[test]
fn adopting_touches_nothing_but_failures_and_what_was_found() {
    let folder = folder("adopted");
    for name in ["failures", "elsewhere"] {
        fs::create_dir(folder.join(name)).unwrap();
        fs::write(folder.join(name).join(format!("{name}.json")), SCENARIO).unwrap();
    }
    fs::write(folder.join("failures/failures.storm"), SCENARIO).unwrap();
    let (told, files) = adopt(&folder, "failures/failures.json");
    assert_eq!(
        told,
        "moved failures/failures.json to scenarios/found/failures.json\n\
         wrote scenarios/found/failures.snap: what its actors see from now on\n"
    );
    let found = ["scenarios/found/failures.json", "scenarios/found/failures.snap"];
    assert_eq!(files, [&["elsewhere/elsewhere.json"], &found[..]].concat());

    let (told, files) = adopt(&folder, "elsewhere/elsewhere.json");
    assert!(told.starts_with("copied elsewhere/elsewhere.json to scenarios/found/"), "{told}");
    assert_eq!(files.len(), 5, "{files:?}");

    let (told, _) = adopt(&folder, "scenarios/found/failures.json");
    assert!(told.starts_with("wrote scenarios/found/failures.json again\n"), "{told}");

    let other = SCENARIO.replace("1s", "2s");
    fs::write(folder.join("failures/failures.json"), other).unwrap();
    let (told, files) = adopt(&folder, "failures/failures.json");
    let taken = "error: scenarios/found/failures.json is another scenario: rename the file";
    assert!(told.starts_with(taken), "{told}");
    assert_eq!(files.len(), 6, "{files:?}");
}

const FAILS: &str = r#"{ "version": 1, "actors": ["alice"],
  "steps": [{ "at": "1s", "who": "alice", "do": "sees", "type": "note", "within": "1s" }] }"#;

/// Plays all files of the folder by messages and on the simulated network.
fn scenarios(folder: &Path) -> (String, Option<i32>) {
    let mut command =
        simulator(&["scenarios", ".", "--backend", "message", "--backend", "simulated"]);
    let output = command.current_dir(folder).output().expect("the simulator runs");
    (text(&output.stdout), output.status.code())
}

#[test]
fn a_known_failure_is_told_apart_until_it_passes_or_fails_otherwise() {
    let folder = folder("known");
    let (left, kept) = (folder.join("failures/a.json"), folder.join("scenarios/found/a.json"));
    fs::create_dir(folder.join("failures")).unwrap();
    let adopt = || {
        let mut command = simulator(&["adopt", "failures/a.json", "--expect-failure", "it is May"]);
        let output = command.current_dir(&folder).output().expect("the simulator runs");
        text(&output.stdout) + &text(&output.stderr)
    };
    fs::write(&left, SCENARIO).unwrap();
    assert_eq!(
        adopt(),
        "error: it passes on the simulated network: there is no failure to expect\n"
    );
    fs::write(&left, FAILS).unwrap();
    assert_eq!(
        adopt(),
        "moved failures/a.json to scenarios/found/a.json\n\
         it is expected to break Expected as the scenario says from now on: it is May\n"
    );
    let (told, code) = scenarios(&folder);
    let last = "PASSED   every file does what it says: 1 files, 0 runs passed, 0 failed, 0 skipped, 2 failed as \
        they are expected to\n";
    assert!(code == Some(0) && told.ends_with(last), "{told}");
    assert_eq!(told.matches("may fail: it is May\n").count(), 2, "{told}");

    let known = fs::read_to_string(&kept).unwrap();
    let passes = known.replace("\"sees\", \"type\": \"note\", \"within\": \"1s\"", "\"heartbeat\"");
    let another = known.replace("\"breaks\": \"Expected\"", "\"breaks\": \"I14\"");
    for (file, instead) in [
        (passes, "it passes, and was expected to break Expected: adopt it again"),
        (another, "it breaks Expected, and was expected to break I14"),
    ] {
        fs::write(&kept, file).unwrap();
        let (told, code) = scenarios(&folder);
        assert!(code == Some(2) && told.contains(&format!("UNEXPECTED: {instead}\n")), "{told}");
    }
    fs::write(&kept, known.replace("\"breaks\": \"Expected\"", "\"breaks\": \"I144\"")).unwrap();
    let output = simulator(&["replay", "a.json"]).current_dir(kept.parent().unwrap()).output();
    let why = "`expect_failure`: nothing is called \"I144\"; did you mean \"I14\"?";
    assert!(text(&output.unwrap().stderr).contains(why));
}

#[test]
fn the_scenario_files_end_with_a_verdict() {
    let folder = folder("verdict");
    fs::write(folder.join("a.json"), SCENARIO).unwrap();
    let (told, code) = scenarios(&folder);
    let last =
        "\n\nPASSED   every file does what it says: 1 files, 2 runs passed, 0 failed, 0 skipped\n";
    assert!(code == Some(0) && told.ends_with(last), "{told}");
}

#[test]
fn what_cannot_be_written_is_told_before_anything_is_played() {
    let folder = folder("unwritable");
    fs::write(folder.join("file"), "").expect("it can be written");
    fs::write(folder.join("a.json"), SCENARIO).expect("it can be written");
    let unwritable: [&[&str]; 4] = [
        &["run", "--seed", "1", "--junit", "file/x"],
        &["run", "--seed", "1", "--html", "file/x"],
        &["replay", "a.json", "--html", "file/x"],
        &["show", "a.json", "--html", "file/x"],
    ];
    for arguments in unwritable {
        let output = simulator(arguments).current_dir(&folder).output().expect("it runs");
        let told = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
        assert!(told.starts_with("error: cannot write file/x: "), "{arguments:?}: {told}");
    }
    let mut command = simulator(&["run", "--seed", "1"]);
    let command = command.current_dir(&folder).env("GITHUB_STEP_SUMMARY", "file/x");
    let told = text(&command.output().expect("it runs").stderr);
    assert!(told.starts_with("error: cannot write file/x: "), "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_does_not_fit_on_stdout_is_told() {
    for arguments in
        [&["--seed", "1"][..], &["--seed", "1", "--trace"], &["--seed", "1", "--format", "json"]]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let output = command(arguments).stdout(full).output().expect("it runs");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("error: cannot write to stdout: "), "{told}");
    }
}

#[test]
fn the_program_goes_on_when_nobody_reads_what_it_prints() {
    let mut command = command(&["--seed", "1", "--trace"]);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = piped.spawn().expect("the simulator runs");
    drop(running.stdout.take());
    let output = running.wait_with_output().expect("it ends");
    let told = text(&output.stderr);
    assert!(output.status.success() && told.starts_with("passed: "), "{told}");
}
