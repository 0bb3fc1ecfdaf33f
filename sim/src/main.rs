//! The simulator's commands. Results go to stdout, everything else to stderr; the exit code tells
//! the kind of failure.

mod commands;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use signal_hub_sim::backend::{self, Backend, Outcome};
use signal_hub_sim::campaign::{self, Findings};
use signal_hub_sim::history::Keep;
use signal_hub_sim::mutants::{Mutant, SEEDS, Scratch};
use signal_hub_sim::scenario::{Profile, Scenario};
use signal_hub_sim::seeds::Seeds;
use signal_hub_sim::{report, scenario};

/// Plays seeded storms against the hub in a simulated world and judges them.
///
/// Exit codes: 0 all passed; 1 usage or environment; 2 an invariant broke (safety); 3 what must
/// come true did not (liveness); 4 not deterministic.
#[derive(Parser)]
#[command(name = "signal-hub-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays storms: 60 simulated seconds of traffic and faults each, then healing, calm, probes.
    Run(Run),
    /// Plays a scenario file.
    Replay {
        /// A scenario, as those in scenarios/.
        file: PathBuf,
        /// What it is played on.
        #[arg(long, value_enum, default_value_t)]
        backend: Backend,
        /// Prints the whole transcript on stdout.
        #[arg(long)]
        trace: bool,
        /// Writes the run as one HTML page.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Prints the scenario of a seed, as a file that can be replayed and edited.
    Scenario {
        #[arg(long)]
        seed: u64,
        /// What kind of minute the seed makes.
        #[arg(long, value_enum, default_value_t)]
        profile: Profile,
    },
    /// Shrinks a scenario that fails and leaves the result in failures/.
    Shrink(commands::Shrink),
    /// Moves a failure's file to scenarios/found/, where `cargo test` plays it from now on.
    Adopt(commands::Adopt),
    /// Plays every scenario file on every backend and compares what their actors see.
    Scenarios(commands::Scenarios),
    /// Prints the JSON Schema of scenario files.
    Schema,
    /// Plants known bugs in a scratch copy and sees that the invariants find them.
    Mutants {
        /// Only the mutants whose name contains this; the null and the canary always run.
        #[arg(long)]
        only: Option<String>,
    },
}

#[derive(Args)]
struct Run {
    /// A up to B, B left out.
    #[arg(long, value_name = "A..B", default_value = "0..200", conflicts_with = "seed")]
    seeds: Seeds,
    /// What kind of minute each seed makes.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// What they are played on.
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// One seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints the whole transcript on stdout.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Writes the run as one HTML page.
    #[arg(long, value_name = "FILE", requires = "seed", conflicts_with = "check_determinism")]
    html: Option<PathBuf>,
    /// Threads; all cores unless given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Begins no run after a failure.
    #[arg(long)]
    fail_fast: bool,
    /// Plays each seed again in another process and compares every event.
    #[arg(long, conflicts_with = "trace")]
    check_determinism: bool,
    /// What stdout gets.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS };
        }
    };
    let result = match cli.command {
        Command::Run(run) => run.play(),
        Command::Replay { file, backend, trace, html } => {
            replay(&file, backend, trace, html.as_deref())
        }
        Command::Scenario { seed, profile } => print_scenario(profile, seed),
        Command::Shrink(shrink) => shrink.run(),
        Command::Adopt(adopt) => adopt.run(),
        Command::Scenarios(scenarios) => scenarios.run(),
        Command::Schema => {
            print!("{}", scenario::schema());
            Ok(ExitCode::SUCCESS)
        }
        Command::Mutants { only } => mutants(only.as_deref()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(1)
    })
}

impl Run {
    fn play(self) -> anyhow::Result<ExitCode> {
        match self.seed {
            Some(seed) if self.trace || self.html.is_some() => {
                let command = report::replay_command(self.profile, seed);
                let scenario = scenario::generate(self.profile, seed);
                play(&scenario, self.backend, &command, self.trace, self.html.as_deref())
            }
            Some(seed) if self.check_determinism => self.check_determinism(seed..seed + 1),
            None if self.check_determinism => self.check_determinism(self.seeds.0.clone()),
            Some(seed) => Ok(self.campaign(seed..seed + 1)),
            None => Ok(self.campaign(self.seeds.0.clone())),
        }
    }

    fn campaign(&self, seeds: Range<u64>) -> ExitCode {
        let jobs = self
            .jobs
            .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
            .unwrap_or(1);
        let bar = progress_bar(seeds.end - seeds.start);
        #[expect(clippy::disallowed_methods, reason = "outside the simulation, for the summary")]
        let clock = std::time::Instant::now;
        let (start, cpu_start) = (clock(), cpu_time());
        let progress = |outcome: &Outcome| {
            if outcome.violation.is_some() {
                bar.suspend(|| {
                    eprintln!(
                        "{}",
                        report::failure(
                            outcome,
                            &report::replay_command(self.profile, outcome.seed)
                        )
                    )
                });
            }
            bar.inc(1);
        };
        let (profile, backend) = (self.profile, self.backend);
        let findings = campaign::run(profile, backend, seeds, jobs, self.fail_fast, &progress);
        bar.finish_and_clear();
        let cpu = cpu_time().zip(cpu_start).map(|(end, start)| end.saturating_sub(start));
        match self.format {
            Format::Text => print!("{}", report::summary(&findings, start.elapsed(), cpu)),
            Format::Json => println!("{}", report::json(&findings)),
        }
        exit_code(&findings)
    }

