//! I2: versions of an address grow while the hub knows it.

use std::collections::BTreeMap;

use super::claims::Owned;
use super::known::Moment;

/// The registrations of an address since the hub may have forgotten it last.
#[derive(Default)]
pub struct Era {
    since: Moment,
    by_version: BTreeMap<u64, Owned>,
    /// The greatest version that was told until each moment.
    told: Vec<(Moment, u64)>,
}

/// How two registrations are at odds.
pub enum Odds {
    /// They have the same version.
    Same(Owned),
    /// This version was told before the other registration was asked for.
    Back(u64),
}

impl Era {
    /// A new one begins.
    pub fn since(now: Moment) -> Self {
        Self { since: now, ..Self::default() }
    }

    /// The hub may have forgotten the address before this registration was asked for.
    pub fn gap(&mut self, asked: Moment) {
        *self = Self::since(self.since.max(asked));
    }

    /// When it began.
    pub const fn began(&self) -> Moment {
        self.since
    }

    /// Adds a registration with its version; says whether it could be compared, and what is odd.
    pub fn add(&mut self, owned: Owned, version: u64) -> (bool, Option<Odds>) {
        if owned.asked < self.since {
            return (false, None);
        }
        let before = self.told.partition_point(|(told, _)| told.place < owned.asked.place);
        let greatest = before.checked_sub(1).map(|last| self.told[last].1);
        let compared = !self.by_version.is_empty();
        let same = self.by_version.insert(version, owned).map(Odds::Same);
        let back = greatest.filter(|greatest| *greatest > version).map(Odds::Back);
        let greatest = self.told.last().map_or(version, |(_, greatest)| version.max(*greatest));
        self.told.push((owned.heard, greatest));
        (compared, same.or(back))
    }
}
