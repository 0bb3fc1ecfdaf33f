//! The full stack: the real server, the real clients and raw connections, on whatever wire.

mod actor;
mod hub_process;
mod raw;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hub::client::{Client, RequestCommand};
use signal_hub::hub::Sizes;
use signal_hub::protocol::{self, ActorAddress, Json, Pattern, Verb};
use signal_hub::runtime::Runtime;
use tokio::sync::oneshot;

use self::actor::Actor;
use self::hub_process::HubProcess;
use self::raw::{Order, Raw};
pub use self::wire::{Process, Wire};
use super::deed::Deed;
use super::stage::{Doing, Stage};
use crate::history::PROBE;
use crate::history::{ClientKind, ClientName};
use crate::invariants::Agreement;
use crate::lower::{self, RawSession};
use crate::net::{Fault, Peers};
use crate::run::Recorder;
use crate::scenario::{Act, Action, ActorKind, HUB_HOST, HubAction, Scenario, What, Who};

/// Everything that takes part in a run.
pub struct FullStack<W: Wire> {
    scenario: Arc<Scenario>,
    wire: W,
    recorder: Recorder,
    /// Of the tasks that play steps.
    runner: W::Process,
    hub: Arc<tokio::sync::Mutex<HubProcess<W>>>,
    actors: BTreeMap<String, Arc<Mutex<Actor<W>>>>,
    raws: Mutex<BTreeMap<Who, Raw<W>>>,
}

impl<W: Wire> FullStack<W> {
    /// `runner` is a process that nothing happens to.
    pub fn new(scenario: Arc<Scenario>, wire: &W, runner: W::Process, recorder: &Recorder) -> Self {
        let hub = HubProcess::new(wire.clone(), recorder.clone(), Arc::clone(&scenario));
        let actors = scenario.actors.iter().map(|actor| {
            let name = actor.name.clone();
            (name, Arc::new(Mutex::new(Actor::new(actor, wire, recorder, &scenario))))
        });
        Self {
            actors: actors.collect(),
            wire: wire.clone(),
            recorder: recorder.clone(),
            runner,
            hub: Arc::new(tokio::sync::Mutex::new(hub)),
            raws: Mutex::default(),
            scenario,
        }
    }

    /// Ends whoever is still there, so that nothing of the run outlives it.
    pub fn clear(&self) {
        self.vanish();
        if let Ok(mut hub) = self.hub.try_lock() {
            hub.crash(Peers::SeeNothing);
        }
    }

    fn actor(&self, name: &str) -> &Arc<Mutex<Actor<W>>> {
        self.actors.get(name).expect("a step names an actor of its scenario")
    }

    fn client_acts(&self, number: usize, actor: &str, speaker: Option<&str>, act: &Act) -> Doing {
        let shared = self.actor(actor);
        match Deed::of(actor, act) {
            Deed::Fault(fault) => self.fault(fault),
            Deed::Pause(lasts) => {
                let processes = lock(shared).processes();
                self.pause(actor, processes, lasts)
            }
            Deed::Start => {
                lock(shared).start();
                done()
            }
            Deed::Leave(pause) => self.leave(Arc::clone(shared), pause),
            Deed::Crash(peers, pause) => {
                self.wire.crash(actor, peers);
                lock(shared).kill();
                self.start_later(Arc::clone(shared), pause)
            }
            Deed::Speak(action) => self.client_speaks(number, &mut lock(shared), speaker, &action),
        }
    }

    fn client_speaks(
        &self,
        number: usize,
        actor: &mut Actor<W>,
        speaker: Option<&str>,
        action: &Action,
    ) -> Doing {
        if speaker.is_none() {
            actor.note_wish(action);
        }
        let ttl = self.scenario.clients.registration_ttl;
        let command = lower::command(number, actor.address(), speaker, ttl, action);
        let (Some(command), Some((client, process))) = (command, actor.client()) else {
            return done();
        };
        let twice = matches!(action, Action::AskTwice { .. });
        self.spawn(&process, async move {
            // Storms make calls fail; the history tells what became of each.
            if twice {
                let _ = client.command(command.clone()).await;
            }
            let _ = client.command(command).await;
        })
    }

    fn leave(&self, actor: Arc<Mutex<Actor<W>>>, pause: Duration) -> Doing {
        let wire = self.wire.clone();
        self.spawn(&self.runner, async move {
            let leaving: Option<(Client, _)> = lock(&actor).client();
            if let Some((client, _)) = leaving {
                // Whatever came of it, the client has ended.
                let _ = client.disconnect(None).await;
            }
            wire.sleep(pause).await;
            lock(&actor).start();
        })
    }

    fn start_later(&self, actor: Arc<Mutex<Actor<W>>>, pause: Duration) -> Doing {
        let wire = self.wire.clone();
        self.spawn(&self.runner, async move {
            wire.sleep(pause).await;
            lock(&actor).start();
        })
    }

    fn pause(&self, host: &str, processes: Vec<W::Process>, lasts: Duration) -> Doing {
        if !processes.is_empty() {
            self.wire.inject(Fault::Pause { host: host.to_owned(), lasts });
        }
        let wire = self.wire.clone();
        self.spawn(&self.runner, async move {
            processes.iter().for_each(Process::pause);
            wire.sleep(lasts).await;
            processes.iter().for_each(Process::resume);
        })
    }

