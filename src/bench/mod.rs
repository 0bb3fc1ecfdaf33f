//! `signal-hub bench`: loads a running hub with real connections and tells what came of it
//! (docs/PERFORMANCE.md).

mod arrivals;
mod crew;
mod exchange;
mod figures;
mod frames;
mod lane;
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
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use signal_hub::client::HubUrl;
use signal_hub::protocol::Pattern;
use signal_hub::runtime::{Runtime, Tokio};

use crate::serve::{EndSignals, raise_limit};
use crate::tools::Credentials;

use self::crew::Cut;
use self::frames::PAYLOAD_BYTES_MIN;
use self::plan::{Names, Plan};
use self::process::ServerProcess;
use self::report::{Generator, Opening, Report, Server, share};
use self::session::Opener;
use self::target::{NotAllowed, Target};
use self::workloads::{Flow, Record, Run};

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

#[derive(Debug, Args)]
struct Options {
    /// Print the results as one JSON object.
    #[arg(long, global = true)]
    json: bool,
    /// Allow the load on this host, if it is the URL's; without it, only on this machine.
    #[arg(long, value_name = "HOST", global = true)]
    allow_remote: Option<String>,
    /// The hub's process, if it is on this machine: adds its CPU time and its memory.
    #[arg(long, value_name = "PID", global = true)]
    server_pid: Option<u32>,
    /// Bytes of each message's data.
    #[arg(long, value_name = "BYTES", default_value_t = 256, global = true,
          value_parser = clap::value_parser!(u32).range(PAYLOAD_BYTES_MIN as i64..=1 << 20))]
    payload: u32,
    /// Register all addresses so that the hub keeps for them what they miss.
    #[arg(long, global = true)]
    recover: bool,
    /// Sessions that are opened at a time, except by a storm.
    #[arg(long, value_name = "COUNT", default_value_t = 256, global = true, value_parser = count())]
    opening: u32,
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// One publisher, and many subscribers of one topic.
    Fanout {
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = count())]
        subscribers: u32,
        #[command(flatten)]
        flow: FlowOptions,
        /// Publications that may be under way: until all subscribers have them.
        #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = count())]
        window: u32,
    },
    /// Pairs of a sender and a receiver.
    P2p {
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = count())]
        pairs: u32,
        #[command(flatten)]
        flow: FlowOptions,
        /// Messages of each pair that may be under way.
        #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = count())]
        window: u32,
    },
    /// Sessions that are silent, and then get one message each.
    Idle {
        #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = count())]
        sessions: u32,
        /// How long they are silent.
        #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
        duration: Duration,
    },
    /// Sessions that are reset and come back, all at once.
    Storm {
        #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = count())]
        sessions: u32,
        /// How often.
        #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = count())]
        rounds: u32,
    },
    /// Sessions that register many addresses.
    Register {
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = count())]
        sessions: u32,
        /// Addresses of each session.
        #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = count())]
        addresses: u32,
        /// Registrations of each session that may be under way.
        #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = count())]
        window: u32,
    },
}

#[derive(Debug, Args)]
struct FlowOptions {
    /// Messages a second of all senders together, whatever became of those before; their latency
    /// counts from the moment they were due.
    #[arg(long, value_name = "RATE", conflicts_with = "window", value_parser = rate)]
    rate: Option<f64>,
    /// Send tells, which the hub does not answer.
    #[arg(long)]
    tell: bool,
    /// The time before the measured one.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    warm_up: Duration,
    /// The measured time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    duration: Duration,
}

