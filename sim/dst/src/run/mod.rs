//! A run under way: each event is judged, counted and kept before the next one happens. Whoever expects
//! something of the run waits here for it.

mod inbox;
mod recorder;

pub use recorder::{Keep, Recorder, Recording};
