//! The message backend: the hub, the clients' state and raw sessions on a queue of events, connected
//! by links that carry whole messages. No bytes, no tasks, no sockets: fast.

mod agenda;
mod client;
mod client_end;
mod executor;
mod hub;
mod network;
mod process;
mod raw;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod websocket;
mod world;

use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dst::backend::direct;
use dst::backend::testbed::{self, Doing, Order, Platform, Testbed, done, ended};
use dst::disk::Disk;
use signal_hub::client::Command;
use signal_hub::hub::Sizes;
use tokio::sync::oneshot;

use self::agenda::Event;
use self::client::ClientId;
use self::client_end::Holder;
use self::executor::Tasks;
use self::hub::Hub;
use self::process::{MessageProcess, Role};
use self::raw::RawId;
use self::world::World;
use super::belief::Belief;

use crate::SignalHub;
use crate::history::ClientName;
use crate::lower::{self, Commands, RawSession, Wishes};
use crate::net::Fault;
use crate::run::Recorder;
use crate::scenario::{HUB_HOST, HUB_PORT, Scenario};

/// Plays the scenario to its end or to the first violation; tells how long that took.
pub fn play(scenario: Arc<Scenario>, recorder: Recorder) -> Duration {
    play_until(None, scenario, recorder)
}

/// The same, but not beyond that time.
pub fn play_until(end: Option<Duration>, scenario: Arc<Scenario>, recorder: Recorder) -> Duration {
    let world = World::new(Arc::clone(&scenario), recorder.clone());
    let world = Arc::new(Mutex::new(world));
    let disk = Disk::new(scenario.seed);
    let platform = MessagePlatform { world, tasks: Tasks::default(), disk };
    let testbed = Testbed::new(Arc::clone(&scenario), platform.clone(), recorder.clone());
    let over = end.map_or_else(|| -> Doing { Box::pin(pending()) }, |end| platform.sleep(end));
    let root = async {
        tokio::select! {
            biased;
            () = over => {}
            () = direct(&scenario, &testbed, &recorder) => {}
        }
    };
    executor::run(root, &platform.tasks, || platform.world().step());
    platform.elapsed()
}

/// A handle to the world and to the few tasks beside it.
#[derive(Clone)]
struct MessagePlatform {
    world: Arc<Mutex<World>>,
    tasks: Tasks,
    /// Of the hub's machine.
    disk: Disk,
}

impl MessagePlatform {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the world, and all that follows from it at once.
    fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let result = change(&mut world);
        world.settle();
        result
    }

    fn process(&self, role: Role) -> MessageProcess {
        MessageProcess { platform: self.clone(), role }
    }
}

impl Platform<SignalHub> for MessagePlatform {
    type Process = MessageProcess;
    type Hub = Hub;
    type Client = MessageClient;
    type Raw = MessageRaw;

    const LATE_MAX: Duration = Duration::ZERO;

    fn elapsed(&self) -> Duration {
        self.world().now
    }

    fn sleep(&self, duration: Duration) -> Doing {
        let (wake, woken) = oneshot::channel();
        self.world().plan(duration, Event::Wake(wake));
        ended(woken)
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        begin: impl FnOnce() -> F + Send + 'static,
    ) -> Doing {
        self.tasks.spawn(begin())
    }

    fn inject(&self, fault: Fault) {
        self.world().inject(fault);
    }

    fn settle(&self) {
        self.world().settle();
    }

    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn start_hub(&self) -> (MessageProcess, Hub) {
        let life = self.with(|world| world.start_hub(&self.disk));
        (self.process(Role::Hub(life)), Hub { platform: self.clone(), life })
    }

    fn left(&self) -> Option<Sizes> {
        self.world().left()
    }

    fn start_client(&self, name: ClientName, wishes: &Wishes) -> (MessageProcess, MessageClient) {
        let id = self.with(|world| {
            let host = world.network.host(&name.actor);
            let hub = lower::hub_url(&format!("{HUB_HOST}:{HUB_PORT}"));
            let config = wishes.config(hub, world.clock());
            world.start_client(name, host, config, wishes.own().clone())
        });
        let process = self.process(Role::Holder(Holder::Client(id)));
        (process, MessageClient(self.clone(), id))
    }

    fn start_raw(&self, name: ClientName) -> (MessageProcess, MessageRaw) {
        let id = self.with(|world| {
            let host = world.network.host(&name.who().to_string());
            let session = RawSession::of(&world.scenario, self.began(), &name);
            world.add_raw(name, host, session)
        });
        let process = self.process(Role::Holder(Holder::Raw(id)));
        (process, MessageRaw(self.clone(), id))
    }
}

/// A handle to a client.
struct MessageClient(MessagePlatform, ClientId);

impl testbed::Client<SignalHub> for MessageClient {
    fn obey(&self, commands: Commands) -> Doing {
        let (platform, id) = (self.0.clone(), self.1);
        let mut told = commands
            .into_iter()
            .map(move |command| platform.with(|world| world.command(id, command)));
        let Some(first) = told.next() else { return done() };
        if told.len() == 0 {
            return ended(first);
        }
        self.0.tasks.spawn(async move {
            let _ = first.await;
            for next in told {
                let _ = next.await;
            }
        })
    }

    fn leave(&self) -> Doing {
        self.obey(vec![Command::Disconnect { reason: None }])
    }

    fn belief<T>(&self, look: impl FnOnce(&Belief) -> T) -> T {
        look(&self.0.world().client(self.1).expect("it has not been killed").belief)
    }
}

/// A handle to a raw connection.
struct MessageRaw(MessagePlatform, RawId);

impl testbed::Raw<SignalHub> for MessageRaw {
    fn order(&self, order: Order<SignalHub>) {
        self.0.with(|world| world.order(self.1, order));
    }
}
