//! Directs a run on whatever backend: the steps, then heal, calm, probe, leave, rest
//! (docs/SIMULATION.md).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::deploy::Deploy;
use super::testbed::{Doing, Platform, Testbed};
use crate::history::{Milestone, What};
use crate::run::Recorder;
use crate::scenario::What as Happening;
use crate::scenario::{ActorKind, Ending, Expect, Expectation, Scenario, Step, When, Who};
use crate::verdict::{Invariant, Violation};

/// How often the director looks whether it is calm.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What faults leave in flight has arrived after this.
const SETTLE: Duration = Duration::from_secs(5);
/// What a probe may take beyond the network's latency: timers have a resolution of 1 ms.
const PROBE_SLACK: Duration = Duration::from_millis(100);
/// How long a step may take that another one waits for.
const STEP_WITHIN: Duration = Duration::from_secs(60);

/// Plays the scenario to its end or to the first violation; the recorder knows.
pub async fn direct<S: Deploy, P: Platform<S>>(
    scenario: &Scenario<S>,
    testbed: &Testbed<S, P>,
    recorder: &Recorder<S>,
) {
    let director = Director { scenario, testbed, recorder };
    tokio::select! {
        biased;
        () = recorder.violated() => {}
        played = director.play() => {
            if let Err(violation) = played {
                recorder.accuse(violation);
            }
        }
    }
}

struct Director<'a, S: Deploy, P: Platform<S>> {
    scenario: &'a Scenario<S>,
    testbed: &'a Testbed<S, P>,
    recorder: &'a Recorder<S>,
}

