//! The page for Prometheus: all numbers of the hub and its shell, in the text format, version
//! 0.0.4.

use std::fmt::Write;
use std::time::Duration;

use super::{AuditState, StoreFigures};
use crate::hub::weights::Accounts;
use crate::hub::{Counters, Drops, NodeFigures, Totals};
use crate::time::Timestamp;

/// Upper bounds of the histogram's buckets, in nanoseconds. An input takes a microsecond or so; a
/// large fan-out takes milliseconds.
const BOUNDS: [u64; 15] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
];

/// A histogram of durations.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Histogram {
    /// Not cumulative; a duration beyond the last bound is only in `count`.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

impl Histogram {
    /// Notes `count` that took `all` together, each at their mean.
    pub(super) fn observe(&mut self, all: Duration, count: u32) {
        let Some(took) = all.checked_div(count) else { return };
        let bucket = BOUNDS.partition_point(|bound| u128::from(*bound) < took.as_nanos());
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket += u64::from(count);
        }
        self.count += u64::from(count);
        self.sum += all;
    }
}

/// The numbers of one page.
#[derive(Debug)]
pub(super) struct Scrape {
    pub totals: Totals,
    pub accounted_max: Accounts,
    pub counters: Counters,
    pub handling: Histogram,
    /// None without a store.
    pub store: Option<StoreFigures>,
    pub storing: Histogram,
    /// None outside of a cluster.
    pub node: Option<NodeFigures>,
    pub shell: ShellNumbers,
}

/// The numbers that the shell knows without the hub.
#[derive(Debug)]
pub(super) struct ShellNumbers {
    pub connections: usize,
    pub accepted: u64,
    pub refused_per_peer: u64,
    pub refused_origin: u64,
    pub handshakes_timed_out: u64,
    pub handshakes_failed: u64,
    pub events_queued: usize,
    pub refused_per_peer_rate: u64,
    pub audit: AuditState,
    pub certificate_expires: Option<Timestamp>,
    pub uptime: Duration,
}

/// Writes the page.
pub(super) fn render(scrape: &Scrape) -> String {
    let mut page = Page(String::with_capacity(8 * 1024));
    page.totals(&scrape.totals);
    let help = "Bytes that the hub accounts for at most, by its settings.";
    page.accounts("accounted_bytes_max", help, &scrape.accounted_max);
    page.counters(&scrape.counters);
    page.histogram("handle_seconds", "How long the hub took for one input.", &scrape.handling);
    page.store(scrape.store, &scrape.storing);
    page.node(&scrape.node.unwrap_or_default());
    page.shell(&scrape.shell);
    page.0
}

struct Page(String);

impl Page {
    // Each function destructures its numbers, so that the compiler reports a new one that is left
    // out.

    fn totals(&mut self, totals: &Totals) {
        let Totals {
            connecting,
            connected,
            disconnecting,
            registrations,
            detached,
            topics,
            subscriptions,
            queued_messages,
            queued_bytes,
            kept_messages,
            kept_bytes,
            deadlines,
            outcomes,
            accounted,
        } = *totals;
        self.head("sessions", Kind::Gauge, "Sessions by phase.");
        for (phase, count) in
            [("connecting", connecting), ("connected", connected), ("disconnecting", disconnecting)]
        {
            self.labelled("sessions", "phase", phase, count as u64);
        }
        for (name, help, value) in [
            ("registrations", "Addresses that a session owns.", registrations),
            ("detached", "Addresses kept for their owner to come back.", detached),
            ("topics", "Topics with a subscriber.", topics),
            ("subscriptions", "Subscriptions of all addresses.", subscriptions),
            ("queue_messages", "Messages in the outgoing queues of all sessions.", queued_messages),
            ("queue_bytes", "Bytes in the outgoing queues of all sessions.", queued_bytes),
            ("kept_messages", "Messages kept for actors that recover.", kept_messages),
            ("kept_bytes", "Bytes of the kept messages.", kept_bytes),
            ("deadlines", "Deadlines that are armed.", deadlines),
            ("outcomes", "Outcomes of asks that may come again.", outcomes),
        ] {
            self.one(name, Kind::Gauge, help, value as u64);
        }
        let help = "Bytes that the hub accounts for, by what holds them.";
        self.accounts("accounted_bytes", help, &accounted);
    }

    fn accounts(&mut self, name: &str, help: &str, accounts: &Accounts) {
        self.head(name, Kind::Gauge, help);
        for (of, bytes) in accounts.iter() {
            self.labelled(name, "of", of, bytes as u64);
        }
    }

