//! What became of mutants in earlier runs, for a run that goes on where another was ended.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::fate::Fate;
use super::patch::Mutant;
use super::scratch::Scratch;

/// What decides over a fate, besides the patch.
const SOURCES: [&str; 6] = ["Cargo.lock", "Cargo.toml", "src", "sim", "tests", "scenarios"];
/// Patches, each of which decides over its own mutant alone.
const PATCHES: &str = "sim/mutants";

/// A folder with the fate of each mutant that was tried.
pub struct Fates {
    source: PathBuf,
    folder: PathBuf,
    sources: u64,
}

#[derive(Serialize, Deserialize)]
struct Known {
    /// Of the patch and of all sources.
    hash: u64,
    fate: Fate,
}

impl Fates {
    /// Those of the project as it is now.
    ///
    /// # Errors
    /// If its sources cannot be read.
    pub fn of(scratch: &Scratch) -> Result<Self> {
        let (source, folder) = (scratch.source().to_owned(), scratch.folder().join("fates"));
        let mut hasher = DefaultHasher::new();
        for name in SOURCES {
            hash_tree(&source.join(name), &source.join(PATCHES), &mut hasher)?;
        }
        Ok(Self { source, folder, sources: hasher.finish() })
    }

    /// What became of the mutant, if it was the same, planted in the same sources.
    ///
    /// # Errors
    /// If its patch cannot be read.
    pub fn known(&self, mutant: &Mutant) -> Result<Option<Fate>> {
        let hash = self.hash(mutant)?;
        let read = fs::read(self.file(mutant)).ok();
        let known = read.and_then(|bytes| serde_json::from_slice::<Known>(&bytes).ok());
        Ok(known.filter(|known| known.hash == hash).map(|known| known.fate))
    }

    /// Keeps what became of it.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn keep(&self, mutant: &Mutant, fate: &Fate) -> Result<()> {
        let known = Known { hash: self.hash(mutant)?, fate: fate.clone() };
        let file = self.file(mutant);
        fs::create_dir_all(&self.folder)
            .and_then(|()| fs::write(&file, serde_json::to_vec(&known)?))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    fn file(&self, mutant: &Mutant) -> PathBuf {
        self.folder.join(format!("{}.json", mutant.name))
    }

    fn hash(&self, mutant: &Mutant) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        self.sources.hash(&mut hasher);
        hash_tree(&self.source.join(&mutant.patch), Path::new(""), &mut hasher)?;
        Ok(hasher.finish())
    }
}

/// Hashes all files there, by name and content.
fn hash_tree(path: &Path, but: &Path, hasher: &mut impl Hasher) -> Result<()> {
    let told = || format!("cannot read {}", path.display());
    if !path.is_dir() {
        path.file_name().hash(hasher);
        fs::read(path).with_context(told)?.hash(hasher);
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(told)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(told)?;
    paths.sort();
    paths.iter().filter(|path| *path != but).try_for_each(|path| hash_tree(path, but, hasher))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::{Expectation, Kills, Trial};
    use crate::scenario::Profile;

    fn mutant(patch: &str) -> Mutant {
        let patch = Path::new(PATCHES).join(patch);
        let name = "late".to_owned();
        let (expect, bug) = (Expectation::Breaks("I4".to_owned()), "It is late.".to_owned());
        let (profile, is_quick, is_of_nodes) = (Profile::Swarm, false, false);
        let (names, unseen) = (None, None);
        Mutant { name, patch, expect, bug, names, unseen, profile, is_quick, is_of_nodes }
    }

    #[test]
    fn a_fate_holds_for_the_same_patch_on_the_same_sources() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp/fates");
        let _ = fs::remove_dir_all(&folder);
        let mut fate = Fate::default();
        fate.note(Trial::Message, Kills { runs: 20, ..Kills::default() });
        let fates = Fates { source, folder, sources: 1 };
        let late = mutant("late_close_removes_new_registration.patch");
        assert_eq!(fates.known(&late).unwrap(), None);
        fates.keep(&late, &fate).unwrap();
        assert_eq!(fates.known(&late).unwrap(), Some(fate));
        assert_eq!(fates.known(&mutant("null.patch")).unwrap(), None);
        assert_eq!(Fates { sources: 2, ..fates }.known(&late).unwrap(), None);
    }
}
