//! The real backend: the full stack on tokio and loopback TCP, and between its
//! sockets the network with its faults, on real time. Time is
//! real here, and so is the machine: nothing repeats exactly.

mod bridge;
mod clock;
mod network;
mod process;
mod pulse;
mod sockets;
mod wire;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use self::network::Network;
use self::pulse::Pulse;
use self::wire::RealWire;
use super::deploy::Deploy;
use super::once::Lasted;
use super::{Skipped, stack};
use crate::interrupt;
use crate::run::Recorder;
use crate::scenario::{Act, Ending, Expect, Scenario, What as Doing, When};
use crate::verdict::{Invariant, Violation};

/// A scenario whose steps take longer is not played.
const STEPS_LAST_MAX: Duration = Duration::from_secs(30 * 60);
/// What a run may take beyond its steps.
const OVERTIME: Duration = Duration::from_secs(10 * 60);

/// How long an interruption waits for a run to notice it.
const LOOK_UP_EVERY: Duration = Duration::from_millis(200);

/// Plays the scenario to its end or to the first violation.
///
/// # Errors
/// If this backend cannot play it.
pub fn play<S: Deploy>(
    scenario: Arc<Scenario<S>>,
    recorder: &Recorder<S>,
) -> Result<Lasted, Skipped> {
    let steps_last = steps_last(&scenario);
    if steps_last > STEPS_LAST_MAX {
        let reason = format!("its steps take {}", humantime::format_duration(steps_last));
        return Err(Skipped { reason });
    }
    let bound = steps_last + OVERTIME + ending_lasts(&scenario);
    let (ended, end) = mpsc::channel();
    let recording = recorder.clone();
    let run = move || {
        let played = panic::catch_unwind(AssertUnwindSafe(|| run(&scenario, &recording)));
        let took = played.unwrap_or_else(|payload| {
            recording.accuse(Violation::of_panic(&*payload));
            Duration::ZERO
        });
        // Nobody listens to a run that is too late.
        let _ = ended.send(took);
    };
    let pulse = Pulse::begin();
    #[expect(clippy::disallowed_methods, reason = "a real run has a thread of its own")]
    std::thread::spawn(run);
    let mut waited = Duration::ZERO;
    let run = loop {
        match end.recv_timeout(LOOK_UP_EVERY) {
            Ok(took) => break took,
            Err(_) if interrupt::came() => {
                return Err(Skipped { reason: "it was interrupted".to_owned() });
            }
            Err(_) if waited >= bound => {
                let evidence = format!("the run is not over after {bound:?}");
                recorder.accuse(Violation::new(S::Invariant::EXPECTED, evidence));
                break bound;
            }
            Err(_) => waited += LOOK_UP_EVERY,
        }
    };
    Ok(Lasted { run, standstill: pulse.end() })
}

/// One thread: events are recorded in the order in which they happen.
fn run<S: Deploy>(scenario: &Arc<Scenario<S>>, recorder: &Recorder<S>) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system lets a runtime begin");
    let took = runtime.block_on(direct(scenario, recorder));
    // A task that is stuck must not keep the run.
    runtime.shutdown_background();
    took
}

async fn direct<S: Deploy>(scenario: &Arc<Scenario<S>>, recorder: &Recorder<S>) -> Duration {
    let (seed, link) = (scenario.seed, scenario.network.clone());
    let network = Network::new(seed, link, stack::sink(recorder));
    let accusing = recorder.clone();
    let panicked = Arc::new(move |payload: &(dyn Any + Send)| {
        accusing.accuse(Violation::of_panic(payload));
    });
    stack::play(scenario, &RealWire { network, panicked }, recorder).await
}

/// How long the steps take if everything that is waited for comes at the last moment.
fn steps_last<S: Deploy>(scenario: &Scenario<S>) -> Duration {
    scenario.steps.iter().fold(Duration::ZERO, |last, step| {
        let begins = match step.when {
            When::At(at) => last.max(at),
            When::After(pause) => last.saturating_add(pause),
            When::Then => last,
        };
        let lasts = match &step.what {
            Doing::Act { act: Act::Expect(Expect::Sees(expected)), .. } => expected.within,
            Doing::Act { act: Act::Expect(Expect::SeesNo { lasts, .. }), .. } => *lasts,
            Doing::Act { .. } | Doing::Hub(_) | Doing::Network(_) => Duration::ZERO,
        };
        begins.saturating_add(lasts)
    })
}

/// How long it takes, about, until all deadlines are past.
fn ending_lasts<S: Deploy>(scenario: &Scenario<S>) -> Duration {
    match scenario.ending {
        Ending::Stop => Duration::ZERO,
        Ending::Calm => S::quiet(scenario).saturating_add(S::rest(scenario)),
    }
}
