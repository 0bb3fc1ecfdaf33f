//! L8: a shutdown tells everybody, closes everybody, lets nobody in, and ends.

use std::time::Duration;

use signal_hub::hub::{Input, Output, SessionKey};
use signal_hub::protocol::CloseReason;

use super::super::shadow::is_open;
use super::super::{Invariant, RunObserver, Shadow, Verdict, broken};
use crate::history::{Event, HubEvent, Milestone, What};
use crate::scenario::{HubAction, Scenario, What as Doing};

/// What a busy machine may add, where time is real.
const SLACK: Duration = Duration::from_secs(5);

/// L8.
pub struct Shutdown {
    within: Duration,
    /// When it began.
    since: Option<Duration>,
}

impl Shutdown {
    /// Queues have `shutdown_timeout` to empty, and each close handshake `close_timeout`; a hub that
    /// a step has stand still does nothing for as long.
    pub fn new(scenario: &Scenario) -> Self {
        let pauses = scenario.steps.iter().map(|step| match &step.what {
            Doing::Hub(HubAction::Pause { lasts }) => *lasts,
            Doing::Hub(
                HubAction::Restart { .. }
                | HubAction::Shutdown
                | HubAction::DiskFull { .. }
                | HubAction::DiskFails { .. },
            )
            | Doing::Act { .. }
            | Doing::Network(_) => Duration::ZERO,
        });
        let hub = &scenario.hub;
        let within = hub.shutdown_timeout + hub.close_timeout + SLACK + pauses.sum::<Duration>();
        Self { within, since: None }
    }
}

impl RunObserver for Shutdown {
    fn observe(&mut self, event: &Event, shadow: &Shadow) -> Verdict {
        match &event.what {
            What::Hub(hub) if matches!(hub.input, Input::Shutdown) => {
                self.since = Some(event.at);
                everybody_is_told(hub, shadow)
            }
            What::Hub(hub) if self.since.is_some() => nobody_is_let_in(hub),
            What::HubStopped { .. } | What::Run(Milestone::Calm) => {
                let took = self.since.take().map(|since| event.at.saturating_sub(since));
                match took.filter(|took| *took > self.within) {
                    None => Ok(()),
                    Some(took) => {
                        broken(Invariant::L8, format!("the shutdown is not over after {took:?}"))
                    }
                }
            }
            _ => Ok(()),
        }
    }
}

fn everybody_is_told(hub: &HubEvent, shadow: &Shadow) -> Verdict {
    for (key, _) in shadow.sessions().filter(|(_, row)| is_open(row)) {
        let told =
            hub.outputs.iter().any(|output| matches!(output, Output::Send(to, _) if *to == key));
        let closed = closes(hub, key);
        if closed.is_none() || closed == Some(CloseReason::ServerShutdown) && !told {
            let evidence = format!("{key} is not told of the shutdown, or not closed");
            return broken(Invariant::L8, evidence);
        }
    }
    Ok(())
}

fn nobody_is_let_in(hub: &HubEvent) -> Verdict {
    match hub.input {
        Input::Opened(key, _) if closes(hub, key) != Some(CloseReason::ServerShutdown) => {
            broken(Invariant::L8, format!("{key} is let in by a hub that shuts down"))
        }
        _ => Ok(()),
    }
}

fn closes(hub: &HubEvent, key: SessionKey) -> Option<CloseReason> {
    hub.outputs.iter().find_map(|output| match output {
        Output::Close(closed, reason) | Output::Linger(closed, reason) if *closed == key => {
            Some(*reason)
        }
        Output::Send(..) | Output::Close(..) | Output::Linger(..) | Output::Audit(_) => None,
    })
}
