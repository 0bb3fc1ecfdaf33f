//! A hub, its actors and the network between them, and what steps do to them, on whatever platform.

mod actor;
mod hub_process;
mod platform;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use self::actor::Actor;
use self::hub_process::HubProcess;
pub use self::platform::{
    Client, Doing, Hub, Order, Platform, Process, Raw, Running, awaited, done, ended,
};
use super::deploy::{Deploy, Wishes};
use crate::history::{ClientKind, ClientName};
use crate::net::{Choice, CutDetection, End, Fault, Peers, Seen};
use crate::run::Recorder;
use crate::scenario::{
    Act, ActorKind, ConnectionAct, HUB_HOST, HubAction, ProcessAct, Scenario, What, Who,
};

/// Everything that takes part in a run.
pub struct Testbed<S: Deploy, P: Platform<S>> {
    scenario: Arc<Scenario<S>>,
    platform: P,
    hub: Arc<tokio::sync::Mutex<HubProcess<S, P>>>,
    actors: BTreeMap<String, Arc<Mutex<Actor<S, P>>>>,
    raws: Mutex<Raws<S, P>>,
}

type Raws<S, P> = BTreeMap<ClientName, Running<S, P, <P as Platform<S>>::Raw>>;

impl<S: Deploy, P: Platform<S>> Testbed<S, P> {
    /// Nobody has been started yet.
    pub fn new(scenario: Arc<Scenario<S>>, platform: P, recorder: Recorder<S>) -> Self {
        let actors = scenario.actors.iter().map(|actor| {
            let process = Actor::new(&scenario, actor, platform.began());
            (actor.name.clone(), Arc::new(Mutex::new(process)))
        });
        Self {
            actors: actors.collect(),
            hub: Arc::new(tokio::sync::Mutex::new(HubProcess::new(platform.clone(), recorder))),
            raws: Mutex::default(),
            platform,
            scenario,
        }
    }

    /// Time since the run began, as events have it.
    pub fn elapsed(&self) -> Duration {
        self.platform.elapsed()
    }

    /// Ends so long from now.
    pub async fn sleep(&self, duration: Duration) {
        self.platform.sleep(duration).await;
    }

    /// Begins step `number`, which is no expectation.
    pub fn act(&self, number: usize, what: &What<S>) -> Doing {
        match what {
            What::Act { who: Who::Client(actor), speaker, act } => {
                self.client_acts(number, actor, speaker.as_deref(), act)
            }
            What::Act { who: Who::Raw(actor, nth), speaker, act } => {
                let (actor, kind) = (actor.as_str().into(), ClientKind::Raw);
                let name = ClientName { actor, kind, number: *nth };
                self.raw_acts(number, name, speaker.as_deref(), act)
            }
            What::Hub(action) => self.hub_acts(action),
            What::Network(fault) => self.fault(fault.clone()),
        }
    }

    /// Lifts all faults and ends all raw connections without a word. Ends when the hub is up.
    pub async fn heal(&self) {
        self.platform.inject(Fault::Heal);
        self.platform.disk().mend();
        self.crash_raws();
        self.platform.settle();
        // A hub on its way down comes up again before the lock is free.
        let mut hub = self.hub.lock().await;
        hub.revive();
        hub.listens().await;
    }

    /// Starts a hub that is not there or gave up, and a client for each actor that has none or whose clients have all
    /// ended for good reasons.
    pub fn return_the_absent(&self) {
        if let Ok(mut hub) = self.hub.try_lock() {
            hub.revive();
        }
        for actor in &self.scenario.actors {
            let mut actor = lock(self.actor(&actor.name));
            if actor.kind == ActorKind::Client && actor.is_absent() {
                // One that still has other addresses would take them back from the new one.
                actor.kill();
                actor.start(&self.platform);
            }
        }
    }

    /// What each client that has not ended believes.
    pub fn beliefs(&self) -> Vec<S::Agreement> {
        self.actors.values().flat_map(|actor| lock(actor).beliefs()).collect()
    }

    /// Has the actor's client ask another actor, and does not wait: the history tells whether that
    /// arrives. The payload is JSON.
    pub fn probe(&self, actor: &str, to: &str, payload: &str) {
        if let Some(client) = lock(self.actor(actor)).client() {
            drop(client.obey(S::probe(to, payload)));
        }
    }

    /// Ends all clients without a word to the hub.
    pub fn vanish(&self) {
        self.crash_raws();
        for actor in &self.scenario.actors {
            self.crash(&actor.name, Peers::SeeNothing);
            lock(self.actor(&actor.name)).kill();
        }
        self.platform.settle();
    }

    /// What was left in the hub at its latest input.
    pub async fn left(&self) -> Option<S::Left> {
        // Not while it comes or goes.
        let _held = self.hub.lock().await;
        self.platform.left()
    }

    /// Ends whoever is still there, so that nothing of the run outlives it.
    pub fn clear(&self) {
        self.vanish();
        if let Ok(mut hub) = self.hub.try_lock() {
            hub.crash(Peers::SeeNothing);
        }
    }

    fn actor(&self, name: &str) -> &Arc<Mutex<Actor<S, P>>> {
        self.actors.get(name).expect("a step names an actor of its scenario")
    }

    fn client_acts(&self, number: usize, name: &str, speaker: Option<&str>, act: &Act<S>) -> Doing {
        let actor = self.actor(name);
        match act {
            Act::Do(action) => {
                let mut actor = lock(actor);
                let commands = actor.wishes.commands(number, speaker, action);
                let client = actor.client().filter(|_| !commands.is_empty());
                client.map_or_else(done, |client| client.obey(commands))
            }
            Act::Process(act) => self.client_process(name, actor, act),
            Act::Connection(act) => self.fault(connection_fault(name, act)),
            Act::Expect(_) => unreachable!("the director itself waits for these"),
        }
    }

