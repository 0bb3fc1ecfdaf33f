//! Directs a run: storm, heal, calm, probe, leave, rest (docs/SIMULATION.md).

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hub::client::{Client, ClientError, RequestCommand};
use signal_hub::protocol::{self, ActorAddress, Broadcast, Json, MessageId, Pattern, Verb};

use super::actors::{Actor, PROBE};
use super::hub_process::HubProcess;
use crate::history::{Milestone, Recorder, What};
use crate::invariants::{self, Invariant, Violation};
use crate::net::{Choice, Fault, Net, Notice, Peers, Seen};
use crate::scenario::{Action, HUB_HOST, Scenario};

/// How long everybody may take to come back once the faults are over.
const CALM_WITHIN: Duration = Duration::from_secs(120);
/// How often the director looks whether it is calm.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What faults leave in flight has arrived after this.
const SETTLE: Duration = Duration::from_secs(5);
/// What a probe may take beyond the network's latency: timers have a resolution of 1 ms.
const PROBE_SLACK: Duration = Duration::from_millis(100);

/// Plays the scenario to its end or to the first violation; tells how long that took.
pub async fn direct(scenario: Arc<Scenario>, recorder: Recorder) -> Duration {
    let network_recorder = recorder.clone();
    let net = Net::new(
        scenario.seed,
        scenario.network.clone(),
        Box::new(move |event| network_recorder.record(event.at, What::Net(event.kind))),
    );
    let stage = Stage::new(scenario, &net, &recorder);
    tokio::select! {
        biased;
        () = recorder.violated() => {}
        () = stage.play() => {}
    }
    let took = net.elapsed();
    stage.clear();
    net.stop();
    took
}

/// Everything that takes part in a run.
struct Stage {
    scenario: Arc<Scenario>,
    net: Net,
    recorder: Recorder,
    hub: Arc<tokio::sync::Mutex<HubProcess>>,
    actors: Vec<Arc<Mutex<Actor>>>,
}

impl Stage {
    fn new(scenario: Arc<Scenario>, net: &Net, recorder: &Recorder) -> Self {
        net.host(HUB_HOST);
        let hub = HubProcess::new(net.clone(), recorder.clone(), Arc::clone(&scenario));
        let actor =
            |name: &String| Arc::new(Mutex::new(Actor::new(name, net, recorder, &scenario)));
        Self {
            actors: scenario.actors.iter().map(actor).collect(),
            net: net.clone(),
            recorder: recorder.clone(),
            hub: Arc::new(tokio::sync::Mutex::new(hub)),
            scenario,
        }
    }

    async fn play(&self) {
        self.storm().await;
        self.heal().await;
        let judged = async {
            self.calm().await?;
            self.probe().await?;
            self.rest().await
        };
        if let Err(violation) = judged.await {
            self.recorder.accuse(violation);
        }
    }

    async fn storm(&self) {
        self.reach(Milestone::Storm);
        self.hub.lock().await.start();
        for actor in &self.actors {
            lock(actor).start();
        }
        for (number, step) in self.scenario.steps.iter().enumerate() {
            self.sleep_until(step.at).await;
            self.act(number, &step.action);
        }
        self.sleep_until(self.scenario.duration).await;
    }

    /// Lifts all faults; everybody who is away on purpose is back after it.
    async fn heal(&self) {
        self.reach(Milestone::Heal);
        self.net.heal();
        // A hub on its way down comes up again before the lock is free.
        drop(self.hub.lock().await);
    }

    /// L1, L2: within a bound the hub and the clients agree on who is there, and go on agreeing for
    /// as long as a connection that is dead could still look alive.
    async fn calm(&self) -> Result<(), Violation> {
        let hub = &self.scenario.hub;
        let quiet = hub.idle_timeout + hub.ping_interval + SETTLE;
        let end = self.net.elapsed() + CALM_WITHIN;
        let mut agreed_since = None;
        loop {
            self.sleep(LOOK_EVERY).await;
            self.return_the_absent();
            let now = self.net.elapsed();
            match self.agreement() {
                Ok(()) if now >= *agreed_since.get_or_insert(now) + quiet => break,
                Ok(()) => {}
                Err(violation) if now >= end => return Err(violation),
                Err(_) => agreed_since = None,
            }
        }
        self.reach(Milestone::Calm);
        Ok(())
    }

