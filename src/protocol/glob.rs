//! Patterns over names in which only `*` is special (protocol, section 4).

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A pattern that must match the whole name: `*` stands for any run of characters, empty or with
/// `/`, and everything else for itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    /// Has no two stars in a row: they would mean the same as one.
    text: Arc<str>,
    /// Bytes of the shortest name that could match.
    least: usize,
}

impl Glob {
    /// The longest pattern on the wire, in bytes: it has room for any address and stars between.
    pub const BYTES_MAX: usize = 512;

    /// The pattern that `text` spells; every text is one.
    pub fn new(text: &str) -> Self {
        let mut kept = String::with_capacity(text.len());
        for c in text.chars() {
            if c != '*' || !kept.ends_with('*') {
                kept.push(c);
            }
        }
        let least = kept.len() - kept.matches('*').count();
        Self { text: kept.into(), least }
    }

    /// The pattern that every name matches.
    pub fn any() -> Self {
        Self::new("*")
    }

    /// The pattern as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether all of `name` matches, in time linear in the name: the first place where a
    /// part between two stars fits leaves most to the parts after it. A pattern longer than the
    /// name is not read.
    pub fn matches(&self, name: &str) -> bool {
        if self.least > name.len() {
            return false;
        }
        let Some((first, rest)) = self.text.split_once('*') else { return *self.text == *name };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(mut left) = name.strip_prefix(first).and_then(|behind| behind.strip_suffix(last))
        else {
            return false;
        };
        for part in middle.split('*').filter(|part| !part.is_empty()) {
            match left.split_once(part) {
                Some((_, behind)) => left = behind,
                None => return false,
            }
        }
        true
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Glob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_star_is_special_and_the_whole_name_must_match() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "a/b"),
            ("a", "a"),
            ("a*", "a"),
            ("a/*", "a/b/c"),
            ("*/c", "a/b/c"),
            ("a*c", "abcbc"),
            ("*b*", "abc"),
            ("a**c", "ac"),
            ("a*b*c", "a-b-b-c"),
            ("", ""),
        ] {
            assert!(Glob::new(pattern).matches(name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "a"),
            ("a", "ab"),
            ("a", "ba"),
            ("a*", "ba"),
            ("*a", "ab"),
            ("ab*ba", "aba"),
            ("a?c", "abc"),
            ("a.c", "abc"),
            ("[ab]", "a"),
            ("a*b*c", "a-c-b"),
        ] {
            assert!(!Glob::new(pattern).matches(name), "{pattern} {name}");
        }
    }

    /// Returns whether they match by the book: a star takes nothing, or one more character.
    fn by_the_book(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], rest) => rest.is_empty(),
            (['*', pattern @ ..], []) => by_the_book(pattern, &[]),
            (['*', behind @ ..], [_, left @ ..]) => {
                by_the_book(behind, name) || by_the_book(pattern, left)
            }
            ([wanted, pattern @ ..], [found, name @ ..]) if wanted == found => {
                by_the_book(pattern, name)
            }
            _ => false,
        }
    }

    #[test]
    fn stars_in_a_row_are_one() {
        let glob = Glob::new(&format!("a{}b", "*".repeat(1_000_000)));
        assert_eq!((glob.as_str(), glob.matches("a-b")), ("a*b", true));
    }

    /// Trying every way to share the name out among the stars would not end.
    #[test]
    fn a_name_that_almost_matches_is_soon_given_up() {
        let name = "a".repeat(100_000);
        assert!(!Glob::new(&format!("{}b", "*a".repeat(1_000))).matches(&name));
        assert!(!Glob::new(&format!("{}b*", "*a".repeat(1_000))).matches(&name));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn it_agrees_with_the_book(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<char>>();
            let expected = by_the_book(&chars(&pattern), &chars(&name));
            prop_assert_eq!(Glob::new(&pattern).matches(&name), expected);
        }
    }
}
