//! The short way: a server and its client as two functions, what must hold of what they note, and the
//! scenario of a seed. Every [`Service`] is a [`System`](crate::System) that can be deployed. Raw connections,
//! a disk, agreement at the end, a model by messages: who wants these implements `System` and
//! [`Deploy`](crate::backend::Deploy), as the whole of this folder does.
//!
//! # All of one
//!
//! A server that sends lines back, with a bug. The examples of other modules are about it.
//!
//! ```
#![doc = include_str!("echo.rs")]
//!
//! // A hundred runs, each in a world of its own.
//! use dst::backend::Backend;
//! use dst::campaign::{self, Plan, Watcher};
//!
//! let plan = Plan::<Echo>::of(Profile::Stalls, Backend::Simulated, 0..100);
//! let findings = campaign::run(&plan, &Watcher::SILENT);
//! assert_eq!(findings.runs, 100);
//! assert!(!findings.failures.is_empty(), "some stall made two lines arrive at once");
//! ```

mod client;
mod deploy;
mod seen;

use std::fmt::{Debug, Display};
use std::future::Future;
use std::sync::Arc;

pub use client::{Order, Orders};
pub use deploy::{Client, Memory, Nobody, Presence, Running, Watch, Wishes};
pub use seen::{Got, Nothing, Seen, Sight};

use crate::history::Event;
use crate::runtime::Runtime;
use crate::scenario::Scenario;
use crate::system::{Action, Profile, Values};
use crate::verdict::{Invariant, Violation};

/// A server with its clients, in as few words as there can be.
pub trait Service: Debug + Default + Clone + Copy + PartialEq + Eq + Send + Sync + 'static {
    /// How the server is set: `"hub"` in a scenario file.
    type Settings: Values;
    /// What a step can tell a client to do; `"do"` in a file names it.
    type Action: Action + 'static;
    /// What server and clients note.
    type Note: Note;
    /// What must hold; [`invariants!`](crate::invariants) makes one.
    type Invariant: Invariant;
    /// What has to be remembered to judge that.
    type Memory: Default + Send + 'static;
    /// What a client keeps from one connection to the next, until its process ends; `()` if nothing.
    type Kept: Default + Send + 'static;
    /// What kinds of scenarios there are.
    type Profile: Profile;

    /// What it is called.
    const NAME: &str;
    /// How its simulator is started from a shell.
    const COMMAND: &str;
    /// What has to be noted in every campaign of [a thousand runs](crate::campaign::ENFORCED_FROM) or more, by
    /// [`Note::kind`]: without it, that nothing failed proves nothing. `connected` and `lost` are a client's
    /// connections.
    const MUST_COME_UP: &[&str] = &[];

    /// The server: serves for as long as it is polled. It is not told of its end: a restart, in order or not, drops it.
    fn serve<R: Runtime>(
        runtime: R,
        listener: R::Listener,
        settings: Self::Settings,
        log: Log<Self::Note>,
    ) -> impl Future<Output = ()> + Send;

    /// A client on one connection, until that ends or there are no more orders. It is called again with the
    /// next connection, unless the orders are over. Time, for heartbeats, leases and answers that do not come, is
    /// the `runtime`'s; tokio's own knows nothing of the simulated one, and panics.
    fn talk<R: Runtime>(
        runtime: R,
        stream: R::Stream,
        kept: &mut Self::Kept,
        orders: &mut Orders<Self::Action>,
        log: Log<Self::Note>,
    ) -> impl Future<Output = ()> + Send;

    /// Judges one event. A client whose process crashes notes nothing more, its lost connection neither: that it
    /// crashed is a step ([`ProcessAct::Crash`](crate::scenario::ProcessAct::Crash)).
    ///
    /// # Errors
    /// What breaks at it.
    fn judge(memory: &mut Self::Memory, event: &Event<Self>) -> Result<(), Violation<Self>>;

    /// The scenario of a seed. The same seed and profile always give the same one.
    fn generate(profile: Self::Profile, seed: u64) -> Scenario<Self>;

    /// What makes the client that does it note this as a [message](Note::message), in the end; nothing if there is
    /// no such action. The payload has spaces: `alice to alice`.
    fn probe(payload: &str) -> Option<Self::Action> {
        let _ = payload;
        None
    }
}

/// What server and clients note.
pub trait Note: Debug + Display + Clone + Send + Sync + 'static {
    /// What sort of note it is: of an enum, the variant in lower case; of `LetsGo`, `letsgo`.
    fn kind(&self) -> String {
        let text = format!("{self:?}");
        let word = text.split(|c: char| !c.is_alphanumeric()).next();
        word.unwrap_or_default().to_lowercase()
    }

    /// The message that came to a client, if one did: what `sees` and probes wait for, word by word.
    fn message(&self) -> Option<&str> {
        None
    }

    /// By what a message is known wherever it comes: it is drawn as an arrow from a client that notes it to the
    /// server, and from there to each client to which it is a [message](Self::message).
    fn carries(&self) -> Option<&str> {
        None
    }
}

/// Takes notes. Cloning gives another handle.
pub struct Log<N>(Arc<dyn Fn(N) + Send + Sync>);

impl<N> Clone for Log<N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<N> Log<N> {
    fn new(sink: impl Fn(N) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Takes down what happened now.
    pub fn note(&self, note: N) {
        (self.0)(note);
    }
}
