//! The workloads, each from its first connection to its record.

use std::sync::Arc;
use std::time::Duration;

use signal_hub::runtime::{Runtime, Tokio};

use crate::serve::EndSignals;

use super::crew::{Crew, Cut, Opened};
use super::figures::{Figures, Latencies};
use super::pace::{Loop, Pace, Schedule};
use super::plan::{Names, Plan};
use super::process::{Servers, Spent, Usage};
use super::progress::Progress;
use super::session::Opener;

/// So that what the opening left to do is done before anything is measured.
const REST: Duration = Duration::from_millis(500);
/// A message that was due so shortly before the end may have been about to go.
const GRACE: Duration = Duration::from_millis(10);
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What all workloads share.
pub struct Run {
    pub opener: Arc<Opener>,
    pub names: Names,
    pub signals: EndSignals,
    pub servers: Option<Servers>,
    /// Sessions that are opened at a time.
    pub at_once: usize,
}

/// What lets messages go, and for how long.
pub struct Flow {
    /// Of each lane; without a rate.
    pub window: usize,
    /// Of all lanes together.
    pub per_second: Option<f64>,
    pub warm_up: Duration,
    pub duration: Duration,
}

/// All that is known of a run.
pub struct Record {
    pub sessions: usize,
    pub opened: Opened,
    /// What the opening used.
    pub opening: Spent,
    /// The hub's memory before the sessions were opened and after.
    pub rss: Option<(u64, u64)>,
    pub measured: Spent,
    pub unit: &'static str,
    pub count: u64,
    pub behind: u64,
    pub all_back: Vec<Duration>,
    pub figures: Figures,
    pub cut: Option<Cut>,
}

impl Run {
    /// Messages for a while, after a warm-up.
    pub async fn flow(&mut self, plan: Plan, flow: &Flow) -> Result<Record, Cut> {
        let lanes = plan.lanes;
        let (mut crew, mut record) = self.open(plan).await?;
        let begin = Tokio.monotonic();
        let schedule = |per_second| Loop::Open(Schedule { begin, per_second, lanes });
        let closed = Loop::Closed { window: flow.window };
        let loop_ = flow.per_second.map_or(closed, schedule);
        crew.send_at(Pace { loop_, messages_max: None });
        self.pass(&mut crew, "warming up", flow.warm_up).await?;
        let from = Usage::now(self.servers.as_ref());
        crew.exchange().measure_from(from.at);
        let cut = self.pass(&mut crew, "measuring", flow.duration).await.err();
        let until = Usage::now(self.servers.as_ref());
        {
            let mut exchange = crew.exchange();
            exchange.measure_until(until.at);
            exchange.drain();
            let due = until.at.saturating_sub(begin + GRACE).as_secs_f64();
            let due = (due * flow.per_second.unwrap_or_default()) as u64;
            record.behind = due.saturating_sub(exchange.figures().integrity.sent);
        }
        record.cut = match cut {
            Some(Cut::Lost(why)) => Some(Cut::Lost(why)),
            None | Some(Cut::Interrupted) => crew.settle(&mut self.signals).await.err().or(cut),
        };
        record.figures = crew.exchange().figures();
        record.measured = until.since(&from);
        (record.unit, record.count) = ("deliveries", record.figures.deliveries);
        crew.leave().await;
        Ok(record)
    }

    /// Sessions that do nothing for a while, and then each gets a message.
    pub async fn idle(&mut self, sessions: usize, duration: Duration) -> Result<Record, Cut> {
        let (mut crew, mut record) = self.open(Plan::ring(&self.names, sessions)).await?;
        let from = Usage::now(self.servers.as_ref());
        record.cut = self.pass(&mut crew, "holding", duration).await.err();
        record.measured = Usage::now(self.servers.as_ref()).since(&from);
        let seconds = record.measured.time.as_secs_f64();
        (record.unit, record.count) = ("session-seconds", (seconds * sessions as f64) as u64);
        if record.cut.is_none() {
            record.cut = self.call_roll(&mut crew).await.err();
            record.figures = crew.exchange().figures();
        }
        crew.leave().await;
        Ok(record)
    }

