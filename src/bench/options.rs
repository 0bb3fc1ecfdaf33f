//! The arguments of a load, and what each workload is made of.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use signal_hub::client::HubUrl;
use signal_hub::protocol::Pattern;

use super::crew::Cut;
use super::frames::PAYLOAD_BYTES_MIN;
use super::plan::Plan;
use super::workloads::{Flow, Record, Run};

#[derive(Debug, Args)]
pub struct Options {
    /// Print the results as one JSON object.
    #[arg(long, global = true)]
    pub json: bool,
    /// Allow the load on this host, if it is the URL's; without it, only on this machine.
    #[arg(long, value_name = "HOST", global = true)]
    pub allow_remote: Option<String>,
    /// Further hubs of its cluster: sessions connect to all of them in turn, and messages go from one to the next.
    #[arg(long, value_name = "URL,..", value_delimiter = ',', global = true)]
    pub also: Vec<HubUrl>,
    /// The hub's process, if it is on this machine: adds its CPU time and its memory. Of several processes, all.
    #[arg(long, value_name = "PID,..", value_delimiter = ',', global = true)]
    pub server_pid: Vec<u32>,
    /// Bytes of each message's data.
    #[arg(long, value_name = "BYTES", default_value_t = 256, global = true,
          value_parser = clap::value_parser!(u32).range(PAYLOAD_BYTES_MIN as i64..=1 << 20))]
    pub payload: u32,
    /// Register all addresses so that the hub keeps for them what they miss.
    #[arg(long, global = true)]
    pub recover: bool,
    /// Sessions that are opened at a time, except by a storm.
    #[arg(long, value_name = "COUNT", default_value_t = 256, global = true, value_parser = count())]
    pub opening: u32,
}

#[derive(Debug, Subcommand)]
pub enum Workload {
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
pub struct FlowOptions {
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

impl Workload {
    pub fn settings(&self, payload_bytes: u32) -> Value {
        match self {
            Self::Fanout { subscribers, flow, window } => {
                json!({ "subscribers": subscribers, "payload_bytes": payload_bytes, "flow": flow.settings(*window) })
            }
            Self::P2p { pairs, flow, window } => {
                json!({ "pairs": pairs, "payload_bytes": payload_bytes, "flow": flow.settings(*window) })
            }
            Self::Idle { sessions, .. } => json!({ "sessions": sessions }),
            Self::Storm { sessions, rounds } => {
                json!({ "sessions": sessions, "rounds": rounds })
            }
            Self::Register { sessions, addresses, window } => {
                json!({ "sessions": sessions, "addresses": addresses, "window": window })
            }
        }
    }

    pub async fn run(&self, run: &mut Run) -> Result<Record, Cut> {
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

    pub fn name(&self) -> &'static str {
        match self {
            Self::Fanout { .. } => "fanout",
            Self::P2p { .. } => "p2p",
            Self::Idle { .. } => "idle",
            Self::Storm { .. } => "storm",
            Self::Register { .. } => "register",
        }
    }

    pub fn sessions(&self) -> u64 {
        match self {
            Self::Fanout { subscribers, .. } => u64::from(*subscribers) + 1,
            Self::P2p { pairs, .. } => u64::from(*pairs) * 2,
            Self::Idle { sessions, .. }
            | Self::Storm { sessions, .. }
            | Self::Register { sessions, .. } => u64::from(*sessions),
        }
    }

    pub fn tells(&self) -> bool {
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
