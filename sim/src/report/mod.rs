//! What people get to see of this hub: a failure as a story, a run as a transcript and as a page.

mod causes;
mod changes;
mod html;
mod links;
mod picture;
mod story;
mod told;
mod words;

use std::fmt::Write;
use std::path::Path;

pub use dst::report::{
    Detail, Pace, Results, annotations, earlier_tries, explanation, failure, junit, step_summary,
    summary, verdict,
};
pub(crate) use html::{PALETTE, fill};
pub use html::{html, html_of_two};
pub use story::story;
pub use told::{past, told};

use crate::SignalHub;
use crate::backend::Backend;
use crate::history::{Event, What};
use crate::invariants::Shadow;
use crate::scenario::Profile;

/// The command that plays a seed again and prints everything.
pub fn replay_command(profile: Profile, backend: Backend, seed: u64) -> String {
    dst::report::replay_command::<SignalHub>(profile, backend, seed)
}

/// The command that plays a scenario file again.
pub fn replay_file_command(file: &Path, backend: Backend) -> String {
    dst::report::replay_file_command::<SignalHub>(file, backend)
}

/// The messages that arrived: at which event each was sent, and at which it was received.
pub fn messages(events: &[Event]) -> Vec<(usize, usize)> {
    let arrows = links::Links::of(events).arrows;
    arrows.iter().filter_map(|arrow| Some((arrow.from, arrow.arrived()?))).collect()
}

/// All events, one or more lines each, and the digest of the hub's state at each milestone.
pub fn transcript(events: &[Event]) -> String {
    let mut text = String::new();
    let mut shadow = Shadow::default();
    for event in events {
        let _ = writeln!(text, "{event}");
        if let What::Hub(hub) = &event.what {
            shadow.put_off(&hub.input);
        }
        shadow.apply(event);
        if matches!(event.what, What::Run(_)) {
            let _ = writeln!(text, "                state {:016x}", shadow.digest());
        }
    }
    text
}