    /// All sessions are reset and come back at once, again and again.
    pub async fn storm(&mut self, sessions: usize, rounds: u32) -> Result<Record, Cut> {
        let (mut crew, mut record) = self.open(Plan::ring(&self.names, sessions)).await?;
        record.unit = "sessions";
        record.opened.each = Latencies::default();
        for round in 1..=rounds {
            self.names.round = round;
            let plan = Plan::ring(&self.names, sessions);
            let progress = Progress::begin(&format!("storm {round} of {rounds}"), sessions as u64);
            let from = Usage::now(self.servers.as_ref());
            crew.cut().await;
            let step = || progress.step();
            let opened;
            (crew, opened) =
                Crew::open(&self.opener, plan, sessions, &mut self.signals, step).await?;
            let spent = Usage::now(self.servers.as_ref()).since(&from);
            record.measured += spent;
            record.all_back.push(spent.time);
            record.count += sessions as u64;
            record.opened.each.add(&opened.each);
            self.pass(&mut crew, "resting", REST).await?;
            record.cut = self.call_roll(&mut crew).await.err();
            let figures = crew.exchange().figures();
            record.figures.integrity.add(&figures.integrity);
            for (why, count) in figures.refused {
                *record.figures.refused.entry(why).or_default() += count;
            }
            if record.cut.is_some() {
                break;
            }
        }
        crew.leave().await;
        Ok(record)
    }

    /// Each session registers so many addresses.
    pub async fn register(
        &mut self,
        sessions: usize,
        addresses: u64,
        window: usize,
    ) -> Result<Record, Cut> {
        let (mut crew, mut record) = self.open(Plan::registrars(&self.names, sessions)).await?;
        let _progress = Progress::begin("registering", 1);
        let from = Usage::now(self.servers.as_ref());
        crew.exchange().measure_from(from.at);
        crew.send_at(Pace { loop_: Loop::Closed { window }, messages_max: Some(addresses) });
        record.cut = crew.settle(&mut self.signals).await.err();
        record.measured = Usage::now(self.servers.as_ref()).since(&from);
        record.measured.time = crew.exchange().latest().saturating_sub(from.at);
        record.figures = crew.exchange().figures();
        (record.unit, record.count) = ("registrations", record.figures.answers);
        crew.leave().await;
        Ok(record)
    }

    async fn open(&mut self, plan: Plan) -> Result<(Crew, Record), Cut> {
        let sessions = plan.seats.len();
        let rss_before = self.rss();
        let from = Usage::now(self.servers.as_ref());
        let (mut crew, opened) = {
            let progress =
                Progress::begin(&format!("opening {sessions} sessions"), sessions as u64);
            let step = || progress.step();
            Crew::open(&self.opener, plan, self.at_once, &mut self.signals, step).await?
        };
        let opening = Usage::now(self.servers.as_ref()).since(&from);
        self.pass(&mut crew, "resting", REST).await?;
        let record = Record {
            sessions,
            opened,
            opening,
            rss: rss_before.zip(self.rss()),
            measured: Spent::default(),
            unit: "",
            count: 0,
            behind: 0,
            all_back: Vec::new(),
            figures: Figures::default(),
            cut: None,
        };
        Ok((crew, record))
    }

    /// One message for each session, which must arrive.
    async fn call_roll(&mut self, crew: &mut Crew) -> Result<(), Cut> {
        crew.send_at(Pace { loop_: Loop::Closed { window: 1 }, messages_max: Some(1) });
        crew.settle(&mut self.signals).await
    }

    async fn pass(&mut self, crew: &mut Crew, stage: &str, time: Duration) -> Result<(), Cut> {
        let steps = time.as_secs_f64() / TELL_EVERY.as_secs_f64();
        let progress = Progress::begin(stage, steps.ceil() as u64);
        let passing = async {
            let mut left = time;
            while !left.is_zero() {
                let step = left.min(TELL_EVERY);
                Tokio.sleep(step).await;
                left -= step;
                progress.step();
            }
        };
        crew.until(&mut self.signals, passing).await
    }

    fn rss(&self) -> Option<u64> {
        self.servers.as_ref().and_then(|servers| servers.rss().ok())
    }
}
