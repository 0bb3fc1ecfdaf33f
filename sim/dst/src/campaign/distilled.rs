//! The smallest set of scenarios that comes to what all of them come to.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::corpus::Feature;

/// What a set may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Scenarios.
    pub files: usize,
    /// All files together.
    pub bytes: usize,
}

/// A scenario among others.
#[derive(Debug, Clone)]
pub struct Choice<T, H> {
    /// Of its file.
    pub bytes: usize,
    /// What it comes to.
    pub features: BTreeSet<Feature<T, H>>,
}

impl<T: Ord, H: Ord> Choice<T, H> {
    /// What it is worth where this is covered.
    fn gain(&self, covered: &BTreeSet<Feature<T, H>>) -> u64 {
        let new = self.features.iter().filter(|feature| !covered.contains(*feature));
        new.map(Feature::worth).sum()
    }
}

/// The places of those that are enough: again and again the one that brings most for its size, then without
/// those that later ones made superfluous. Where the bounds leave no room for all, the rest is not covered. They
/// are in the order in which to play them, so that the first few come to most.
pub fn distill<T: Ord + Copy, H: Ord + Copy>(
    choices: &[Choice<T, H>],
    bounds: Bounds,
) -> Vec<usize> {
    let mut covered = BTreeSet::new();
    let (mut chosen, mut bytes) = (Vec::new(), 0);
    while chosen.len() < bounds.files {
        let fits = |choice: &Choice<T, H>| bytes + choice.bytes <= bounds.bytes;
        let gains = choices.iter().enumerate().filter(|(_, choice)| fits(choice));
        let gains = gains.map(|(place, choice)| {
            let gain = choice.gain(&covered);
            (gain * 1_000_000 / choice.bytes.max(1) as u64, Reverse(place))
        });
        let Some((1.., Reverse(best))) = gains.max() else { break };
        covered.extend(choices[best].features.iter().copied());
        bytes += choices[best].bytes;
        chosen.push(best);
    }
    let mut place = 0;
    while place < chosen.len() {
        let others = chosen.iter().enumerate().filter(|(other, _)| *other != place);
        let others: BTreeSet<_> =
            others.flat_map(|(_, choice)| choices[*choice].features.iter().copied()).collect();
        if choices[chosen[place]].features.is_subset(&others) {
            chosen.remove(place);
        } else {
            place += 1;
        }
    }
    ranked(choices, chosen)
}

/// Again and again the one that brings most, whatever its size.
fn ranked<T: Ord + Copy, H: Ord + Copy>(
    choices: &[Choice<T, H>],
    mut chosen: Vec<usize>,
) -> Vec<usize> {
    let mut covered = BTreeSet::new();
    let mut ranked = Vec::new();
    while let Some(best) =
        chosen.iter().copied().max_by_key(|place| (choices[*place].gain(&covered), Reverse(*place)))
    {
        chosen.retain(|place| *place != best);
        covered.extend(choices[best].features.iter().copied());
        ranked.push(best);
    }
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Bounds = Bounds { files: 10, bytes: 1_000 };

    fn choice(bytes: usize, shapes: &[u32]) -> Choice<(), u32> {
        Choice { bytes, features: shapes.iter().copied().map(Feature::Shape).collect() }
    }

    #[test]
    fn those_that_bring_nothing_of_their_own_go() {
        let choices =
            [choice(9, &[1, 2]), choice(10, &[1, 2, 3]), choice(10, &[4]), choice(1, &[])];
        assert_eq!(distill(&choices, PLENTY), [1, 2]);
    }

    #[test]
    fn what_later_ones_bring_as_well_goes_though_it_came_first() {
        let choices = [choice(1, &[2, 3]), choice(10, &[1, 2]), choice(10, &[3, 4])];
        assert_eq!(distill(&choices, PLENTY), [1, 2]);
    }

    #[test]
    fn where_there_is_no_room_for_all_what_brings_most_stays() {
        let choices = [choice(10, &[1]), choice(10, &[2, 3]), choice(900, &[4, 5, 6])];
        assert_eq!(distill(&choices, Bounds { files: 1, ..PLENTY }), [1]);
        assert_eq!(distill(&choices, Bounds { bytes: 20, ..PLENTY }), [1, 0]);
    }
}
