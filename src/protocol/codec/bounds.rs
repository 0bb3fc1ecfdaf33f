//! The bounds of a request's fields. A field is measured before anything is made of it.

use crate::protocol::{ActorAddress, Refusal};

/// The bounds of single fields; each is a setting of the hub (docs/OPERATIONS.md). Fields without
/// one are bounded by their frame or by the rule of their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The hub's own address, if it is known: most envelopes are to it, and share it.
    pub hub_address: Option<ActorAddress>,
    /// Bytes of the envelope's type and of the application's.
    pub type_bytes_max: usize,
    /// Bytes of an envelope's metadata, except hub:connect's.
    pub metadata_bytes_max: usize,
    /// Bytes of a registration's metadata.
    pub registration_metadata_bytes_max: usize,
    /// Levels of objects and arrays in a registration's metadata.
    pub registration_metadata_depth_max: usize,
    /// Capabilities of one registration.
    pub capabilities_max: usize,
    /// Bytes of one of them.
    pub capability_bytes_max: usize,
}

impl Bounds {
    /// The address that an envelope is to.
    pub(super) fn recipient(&self, text: &str) -> Option<ActorAddress> {
        let hub = self.hub_address.as_ref().filter(|hub| hub.as_str() == text);
        hub.cloned().or_else(|| ActorAddress::parse(text).ok())
    }

    /// Refuses an envelope's metadata that is too long.
    pub(super) fn check_metadata(&self, metadata: Option<&str>) -> Result<(), Refusal> {
        check_bytes("metadata", self.metadata_bytes_max, metadata)
    }

    /// Refuses a registration's metadata that is too long or too deep.
    pub(super) fn check_registration(&self, metadata: Option<&str>) -> Result<(), Refusal> {
        check_bytes("metadata", self.registration_metadata_bytes_max, metadata)?;
        let (depth, max) = (metadata.map_or(0, depth), self.registration_metadata_depth_max);
        if depth <= max {
            Ok(())
        } else {
            Err(Refusal::invalid(
                "metadata",
                format!("an object of at most {max} levels"),
                format!("{depth} levels"),
            ))
        }
    }

    /// Refuses a type that is too long.
    pub(super) fn check_type(&self, kind: &str) -> Result<(), Refusal> {
        let max = self.type_bytes_max;
        if kind.len() <= max {
            Ok(())
        } else {
            Err(Refusal::invalid(
                "type",
                format!("a string of at most {max} bytes"),
                format!("{} bytes", kind.len()),
            ))
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            hub_address: None,
            type_bytes_max: 256,
            metadata_bytes_max: 64 * 1024,
            registration_metadata_bytes_max: 16 * 1024,
            registration_metadata_depth_max: 32,
            capabilities_max: 64,
            capability_bytes_max: 128,
        }
    }
}

fn check_bytes(field: &'static str, max: usize, value: Option<&str>) -> Result<(), Refusal> {
    let bytes = value.map_or(0, str::len);
    if bytes <= max {
        Ok(())
    } else {
        Err(Refusal::invalid(
            field,
            format!("an object of at most {max} bytes"),
            format!("{bytes} bytes"),
        ))
    }
}

/// Levels of objects and arrays in valid JSON.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match (byte, in_text) {
            (_, true) if escaped => escaped = false,
            (b'\\', true) => escaped = true,
            (b'"', _) => in_text = !in_text,
            (b'{' | b'[', false) => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (b'}' | b']', false) => depth = depth.saturating_sub(1),
            (_, _) => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_outside_of_texts() {
        for (json, levels) in
            [("{}", 1), ("7", 0), (r#"{"a":[],"b":[[1]]}"#, 3), (r#"{"[[[\"[[":"{{\\"}"#, 1)]
        {
            assert_eq!(depth(json), levels, "{json}");
        }
    }
}
