//! `signal-hub bench`: loads a running hub with real connections and tells what came of it
//! (docs/PERFORMANCE.md).

mod arrivals;
mod crew;
mod exchange;
mod figures;
mod frames;
mod lane;
mod options;
mod pace;
mod plan;
mod process;
mod progress;
mod report;
mod session;
mod target;
mod workloads;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::Value;
use signal_hub::client::HubUrl;
use signal_hub::protocol::Pattern;
use signal_hub::runtime::{Runtime, Tokio};

use crate::serve::{EndSignals, raise_limit};
use crate::tools::Credentials;

use self::crew::Cut;
use self::options::{Options, Workload};
use self::plan::Names;
use self::process::Servers;
use self::report::{Generator, Opening, Report, Server, share};
use self::session::Opener;
use self::target::{NotAllowed, Target};
use self::workloads::{Record, Run};

/// Wrong arguments.
const USAGE: u8 = 2;
/// The hub lost, doubled, reordered, misrouted, altered or did not answer messages.
const BROKEN: u8 = 3;
/// The hub refused messages.
const REFUSED: u8 = 4;
/// Files beside the connections.
const FILES_SPARE: u64 = 32;

/// Load a running hub and tell how fast, how large and how right it is.
///
/// All connections come from this process, on one core. Addresses and topics begin with `bench/`, so
/// where the hub demands tokens, the bearer needs the pattern 'bench/*'. The hub's limits apply: start
/// it with `--rate-limit-per-second 0`, or stay below them with `--rate`.
///
/// Exit status: 0 all messages arrived once, in order, where they should; 1 not measured to the end;
/// 2 wrong arguments; 3 messages were lost, doubled, reordered, misrouted, altered or not answered;
/// 4 the hub refused some, and the rest arrived as it should.
#[derive(Debug, Args)]
pub struct Bench {
    /// Where the hub listens.
    #[arg(value_name = "URL")]
    hub: HubUrl,
    #[command(subcommand)]
    workload: Workload,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    credentials: Credentials,
}

impl Bench {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        if cfg!(debug_assertions) {
            eprintln!("signal-hub: these are the numbers of a build without --release");
        }
        let allowed = self.options.allow_remote.as_deref();
        let mut targets = Vec::new();
        for hub in std::iter::once(&self.hub).chain(&self.options.also) {
            match Target::find(hub.clone(), allowed).await {
                Err(error) if error.is::<NotAllowed>() => {
                    eprintln!("signal-hub: {error}");
                    return Ok(ExitCode::from(USAGE));
                }
                found => targets.push(found?),
            }
        }
        check_files(self.workload.sessions())?;
        let mut run = self.prepare(targets)?;
        let record = match self.workload.run(&mut run).await {
            Ok(record) => record,
            Err(Cut::Interrupted) => anyhow::bail!("nothing was measured: interrupted"),
            Err(Cut::Lost(why)) => return Err(why.context("nothing was measured")),
        };
        self.tell(record, &run)
    }

    fn prepare(&self, targets: Vec<Target>) -> anyhow::Result<Run> {
        let processes = &self.options.server_pid;
        let servers = (!processes.is_empty()).then(|| Servers(processes.clone()));
        if let Some(servers) = &servers {
            servers.cpu().and(servers.rss())?;
        }
        let seed = u32::from_be_bytes(Tokio.random_seed()[..4].try_into()?);
        let names = Names {
            run: format!("{seed:08x}"),
            round: 0,
            payload_bytes: self.options.payload as usize,
            recovers: self.options.recover,
            pattern: if self.workload.tells() { Pattern::Tell } else { Pattern::Ask },
            now: Tokio.now(),
        };
        let (token, trust) = (self.credentials.token()?, self.credentials.trust(&self.hub)?);
        let opener = Arc::new(Opener { targets, trust, token });
        let signals = EndSignals::catch().context("cannot catch signals")?;
        Ok(Run { opener, names, signals, servers, at_once: self.options.opening as usize })
    }

    /// Prints the results; an end before the time stands on stderr too.
    fn tell(&self, record: Record, run: &Run) -> anyhow::Result<ExitCode> {
        let report = self.report(record, run);
        let mut out = io::stdout();
        let printed = if self.options.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)
        } else {
            write!(out, "{report}")
        };
        printed.context("cannot write to stdout")?;
        if let Some(why) = &report.failure {
            eprintln!("signal-hub: the hub ended the run after {:.1} s: {why}", report.measured_s);
        }
        for (why, count) in &report.refused {
            eprintln!("signal-hub: the hub refused {count} messages: {why}");
        }
        Ok(report.exit_code())
    }

    fn report(&self, record: Record, run: &Run) -> Report {
        let (spent, known) = (record.measured, run.servers.is_some());
        let per_session = 1e6 / record.sessions as f64;
        let (failure, interrupted) = match record.cut {
            Some(Cut::Lost(why)) => (Some(format!("{why:#}")), false),
            Some(Cut::Interrupted) => (None, true),
            None => (None, false),
        };
        let (before, after) = record.rss.unwrap_or_default();
        let server = known.then(|| Server {
            cpu_s: spent.server.as_secs_f64(),
            share: share(spent.server, spent.time),
            cpu_s_per_million: (record.count > 0)
                .then(|| spent.server.as_secs_f64() * 1e6 / record.count as f64),
            rss_bytes: run.servers.as_ref().and_then(|servers| servers.rss().ok()).unwrap_or(after),
            rss_bytes_per_session: (after as f64 - before as f64) / record.sessions as f64,
        });
        Report {
            workload: self.workload.name(),
            hub: self.hub.to_string(),
            settings: self.settings(),
            interrupted,
            failure,
            sessions: record.sessions,
            opening: Opening {
                seconds: record.opened.all.as_secs_f64(),
                latency_us: record.opened.each.summary(),
                server_cpu_us_per_session: known
                    .then_some(record.opening.server.as_secs_f64() * per_session),
            },
            measured_s: spent.time.as_secs_f64(),
            unit: record.unit,
            count: record.count,
            per_second: record.count as f64 / spent.time.as_secs_f64().max(1e-9),
            messages: record.figures.messages,
            behind: record.behind,
            latency_us: record.figures.latency.summary(),
            answer_us: record.figures.answer_time.summary(),
            all_back_s: record.all_back.iter().map(Duration::as_secs_f64).collect(),
            integrity: record.figures.integrity,
            refused: record.figures.refused,
            generator: Generator::of(spent.own, spent.time, server.as_ref().map(|s| s.share)),
            server,
        }
    }

    fn settings(&self) -> Value {
        let mut settings = self.workload.settings(self.options.payload);
        settings["recover"] = self.options.recover.into();
        settings["hubs"] = (1 + self.options.also.len()).into();
        settings
    }
}

impl Report {
    fn exit_code(&self) -> ExitCode {
        if self.failure.is_some() {
            ExitCode::FAILURE
        } else if !self.integrity.holds() {
            ExitCode::from(BROKEN)
        } else if !self.refused.is_empty() {
            ExitCode::from(REFUSED)
        } else {
            ExitCode::SUCCESS
        }
    }
}

fn check_files(sessions: u64) -> anyhow::Result<()> {
    let Some(files_max) = raise_limit() else { return Ok(()) };
    ensure!(
        sessions + FILES_SPARE <= files_max,
        "{sessions} sessions need as many open files and {FILES_SPARE} more, and the limit is \
         {files_max}: raise the hard limit (ulimit -Hn)"
    );
    Ok(())
}
