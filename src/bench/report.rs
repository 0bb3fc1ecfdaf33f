//! The results, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::figures::{Integrity, Percentiles};

/// The share of its core above which the generator is at its limit.
const LIMIT: f64 = 0.9;

/// What a run found. Its JSON is one object on one line.
#[derive(Debug, Serialize)]
pub struct Report {
    pub workload: &'static str,
    pub hub: String,
    /// How much of what, as the arguments said.
    pub settings: serde_json::Value,
    /// Whether a signal ended the run before its time.
    pub interrupted: bool,
    /// What ended it, if the hub did.
    pub failure: Option<String>,
    pub sessions: usize,
    pub opening: Opening,
    pub measured_s: f64,
    /// What `count` counts.
    pub unit: &'static str,
    pub count: u64,
    pub per_second: f64,
    /// Messages that were sent in the measured time.
    pub messages: u64,
    /// Messages that were due by its end and never sent.
    pub behind: u64,
    /// From the moment a message was due to its delivery.
    pub latency_us: Option<Percentiles>,
    /// From the same moment to the hub's answer.
    pub answer_us: Option<Percentiles>,
    /// How long it took in each storm until all sessions were back.
    pub all_back_s: Vec<f64>,
    pub integrity: Integrity,
    pub refused: BTreeMap<String, u64>,
    pub generator: Generator,
    pub server: Option<Server>,
}

/// How the sessions were opened.
#[derive(Debug, Serialize)]
pub struct Opening {
    pub seconds: f64,
    /// From the connection to the last answer.
    pub latency_us: Option<Percentiles>,
    pub server_cpu_us_per_session: Option<f64>,
}

/// What this process used in the measured time.
#[derive(Debug, Serialize)]
pub struct Generator {
    pub cpu_s: f64,
    /// Of one core.
    pub share: f64,
    /// Whether the generator was busy all the time and the hub, as far as known, was not.
    pub at_its_limit: bool,
}

/// What the hub's process used in the measured time.
#[derive(Debug, Serialize)]
pub struct Server {
    pub cpu_s: f64,
    /// Of one core.
    pub share: f64,
    /// None, if nothing was counted.
    pub cpu_s_per_million: Option<f64>,
    pub rss_bytes: u64,
    /// What the sessions added to it when they were open and nothing had been sent.
    pub rss_bytes_per_session: f64,
}

impl Generator {
    pub fn of(cpu: Duration, measured: Duration, server_share: Option<f64>) -> Self {
        let share = share(cpu, measured);
        let at_its_limit = share > LIMIT && server_share.is_none_or(|server| server < LIMIT);
        Self { cpu_s: cpu.as_secs_f64(), share, at_its_limit }
    }
}

/// How much of one core `cpu` is.
pub fn share(cpu: Duration, measured: Duration) -> f64 {
    cpu.as_secs_f64() / measured.as_secs_f64().max(1e-9)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<11}{} {}", self.workload, self.hub, self.settings)?;
        write!(f, "opened     {} sessions in {:.3} s", self.sessions, self.opening.seconds)?;
        if let Some(cpu) = self.opening.server_cpu_us_per_session {
            write!(f, ", {cpu:.0} us of the hub's CPU each")?;
        }
        row(f, "  each", self.opening.latency_us.as_ref())?;
        write!(f, "\nmeasured   {:.3} s, {} {}, ", self.measured_s, self.count, self.unit)?;
        write!(f, "{:.0} a second", self.per_second)?;
        if self.messages > 0 {
            write!(f, ", {:.0} messages a second", self.messages as f64 / self.measured_s)?;
        }
        if self.behind > 0 {
            write!(f, "; {} messages were due and not sent", self.behind)?;
        }
        row(f, "latency", self.latency_us.as_ref())?;
        row(f, "answers", self.answer_us.as_ref())?;
        if !self.all_back_s.is_empty() {
            write!(f, "\nall back   {} s", texts(&self.all_back_s).join(" s, "))?;
        }
        let Integrity { sent, lost, doubled, reordered, misrouted, altered, unanswered } =
            self.integrity;
        write!(
            f,
            "\nintegrity  {sent} sent: {lost} lost, {doubled} doubled, {reordered} reordered, "
        )?;
        write!(f, "{misrouted} misrouted, {altered} altered, {unanswered} unanswered")?;
        for (why, count) in &self.refused {
            write!(f, "\nrefused    {count} {why}")?;
        }
        let generator = &self.generator;
        write!(f, "\ngenerator  {:.0} % of a core", 100.0 * generator.share)?;
        if generator.at_its_limit {
            write!(f, ": it is at its limit, and these figures are its own, not the hub's")?;
        }
        if let Some(server) = &self.server {
            write!(f, "\nhub        {:.0} % of a core", 100.0 * server.share)?;
            if let Some(cpu) = server.cpu_s_per_million {
                write!(f, ", {cpu:.3} CPU s per million {}", self.unit)?;
            }
            let (mib, kib) =
                (server.rss_bytes as f64 / 1048576.0, server.rss_bytes_per_session / 1024.0);
            write!(f, ", {mib:.1} MiB, {kib:.1} KiB for each idle session")?;
        }
        writeln!(f)
    }
}

fn texts(seconds: &[f64]) -> Vec<String> {
    seconds.iter().map(|seconds| format!("{seconds:.3}")).collect()
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, percentiles: Option<&Percentiles>) -> fmt::Result {
    let Some(Percentiles { p50, p90, p99, p99_9, max, .. }) = percentiles else { return Ok(()) };
    write!(
        f,
        "\n{name:<11}p50 {p50:.0} us, p90 {p90:.0} us, p99 {p99:.0} us, p99.9 {p99_9:.0} us, \
         max {max:.0} us"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_at_its_limit_if_it_is_busy_and_the_hub_is_not() {
        let at_its_limit = |cpu_ms, server| {
            let (cpu, measured) = (Duration::from_millis(cpu_ms), Duration::from_secs(1));
            Generator::of(cpu, measured, server).at_its_limit
        };
        assert!(at_its_limit(950, Some(0.5)));
        assert!(at_its_limit(950, None));
        assert!(!at_its_limit(950, Some(0.95)));
        assert!(!at_its_limit(500, Some(0.5)));
    }
}
