//! `nodes`: storms over several hubs on one engine.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstream::{eprintln, println};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use dst::interrupt;
use dst::seeds::Seeds;
use signal_hub_sim::nodes::{Move, Seen, Setting, Violation, play, shrink, storm};

use super::now;

const LINE_EVERY: Duration = Duration::from_secs(10);

/// Plays storms over several hubs that share one engine, on the core alone, and judges them.
///
/// Exit codes: 0 no invariant broke; 1 usage or environment; 2 an invariant broke; 5 no storm was played, which proves
/// nothing.
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
}

impl Nodes {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        interrupt::listen();
        let setting = Setting::new(self.nodes, self.actors);
        if let Some(seed) = self.seed {
            let moves = storm(&setting, seed);
            moves.iter().for_each(|one| println!("{one}"));
            return Ok(self.judge(&setting, seed, &moves).map_or(ExitCode::from(2), |seen| {
                tell(&seen, 1);
                ExitCode::SUCCESS
            }));
        }
        let (mut seen, mut played, mut told) = (Seen::new(), 0, now());
        for seed in self.seeds.0.clone().take_while(|_| !interrupt::came()) {
            let Some(more) = self.judge(&setting, seed, &storm(&setting, seed)) else {
                return Ok(ExitCode::from(2));
            };
            more.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
            played += 1;
            progress(&mut told, played);
        }
        tell(&seen, played);
        Ok(if played == 0 { ExitCode::from(5) } else { ExitCode::SUCCESS })
    }

    /// What came up in the storm, unless it broke something; then that is told, shrunk.
    fn judge(&self, setting: &Setting, seed: u64, moves: &[Move]) -> Option<Seen> {
        let (played, violation) = match play(setting, moves) {
            Ok(seen) => return Some(seen),
            Err(broken) => broken,
        };
        let shrunk = shrink(setting, &moves[..played], &violation);
        let shown = play(setting, &shrunk).err().map_or(violation, |(_, shown)| shown);
        self.tell_broken(seed, &shrunk, &shown);
        None
    }

    fn tell_broken(&self, seed: u64, shrunk: &[Move], violation: &Violation) {
        println!("FAILED: seed {seed} breaks {violation}");
        shrunk.iter().for_each(|one| println!("    {one}"));
        println!("    then all is mended, and everybody waits");
        let Self { nodes, actors, .. } = self;
        println!("replay: cargo sim nodes --seed {seed} --nodes {nodes} --actors {actors}");
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
