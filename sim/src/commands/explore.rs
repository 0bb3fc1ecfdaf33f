//! `explore`: every order of events of a few actors.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstream::{eprintln, print, println};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use dst::interrupt;
use indicatif::ProgressBar;
use signal_hub_sim::backend::{self, Backend};
use signal_hub_sim::explore::{
    ACTORS_MAX, CONNECTIONS_MAX, DECLARATIONS_MAX, Explored, Found, HubsExplored, HubsSize,
    LAG_MAX, Patience, Plan, Progress, Size, WRITES_MAX, explore, explore_hubs,
};
use signal_hub_sim::invariants::Invariant;
use signal_hub_sim::run::Keep;
use signal_hub_sim::{failures, report, scenario};

use super::now;

/// How long the shrinking of what is found may take.
const SHRINK_BUDGET: Duration = Duration::from_secs(30);
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Explores every order of events of a few actors, on the core alone.
///
/// Exit codes: 0 no invariant broke, be everything explored or not: stdout says which; 1 usage or
/// environment; 2 an invariant broke; 5 no move was made, which proves nothing.
#[derive(Args)]
pub struct Explore {
    /// Who takes part.
    #[arg(long, default_value_t = 2, value_parser = count(1, ACTORS_MAX))]
    actors: usize,
    /// Connections of one actor at one time; when one is over, there may be another.
    #[arg(long, default_value_t = 2, value_parser = count(1, CONNECTIONS_MAX))]
    connections: usize,
    /// Messages that may wait for one connection, which is then slow; 0: nothing is sent.
    #[arg(long, default_value_t = 0, value_parser = count(0, 8))]
    sends: usize,
    /// The hub demands tokens, and all actors want the address that the first one's token names.
    #[arg(long)]
    principals: bool,
    /// The first actor recovers what it missed, the others only send; at least one message may wait.
    #[arg(long, conflicts_with = "principals")]
    recovery: bool,
    /// So many hubs that share an engine, and one actor that is connected to each, in place of one hub.
    #[arg(long, value_name = "HUBS", value_parser = count(2, 2))]
    #[arg(conflicts_with_all = ["actors", "connections", "sends", "principals", "recovery"])]
    hubs: Option<usize>,
    /// With hubs: writes of which nobody hears what became of them.
    #[arg(long, default_value_t = 1, value_parser = count(0, 4), requires = "hubs")]
    unknown: usize,
    /// With hubs: how often one stands still.
    #[arg(long, default_value_t = 0, value_parser = count(0, 4), requires = "hubs")]
    pauses: usize,
    /// With hubs: what the actor says and connections of it that end, at most; 0: without limit.
    #[arg(long, default_value_t = 3, value_parser = count(0, 99), requires = "hubs")]
    words: usize,
    /// With hubs: how often the actor connects anew.
    #[arg(long, default_value_t = 0, value_parser = count(0, 4), requires = "hubs")]
    returns: usize,
    /// Moves in a row at most; all there are unless given.
    #[arg(long, value_name = "MOVES")]
    depth: Option<usize>,
    /// Goes no further after this time, such as 60s or 10m.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    budget: Option<Duration>,
    /// What stdout gets.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    /// Everything that was found, without times.
    Json,
}

fn count(min: usize, max: usize) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(min as u64..=max as u64)
}

impl Explore {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if self.hubs.is_some() {
            return Ok(self.run_hubs());
        }
        let Self { actors, connections, principals, recovery, depth, .. } = self;
        let sends = self.sends.max(usize::from(recovery));
        let size = Size { actors, connections, sends, principals, recovery };
        let plan = Plan { depth, ..Plan::of(size) };
        interrupt::listen();
        let mut watch = Watch::begin(self.budget);
        let explored = explore(&plan, &mut |progress| watch.look(progress));
        watch.bar.finish_and_clear();
        match self.format {
            Format::Text => print!("{}", self.text(&explored, now() - watch.begun)),
            Format::Json => println!("{}", self.json(&explored)),
        }
        match &explored.found {
            None if explored.progress.depth == 0 => Ok(ExitCode::from(5)),
            None => Ok(ExitCode::SUCCESS),
            Some(found) => {
                leave(found)?;
                Ok(ExitCode::from(2))
            }
        }
    }

    fn run_hubs(&self) -> ExitCode {
        let Self { unknown, pauses, words, returns, depth, .. } = *self;
        interrupt::listen();
        let mut watch = Watch::begin(self.budget);
        let words = (words > 0).then_some(words);
        let size = HubsSize { unknown, pauses, words, returns, depth };
        let explored = explore_hubs(size, &mut |progress| watch.look(progress));
        watch.bar.finish_and_clear();
        match self.format {
            Format::Text => print!("{}", hubs_text(&size, &explored, now() - watch.begun)),
            Format::Json => println!("{}", hubs_json(&size, &explored)),
        }
        match &explored.found {
            None if explored.progress.depth == 0 => ExitCode::from(5),
            None => ExitCode::SUCCESS,
            Some((broken, way)) => {
                eprintln!("seen     {}", broken.what);
                way.iter().for_each(|step| eprintln!("         {step}"));
                ExitCode::from(2)
            }
        }
    }

    fn text(&self, explored: &Explored, took: Duration) -> String {
        let found = explored.found.as_ref();
        let found = found.map(|found| (found.moves.len(), found.violation.invariant));
        let told = told(&explored.progress, explored.exhausted, found, took);
        format!(
            "size      actors {}, connections {} each, sends {}, principals {}, recovery {}\n{told}",
            self.actors,
            self.connections,
            self.sends.max(usize::from(self.recovery)),
            self.principals,
            self.recovery
        )
    }

    fn json(&self, explored: &Explored) -> serde_json::Value {
        let found = explored.found.as_ref().map(|found| {
            serde_json::json!({
                "invariant": found.violation.invariant,
                "evidence": found.violation.evidence,
                "moves": found.moves.len(),
            })
        });
        serde_json::json!({
            "actors": self.actors,
            "connections": self.connections,
            "sends": self.sends,
            "principals": self.principals,
            "recovery": self.recovery,
            "states": explored.progress.states,
            "reached": explored.progress.reached,
            "depth": explored.progress.depth,
            "exhausted": explored.exhausted,
            "found": found,
        })
    }
}

