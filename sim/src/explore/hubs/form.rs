//! What makes two states of several hubs one. A state is told as its `Debug` text, so that no field can be forgotten, and the
//! numbers in it are named anew: times count from now, revisions and old times by their order alone, and ids by which are
//! the same. Left out is what no rule reads: settings, counters, and the times at which registrations were made and end.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::HubsSize;
use crate::nodes::World;

/// All older times are alike but for their order, in milliseconds from now.
const OLD: i64 = -6_000;
/// What says nothing of what happens next; of timers, what they are for says when it is due.
const LEFT_OUT: [&[u8]; 4] = [b"ClusterConfig", b"NodeFigures", b"Request", b"timers"];

/// The form of a state.
pub(super) fn of(world: &World, left: &HubsSize) -> u64 {
    let text = world.to_string();
    let mut tokens = Reader::new(text.as_bytes(), world.clock().as_millis()).read();
    rename(&mut tokens);
    let mut hasher = DefaultHasher::new();
    (left.unknown, left.pauses, left.words, left.returns).hash(&mut hasher);
    (world.declarations(), tokens).hash(&mut hasher);
    hasher.finish()
}

/// A part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Token<'t> {
    Text(&'t [u8]),
    /// An id of a kind: only which are the same counts.
    Id(u8, u64),
    /// The number of a renewal of a process.
    Beat(u64, u64),
    /// Counts by its order.
    Revision(u64),
    /// Counted from now.
    Time(i64),
}

struct Reader<'t> {
    text: &'t [u8],
    now: u64,
    at: usize,
    /// Up to here it is told.
    told: usize,
    /// The latest two words.
    words: [&'t [u8]; 2],
    /// The latest incarnation.
    process: u64,
    /// Whose part it is, by the last byte of the node's name.
    node: u8,
    tokens: Vec<Token<'t>>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t [u8], now: u64) -> Self {
        let (words, tokens) = ([&b""[..]; 2], Vec::new());
        Self { text, now, at: 0, told: 0, words, process: 0, node: 0, tokens }
    }

    fn read(mut self) -> Vec<Token<'t>> {
        while let Some(byte) = self.text.get(self.at) {
            if byte.is_ascii_digit() {
                self.number();
            } else if is_word(*byte) {
                self.word();
            } else {
                self.at += 1;
            }
        }
        self.tell();
        self.tokens
    }

    /// Tells the text until here.
    fn tell(&mut self) {
        let text = &self.text[self.told..self.at];
        self.tokens.extend((!text.is_empty()).then_some(Token::Text(text)));
    }

    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let word = &rest[..rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len())];
        self.words = [self.words[1], word];
        if let [[.., node], b"Node"] | [b"from", [.., node]] = self.words {
            self.node = *node;
        }
        self.at += word.len();
        let rest = &self.text[self.at..];
        let opens = rest.starts_with(b" {") || rest.starts_with(b": {");
        if opens && LEFT_OUT.contains(&word) {
            self.tell();
            self.pass_braces();
            self.told = self.at;
        }
    }

    fn pass_braces(&mut self) {
        let mut depth = 0;
        while let Some(byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 1 => return,
                b'}' => depth -= 1,
                _ => {}
            }
        }
    }

    fn number(&mut self) {
        let rest = &self.text[self.at..];
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..digits].iter().fold(0_u64, |number, digit| {
            number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        });
        let before = &self.text[..self.at];
        let (is_inside, is_second) = (before.ends_with(b"("), before.ends_with(b", "));
        let token = match self.words {
            [b"registered_at" | b"expires_at", b"Timestamp"]
            | [_, b"registeredAt" | b"numbered"] => Token::Id(0, 0),
            // Of a renewal that was sent: its life, its number, its time.
            [_, b"NodeEpoch"] if is_second => Token::Beat(self.process, number),
            [_, b"beat"] => Token::Beat(self.process, number),
            [_, b"since" | b"version"] => Token::Revision(number),
            [b"version", b"Some"] => Token::Revision(number),
            [_, b"claim"] => Token::Id(1, number),
            [_, b"Timestamp"] if is_inside => {
                Token::Time(number.cast_signed().wrapping_sub(self.now.cast_signed()))
            }
            [_, b"Revision"] if is_inside => Token::Revision(number),
            [_, b"ClaimId"] if is_inside => Token::Id(1, number),
            [_, b"SessionKey"] if is_inside => Token::Id(3, number),
            [_, b"Incarnation" | b"incarnation"] => {
                self.process = number;
                Token::Id(2, number)
            }
            // Each node counts its own.
            [_, b"RequestId"] if is_inside => Token::Id(self.node, number),
            // It means what it says.
            _ => return self.at += digits,
        };
        self.tell();
        self.tokens.push(token);
        self.at += digits;
        self.told = self.at;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Leaves of the numbers what counts.
fn rename(tokens: &mut [Token<'_>]) {
    let mut revisions = Vec::new();
    let mut old = Vec::new();
    for token in tokens.iter() {
        match token {
            Token::Revision(number) => revisions.push(*number),
            Token::Time(at) if *at < OLD => old.push(-*at),
            _ => {}
        }
    }
    revisions.sort_unstable();
    revisions.dedup();
    old.sort_unstable();
    old.dedup();
    let (mut ids, mut beats) = (Vec::new(), Vec::new());
    for token in tokens {
        match token {
            Token::Text(_) => {}
            Token::Id(kind, number) => *number = place_of(&mut ids, (*kind, *number)),
            Token::Beat(process, number) => {
                *token = Token::Beat(0, place_of(&mut beats, (*process, *number)));
            }
            Token::Revision(number) => {
                *number = revisions.partition_point(|one| one < number) as u64
            }
            Token::Time(at) if *at < OLD => {
                *at = OLD - 1 - old.partition_point(|one| *one < -*at) as i64;
            }
            Token::Time(_) => {}
        }
    }
}

/// Which of those it is that came up, in their order.
fn place_of<T: PartialEq>(known: &mut Vec<T>, one: T) -> u64 {
    let place = known.iter().position(|other| *other == one);
    place.unwrap_or_else(|| {
        known.push(one);
        known.len() - 1
    }) as u64
}