impl<S: Deploy, P: Platform<S>> Director<'_, S, P> {
    async fn play(&self) -> Result<(), Violation<S>> {
        self.steps().await?;
        match self.scenario.ending {
            Ending::Stop => Ok(()),
            Ending::Calm => {
                self.reach(Milestone::Heal);
                self.testbed.heal().await;
                self.calm().await?;
                self.probe().await?;
                self.rest().await
            }
        }
    }

    async fn steps(&self) -> Result<(), Violation<S>> {
        self.reach(Milestone::Storm);
        self.testbed.return_the_absent();
        let mut before: Doing = Box::pin(std::future::ready(()));
        for (number, step) in (1..).zip(&self.scenario.steps) {
            match step.when {
                When::At(at) => self.sleep_until(at).await,
                When::After(pause) => {
                    self.wait_for(number - 1, before).await?;
                    self.testbed.sleep(pause).await;
                }
                When::Then => self.wait_for(number - 1, before).await?,
            }
            before = self.step(number, step).await?;
        }
        self.wait_for(self.scenario.steps.len(), before).await
    }

    /// Begins a step; one that expects something is over when it has seen it.
    async fn step(&self, number: usize, step: &Step<S>) -> Result<Doing, Violation<S>> {
        let what = What::Step { number, step: Arc::new(step.clone()) };
        self.recorder.record(self.testbed.elapsed(), what);
        if let Happening::Act { who, act, .. } = &step.what
            && let Some(expected) = act.expects()
        {
            self.expect(number, who, &expected).await?;
            return Ok(Box::pin(std::future::ready(())));
        }
        Ok(self.testbed.act(number, &step.what))
    }

    async fn wait_for(&self, number: usize, doing: Doing) -> Result<(), Violation<S>> {
        let never = || format!("step {number} is not done within {STEP_WITHIN:?}");
        self.within(STEP_WITHIN, doing, never).await
    }

    async fn expect(
        &self,
        number: usize,
        who: &Who,
        expected: &Expect,
    ) -> Result<(), Violation<S>> {
        match expected {
            Expect::Sees(expected) => self.sees(number, who, expected).await,
            Expect::SeesNo { kind, lasts } => {
                self.testbed.sleep(*lasts).await;
                if self.recorder.unseen(who).contains(kind) {
                    return Err(unmet(format!("step {number}: {who} saw {kind} all the same")));
                }
                Ok(())
            }
            Expect::ClosedWith { code } => {
                let never = || format!("step {number}: {who}'s connection is still open");
                let closed = self.within(SETTLE, self.recorder.closed(who), never).await?;
                if closed != *code {
                    let seen = format!("{who} was closed with {closed:?}, not {code:?}");
                    return Err(unmet(format!("step {number}: {seen}")));
                }
                Ok(())
            }
        }
    }

    async fn sees(
        &self,
        number: usize,
        who: &Who,
        expected: &Expectation,
    ) -> Result<(), Violation<S>> {
        let never = || {
            let seen = self.recorder.unseen(who).join(", ");
            let wanted = &expected.kind;
            format!("step {number}: {who} does not see {wanted}; unnoticed came: [{seen}]")
        };
        self.within(expected.within, self.recorder.sees(who, expected), never).await
    }

    /// Waits, but not for ever.
    async fn within<T>(
        &self,
        bound: Duration,
        wait: impl Future<Output = T>,
        otherwise: impl FnOnce() -> String,
    ) -> Result<T, Violation<S>> {
        let begin = self.testbed.elapsed();
        tokio::select! {
            biased;
            result = wait => Ok(result),
            () = self.testbed.sleep(bound) => Err(unmet(otherwise()).waited_since(begin)),
        }
    }

    /// L1, L2: within a bound the hub and the clients agree on who is there, and go on agreeing for
    /// as long as a connection that is dead could still look alive.
    async fn calm(&self) -> Result<(), Violation<S>> {
        let quiet = S::quiet(self.scenario) + SETTLE;
        let begin = self.testbed.elapsed();
        let end = begin + S::calm_within(self.scenario);
        let mut agreed_since = None;
        let mut seen = None;
        loop {
            self.testbed.sleep(LOOK_EVERY).await;
            let (now, events) = (self.testbed.elapsed(), self.recorder.count());
            let long_enough = agreed_since.is_some_and(|since| now >= since + quiet);
            // Where nothing has happened since the latest look, only the last one is worth it.
            if seen == Some(events) && !long_enough {
                continue;
            }
            self.testbed.return_the_absent();
            let beliefs = self.testbed.beliefs();
            match self.recorder.look(|judge| S::check_agreement(judge, &beliefs)) {
                Ok(()) if long_enough => break,
                Ok(()) => (agreed_since, seen) = (agreed_since.or(Some(now)), Some(events)),
                Err(violation) if now >= end => return Err(violation.waited_since(begin)),
                Err(_) => (agreed_since, seen) = (None, None),
            }
        }
        self.reach(Milestone::Calm);
        Ok(())
    }

    /// L4: every actor asks every other one, and itself. One after the other: the bounds that a
    /// crowd could reach are not what is probed.
    async fn probe(&self) -> Result<(), Violation<S>> {
        self.reach(Milestone::Probe);
        let usual = self.scenario.network.latency_max() * 2 + PROBE_SLACK;
        let within = usual + P::LATE_MAX * 2 + S::holds_back(self.scenario);
        let attempts = S::probe_attempts(self.scenario);
        let clients = || {
            let actors = self.scenario.actors.iter();
            actors.filter(|actor| actor.kind == ActorKind::Client).map(|actor| &actor.name)
        };
        // By turns: one actor after the other has time to regain its rate.
        for to in clients() {
            for from in clients() {
                let payload = serde_json::json!(format!("{from} to {to}")).to_string();
                if S::probe(to, &payload).is_empty() {
                    continue;
                }
                let begin = self.testbed.elapsed();
                for attempt in 1.. {
                    self.testbed.probe(from, to, &payload);
                    let end = self.testbed.elapsed() + within;
                    self.testbed.sleep(usual).await;
                    while !self.recorder.has_probe(&payload) && self.testbed.elapsed() < end {
                        self.testbed.sleep(LOOK_EVERY).await;
                    }
                    if self.recorder.has_probe(&payload) {
                        break;
                    }
                    if attempt == attempts {
                        return Err(S::unanswered(&payload, within).waited_since(begin));
                    }
                    self.testbed.sleep(SETTLE).await;
                }
            }
        }
        Ok(())
    }

    /// I34, L5: all clients vanish without a word; when all deadlines are past, nothing is left. Of a hub that
    /// nobody looks into, nobody knows.
    async fn rest(&self) -> Result<(), Violation<S>> {
        let begin = self.testbed.elapsed();
        self.reach(Milestone::Leave);
        if self.testbed.left().await.is_none() {
            return Ok(());
        }
        self.testbed.vanish();
        let rest = S::rest(self.scenario);
        self.testbed.sleep(rest + SETTLE).await;
        self.reach(Milestone::Rest);
        let Some(left) = self.testbed.left().await else { return Ok(()) };
        if S::check_rest(left).is_ok() {
            return Ok(());
        }
        self.testbed.sleep(rest + SETTLE).await;
        let later = self.testbed.left().await.unwrap_or(left);
        S::check_rest_in_time(left, later).map_err(|violation| violation.waited_since(begin))
    }

    fn reach(&self, milestone: Milestone) {
        self.recorder.record(self.testbed.elapsed(), What::Run(milestone));
    }

    async fn sleep_until(&self, at: Duration) {
        let wait = at.saturating_sub(self.testbed.elapsed());
        if !wait.is_zero() {
            self.testbed.sleep(wait).await;
        }
    }
}

fn unmet<S: Deploy>(evidence: String) -> Violation<S> {
    Violation::new(S::Invariant::EXPECTED, evidence)
}
