//! A tap on the hub: an observer sees each input with the state before it, and the outputs with the
//! state after it; of a node also what it hears of its engine and asks it.

use crate::cluster::engine::{Event, Request};
use crate::hub::{Hub, Input, Output};
use crate::time::Timestamp;

/// Watches every step of a hub, in the owner's task. `()` ignores everything.
///
/// ```
/// use std::sync::mpsc;
///
/// use signal_hub::hub::{Config, Hub, Input};
/// use signal_hub::runtime::Tokio;
/// use signal_hub::server::{Observer, Server};
/// use signal_hub::time::Timestamp;
///
/// /// Tells of each input; whoever watches must not wait.
/// struct Inputs(mpsc::Sender<Input>);
///
/// impl Observer for Inputs {
///     fn before(&mut self, _now: Timestamp, input: &Input, _hub: &Hub) {
///         let _ = self.0.send(input.clone());
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (told, inputs) = mpsc::channel();
/// let address = "127.0.0.1:0".parse()?;
/// let server = Server::bind(Tokio, address, Config::default(), Inputs(told)).await?;
/// server.run(async {}).await?;
/// assert!(inputs.iter().any(|input| input == Input::Shutdown));
/// # Ok(())
/// # }
/// ```
pub trait Observer: Send + 'static {
    /// Whether it looks at what it is shown; if not, the hub makes no audit records for it.
    const WATCHES: bool = true;

    /// `hub` is about to handle `input`.
    fn before(&mut self, now: Timestamp, input: &Input, hub: &Hub) {
        let _ = (now, input, hub);
    }

    /// `hub`, which is a node, is about to hear `event` of its engine.
    fn hears(&mut self, now: Timestamp, event: &Event, hub: &Hub) {
        let _ = (now, event, hub);
    }

    /// `hub`, which is a node, asks this of its engine, in order, after what it heard or was given: nothing, if it has
    /// nothing to ask. None of it is under way yet.
    fn asks(&mut self, now: Timestamp, requests: &[Request], hub: &Hub) {
        let _ = (now, requests, hub);
    }

    /// `hub` gave `outputs`, of an input or what it heard; none of them is carried out yet.
    fn after(&mut self, now: Timestamp, outputs: &[Output], hub: &Hub) {
        let _ = (now, outputs, hub);
    }
}

impl Observer for () {
    const WATCHES: bool = false;
}
