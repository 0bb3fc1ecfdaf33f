//! Reads fields one by one, so that a refusal names the field, what it should be and what it was.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{DeserializeSeed, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::protocol::{InvalidName, Refusal};

/// A field as the frame has it; absent and null are the same.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// The field's text.
pub(super) fn text(raw: Raw<'_>) -> Option<&str> {
    raw.map(RawValue::get)
}

/// Reads a JSON object into a struct of [`Raw`] fields; null has none.
pub(super) fn object<'a, T: Deserialize<'a> + Default>(
    field: &'static str,
    raw: Raw<'a>,
) -> Result<T, Refusal> {
    const EXPECTED: &str = "an object without repeated fields";
    let Some(raw) = raw else { return Ok(T::default()) };
    // serde would read a struct from an array too; the protocol does not.
    if !raw.get().starts_with('{') {
        return Err(Refusal::invalid(field, "an object", kind_of(raw.get())));
    }
    serde_json::from_str(raw.get())
        .map_err(|_| Refusal::invalid(field, EXPECTED, kind_of(raw.get())))
}

/// A required string that `parse` turns into a name.
pub(super) fn name<T>(
    field: &'static str,
    expected: &'static str,
    raw: Raw<'_>,
    parse: impl FnOnce(&str) -> Result<T, InvalidName>,
) -> Result<T, Refusal> {
    optional_name(field, expected, raw, parse)?.ok_or_else(|| Refusal::missing(field, expected))
}

/// A string that may be absent and that `parse` turns into a name.
pub(super) fn optional_name<T>(
    field: &'static str,
    expected: &'static str,
    raw: Raw<'_>,
    parse: impl FnOnce(&str) -> Result<T, InvalidName>,
) -> Result<Option<T>, Refusal> {
    let Some(text) = optional_string(field, expected, raw)? else { return Ok(None) };
    match parse(&text) {
        Ok(name) => Ok(Some(name)),
        Err(invalid) => Err(Refusal::invalid(field, invalid.expected, "string".to_owned())),
    }
}

/// A string that may be absent.
pub(super) fn optional_string<'a>(
    field: &'static str,
    expected: &'static str,
    raw: Raw<'a>,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    let Some(raw) = raw else { return Ok(None) };
    match serde_json::from_str::<Text<'a>>(raw.get()) {
        Ok(Text(text)) => Ok(Some(text)),
        Err(_) => Err(Refusal::invalid(field, expected, kind_of(raw.get()))),
    }
}

/// serde borrows a `Cow` only if told to.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A whole number that may be absent.
pub(super) fn optional_integer(
    field: &'static str,
    expected: &'static str,
    raw: Raw<'_>,
) -> Result<Option<u64>, Refusal> {
    let Some(raw) = raw else { return Ok(None) };
    match raw.get().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Refusal::invalid(field, expected, kind_of(raw.get()))),
    }
}

/// A whole number of milliseconds that may be absent.
pub(super) fn optional_milliseconds(
    field: &'static str,
    raw: Raw<'_>,
) -> Result<Option<Duration>, Refusal> {
    let milliseconds = optional_integer(field, "a whole number of milliseconds", raw)?;
    Ok(milliseconds.map(Duration::from_millis))
}

/// A boolean; false if absent.
pub(super) fn flag(field: &'static str, raw: Raw<'_>) -> Result<bool, Refusal> {
    match raw.map(RawValue::get) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refusal::invalid(
            field,
            "true or false",
            text(raw).map_or_else(String::new, kind_of),
        )),
    }
}

/// A required array of at least one string.
pub(super) fn strings(field: &'static str, raw: Raw<'_>) -> Result<Vec<String>, Refusal> {
    let any = FewStrings { items_max: usize::MAX, bytes_max: usize::MAX };
    bounded_strings(field, "a non-empty array of strings", any, raw)
}

/// A required array with bounds on its strings' number and bytes; at least one string.
pub(super) fn few_strings(
    field: &'static str,
    items_max: usize,
    bytes_max: usize,
    raw: Raw<'_>,
) -> Result<Vec<String>, Refusal> {
    let expected =
        format!("a non-empty array of at most {items_max} strings of at most {bytes_max} bytes");
    bounded_strings(field, expected, FewStrings { items_max, bytes_max }, raw)
}

fn bounded_strings(
    field: &'static str,
    expected: impl Into<Cow<'static, str>>,
    bounds: FewStrings,
    raw: Raw<'_>,
) -> Result<Vec<String>, Refusal> {
    let Some(raw) = raw else { return Err(Refusal::missing(field, expected)) };
    match bounds.deserialize(&mut serde_json::Deserializer::from_str(raw.get())) {
        Ok(strings) if !strings.is_empty() => Ok(strings),
        _ => Err(Refusal::invalid(field, expected, kind_of(raw.get()))),
    }
}

/// Reads an array of strings, and stops at its bounds.
struct FewStrings {
    items_max: usize,
    bytes_max: usize,
}

impl<'de> DeserializeSeed<'de> for FewStrings {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<String>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for FewStrings {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} strings of at most {} bytes", self.items_max, self.bytes_max)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
        let mut strings = Vec::new();
        while let Some(Text(text)) = items.next_element()? {
            if strings.len() == self.items_max || text.len() > self.bytes_max {
                return Err(A::Error::invalid_length(strings.len() + 1, &self));
            }
            strings.push(text.into_owned());
        }
        Ok(strings)
    }
}

/// A value for the `received` of a refusal: itself if it is short, else its kind, because it may
/// hold a secret.
pub(super) fn kind_of(text: &str) -> String {
    match text.as_bytes().first() {
        Some(b'{') => "object".to_owned(),
        Some(b'[') => "array".to_owned(),
        Some(b'"') => "string".to_owned(),
        _ => text.chars().take(32).collect(),
    }
}