impl Bench {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        if cfg!(debug_assertions) {
            eprintln!("signal-hub: these are the numbers of a build without --release");
        }
        let allowed = self.options.allow_remote.as_deref();
        let target = match Target::find(self.hub.clone(), allowed).await {
            Err(error) if error.is::<NotAllowed>() => {
                eprintln!("signal-hub: {error}");
                return Ok(ExitCode::from(USAGE));
            }
            found => found?,
        };
        check_files(self.workload.sessions())?;
        let mut run = self.prepare(target)?;
        let record = match self.workload.run(&mut run).await {
            Ok(record) => record,
            Err(Cut::Interrupted) => anyhow::bail!("nothing was measured: interrupted"),
            Err(Cut::Lost(why)) => return Err(why.context("nothing was measured")),
        };
        self.tell(record, &run)
    }

    fn prepare(&self, target: Target) -> anyhow::Result<Run> {
        let server = self.options.server_pid.map(ServerProcess);
        if let Some(server) = server {
            server.cpu().and(server.rss())?;
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
        let opener = Arc::new(Opener { target, trust, token });
        let signals = EndSignals::catch().context("cannot catch signals")?;
        Ok(Run { opener, names, signals, server, at_once: self.options.opening as usize })
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
        let (spent, known) = (record.measured, run.server.is_some());
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
            rss_bytes: run.server.and_then(|server| server.rss().ok()).unwrap_or(after),
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
        let mut settings = self.workload_settings();
        settings["recover"] = self.options.recover.into();
        settings
    }

    fn workload_settings(&self) -> Value {
        let payload_bytes = self.options.payload;
        match &self.workload {
            Workload::Fanout { subscribers, flow, window } => {
                json!({ "subscribers": subscribers, "payload_bytes": payload_bytes, "flow": flow.settings(*window) })
            }
            Workload::P2p { pairs, flow, window } => {
                json!({ "pairs": pairs, "payload_bytes": payload_bytes, "flow": flow.settings(*window) })
            }
            Workload::Idle { sessions, .. } => json!({ "sessions": sessions }),
            Workload::Storm { sessions, rounds } => {
                json!({ "sessions": sessions, "rounds": rounds })
            }
            Workload::Register { sessions, addresses, window } => {
                json!({ "sessions": sessions, "addresses": addresses, "window": window })
            }
        }
    }
}

impl Workload {
    async fn run(&self, run: &mut Run) -> Result<Record, Cut> {
        match self {
            Self::Fanout { subscribers, flow, window } => {
                let plan = Plan::fanout(&run.names, *subscribers as usize);
                run.flow(plan, &flow.flow(*window)).await
            }
            Self::P2p { pairs, flow, window } => {
                let plan = Plan::pairs(&run.names, *pairs as usize);
                run.flow(plan, &flow.flow(*window)).await
            }
            Self::Idle { sessions, duration } => run.idle(*sessions as usize, *duration).await,
            Self::Storm { sessions, rounds } => run.storm(*sessions as usize, *rounds).await,
            Self::Register { sessions, addresses, window } => {
                run.register(*sessions as usize, u64::from(*addresses), *window as usize).await
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Fanout { .. } => "fanout",
            Self::P2p { .. } => "p2p",
            Self::Idle { .. } => "idle",
            Self::Storm { .. } => "storm",
            Self::Register { .. } => "register",
        }
    }

    fn sessions(&self) -> u64 {
        match self {
            Self::Fanout { subscribers, .. } => u64::from(*subscribers) + 1,
            Self::P2p { pairs, .. } => u64::from(*pairs) * 2,
            Self::Idle { sessions, .. }
            | Self::Storm { sessions, .. }
            | Self::Register { sessions, .. } => u64::from(*sessions),
        }
    }

    fn tells(&self) -> bool {
        match self {
            Self::Fanout { flow, .. } | Self::P2p { flow, .. } => flow.tell,
            Self::Idle { .. } | Self::Storm { .. } | Self::Register { .. } => false,
        }
    }
}

impl FlowOptions {
    fn flow(&self, window: u32) -> Flow {
        let (warm_up, duration) = (self.warm_up, self.duration);
        Flow { window: window as usize, per_second: self.rate, warm_up, duration }
    }

    fn settings(&self, window: u32) -> Value {
        let pattern = if self.tell { Pattern::Tell } else { Pattern::Ask };
        match self.rate {
            Some(rate) => json!({ "rate": rate, "pattern": pattern }),
            None => json!({ "window": window, "pattern": pattern }),
        }
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

fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1_000_000)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.01..=10_000_000.0).contains(&rate) {
        Ok(rate)
    } else {
        Err("0.01 to 10000000".to_owned())
    }
}

/// Registrations last for an hour.
fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let max = Duration::from_secs(3_000);
    if duration <= max { Ok(duration) } else { Err("50 minutes are the most".to_owned()) }
}
