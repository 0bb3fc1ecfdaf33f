//! Every setting of a hub and its process, with its range and its default (docs/OPERATIONS.md). The
//! command line decides where values come from.
//!
//! ```
//! use std::time::Duration;
//!
//! use signal_hub::hub::Config;
//! use signal_hub::settings;
//!
//! let setting = settings::find("idle_timeout").ok_or("no such setting")?;
//! assert_eq!(setting.flag(), "idle-timeout");
//! assert_eq!(setting.variable(), "SIGNAL_HUB_IDLE_TIMEOUT");
//! assert_eq!(settings::parse(setting.kind, "90s")?, "1m 30s");
//! assert!(settings::parse(setting.kind, "2days").is_err(), "a day is the most");
//!
//! // What a program sets by itself is held to the same ranges and rules.
//! assert_eq!(settings::check(&Config::default()), Ok(()));
//! let config = Config { idle_timeout: Duration::ZERO, ..Config::default() };
//! let why = settings::check(&config).unwrap_err();
//! assert!(why.starts_with("idle_timeout = 0s: expected a duration"), "{why}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod process;
pub mod rules;
mod table;
mod value;

use serde_json::Value;

pub use process::{Place, Process};
pub use table::{Kind, Part, SETTINGS, Setting, find};
pub use value::{allowed, is_set, parse, parse_toml, repeated, unit};

use crate::hub::Config;

/// Checks that `serve` would accept each of these values, and all of them together.
///
/// # Errors
/// With one line that names the setting and says what is allowed.
pub fn check(config: &Config) -> Result<(), String> {
    let values = serde_json::to_value(config).map_err(|error| error.to_string())?;
    for setting in SETTINGS.iter().filter(|setting| setting.part == Part::Hub) {
        let text = match values.get(setting.name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => continue,
        };
        parse(setting.kind, &text).map_err(|why| format!("{} = {text}: {why}", setting.name))?;
    }
    config.check().map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_held_to_the_ranges_of_the_settings() {
        assert_eq!(check(&Config::default()), Ok(()));
        let config = Config { message_bytes_max: 1, ..Config::default() };
        let why = "message_bytes_max = 1: expected a whole number of bytes, 1024 to 1073741824";
        assert_eq!(check(&config), Err(why.to_owned()));
    }
}
