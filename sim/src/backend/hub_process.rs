//! The hub's process: the real server on the hub's host, started, stopped, crashed, started again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use madsim::runtime::{Handle, NodeHandle};
use madsim::task::JoinHandle;
use signal_hub::hub::{Counters, Hub, Input, Output};
use signal_hub::server::{Observer, Server};
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use crate::history::{HubEvent, Recorder, What};
use crate::net::{Net, Peers};
use crate::runtime::SimRuntime;
use crate::scenario::{HUB_HOST, HUB_PORT, Scenario};

/// How often the world that observers keep is compared with the hub itself, in inputs.
const COMPARE_EVERY: u64 = 256;

/// What was left in the hub at its latest input: rows in its tables, and its counters.
pub type Left = ([usize; 5], Counters);

/// The hub's process, running or not.
pub struct HubProcess {
    net: Net,
    recorder: Recorder,
    scenario: Arc<Scenario>,
    restarts: u32,
    running: Option<Running>,
    left: Arc<Mutex<Option<Left>>>,
}

struct Running {
    node: NodeHandle,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl HubProcess {
    pub fn new(net: Net, recorder: Recorder, scenario: Arc<Scenario>) -> Self {
        let left = Arc::default();
        Self { net, recorder, scenario, restarts: 0, running: None, left }
    }

    /// Starts a hub with empty tables.
    pub fn start(&mut self) {
        let started = What::HubStarted { restarts: self.restarts };
        self.recorder.record(self.net.elapsed(), started);
        self.restarts += 1;
        let node = Handle::current().create_node().name(HUB_HOST).build();
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = SimRuntime::new(self.net.host(HUB_HOST));
        let config = self.scenario.hub.clone();
        let tap = Tap {
            net: self.net.clone(),
            recorder: self.recorder.clone(),
            left: Arc::clone(&self.left),
            input: None,
            inputs: 0,
        };
        let ended = node.spawn(async move {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, HUB_PORT));
            let server = Server::bind(runtime, address, config, tap)
                .await
                .expect("nobody else listens at the hub's port");
            let shutdown = async {
                // A stop that is dropped is no stop: the process is killed then.
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            server.run(shutdown).await.expect("the hub's owner lives as long as the server");
        });
        self.running = Some(Running { node, stop, ended });
    }

    /// Shuts the hub down and waits until it has ended.
    pub async fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        // The receiver is gone only with the process.
        let _ = running.stop.send(());
        let _ = running.ended.await;
        Handle::current().kill(running.node.id());
        self.recorder.record(self.net.elapsed(), What::HubStopped { abruptly: false });
    }

    /// Ends the hub in the middle of whatever it does.
    pub fn crash(&mut self, peers: Peers) {
        let Some(running) = self.running.take() else { return };
        self.net.crash(HUB_HOST, peers).expect("the hub's host exists from the start");
        Handle::current().kill(running.node.id());
        self.recorder.record(self.net.elapsed(), What::HubStopped { abruptly: true });
    }

    /// What is left in the hub.
    pub fn left(&self) -> Option<Left> {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records every input of the hub with what came of it.
struct Tap {
    net: Net,
    recorder: Recorder,
    left: Arc<Mutex<Option<Left>>>,
    input: Option<Input>,
    inputs: u64,
}

impl Observer for Tap {
    fn before(&mut self, _now: Timestamp, input: &Input, _hub: &Hub) {
        self.input = Some(input.clone());
    }

    fn after(&mut self, now: Timestamp, outputs: &[Output], hub: &Hub) {
        let input = self.input.take().expect("there is an input before its outputs");
        let event = HubEvent { now, input, outputs: outputs.to_vec(), touched: hub.touched() };
        self.recorder.record(self.net.elapsed(), What::Hub(Box::new(event)));
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((hub.sizes(), *hub.counters()));
        self.inputs += 1;
        if self.inputs.is_multiple_of(COMPARE_EVERY) && !self.recorder.is_violated() {
            let all = hub.view();
            let told = self.recorder.world(|world| world.equals(&all));
            assert!(told, "the rows that the hub calls touched are all that changed");
        }
    }
}
