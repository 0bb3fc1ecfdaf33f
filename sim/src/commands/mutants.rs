//! `mutants`: plants known bugs and sees them found.

mod proof;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use anstream::{eprintln, print};
use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use signal_hub_sim::backend::Backend;
use signal_hub_sim::mutants::{
    Aim, Bench, Build, Expectation, Explained, Explanations, Fate, Fates, Gain, Kills,
    MESSAGE_SEEDS, Matrix, Mutant, Outside, Programs, QUICK_SEEDS, Scope, Scratch, Trial,
    outside_markdown, worth_aiming,
};
use signal_hub_sim::scenario;

use super::now;

/// Without these a run proves nothing.
const GUARDS: [&str; 2] = ["null", "canary"];
const DIRECTORY: &str = "sim/mutants";
/// Hubs that are tried from outside at the same time.
const OUTSIDE_AT_ONCE: usize = 3;
/// What `cargo sim explain` knows of the mutants.
const KNOWN: &str = "sim/mutants/known.tsv";

/// Plants known bugs in a scratch copy and sees that the invariants find them.
///
/// The matrix goes to stdout and, with all details, to target/mutants. Exit code 2: a mutant did not
/// break what it declares.
#[derive(Args)]
pub struct Mutants {
    /// Only the mutants whose name contains this; the null and the canary always run.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Only those of several hubs.
    #[arg(long, conflicts_with_all = ["only", "quick", "explain", "guided", "outside"])]
    nodes: bool,
    /// Where the patches are.
    #[arg(long, value_name = "DIR", default_value = DIRECTORY)]
    dir: PathBuf,
    /// Threads of the campaigns; all cores unless given. Builds take what cargo takes.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    jobs: Option<usize>,
    /// A few mutants, and storms on the message backend alone.
    #[arg(long)]
    quick: bool,
    /// Goes on where another run was ended: what became of a mutant holds as long as its patch and the
    /// sources are the same.
    #[arg(long, conflicts_with_all = ["quick", "explain", "guided", "outside"])]
    resume: bool,
    /// Explains a failure of each, and sees whether that names what the patch touches.
    #[arg(long, conflicts_with = "quick")]
    explain: bool,
    /// Counts what it takes to find those that storms find late, blind and guided.
    #[arg(long, conflicts_with_all = ["quick", "explain"])]
    guided: bool,
    /// Builds the hub with each and tries that from outside, as `against` does.
    #[arg(long, conflicts_with_all = ["quick", "explain", "guided"])]
    outside: bool,
    /// Writes the matrix, or another table, into docs/PROOF.md, too.
    #[arg(long, conflicts_with_all = ["only", "quick"])]
    update_docs: bool,
}

impl Mutants {
    pub fn run(&self) -> Result<ExitCode> {
        let root = std::env::current_dir()?;
        let scratch = Scratch::of(&root)?;
        let mut chosen = self.chosen(&root)?;
        if self.explain || self.guided || self.outside {
            chosen.retain(|mutant| !mutant.is_of_nodes);
        }
        if self.explain {
            return self.explain(&scratch, chosen);
        } else if self.guided {
            return self.gain(&scratch, chosen);
        } else if self.outside {
            return self.outside(&scratch, &chosen);
        }
        let begun = now();
        let matrix = self.try_all(&scratch, &chosen)?;
        eprintln!("{} mutants in {:.0?}", chosen.len(), now() - begun);
        self.write(&matrix, &scratch)?;
        let unexpected = matrix.unexpected();
        if !unexpected.is_empty() {
            eprintln!("not as expected: {}", unexpected.join(", "));
        }
        Ok(ExitCode::from(if unexpected.is_empty() { 0 } else { 2 }))
    }

