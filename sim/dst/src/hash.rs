//! A hash that is the same for ever.
//!
//! ```
//! use dst::hash::{mix, stable_hash};
//!
//! // For the name of a file, or for the seed of one thing out of another's.
//! assert_eq!(stable_hash(b"alice"), 1_632_372_329_074_772_925);
//! assert_ne!(mix(7, 1), mix(7, 2));
//! ```

/// A stable 64-bit hash of bytes, the same in every process and build: FNV-1a over words of eight
/// bytes, each followed by a shift that lets high bits reach low ones.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(OFFSET, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)));
    mix(hash, bytes.len() as u64)
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Takes one more word into a hash.
pub const fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(PRIME);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_same_for_ever_and_sees_every_byte() {
        assert_eq!(stable_hash(b""), 0xaf63_bd4c_2962_0a93);
        assert_ne!(stable_hash(b"12345678"), stable_hash(b"1234567\x008"));
        assert_ne!(stable_hash(b"a"), stable_hash(b"a\0"));
    }
}
