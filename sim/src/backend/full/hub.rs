//! The real server, on the hub's host.

use dst::backend::testbed;
use dst::backend::{Wire, WireProcess};
use signal_hub::hub::{self, Input, Output};
use signal_hub::runtime::Runtime;
use signal_hub::server::{Observer, Server};
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use crate::backend::FullStack;
use crate::history::{HubEvent, What};
use crate::lower;
use crate::run;
use crate::runtime::Adapter;
use crate::scenario::HUB_HOST;

/// The server as long as it runs.
pub struct Hub {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Hub {
    pub fn start<W: Wire>(stack: &FullStack<W>) -> (W::Process, Self) {
        let process = stack.wire.process(HUB_HOST, HUB_HOST);
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel::<()>();
        let (wire, runtime) = (stack.wire.clone(), Adapter(process.runtime()));
        let (config, access) = (stack.scenario.hub.clone(), lower::access(&stack.scenario));
        let tap = Tap { stack: stack.clone(), input: None, inputs: 0 };
        Adapter(process.runtime()).spawn(async move {
            let bound = Server::bind(runtime, wire.hub_binds(), config, tap).await;
            let server = bound.expect("the hub's host lets it listen").with_access(access);
            wire.hub_listens(server.local_address().expect("a listening server has an address"));
            let stopped = async move {
                // Only dropped when the process is.
                let _ = stopped.await;
            };
            server.run(stopped).await.expect("a hub that is stopped ends well");
            let _ = end.send(());
        });
        (process, Self { stop, ended })
    }
}

impl testbed::Hub for Hub {
    async fn shut_down(self) {
        // The receiver is gone only with the process.
        let _ = self.stop.send(());
        let _ = self.ended.await;
    }
}

/// Records every input of the hub with what came of it.
struct Tap<W: Wire> {
    stack: FullStack<W>,
    input: Option<Input>,
    inputs: u64,
}

impl<W: Wire> Observer for Tap<W> {
    fn before(&mut self, _now: Timestamp, input: &Input, _hub: &hub::Hub) {
        self.input = Some(input.clone());
    }

    fn after(&mut self, now: Timestamp, outputs: &[Output], hub: &hub::Hub) {
        let input = self.input.take().expect("there is an input before its outputs");
        let (outputs, touched, work) = (outputs.to_vec(), hub.touched(), hub.work());
        let event = HubEvent { now, input, outputs, touched, work };
        self.stack.record(What::Hub(Box::new(event)));
        self.stack.note_left(hub.sizes());
        self.inputs += 1;
        run::audit(&self.stack.recorder, hub, self.inputs);
    }
}