    /// While one is tried, the next is built.
    fn try_all(&self, scratch: &Scratch, chosen: &[Mutant]) -> Result<Matrix> {
        let scopes = scopes(chosen);
        let needs_tests = !self.quick && scopes.contains(&Scope::OneHub);
        let build = if needs_tests { Build::All } else { Build::Simulator };
        let fates = Fates::of(scratch)?;
        let known = |mutant| if self.resume { fates.known(mutant) } else { Ok(None) };
        let known = chosen.iter().map(known).collect::<Result<Vec<_>>>()?;
        std::thread::scope(|scope| {
            let (built, next) = mpsc::sync_channel(0);
            let left = chosen.iter().zip(&known).filter(|(_, known)| known.is_none());
            let left: Vec<&Mutant> = left.map(|(mutant, _)| mutant).collect();
            scope.spawn(move || {
                for (number, mutant) in left.into_iter().enumerate() {
                    // Whoever waits for it may have given up.
                    if built.send(scratch.build_with(mutant, build, number % 2)).is_err() {
                        return;
                    }
                }
            });
            let mut matrix = Matrix::default();
            for (number, (mutant, known)) in (1..).zip(chosen.iter().zip(known)) {
                let fate = match known {
                    Some(fate) => fate,
                    None => {
                        let programs = next.recv()??;
                        eprintln!("{number} of {}, {}: {}", chosen.len(), mutant.name, mutant.bug);
                        let fate = self.fate(&self.bench(scratch, mutant, programs), &scopes)?;
                        if !self.quick {
                            fates.keep(mutant, &fate)?;
                        }
                        fate
                    }
                };
                let is_as_expected = mutant.is_as_expected(&fate);
                matrix.add(mutant.clone(), fate);
                ensure!(
                    is_as_expected || !mutant.is_guard(),
                    "{} did not do what it must: the whole run is void",
                    mutant.name
                );
            }
            Ok(matrix)
        })
    }

    /// The guards first: what they say is said before anybody has waited for long.
    fn chosen(&self, root: &Path) -> Result<Vec<Mutant>> {
        let read = |name: &str| {
            let file = format!("{name}.patch");
            let beside = root.join(&self.dir).join(&file);
            Mutant::read(&if beside.exists() { beside } else { root.join(DIRECTORY).join(file) })
        };
        let mut chosen = GUARDS.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        let wanted = |mutant: &Mutant| {
            (mutant.is_of_nodes || !self.nodes)
                && self.only.as_ref().is_none_or(|only| mutant.name.contains(only))
                && (mutant.is_quick || !self.quick)
        };
        let all = Mutant::read_all(&root.join(&self.dir))?;
        chosen.extend(all.into_iter().filter(|mutant| !mutant.is_guard() && wanted(mutant)));
        let is_meant = self.only.as_ref().is_none_or(|only| {
            chosen.len() > GUARDS.len() || GUARDS.iter().any(|guard| guard.contains(only))
        });
        ensure!(is_meant, "no mutant is called {}", self.only.as_deref().unwrap_or_default());
        Ok(chosen)
    }

    fn fate(&self, bench: &Bench<'_>, scopes: &[Scope]) -> Result<Fate> {
        let own = [bench.mutant.scope()];
        let scopes = if bench.mutant.is_guard() { scopes } else { &own };
        let of_scopes = scopes.iter().flat_map(|scope| scope.trials());
        let trials: Vec<Trial> =
            if self.quick { vec![Trial::Message] } else { of_scopes.copied().collect() };
        let mut fate = Fate::default();
        for trial in trials {
            let begun = now();
            let found = bench.make(trial)?;
            let said = found.as_ref().map_or("no such trial in this project".to_owned(), words);
            eprintln!("    {}: {said} in {:.1?}", trial.word(), now() - begun);
            if let Some(kills) = found {
                fate.note(trial, kills);
            }
        }
        if let Some((backend, run)) = to_shrink(bench.mutant, &fate).filter(|_| !self.quick) {
            let shrunk = scenario::read_file(&bench.shrink(backend, run)?)?;
            fate.steps = Some(shrunk.steps.len());
            eprintln!("    shrunk to {} steps", fate.steps.unwrap_or_default());
        }
        Ok(fate)
    }

