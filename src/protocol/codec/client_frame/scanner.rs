//! Goes over JSON text once and borrows what it finds. It gives up (`None`) on what is no JSON, and
//! on what is seldom written: escapes in names, numbers that are not whole, repeated keys.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::json::plain_until_quote;

/// How deep a value may be nested that serde need not read.
const DEPTH_MAX: usize = 16;

pub(super) struct Scanner<'a> {
    text: &'a str,
    /// What is left of it.
    rest: &'a [u8],
}

/// Fills a field; a second time it gives up.
pub(super) fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, rest: text.as_bytes() }
    }

    /// Reads an object; `field` reads the value of each key.
    #[inline]
    pub fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        self.list([b'{', b'}'], |scanner| {
            let key = scanner.quoted()?;
            scanner.take(b':')?;
            field(scanner, key)
        })
    }

    /// Reads an array of at least one string, within the bounds.
    pub fn strings(&mut self, items_max: usize, bytes_max: usize) -> Option<Vec<String>> {
        let mut strings = Vec::new();
        self.list([b'[', b']'], |scanner| {
            let text = scanner.string()?;
            let fits = strings.len() < items_max && text.len() <= bytes_max;
            fits.then(|| strings.push(text.to_owned()))
        })?;
        (!strings.is_empty()).then_some(strings)
    }

    /// Reads null, or what `read` reads.
    #[inline]
    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.peek()? {
            b'n' => self.literal(b"null").map(|()| None),
            _ => read(self).map(Some),
        }
    }

    pub fn string(&mut self) -> Option<&'a str> {
        let len = self.quoted()?.len();
        let end = self.at() - 1;
        self.text.get(end - len..end)
    }

    /// The same as bytes. Inlined, as all that is done for each key: a call takes as long.
    #[inline(always)]
    fn quoted(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let len = plain_until_quote(self.rest)?;
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest.get(1..)?;
        Some(text)
    }

    /// Passes this very text.
    pub fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// Reads a whole number that surely fits.
    pub fn number(&mut self) -> Option<u64> {
        const DIGITS_MAX: usize = 19;
        self.peek()?;
        let (mut number, mut digits) = (0_u64, 0);
        let end = loop {
            let byte = *self.rest.get(digits)?;
            if !byte.is_ascii_digit() {
                break byte;
            }
            number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            digits += 1;
        };
        let is_plain = 0 < digits && digits <= DIGITS_MAX && (self.rest[0] != b'0' || digits == 1);
        let ends = matches!(end, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
        self.rest = &self.rest[digits..];
        (is_plain && ends).then_some(number)
    }

    pub fn flag(&mut self) -> Option<bool> {
        self.value()?.parse().ok()
    }

    /// Reads any value.
    pub fn value(&mut self) -> Option<&'a str> {
        self.peek()?;
        let begin = self.at();
        if self.pass(DEPTH_MAX).is_none() {
            let mut reader = serde_json::Deserializer::from_str(self.text.get(begin..)?);
            let end = begin + <&RawValue>::deserialize(&mut reader).ok()?.get().len();
            self.rest = &self.text.as_bytes()[end..];
        }
        self.text.get(begin..self.at())
    }

    /// Passes a value that is as most are: shallow, without escapes, signs and fractions.
    fn pass(&mut self, depth_max: usize) -> Option<()> {
        let depth_max = depth_max.checked_sub(1)?;
        match self.peek()? {
            b'"' => self.quoted().map(drop),
            b'{' => self.object(|scanner, _| scanner.pass(depth_max)),
            b'[' => self.list([b'[', b']'], |scanner| scanner.pass(depth_max)),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number().map(drop),
        }
    }

    /// Nothing may follow.
    pub fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// Reads what stands between two brackets with commas between; `item` reads one of it.
    #[inline]
    fn list(
        &mut self,
        [begin, end]: [u8; 2],
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.take(begin)?;
        if self.peek()? == end {
            return self.take(end);
        }
        loop {
            item(self)?;
            match self.next()? {
                b',' => {}
                next => return (next == end).then_some(()),
            }
        }
    }

    /// The byte that is next after whitespace.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        match *self.rest.first()? {
            next if next > b' ' => Some(next),
            _ => self.peek_behind_space(),
        }
    }

    #[cold]
    fn peek_behind_space(&mut self) -> Option<u8> {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    #[inline(always)]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// Takes the byte that is next after whitespace.
    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        let next = self.peek()?;
        self.rest = self.rest.get(1..)?;
        Some(next)
    }

    /// How much was read.
    pub fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
