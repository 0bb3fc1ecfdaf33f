//! Scenario files: JSON, checked before anything is played, with errors that name file and line.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

use super::bounds;
use super::{Action, ActorKind, HUB_HOST, Scenario, Step, VERSION, What, Who};

/// A scenario that cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum InvalidScenario {
    #[error("cannot read {file}: {error}")]
    Unreadable { file: String, error: std::io::Error },
    #[error("{file}:{error}")]
    File { file: String, error: Box<InvalidScenario> },
    /// `line` counts from 1; `what` names the field and, if one is near, the word that was meant.
    #[error("{line}: {what}")]
    Line { line: usize, what: String },
}

/// Reads and checks a file.
pub fn read_file(path: &Path) -> Result<Scenario, InvalidScenario> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            read(&text).map_err(|error| InvalidScenario::File { file, error: Box::new(error) })
        }
        Err(error) => Err(InvalidScenario::Unreadable { file, error }),
    }
}

/// Steps are read one by one: an error in one is known by its line.
#[derive(Deserialize)]
struct Outline<'a> {
    version: Option<u32>,
    #[serde(borrow, default)]
    steps: Vec<&'a RawValue>,
}

/// Reads and checks the text of a file.
pub fn read(text: &str) -> Result<Scenario, InvalidScenario> {
    if text.starts_with('\u{feff}') {
        let what = "the file begins with a byte order mark: save it as UTF-8 without one";
        return Err(InvalidScenario::Line { line: 1, what: what.to_owned() });
    }
    let outline: Outline<'_> = serde_json::from_str(text).map_err(|error| at_error(&error))?;
    if outline.version != Some(VERSION) {
        let what = match outline.version {
            Some(version) => format!("version {version} is unknown: this program reads {VERSION}"),
            None => format!("the format has no version: add \"version\": {VERSION}"),
        };
        return Err(InvalidScenario::Line { line: 1, what });
    }
    let line_of = |step: &RawValue| {
        let offset = step.get().as_ptr().addr() - text.as_ptr().addr();
        1 + text[..offset].matches('\n').count()
    };
    for (number, raw) in (1..).zip(&outline.steps) {
        serde_json::from_str::<Step>(raw.get()).map_err(|error| InvalidScenario::Line {
            line: line_of(raw),
            what: format!("step {number}: {}", explained(&error)),
        })?;
    }
    let scenario: Scenario = serde_json::from_str(text).map_err(|error| at_error(&error))?;
    check_actors(&scenario)?;
    let line_of_head = |what| InvalidScenario::Line { line: 1, what };
    for (step, raw) in scenario.steps.iter().zip(&outline.steps) {
        check_step(&scenario, step)
            .and_then(|()| bounds::check_step(step))
            .map_err(|what| InvalidScenario::Line { line: line_of(raw), what })?;
    }
    bounds::check(&scenario).map_err(line_of_head)?;
    Ok(scenario)
}

/// A file as people write it, a line a step, with every setting in full: a default that changes
/// later changes nothing of what it means.
pub fn write(scenario: &Scenario) -> String {
    let mut text = format!("{{\n  \"version\": {VERSION}");
    let whole = serde_json::to_value(scenario).expect("a scenario is JSON");
    let head = lines(&whole, &["title", "why", "seed"]);
    let settings = lines(&whole, &SETTINGS);
    let tail = lines(&whole, &["actors", "ending", "races"]);
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
pub fn settings(scenario: &Scenario) -> Vec<String> {
    let mut set = serde_json::to_value(scenario).expect("a scenario is JSON");
    let plain = serde_json::to_value(Scenario::default()).expect("a scenario is JSON");
    leave_out(&mut set, &plain);
    lines(&set, &SETTINGS)
}

const SETTINGS: [&str; 3] = ["hub", "network", "registration_ttl"];

/// What a file says of these fields, a line each.
fn lines(scenario: &Value, names: &[&str]) -> Vec<String> {
    let line = |name: &&str| Some(format!("\"{name}\": {}", spaced(scenario.get(*name)?)));
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
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Spaced);
    value.serialize(&mut serializer).expect("a scenario is JSON");
    String::from_utf8(text).expect("JSON is UTF-8")
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"{ ")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b" }")
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
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

fn at_error(error: &serde_json::Error) -> InvalidScenario {
    InvalidScenario::Line { line: error.line(), what: explained(error) }
}

/// What serde says, without its position, and which of the words it knows is the nearest.
fn explained(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let mut words = text.split('`').skip(1).step_by(2);
    let wrong = words.next().unwrap_or_default();
    let is_unknown = text.starts_with("unknown ");
    let nearest = words
        .max_by(|a, b| strsim::jaro_winkler(wrong, a).total_cmp(&strsim::jaro_winkler(wrong, b)));
    match nearest {
        Some(nearest) if is_unknown && strsim::jaro_winkler(wrong, nearest) > 0.7 => {
            format!("{text}; did you mean `{nearest}`?")
        }
        Some(_) | None => text.to_owned(),
    }
}

