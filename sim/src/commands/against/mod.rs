//! `against`: storms, scenario files and stories of failures, against a hub that runs.

mod files;
mod storms;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anstream::println;
use anyhow::bail;
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use dst::interrupt;
use dst::seeds::Seeds;
use signal_hub_sim::against::{self, Place, Promise, Results, Target, Times, Tongue};
use signal_hub_sim::scenario::Profile;

use super::Pages;

/// Tests a hub from outside: one that runs, or one that is started for each run.
#[derive(Args)]
pub struct Against {
    /// Where the hub listens, as ws://127.0.0.1:9000/ws.
    #[arg(required_unless_present = "exec", conflicts_with = "exec")]
    url: Option<String>,
    /// Starts the hub for each run, without a shell; {port} becomes a free port, and {config} a file with a scenario's
    /// settings of this project's hub.
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// The path of the WebSocket of a hub that --exec starts.
    #[arg(long, default_value = "/ws", requires = "exec")]
    path: String,
    /// Makes faults to a hub on another machine, if that is its very host.
    #[arg(long, value_name = "HOST")]
    allow_remote: Option<String>,
    /// What translates, as docs/DIALECTS.md says; the protocol of this project unless given.
    #[arg(long, value_name = "COMMAND")]
    dialect: Option<String>,
    /// What the hub does not promise, though its dialect does.
    #[arg(long, value_name = "PROMISE,..", value_delimiter = ',', value_parser = promise)]
    without: Vec<Promise>,
    /// For how long an address that nobody is at keeps its subscriptions.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    resume_window: Option<Duration>,
    /// After how much silence the hub ends a session.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    idle_timeout: Option<Duration>,
    /// How long the hub may take for what it does at once: a hub that is slow is not broken.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    patience: Option<Duration>,
    /// Several hubs are judged as one, of which one that stands still for so long may be taken for gone: that nobody is
    /// there whom it serves is no lie then.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    lease: Option<Duration>,
    /// How long the hub may take until it listens.
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "exec", value_parser = humantime::parse_duration)]
    start_within: Duration,
    /// Operations a second, of all clients of a run together.
    #[arg(long, default_value_t = RATE, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    rate: u32,
    /// What the hub is called in reports; its URL or its command unless given.
    #[arg(long)]
    name: Option<String>,
    /// Plays scenario files, and tells of each rule.
    #[arg(long, conflicts_with_all = ["replay", "profile", "seeds", "lasts", "budget"])]
    conform: bool,
    /// The files, or folders of files, that --conform plays.
    #[arg(long, value_name = "PATH", requires = "conform", default_value = "scenarios")]
    files: Vec<PathBuf>,
    /// Plays one file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["profile", "seeds", "lasts", "budget"])]
    replay: Option<PathBuf>,
    /// Prints the whole transcript on stdout.
    #[arg(long, requires = "replay")]
    trace: bool,
    /// What kind of storms are played.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// Which seeds: A up to B, B left out.
    #[arg(long, value_name = "A..B", default_value = "0..20")]
    seeds: Seeds,
    /// How long the steps of each storm last.
    #[arg(long, value_name = "TIME", default_value = "12s", value_parser = humantime::parse_duration)]
    lasts: Duration,
    /// Begins no storm after this time.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    budget: Option<Duration>,
    /// Runs at the same time: most of a run is waiting.
    #[arg(long, default_value_t = 16, value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    jobs: usize,
    /// Begins no storm after a failure.
    #[arg(long)]
    fail_fast: bool,
    /// How long the shrinking of one failure may take; 0s leaves failures as they are.
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = humantime::parse_duration)]
    shrink: Duration,
    /// How often each candidate is tried, and a file that broke something.
    #[arg(long, default_value_t = 3, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100))]
    tries: usize,
    /// What stdout gets.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    pages: Pages,
}

/// Operations a second, unless told otherwise.
const RATE: u32 = 10_000;
const START_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each rule and each file.
    Text,
    /// All results.
    Json,
}

/// A promise by its word.
fn promise(word: &str) -> Result<Promise, String> {
    Promise::ALL.into_iter().find(|promise| promise.to_string() == word).ok_or_else(|| {
        let all = Promise::ALL.map(|promise| promise.to_string());
        format!("there are {}", all.join(", "))
    })
}

impl Against {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If the hub or its dialect does not start, or a file cannot be read or written.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let target = Arc::new(self.target()?);
        interrupt::listen_and_end(against::end_all);
        let results = if let Some(file) = &self.replay {
            self.replay(file, &target)
        } else if self.conform {
            self.conform(&target)
        } else {
            self.storms(&target)
        };
        against::end_all();
        let results = results?;
        match self.format {
            Format::Text => print(&results.text()),
            Format::Json => print(&results.json()),
        }
        self.pages.write(std::slice::from_ref(&results))?;
        Ok(ExitCode::from(results.exit_code))
    }

    fn target(&self) -> anyhow::Result<Target> {
        let place = match (&self.url, &self.exec) {
            (Some(url), _) => Place::running(url, self.allow_remote.as_deref())?,
            (None, Some(command)) => Place::command(command, &self.path)?,
            (None, None) => bail!("name a hub: its URL, or --exec COMMAND"),
        };
        let tongue = match &self.dialect {
            Some(command) => Tongue::Child(against::words(command)?),
            None => Tongue::Own,
        };
        let mut target = Target::new(place, tongue);
        target.without = self.without.iter().copied().collect();
        let (resume_window, idle_timeout) = (self.resume_window, self.idle_timeout);
        let (patience, lease) = (self.patience, self.lease);
        target.times = Times { resume_window, idle_timeout, patience, lease };
        (target.start_within, target.rate) = (self.start_within, self.rate);
        Ok(target)
    }

    fn results(&self, played: String) -> Results {
        let place = self.url.as_deref().or(self.exec.as_deref()).unwrap_or_default();
        let hub = self.name.as_deref().unwrap_or(place);
        Results::of(hub, self.dialect.as_deref().unwrap_or("signal-hub"), played)
    }

    /// What this was started with, as far as it says which hub.
    fn command(&self) -> String {
        let quoted = |text: &str| against::quoted(text);
        let mut command = "cargo sim against".to_owned();
        let mut add =
            |flag: &str, value: &str| command.push_str(&format!(" {flag} {}", quoted(value)));
        self.exec.iter().for_each(|exec| add("--exec", exec));
        if self.path != "/ws" {
            add("--path", &self.path);
        }
        self.allow_remote.iter().for_each(|host| add("--allow-remote", host));
        self.dialect.iter().for_each(|dialect| add("--dialect", dialect));
        let without: Vec<String> = self.without.iter().map(ToString::to_string).collect();
        if !without.is_empty() {
            add("--without", &without.join(","));
        }
        let times = [
            ("--resume-window", self.resume_window),
            ("--idle-timeout", self.idle_timeout),
            ("--patience", self.patience),
            ("--lease", self.lease),
            ("--start-within", Some(self.start_within).filter(|time| *time != START_WITHIN)),
        ];
        for (flag, time) in times {
            time.iter().for_each(|time| add(flag, &humantime::format_duration(*time).to_string()));
        }
        if self.rate != RATE {
            add("--rate", &self.rate.to_string());
        }
        let url = self.url.iter().map(|url| format!(" {}", quoted(url))).collect::<String>();
        command + &url
    }
}

fn print(text: &str) {
    println!("{}", text.trim_end());
}
