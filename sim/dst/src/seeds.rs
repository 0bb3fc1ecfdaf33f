//! Which seeds to play: a range on the command line, perhaps dealt out to several machines, or
//! variables of the environment for `cargo test`.
//!
//! ```
//! use dst::seeds::{InvalidSeeds, Seeds, Shard};
//!
//! // `--seeds 0..10 --shard 2/4`: the second of four machines.
//! let Seeds(seeds) = "0..10".parse()?;
//! let shard: Shard = "2/4".parse()?;
//! let mine: Vec<u64> = (0..).map_while(|number| shard.seed(&seeds, number)).collect();
//! assert_eq!(mine, [1, 5, 9]);
//!
//! // `SIM_SEED=42 cargo test`; without a variable a test plays its own.
//! let asked = |name: &str| (name == "SIM_SEED").then(|| "42".to_owned());
//! assert_eq!(Seeds::from_environment(asked, 0..100)?, Seeds(42..43));
//! assert_eq!(Seeds::from_environment(|_| None, 0..100)?, Seeds(0..100));
//! assert_eq!("9..1".parse::<Seeds>(), Err(InvalidSeeds::Range));
//! # Ok::<(), InvalidSeeds>(())
//! ```

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A up to B, B left out: `0..200`; or from A on: `200..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds(pub Range<u64>);

/// One of several equal shares of the seeds, dealt out in turn: `1/4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    index: u64,
    of: u64,
}

impl Shard {
    /// All of them.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };

    /// Which share it is, from 1, of how many.
    pub fn part(self) -> (u64, u64) {
        (self.index + 1, self.of)
    }

    /// How many of these seeds are in the share.
    pub fn share(self, seeds: &Range<u64>) -> u64 {
        (seeds.end - seeds.start).saturating_sub(self.index).div_ceil(self.of)
    }

    /// One of the seeds in the share; they count from 0.
    pub fn seed(self, seeds: &Range<u64>, number: u64) -> Option<u64> {
        (number < self.share(seeds)).then(|| seeds.start + self.index + number * self.of)
    }
}

/// As the command line has it.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

impl FromStr for Shard {
    type Err = InvalidSeeds;

    fn from_str(text: &str) -> Result<Self, InvalidSeeds> {
        let parts = text.split_once('/').and_then(|(number, of)| {
            let (number, of) = (number.parse::<u64>().ok()?, of.parse::<u64>().ok()?);
            (1..=of).contains(&number).then(|| Shard { index: number - 1, of })
        });
        parts.ok_or(InvalidSeeds::Shard)
    }
}

/// Text that names no seeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSeeds {
    /// Neither `A..B` with A below B nor `A..`.
    #[error("expected A..B with A below B, such as 0..200, or A.. for all from A on")]
    Range,
    /// Not `I/N` with I from 1 to N.
    #[error("expected I/N with I from 1 to N, such as 1/4")]
    Shard,
    /// Variables of the environment that ask for nothing: a test of no seed would pass.
    #[error(
        "the environment asks for no seed: MADSIM_TEST_NUM counts from 1, seeds end before {}",
        u64::MAX
    )]
    Empty,
    /// A variable of the environment that is neither.
    #[error("{name} is {value:?}: expected {expected}")]
    Variable {
        /// Such as `SIM_SEED`.
        name: &'static str,
        /// What it is set to.
        value: String,
        /// What it may be set to, in words.
        expected: &'static str,
    },
}

impl FromStr for Seeds {
    type Err = InvalidSeeds;

    fn from_str(text: &str) -> Result<Self, InvalidSeeds> {
        let bounds = text.split_once("..").and_then(|(from, to)| {
            let from = from.parse::<u64>().ok()?;
            let to = if to.is_empty() { u64::MAX } else { to.parse::<u64>().ok()? };
            (from < to).then_some(from..to)
        });
        bounds.map(Seeds).ok_or(InvalidSeeds::Range)
    }
}

impl Seeds {
    /// Returns whether they go on for ever, as far as anybody will know.
    pub fn is_endless(&self) -> bool {
        self.0.end == u64::MAX
    }

