//! Application data: JSON text that is carried but never parsed into a tree.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use memchr::memchr;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One valid JSON value. Cloning shares the text.
#[derive(Clone)]
pub struct Json(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

/// Text that is not one JSON value; says where and why.
#[derive(Debug, thiserror::Error)]
#[error("not a JSON value: {0}")]
pub struct InvalidJson(#[from] serde_json::Error);

impl Json {
    /// The value `null`.
    pub const NULL: Json = Json(Text::Static("null"));
    /// The value `{}`.
    pub const EMPTY_OBJECT: Json = Json(Text::Static("{}"));

    /// Reads one JSON value.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, InvalidJson> {
        // IgnoredAny alone would let invalid UTF-8 pass inside strings.
        let text = std::str::from_utf8(text.as_ref())
            .map_err(<serde_json::Error as serde::de::Error>::custom)?;
        let _: IgnoredAny = serde_json::from_str(text)?;
        Ok(Self::copy(text))
    }

    /// Copies what its caller put together from JSON values.
    #[cfg(feature = "server")]
    pub(crate) fn put_together(text: &str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "it is no JSON value");
        Self::copy(text)
    }

    /// The JSON of any value that serde can write as JSON.
    pub fn from_value<T: Serialize>(value: &T) -> Result<Self, InvalidJson> {
        Ok(Self::copy(&serde_json::to_string(value)?))
    }

    /// Copies what was read as a JSON value.
    pub(crate) fn copy(text: &str) -> Self {
        match text {
            "null" => Self::NULL,
            "{}" => Self::EMPTY_OBJECT,
            text => Self(Text::Shared(text.into())),
        }
    }

    /// The text of the value.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }

    /// Reads the value as a `T`.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, InvalidJson> {
        Ok(serde_json::from_str(self.as_str())?)
    }

    /// Shows each key of an object with the text of its value, in order, repeated keys too, and
    /// stores none. Fails if this is no object or a key is no Unicode text.
    pub fn each_entry(&self, look: impl FnMut(&str, &str)) -> Result<(), InvalidJson> {
        if *self == Self::EMPTY_OBJECT {
            return Ok(());
        }
        let mut reader = serde_json::Deserializer::from_str(self.as_str());
        Ok(reader.deserialize_map(Entries(look))?)
    }

    /// Bytes of the text.
    pub fn len(&self) -> usize {
        self.as_str().len()
    }

    /// Returns whether the text is empty, which a JSON value never is.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl Hash for Json {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
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
        Self::copy(&value.to_string())
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue =
            serde_json::from_str(self.as_str()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self::copy(raw.get()))
    }
}

/// Appends `text` as a JSON string.
pub(super) fn push_text(json: &mut Vec<u8>, text: &str) {
    json.reserve(text.len() + 2);
    say_text(text, |part| json.extend_from_slice(part.as_bytes()));
}

/// Says the parts of `text` as a JSON string. Names seldom have anything to escape, and are said
/// whole then.
#[inline]
pub(crate) fn say_text(text: &str, mut say: impl FnMut(&str)) {
    if is_wholly_plain(text.as_bytes()) {
        ["\"", text, "\""].into_iter().for_each(say);
    } else {
        say(&serde_json::to_string(text).expect("a string is JSON"));
    }
}

/// Bytes of `text` as a JSON string, its quotes included.
pub(super) fn text_len(text: &str) -> usize {
    if is_wholly_plain(text.as_bytes()) {
        return text.len() + 2;
    }
    serde_json::to_string(text).expect("a string is JSON").len()
}

/// The lowest byte with its high bit set is not itself in a JSON string; those above it say nothing.
#[inline]
fn odd(word: [u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x80 * ONES;
    let word = u64::from_le_bytes(word);
    let is = |byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
    let is_control = word.wrapping_sub(ONES * 0x20);
    (is_control | is(b'"') | is(b'\\')) & !word & HIGHS
}

/// Returns whether [`plain_len`] is all of it. The last word may overlap the one before. Without an end before it, the
/// compiler looks at several words at once.
fn is_wholly_plain(text: &[u8]) -> bool {
    match text.last_chunk() {
        None => plain_len(text) == text.len(),
        Some(last) => {
            let words = text.as_chunks().0.iter();
            words.fold(odd(*last), |all, word| all | odd(*word)) == 0
        }
    }
}

/// Bytes until the quote that ends a JSON string; none if something in it is not itself. Most quotes are near, and a
/// call takes longer than a look at a few words.
#[inline(always)]
pub(super) fn plain_until_quote(text: &[u8]) -> Option<usize> {
    const WORDS_MAX: usize = 5;
    let mut seen = 0;
    for word in text.as_chunks::<8>().0.iter().take(WORDS_MAX) {
        let odd = odd(*word);
        if odd != 0 {
            let at = odd.trailing_zeros() / 8;
            return (word[at as usize] == b'"').then_some(seen + at as usize);
        }
        seen += 8;
    }
    let far = &text[seen..];
    let len = memchr(b'"', far)?;
    is_wholly_plain(&far[..len]).then_some(seen + len)
}

/// Bytes until one that is not itself in a JSON string: a quote, a backslash, a control character.
/// Looks at eight at once.
pub(super) fn plain_len(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (nth, word) in words.iter().enumerate() {
        let odd = odd(*word);
        if odd != 0 {
            return 8 * nth + odd.trailing_zeros() as usize / 8;
        }
    }
    let mut last = [b'"'; 8];
    last[..rest.len()].copy_from_slice(rest);
    8 * words.len() + odd(last).trailing_zeros() as usize / 8
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
    fn a_text_ends_at_the_first_byte_that_is_not_itself() {
        for filling in ["", "a", "sixteen letters.", "ä and a \u{7f} of twenty-five"] {
            for end in ["\"", "\\", "\u{0}", "\n", "\u{1f}"] {
                let text = format!("{filling}{end}\u{1}\"behind\\ it");
                assert_eq!(plain_len(text.as_bytes()), filling.len(), "{text:?}");
                assert!(!is_wholly_plain(&text.as_bytes()[..=filling.len()]), "{text:?}");
                let until = (end == "\"").then_some(filling.len());
                assert_eq!(plain_until_quote(text.as_bytes()), until, "{text:?}");
            }
            assert_eq!(plain_len(filling.as_bytes()), filling.len());
            assert!(is_wholly_plain(filling.as_bytes()));
            for more in ["", "!", "and a text that is longer than a few words of eight bytes"] {
                let text = format!("{filling}{more}\"\"");
                assert_eq!(plain_until_quote(text.as_bytes()), Some(text.len() - 2), "{text:?}");
                assert_eq!(plain_until_quote(&text.as_bytes()[..text.len() - 2]), None);
            }
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
