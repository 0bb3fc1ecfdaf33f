//! The values that a search wants in an actor's metadata.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Json;

/// Keys of the top level and the values that they must have. Without any, all metadata fits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Criteria(BTreeMap<String, Json>);

impl Criteria {
    /// The longest text of criteria, in bytes.
    pub const BYTES_MAX: usize = 16 * 1024;

    /// Returns whether all metadata fits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether `metadata`, an object, has an equal value under each key. It is read once.
    pub fn fit(&self, metadata: &Json) -> bool {
        if self.is_empty() {
            return true;
        }
        let mut deserializer = serde_json::Deserializer::from_str(metadata.as_str());
        let picked = Picked(&self.0).deserialize(&mut deserializer).unwrap_or_default();
        self.0.iter().all(|(key, wanted)| {
            picked.get(key.as_str()).is_some_and(|found| same(wanted.as_str(), found))
        })
    }
}

impl FromIterator<(String, Json)> for Criteria {
    fn from_iter<I: IntoIterator<Item = (String, Json)>>(criteria: I) -> Self {
        Self(criteria.into_iter().collect())
    }
}

/// Reads only the wanted keys of an object. The last of a repeated key counts.
struct Picked<'c>(&'c BTreeMap<String, Json>);

impl<'c, 'de> DeserializeSeed<'de> for Picked<'c> {
    type Value = BTreeMap<&'c str, &'de str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'c, 'de> Visitor<'de> for Picked<'c> {
    type Value = BTreeMap<&'c str, &'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut picked = BTreeMap::new();
        while let Some(key) = object.next_key_seed(Wanted(self.0))? {
            if let Some(key) = key {
                picked.insert(key, object.next_value::<&RawValue>()?.get());
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(picked)
    }
}

/// Reads a key, and forgets it unless it is wanted.
struct Wanted<'c>(&'c BTreeMap<String, Json>);

impl<'c, 'de> DeserializeSeed<'de> for Wanted<'c> {
    type Value = Option<&'c str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'c> Visitor<'_> for Wanted<'c> {
    type Value = Option<&'c str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.get_key_value(key).map(|(key, _)| key.as_str()))
    }
}

fn same(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let value = |text| serde_json::from_str::<Value>(text).ok();
    value(one).zip(value(other)).is_some_and(|(one, other)| equal(&one, &other))
}

/// Returns whether the values are equal; numbers are, however they are written.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(criteria: &str, metadata: &str) -> bool {
        let criteria: Criteria = serde_json::from_str(criteria).expect("an object");
        criteria.fit(&Json::parse(metadata).expect("JSON"))
    }

    #[test]
    fn equal_values_fit_however_they_are_written() {
        let metadata = r#"{"lang":"en","v":1,"deep":{"a":[1, 2.0],"b":null},"lang\u0032":"x"}"#;
        for criteria in [
            "{}",
            r#"{"lang":"en"}"#,
            r#"{"lang":"\u0065n","v":1.0}"#,
            r#"{"deep":{"b":null,"a":[1.0,2]}}"#,
            r#"{"lang2":"x"}"#,
        ] {
            assert!(fits(criteria, metadata), "{criteria}");
        }
        for criteria in [
            r#"{"lang":"de"}"#,
            r#"{"lang":null}"#,
            r#"{"none":null}"#,
            r#"{"deep":{"a":[1,2]}}"#,
            r#"{"v":"1"}"#,
            r#"{"v":1,"lang":"de"}"#,
        ] {
            assert!(!fits(criteria, metadata), "{criteria}");
        }
        assert!(fits(r#"{"a":2}"#, r#"{"a":1,"a":2}"#), "the last counts");
        assert!(!fits(r#"{"a":1}"#, r#"{"\ud800":1}"#), "what cannot be read has no values");
    }
}
