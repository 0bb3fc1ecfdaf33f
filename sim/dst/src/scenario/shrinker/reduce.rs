//! What would be simpler: in the words of the file, so that every field of every step and setting is
//! covered.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::System;
use crate::scenario::Step;

/// What is never touched: it says what the step is.
const FIXED: [&str; 4] = ["do", "who", "at", "after"];
/// Durations worth trying in place of a longer one.
const DURATIONS: [&str; 5] = ["1ms", "100ms", "1s", "5s", "10s"];

/// Steps that say the same with less.
pub fn simpler_steps<S: System>(step: &Step<S>) -> Vec<Step<S>> {
    let Ok(Value::Object(fields)) = serde_json::to_value(step) else { return Vec::new() };
    let fixed = [&FIXED, S::FIXED_FIELDS].concat();
    let simpler = reductions(&fields, &fixed).into_iter();
    simpler.filter_map(|fields| serde_json::from_value(Value::Object(fields)).ok()).collect()
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

fn fields<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn reductions(object: &Map<String, Value>, fixed: &[&str]) -> Vec<Map<String, Value>> {
    let mut all = Vec::new();
    for (name, value) in object {
        if fixed.contains(&name.as_str()) {
            continue;
        }
        let mut without = object.clone();
        without.remove(name);
        all.push(without);
        for simpler in simpler_values(value, fixed) {
            let mut changed = object.clone();
            changed.insert(name.clone(), simpler);
            all.push(changed);
        }
    }
    all
}

fn simpler_values(value: &Value, fixed: &[&str]) -> Vec<Value> {
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
        Value::Object(fields) => {
            let mut simpler: Vec<Value> =
                reductions(fields, fixed).into_iter().map(Value::Object).collect();
            simpler.extend(fields.contains_key("after").then(|| Value::from("now")));
            simpler
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Vec::new(),
    }
}
