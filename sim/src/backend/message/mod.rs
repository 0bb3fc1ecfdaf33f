//! The message backend: the hub, the clients' state and raw sessions on a queue of events, connected
//! by links that carry whole messages. No bytes, no tasks, no sockets: fast.

mod actor;
mod agenda;
mod alarm;
mod client;
mod client_end;
mod executor;
mod hub_process;
mod network;
mod raw;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod websocket;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use signal_hub::client::{Command, RequestCommand};
use signal_hub::hub::Sizes;
use signal_hub::protocol::{self, ActorAddress, Json, Pattern, Verb};
use tokio::sync::oneshot;

use self::actor::Actor;
use self::agenda::Event;
use self::client::ClientId;
use self::executor::Tasks;
use self::hub_process::{crash_hub, stop_hub};
use self::raw::{Order, RawId};
use self::world::World;
use super::deed::Deed;
use super::director;
use super::stage::{Doing, Stage};
use crate::history::PROBE;
use crate::history::{ClientKind, ClientName};
use crate::invariants::Agreement;
use crate::lower::{self, RawSession};
use crate::net::{Fault, Peers};
use crate::run::Recorder;
use crate::scenario::{Act, Action, ActorKind, HUB_HOST, HubAction, Scenario, What, Who};

/// Plays the scenario to its end or to the first violation; tells how long that took.
pub fn play(scenario: Arc<Scenario>, recorder: Recorder) -> Duration {
    let stage = MessageStage::new(Arc::clone(&scenario), recorder.clone());
    let world = Rc::clone(&stage.world);
    let root = async {
        tokio::select! {
            biased;
            () = recorder.violated() => {}
            () = director::direct(&scenario, &stage, &recorder) => {}
        }
    };
    executor::run(root, &stage.tasks, || world.borrow_mut().step());
    world.borrow().now
}

struct MessageStage {
    scenario: Arc<Scenario>,
    world: Rc<RefCell<World>>,
    tasks: Tasks,
    /// Held by whoever stops and starts the hub.
    hub: Rc<tokio::sync::Mutex<()>>,
    actors: BTreeMap<String, Rc<RefCell<Actor>>>,
    raws: RefCell<BTreeMap<Who, RawId>>,
}

/// What a pause stops.
#[derive(Clone, Copy)]
enum Process {
    Hub(u32),
    Client(ClientId),
    Raw(RawId),
}

impl MessageStage {
    fn new(scenario: Arc<Scenario>, recorder: Recorder) -> Self {
        let world = World::new(Arc::clone(&scenario), recorder);
        let world = Rc::new(RefCell::new(world));
        let actors = scenario.actors.iter().map(|actor| {
            let name = actor.name.clone();
            (name, Rc::new(RefCell::new(Actor::new(actor, &world, &scenario))))
        });
        Self {
            actors: actors.collect(),
            world,
            tasks: Tasks::default(),
            hub: Rc::default(),
            raws: RefCell::default(),
            scenario,
        }
    }

    fn actor(&self, name: &str) -> &Rc<RefCell<Actor>> {
        self.actors.get(name).expect("a step names an actor of its scenario")
    }

    fn client_acts(&self, number: usize, name: &str, speaker: Option<&str>, act: &Act) -> Doing {
        let actor = self.actor(name);
        match Deed::of(name, act) {
            Deed::Fault(fault) => self.fault(fault),
            Deed::Pause(lasts) => {
                let clients = actor.borrow().clients().into_iter().map(Process::Client);
                self.pause(name, clients.collect(), lasts)
            }
            Deed::Start => {
                actor.borrow_mut().start();
                done()
            }
            Deed::Leave(pause) => self.leave(Rc::clone(actor), pause),
            Deed::Crash(peers, pause) => {
                self.crash(name, peers);
                actor.borrow_mut().kill();
                self.world.borrow_mut().settle();
                let (actor, wake) = (Rc::clone(actor), sleep(&self.world, pause));
                self.spawn(async move {
                    wake.await;
                    actor.borrow_mut().start();
                })
            }
            Deed::Speak(action) => self.client_speaks(number, actor, speaker, &action),
        }
    }

