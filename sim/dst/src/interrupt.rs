//! Ctrl-C: whoever presses it wants to see what there is so far.
//!
//! ```
//! use std::time::Duration;
//!
//! use dst::interrupt;
//!
//! interrupt::listen();
//! let mut runs = 0;
//! while !interrupt::came() {
//!     runs += 1; // plays one more
//! #   std::thread::sleep(Duration::from_millis(1));
//! #   #[cfg(unix)]
//! #   if runs == 3 {
//! #       let (this, signal) = (rustix::process::getpid(), rustix::process::Signal::INT);
//! #       rustix::process::kill_process(this, signal)?;
//! #   }
//! #   if cfg!(not(unix)) { break }
//! }
//! println!("interrupted after {runs} runs");
//! assert!(runs >= 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

/// As shells have it for a program that Ctrl-C ended.
pub const EXIT_CODE: u8 = 130;

static CAME: AtomicBool = AtomicBool::new(false);
static LAST: OnceLock<fn()> = OnceLock::new();

/// The same, and this is done before the program ends so.
pub fn listen_and_end(by: fn()) {
    // Whoever listens first says how it ends.
    let _ = LAST.set(by);
    listen();
}

/// From now on Ctrl-C, or SIGTERM, is only noted; when it comes again, the program ends.
pub fn listen() {
    let (deaf, listens) = mpsc::channel();
    #[expect(clippy::disallowed_methods, reason = "no run sees it, only who waits for one")]
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Where nobody can listen, Ctrl-C ends the program, as ever.
        let _ = runtime.and_then(|runtime| runtime.block_on(listen_to(deaf)));
    });
    let _ = listens.recv();
}

/// Returns whether it came.
pub fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

#[cfg(unix)]
async fn listen_to(deaf: Sender<()>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(deaf);
    loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => note_one(),
            _ = terminate.recv() => note_one(),
        }
    }
}

#[cfg(not(unix))]
async fn listen_to(deaf: Sender<()>) -> io::Result<()> {
    drop(deaf);
    loop {
        tokio::signal::ctrl_c().await?;
        note_one();
    }
}

fn note_one() {
    if CAME.swap(true, Ordering::Relaxed) {
        LAST.get().iter().for_each(|end| end());
        process::exit(EXIT_CODE.into());
    }
}
