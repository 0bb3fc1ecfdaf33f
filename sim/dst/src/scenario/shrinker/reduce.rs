//! What would be simpler: in the words of the file, so that every field of every step and setting is
//! covered.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::System;
use crate::scenario::Step;

/// What is never touched of a step: it says what that is.
const FIXED: [&str; 4] = ["do", "who", "at", "after"];
/// Durations worth trying in place of a longer one.
const DURATIONS: [&str; 5] = ["1ms", "100ms", "1s", "5s", "10s"];

/// Steps that say the same with less.
pub fn simpler_steps<S: System>(step: &Step<S>) -> Vec<Step<S>> {
    simpler_but(step, &[&FIXED, S::FIXED_FIELDS].concat(), S::FIXED_FIELDS)
}

/// Values that say the same with less. A field with its default is as simple as can be: no two values are each
/// simpler than the other.
pub fn simpler<T: Serialize + DeserializeOwned + PartialEq>(value: &T) -> Vec<T> {
    simpler_but(value, &[], &[])
}

/// Whatever is in the `fixed` fields, and in those that are fixed `inside` others, stays.
fn simpler_but<T: Serialize + DeserializeOwned + PartialEq>(
    value: &T,
    fixed: &[&str],
    inside: &[&str],
) -> Vec<T> {
    let read = |fields| serde_json::from_value::<T>(Value::Object(fields)).ok();
    let mut simpler = Vec::new();
    for Reduction { without, reduced } in reductions(&fields(value), fixed, inside) {
        let without = read(without);
        if without.as_ref() != Some(value) {
            simpler.extend(without);
            simpler.extend(reduced.into_iter().filter_map(read));
        }
    }
    simpler
}

/// The same without what any of its tables has under this name.
pub fn without_entry<T: Serialize + DeserializeOwned + Clone>(value: &T, name: &str) -> T {
    let mut without = fields(value);
    for table in without.values_mut().filter_map(Value::as_object_mut) {
        table.remove(name);
    }
    serde_json::from_value(Value::Object(without)).unwrap_or_else(|_| value.clone())
}

type Change<T> = Box<dyn Fn(&T) -> T>;

/// For each property that is not the default: a change that makes it so.
pub fn resets<T: Serialize + DeserializeOwned + Default + Clone>(value: &T) -> Vec<Change<T>> {
    let (now, default) = (fields(value), fields(&T::default()));
    let differing = now.into_iter().filter(|(name, value)| default.get(name) != Some(value));
    let names: Vec<String> = differing.map(|(name, _)| name).collect();
    let reset = |name: String| -> Change<T> {
        Box::new(move |value: &T| {
            let mut changed = fields(value);
            if let Some(default) = fields(&T::default()).remove(&name) {
                changed.insert(name.clone(), default);
            }
            serde_json::from_value(Value::Object(changed)).unwrap_or_else(|_| value.clone())
        })
    };
    names.into_iter().map(reset).collect()
}

/// The fields of an object; none of anything else.
pub fn fields(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// What can be tried with one field of an object.
struct Reduction {
    without: Map<String, Value>,
    reduced: Vec<Map<String, Value>>,
}

/// For each field, however deep.
fn reductions(object: &Map<String, Value>, fixed: &[&str], inside: &[&str]) -> Vec<Reduction> {
    let mut all = Vec::new();
    for (name, value) in object.iter().filter(|(name, _)| !fixed.contains(&name.as_str())) {
        let changed = |value| {
            let mut changed = object.clone();
            changed.insert(name.clone(), value);
            changed
        };
        let mut without = object.clone();
        without.remove(name);
        let reduced = simpler_values(value).into_iter().map(changed).collect();
        all.push(Reduction { without, reduced });
        let Value::Object(fields) = value else { continue };
        all.extend(reductions(fields, inside, inside).into_iter().map(|inner| Reduction {
            without: changed(Value::Object(inner.without)),
            reduced: inner.reduced.into_iter().map(Value::Object).map(changed).collect(),
        }));
    }
    all
}

fn simpler_values(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => match humantime::parse_duration(text) {
            Ok(now) => {
                let shorter = |text: &&str| {
                    humantime::parse_duration(text).is_ok_and(|shorter| shorter < now)
                };
                DURATIONS.into_iter().filter(shorter).map(Value::from).collect()
            }
            Err(_) => Vec::new(),
        },
        Value::Number(number) if number.as_u64().is_some_and(|number| number > 0) => {
            vec![Value::from(0), Value::from(number.as_u64().unwrap_or_default() / 2)]
        }
        Value::Bool(true) => vec![Value::Bool(false)],
        Value::Object(fields) if fields.contains_key("after") => vec![Value::from("now")],
        Value::Array(elements) if elements.len() > 1 => {
            let without = |number| {
                let mut fewer = elements.clone();
                fewer.remove(number);
                Value::from(fewer)
            };
            (0..elements.len()).map(without).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Vec::new()
        }
    }
}