    /// An actor whose clients have all ended for good reasons gets a new one.
    fn return_the_absent(&self) {
        for actor in &self.actors {
            let mut actor = lock(actor);
            if actor.client().is_none() {
                actor.start();
            }
        }
    }

    fn agreement(&self) -> Result<(), Violation> {
        let beliefs: Vec<_> = self.actors.iter().flat_map(|actor| lock(actor).beliefs()).collect();
        self.recorder.world(|world| invariants::check_agreement(world, &beliefs))
    }

    /// L4: every actor asks every other one, and itself. One after the other: the bounds that a
    /// crowd could reach are not what is probed.
    async fn probe(&self) -> Result<(), Violation> {
        self.reach(Milestone::Probe);
        let within = self.net.latency_max() * 2 + PROBE_SLACK;
        for from in &self.actors {
            for to in &self.actors {
                let name = Arc::clone(&lock(from).name);
                let to_address = lock(to).address.clone();
                let payload: Json = serde_json::json!(format!("{name} to {to_address}")).into();
                say(from, Saying::Ask, &to_address, PROBE, payload.clone());
                self.sleep(within).await;
                if !lock(to).has_probe(payload.as_str()) {
                    let evidence = format!("the probe {payload} did not arrive within {within:?}");
                    return Err(Violation::new(Invariant::L4, evidence));
                }
            }
        }
        Ok(())
    }

    /// I34: all clients vanish without a word; when all deadlines are past, nothing is left.
    async fn rest(&self) -> Result<(), Violation> {
        self.reach(Milestone::Leave);
        for actor in &self.actors {
            let mut actor = lock(actor);
            self.net.crash(&actor.name, Peers::SeeNothing).expect("an actor's host exists");
            actor.kill();
        }
        let hub = &self.scenario.hub;
        let deadlines = hub.idle_timeout + hub.close_timeout + hub.resume_window;
        let ttl = Duration::from_secs(self.scenario.registration_ttl_seconds);
        self.sleep((deadlines + ttl).max(hub.dedupe_window) + SETTLE).await;
        self.reach(Milestone::Rest);
        match self.hub.lock().await.left() {
            Some((sizes, counters)) => invariants::check_rest(sizes, &counters),
            None => Ok(()),
        }
    }

    fn act(&self, number: usize, action: &Action) {
        let payload = || payload_of(number);
        match action {
            Action::Send { actor, to } => self.say(actor, Saying::Tell, to, payload()),
            Action::Ask { actor, to } => self.say(actor, Saying::Ask, to, payload()),
            Action::AskTwice { actor, to } => {
                let (to, data) = (lock(self.actor(to)).address.clone(), payload());
                let kind = "note".to_owned();
                let id = MessageId::parse(&format!("twice-{number}")).ok();
                let verb = Verb::Send(protocol::Send { to, kind, data });
                let ask = RequestCommand { id, ..RequestCommand::new(Pattern::Ask, verb) };
                self.with_client(actor, async move |client| {
                    // Whatever became of it: the second ask is about the first one's outcome.
                    let _ = client.request(ask.clone()).await;
                    client.request(ask).await.map(drop)
                });
            }
            Action::Broadcast { actor, exclude_self } => {
                let broadcast =
                    Broadcast { exclude_self: *exclude_self, ..Broadcast::new("note", payload()) };
                self.with_client(actor, async move |client| {
                    client.ask_broadcast(broadcast).await.map(drop)
                });
            }
            Action::Publish { actor, topic } => {
                let (topic, payload) = (topic.clone(), payload());
                self.with_client(actor, async move |client| {
                    client.ask_publish(topic, "note", payload).await.map(drop)
                });
            }
            Action::Subscribe { actor, topic } => {
                lock(self.actor(actor)).want(topic);
                let topic = topic.clone();
                self.with_client(actor, async move |client| {
                    client.subscribe(topic).await.map(drop)
                });
            }
            Action::Unsubscribe { actor, topic } => {
                lock(self.actor(actor)).want_no_more(topic);
                let topic = topic.clone();
                self.with_client(actor, async move |client| {
                    client.unsubscribe(topic).await.map(drop)
                });
            }
            Action::Reconnect { actor, hub_sees } => self.inject(Fault::Sever {
                connections: Choice::Latest { client: actor.clone(), server: HUB_HOST.into() },
                client_sees: Notice::reset(Seen::Now),
                server_sees: Notice::end_of_stream(*hub_sees),
            }),
            Action::Replace { actor } => lock(self.actor(actor)).start(),
            Action::Leave { actor, pause } => self.leave(actor, *pause),
            Action::RestartHub { abruptly, pause } => self.restart_hub(*abruptly, *pause),
            Action::Net { fault } => self.inject(fault.clone()),
        }
    }

