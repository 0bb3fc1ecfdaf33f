//! A copy of the project that mutants are planted in, one after the other, and the programs that are
//! built from it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::patch::Mutant;

/// What `cargo sim` runs.
const SIMULATOR: &str = "signal-hub-sim";
/// What `cargo hub` runs.
const HUB: &str = "signal-hub";
/// How it is built there, for `cargo`. One build folder holds what is built there and by the project for
/// itself: were the project's own crates built alike, cargo would take one for the other. Trials take less
/// than optimising for them.
const SETTINGS: &str = "\
[build]
build-dir = \"..\"
target-dir = \"programs\"

[profile.dev]
opt-level = 0

[profile.dev.package]
signal-hub.debug = false
signal-hub-dst.debug = false
signal-hub-sim.debug = false
";
/// The tests that mutants are tried on, where the project has them.
const TESTS: [&str; 2] = ["conversations", "properties"];

/// A scratch copy of the project, in its target folder. It stays there and shares the project's build
/// folder, so that only what a patch touches is built again.
pub struct Scratch {
    source: PathBuf,
    copy: PathBuf,
}

/// What is built of the project with a mutant in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// What `cargo sim` runs.
    pub simulator: PathBuf,
    /// The conversations; none where they were not built.
    pub conversations: Option<PathBuf>,
    /// The property tests; none where they were not built.
    pub properties: Option<PathBuf>,
}

/// What is to be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// The simulator alone.
    Simulator,
    /// The simulator and the tests.
    All,
}

impl Scratch {
    /// Copies the project at `source`.
    ///
    /// # Errors
    /// If that is not the root of the project, or cannot be copied.
    pub fn of(source: &Path) -> Result<Self> {
        ensure!(source.join("sim/mutants").is_dir(), "run this from the root of the project");
        let copy = source.join("target/mutants/project");
        fs::create_dir_all(&copy).with_context(|| format!("cannot make {}", copy.display()))?;
        let scratch = Self { source: source.to_owned(), copy };
        scratch.write_settings()?;
        // Without those of the project: cargo reads them in the folders above, and twice the same flags
        // are other flags, with which every dependency would be built again.
        for name in ["Cargo.toml", "Cargo.lock", "src", "sim", "tests"] {
            copy_tree(&source.join(name), &scratch.copy.join(name))?;
        }
        Ok(scratch)
    }

    /// The root of the project itself.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// Where everything about mutants is left.
    pub fn folder(&self) -> PathBuf {
        self.source.join("target/mutants")
    }

    fn write_settings(&self) -> Result<()> {
        let folder = self.folder().join(".cargo");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let file = folder.join("config.toml");
        fs::write(&file, SETTINGS).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Plants the mutant, builds, and takes it out again. The programs stay until others are built in the
    /// same place.
    ///
    /// # Errors
    /// If the patch does not apply, or what comes of it does not build.
    pub fn build_with(&self, mutant: &Mutant, build: Build, place: usize) -> Result<Programs> {
        self.apply(&mutant.patch, Direction::Plant)?;
        let programs = self.build(build);
        self.apply(&mutant.patch, Direction::Remove)?;
        let Programs { simulator, conversations, properties } =
            programs.with_context(|| format!("mutant {}", mutant.name))?;
        let place = self.folder().join(format!("built-{place}"));
        fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
        let kept = |program: PathBuf| -> Result<PathBuf> {
            let copy = place.join(program.file_name().context("a program has a name")?);
            fs::copy(&program, &copy)
                .with_context(|| format!("cannot write {}", copy.display()))?;
            Ok(copy)
        };
        Ok(Programs {
            simulator: kept(simulator)?,
            conversations: conversations.map(kept).transpose()?,
            properties: properties.map(kept).transpose()?,
        })
    }

    /// The same of the hub that users start; it stays there under the mutant's name.
    ///
    /// # Errors
    /// If the patch does not apply, or what comes of it does not build.
    pub fn build_hub_with(&self, mutant: &Mutant) -> Result<PathBuf> {
        self.apply(&mutant.patch, Direction::Plant)?;
        let built = self.cargo(HUB, &[]);
        self.apply(&mutant.patch, Direction::Remove)?;
        let built = built.with_context(|| format!("mutant {}", mutant.name))?;
        let hub = executable(&built, HUB).context("cargo tells of no signal-hub")?;
        let place = self.folder().join("hubs");
        fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
        let copy = place.join(&mutant.name);
        fs::copy(&hub, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
        Ok(copy)
    }

    fn apply(&self, patch: &Path, direction: Direction) -> Result<()> {
        let patch = self.source.join(patch);
        let mut git = Command::new("git");
        git.arg("apply").current_dir(&self.copy);
        // The copy lies inside a checkout; there git would look for the paths at its top.
        git.env("GIT_CEILING_DIRECTORIES", self.folder());
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

    fn build(&self, build: Build) -> Result<Programs> {
        let tests = match build {
            Build::All => &TESTS[..],
            Build::Simulator => &[],
        };
        let there = |test: &&&str| self.copy.join("tests").join(test).is_dir();
        let tests: Vec<&str> = tests.iter().filter(there).copied().collect();
        let built = self.cargo(SIMULATOR, &tests)?;
        let told = || format!("cargo tells of no {SIMULATOR}");
        Ok(Programs {
            simulator: executable(&built, SIMULATOR).with_context(told)?,
            conversations: executable(&built, TESTS[0]),
            properties: executable(&built, TESTS[1]),
        })
    }

    /// What cargo says of what it built.
    fn cargo(&self, program: &str, tests: &[&str]) -> Result<String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "--locked", "--bin", program])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(&self.copy)
            .env_remove("CARGO_TARGET_DIR")
            .stdin(Stdio::null())
            .args(tests.iter().flat_map(|test| ["--test", test]));
        let output = cargo.output().context("cannot run cargo")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "does not build: {told}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Plant,
    Remove,
}

/// Where cargo says, in lines of JSON, that it has put a program.
fn executable(told: &str, name: &str) -> Option<PathBuf> {
    let artifacts = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut named = artifacts.filter(|artifact| artifact["target"]["name"] == name);
    named.find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_a_program_is() {
        let told = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"signal-hub-sim"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"signal-hub-sim"},"executable":"/a/sim"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(told, "signal-hub-sim"), Some(PathBuf::from("/a/sim")));
        assert_eq!(executable(told, TESTS[0]), None);
    }
}