    fn client_speaks(
        &self,
        number: usize,
        actor: &RefCell<Actor>,
        speaker: Option<&str>,
        action: &Action,
    ) -> Doing {
        if speaker.is_none() {
            actor.borrow_mut().note_wish(action);
        }
        let ttl = self.scenario.clients.registration_ttl;
        let actor = actor.borrow();
        let command = lower::command(number, actor.address(), speaker, ttl, action);
        let (Some(command), Some(client)) = (command, actor.client()) else { return done() };
        if !matches!(action, Action::AskTwice { .. }) {
            return ended(self.command(client, command));
        }
        let (world, first) = (Rc::clone(&self.world), self.command(client, command.clone()));
        self.spawn(async move {
            // Storms make calls fail; the history tells what became of each.
            let _ = first.await;
            let again = with(&world, |world| world.command(client, command));
            let _ = again.await;
        })
    }

    fn command(&self, client: ClientId, command: Command) -> oneshot::Receiver<()> {
        with(&self.world, |world| world.command(client, command))
    }

    fn leave(&self, actor: Rc<RefCell<Actor>>, pause: Duration) -> Doing {
        let world = Rc::clone(&self.world);
        let leaving = actor.borrow().client();
        let left = leaving.map(|client| self.command(client, Command::Disconnect { reason: None }));
        self.spawn(async move {
            if let Some(left) = left {
                // Whatever came of it, the client has ended.
                let _ = left.await;
            }
            sleep(&world, pause).await;
            actor.borrow_mut().start();
        })
    }

    fn pause(&self, host: &str, processes: Vec<Process>, lasts: Duration) -> Doing {
        if !processes.is_empty() {
            drop(self.fault(Fault::Pause { host: host.to_owned(), lasts }));
        }
        let (world, over) = (Rc::clone(&self.world), sleep(&self.world, lasts));
        with(&world, |world| {
            for process in &processes {
                match process {
                    Process::Hub(life) => world.pause_hub(*life),
                    Process::Client(id) => world.pause_client(*id),
                    Process::Raw(id) => world.pause_raw(*id),
                }
            }
        });
        self.spawn(async move {
            over.await;
            with(&world, |world| {
                for process in &processes {
                    match process {
                        Process::Hub(life) => world.resume_hub(*life),
                        Process::Client(id) => world.resume_client(*id),
                        Process::Raw(id) => world.resume_raw(*id),
                    }
                }
            });
        })
    }

    fn raw_acts(&self, number: usize, who: &Who, speaker: Option<&str>, act: &Act) -> Doing {
        let host = who.to_string();
        let raw = *self.raws.borrow_mut().entry(who.clone()).or_insert_with(|| self.raw(who));
        let action = match Deed::of(&host, act) {
            Deed::Fault(fault) => return self.fault(fault),
            Deed::Pause(lasts) => return self.pause(&host, vec![Process::Raw(raw)], lasts),
            Deed::Start | Deed::Leave(_) | Deed::Crash(..) => {
                unreachable!("reading a scenario refuses these of raw connections")
            }
            Deed::Speak(action) => action,
        };
        let (done, when_done) = oneshot::channel();
        let speaker = speaker.map(str::to_owned);
        let order = Order { number, speaker, action, done };
        with(&self.world, |world| world.order(raw, order));
        ended(when_done)
    }

    fn raw(&self, who: &Who) -> RawId {
        let Who::Raw(actor, number) = who else { unreachable!("only these are raw") };
        let (kind, number) = (ClientKind::Raw, *number);
        let name = ClientName { actor: actor.as_str().into(), kind, number };
        let hub = self.scenario.hub.hub_address.clone();
        let ttl = self.scenario.clients.registration_ttl;
        let session = RawSession::new(&who.to_string(), lower::address(actor), hub, ttl);
        with(&self.world, |world| {
            let host = world.network.host(&who.to_string());
            world.add_raw(name, host, session)
        })
    }

    fn hub_acts(&self, action: &HubAction) -> Doing {
        let (hub, world) = (Rc::clone(&self.hub), Rc::clone(&self.world));
        match *action {
            HubAction::Restart { abruptly, pause } => self.spawn(async move {
                let _held = hub.lock().await;
                if abruptly {
                    crash_hub(&world, Peers::SeeReset);
                } else {
                    stop_hub(&world).await;
                }
                sleep(&world, pause).await;
                with(&world, World::start_hub);
            }),
            HubAction::Shutdown => self.spawn(async move {
                let _held = hub.lock().await;
                stop_hub(&world).await;
            }),
            HubAction::Pause { lasts } => {
                let life = hub.try_lock().ok().and_then(|_| self.world.borrow().hub_life());
                self.pause(HUB_HOST, life.map(Process::Hub).into_iter().collect(), lasts)
            }
        }
    }

