//! A tap on the hub: an observer sees each input with the state before it, and the outputs with the
//! state after it.

use crate::hub::{Hub, Input, Output};
use crate::time::Timestamp;

/// Watches every step of a hub, in the owner's task. `()` ignores everything.
pub trait Observer: Send + 'static {
    /// Whether it looks at what it is shown; if not, the hub makes no audit records for it.
    const WATCHES: bool = true;

    /// `hub` is about to handle `input`.
    fn before(&mut self, now: Timestamp, input: &Input, hub: &Hub) {
        let _ = (now, input, hub);
    }

    /// `hub` gave `outputs`; none of them is carried out yet.
    fn after(&mut self, now: Timestamp, outputs: &[Output], hub: &Hub) {
        let _ = (now, outputs, hub);
    }
}

impl Observer for () {
    const WATCHES: bool = false;
}
