//! The value of a setting: read by its kind, checked against its range, in the form that the
//! structs read (serde's).

use std::net::SocketAddr;
use std::time::Duration;

use humantime::format_duration;
use serde_json::Value;
use toml::de::DeValue;
use tracing_subscriber::EnvFilter;

use super::process::Place;
use super::table::Kind;
use crate::cluster::engine::NodeName;
use crate::protocol::ActorAddress;
use crate::server::{AllowedOrigin, StoreSync};

/// Reads a value as flags and the environment write it. The error says what is allowed.
pub fn parse(kind: Kind, text: &str) -> Result<Value, String> {
    let value = match kind {
        Kind::Duration { min, max } => humantime::parse_duration(text)
            .ok()
            .filter(|duration| (min..=max).contains(duration))
            .map(|duration| format_duration(duration).to_string().into()),
        Kind::Count { min, max, .. } => text
            .replace('_', "")
            .parse()
            .ok()
            .filter(|count| (min..=max).contains(count))
            .map(Value::from),
        Kind::ActorAddress => ActorAddress::parse(text).ok().map(|_| text.into()),
        Kind::Socket => place(text)?.map(|_| text.into()),
        Kind::Loopback => place(text)?.filter(Place::is_loopback).map(|_| text.into()),
        Kind::Path | Kind::Directory => (!text.is_empty()).then(|| text.into()),
        Kind::StoreSync => text.parse::<StoreSync>().ok().map(|sync| sync.to_string().into()),
        Kind::Switch => text.parse::<bool>().ok().map(Value::from),
        Kind::Secret { bytes_min } => (text.len() >= bytes_min).then_some(Value::Bool(true)),
        Kind::NodeName => NodeName::parse(text).ok().map(|_| text.into()),
        Kind::Engines => return engines(text.split(',').map(str::trim)),
        Kind::Filter if text.trim().is_empty() => None,
        Kind::Filter => EnvFilter::try_new(text).ok().map(|_| text.into()),
        Kind::Subprotocols => return subprotocols(text.split(',').map(str::trim)),
        // An empty text is no origin: an empty variable must not let everybody in.
        Kind::Origins => return origins(text.split(',').map(str::trim)),
    };
    value.ok_or_else(|| format!("expected {}", allowed(kind)))
}

/// None: the text is not `host:port`. An error: the name has no address here.
fn place(text: &str) -> Result<Option<Place>, String> {
    if !is_place(text) {
        return Ok(None);
    }
    let place = Place(text.to_owned());
    match place.addresses() {
        Ok(_) => Ok(Some(place)),
        Err(error) => Err(format!("no address is known for that name: {error}")),
    }
}

fn is_place(text: &str) -> bool {
    let has_port = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok() && !port.starts_with('+')
    });
    let is_address = text.parse::<SocketAddr>().is_ok();
    let is_name = |host: &str| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    has_port && (is_address || text.rsplit_once(':').is_some_and(|(host, _)| is_name(host)))
}

/// Reads a value as the file writes it.
pub fn parse_toml(kind: Kind, value: &DeValue<'_>) -> Result<Value, String> {
    match (kind, value) {
        (Kind::Count { .. }, DeValue::Integer(integer)) => {
            match u64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(count) => parse(kind, &count.to_string()),
                Err(_) => Err(format!("expected {}", allowed(kind))),
            }
        }
        (Kind::Count { .. }, _) => Err(format!("expected {}", allowed(kind))),
        (Kind::Origins | Kind::Subprotocols | Kind::Engines, DeValue::Array(items)) => {
            let texts: Option<Vec<&str>> =
                items.iter().map(|item| item.get_ref().as_str()).collect();
            let texts = texts.ok_or_else(|| format!("expected {}", allowed(kind)))?.into_iter();
            match kind {
                Kind::Origins => origins(texts),
                Kind::Engines => engines(texts),
                _ => subprotocols(texts),
            }
        }
        (Kind::Switch, DeValue::Boolean(switch)) => Ok(Value::Bool(*switch)),
        (Kind::Switch, _) => Err(format!("expected {}", allowed(kind))),
        (Kind::Secret { .. }, _) => {
            Err("a secret must not stand here: name a file that holds it, as auth_secret_file"
                .to_owned())
        }
        (_, DeValue::String(text)) => parse(kind, text),
        (_, _) => Err(format!("expected {}, in quotes", allowed(kind))),
    }
}

