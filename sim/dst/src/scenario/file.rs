//! Scenario files: JSON, checked before anything is played, with errors that name file and line.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

use super::act::clash;
use super::check::check;
use super::mistake::{self, explained, nearest_word};
use super::{Scenario, Step, VERSION};
use crate::System;

/// A scenario that cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidScenario {
    /// The file cannot be read.
    #[error("cannot read {file}: {error}")]
    Unreadable {
        /// Its path.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// What is in the file is no scenario.
    #[error("{file}:{error}")]
    File {
        /// Its path.
        file: String,
        /// Where and why: a [`InvalidScenario::Line`].
        error: Box<InvalidScenario>,
    },
    /// A line cannot be right.
    #[error("{line}: {what}")]
    Line {
        /// From 1 on; what is wrong with the whole is in the first.
        line: usize,
        /// The field and, if one is near, the word that was meant.
        what: String,
    },
}

/// Reads and checks a file.
///
/// # Errors
/// If it cannot be read, or is no scenario that can be played: with the file and the line.
pub fn read_file<S: System>(path: &Path) -> Result<Scenario<S>, InvalidScenario> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            read(&text).map_err(|error| InvalidScenario::File { file, error: Box::new(error) })
        }
        Err(error) => Err(InvalidScenario::Unreadable { file, error }),
    }
}

/// Reads and checks the text of a file.
///
/// # Errors
/// If it is no scenario that can be played: an [`InvalidScenario::Line`].
pub fn read<S: System>(text: &str) -> Result<Scenario<S>, InvalidScenario> {
    if text.starts_with('\u{feff}') {
        return Err(at(1, "the file begins with a byte order mark: save it as UTF-8 without one"));
    }
    if let Some(what) = clash::<S>() {
        return Err(at(1, what));
    }
    let fields: Fields<'_> = serde_json::from_str(text)
        .map_err(|error| at(error.line(), format!("no JSON object: {}", explained(&error))))?;
    check_version(text, &fields)?;
    check_fields::<S>(text, &fields)?;
    // Steps are read one by one: an error in one is known by its line.
    let raw = fields.get("steps").ok_or_else(|| at(1, "missing field `steps`"))?;
    let raws: Vec<&RawValue> = serde_json::from_str(raw.get())
        .map_err(|error| at(line_of(text, raw), format!("`steps`: {}", explained(&error))))?;
    let in_step = |number: usize, what: String| {
        at(line_of(text, raws[number]), format!("step {}: {what}", number + 1))
    };
    for (number, raw) in raws.iter().enumerate() {
        read_step::<S>(raw).map_err(|what| in_step(number, what))?;
    }
    let scenario: Scenario<S> =
        serde_json::from_str(text).map_err(|error| in_head::<S>(text, &fields, &error))?;
    check(&scenario).map_err(|(step, what)| match step {
        Some(number) => in_step(number, what),
        // What is wrong with a setting begins with its name.
        None => {
            let field = what.split(['.', ':', ' ']).next().and_then(|name| fields.get(name));
            at(field.map_or(1, |raw| line_of(text, raw)), what)
        }
    })?;
    Ok(scenario)
}

/// The parts of a file, as they stand in its text.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

fn at(line: usize, what: impl Into<String>) -> InvalidScenario {
    InvalidScenario::Line { line, what: what.into() }
}

fn check_version(text: &str, fields: &Fields<'_>) -> Result<(), InvalidScenario> {
    let Some(raw) = fields.get("version") else {
        return Err(at(1, format!("the format has no version: add \"version\": {VERSION}")));
    };
    let what = match serde_json::from_str::<u32>(raw.get()) {
        Ok(VERSION) => return Ok(()),
        Ok(version) => format!("version {version} is unknown: this program reads {VERSION}"),
        Err(error) => format!("`version`: {}", explained(&error)),
    };
    Err(at(line_of(text, raw), what))
}

fn read_step<S: System>(raw: &RawValue) -> Result<(), String> {
    let Err(error) = serde_json::from_str::<Step<S>>(raw.get()) else { return Ok(()) };
    let value = serde_json::from_str(raw.get()).unwrap_or_default();
    Err(in_field::<Step<S>>(&value, &error))
}

/// An error anywhere but in the steps, which can be read by themselves.
fn in_head<S: System>(
    text: &str,
    fields: &Fields<'_>,
    error: &serde_json::Error,
) -> InvalidScenario {
    let mut value = serde_json::from_str::<Value>(text).unwrap_or_default();
    value["steps"] = Value::Array(Vec::new());
    // A value has no lines, but says in what is wrong with a word or a number as such.
    let by_value = serde_json::from_value::<Scenario<S>>(value.clone()).err();
    let what = in_field::<Scenario<S>>(&value, by_value.as_ref().unwrap_or(error));
    let name = what.strip_prefix('`').and_then(|what| what.split(['`', '.', '[']).next());
    let name = name.or_else(|| by_value.and_then(|error| blamed::<S>(fields, &value, &error)));
    let line = name.and_then(|name| fields.get(name)).map_or(error.line(), |raw| {
        let first = line_of(text, raw);
        let is_inside = (first..=first + raw.get().matches('\n').count()).contains(&error.line());
        if is_inside { error.line() } else { first }
    });
    at(line, what)
}