    fn check_determinism(&self, seeds: Range<u64>) -> anyhow::Result<ExitCode> {
        let bar = progress_bar(seeds.end - seeds.start);
        let program = std::env::current_exe()?;
        for seed in seeds {
            let scenario = scenario::generate(self.profile, seed);
            let here: Outcome = backend::play(&scenario, self.backend, Keep::All)?;
            let here = report::transcript(&here.events);
            let there = std::process::Command::new(&program)
                .args(["run", "--trace", "--seed", &seed.to_string()])
                .args(["--profile", &format!("{:?}", self.profile).to_lowercase()])
                .args(["--backend", &format!("{:?}", self.backend).to_lowercase()])
                .output()?;
            let there = String::from_utf8_lossy(&there.stdout);
            if here != there {
                let number = here.lines().zip(there.lines()).take_while(|(a, b)| a == b).count();
                let line = |text: &str| text.lines().nth(number).unwrap_or("(the end)").to_owned();
                println!("seed {seed} differs from line {} on", number + 1);
                println!("this process:  {}", line(&here));
                println!("other process: {}", line(&there));
                return Ok(ExitCode::from(4));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        println!("every seed played the same in two processes");
        Ok(ExitCode::SUCCESS)
    }
}

fn exit_code(findings: &Findings) -> ExitCode {
    let violations = || findings.failures.values().filter_map(|o| o.violation.as_ref());
    if violations().any(|violation| !violation.invariant.is_liveness()) {
        ExitCode::from(2)
    } else if violations().next().is_some() {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    }
}

fn replay(
    file: &Path,
    backend: Backend,
    trace: bool,
    html: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let command = format!("cargo sim replay {}", file.display());
    play(&scenario::read_file(file)?, backend, &command, trace, html)
}

/// `command` does the same again.
fn play(
    scenario: &Scenario,
    backend: Backend,
    command: &str,
    trace: bool,
    html: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let outcome = backend::play(scenario, backend, Keep::All)?;
    if trace {
        print!("{}", report::transcript(&outcome.events));
    }
    if let Some(file) = html {
        std::fs::write(file, report::html(scenario, command, &outcome))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(match &outcome.violation {
        None => {
            eprintln!("passed: {} events in {:.1?}", outcome.event_count, outcome.simulated);
            ExitCode::SUCCESS
        }
        Some(violation) => {
            eprintln!("{}", report::failure(&outcome, command));
            ExitCode::from(if violation.invariant.is_liveness() { 3 } else { 2 })
        }
    })
}

fn print_scenario(profile: Profile, seed: u64) -> anyhow::Result<ExitCode> {
    print!("{}", scenario::write(&scenario::generate(profile, seed)));
    Ok(ExitCode::SUCCESS)
}

fn mutants(only: Option<&str>) -> anyhow::Result<ExitCode> {
    let root = std::env::current_dir()?;
    let scratch = Scratch::of(&root)?;
    let all = Mutant::read_all(&root.join("sim/mutants"))?;
    let guards = ["null", "canary"];
    anyhow::ensure!(
        guards.iter().all(|guard| all.iter().any(|mutant| mutant.name == *guard)),
        "sim/mutants needs null.patch and canary.patch: without them the run proves nothing"
    );
    let chosen = |m: &&Mutant| {
        guards.contains(&m.name.as_str()) || only.is_none_or(|only| m.name.contains(only))
    };
    let mut failed = 0;
    println!("{:<44} {:<12} {:<10} {:<10} verdict", "mutant", "killed by", "first seed", "kills");
    for mutant in all.iter().filter(chosen) {
        eprintln!("{}: {}", mutant.name, mutant.bug);
        let fate = scratch.try_mutant(mutant)?;
        let as_expected = mutant.is_as_expected(&fate);
        failed += u32::from(!as_expected);
        let (killer, seed) = fate
            .first_kill
            .as_ref()
            .map_or(("nothing", "-".to_owned()), |(seed, by)| (by, seed.to_string()));
        println!(
            "{:<44} {killer:<12} {seed:<10} {:<10} {}",
            mutant.name,
            format!("{}/{SEEDS}", fate.kills),
            if as_expected { "as expected" } else { "NOT AS EXPECTED" }
        );
        anyhow::ensure!(
            as_expected || !guards.contains(&mutant.name.as_str()),
            "{} did not do what it must: the whole run is void",
            mutant.name
        );
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Hidden where stderr is no terminal.
fn progress_bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style = "{elapsed} [{wide_bar}] {pos}/{len} seeds, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

/// What this process took of all cores so far, where the system tells.
fn cpu_time() -> Option<Duration> {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}