    fn fault(&self, fault: Fault) -> Doing {
        with(&self.world, |world| world.inject(fault));
        done()
    }

    /// The network's part of a crash: whoever dies is to be killed before the world settles, and does
    /// not see its own connections end.
    fn crash(&self, host: &str, peers: Peers) {
        let crash = Fault::Crash { host: host.to_owned(), peers };
        self.world.borrow_mut().inject_unseen(crash);
    }

    fn crash_raws(&self) {
        for (who, raw) in std::mem::take(&mut *self.raws.borrow_mut()) {
            self.crash(&who.to_string(), Peers::SeeNothing);
            self.world.borrow_mut().kill_raw(raw);
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> Doing {
        let (end, when_ended) = oneshot::channel();
        self.tasks.spawn(async move {
            task.await;
            let _ = end.send(());
        });
        ended(when_ended)
    }
}

impl Stage for MessageStage {
    fn elapsed(&self) -> Duration {
        self.world.borrow().now
    }

    async fn sleep(&self, duration: Duration) {
        sleep(&self.world, duration).await;
    }

    fn begin(&self) {
        with(&self.world, World::start_hub);
        self.return_the_absent();
    }

    fn act(&self, number: usize, what: &What) -> Doing {
        match what {
            What::Act { who: Who::Client(actor), speaker, act } => {
                self.client_acts(number, actor, speaker.as_deref(), act)
            }
            What::Act { who, speaker, act } => self.raw_acts(number, who, speaker.as_deref(), act),
            What::Hub(action) => self.hub_acts(action),
            What::Network(fault) => self.fault(fault.clone()),
        }
    }

    async fn heal(&self) {
        self.world.borrow_mut().inject_unseen(Fault::Heal);
        self.crash_raws();
        self.world.borrow_mut().settle();
        // A hub on its way down comes up again before the lock is free.
        let _held = self.hub.lock().await;
        if self.world.borrow().hub_life().is_none() {
            with(&self.world, World::start_hub);
        }
    }

    fn return_the_absent(&self) {
        for actor in &self.scenario.actors {
            let mut actor = self.actor(&actor.name).borrow_mut();
            if actor.kind == ActorKind::Client && actor.is_absent() {
                // One that still has other addresses would take them back from the new one.
                actor.kill();
                actor.start();
            }
        }
    }

    fn beliefs(&self) -> Vec<Agreement> {
        self.actors.values().flat_map(|actor| actor.borrow().beliefs()).collect()
    }

    fn probe(&self, actor: &str, to: &ActorAddress, payload: Json) {
        let Some(client) = self.actor(actor).borrow().client() else { return };
        let verb = Verb::Send(protocol::Send {
            to: to.clone().into(),
            kind: PROBE.to_owned(),
            data: payload,
        });
        let ask = RequestCommand::new(Pattern::Ask, verb);
        // The history tells whether it arrives.
        drop(self.command(client, Command::Request(Box::new(ask))));
    }

    fn latency_max(&self) -> Duration {
        self.world.borrow().network.latency_max()
    }

    fn vanish(&self) {
        self.crash_raws();
        for actor in &self.scenario.actors {
            self.crash(&actor.name, Peers::SeeNothing);
            self.actor(&actor.name).borrow_mut().kill();
        }
        self.world.borrow_mut().settle();
    }

    async fn left(&self) -> Option<Sizes> {
        let _held = self.hub.lock().await;
        self.world.borrow().left()
    }
}

/// Does something to the world, and all that follows from it at once.
fn with<T>(world: &RefCell<World>, change: impl FnOnce(&mut World) -> T) -> T {
    let mut world = world.borrow_mut();
    let result = change(&mut world);
    world.settle();
    result
}

fn sleep(world: &RefCell<World>, duration: Duration) -> impl Future<Output = ()> + use<> {
    let (wake, woken) = oneshot::channel();
    world.borrow_mut().plan(duration, Event::Wake(wake));
    async move {
        let _ = woken.await;
    }
}

/// A step that is done at once.
fn done() -> Doing {
    Box::pin(std::future::ready(()))
}

/// A step that is done with this, or when nobody is left to do it.
fn ended(when: oneshot::Receiver<()>) -> Doing {
    Box::pin(async move {
        let _ = when.await;
    })
}