fn hubs_text(size: &HubsSize, explored: &HubsExplored, took: Duration) -> String {
    let found = explored.found.as_ref().map(|(broken, way)| (way.len(), broken.invariant));
    let told = told(&explored.progress, explored.exhausted, found, took);
    let HubsSize { unknown, pauses, words, returns, .. } = size;
    let words = words.map_or("without limit".to_owned(), |words| words.to_string());
    format!(
        "size      hubs 2, unknown writes {unknown}, pauses {pauses}, words {words}, returns {returns}\n\
         bounds    writes under way {WRITES_MAX}, lag {LAG_MAX}, declarations {DECLARATIONS_MAX}\n{told}"
    )
}

fn hubs_json(size: &HubsSize, explored: &HubsExplored) -> serde_json::Value {
    let found = explored.found.as_ref().map(|(broken, way)| {
        serde_json::json!({
            "invariant": broken.invariant,
            "evidence": broken.what,
            "moves": way.len(),
        })
    });
    serde_json::json!({
        "hubs": 2,
        "unknown": size.unknown,
        "pauses": size.pauses,
        "words": size.words,
        "returns": size.returns,
        "states": explored.progress.states,
        "reached": explored.progress.reached,
        "depth": explored.progress.depth,
        "exhausted": explored.exhausted,
        "found": found,
    })
}

/// How far it came, and what that means.
fn told(
    progress: &Progress,
    exhausted: bool,
    found: Option<(usize, Invariant)>,
    took: Duration,
) -> String {
    let Progress { states, reached, depth } = progress;
    let verdict = match (found, exhausted) {
        (Some((moves, invariant)), _) => format!("FAILED: {moves} moves break {invariant}"),
        (None, _) if *depth == 0 => "VOID: no move was made, which proves nothing".to_owned(),
        (None, true) => "exhausted: in no order does any invariant break".to_owned(),
        (None, false) => "NOT exhausted: no invariant broke as far as this went".to_owned(),
    };
    format!(
        "states    {states} that differ, reached in {reached} ways\n\
         depth     {depth} moves\n\
         time      {took:.1?}\n\
         {verdict}\n"
    )
}

/// Leaves what was found as a scenario file, shrunk if the message backend shows it, too.
fn leave(found: &Found) -> anyhow::Result<()> {
    let outcome = backend::play(&found.scenario, Backend::Message, Keep::Nothing)?;
    let there = outcome.violation.map(|violation| violation.invariant);
    if there != Some(found.violation.invariant) {
        let name = format!("explored-{:?}.json", found.violation.invariant);
        let file = Path::new(failures::DIRECTORY).join(name);
        std::fs::create_dir_all(failures::DIRECTORY)?;
        std::fs::write(&file, scenario::write(&found.scenario))?;
        let there = there.map_or("breaks nothing".to_owned(), |other| format!("breaks {other}"));
        eprintln!("seen     {}", found.violation.evidence);
        eprintln!("moves    {:?}", found.moves);
        eprintln!("scenario {}: on the message backend it {there}", file.display());
        return Ok(());
    }
    let mut shrunk = super::shrink(&found.scenario, Backend::Message, SHRINK_BUDGET)?;
    shrunk.scenario.races = Some("found by exploration, on whole messages".to_owned());
    let file = failures::leave(Path::new(failures::DIRECTORY), &shrunk)?;
    let replay = report::replay_file_command(&file, Backend::Message);
    eprint!("{}", report::failure(&shrunk.outcome, &replay));
    eprintln!("scenario {}", file.display());
    for step in &shrunk.scenario.steps {
        eprintln!("         {step}");
    }
    Ok(())
}

/// Tells whoever waits how far it is.
struct Watch {
    bar: ProgressBar,
    begun: Instant,
    /// When the latest line was written, where there is no terminal.
    told: Option<Instant>,
    budget: Option<Duration>,
}

impl Watch {
    fn begin(budget: Option<Duration>) -> Self {
        let begun = now();
        let told = (!std::io::stderr().is_terminal()).then_some(begun);
        let bar = if told.is_some() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        Self { bar, begun, told, budget }
    }

    fn look(&mut self, progress: &Progress) -> Patience {
        let Progress { states, reached, depth } = progress;
        let (now, elapsed) = (now(), now() - self.begun);
        let line = format!(
            "{:.0} s: {states} states that differ of {reached}, {depth} moves deep",
            elapsed.as_secs_f64()
        );
        match &mut self.told {
            None => self.bar.set_message(line),
            Some(told) if now - *told >= LINE_EVERY => {
                *told = now;
                eprintln!("{line}");
            }
            Some(_) => {}
        }
        self.bar.tick();
        if interrupt::came() || self.budget.is_some_and(|budget| elapsed >= budget) {
            Patience::Ended
        } else {
            Patience::Waits
        }
    }
}
