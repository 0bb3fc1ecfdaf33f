//! Application data: JSON text that is carried but never parsed into a tree.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One valid JSON value as UTF-8 text. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Bytes);

/// Text that is not one JSON value; says where and why.
#[derive(Debug, thiserror::Error)]
#[error("not a JSON value: {0}")]
pub struct InvalidJson(#[from] serde_json::Error);

impl Json {
    /// The value `null`.
    pub const NULL: Json = Json(Bytes::from_static(b"null"));
    /// The value `{}`.
    pub const EMPTY_OBJECT: Json = Json(Bytes::from_static(b"{}"));

    /// Reads one JSON value.
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, InvalidJson> {
        let bytes = text.into();
        // IgnoredAny alone would let invalid UTF-8 pass inside strings.
        let text =
            std::str::from_utf8(&bytes).map_err(<serde_json::Error as serde::de::Error>::custom)?;
        let _: IgnoredAny = serde_json::from_str(text)?;
        Ok(Self(bytes))
    }

    /// Takes what its caller put together from JSON values.
    #[cfg(feature = "server")]
    pub(crate) fn put_together(text: Vec<u8>) -> Self {
        debug_assert!(Self::parse(text.clone()).is_ok(), "it is no JSON value");
        Self(text.into())
    }

    /// The JSON of any value that serde can write as JSON.
    pub fn from_value<T: Serialize>(value: &T) -> Result<Self, InvalidJson> {
        Ok(Self(serde_json::to_vec(value)?.into()))
    }

    /// Copies what was read: a part that shares a frame's bytes would keep alive the whole buffer
    /// that they came in.
    pub(crate) fn copy(raw: &RawValue) -> Self {
        match raw.get() {
            "null" => Self::NULL,
            "{}" => Self::EMPTY_OBJECT,
            text => Self(Bytes::copy_from_slice(text.as_bytes())),
        }
    }

    /// The text of the value.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("Json holds UTF-8: every constructor checks it")
    }

    /// Reads the value as a `T`.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, InvalidJson> {
        Ok(serde_json::from_slice(&self.0)?)
    }

    /// Shows each key of an object with the text of its value, in order, repeated keys too, and
    /// stores none. Fails if this is no object or a key is no Unicode text.
    pub fn each_entry(&self, look: impl FnMut(&str, &str)) -> Result<(), InvalidJson> {
        if *self == Self::EMPTY_OBJECT {
            return Ok(());
        }
        let mut reader = serde_json::Deserializer::from_slice(&self.0);
        Ok(reader.deserialize_map(Entries(look))?)
    }

    /// Bytes of the text.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the text is empty, which a JSON value never is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

struct Entries<F>(F);

impl<'de, F: FnMut(&str, &str)> Visitor<'de> for Entries<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        /// serde borrows a `Cow` only if told to.
        #[derive(Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            (self.0)(&key, value.get());
        }
        Ok(())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string().into())
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_slice(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(String::from(Box::<str>::from(raw)).into()))
    }
}

/// Appends `text` as a JSON string. Names seldom have anything to escape, and are copied whole then.
pub(crate) fn push_text(json: &mut Vec<u8>, text: &str) {
    let is_odd = |byte| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Without an end before the last byte, the compiler looks at many bytes at once.
    if text.bytes().fold(false, |odd, byte| odd | is_odd(byte)) {
        return serde_json::to_writer(json, text).expect("a string is JSON");
    }
    json.reserve(text.len() + 2);
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
}

/// Bytes of `text` as a JSON string, its quotes included.
pub(super) fn text_len(text: &str) -> usize {
    let escaped = |byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0x00..0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_whole_value_is_json() {
        for good in ["null", "{}", "[1,2]", "\"ä\"", " 1 "] {
            assert!(Json::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "{", "1 2", "nul"] {
            assert!(Json::parse(bad).is_err(), "{bad}");
        }
        assert!(Json::parse(&b"\"\xff\""[..]).is_err(), "invalid UTF-8");
    }

    #[test]
    fn a_text_and_its_length_are_those_of_serde() {
        for text in ["", "plain", "ä\u{7f}", "\"\\\n\r\t\u{8}\u{c}", "\u{0}\u{1f}"] {
            let expected = serde_json::to_vec(text).expect("JSON");
            let mut json = Vec::new();
            push_text(&mut json, text);
            assert_eq!((text_len(text), &json), (expected.len(), &expected), "{text:?}");
        }
    }

    #[test]
    fn data_goes_through_serde_unaltered() {
        let odd = r#"{"b": 1.0, "a":  [1e400, "\u0041"], "b":2}"#;
        let json: Json = serde_json::from_str(odd).expect("valid JSON");
        assert_eq!(json.as_str(), odd);
        assert_eq!(serde_json::to_string(&json).expect("valid JSON"), odd);
    }
}
