//! `nodes`: storms over several hubs on one engine.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstream::{eprintln, println};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use dst::interrupt;
use dst::seeds::Seeds;
use serde_json::json;
use signal_hub_sim::nodes::{
    self, Aim, Move, Seen, Setting, Violation, missing, shrink, simulated, storm,
};

use super::now;

const LINE_EVERY: Duration = Duration::from_secs(10);
/// So many storms must bring everything about.
const STORMS_MIN: u64 = 1_000;

/// Plays storms over several hubs that share one engine, and judges them.
///
/// Every other storm is aimed at a situation that chance seldom brings about.
///
/// Exit codes: 0 no invariant broke; 1 usage or environment; 2 an invariant broke; 5 no storm was played, or a situation
/// did not come up that should have in 1,000 storms: that proves nothing.
#[derive(Args)]
pub struct Nodes {
    /// Which storms, such as 0..1000.
    #[arg(long, default_value = "0..1000", conflicts_with = "seed")]
    seeds: Seeds,
    /// One storm, move by move.
    #[arg(long)]
    seed: Option<u64>,
    /// Hubs.
    #[arg(long, default_value_t = 3, value_parser = RangedU64ValueParser::<usize>::new().range(1..=9))]
    nodes: usize,
    /// Clients' addresses, with two connections each at most.
    #[arg(long, default_value_t = 3, value_parser = RangedU64ValueParser::<usize>::new().range(1..=9))]
    actors: usize,
    /// Aims every storm at this situation.
    #[arg(long, value_parser = Aim::parse)]
    aim: Option<Aim>,
    /// What they are played on.
    #[arg(long, value_enum, default_value_t = Backend::Message)]
    backend: Backend,
    /// What stdout gets.
    #[arg(long, value_enum, default_value_t = Format::Text, conflicts_with = "seed")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// The core of each hub alone, without a network: fast.
    Message,
    /// The servers that users run, over a simulated network in virtual time.
    Simulated,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The first storm that breaks an invariant, shrunk.
    Text,
    /// What broke in each storm, as `run` tells it.
    Json,
}

impl Nodes {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        interrupt::listen();
        let setting = Setting::new(self.nodes, self.actors);
        match (self.seed, self.format) {
            (Some(seed), _) => Ok(self.one(&setting, seed)),
            (None, Format::Text) => Ok(self.until_one_breaks(&setting)),
            (None, Format::Json) => Ok(self.all(&setting)),
        }
    }

    fn one(&self, setting: &Setting, seed: u64) -> ExitCode {
        let moves = storm(setting, seed, self.aim);
        moves.iter().for_each(|one| println!("{one}"));
        let Some(seen) = self.judge(setting, seed, &moves) else { return ExitCode::from(2) };
        tell(&seen, 1);
        ExitCode::SUCCESS
    }

    fn until_one_breaks(&self, setting: &Setting) -> ExitCode {
        let (mut seen, mut played, mut told) = (Seen::new(), 0, now());
        for seed in self.seeds.0.clone().take_while(|_| !interrupt::came()) {
            let Some(more) = self.judge(setting, seed, &storm(setting, seed, self.aim)) else {
                return ExitCode::from(2);
            };
            more.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
            played += 1;
            progress(&mut told, played);
        }
        tell(&seen, played);
        let missing =
            if played < STORMS_MIN || self.aim.is_some() { vec![] } else { missing(&seen) };
        missing.iter().for_each(|what| println!("VOID: {what:?} never came up"));
        ExitCode::from(if played == 0 || !missing.is_empty() { 5 } else { 0 })
    }

    fn all(&self, setting: &Setting) -> ExitCode {
        let (mut runs, mut failures) = (0, Vec::new());
        for seed in self.seeds.0.clone().take_while(|_| !interrupt::came()) {
            runs += 1;
            let moves = storm(setting, seed, self.aim);
            if let Err((_, broken)) = self.play(setting, seed, &moves) {
                let Violation { invariant, what } = broken;
                failures.push(json!({ "seed": seed, "invariant": invariant, "evidence": what }));
            }
        }
        let is_sound = failures.is_empty();
        println!("{}", json!({ "runs": runs, "failures": failures }));
        ExitCode::from(if is_sound { 0 } else { 2 })
    }

    fn play(
        &self,
        setting: &Setting,
        seed: u64,
        moves: &[Move],
    ) -> Result<Seen, (usize, Violation)> {
        match self.backend {
            Backend::Message => nodes::play(setting, moves),
            Backend::Simulated => simulated::play(setting, moves, seed),
        }
    }

    /// What came up in the storm, unless it broke something; then that is told, shrunk.
    fn judge(&self, setting: &Setting, seed: u64, moves: &[Move]) -> Option<Seen> {
        let play = |moves: &[Move]| self.play(setting, seed, moves);
        let (played, violation) = match play(moves) {
            Ok(seen) => return Some(seen),
            Err(broken) => broken,
        };
        let shrunk = shrink(&moves[..played], &violation, play);
        let shown = play(&shrunk).err().map_or(violation, |(_, shown)| shown);
        self.tell_broken(seed, &shrunk, &shown);
        None
    }

    fn tell_broken(&self, seed: u64, shrunk: &[Move], violation: &Violation) {
        println!("FAILED: seed {seed} breaks {violation}");
        shrunk.iter().for_each(|one| println!("    {one}"));
        println!("    then all is mended, and everybody waits");
        let Self { nodes, actors, .. } = self;
        let aim = self.aim.map_or(String::new(), |aim| format!(" --aim {}", aim.name()));
        let backend = match self.backend {
            Backend::Message => "",
            Backend::Simulated => " --backend simulated",
        };
        let options = format!("--nodes {nodes} --actors {actors}{aim}{backend}");
        println!("replay: cargo sim nodes --seed {seed} {options}");
    }
}

fn progress(told: &mut Instant, played: u64) {
    if now() - *told >= LINE_EVERY {
        *told = now();
        eprintln!("{played} storms");
    }
}

fn tell(seen: &Seen, played: u64) {
    seen.iter().for_each(|(what, times)| println!("{times:>9}  {what}"));
    println!("{played} storms, and no invariant broke");
}