    fn bench<'a>(&self, scratch: &'a Scratch, mutant: &'a Mutant, programs: Programs) -> Bench<'a> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Bench {
            programs,
            mutant,
            source: scratch.source(),
            folder: scratch.folder(),
            jobs: self.jobs.unwrap_or_else(cores),
            message_seeds: if self.quick { QUICK_SEEDS } else { MESSAGE_SEEDS },
        }
    }

    fn explain(&self, scratch: &Scratch, chosen: Vec<Mutant>) -> Result<ExitCode> {
        let mut explanations = Explanations::default();
        let mutants: Vec<Mutant> = chosen.into_iter().filter(|mutant| !mutant.is_guard()).collect();
        for (number, mutant) in (1..).zip(&mutants) {
            eprintln!("{number} of {}, {}: {}", mutants.len(), mutant.name, mutant.bug);
            let programs = scratch.build_with(mutant, Build::Simulator, 0)?;
            let bench = self.bench(scratch, mutant, programs);
            let file = failing_file(&bench)?;
            let text = file.map(|file| bench.explain(&file)).transpose()?;
            eprintln!("{}", text.as_deref().unwrap_or("nothing fails"));
            explanations.add(Explained { mutant: mutant.clone(), text });
        }
        let table = explanations.markdown();
        print!("{table}");
        write(scratch.folder().join("explained.md"), &table)?;
        write(scratch.folder().join("known.tsv"), &explanations.known())?;
        if self.update_docs {
            write(scratch.source().join(KNOWN), &explanations.known())?;
            proof::update(scratch.source(), "the explanations", &table)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn gain(&self, scratch: &Scratch, chosen: Vec<Mutant>) -> Result<ExitCode> {
        let proof =
            fs::read_to_string(scratch.source().join(proof::FILE)).context("cannot read it")?;
        let late = worth_aiming(&proof);
        let late = |mutant: &Mutant| late.contains(&mutant.name.as_str());
        let mutants: Vec<Mutant> = chosen.into_iter().filter(late).collect();
        let (mut gain, begun) = (Gain::default(), now());
        for (number, mutant) in (1..).zip(&mutants) {
            eprintln!("{number} of {}, {}: {}", mutants.len(), mutant.name, mutant.bug);
            let programs = scratch.build_with(mutant, Build::Simulator, 0)?;
            let bench = self.bench(scratch, mutant, programs);
            let mut tries = Vec::new();
            for aim in Aim::ALL {
                tries.push(bench.aim(aim)?);
                eprintln!("    {aim:?}: {}", tries[tries.len() - 1].told());
                if tries[0].is_soon() {
                    break;
                }
            }
            if tries.len() == Aim::ALL.len() {
                gain.add(&mutant.name, tries);
            }
        }
        eprintln!("{} mutants in {:.0?}", mutants.len(), now() - begun);
        let table = gain.markdown();
        print!("{table}");
        write(scratch.folder().join("gain.md"), &table)?;
        if self.update_docs {
            proof::update(scratch.source(), "the gain", &table)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Most of a trial is waiting: while some are tried, the next is built.
    fn outside(&self, scratch: &Scratch, chosen: &[Mutant]) -> Result<ExitCode> {
        let (built, next) = mpsc::sync_channel::<(usize, &Mutant, PathBuf)>(0);
        let (next, tried) = (Arc::new(Mutex::new(next)), &Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            let trials: Vec<_> = (0..OUTSIDE_AT_ONCE)
                .map(|_| {
                    let next = Arc::clone(&next);
                    scope.spawn(move || -> Result<()> {
                        loop {
                            let received = lock(&next).recv();
                            let Ok((number, mutant, hub)) = received else { return Ok(()) };
                            let outside = Outside::of(mutant, &hub, scratch.source())?;
                            // Nothing else is done with it.
                            let _ = fs::remove_file(hub);
                            let (name, told) = (&mutant.name, outside.told());
                            eprintln!("{number} of {}, {name}: {told}", chosen.len());
                            ensure!(
                                outside.is_found() || mutant.expect != Expectation::FailAtOnce,
                                "{name} lives: the whole run is void"
                            );
                            ensure!(
                                !outside.is_found() || mutant.expect != Expectation::Pass,
                                "{name} breaks something: the whole run is void"
                            );
                            lock(tried).push((number, outside));
                        }
                    })
                })
                .collect();
            drop(next);
            for (number, mutant) in (1..).zip(chosen) {
                // Whoever waits for it may have given up.
                if built.send((number, mutant, scratch.build_hub_with(mutant)?)).is_err() {
                    break;
                }
            }
            drop(built);
            let mut ended = trials.into_iter().map(|trial| trial.join());
            ended.try_for_each(|trial| trial.map_err(|_| anyhow!("a trial panicked"))?)
        })?;
        let mut tried = std::mem::take(&mut *lock(tried));
        tried.sort_by_key(|(number, _)| *number);
        let tried = tried.into_iter().map(|(_, outside)| outside);
        let tried: Vec<Outside> = tried.filter(|outside| !outside.mutant.is_guard()).collect();
        let table = outside_markdown(&tried);
        print!("{table}");
        write(scratch.folder().join("outside.md"), &table)?;
        if self.update_docs {
            proof::update(scratch.source(), "from outside", &table)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, matrix: &Matrix, scratch: &Scratch) -> Result<()> {
        let table = |scope| matrix.markdown(scope).unwrap_or_default();
        let (one_hub, nodes) = (table(Scope::OneHub), table(Scope::Nodes));
        let all = one_hub.clone() + &nodes;
        print!("{all}");
        write(scratch.folder().join("matrix.md"), &all)?;
        write(scratch.folder().join("matrix.json"), &matrix.json())?;
        if !self.update_docs {
            return Ok(());
        }
        proof::update(scratch.source(), "the nodes", &nodes)?;
        if self.nodes {
            return Ok(());
        }
        proof::update(scratch.source(), "the matrix", &one_hub)
    }
}

/// Where those can show that are no guards; guards are tried there.
fn scopes(chosen: &[Mutant]) -> Vec<Scope> {
    let has =
        |scope: &Scope| chosen.iter().any(|mutant| !mutant.is_guard() && mutant.scope() == *scope);
    let scopes: Vec<Scope> = [Scope::OneHub, Scope::Nodes].into_iter().filter(has).collect();
    if scopes.is_empty() { vec![Scope::OneHub] } else { scopes }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(file: PathBuf, text: &str) -> Result<()> {
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// A scenario that fails with the mutant: a shrunk storm, or else one of the project's files.
fn failing_file(bench: &Bench<'_>) -> Result<Option<PathBuf>> {
    let mut fate = Fate::default();
    for trial in [Trial::Message, Trial::Differential, Trial::Scenarios, Trial::Simulated] {
        if trial == Trial::Scenarios {
            if let Some(file) = bench.broken_file()? {
                return Ok(Some(file));
            }
        } else if let Some(kills) = bench.make(trial)? {
            fate.note(trial, kills);
        }
        if let Some((backend, run)) = to_shrink(bench.mutant, &fate) {
            return bench.shrink(backend, run).map(Some);
        }
    }
    Ok(None)
}

/// How many failed, and by what; of many names, the first.
fn words(kills: &Kills) -> String {
    const NAMES_MAX: usize = 8;
    let names: Vec<&str> = kills.first.keys().map(String::as_str).take(NAMES_MAX).collect();
    let more = if kills.first.len() > NAMES_MAX { ", ..." } else { "" };
    format!("{} of {} failed {}{more}", kills.failed, kills.runs, names.join(", "))
}

/// The storm to be shrunk: on the message backend if it shows there, by the declared invariant if
/// it breaks.
fn to_shrink(mutant: &Mutant, fate: &Fate) -> Option<(Backend, u64)> {
    let declared = mutant.declared()?;
    let by = |trial, name: Option<&str>| {
        let first = &fate.kills(trial)?.first;
        match name {
            Some(name) => first.get(name).copied(),
            None => first.values().min().copied(),
        }
    };
    let storms = [
        (Trial::Message, Backend::Message),
        (Trial::Simulated, Backend::Simulated),
        (Trial::Differential, Backend::Both),
    ];
    [Some(declared), None].into_iter().find_map(|name| {
        storms.iter().find_map(|(trial, backend)| Some((*backend, by(*trial, name)?)))
    })
}
