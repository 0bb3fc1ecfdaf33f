//! The names that the hub gives: each holds a UUID. A session id and an actor address are different types: neither can
//! stand where the other belongs (invariant I7).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::address::{InvalidName, read_as_text};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The name with `id` in it.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// Reads the name as the hub writes it.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let id = text.strip_prefix($prefix).and_then(|id| Uuid::try_parse(id).ok());
                let name = id.map(Self).filter(|name| name.to_string() == text);
                name.ok_or(InvalidName { expected: $expected })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.hyphenated())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        read_as_text!($name);
    };
}

number! {
    /// Names one accepted connection, `session-<uuid>`, and ends with it (protocol, section 2).
    SessionId, "session-", "a session id: session-<uuid>"
}

number! {
    /// Names one subscription of one address to one topic, `sub-<uuid>`.
    SubscriptionId, "sub-", "a subscription id: sub-<uuid>"
}

number! {
    /// Names a run of numbered messages to one address, `epoch-<uuid>`; never used twice.
    Epoch, "epoch-", "an epoch as hub:registered bore it: epoch-<uuid>"
}

/// Proves the right to renew one registration, once (protocol, section 4). Never printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RenewalToken(Uuid);

impl RenewalToken {
    /// The token with `id` in it.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// Reads a token.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| InvalidName { expected: "a renewal token as hub:registered bore it" })
    }
}

impl fmt::Debug for RenewalToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RenewalToken(..)")
    }
}

impl<'de> Deserialize<'de> for RenewalToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ActorAddress;

    #[test]
    fn a_session_id_is_never_an_address() {
        let session = SessionId::new(Uuid::nil());
        assert!(ActorAddress::parse(&session.to_string()).is_err());
        assert_eq!(SessionId::parse(&session.to_string()), Ok(session));
        assert!(SessionId::parse("session-00000000000000000000000000000000").is_err());
    }
}
