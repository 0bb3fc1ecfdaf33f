//! The names on the wire that somebody chose.

use std::sync::Arc;

use uuid::Uuid;

/// The longest path of an address, in bytes.
pub const PATH_BYTES_MAX: usize = 255;
/// The longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = PATH_BYTES_MAX + "@()".len();
/// The longest topic, in bytes.
pub const TOPIC_BYTES_MAX: usize = 256;
/// The longest message id, in bytes.
pub const MESSAGE_ID_BYTES_MAX: usize = 128;

/// A text that is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct InvalidName {
    /// The rule, in words.
    pub expected: &'static str,
}

macro_rules! read_as_text {
    ($name:ident) => {
        impl std::str::FromStr for $name {
            type Err = $crate::protocol::InvalidName;

            fn from_str(text: &str) -> Result<Self, $crate::protocol::InvalidName> {
                Self::parse(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::protocol::InvalidName;

            fn try_from(text: &str) -> Result<Self, $crate::protocol::InvalidName> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::protocol::InvalidName;

            fn try_from(text: String) -> Result<Self, $crate::protocol::InvalidName> {
                Self::parse(&text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use read_as_text;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Eq, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name as it stands on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// By bytes. Most lookups in the tables find the very same text, so its place is compared
        /// first.
        impl Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                if std::sync::Arc::ptr_eq(&self.0, &other.0) { std::cmp::Ordering::Equal } else { self.0.cmp(&other.0) }
            }
        }

        impl PartialEq for $name {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                std::sync::Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
            }
        }

        impl std::hash::Hash for $name {
            #[inline]
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        $crate::protocol::read_as_text!($name);
    };
}

#[cfg(feature = "server")]
pub(crate) use name;

name! {
    /// Names an actor and outlives its connections: `@(path)` (protocol, section 2).
    ActorAddress
}

impl ActorAddress {
    const EXPECTED: &'static str =
        "an address: @(path), path 1 to 255 bytes of [A-Za-z0-9._~:-] segments joined by /";

    /// Reads `@(path)`.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match Self::path_of(text) {
            Some(_) => Ok(Self(text.into())),
            None => Err(InvalidName { expected: Self::EXPECTED }),
        }
    }

    fn path_of(text: &str) -> Option<&str> {
        let path = text.strip_prefix("@(")?.strip_suffix(')')?;
        is_path(path).then_some(path)
    }

    /// The address of `path`.
    pub fn from_path(path: &str) -> Result<Self, InvalidName> {
        Self::parse(&format!("@({path})"))
    }

    /// The text between `@(` and `)`.
    pub fn path(&self) -> &str {
        &self.0[2..self.0.len() - 1]
    }
}

name! {
    /// The recipient that the sender wrote: an address, or a text that is nobody's.
    Recipient
}

impl Recipient {
    const EXPECTED: &'static str = "an address, or any text of 1 to 258 bytes";

    /// Reads a text that is no longer than an address.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match text.len() {
            1..=ADDRESS_BYTES_MAX => Ok(Self(text.into())),
            _ => Err(InvalidName { expected: Self::EXPECTED }),
        }
    }

    /// The text as an address, if it is one.
    pub fn address(&self) -> Option<ActorAddress> {
        ActorAddress::path_of(&self.0).map(|_| ActorAddress(Arc::clone(&self.0)))
    }
}

impl From<ActorAddress> for Recipient {
    fn from(address: ActorAddress) -> Self {
        Self(address.0)
    }
}

impl PartialEq<ActorAddress> for Recipient {
    fn eq(&self, address: &ActorAddress) -> bool {
        self.0 == address.0
    }
}

/// What a byte may be in a path. Bits, so that a path is judged without a branch for each byte.
const IN_SEGMENT: u8 = 0;
const SLASH: u8 = 1;
const ODD: u8 = 2;

