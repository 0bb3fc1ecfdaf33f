//! A run under way: its events are judged, counted and kept one after the other. Whoever expects something of the run
//! waits here for it.
//!
//! Of [`Echo`](crate::service#all-of-one), by hand:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::history::ClientKind;
//! use dst::run::{Keep, Recorder};
//! use dst::verdict::Time;
//!
//! let recorder = Recorder::<Echo>::new(&Scenario::default(), Keep::All, Time::Virtual);
//! let client = ClientName { actor: "alice".into(), kind: ClientKind::Client, number: 1 };
//! let hears = |text: &str| Seen::Noted(Note::Hears(text.to_owned()));
//! for (at, event) in [(1, Seen::Connected), (2, hears("hi")), (3, hears("ho"))] {
//!     let what = What::Client { client: client.clone(), event };
//!     recorder.record(Duration::from_secs(at), what);
//! }
//! assert!(recorder.is_violated(), "nobody said that");
//! let recording = recorder.finish();
//! assert_eq!(recording.events.len(), 2, "a run ends with its first violation");
//! # Ok(())
//! # }
//! ```

mod inbox;
mod recorder;

pub use recorder::{Keep, Recorder, Recording};
