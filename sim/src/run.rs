//! A run of this hub under way.

use dst::run;
use signal_hub::hub::Hub;

use crate::SignalHub;

pub use dst::run::Keep;

/// A handle to the history of one run.
pub type Recorder = run::Recorder<SignalHub>;

/// How often the shadow that observers keep is compared with the hub itself, in inputs.
const COMPARE_EVERY: u64 = 256;

/// Looks at the hub after an input: at its counters, and at the whole of it now and then (I28).
pub fn audit(recorder: &Recorder, hub: &Hub, inputs: u64) {
    if inputs.is_multiple_of(COMPARE_EVERY) {
        recorder.check_now(|judge| judge.compare(hub));
    } else {
        let (sessions, counters) = (hub.sizes().sessions, *hub.counters());
        recorder.check(move |judge| judge.balance(sessions, &counters));
    }
}
