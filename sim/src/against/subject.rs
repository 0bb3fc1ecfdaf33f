//! Which hub a scenario is played against: what a file says of its settings, and, while it is played, the run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use signal_hub::hub::Config;

use super::dialect::{Promises, Speaker};

/// The hub under test. Files have its settings only, and only these are compared.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// As a scenario file sets this project's hub.
    pub config: Config,
    run: Option<Arc<Run>>,
}

/// One run against it.
pub struct Run {
    /// What is promised in it.
    pub promises: Promises,
    speaker: Mutex<Speaker>,
}

impl Subject {
    /// The same while it is played.
    #[must_use]
    pub fn under(&self, run: Run) -> Self {
        Self { config: self.config.clone(), run: Some(Arc::new(run)) }
    }

    /// The run, if it is played.
    pub fn run(&self) -> Option<&Arc<Run>> {
        self.run.as_ref()
    }

    /// What it promises: nothing, while nobody plays.
    pub fn promises(&self) -> Promises {
        self.run.as_ref().map_or_else(Promises::default, |run| run.promises.clone())
    }
}

impl From<&Config> for Subject {
    fn from(config: &Config) -> Self {
        Self { config: config.clone(), run: None }
    }
}

impl Run {
    /// A run in which this is promised, and in which all clients speak so.
    pub fn new(promises: Promises, speaker: Speaker) -> Self {
        Self { promises, speaker: Mutex::new(speaker) }
    }

    /// Who speaks, one at a time.
    pub fn speaker(&self) -> MutexGuard<'_, Speaker> {
        self.speaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("promises", &self.promises).finish_non_exhaustive()
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
    }
}

impl Eq for Subject {}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.config.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { config: Config::deserialize(deserializer)?, run: None })
    }
}