    fn say(&self, actor: &str, saying: Saying, to: &str, payload: Json) {
        let to = lock(self.actor(to)).address.clone();
        say(self.actor(actor), saying, &to, "note", payload);
    }

    fn leave(&self, actor: &str, pause: Duration) {
        let actor = Arc::clone(self.actor(actor));
        madsim::task::spawn(async move {
            let leaving = lock(&actor).client();
            if let Some((client, _)) = leaving {
                // Whatever came of it, the client has ended.
                let _ = client.disconnect(None).await;
            }
            madsim::time::sleep(pause).await;
            lock(&actor).start();
        });
    }

    fn restart_hub(&self, abruptly: bool, pause: Duration) {
        let hub = Arc::clone(&self.hub);
        madsim::task::spawn(async move {
            let mut hub = hub.lock().await;
            match abruptly {
                true => hub.crash(Peers::SeeReset),
                false => hub.stop().await,
            }
            madsim::time::sleep(pause).await;
            hub.start();
        });
    }

    fn inject(&self, fault: Fault) {
        self.net.inject(fault).expect("a generated fault names hosts of its scenario");
    }

    fn actor(&self, name: &str) -> &Arc<Mutex<Actor>> {
        let named = self.scenario.actors.iter().position(|known| known == name);
        &self.actors[named.expect("a step names an actor of its scenario")]
    }

    /// Has the actor's client do something, while the run goes on.
    fn with_client<F>(&self, actor: &str, act: impl FnOnce(Client) -> F)
    where
        F: Future<Output = Result<(), ClientError>> + Send + 'static,
    {
        on_client(self.actor(actor), act);
    }

    fn reach(&self, milestone: Milestone) {
        self.recorder.record(self.net.elapsed(), What::Run(milestone));
    }

    async fn sleep(&self, duration: Duration) {
        madsim::time::sleep(duration).await;
    }

    async fn sleep_until(&self, at: Duration) {
        let wait = at.saturating_sub(self.net.elapsed());
        if !wait.is_zero() {
            self.sleep(wait).await;
        }
    }

    /// Ends whoever is still there, so that nothing of the run outlives it.
    fn clear(&self) {
        for actor in &self.actors {
            let mut actor = lock(actor);
            self.net.crash(&actor.name, Peers::SeeNothing).expect("an actor's host exists");
            actor.kill();
        }
        if let Ok(mut hub) = self.hub.try_lock() {
            hub.crash(Peers::SeeNothing);
        }
    }
}

/// What step `number` says: no two steps say the same, and some say much.
fn payload_of(number: usize) -> Json {
    let padding =
        if number.is_multiple_of(3) { "~".repeat(number * 97 % 4_096) } else { String::new() };
    serde_json::json!({ "step": number, "padding": padding }).into()
}

#[derive(Debug, Clone, Copy)]
enum Saying {
    Tell,
    Ask,
}

fn say(
    actor: &Arc<Mutex<Actor>>,
    saying: Saying,
    to: &ActorAddress,
    kind: &'static str,
    payload: Json,
) {
    let to = to.clone();
    on_client(actor, async move |client| match saying {
        Saying::Tell => client.send(to, kind, payload).await.map(drop),
        Saying::Ask => client.ask_send(to, kind, payload).await.map(drop),
    });
}

fn on_client<F>(actor: &Arc<Mutex<Actor>>, act: impl FnOnce(Client) -> F)
where
    F: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let Some((client, node)) = lock(actor).client() else { return };
    let done = act(client);
    node.spawn(async move {
        // Storms make calls fail; the history tells what became of each.
        let _ = done.await;
    });
}

fn lock(actor: &Mutex<Actor>) -> MutexGuard<'_, Actor> {
    actor.lock().unwrap_or_else(PoisonError::into_inner)
}
