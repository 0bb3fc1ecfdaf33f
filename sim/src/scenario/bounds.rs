//! What a scenario may ask of the program that plays it: an error is better than an hour in which
//! nothing is said, or than memory that runs out.

use std::time::Duration;

use serde_json::Value;
use signal_hub::protocol::ActorAddress;
use signal_hub::settings;
use signal_hub::settings::rules::{self, Rule};

use super::{Ending, HUB_HOST, Scenario, Step, What, When};
use crate::net::LinkConfig;

const ACTORS_MAX: usize = 500;
/// Names of all actors together.
const ADDRESSES_MAX: usize = 10_000;
const STEPS_MAX: usize = 100_000;
/// Of one step and of the whole run, on the run's own clock.
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Pings and heartbeats of a run.
const BEATS_MAX: u128 = 10_000_000;
/// Of one step.
const PADDING_MAX: usize = 16 * 1024 * 1024;
/// Of all steps, which the history of the run holds together.
const PADDING_TOTAL_MAX: usize = 256 * 1024 * 1024;
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
pub fn check(scenario: &Scenario) -> Result<(), String> {
    settings::check(&scenario.hub).map_err(|why| format!("hub: {why}"))?;
    check_link(&scenario.network).map_err(|why| format!("network: {why}"))?;
    let ttl = scenario.registration_ttl;
    if !(1..=3600).contains(&ttl.as_secs()) || ttl.subsec_nanos() > 0 {
        let ttl = humantime::format_duration(ttl);
        return Err(format!("registration_ttl = {ttl}: expected whole seconds, 1s to 1h"));
    }
    at_most("actors", scenario.actors.len(), ACTORS_MAX)?;
    at_most("steps", scenario.steps.len(), STEPS_MAX)?;
    let addresses = || scenario.actors.iter().flat_map(|actor| &actor.addresses);
    at_most("addresses", addresses().count(), ADDRESSES_MAX)?;
    for name in addresses() {
        let address = if name.starts_with("@(") {
            ActorAddress::parse(name)
        } else {
            ActorAddress::from_path(name)
        };
        address.map_err(|error| format!("{name:?} is no address: {error}"))?;
    }
    check_whole(scenario)
}

/// The rules between its settings that the hub breaks: `serve` refuses them, files may mean them.
pub fn doubts(scenario: &Scenario) -> Vec<String> {
    let values = serde_json::to_value(&scenario.hub).unwrap_or_default();
    let told = |name: &str| match &values[name] {
        Value::String(text) => format!("{name} = {text}"),
        other => format!("{name} = {other}"),
    };
    let rules = rules::broken(&scenario.hub);
    rules
        .map(|Rule { left, must, right, why }| {
            format!("{} {must} {}: {why}", told(left), told(right))
        })
        .collect()
}

/// What the steps come to together.
fn check_whole(scenario: &Scenario) -> Result<(), String> {
    let mut time = Duration::ZERO;
    let mut padding = 0_usize;
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
        padding = padding.saturating_add(value["padding"].as_u64().unwrap_or_default() as usize);
    }
    if time > TIME_MAX {
        let (time, most) = (humantime::format_duration(time), humantime::format_duration(TIME_MAX));
        return Err(format!("the steps take {time} together: at most {most}"));
    }
    at_most("bytes of padding", padding, PADDING_TOTAL_MAX)?;
    let ending = match scenario.ending {
        Ending::Stop => Duration::ZERO,
        Ending::Calm => scenario.hub.idle_timeout,
    };
    let interval = scenario.hub.ping_interval.min(scenario.hub.heartbeat_interval);
    let beats = time.saturating_add(ending).as_nanos() / interval.as_nanos().max(1);
    let beats = beats.saturating_mul(2 * scenario.actors.len() as u128);
    if beats > BEATS_MAX {
        Err(format!(
            "the run would take {beats} pings and heartbeats: at most {BEATS_MAX}; make the hub's \
             ping_interval and heartbeat_interval longer, or the run shorter"
        ))
    } else {
        Ok(())
    }
}

/// One step.
pub fn check_step(step: &Step) -> Result<(), String> {
    let value = serde_json::to_value(step).map_err(|error| error.to_string())?;
    check_durations(&value)?;
    let padding = value["padding"].as_u64().unwrap_or_default();
    at_most("bytes of padding", usize::try_from(padding).unwrap_or(usize::MAX), PADDING_MAX)?;
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

fn at_most(what: &str, found: usize, most: usize) -> Result<(), String> {
    if found > most { Err(format!("{found} {what}: at most {most}")) } else { Ok(()) }
}