/// The range, for a person.
pub fn allowed(kind: Kind) -> String {
    match kind {
        Kind::Duration { min, max } => {
            format!("a duration such as 1m 30s, from {} to {}", short(min), short(max))
        }
        Kind::Count { unit, min, max } => format!("a whole number of {unit}, {min} to {max}"),
        Kind::ActorAddress => "an actor address such as @(path)".to_owned(),
        Kind::Socket => {
            "an address or a name, and a port, such as 127.0.0.1:9000 or localhost:9000".to_owned()
        }
        Kind::Loopback => {
            "a loopback address and a port such as 127.0.0.1:9001 or [::1]:9001".to_owned()
        }
        Kind::Path => "the path of a file".to_owned(),
        Kind::Directory => "the path of a directory".to_owned(),
        Kind::StoreSync => {
            format!("always, never or a time from 1ms to {}", short(StoreSync::WITHIN_MAX))
        }
        Kind::Switch => "true or false".to_owned(),
        Kind::Secret { bytes_min } => {
            format!("{bytes_min} byte{} or more", if bytes_min == 1 { "" } else { "s" })
        }
        Kind::NodeName => "a name such as hub-1, 1 to 32 of a-z, 0-9 and -".to_owned(),
        Kind::Engines => {
            "servers such as nats://10.0.0.1:4222 or tls://nats.example:4222".to_owned()
        }
        Kind::Filter => {
            "a level such as debug or a filter such as info,signal_hub=debug".to_owned()
        }
        Kind::Subprotocols => "names such as chat.v1, letters, digits and . _ ~ - only".to_owned(),
        Kind::Origins => "origins such as https://example.org:8443, or * for all".to_owned(),
    }
}

/// The unit of the value, for a table's column.
pub fn unit(kind: Kind) -> &'static str {
    match kind {
        Kind::Duration { .. } => "duration",
        Kind::Count { unit, .. } => unit,
        Kind::ActorAddress => "actor address",
        Kind::Socket | Kind::Loopback => "host:port",
        Kind::Path | Kind::Directory => "path",
        Kind::StoreSync => "sync",
        Kind::Switch => "switch",
        Kind::Secret { .. } => "secret",
        Kind::NodeName => "name",
        Kind::Engines => "servers",
        Kind::Filter => "filter",
        Kind::Subprotocols => "names",
        Kind::Origins => "origins",
    }
}

/// Returns whether the setting is on with this value.
pub fn is_set(kind: Kind, value: &Value) -> bool {
    if matches!(kind, Kind::Secret { .. }) { *value == Value::Bool(true) } else { !value.is_null() }
}

/// The text of a value as it may be shown to a person.
pub fn repeated(kind: Kind, text: &str) -> &str {
    match kind {
        Kind::Secret { .. } => "(set, not shown)",
        Kind::Engines if text.contains('@') => "(has a password, not shown)",
        _ => text,
    }
}

fn short(duration: Duration) -> String {
    format_duration(duration).to_string()
}

fn origins<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Value, String> {
    let mut origins = Vec::new();
    for text in texts {
        let origin: AllowedOrigin = text
            .parse()
            .map_err(|why| format!("{text:?}: {why}; expected {}", allowed(Kind::Origins)))?;
        origins.push(Value::from(String::from(origin)));
    }
    Ok(Value::Array(origins))
}

/// Their names may be unknown here until they start.
fn engines<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Value, String> {
    let engine = |text: &'a str| {
        if text.contains('@') {
            let why = "a server's address has no user and no password: name a file that holds them, as cluster_credentials_file";
            return Err(why.to_owned());
        }
        let host = ["nats://", "tls://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let is_engine = host.is_some_and(is_place);
        is_engine
            .then(|| Value::from(text))
            .ok_or_else(|| format!("{text:?}: expected {}", allowed(Kind::Engines)))
    };
    texts.map(engine).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn subprotocols<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Value, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    texts
        .map(|text| {
            if !text.is_empty() && text.bytes().all(plain) {
                Ok(Value::from(text))
            } else {
                Err(format!("{text:?}: expected {}", allowed(Kind::Subprotocols)))
            }
        })
        .collect::<Result<Vec<_>, _>>()
        .map(Value::Array)
}
