//! The real server, on the hub's host.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dst::backend::testbed;
use dst::backend::{Wire, WireProcess};
use signal_hub::hub::{self, Input, Output};
use signal_hub::runtime::Runtime;
use signal_hub::server::{Observer, Server, ServerLost};
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use crate::backend::FullStack;
use crate::history::{HubEvent, Stop, What};
use crate::invariants;
use crate::lower;
use crate::run;
use crate::runtime::Adapter;
use crate::scenario::HUB_HOST;

/// The server as long as it runs.
pub struct Hub {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    has_failed: Arc<AtomicBool>,
}

impl Hub {
    pub fn start<W: Wire>(stack: &FullStack<W>) -> (W::Process, Self) {
        let process = stack.wire.process(HUB_HOST, HUB_HOST);
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel::<()>();
        let (wire, runtime) = (stack.wire.clone(), Adapter(process.runtime()));
        let (config, access) = (stack.scenario.hub.clone(), lower::access(&stack.scenario));
        let tap = Tap { stack: stack.clone(), input: None, inputs: 0 };
        let (stack, has_failed) = (stack.clone(), Arc::new(AtomicBool::new(false)));
        let fails = Arc::clone(&has_failed);
        let store = match lower::store::open(&stack.scenario, &stack.disk) {
            Ok(store) => store,
            Err(error) => {
                stack.recorder.accuse(invariants::cannot_start(&error));
                None
            }
        };
        Adapter(process.runtime()).spawn(async move {
            let bound = Server::bind(runtime, wire.hub_binds(), config, tap).await;
            let mut server = bound.expect("the hub's host lets it listen").with_access(access);
            if let Some((opened, sync)) = store {
                server = server.with_store(opened, sync);
            }
            wire.hub_listens(server.local_address().expect("a listening server has an address"));
            let stopped = async move {
                // Only dropped when the process is.
                let _ = stopped.await;
            };
            match server.run(stopped).await {
                Ok(()) => {}
                Err(ServerLost::Store(_)) => {
                    fails.store(true, Ordering::Relaxed);
                    stack.record(What::HubStopped { how: Stop::Failed });
                }
                Err(lost) => panic!("{lost}"),
            }
            let _ = end.send(());
        });
        (process, Self { stop, ended, has_failed })
    }
}

impl testbed::Hub for Hub {
    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    async fn shut_down(self) -> bool {
        // The receiver is gone only with the process.
        let _ = self.stop.send(());
        let _ = self.ended.await;
        !self.has_failed.load(Ordering::Relaxed)
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
