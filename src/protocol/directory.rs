//! Who is registered: how clients ask for that and what they are told (protocol, section 4).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::json::text_len;
use super::{ActorAddress, Criteria, Glob, InvalidName, Json};
use crate::time::Timestamp;

/// Asks who is registered, by pattern, capabilities and metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Discover {
    /// Matches whole addresses where it begins with `@(`, else their paths.
    pub pattern: Glob,
    /// Lists only actors that registered with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// Lists only actors that registered with all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Lists only actors whose metadata has these values.
    #[serde(skip_serializing_if = "Criteria::is_empty")]
    pub metadata: Criteria,
    /// How many matching actors to skip, from the cursor on.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: usize,
    /// The place where an earlier page ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// The most actors that the page lists.
    pub limit: Page,
}

impl Discover {
    /// The most capabilities that one request may name.
    pub const CAPABILITIES_MAX: usize = 64;

    /// Returns whether the request asks for an actor of this address, these capabilities and
    /// metadata.
    pub fn wants(&self, address: &ActorAddress, capabilities: &[String], metadata: &Json) -> bool {
        self.wants_name(address)
            && self.wanted_capabilities().all(|wanted| capabilities.iter().any(|c| c == wanted))
            && self.metadata.fit(metadata)
    }

    /// Returns whether the pattern matches `address`.
    pub fn wants_name(&self, address: &ActorAddress) -> bool {
        let name = if self.is_over_addresses() { address.as_str() } else { address.path() };
        self.pattern.matches(name)
    }

    /// The capabilities that an actor must have.
    pub fn wanted_capabilities(&self) -> impl Iterator<Item = &str> {
        self.capability.iter().chain(&self.capabilities).map(String::as_str)
    }

    /// The common beginning of all addresses that match; without a star, the only one.
    pub fn prefix(&self) -> String {
        let (literal, starred) = match self.pattern.as_str().split_once('*') {
            Some((literal, _)) => (literal, true),
            None => (self.pattern.as_str(), false),
        };
        let begin = if self.is_over_addresses() { "" } else { "@(" };
        let end = if starred || begin.is_empty() && literal.ends_with(')') { "" } else { ")" };
        format!("{begin}{literal}{end}")
    }

    fn is_over_addresses(&self) -> bool {
        self.pattern.as_str().starts_with("@(")
    }
}

impl Default for Discover {
    fn default() -> Self {
        Self {
            pattern: Glob::any(),
            capability: None,
            capabilities: Vec::new(),
            metadata: Criteria::default(),
            offset: 0,
            cursor: None,
            limit: Page::default(),
        }
    }
}

/// Asks for a page of all registrations, in the order of their addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ListActors {
    /// How many registrations to skip, from the cursor on.
    pub offset: usize,
    /// The place where an earlier page ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// The most actors that the page lists.
    pub limit: Page,
}

/// How many actors one answer may list: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Page(u8);

impl Page {
    /// The most actors that one answer lists.
    pub const MAX: u8 = 100;

    /// A page of `actors`, cut to [`Page::MAX`]; none for zero.
    pub fn new(actors: u64) -> Option<Self> {
        let actors = u8::try_from(actors).unwrap_or(Self::MAX).min(Self::MAX);
        (actors > 0).then_some(Self(actors))
    }

    /// At most this many.
    pub const fn actors(self) -> usize {
        self.0 as usize
    }
}

impl Default for Page {
    fn default() -> Self {
        Self(Self::MAX)
    }
}

/// The place where a page ended and the next one begins. On the wire it is an opaque string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The last address that the hub looked at.
    pub after: ActorAddress,
    /// How many matching actors are still to be skipped after it.
    pub left_out: usize,
}

impl Cursor {
    /// The cursor after an address, with nothing left to skip.
    pub const fn after(after: ActorAddress) -> Self {
        Self { after, left_out: 0 }
    }

