//! A tap on the hub: whoever watches sees each input with the state before it, and what came of it.

use crate::hub::{Hub, Input, Output};
use crate::time::Timestamp;

/// Watches every step of a hub, in the owner's task. `()` watches nothing.
pub trait Observer: Send + 'static {
    /// `hub` is about to be given `input`.
    fn before(&mut self, now: Timestamp, input: &Input, hub: &Hub) {
        let _ = (now, input, hub);
    }

    /// `hub` has answered with `outputs`; none of them is carried out yet.
    fn after(&mut self, now: Timestamp, outputs: &[Output], hub: &Hub) {
        let _ = (now, outputs, hub);
    }
}

impl Observer for () {}
