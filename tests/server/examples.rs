//! The examples, as programs: a chat of two, and a hub in somebody's program.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use signal_hub::hub::Config;
use signal_hub::runtime::{Runtime, Tokio};

use crate::fixture::Running;

/// How long a program may take for each thing that it says.
const WITHIN: Duration = Duration::from_secs(30);
/// How often one looks.
const PACE: Duration = Duration::from_millis(20);

/// One of the programs, and what it says.
struct Example {
    child: Child,
    said: PathBuf,
}

impl Example {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let here = std::env::current_exe().unwrap();
        let built = here.ancestors().nth(2).unwrap().join("examples").join(name);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let who = arguments.get(1).copied().unwrap_or("alone").trim_matches(['@', '(', ')']);
        let said = folder.join(format!("{name}-{who}-{}.out", std::process::id()));
        let output = File::create(&said).unwrap();
        let child = Command::new(built)
            .args(arguments)
            .stdin(Stdio::piped())
            .stderr(output.try_clone().unwrap())
            .stdout(output)
            .spawn()
            .expect("`cargo test` builds the examples, and so does `cargo build --examples`");
        Self { child, said }
    }

    fn type_line(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    async fn says(&self, wanted: &str) {
        for _ in 0..WITHIN.as_millis() / PACE.as_millis() {
            if fs::read_to_string(&self.said).unwrap().lines().any(|line| line == wanted) {
                return;
            }
            Tokio.sleep(PACE).await;
        }
        panic!("it says no {wanted:?} but {:?}", fs::read_to_string(&self.said).unwrap());
    }

    async fn ends_well(&mut self) {
        for _ in 0..WITHIN.as_millis() / PACE.as_millis() {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{}", fs::read_to_string(&self.said).unwrap());
                return;
            }
            Tokio.sleep(PACE).await;
        }
        panic!("it does not end");
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.said);
    }
}

#[tokio::test]
async fn two_chat_over_a_hub() {
    let hub = Running::start(Config::default()).await;
    let url = format!("ws://{}/ws", hub.address);
    let mut alice = Example::start("chat", &[&url, "@(alice)", "kitchen"]);
    let mut bob = Example::start("chat", &[&url, "@(bob)", "kitchen"]);
    alice.says("you are @(alice)").await;
    bob.says("you are @(bob)").await;
    alice.type_line("@(bob) hi");
    bob.says("@(alice): hi").await;
    alice.says("@(bob) has it").await;
    bob.type_line("@(carol) hello?");
    bob.says("nobody is @(carol)").await;
    bob.type_line("dinner");
    alice.says("@(bob): dinner").await;
    // Whoever has no more to say leaves in order.
    drop(alice.child.stdin.take());
    alice.ends_well().await;
    bob.type_line("@(alice) bye");
    bob.says("nobody is @(alice)").await;
}

#[tokio::test]
async fn a_hub_lives_in_a_program_and_ends_with_it() {
    let mut example = Example::start("embedded_hub", &[]);
    example.says("@(alice) says \"hi\"").await;
    example.ends_well().await;
}
