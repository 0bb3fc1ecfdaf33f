//! Durations in files as people write them, `1m 30s`, for `#[serde(with = ...)]`.
//!
//! ```
//! use std::time::Duration;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Pause {
//!     #[serde(with = "dst::duration_text")]
//!     lasts: Duration,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pause: Pause = serde_json::from_str(r#"{"lasts": "1m 30s"}"#)?;
//! assert_eq!(pause.lasts, Duration::from_secs(90));
//! assert_eq!(serde_json::to_string(&pause)?, r#"{"lasts":"1m 30s"}"#);
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Writes a duration as text.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*value))
}

/// Reads a duration from text.
///
/// # Errors
/// If the text is no duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|error| {
        serde::de::Error::custom(format!("{text:?} is no duration such as 1m 30s: {error}"))
    })
}

/// The same where there may be none.
pub mod optional {
    use super::*;

    /// Writes a duration, if there is one, as text.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a duration from text.
    ///
    /// # Errors
    /// If the text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}