const KINDS: [u8; 256] = {
    let (mut kinds, mut byte) = ([ODD; 256], 0);
    while byte < kinds.len() {
        match byte as u8 {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => kinds[byte] = IN_SEGMENT,
            b'.' | b'_' | b'~' | b':' | b'-' => kinds[byte] = IN_SEGMENT,
            b'/' => kinds[byte] = SLASH,
            _ => {}
        }
        byte += 1;
    }
    kinds
};

fn is_path(path: &str) -> bool {
    if path.len() > PATH_BYTES_MAX {
        return false;
    }
    let (mut wrong, mut before) = (0, SLASH);
    for byte in path.bytes() {
        let kind = KINDS[usize::from(byte)];
        wrong |= kind & (before | ODD);
        before = kind;
    }
    wrong | before == 0
}

name! {
    /// Names what a publication is about: 1 to 256 bytes (protocol, section 4).
    Topic
}

impl Topic {
    const EXPECTED: &'static str = "a topic: a string of 1 to 256 bytes";

    /// Reads a topic.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match text.len() {
            1..=TOPIC_BYTES_MAX => Ok(Self(text.into())),
            _ => Err(InvalidName { expected: Self::EXPECTED }),
        }
    }
}

name! {
    /// Names a message; its sender chooses 1 to 128 bytes (protocol, section 1).
    MessageId
}

impl MessageId {
    const EXPECTED: &'static str = "a string of 1 to 128 bytes";

    /// Reads a message id.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match text.len() {
            1..=MESSAGE_ID_BYTES_MAX => Ok(Self(text.into())),
            _ => Err(InvalidName { expected: Self::EXPECTED }),
        }
    }
}

impl From<Uuid> for MessageId {
    fn from(id: Uuid) -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text: &str = id.hyphenated().encode_lower(&mut buffer);
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_of_plain_segments() {
        for good in ["@(a)", "@(cloudflare/signal-hub)", "@(A.b_c~d:e-f/9)"] {
            assert_eq!(ActorAddress::parse(good).map(|a| a.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "a", "@()", "@(a", "a)", "@(/a)", "@(a/)", "@(a//b)", "@(a b)", "@(ä)"] {
            assert!(ActorAddress::parse(bad).is_err(), "{bad:?} is no address");
        }
    }

    #[test]
    fn an_address_has_a_longest_path() {
        assert!(ActorAddress::from_path(&"a".repeat(PATH_BYTES_MAX)).is_ok());
        assert!(ActorAddress::from_path(&"a".repeat(PATH_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_recipient_is_any_text_that_is_no_longer_than_an_address() {
        let address = ActorAddress::from_path(&"a".repeat(PATH_BYTES_MAX)).expect("an address");
        let recipient = Recipient::parse(address.as_str()).expect("a recipient");
        assert_eq!(recipient.address(), Some(address.clone()));
        assert_eq!(recipient, Recipient::from(address));
        assert_eq!(Recipient::parse("bob").map(|nobody| nobody.address()), Ok(None));
        assert!(Recipient::parse("").is_err() && Recipient::parse(&"b".repeat(259)).is_err());
    }

    #[test]
    fn names_have_bounds() {
        assert!(Topic::parse("").is_err() && Topic::parse(&"t".repeat(257)).is_err());
        assert!(Topic::parse(&"t".repeat(256)).is_ok());
        assert!(MessageId::parse("").is_err() && MessageId::parse(&"m".repeat(129)).is_err());
        assert!(MessageId::parse(&"m".repeat(128)).is_ok());
    }

    #[test]
    fn text_becomes_a_name_if_it_is_one() {
        let alice: Result<ActorAddress, InvalidName> = "@(alice)".try_into();
        assert_eq!(alice, ActorAddress::parse("@(alice)"));
        assert_eq!(Topic::try_from("news".to_owned()), Topic::parse("news"));
        assert!(ActorAddress::try_from("alice").is_err());
    }
}
