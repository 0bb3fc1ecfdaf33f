//! The metadata of copies.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use signal_hub::protocol::Json;

/// The hub's own keys in a copy; a sender's values under them are dropped (docs/PROTOCOL.md, section 4).
pub const HUB_KEYS: [&str; 7] =
    ["broadcast", "forwarded", "originalMessageId", "publication", "seq", "topic", "via"];

/// Each key with the text of its value; a text's own form is left out of account.
pub fn entries(metadata: &Json) -> BTreeMap<String, String> {
    let entries: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(metadata.as_str()).unwrap_or_default();
    let text = |value: &RawValue| match serde_json::from_str(value.get()) {
        Ok(Value::String(text)) => serde_json::to_string(&text).unwrap_or_default(),
        Ok(_) | Err(_) => value.get().to_owned(),
    };
    entries.into_iter().map(|(key, value)| (key, text(&value))).collect()
}

/// Returns whether a copy arrived with what it was sent with, and its number.
pub fn is_same(sent: &Json, arrived: &Json, is_numbered: bool) -> bool {
    if !is_numbered {
        return sent == arrived;
    }
    let mut arrived = entries(arrived);
    arrived.remove("seq").is_some() && entries(sent) == arrived
}
