//! How faults strike links: the same on every network that has any.

use std::time::Duration;

use super::fault::Ways;
use super::ids::FaultId;
use super::link::{Blamed, Link, Span};
use super::link_config::{ConnectMode, LinkConfig};

/// The links of a network.
pub(crate) trait Links {
    /// What carries from one host to the other, if anything does.
    fn link(&mut self, from: &str, to: &str) -> Option<&mut Link>;

    fn reconfigure(&mut self, from: &str, to: &str, config: &LinkConfig, fault: FaultId) {
        if let Some(link) = self.link(from, to) {
            link.config.clone_from(config);
            link.reconfigured = Some(fault);
        }
    }

    fn stall(&mut self, from: &str, to: &str, span: Span, fault: FaultId) {
        if let Some(link) = self.link(from, to) {
            link.stall(span, fault);
        }
    }

    fn part(&mut self, from: &str, to: &str, ways: Ways, since: Duration, fault: FaultId) {
        for (from, to) in directions(from, to, ways) {
            if let Some(link) = self.link(from, to) {
                link.partition.get_or_insert(Blamed { value: since, fault });
            }
        }
    }

    /// Returns whether they were parted.
    fn rejoin(&mut self, from: &str, to: &str, ways: Ways) -> bool {
        let mut were_parted = false;
        for (from, to) in directions(from, to, ways) {
            let link = self.link(from, to);
            were_parted |= link.is_some_and(|link| link.partition.take().is_some());
        }
        were_parted
    }

    fn decide(&mut self, from: &str, to: &str, mode: ConnectMode, fault: FaultId) -> Decided {
        let decision = (mode != ConnectMode::Accept).then_some(Blamed { value: mode, fault });
        let Some(link) = self.link(from, to) else { return Decided::default() };
        let before = std::mem::replace(&mut link.connects, decision);
        let mode = |connects: Option<Blamed<ConnectMode>>| connects.map(|connects| connects.value);
        Decided {
            anew: mode(before) != mode(decision),
            ended: before.is_some() && decision.is_none(),
        }
    }
}

/// What it means that a link's way with connects was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Decided {
    /// Connects fare differently from now on.
    pub(crate) anew: bool,
    /// They fare as they should again.
    pub(crate) ended: bool,
}

/// The directions that a fault between two hosts is about.
fn directions<'a>(
    from: &'a str,
    to: &'a str,
    ways: Ways,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let back = match ways {
        Ways::OneWay => None,
        Ways::BothWays => Some((to, from)),
    };
    std::iter::once((from, to)).chain(back)
}
