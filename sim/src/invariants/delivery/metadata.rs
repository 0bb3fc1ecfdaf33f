//! The metadata of copies.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use signal_hub::protocol::Json;

/// The hub's own keys in a copy; a sender's values under them are dropped (docs/PROTOCOL.md, section 4).
pub const HUB_KEYS: [&str; 7] =
    ["broadcast", "forwarded", "originalMessageId", "publication", "seq", "topic", "via"];

/// What stands under a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A text, however it is escaped.
    Text(Cow<'a, str>),
    /// Anything else, as it is written.
    Written(&'a str),
}

/// A key, which serde borrows only if told to.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Key<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(key: &'a str) -> Self {
        Self(key.into())
    }
}

/// Each key with what stands under it.
pub fn entries(metadata: &Json) -> BTreeMap<Key<'_>, Entry<'_>> {
    if *metadata == Json::EMPTY_OBJECT {
        return BTreeMap::new();
    }
    serde_json::from_str(metadata.as_str()).unwrap_or_default()
}

impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|value| Self::of(value.get()))
    }
}

impl<'a> Entry<'a> {
    fn of(value: &'a str) -> Self {
        let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match text {
            None => Entry::Written(value),
            Some(text) if !text.contains('\\') => Entry::Text(text.into()),
            // Half a character is no text.
            Some(_) => serde_json::from_str(value)
                .map_or(Entry::Written(value), |text: String| Entry::Text(text.into())),
        }
    }
}

/// Returns whether a copy arrived with what it was sent with, and its number.
pub fn is_same(sent: &Json, arrived: &Json, is_numbered: bool) -> bool {
    if !is_numbered {
        return sent == arrived;
    }
    let mut arrived = entries(arrived);
    arrived.remove("seq").is_some() && entries(sent) == arrived
}
