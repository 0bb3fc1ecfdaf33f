//! Why a store cannot be opened or written.

use super::FORMAT;
use super::guard::Watch;

/// The store cannot be used; says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it.
    #[error("{name} is in use: end the other hub, or give this one a store of its own")]
    InUse {
        /// The file.
        name: String,
    },
    /// What lies there is no store, or no longer.
    #[error(
        "{file} is damaged: {what}; restore it from a backup, or start once with --store-repair, which sets it aside and keeps what can be read"
    )]
    Damaged {
        /// The file.
        file: String,
        /// What is known of it.
        what: String,
    },
    /// A later version wrote it.
    #[error(
        "{file} is of format {format}, written by signal-hub {by}, and this version knows no format above {FORMAT}: start that version or a later one"
    )]
    Newer {
        /// The file.
        file: String,
        /// Its format.
        format: String,
        /// The version that wrote it.
        by: String,
    },
    /// The disk failed.
    #[error(
        "cannot {operation} {name}: {error}; what was synced is kept: see to the disk, then start the hub again"
    )]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        name: String,
        /// What the disk said.
        error: String,
    },
}

/// Why rows cannot be read.
pub(super) enum Unreadable {
    /// By its file's pages or the disk.
    Storage(redb::Error),
    /// A row says nothing.
    Row(String),
    /// A later version wrote them.
    Newer { format: String, by: String },
}

impl<E: Into<redb::Error>> From<E> for Unreadable {
    fn from(error: E) -> Self {
        Self::Storage(error.into())
    }
}

impl Unreadable {
    pub(super) fn explain(self, watch: &Watch) -> StoreError {
        match self {
            Self::Storage(error) => watch.explain(error),
            Self::Row(what) => watch.damaged(&what),
            Self::Newer { format, by } => StoreError::Newer { file: watch.name(), format, by },
        }
    }
}

impl Watch {
    pub(super) fn damaged(&self, what: &str) -> StoreError {
        StoreError::Damaged { file: self.name(), what: what.to_owned() }
    }

    /// What redb's error comes from.
    pub(super) fn explain(&self, error: redb::Error) -> StoreError {
        if let Some((operation, error)) = self.failure() {
            return StoreError::Io { operation, name: self.name(), error };
        }
        match error {
            redb::Error::DatabaseAlreadyOpen => StoreError::InUse { name: self.name() },
            redb::Error::Io(error) if error.kind() != std::io::ErrorKind::InvalidData => {
                StoreError::Io { operation: "use", name: self.name(), error: error.to_string() }
            }
            other => self.damaged(&other.to_string()),
        }
    }
}