    fn counters(&mut self, counters: &Counters) {
        let Counters {
            sessions_opened,
            sessions_closed,
            frames_received,
            requests_handled,
            requests_refused: _,
            refusals,
            frames_malformed,
            frames_ignored,
            pings_dropped,
            messages_sent,
            messages_delivered,
            messages_queued,
            messages_replayed,
            messages_dropped: _,
            drops,
            messages_expired,
            takeovers,
            resumes,
            recoveries,
            unrecovered,
        } = *counters;
        for (name, help, value) in [
            ("sessions_opened_total", "Sessions that began.", sessions_opened),
            ("sessions_closed_total", "Sessions that are gone.", sessions_closed),
            ("frames_received_total", "Frames from clients.", frames_received),
            ("requests_handled_total", "Requests that were carried out.", requests_handled),
            ("frames_malformed_total", "Frames that are no envelope.", frames_malformed),
            (
                "frames_ignored_total",
                "Frames from sessions that were over already, or before the frame was decided.",
                frames_ignored,
            ),
            ("pings_dropped_total", "Text pings that came too fast.", pings_dropped),
            ("messages_sent_total", "Messages put into outgoing queues.", messages_sent),
            ("messages_delivered_total", "Application messages handed over.", messages_delivered),
            (
                "messages_expired_total",
                "Messages whose time was over in a queue.",
                messages_expired,
            ),
            ("takeovers_total", "Addresses that moved to another session.", takeovers),
            ("resumes_total", "Detached addresses that came back.", resumes),
            ("messages_queued_total", "Messages kept for who is away.", messages_queued),
            ("messages_replayed_total", "Kept messages handed over.", messages_replayed),
            ("recoveries_total", "Positions from which everything was there.", recoveries),
            ("recoveries_refused_total", "Positions that did not count.", unrecovered),
        ] {
            self.one(name, Kind::Counter, help, value);
        }
        self.head("requests_refused_total", Kind::Counter, "Requests that were refused, by code.");
        for (code, count) in refusals.iter() {
            self.labelled("requests_refused_total", "code", code.as_str(), count);
        }
        let Drops { queue_full, unknown_actor, detached, expired, overflow, unclaimed, store_full } =
            drops;
        self.head("messages_dropped_total", Kind::Counter, "Messages not delivered, by reason.");
        for (reason, count) in [
            ("queue_full", queue_full),
            ("unknown_actor", unknown_actor),
            ("detached", detached),
            ("expired", expired),
            ("overflow", overflow),
            ("unclaimed", unclaimed),
            ("store_full", store_full),
        ] {
            self.labelled("messages_dropped_total", "reason", reason, count);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, times: &Histogram) {
        self.head(name, Kind::Histogram, help);
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (bound, count) in BOUNDS.into_iter().zip(times.buckets) {
            below += count;
            let bound = Duration::from_nanos(bound).as_secs_f64().to_string();
            self.labelled(&bucket, "le", &bound, below);
        }
        self.labelled(&bucket, "le", "+Inf", times.count);
        self.line(&format!("{name}_sum"), times.sum.as_secs_f64());
        self.line(&format!("{name}_count"), times.count);
    }

    fn store(&mut self, store: Option<StoreFigures>, storing: &Histogram) {
        let none = StoreFigures { bytes: 0, is_full: false, writes: 0 };
        let StoreFigures { bytes, is_full, writes: _ } = store.unwrap_or(none);
        self.one("store_bytes", Kind::Gauge, "Bytes of rows in the store.", bytes);
        let help = "1 if the store takes nothing that adds to it.";
        self.one("store_full", Kind::Gauge, help, u64::from(is_full));
        self.histogram(
            "store_seconds",
            "How long the store took for one write, with its sync.",
            storing,
        );
    }

    fn node(&mut self, node: &NodeFigures) {
        let NodeFigures {
            rows_unread,
            messages_unread,
            copies_stale,
            writes_unknown,
            fencings,
            lives,
            watches,
            generation,
            fenced,
            rows,
            revision_shown,
            revision_lag,
            writes_under_way,
            claims_under_way,
            logs_fetched,
            logs_lost,
        } = *node;
        for (name, help, value) in [
            ("node_fenced", "1 if the node does nothing for its addresses.", u64::from(fenced)),
            ("node_rows", "Rows of addresses that the node knows.", rows as u64),
            ("node_revision_shown", "The last revision that a watch has shown.", revision_shown),
            ("node_revision_lag", "The last known revision is so far ahead of it.", revision_lag),
            ("node_writes", "Rows that are being written.", writes_under_way as u64),
            ("node_claims", "Sessions that wait for an address.", claims_under_way as u64),
            ("node_generation", "How often the engine lost rows.", generation),
        ] {
            self.one(name, Kind::Gauge, help, value);
        }
        for (name, help, value) in [
            ("node_fencings_total", "How often the node fenced itself.", fencings),
            ("node_lives_total", "Lives of the node that began.", lives),
            ("node_watches_total", "Watches that began.", watches),
            ("node_writes_unknown_total", "Writes whose outcome nobody told.", writes_unknown),
            ("node_copies_stale_total", "Copies for addresses that are not here.", copies_stale),
            ("node_logs_fetched_total", "Logs that another node handed over.", logs_fetched),
            ("node_logs_lost_total", "Logs that nobody handed over.", logs_lost),
            ("node_rows_unread_total", "Rows that cannot be read.", rows_unread),
            ("node_messages_unread_total", "Messages that cannot be read.", messages_unread),
        ] {
            self.one(name, Kind::Counter, help, value);
        }
    }

    fn shell(&mut self, shell: &ShellNumbers) {
        let ShellNumbers {
            connections,
            accepted,
            refused_per_peer,
            refused_origin,
            handshakes_timed_out,
            handshakes_failed,
            events_queued,
            refused_per_peer_rate,
            audit,
            certificate_expires,
            uptime,
        } = *shell;
        self.one("connections", Kind::Gauge, "Open connections.", connections as u64);
        self.one("connections_accepted_total", Kind::Counter, "Connections accepted.", accepted);
        let help = "Connections that never became a session, by reason.";
        self.head("connections_refused_total", Kind::Counter, help);
        for (reason, count) in [
            ("per_peer", refused_per_peer),
            ("per_peer_rate", refused_per_peer_rate),
            ("origin", refused_origin),
            ("handshake_timeout", handshakes_timed_out),
            ("tls", handshakes_failed),
        ] {
            self.labelled("connections_refused_total", "reason", reason, count);
        }
        let help = "Inputs that wait for the hub's owner.";
        self.one("events_queued", Kind::Gauge, help, events_queued as u64);
        let AuditState { failing: _, lines_lost, write_errors } = audit;
        let help = "Audit lines that the writer could not keep up with.";
        self.one("audit_lines_dropped_total", Kind::Counter, help, lines_lost);
        let help = "Audit lines that could not be written.";
        self.one("audit_write_errors_total", Kind::Counter, help, write_errors);
        let help = "When the TLS certificate ends, in seconds since the epoch; 0: no TLS.";
        let expires = certificate_expires.map_or(0, |at| at.as_millis() / 1000);
        self.one("tls_certificate_expires_seconds", Kind::Gauge, help, expires);
        self.head("uptime_seconds", Kind::Gauge, "How long the server has been running.");
        self.line("uptime_seconds", uptime.as_secs_f64());
        self.head("build_info", Kind::Gauge, "Always 1; the label tells the version.");
        self.labelled("build_info", "version", env!("CARGO_PKG_VERSION"), 1);
    }

    fn one(&mut self, name: &str, kind: Kind, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(name, value);
    }

    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.push(format_args!("# HELP signal_hub_{name} {help}\n"));
        self.push(format_args!("# TYPE signal_hub_{name} {kind}\n"));
    }

    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        self.push(format_args!("signal_hub_{name} {value}\n"));
    }

    /// The label values are words and numbers, so nothing needs an escape.
    fn labelled(&mut self, name: &str, label: &str, word: &str, value: u64) {
        self.push(format_args!("signal_hub_{name}{{{label}=\"{word}\"}} {value}\n"));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a String takes everything");
    }
}

enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up_and_take_what_is_at_their_bound_together_at_its_mean() {
        let mut handling = Histogram::default();
        for (nanoseconds, count) in [(1_000, 2), (1_001, 1), (2_000_000_000, 1), (9, 0)] {
            handling.observe(Duration::from_nanos(nanoseconds), count);
        }
        let mut page = Page(String::new());
        page.histogram("handle_seconds", "", &handling);
        for line in [
            "signal_hub_handle_seconds_bucket{le=\"0.000001\"} 2",
            "signal_hub_handle_seconds_bucket{le=\"0.000002\"} 3",
            "signal_hub_handle_seconds_bucket{le=\"1\"} 3",
            "signal_hub_handle_seconds_bucket{le=\"+Inf\"} 4",
            "signal_hub_handle_seconds_sum 2.000002001",
            "signal_hub_handle_seconds_count 4",
        ] {
            assert!(page.0.lines().any(|found| found == line), "{line} is not in\n{}", page.0);
        }
    }
}