fn check_actors(scenario: &Scenario) -> Result<(), InvalidScenario> {
    let mut names = BTreeSet::new();
    for actor in &scenario.actors {
        let name = &actor.name;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        let what = if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            format!("{name:?} is no name for an actor: use letters, digits and . _ ~ - only")
        } else if name == HUB_HOST || name == "network" {
            format!("an actor cannot be called {name:?}: steps need that word")
        } else if !names.insert(name) {
            format!("two actors are called {name:?}")
        } else {
            continue;
        };
        return Err(InvalidScenario::Line { line: 1, what });
    }
    Ok(())
}

fn check_step(scenario: &Scenario, step: &Step) -> Result<(), String> {
    match &step.what {
        What::Hub(_) => Ok(()),
        What::Network(fault) => fault
            .hosts()
            .into_iter()
            .filter(|host| *host != HUB_HOST)
            .try_for_each(|host| known(scenario, &host.parse().map_err(|_| host.to_owned())?)),
        What::Act { who, speaker, action } => {
            known(scenario, who)?;
            check_names(speaker, action)?;
            let word = || {
                serde_json::to_value(action).map_or_else(|_| String::new(), |v| v["do"].to_string())
            };
            match (who, action) {
                (Who::Client(actor), action) if action.is_for_raw_only() => {
                    Err(format!("{} is for raw connections, such as {actor}/1", word()))
                }
                (Who::Raw(actor, _), action) if action.is_for_client_only() => {
                    Err(format!("{} is for clients, such as {actor}", word()))
                }
                (Who::Client(actor), action)
                    if !matches!(action, Action::Start)
                        && scenario
                            .actors
                            .iter()
                            .any(|known| known.name == *actor && known.kind == ActorKind::Raw) =>
                {
                    Err(format!("{actor} has no client: name a connection, such as {actor}/1"))
                }
                (Who::Client(_) | Who::Raw(..), _) => Ok(()),
            }
        }
    }
}

fn known(scenario: &Scenario, who: &Who) -> Result<(), String> {
    let names = || scenario.actors.iter().map(|actor| actor.name.as_str());
    if names().any(|name| name == who.actor()) {
        return Ok(());
    }
    let near = |name: &&str| strsim::jaro_winkler(name, who.actor());
    let nearest = names().max_by(|a, b| near(a).total_cmp(&near(b)));
    match nearest.filter(|name| near(name) > 0.7) {
        Some(name) => Err(format!("nobody is called {:?}; did you mean {name:?}?", who.actor())),
        None => {
            let all: Vec<&str> = names().collect();
            Err(format!("nobody is called {:?}; the actors are {}", who.actor(), all.join(", ")))
        }
    }
}

