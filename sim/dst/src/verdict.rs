//! What must hold and what must have come up, as far as the engine knows: who judges, who watches, and
//! what a violation says.
//!
//! [`Echo`](crate::service#all-of-one)'s judge, and an event that is wrong:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::System;
//! use dst::history::ClientKind;
//! use dst::verdict::{Judge, Time};
//!
//! let mut judge = <Echo as System>::Judge::new(&Scenario::default(), Time::Virtual);
//! let client = ClientName { actor: "alice".into(), kind: ClientKind::Client, number: 1 };
//! let event = Seen::Noted(Note::Hears("hi".to_owned()));
//! let heard = Event { at: Duration::from_secs(1), what: What::Client { client, event } };
//! let violation = judge.observe(&heard).unwrap_err();
//! assert_eq!(violation.invariant, Invariant::LinesComeBack);
//! assert_eq!(violation.evidence, r#"alice#1 hears "hi", "" was to come"#);
//! # Ok(())
//! # }
//! ```

use std::any::Any;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;

use crate::System;
use crate::coverage::Sightings;
use crate::history::Event;
use crate::scenario::Scenario;

/// What must hold. The engine itself finds four broken.
pub trait Invariant:
    Debug
    + Display
    + Clone
    + Copy
    + PartialEq
    + Eq
    + PartialOrd
    + Ord
    + Hash
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// Every invariant, in the order of reports.
    const ALL: &'static [Self];
    /// What a step expects comes.
    const EXPECTED: Self;
    /// Nothing panics.
    const NO_PANIC: Self;
    /// A run is the same wherever it is played.
    const DETERMINISTIC: Self;
    /// Two backends show the same.
    const SAME_ON_BACKENDS: Self;

    /// What must hold, in one sentence.
    fn sentence(self) -> &'static str;

    /// Returns whether it says that something good happens in the end, not that nothing bad ever does.
    fn is_liveness(self) -> bool;

    /// Returns whether it can seem to be broken because the machine stood still.
    fn goes_by_time(self) -> bool;

    /// Returns whether the last event of the history shows that it is broken, not the run as a whole.
    fn is_shown_by_event(self) -> bool;

    /// Returns whether this program judges it, so that a report has a case for it.
    fn is_judged(self) -> bool {
        true
    }
}

/// An invariant that does not hold, and how that shows. No larger than a pointer: whoever judges says at every event
/// that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation<S: System>(Box<Broken<S>>);

/// What a [`Violation`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken<S: System> {
    /// What does not hold.
    pub invariant: S::Invariant,
    /// What was seen, with names and numbers.
    pub evidence: String,
    /// When something began that was waited for in vain: no event shows what never came.
    pub waited_since: Option<Duration>,
}

impl<S: System> Violation<S> {
    /// That the invariant does not hold.
    #[cold]
    pub fn new(invariant: S::Invariant, evidence: impl Into<String>) -> Self {
        Self(Box::new(Broken { invariant, evidence: evidence.into(), waited_since: None }))
    }

    /// The same, found by a wait in vain that began then.
    pub fn waited_since(mut self, at: Duration) -> Self {
        self.0.waited_since = Some(at);
        self
    }

    /// What a panic breaks.
    pub fn of_panic(payload: &(dyn Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(payload.downcast_ref::<&str>().copied())
            .unwrap_or("(no message)");
        Self::new(S::Invariant::NO_PANIC, message)
    }
}

impl<S: System> Deref for Violation<S> {
    type Target = Broken<S>;

    fn deref(&self) -> &Broken<S> {
        &self.0
    }
}

/// Whose time a run goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Nothing takes longer than the scenario says.
    Virtual,
    /// The machine's, which may be slow.
    Real,
}

/// Judges a run, event by event, on its history alone.
pub trait Judge<S: System>: Send + 'static {
    /// A judge of a run of the scenario.
    fn new(scenario: &Scenario<S>, time: Time) -> Self;

    /// Reads one event.
    ///
    /// # Errors
    /// What breaks at it.
    fn observe(&mut self, event: &Event<S>) -> Result<(), Violation<S>>;
}

/// Sees what comes up in a run.
pub trait Watch<S: System>: Send + 'static {
    /// Watches a run of the scenario.
    fn new(scenario: &Scenario<S>) -> Self;

    /// Reads one event; the judge has not read it yet.
    fn observe(&mut self, event: &Event<S>, judge: &S::Judge);

    /// What came up so far in the run of `seed`, which the judge has read, too.
    fn sightings(&self, seed: u64, judge: &S::Judge) -> Sightings<S::Situation>;

    /// The shape that the hub has.
    fn shape(&self, judge: &S::Judge) -> S::Shape;
}

/// Compares what two processes tell of one run, line by line.
///
/// # Errors
/// If they differ.
pub fn check_same<S: System>(here: &str, there: &str) -> Result<(), Violation<S>> {
    if here == there {
        return Ok(());
    }
    let number = here.lines().zip(there.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(number).unwrap_or("(the end)").to_owned();
    let evidence = format!(
        "from line {} on:\nthis process:  {}\nother process: {}",
        number + 1,
        line(here),
        line(there)
    );
    Err(Violation::new(S::Invariant::DETERMINISTIC, evidence))
}

/// Makes an enum of what must hold, with the four that the engine itself finds broken. A `safety` is
/// broken by the event that shows it, a `liveness` by a wait in vain.
///
/// ```
/// dst::invariants! {
///     /// What must hold of an echo server.
///     pub enum Invariant {
///         safety EveryLineComesBack: "What a client says comes back to it, line by line, in order.",
///     }
/// }
/// use dst::verdict::Invariant as _;
/// assert_eq!(Invariant::ALL, [Invariant::EveryLineComesBack]);
/// assert!(Invariant::EXPECTED.is_liveness());
/// ```
#[macro_export]
macro_rules! invariants {
    (@is_liveness safety) => {
        false
    };
    (@is_liveness liveness) => {
        true
    };
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($sort:ident $variant:ident: $sentence:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name {
            $(#[doc = $sentence] $variant,)*
            /// What a step or a probe waits for comes.
            Expected,
            /// Nothing panics.
            NoPanic,
            /// A run is the same wherever it is played.
            Deterministic,
            /// Two backends show the same.
            SameOnBackends,
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(self, f)
            }
        }

        impl $crate::__serde::Serialize for $name {
            fn serialize<S: $crate::__serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl $crate::verdict::Invariant for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];
            const EXPECTED: Self = Self::Expected;
            const NO_PANIC: Self = Self::NoPanic;
            const DETERMINISTIC: Self = Self::Deterministic;
            const SAME_ON_BACKENDS: Self = Self::SameOnBackends;

            fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)*
                    Self::Expected => "What a step or a probe waits for comes.",
                    Self::NoPanic => "Nothing panics.",
                    Self::Deterministic => "A run is the same wherever it is played.",
                    Self::SameOnBackends => "Two backends show the same.",
                }
            }

            fn is_liveness(self) -> bool {
                match self {
                    $(Self::$variant => $crate::invariants!(@is_liveness $sort),)*
                    Self::Expected => true,
                    Self::NoPanic | Self::Deterministic | Self::SameOnBackends => false,
                }
            }

            fn goes_by_time(self) -> bool {
                self.is_liveness()
            }

            fn is_shown_by_event(self) -> bool {
                match self {
                    $(Self::$variant => !self.is_liveness(),)*
                    Self::Expected | Self::NoPanic | Self::Deterministic | Self::SameOnBackends => {
                        false
                    }
                }
            }
        }
    };
}
