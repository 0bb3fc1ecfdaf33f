//! Goes over JSON text once and borrows what it finds. It gives up (`None`) on what is no JSON, and
//! on what is seldom written: escapes in names, numbers that are not whole, repeated keys.

use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// Fills a field; a second time it gives up.
pub(super) fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Reads an object; `field` reads the value of each key.
    pub fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, &'a str) -> Option<()>,
    ) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            return self.take(b'}');
        }
        loop {
            let key = self.string()?;
            self.take(b':')?;
            field(self, key)?;
            if self.peek()? != b',' {
                return self.take(b'}');
            }
            self.take(b',')?;
        }
    }

    /// Reads an array of at least one string, within the bounds.
    pub fn strings(&mut self, items_max: usize, bytes_max: usize) -> Option<Vec<String>> {
        self.take(b'[')?;
        let mut strings = Vec::new();
        loop {
            let text = self.string()?;
            if strings.len() == items_max || text.len() > bytes_max {
                return None;
            }
            strings.push(text.to_owned());
            if self.peek()? != b',' {
                self.take(b']')?;
                return Some(strings);
            }
            self.take(b',')?;
        }
    }

    /// Reads null, or what `read` reads.
    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.peek()? != b'n' {
            return read(self).map(Some);
        }
        self.at =
            self.at.checked_add(4).filter(|end| self.text.get(self.at..*end) == Some("null"))?;
        Some(None)
    }

    pub fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let len = plain_len(&self.text.as_bytes()[self.at..]);
        let (text, behind) = self.text.get(self.at..)?.split_at_checked(len)?;
        self.at += len + 1;
        behind.starts_with('"').then_some(text)
    }

    /// Reads a whole number that surely fits.
    pub fn number(&mut self) -> Option<u64> {
        const DIGITS_MAX: usize = 19;
        self.peek()?;
        let rest = &self.text.as_bytes()[self.at..];
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        let is_plain = 0 < digits && digits <= DIGITS_MAX && (rest[0] != b'0' || digits == 1);
        let ends = matches!(rest[digits], b',' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
        if !is_plain || !ends {
            return None;
        }
        self.at += digits;
        Some(rest[..digits].iter().fold(0, |number, digit| 10 * number + u64::from(digit - b'0')))
    }

    pub fn flag(&mut self) -> Option<bool> {
        self.value()?.get().parse().ok()
    }

    /// Reads any value.
    pub fn value(&mut self) -> Option<&'a RawValue> {
        self.peek()?;
        let mut reader = serde_json::Deserializer::from_str(&self.text[self.at..]);
        let value = <&RawValue>::deserialize(&mut reader).ok()?;
        self.at += value.get().len();
        Some(value)
    }

    /// Nothing may follow.
    pub fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// The byte that is next after whitespace.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let next = *self.text.as_bytes().get(self.at)?;
            if !matches!(next, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(next);
            }
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }
}

/// Bytes until one that is not itself in a JSON string: a quote, a backslash, a control character.
/// Looks at eight at once.
fn plain_len(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The lowest byte with its high bit set is below `limit`; those above it say nothing.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let is = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let (words, _) = text.as_chunks::<8>();
    for (nth, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let odd = below(word, 0x20) | is(word, b'"') | is(word, b'\\');
        if odd != 0 {
            return 8 * nth + odd.trailing_zeros() as usize / 8;
        }
    }
    let is_odd = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let rest = 8 * words.len();
    rest + text[rest..].iter().position(is_odd).unwrap_or(text.len() - rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_at_the_first_byte_that_is_not_itself() {
        for filling in ["", "a", "sixteen letters.", "ä and a \u{7f} of twenty-five"] {
            for end in ["\"", "\\", "\u{0}", "\n", "\u{1f}"] {
                let text = format!("{filling}{end}\u{1}\"behind\\ it");
                assert_eq!(plain_len(text.as_bytes()), filling.len(), "{text:?}");
            }
            assert_eq!(plain_len(filling.as_bytes()), filling.len());
        }
    }

    #[test]
    fn it_gives_up_on_what_is_seldom_written() {
        for bad in [
            r#"{"a":1,}"#,
            r#"{"a":1"#,
            r#"{"a":1,"a":1}"#,
            r#"{"\u0061":1}"#,
            "{\"a\n\":1}",
            "{1:1}",
            "[]",
        ] {
            let mut field = None;
            let read = Scanner::new(bad).object(|scanner, _| set(&mut field, scanner.number()?));
            assert_eq!(read, None, "{bad}");
        }
        for bad in ["01}", "-1}", "1.0}", "1e3}", "}", "1", "12345678901234567890}"] {
            assert_eq!(Scanner::new(bad).number(), None, "{bad}");
        }
        assert_eq!(Scanner::new(" 1234567890123456789 ").number(), Some(1_234_567_890_123_456_789));
        for bad in ["nul", "nulL", "1"] {
            assert_eq!(Scanner::new(bad).optional(Scanner::string), None, "{bad}");
        }
        for bad in ["[]", r#"["a",]"#, r#"["abc"]"#, r#"["a","b","c"]"#] {
            assert_eq!(Scanner::new(bad).strings(2, 2), None, "{bad}");
        }
    }
}
