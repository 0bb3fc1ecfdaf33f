//! Which seeds to play: a range on the command line, or variables of the environment for
//! `cargo test`.

use std::ops::Range;
use std::str::FromStr;

/// A up to B, B left out: `0..200`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds(pub Range<u64>);

/// Text that names no seeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSeeds {
    #[error("expected A..B with A below B, such as 0..200")]
    Range,
    #[error("{name} is {value:?}: expected {expected}")]
    Variable { name: &'static str, value: String, expected: &'static str },
}

impl FromStr for Seeds {
    type Err = InvalidSeeds;

    fn from_str(text: &str) -> Result<Self, InvalidSeeds> {
        let bounds = text.split_once("..").and_then(|(from, to)| {
            let (from, to) = (from.parse::<u64>().ok()?, to.parse::<u64>().ok()?);
            (from < to).then_some(from..to)
        });
        bounds.map(Seeds).ok_or(InvalidSeeds::Range)
    }
}

impl Seeds {
    /// The seeds that the environment asks for, in this order of precedence: `SIM_SEED` (one),
    /// `SIM_SEEDS` (`A..B`), `MADSIM_TEST_SEED` (the first) with `MADSIM_TEST_NUM` (how many);
    /// `otherwise` if none is set.
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
        if let Some(seed) = number("SIM_SEED")? {
            return Ok(Seeds(seed..seed.saturating_add(1)));
        }
        if let Some(value) = variable("SIM_SEEDS") {
            let expected = "A..B with A below B, such as 1..1000";
            return value.parse().map_err(|_| InvalidSeeds::Variable {
                name: "SIM_SEEDS",
                value,
                expected,
            });
        }
        let (first, count) = (number("MADSIM_TEST_SEED")?, number("MADSIM_TEST_NUM")?);
        Ok(Seeds(match (first, count) {
            (None, None) => otherwise,
            (None, Some(count)) => otherwise.start..otherwise.start.saturating_add(count),
            (Some(first), count) => first..first.saturating_add(count.unwrap_or(1)),
        }))
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
        for bad in ["", "3", "5..3", "3..3", "a..b", "1..=2"] {
            assert!(bad.parse::<Seeds>().is_err(), "{bad}");
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
    fn a_wrong_variable_is_named() {
        let error = asked(&[("SIM_SEEDS", "9..1")]).expect_err("9 is above 1");
        assert!(error.to_string().starts_with("SIM_SEEDS is \"9..1\": expected A..B"));
        assert!(asked(&[("MADSIM_TEST_SEED", "x")]).is_err());
    }
}