    /// The seeds that the environment asks for, in this order of precedence: `SIM_SEED` (one),
    /// `SIM_SEEDS` (`A..B`), `MADSIM_TEST_SEED` (the first) with `MADSIM_TEST_NUM` (how many);
    /// `otherwise` if none is set.
    ///
    /// # Errors
    /// If one that counts is set to something else.
    pub fn from_environment(
        variable: impl Fn(&str) -> Option<String>,
        otherwise: Range<u64>,
    ) -> Result<Self, InvalidSeeds> {
        let number = |name: &'static str| {
            let parse = |value: String| match value.parse::<u64>() {
                Ok(number) => Ok(number),
                Err(_) => Err(InvalidSeeds::Variable { name, value, expected: "a whole number" }),
            };
            variable(name).map(parse).transpose()
        };
        let some = |range: Range<u64>| {
            if range.is_empty() { Err(InvalidSeeds::Empty) } else { Ok(Seeds(range)) }
        };
        if let Some(seed) = number("SIM_SEED")? {
            return some(seed..seed.saturating_add(1));
        }
        if let Some(value) = variable("SIM_SEEDS") {
            let expected = "A..B with A below B, such as 1..1000";
            let seeds = value.parse().ok().filter(|seeds: &Seeds| !seeds.is_endless());
            return seeds.ok_or(InvalidSeeds::Variable { name: "SIM_SEEDS", value, expected });
        }
        let (first, count) = (number("MADSIM_TEST_SEED")?, number("MADSIM_TEST_NUM")?);
        some(match (first, count) {
            (None, None) => otherwise,
            (None, Some(count)) => otherwise.start..otherwise.start.saturating_add(count),
            (Some(first), count) => first..first.saturating_add(count.unwrap_or(1)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(variables: &[(&str, &str)]) -> Result<Range<u64>, InvalidSeeds> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Seeds::from_environment(variable, 5..8).map(|seeds| seeds.0)
    }

    #[test]
    fn seeds_are_a_range_that_leaves_its_end_out() {
        assert_eq!("3..5".parse(), Ok(Seeds(3..5)));
        assert_eq!("3..".parse(), Ok(Seeds(3..u64::MAX)));
        for bad in ["", "3", "..", "..3", "5..3", "3..3", "a..b", "1..=2", "18446744073709551615.."]
        {
            assert!(bad.parse::<Seeds>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shards_deal_out_every_seed_once() {
        for of in 1..5 {
            let mut seeds = Vec::new();
            for number in 1..=of {
                let shard: Shard = format!("{number}/{of}").parse().expect("it is a shard");
                let share = shard.share(&(10..20));
                seeds.extend((0..).map_while(|n| shard.seed(&(10..20), n)));
                assert!(share == 10 / of || share == 10 / of + 1);
            }
            seeds.sort_unstable();
            assert_eq!(seeds, (10..20).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn a_shard_is_one_of_so_many() {
        for bad in ["", "1", "0/4", "5/4", "1/0", "a/b"] {
            assert_eq!(bad.parse::<Shard>(), Err(InvalidSeeds::Shard), "{bad}");
        }
    }

    #[test]
    fn the_environment_chooses_seeds() {
        assert_eq!(asked(&[]), Ok(5..8));
        assert_eq!(asked(&[("SIM_SEED", "42"), ("SIM_SEEDS", "1..9")]), Ok(42..43));
        assert_eq!(asked(&[("SIM_SEEDS", "1..9"), ("MADSIM_TEST_SEED", "3")]), Ok(1..9));
        assert_eq!(asked(&[("MADSIM_TEST_SEED", "3")]), Ok(3..4));
        assert_eq!(asked(&[("MADSIM_TEST_SEED", "3"), ("MADSIM_TEST_NUM", "4")]), Ok(3..7));
        assert_eq!(asked(&[("MADSIM_TEST_NUM", "4")]), Ok(5..9));
    }

    #[test]
    fn no_seed_is_no_wish() {
        for variable in [("SIM_SEED", "18446744073709551615"), ("MADSIM_TEST_NUM", "0")] {
            assert_eq!(asked(&[variable]), Err(InvalidSeeds::Empty), "{variable:?}");
        }
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let error = asked(&[("SIM_SEEDS", "9..1")]).expect_err("9 is above 1");
        assert!(error.to_string().starts_with("SIM_SEEDS is \"9..1\": expected A..B"));
        assert!(asked(&[("SIM_SEEDS", "1..")]).is_err(), "a test ends");
        assert!(asked(&[("MADSIM_TEST_SEED", "x")]).is_err());
    }
}
