//! The examples, as the programs that they are.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::program::{folder, text};

/// What it prints and how it ends, in this folder.
fn run(example: &str, folder: &Path, arguments: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_signal-hub-sim"));
    let program = program.with_file_name("examples").join(example);
    let output = Command::new(&program).args(arguments).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("{}: {error}; build with --examples", program.display()))
}

#[test]
fn an_invariant_of_ones_own_is_found_shrunk_told_and_drawn() {
    let folder = folder("custom_invariant");
    let storms = ["run", "--backend", "message", "--profile", "takeover", "--seeds", "0..20"];
    let output = run("custom_invariant", &folder, &[&storms[..], &["--fail-fast"]].concat());
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("Own as somebody else says") && told.contains("taken over 2 times"),
        "{told}"
    );
    let again =
        "\nreplay   cargo run --package signal-hub-sim --example custom_invariant -- replay ";
    assert!(told.contains(again), "{told}");
    let mut files = fs::read_dir(folder.join("failures")).expect("the failure is kept").flatten();
    let file =
        files.find(|file| !text(file.path().as_os_str().as_encoded_bytes()).contains("storm"));
    let file = file.expect("one is the shrunk one").path();
    let file = file.to_str().expect("a path of ours");
    let steps = fs::read_to_string(file).expect("it is there").matches("\"at\"").count();
    assert!(steps <= 6, "{steps} steps: {told}");
    let output = run("custom_invariant", &folder, &["replay", file, "--html", "page.html"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("FAILED   Own"), "a result goes to stdout");
    let page = fs::read_to_string(folder.join("page.html")).expect("it is drawn");
    assert!(page.contains("was taken over 2 times"));
}

#[test]
fn a_world_of_ones_own_is_the_same_each_time() {
    let folder = folder("own_world");
    let [one, two] = [(); 2].map(|()| run("own_world", &folder, &[]));
    let told = text(&one.stdout);
    assert!(one.status.success() && told.contains("resumed: true"), "{told}{}", text(&one.stderr));
    assert_eq!(told, text(&two.stdout));
}