    fn client_process(
        &self,
        name: &str,
        actor: &Arc<Mutex<Actor<S, P>>>,
        act: &ProcessAct,
    ) -> Doing {
        match *act {
            ProcessAct::Start => {
                lock(actor).start(&self.platform);
                done()
            }
            ProcessAct::Leave { pause } => self.leave(Arc::clone(actor), pause),
            ProcessAct::Crash { peers, pause } => {
                self.crash(name, peers);
                lock(actor).kill();
                self.platform.settle();
                self.start_later(Arc::clone(actor), pause)
            }
            ProcessAct::Pause { lasts } => {
                let processes = lock(actor).processes();
                self.pause(name, processes, lasts)
            }
        }
    }

    fn leave(&self, actor: Arc<Mutex<Actor<S, P>>>, pause: Duration) -> Doing {
        let platform = self.platform.clone();
        self.platform.spawn(move || {
            let left = lock(&actor).client().map(Client::leave);
            async move {
                if let Some(left) = left {
                    left.await;
                }
                platform.sleep(pause).await;
                lock(&actor).start(&platform);
            }
        })
    }

    fn start_later(&self, actor: Arc<Mutex<Actor<S, P>>>, pause: Duration) -> Doing {
        let platform = self.platform.clone();
        self.platform.spawn(move || {
            let over = platform.sleep(pause);
            async move {
                over.await;
                lock(&actor).start(&platform);
            }
        })
    }

    fn pause(&self, host: &str, processes: Vec<P::Process>, lasts: Duration) -> Doing {
        if !processes.is_empty() {
            drop(self.fault(Fault::Pause { host: host.to_owned(), lasts }));
        }
        let platform = self.platform.clone();
        self.platform.spawn(move || {
            processes.iter().for_each(Process::pause);
            let over = platform.sleep(lasts);
            async move {
                over.await;
                processes.iter().for_each(Process::resume);
                platform.settle();
            }
        })
    }

    fn raw_acts(
        &self,
        number: usize,
        name: ClientName,
        speaker: Option<&str>,
        act: &Act<S>,
    ) -> Doing {
        let host = name.who().to_string();
        let mut raws = lock(&self.raws);
        let (process, raw) =
            raws.entry(name.clone()).or_insert_with(|| self.platform.start_raw(name));
        match act {
            Act::Do(action) => {
                let (done, when_done) = oneshot::channel();
                let (speaker, action) = (speaker.map(str::to_owned), action.clone());
                raw.order(Order { number, speaker, action, done });
                ended(when_done)
            }
            Act::Process(ProcessAct::Pause { lasts }) => {
                self.pause(&host, vec![process.clone()], *lasts)
            }
            Act::Process(
                ProcessAct::Start | ProcessAct::Leave { .. } | ProcessAct::Crash { .. },
            ) => unreachable!("reading a scenario refuses these of raw connections"),
            Act::Connection(act) => self.fault(connection_fault(&host, act)),
            Act::Expect(_) => unreachable!("the director itself waits for these"),
        }
    }

    fn hub_acts(&self, action: &HubAction) -> Doing {
        let (hub, platform) = (Arc::clone(&self.hub), self.platform.clone());
        match *action {
            HubAction::Restart { abruptly, pause } => self.platform.spawn(move || async move {
                let mut hub = hub.lock().await;
                if abruptly {
                    hub.crash(Peers::SeeReset);
                } else {
                    hub.stop().await;
                }
                platform.sleep(pause).await;
                hub.start();
                hub.listens().await;
            }),
            HubAction::Shutdown => {
                self.platform.spawn(move || async move { hub.lock().await.stop().await })
            }
            HubAction::DiskFull { lasts } => self.platform.spawn(move || async move {
                platform.disk().fill(true);
                platform.sleep(lasts).await;
                platform.disk().fill(false);
            }),
            HubAction::DiskFails { operations } => {
                platform.disk().fail_after(operations);
                done()
            }
            HubAction::Pause { lasts } => {
                let process = hub.try_lock().ok().and_then(|hub| hub.process());
                self.pause(HUB_HOST, process.into_iter().collect(), lasts)
            }
        }
    }

    fn fault(&self, fault: Fault) -> Doing {
        self.platform.inject(fault);
        self.platform.settle();
        done()
    }

    /// The network's part of a crash: whoever dies is killed before it sees its own connections end.
    fn crash(&self, host: &str, peers: Peers) {
        self.platform.inject(Fault::Crash { host: host.to_owned(), peers });
    }

    fn crash_raws(&self) {
        for (name, (process, _)) in std::mem::take(&mut *lock(&self.raws)) {
            self.crash(&name.who().to_string(), Peers::SeeNothing);
            process.kill();
        }
    }
}

/// What the network does to the latest connection of a host.
fn connection_fault(host: &str, act: &ConnectionAct) -> Fault {
    let connections = Choice::Latest { client: host.to_owned(), server: HUB_HOST.to_owned() };
    match *act {
        ConnectionAct::Reconnect { hub_sees } => Fault::Sever {
            connections,
            client_sees: CutDetection::reset(Seen::Now),
            server_sees: CutDetection::end_of_stream(hub_sees),
        },
        ConnectionAct::PauseReading { lasts } => {
            Fault::PauseReading { connections, end: End::Client, lasts }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
