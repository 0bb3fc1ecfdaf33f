//! Known bugs, planted one at a time in a scratch copy of the project, to see that the invariants
//! find them. A null patch that must pass and a canary that must fail guard the run itself.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// Seeds that each mutant gets; it has to fall within them.
pub const SEEDS: u64 = 50;

/// A patch and what is said of it in its first lines: `# Expect: I4, I1` and `# Bug: a sentence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    pub name: String,
    pub patch: PathBuf,
    pub expect: Expectation,
    pub bug: String,
}

/// What a patch must lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// Every seed passes: the patch changes nothing.
    Pass,
    /// The very first seed fails: the patch breaks everything.
    FailAtOnce,
    /// One of these invariants is the first to break.
    Killed(Vec<String>),
}

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// The first seed that failed, counted from 1, and the invariant that broke there.
    pub first_kill: Option<(u64, String)>,
    /// How many of the seeds failed.
    pub kills: u64,
}

impl Mutant {
    /// All patches of a directory, by name.
    pub fn read_all(directory: &Path) -> Result<Vec<Mutant>> {
        let mut patches: Vec<PathBuf> = fs::read_dir(directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
            .collect();
        patches.sort();
        patches.iter().map(|path| Self::read(path)).collect()
    }

    fn read(patch: &Path) -> Result<Mutant> {
        let text = fs::read_to_string(patch)?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
                .with_context(|| format!("{}: no line \"{name} ...\"", patch.display()))
        };
        let stem = patch.file_stem().and_then(|stem| stem.to_str());
        let expect = match field("# Expect:")?.as_str() {
            "pass" => Expectation::Pass,
            "fail at once" => Expectation::FailAtOnce,
            names => Expectation::Killed(names.split(',').map(|n| n.trim().to_owned()).collect()),
        };
        Ok(Mutant {
            name: stem.context("a patch has a name")?.to_owned(),
            patch: patch.to_owned(),
            expect,
            bug: field("# Bug:")?,
        })
    }

    /// Whether the mutant's fate is the expected one.
    pub fn is_as_expected(&self, fate: &Fate) -> bool {
        match (&self.expect, &fate.first_kill) {
            (Expectation::Pass, None) => true,
            (Expectation::FailAtOnce, Some((seed, _))) => *seed == 1,
            (Expectation::Killed(names), Some((_, invariant))) => names.contains(invariant),
            (Expectation::Pass, Some(_))
            | (Expectation::FailAtOnce | Expectation::Killed(_), None) => false,
        }
    }
}

/// A scratch copy of the project, in its target folder, that mutants are planted in one after the
/// other. It stays there and shares the project's build folder, so that only what a patch touches
/// is built again.
pub struct Scratch {
    source: PathBuf,
    copy: PathBuf,
}

impl Scratch {
    /// Copies the project at `source`.
    pub fn of(source: &Path) -> Result<Self> {
        ensure!(source.join("sim/mutants").is_dir(), "run this from the root of the project");
        let copy = source.join("target/mutants/project");
        copy_sources(source, &copy)?;
        Ok(Self { source: source.to_owned(), copy })
    }

    /// Plants the mutant, builds, plays the seeds, and takes it out again.
    pub fn try_mutant(&self, mutant: &Mutant) -> Result<Fate> {
        self.apply(&mutant.patch, Direction::Plant)?;
        let fate = self.build().and_then(|program| play(&program));
        self.apply(&mutant.patch, Direction::Remove)?;
        fate.with_context(|| format!("mutant {}", mutant.name))
    }

    fn apply(&self, patch: &Path, direction: Direction) -> Result<()> {
        let patch = self.source.join(patch);
        let mut git = Command::new("git");
        git.arg("apply").current_dir(&self.copy);
        // The copy lies inside a checkout; there git would look for the paths at its top.
        git.env("GIT_CEILING_DIRECTORIES", self.source.join("target/mutants"));
        if direction == Direction::Remove {
            git.arg("--reverse");
        }
        let output = git.arg(&patch).output().context("cannot run git")?;
        ensure!(
            output.status.success(),
            "{} does not apply: {}",
            patch.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn build(&self) -> Result<PathBuf> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            // With a test, so that the dependencies are those that `cargo test` has built.
            .args(["build", "--quiet", "--locked", "--bin", "signal-hub-sim"])
            .args(["--test", "determinism"])
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", self.source.join("target/mutants/programs"))
            .env("CARGO_BUILD_BUILD_DIR", self.source.join("target"))
            .stdin(Stdio::null())
            .output()
            .context("cannot run cargo")?;
        ensure!(
            output.status.success(),
            "does not build: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(self.source.join("target/mutants/programs/debug/signal-hub-sim"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Plant,
    Remove,
}

fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for name in ["Cargo.toml", "Cargo.lock", ".cargo", "src", "sim", "tests"] {
        copy_tree(&from.join(name), &to.join(name))?;
    }
    Ok(())
}

/// Makes `to` the same as `from`. What is the same already keeps its time, so that cargo sees it.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        return match fs::read(to) {
            Ok(known) if known == content => Ok(()),
            Ok(_) | Err(_) => {
                fs::write(to, content).with_context(|| format!("cannot write {}", to.display()))
            }
        };
    }
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for stale in names(to)?.difference(&names(from)?) {
        let stale = to.join(stale);
        let removed =
            if stale.is_dir() { fs::remove_dir_all(&stale) } else { fs::remove_file(&stale) };
        removed.with_context(|| format!("cannot remove {}", stale.display()))?;
    }
    names(from)?.iter().try_for_each(|name| copy_tree(&from.join(name), &to.join(name)))
}

fn names(directory: &Path) -> Result<BTreeSet<OsString>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    entries.map(|entry| Ok(entry?.file_name())).collect()
}

#[derive(Deserialize)]
struct Findings {
    runs: u64,
    failures: Vec<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    seed: u64,
    invariant: String,
}

fn play(program: &Path) -> Result<Fate> {
    let output = Command::new(program)
        .args(["run", "--format", "json", "--seeds", &format!("1..{}", SEEDS + 1)])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !matches!(output.status.code(), Some(0 | 2 | 3)) {
        bail!("the campaign broke: {}", String::from_utf8_lossy(&output.stderr));
    }
    let findings: Findings = serde_json::from_slice(&output.stdout)?;
    ensure!(findings.runs == SEEDS, "{} of {SEEDS} seeds were played", findings.runs);
    let first_kill =
        findings.failures.first().map(|failure| (failure.seed, failure.invariant.clone()));
    Ok(Fate { first_kill, kills: findings.failures.len() as u64 })
}
