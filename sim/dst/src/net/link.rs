//! One direction between two hosts: how it carries bytes, and what is wrong with it at the moment.

use std::sync::Arc;
use std::time::Duration;

use super::ids::FaultId;
use super::link_config::{ConnectMode, LinkConfig};
use super::random::Dice;

/// A condition and the fault that is to blame for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blamed<T> {
    pub(crate) value: T,
    pub(crate) fault: FaultId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) config: LinkConfig,
    pub(crate) reconfigured: Option<FaultId>,
    pub(crate) stall: Option<Blamed<Span>>,
    /// Since when nothing passes.
    pub(crate) partition: Option<Blamed<Duration>>,
    pub(crate) connects: Option<Blamed<ConnectMode>>,
    busy_until: Duration,
    dice: LinkDice,
}

/// Made when they are first thrown: most pairs of hosts never say a word to each other.
#[derive(Debug)]
struct LinkDice {
    seed: u64,
    between: [Arc<str>; 2],
    made: Option<Dice>,
}

impl LinkDice {
    fn get(&mut self) -> &mut Dice {
        let Self { seed, between: [from, to], made } = self;
        made.get_or_insert_with(|| Dice::split(*seed, &format!("link {from} > {to}")))
    }
}

impl Link {
    /// In the run of `seed`.
    pub(crate) fn new(config: LinkConfig, seed: u64, between: [Arc<str>; 2]) -> Self {
        Self {
            config,
            reconfigured: None,
            stall: None,
            partition: None,
            connects: None,
            busy_until: Duration::ZERO,
            dice: LinkDice { seed, between, made: None },
        }
    }

    /// When a segment of `bytes` that is sent now arrives.
    pub(crate) fn arrival(&mut self, now: Duration, bytes: usize) -> Duration {
        let mut arrival = now.saturating_add(self.config.latency);
        if let Some(rate) = self.config.bytes_per_second {
            let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
            let transmission = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            self.busy_until = self.busy_until.max(now).saturating_add(transmission);
            arrival = self.busy_until.saturating_add(self.config.latency);
        }
        if !self.config.jitter.is_zero() {
            let most = u64::try_from(self.config.jitter.as_nanos()).unwrap_or(u64::MAX);
            arrival = arrival.saturating_add(Duration::from_nanos(self.dice.get().up_to(most)));
        }
        let mut missed = self.config.retransmit_after;
        for _ in 0..LOSSES_MAX {
            let loss = self.config.loss_per_mille;
            if loss == 0 || !self.dice.get().happens(loss) {
                break;
            }
            arrival = arrival.saturating_add(missed);
            missed = missed.saturating_mul(2);
        }
        arrival
    }

    /// Ends every condition and restores `config`; returns whether there was anything to end.
    pub(crate) fn heal(&mut self, now: Duration, config: &LinkConfig) -> bool {
        let ended = self.reconfigured.is_some()
            || self.stall.is_some_and(|stall| now < stall.value.until)
            || self.partition.is_some()
            || self.connects.is_some();
        self.config.clone_from(config);
        self.reconfigured = None;
        self.stall = None;
        self.partition = None;
        self.connects = None;
        self.busy_until = Duration::ZERO;
        ended
    }

    /// Holds what arrives from `from` on until `until`, or longer if it is held already.
    pub(crate) fn stall(&mut self, span: Span, fault: FaultId) {
        let until = self.stall.map_or(span.until, |stall| stall.value.until.max(span.until));
        let from = match self.stall {
            Some(stall) if stall.value.until >= span.from => stall.value.from,
            Some(_) | None => span.from,
        };
        self.stall = Some(Blamed { value: Span { from, until }, fault });
    }
}

/// A segment is not lost more often than this in a row.
const LOSSES_MAX: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn link(config: LinkConfig) -> Link {
        Link::new(config, 1, ["a".into(), "b".into()])
    }

    #[test]
    fn bandwidth_is_shared_by_everything_that_is_sent() {
        let mut link = link(LinkConfig { bytes_per_second: Some(1000), ..Default::default() });
        let millis = Duration::from_millis;
        assert_eq!(link.arrival(Duration::ZERO, 100), millis(101));
        assert_eq!(link.arrival(Duration::ZERO, 100), millis(201));
        assert_eq!(link.arrival(millis(900), 100), millis(1001));
    }

    #[test]
    fn certain_loss_is_bounded_and_doubles_its_delay() {
        let mut link = link(LinkConfig { loss_per_mille: 1000, ..Default::default() });
        let expected = Duration::from_millis(1 + 200 * (1 + 2 + 4 + 8 + 16 + 32));
        assert_eq!(link.arrival(Duration::ZERO, 1), expected);
    }

    #[test]
    fn absurd_numbers_are_just_late() {
        let config = LinkConfig {
            latency: Duration::MAX,
            jitter: Duration::MAX,
            bytes_per_second: Some(0),
            loss_per_mille: 1000,
            retransmit_after: Duration::MAX,
            ..Default::default()
        };
        assert_eq!(link(config).arrival(Duration::from_secs(1), usize::MAX), Duration::MAX);
    }

    #[test]
    fn jitter_stays_within_its_bound() {
        let config = LinkConfig { jitter: Duration::from_millis(5), ..Default::default() };
        let (least, most) = (config.latency, config.latency_max());
        let mut link = link(config);
        assert!((0..100).all(|_| {
            let arrival = link.arrival(Duration::ZERO, 1);
            least <= arrival && arrival <= most
        }));
    }
}
