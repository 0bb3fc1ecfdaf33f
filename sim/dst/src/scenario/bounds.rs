//! What a scenario may ask of the program that plays it: an error is better than an hour in which
//! nothing is said, or than memory that runs out.

use std::time::Duration;

use serde_json::Value;

use super::{HUB_HOST, Scenario, Step, What, When};
use crate::System;
use crate::net::LinkConfig;

const ACTORS_MAX: usize = 500;
/// Names of all actors together.
const ADDRESSES_MAX: usize = 10_000;
const STEPS_MAX: usize = 100_000;
/// Of one step and of the whole run, on the run's own clock.
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A clock that is wrong by more is no clock.
const SKEW_MAX: i64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// The fields of a step that say how long something takes.
const DURATIONS: [&str; 10] = [
    "at",
    "after",
    "pause",
    "lasts",
    "for",
    "within",
    "ttl",
    "latency",
    "jitter",
    "retransmit_after",
];

/// Everything but the single steps.
pub fn check<S: System>(scenario: &Scenario<S>) -> Result<(), String> {
    check_link(&scenario.network).map_err(|why| format!("network: {why}"))?;
    at_most("actors", scenario.actors.len(), ACTORS_MAX)?;
    at_most("steps", scenario.steps.len(), STEPS_MAX)?;
    let addresses = scenario.actors.iter().map(|actor| actor.addresses.len());
    at_most("addresses", addresses.sum(), ADDRESSES_MAX)?;
    let time = steps_last(scenario);
    if time > TIME_MAX {
        let (time, most) = (humantime::format_duration(time), humantime::format_duration(TIME_MAX));
        return Err(format!("the steps take {time} together: at most {most}"));
    }
    S::check(scenario, time)
}

/// How long the steps take together, at most.
fn steps_last<S: System>(scenario: &Scenario<S>) -> Duration {
    let mut time = Duration::ZERO;
    for step in &scenario.steps {
        time = match step.when {
            When::At(at) => time.max(at),
            When::After(after) => time.saturating_add(after),
            When::Then => time,
        };
        let Ok(value) = serde_json::to_value(step) else { continue };
        for wait in ["lasts", "for", "pause"] {
            time = time.saturating_add(duration(&value[wait]).unwrap_or_default());
        }
    }
    time
}

/// One step.
pub fn check_step<S: System>(step: &Step<S>) -> Result<(), String> {
    let value = serde_json::to_value(step).map_err(|error| error.to_string())?;
    check_durations(&value)?;
    if let What::Network(_) = step.what {
        let skew = value["milliseconds"].as_i64().unwrap_or_default();
        if !(-SKEW_MAX..=SKEW_MAX).contains(&skew) {
            return Err(format!("milliseconds = {skew}: at most {SKEW_MAX} either way"));
        }
        if let Ok(link) = serde_json::from_value::<LinkConfig>(value["config"].clone()) {
            check_link(&link)?;
        }
    }
    Ok(())
}

/// However deep in the step they stand.
fn check_durations(value: &Value) -> Result<(), String> {
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            match duration(value).filter(|_| DURATIONS.contains(&name.as_str())) {
                Some(duration) if duration > TIME_MAX => {
                    let most = humantime::format_duration(TIME_MAX);
                    Err(format!(
                        "{name} = {}: at most {most}",
                        humantime::format_duration(duration)
                    ))
                }
                Some(_) => Ok(()),
                None if name == "payload" => Ok(()),
                None => check_durations(value),
            }
        }),
        Value::Array(values) => values.iter().try_for_each(check_durations),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn duration(value: &Value) -> Option<Duration> {
    humantime::parse_duration(value.as_str()?).ok()
}

/// Where nothing passes, nothing ever happens: that is what stalls and partitions are for.
fn check_link(link: &LinkConfig) -> Result<(), String> {
    let value = serde_json::to_value(link).map_err(|error| error.to_string())?;
    check_durations(&value)?;
    for (name, number) in
        [("window_bytes", link.window_bytes), ("segment_bytes_max", link.segment_bytes_max)]
    {
        if number == 0 {
            return Err(format!("{name} = 0: nothing would ever reach the {HUB_HOST}"));
        }
    }
    if link.bytes_per_second == Some(0) {
        return Err(format!("bytes_per_second = 0: nothing would ever reach the {HUB_HOST}"));
    }
    at_most("loss_per_mille", usize::from(link.loss_per_mille), 1000)
}

/// Whether there are at most so many; `what` names them in the plural.
///
/// # Errors
/// If there are more.
pub fn at_most(what: &str, found: usize, most: usize) -> Result<(), String> {
    if found > most { Err(format!("{found} {what}: at most {most}")) } else { Ok(()) }
}
