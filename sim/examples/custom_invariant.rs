//! An invariant of one's own, judged beside all others in campaigns of this hub: found, shrunk, told and drawn like
//! them. This one does not hold, for the hub gives an address to whoever comes last.
//!
//! ```sh
//! cargo run --package signal-hub-sim --example custom_invariant -- run --backend message --profile takeover
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;

use signal_hub::hub::Record;
use signal_hub::protocol::ActorAddress;
use signal_hub_sim::SignalHub;
use signal_hub_sim::history::{Event, What};
use signal_hub_sim::invariants::{Invariant, RunObserver, Shadow, Violation, judge_also};

/// What failures tell for a replay.
const COMMAND: &str = "cargo run --package signal-hub-sim --example custom_invariant --";

/// An address is taken over once at most.
#[derive(Default)]
struct TakenOverOnce(BTreeMap<ActorAddress, u32>);

impl RunObserver for TakenOverOnce {
    fn observe(&mut self, event: &Event, _before: &Shadow) -> Result<(), Violation> {
        let What::Hub(hub) = &event.what else { return Ok(()) };
        for record in hub.records() {
            let Record::DuplicateConnectionDetected { actor_address, .. } = record else {
                continue;
            };
            let times = self.0.entry(actor_address.clone()).or_default();
            *times += 1;
            if *times > 1 {
                let evidence = format!("{actor_address} was taken over {times} times");
                return Err(Violation::new(Invariant::Own, evidence));
            }
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    judge_also(COMMAND, |_scenario| Box::new(TakenOverOnce::default()));
    dst::commands::main::<SignalHub>()
}
