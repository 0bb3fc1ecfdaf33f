//! Whether the machine itself keeps going: a run in real time is not to be blamed where it did not.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::runtime::{Runtime, Tokio};

/// How often it beats.
const BEAT: Duration = Duration::from_millis(10);

/// A thread that does nothing but wake up, and knows how late that was. It looks at none of what the
/// run does: whoever blocks the run's own thread does not make the machine stand still.
pub struct Pulse {
    end: Sender<()>,
    thread: JoinHandle<Duration>,
}

impl Pulse {
    pub fn begin() -> Self {
        let (end, ended) = mpsc::channel();
        // From here on: a busy machine may take its time to let the thread begin.
        let mut before = Tokio.monotonic();
        let beat = move || {
            let mut latest = Duration::ZERO;
            loop {
                let over = ended.recv_timeout(BEAT) != Err(RecvTimeoutError::Timeout);
                let now = Tokio.monotonic();
                latest = latest.max((now - before).saturating_sub(BEAT));
                before = now;
                if over {
                    return latest;
                }
            }
        };
        #[expect(clippy::disallowed_methods, reason = "it is about threads of the machine")]
        let thread = std::thread::spawn(beat);
        Self { end, thread }
    }

    /// The longest time that the machine stood still, since the beginning.
    pub fn end(self) -> Duration {
        // A thread that has panicked has nobody to listen.
        let _ = self.end.send(());
        self.thread.join().expect("a beat does not panic")
    }
}