/// Names and ids that become part of the protocol's words.
fn check_names(speaker: &Option<String>, action: &Action) -> Result<(), String> {
    for name in action.recipient().into_iter().chain(speaker.as_deref()) {
        let address = if name.starts_with("@(") {
            signal_hub::protocol::ActorAddress::parse(name)
        } else {
            signal_hub::protocol::ActorAddress::from_path(name)
        };
        address.map_err(|error| format!("{name:?} is no address: {error}"))?;
    }
    if let Action::Ask { id: Some(id), .. } = action {
        signal_hub::protocol::MessageId::parse(id)
            .map_err(|error| format!("{id:?} is no id: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(steps: &str) -> String {
        let text =
            format!("{{ \"version\": 1,\n \"actors\": [\"alice\"],\n \"steps\": [\n{steps}\n] }}");
        read(&text).expect_err("it cannot be played").to_string()
    }

    fn head(fields: &str) -> String {
        let text = format!("{{ \"version\": 1, {fields}, \"steps\": [] }}");
        read(&text).expect_err("it cannot be played").to_string()
    }

    #[test]
    fn the_hub_is_set_as_serve_would_set_it() {
        let alice = r#""actors": ["alice"]"#;
        assert_eq!(
            head(&format!(r#"{alice}, "hub": {{ "message_bytes_max": 1 }}"#)),
            "1: hub: message_bytes_max = 1: expected a whole number of bytes, 1024 to 1073741824"
        );
        assert_eq!(
            head(&format!(r#"{alice}, "hub": {{ "idle_timeout": "30y" }}"#)),
            "1: hub: idle_timeout = 30years: expected a duration such as 1m 30s, from 1ms to 1day"
        );
    }

    #[test]
    fn settings_that_serve_would_not_take_together_are_told_and_played() {
        let hub = r#""idle_timeout": "2s", "ping_interval": "500ms""#;
        let text =
            format!(r#"{{ "version": 1, "actors": ["alice"], "hub": {{ {hub} }}, "steps": [] }}"#);
        let scenario = read(&text).expect("it can be played");
        assert_eq!(
            super::super::doubts(&scenario),
            [
                "idle_timeout = 2s must be longer than heartbeat_interval = 25s: or a client that sends \
              heartbeats as told is taken for dead"
            ]
        );
    }

    #[test]
    fn what_would_take_for_ever_or_all_memory_is_told() {
        let step = |fields: &str| error(&format!(r#"{{ "who": "alice", {fields} }}"#));
        assert!(step(r#""at": "30y", "do": "start""#).starts_with("4: at = 30years"));
        assert!(step(r#""do": "leave", "pause": "2days""#).ends_with(": at most 1day"));
        assert_eq!(
            step(r#""do": "tell", "to": "alice", "padding": 2147483648"#),
            "4: 2147483648 bytes of padding: at most 16777216"
        );
        let day = r#"{ "who": "alice", "after": "23h", "do": "start" }"#;
        assert_eq!(
            error(&format!("{day},\n{day}")),
            "1: the steps take 1day 22h together: at most 1day"
        );
        let actors: Vec<String> = (0..10_000).map(|n| format!("\"a{n}\"")).collect();
        let actors = head(&format!("\"actors\": [{}]", actors.join(",")));
        assert_eq!(actors, "1: 10000 actors: at most 500");
        let beats = r#"{ "version": 1, "actors": ["alice"], "hub": { "ping_interval": "1ms" },
            "steps": [{ "at": "10h", "who": "alice", "do": "start" }] }"#;
        let beats = read(beats).expect_err("it would take long").to_string();
        assert!(beats.starts_with("1: the run would take 72000000 pings"), "{beats}");
    }

    #[test]
    fn a_network_through_which_nothing_passes_is_told() {
        assert_eq!(
            head(r#""actors": ["alice"], "network": { "window_bytes": 0 }"#),
            "1: network: window_bytes = 0: nothing would ever reach the hub"
        );
        assert!(head(r#""actors": ["alice"], "registration_ttl": "0s""#).contains("1s to 1h"));
    }

    #[test]
    fn a_byte_order_mark_is_told() {
        let error = read("\u{feff}{ \"version\": 1 }").expect_err("it is no JSON");
        assert!(error.to_string().contains("byte order mark"), "{error}");
    }

    #[test]
    fn only_what_is_not_the_default_counts_as_set() {
        let mut scenario = Scenario::default();
        assert!(settings(&scenario).is_empty());
        scenario.hub.idle_timeout = std::time::Duration::from_millis(1500);
        assert_eq!(settings(&scenario), [r#""hub": { "idle_timeout": "1s 500ms" }"#]);
    }

    #[test]
    fn a_step_that_names_nobody_is_refused() {
        let error = error(r#"{ "at": "1s", "who": "alise", "do": "start" }"#);
        assert_eq!(error, r#"4: nobody is called "alise"; did you mean "alice"?"#);
    }

    #[test]
    fn a_fault_on_an_unknown_host_is_refused() {
        let fault =
            r#"{ "who": "network", "do": "stall", "from": "hub", "to": "bob", "lasts": "1s" }"#;
        assert_eq!(error(fault), r#"4: nobody is called "bob"; the actors are alice"#);
    }

    #[test]
    fn an_unknown_word_is_told_with_the_one_that_was_meant() {
        let error = error(
            "{ \"who\": \"alice\", \"do\": \"start\" },\n{ \"who\": \"alice\", \"do\": \"subscibe\" }",
        );
        assert!(error.starts_with("5: step 2: unknown variant `subscibe`"), "{error}");
        assert!(error.ends_with("did you mean `subscribe`?"), "{error}");
    }

    #[test]
    fn an_unknown_field_is_an_error() {
        let error = error(r#"{ "who": "alice", "do": "leave", "pause": "1s", "puase": "2s" }"#);
        assert!(error.contains("unknown field `puase`"), "{error}");
        assert!(error.contains("did you mean `pause`?"), "{error}");
    }

    #[test]
    fn a_word_of_raw_connections_is_not_for_clients() {
        let error = error(r#"{ "who": "alice", "do": "ping" }"#);
        assert_eq!(error, r#"4: "ping" is for raw connections, such as alice/1"#);
    }

    #[test]
    fn a_file_of_another_version_is_refused() {
        let error = read(r#"{ "version": 2, "actors": [] }"#).expect_err("it is unknown");
        assert_eq!(error.to_string(), "1: version 2 is unknown: this program reads 1");
    }

    #[test]
    fn a_step_needs_all_its_fields() {
        let error = error(r#"{ "who": "alice", "do": "leave" }"#);
        assert_eq!(error, "4: step 1: missing field `pause`");
    }
}
