//! What was counted and measured.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// What came of all messages.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Messages that were due in the measured time.
    pub messages: u64,
    /// Deliveries that came in it.
    pub deliveries: u64,
    /// Answers that came in it.
    pub answers: u64,
    /// From the moment a message was due to each delivery.
    pub latency: Latencies,
    /// From the same moment to the hub's answer.
    pub answer_time: Latencies,
    pub integrity: Integrity,
    /// Messages that the hub refused, by its code.
    pub refused: BTreeMap<String, u64>,
}

/// Whether everything arrived as it was sent, over the whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Integrity {
    pub sent: u64,
    pub lost: u64,
    pub doubled: u64,
    pub reordered: u64,
    pub misrouted: u64,
    pub altered: u64,
    pub unanswered: u64,
}

impl Integrity {
    pub fn add(&mut self, others: &Self) {
        self.sent += others.sent;
        self.lost += others.lost;
        self.doubled += others.doubled;
        self.reordered += others.reordered;
        self.misrouted += others.misrouted;
        self.altered += others.altered;
        self.unanswered += others.unanswered;
    }

    /// Returns whether the hub broke no promise.
    pub fn holds(&self) -> bool {
        *self == Self { sent: self.sent, ..Self::default() }
    }
}

/// Times with three digits, from a microsecond to an hour.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// The times within which so much of everything came, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1_000, 3_600_000_000_000, 3);
        Self(histogram.expect("the bounds are in order and three digits are few"))
    }
}

impl Latencies {
    pub fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn add(&mut self, others: &Self) {
        self.0.add(&others.0).expect("all have the same bounds");
    }

    /// None, if nothing was recorded.
    pub fn summary(&self) -> Option<Percentiles> {
        let within = |quantile| in_microseconds(self.0.value_at_quantile(quantile));
        (!self.0.is_empty()).then(|| Percentiles {
            count: self.0.len(),
            p50: within(0.5),
            p90: within(0.9),
            p99: within(0.99),
            p99_9: within(0.999),
            max: in_microseconds(self.0.max()),
        })
    }
}

/// In tenths: three digits are known of them.
fn in_microseconds(nanoseconds: u64) -> f64 {
    (nanoseconds as f64 / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_say_within_what_time_so_much_came() {
        let mut latencies = Latencies::default();
        (1..=10_000).for_each(|at| latencies.record(Duration::from_micros(at)));
        let summary = latencies.summary().unwrap();
        let near = |is: f64, wanted: f64| (is / wanted - 1.0).abs() < 0.001;
        assert_eq!(summary.count, 10_000);
        for (is, wanted) in [
            (summary.p50, 5_000.0),
            (summary.p90, 9_000.0),
            (summary.p99, 9_900.0),
            (summary.p99_9, 9_990.0),
            (summary.max, 10_000.0),
        ] {
            assert!(near(is, wanted), "{is} for {wanted}");
        }
    }

    #[test]
    fn nothing_has_no_percentiles() {
        assert_eq!(Latencies::default().summary(), None);
    }

    #[test]
    fn a_time_beyond_all_bounds_counts_as_the_bound() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::MAX);
        latencies.record(Duration::ZERO);
        assert_eq!(latencies.summary().map(|summary| summary.count), Some(2));
    }

    #[test]
    fn integrity_holds_if_nothing_but_messages_was_counted() {
        assert!(Integrity { sent: 3, ..Integrity::default() }.holds());
        assert!(!Integrity { sent: 3, lost: 1, ..Integrity::default() }.holds());
        assert!(!Integrity { unanswered: 1, ..Integrity::default() }.holds());
    }
}
