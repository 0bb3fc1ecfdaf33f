//! L6: once the faults are over, nobody takes an address back and forth: each connection takes it
//! over at most once.

use std::collections::BTreeMap;

use signal_hub::hub::{Output, Record};
use signal_hub::protocol::ActorAddress;

use super::super::shadow::is_open;
use super::super::{Invariant, RunObserver, Shadow, Verdict, broken};
use crate::history::{Event, Milestone, What};

/// L6. Counts from the moment in which all faults are lifted; before that, steps may have one
/// session take an address as often as they like.
#[derive(Default)]
pub struct PingPong {
    since_heal: Option<Takeovers>,
}

struct Takeovers {
    /// Sessions that were there, and those that came.
    sessions: u64,
    of: BTreeMap<ActorAddress, u64>,
}

impl RunObserver for PingPong {
    fn observe(&mut self, event: &Event, shadow: &Shadow) -> Verdict {
        match (&event.what, &mut self.since_heal) {
            (What::Run(Milestone::Heal), _) => {
                let sessions = shadow.sessions().filter(|(_, row)| is_open(row)).count() as u64;
                self.since_heal = Some(Takeovers { sessions, of: BTreeMap::new() });
            }
            (What::Hub(hub), Some(takeovers)) => {
                for output in &hub.outputs {
                    if let Output::Audit(record) = output {
                        takeovers.record(record)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Takeovers {
    fn record(&mut self, record: &Record) -> Verdict {
        match record {
            Record::SessionOpened { .. } => self.sessions += 1,
            Record::DuplicateConnectionDetected { actor_address, .. } => {
                let count = self.of.entry(actor_address.clone()).or_default();
                *count += 1;
                if *count > self.sessions {
                    return broken(
                        Invariant::L6,
                        format!(
                            "{actor_address} was taken over {count} times by {} connections",
                            self.sessions
                        ),
                    );
                }
            }
            _ => {}
        }
        Ok(())
    }
}