    fn raw_acts(&self, number: usize, who: &Who, speaker: Option<&str>, act: &Act) -> Doing {
        let host = who.to_string();
        let mut raws = lock(&self.raws);
        let raw = raws.entry(who.clone()).or_insert_with(|| self.raw(who));
        let action = match Deed::of(&host, act) {
            Deed::Fault(fault) => return self.fault(fault),
            Deed::Pause(lasts) => return self.pause(&host, vec![raw.process.clone()], lasts),
            Deed::Start | Deed::Leave(_) | Deed::Crash(..) => {
                unreachable!("reading a scenario refuses these of raw connections")
            }
            Deed::Speak(action) => action,
        };
        let (done, when_done) = oneshot::channel();
        let speaker = speaker.map(str::to_owned);
        let order = Order { number, speaker, action, done };
        // A connection whose process is gone does nothing.
        let _ = raw.orders.send(order);
        Box::pin(async move {
            let _ = when_done.await;
        })
    }

    fn raw(&self, who: &Who) -> Raw<W> {
        let Who::Raw(actor, number) = who else { unreachable!("only these are raw") };
        let (kind, number) = (ClientKind::Raw, *number);
        let name = ClientName { actor: actor.as_str().into(), kind, number };
        let hub = self.scenario.hub.hub_address.clone();
        let ttl = self.scenario.clients.registration_ttl;
        let session = RawSession::new(&who.to_string(), lower::address(actor), hub, ttl);
        Raw::start(&self.wire, name, session, self.recorder.clone())
    }

    fn hub_acts(&self, action: &HubAction) -> Doing {
        let (hub, wire) = (Arc::clone(&self.hub), self.wire.clone());
        match *action {
            HubAction::Restart { abruptly, pause } => self.spawn(&self.runner, async move {
                let mut hub = hub.lock().await;
                if abruptly {
                    hub.crash(Peers::SeeReset);
                } else {
                    hub.stop().await;
                }
                wire.sleep(pause).await;
                hub.start();
            }),
            HubAction::Shutdown => {
                self.spawn(&self.runner, async move { hub.lock().await.stop().await })
            }
            HubAction::Pause { lasts } => {
                let process = hub.try_lock().ok().and_then(|hub| hub.process());
                self.pause(HUB_HOST, process.into_iter().collect(), lasts)
            }
        }
    }

    fn fault(&self, fault: Fault) -> Doing {
        self.wire.inject(fault);
        done()
    }

    fn spawn(&self, on: &W::Process, task: impl Future<Output = ()> + Send + 'static) -> Doing {
        let (end, ended) = oneshot::channel::<()>();
        on.runtime().spawn(async move {
            task.await;
            let _ = end.send(());
        });
        Box::pin(async move {
            // A process that dies takes the sender along: then it is done, too.
            let _ = ended.await;
        })
    }
}

impl<W: Wire> Stage for FullStack<W> {
    fn elapsed(&self) -> Duration {
        self.wire.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.wire.sleep(duration).await;
    }

    fn begin(&self) {
        if let Ok(mut hub) = self.hub.try_lock() {
            hub.start();
        }
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
        self.wire.heal();
        for (who, raw) in std::mem::take(&mut *lock(&self.raws)) {
            self.wire.crash(&who.to_string(), Peers::SeeNothing);
            raw.process.kill();
        }
        // A hub on its way down comes up again before the lock is free.
        let mut hub = self.hub.lock().await;
        if hub.process().is_none() {
            hub.start();
        }
    }

    fn return_the_absent(&self) {
        for actor in &self.scenario.actors {
            let mut actor = lock(self.actor(&actor.name));
            if actor.kind == ActorKind::Client && actor.is_absent() {
                // One that still has other addresses would take them back from the new one.
                actor.kill();
                actor.start();
            }
        }
    }

    fn beliefs(&self) -> Vec<Agreement> {
        self.actors.values().flat_map(|actor| lock(actor).beliefs()).collect()
    }

    fn probe(&self, actor: &str, to: &ActorAddress, payload: Json) {
        let Some((client, process)) = lock(self.actor(actor)).client() else { return };
        let verb = Verb::Send(protocol::Send {
            to: to.clone().into(),
            kind: PROBE.to_owned(),
            data: payload,
        });
        let ask = RequestCommand::new(Pattern::Ask, verb);
        drop(self.spawn(&process, async move {
            // The history tells whether it arrives.
            let _ = client.request(ask).await;
        }));
    }

    fn latency_max(&self) -> Duration {
        self.wire.latency_max()
    }

    fn vanish(&self) {
        for (who, raw) in std::mem::take(&mut *lock(&self.raws)) {
            self.wire.crash(&who.to_string(), Peers::SeeNothing);
            raw.process.kill();
        }
        for actor in &self.scenario.actors {
            self.wire.crash(&actor.name, Peers::SeeNothing);
            lock(self.actor(&actor.name)).kill();
        }
    }

    async fn left(&self) -> Option<Sizes> {
        self.hub.lock().await.left()
    }
}

fn done() -> Doing {
    Box::pin(std::future::ready(()))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