    /// Reads the text that a page gave.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let invalid = InvalidName { expected: "a cursor as a page bore it in nextCursor" };
        let (after, left_out) = match text.split_once('+') {
            Some((after, left_out)) => (after, left_out.parse().map_err(|_| invalid.clone())?),
            None => (text, 0),
        };
        Ok(Self { after: ActorAddress::parse(after).map_err(|_| invalid)?, left_out })
    }

    fn weight(&self) -> usize {
        self.to_string().len()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left_out {
            0 => write!(f, "{}", self.after),
            left_out => write!(f, "{}+{left_out}", self.after),
        }
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A page of the registered actors that match a [`Discover`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discovered {
    /// In the order of their addresses.
    pub actors: Vec<DiscoveredActor>,
    /// Whether more actors match, or may match, after this page.
    pub has_more: bool,
    /// With `has_more`: the offset of the next page, from the request's cursor on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<usize>,
    /// With `has_more`: where the next page begins; none if it begins with the first actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

impl Discovered {
    /// Bytes of the fields that clients can make long.
    pub(super) fn weight(&self) -> usize {
        let actors: usize = self.actors.iter().map(DiscoveredActor::weight).sum();
        actors + self.next_cursor.as_ref().map_or(0, Cursor::weight)
    }
}

/// One registered actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveredActor {
    /// What it registered as.
    pub address: ActorAddress,
    /// The same again: TypeScript clients differ in which one they read.
    pub actor_address: ActorAddress,
    /// What the actor registered with.
    pub capabilities: Vec<String>,
    /// A JSON object.
    pub metadata: Json,
    /// Whether capabilities and metadata are left out because no message can hold them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

impl DiscoveredActor {
    fn weight(&self) -> usize {
        actor_weight(&self.address, &self.capabilities, &self.metadata)
    }
}

/// A page of all registrations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActorList {
    /// In the order of their addresses.
    pub actors: Vec<ListedActor>,
    /// Registrations in all.
    pub total: usize,
    /// The request's.
    pub offset: usize,
    /// The request's.
    pub limit: usize,
    /// Whether more registrations follow this page.
    pub has_more: bool,
    /// With `has_more`: the offset of the next page, from the request's cursor on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<usize>,
    /// With `has_more`: where the next page begins; none if it begins with the first actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

impl ActorList {
    /// Bytes of the fields that clients can make long.
    pub(super) fn weight(&self) -> usize {
        let actors: usize = self.actors.iter().map(ListedActor::weight).sum();
        actors + self.next_cursor.as_ref().map_or(0, Cursor::weight)
    }
}

/// One registration: never its renewal token or its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedActor {
    /// What it registered as.
    pub address: ActorAddress,
    /// The same again: TypeScript clients differ in which one they read.
    pub actor_address: ActorAddress,
    /// What the actor registered with.
    pub capabilities: Vec<String>,
    /// A JSON object.
    pub metadata: Json,
    /// When its present owner registered it.
    pub registered_at: Timestamp,
    /// When it ends unless it is renewed.
    pub expires_at: Timestamp,
    /// Grows with each registration and renewal while the hub knows the address.
    pub version: u64,
    /// Whether capabilities and metadata are left out because no message can hold them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

impl ListedActor {
    fn weight(&self) -> usize {
        actor_weight(&self.address, &self.capabilities, &self.metadata)
    }
}

/// The most bytes that one actor takes in an answer: keys and numbers, the address twice, and what
/// clients can make long.
pub fn actor_weight(address: &ActorAddress, capabilities: &[String], metadata: &Json) -> usize {
    const KEYS: usize = 192;
    let capabilities: usize = capabilities.iter().map(|text| text_len(text) + 1).sum();
    KEYS + 2 * address.as_str().len() + capabilities + metadata.len()
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ActorAddress {
        ActorAddress::parse(text).expect("an address")
    }

    #[test]
    fn a_cursor_reads_as_it_is_written() {
        for cursor in
            [Cursor::after(address("@(a)")), Cursor { after: address("@(a/b)"), left_out: 7 }]
        {
            assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        }
        for bad in ["", "a", "@(a)+", "@(a)+x", "@(a)+-1"] {
            assert!(Cursor::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn whatever_fits_begins_with_the_prefix() {
        for (pattern, prefix) in [
            ("*", "@("),
            ("a*b*", "@(a"),
            ("a", "@(a)"),
            ("@(a*)", "@(a"),
            ("@(a)", "@(a)"),
            ("@(a", "@(a)"),
            ("", "@()"),
        ] {
            let discover = Discover { pattern: Glob::new(pattern), ..Discover::default() };
            assert_eq!(discover.prefix(), prefix, "{pattern}");
        }
    }

    #[test]
    fn an_actor_weighs_at_least_its_bytes() {
        let actor = ListedActor {
            address: address("@(a)"),
            actor_address: address("@(a)"),
            capabilities: vec!["\u{1}\"\\\n".into(), "ä".into()],
            metadata: Json::from(serde_json::json!({ "k": "\u{1}" })),
            registered_at: Timestamp::from_millis(u64::MAX),
            expires_at: Timestamp::from_millis(u64::MAX),
            version: u64::MAX,
            truncated: true,
        };
        let bytes = serde_json::to_string(&actor).expect("JSON").len();
        assert!(actor.weight() >= bytes, "{} for {bytes}", actor.weight());
    }
}
