//! What one scenario can take over from another, in the words of the file, so that every field of every
//! step and setting is covered.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::seq::{IndexedRandom, IteratorRandom};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::System;
use crate::scenario::Step;
use crate::scenario::shrinker::fields;

/// What says which step it is, and what a step without it is another one.
const FIXED: [&str; 4] = ["do", "who", "at", "after"];

/// One setting that another has otherwise; a table by the names of actors stays with them.
pub fn one_setting<T>(value: &T, donor: &T, dice: &mut ChaCha8Rng) -> Option<T>
where
    T: Serialize + DeserializeOwned,
{
    let (mut fields, donor) = (fields(value), fields(donor));
    let differing = donor
        .into_iter()
        .filter(|(name, value)| !value.is_object() && fields.get(name) != Some(value));
    let (name, value) = differing.choose(dice)?;
    fields.insert(name, value);
    serde_json::from_value(Value::Object(fields)).ok()
}

/// A step one field of which is as in one of the donors that does the same, or is not there.
pub fn one_field<S: System>(
    step: &Step<S>,
    donors: &[Step<S>],
    dice: &mut ChaCha8Rng,
) -> Option<Step<S>> {
    let own = fields(step);
    let alike = donors.iter().map(fields).filter(|donor| donor.get("do") == own.get("do"));
    let alike: Vec<Map<String, Value>> = alike.collect();
    let donor = alike.choose(dice)?;
    let names = own.keys().chain(donor.keys()).filter(|name| !FIXED.contains(&name.as_str()));
    let name = names.filter(|name| own.get(*name) != donor.get(*name)).choose(dice)?.clone();
    let mut changed = own.clone();
    match donor.get(&name) {
        Some(value) => drop(changed.insert(name, value.clone())),
        None => drop(changed.remove(&name)),
    }
    serde_json::from_value(Value::Object(changed)).ok()
}

/// Every time span that settings bear, however deep, or a step beside its own time.
pub fn durations(value: &impl Serialize) -> Vec<Duration> {
    let mut found = Vec::new();
    let fields = fields(value).into_iter().filter(|(name, _)| !FIXED.contains(&name.as_str()));
    fields.for_each(|(_, value)| collect(&value, &mut found));
    found.retain(|duration| !duration.is_zero());
    found
}

/// The same step of others: whoever stands in the list is called otherwise.
pub fn renamed<S: System>(step: &Step<S>, names: &BTreeMap<&str, &str>) -> Option<Step<S>> {
    let mut value = serde_json::to_value(step).ok()?;
    rename(&mut value, names);
    serde_json::from_value(value).ok()
}

fn rename(value: &mut Value, names: &BTreeMap<&str, &str>) {
    match value {
        Value::String(text) => {
            if let Some(name) = names.get(text.as_str()) {
                *text = (*name).to_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, names)),
        Value::Object(fields) => fields.values_mut().for_each(|value| rename(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn collect(value: &Value, found: &mut Vec<Duration>) {
    match value {
        Value::String(text) => found.extend(humantime::parse_duration(text)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