/// The part of a file without which it has not this error.
fn blamed<'a, S: System>(
    fields: &'a Fields<'_>,
    value: &Value,
    error: &serde_json::Error,
) -> Option<&'a str> {
    let settings = settings_fields::<S>();
    fields.keys().map(String::as_str).find(|name| {
        let mut without = value.clone();
        without.as_object_mut().map(|fields| fields.remove(*name));
        let other = serde_json::from_value::<Scenario<S>>(without).err();
        settings.iter().any(|setting| setting == name)
            && other.is_none_or(|other| other.to_string() != error.to_string())
    })
}

/// What is wrong, after the field that is to blame.
fn in_field<T: DeserializeOwned>(value: &Value, error: &serde_json::Error) -> String {
    let read = |value| serde_json::from_value::<T>(value).err().map(|error| error.to_string());
    let what = explained(error);
    match mistake::field(value, &read) {
        Some(field) => format!("`{field}`: {what}"),
        None => what,
    }
}

/// A file as people write it, a line a step, with every setting in full: a default that changes
/// later changes nothing of what it means.
pub fn write<S: System>(scenario: &Scenario<S>) -> String {
    let mut text = format!("{{\n  \"version\": {VERSION}");
    let whole = serde_json::to_value(scenario).expect("a scenario is JSON");
    let head = lines(&whole, &["title", "why", "seed"]);
    let settings = lines(&whole, &settings_fields::<S>());
    let tail = lines(&whole, &["actors", "ending", "races", "expect_failure"]);
    for line in head.into_iter().chain(settings).chain(tail) {
        write!(text, ",\n  {line}").expect("a String takes all");
    }
    text.push_str(",\n  \"steps\": [");
    for (number, step) in scenario.steps.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(text, "{comma}\n    {}", spaced(step)).expect("a String takes all");
    }
    text.push_str("\n  ]\n}\n");
    text
}

/// How the hub and the network are set, a line each, as files have it: what is not the default.
pub fn settings<S: System>(scenario: &Scenario<S>) -> Vec<String> {
    let mut set = serde_json::to_value(scenario).expect("a scenario is JSON");
    let plain = serde_json::to_value(Scenario::<S>::default()).expect("a scenario is JSON");
    leave_out(&mut set, &plain);
    lines(&set, &settings_fields::<S>())
}

/// The fields of a file that say how hub, network and clients are set.
fn settings_fields<S: System>() -> Vec<String> {
    let clients = serde_json::to_value(S::Clients::default()).expect("settings are JSON");
    let clients = clients.as_object().into_iter().flat_map(|fields| fields.keys().cloned());
    ["hub", "network"].map(str::to_owned).into_iter().chain(clients).collect()
}

/// A field that nobody reads would be a setting that is not set.
fn check_fields<S: System>(text: &str, fields: &Fields<'_>) -> Result<(), InvalidScenario> {
    let own = [
        "$schema",
        "version",
        "title",
        "why",
        "seed",
        "actors",
        "ending",
        "races",
        "expect_failure",
        "steps",
    ];
    let settings = settings_fields::<S>();
    let known = || own.into_iter().chain(settings.iter().map(String::as_str));
    let Some((name, value)) = fields.iter().find(|(name, _)| !known().any(|known| known == *name))
    else {
        return Ok(());
    };
    let known: Vec<String> = known().map(|name| format!("`{name}`")).collect();
    let what = format!("unknown field `{name}`, expected one of {}", known.join(", "));
    Err(at(line_of(text, value), nearest_word(&what)))
}

/// The line of a part of the text; lines count from 1.
fn line_of(text: &str, part: &RawValue) -> usize {
    let offset = part.get().as_ptr().addr() - text.as_ptr().addr();
    1 + text[..offset].matches('\n').count()
}

/// What a file says of these fields, a line each.
fn lines<N: AsRef<str>>(scenario: &Value, names: &[N]) -> Vec<String> {
    let line = |name: &N| {
        let name = name.as_ref();
        let value = scenario.get(name).filter(|value| !value.is_null())?;
        Some(format!("\"{name}\": {}", spaced(value)))
    };
    names.iter().filter_map(line).collect()
}

fn leave_out(value: &mut Value, default: &Value) {
    let (Value::Object(fields), Value::Object(defaults)) = (value, default) else { return };
    fields.retain(|name, field| {
        let default = defaults.get(name);
        if let Some(default) = default.filter(|default| default.is_object()) {
            leave_out(field, default);
            return field.as_object().is_none_or(|fields| !fields.is_empty());
        }
        default != Some(field)
    });
}

/// On one line, with room to read.
fn spaced<T: Serialize>(value: &T) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Spaced::default());
    value.serialize(&mut serializer).expect("a scenario is JSON");
    String::from_utf8(text).expect("JSON is UTF-8")
}

#[derive(Default)]
struct Spaced {
    /// Whether the latest thing that began is an object, and nothing is in it.
    is_empty: bool,
}

impl Formatter for Spaced {
    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.is_empty = true;
        writer.write_all(b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        let end: &[u8] = if std::mem::take(&mut self.is_empty) { b"}" } else { b" }" };
        writer.write_all(end)
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.is_empty = false;
        writer.write_all(if first { b" " } else { b", " })
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
}
