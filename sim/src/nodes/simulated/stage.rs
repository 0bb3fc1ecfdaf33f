//! Who plays: moves happen one after the other, each with some time for what follows, and hosts and ways between them are as
//! the world says.

use std::collections::BTreeMap;
use std::time::Duration;

use dst::executor::{Current, CurrentNode, Executor, Node};
use dst::history::{Milestone, What};
use dst::net::{Choice, CutDetection, Fault, Net, Peers, Seen as SeenWhen};
use dst::run::Keep;
use dst::runtime::{Runtime, SimRuntime};
use dst::scenario::Ending;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use signal_hub::cluster::engine::NodeName;
use signal_hub::hub::SessionKey;
use signal_hub::protocol::codec::encode_client_frame;
use tokio::sync::mpsc;

use super::shared::{Client, Shared, State};
use super::trouble::Ways;
use super::{client, engine, hub};
use crate::nodes::judge::Violation;
use crate::nodes::moves::{self, Move, Word};
use crate::nodes::play::{self, Now};
use crate::nodes::scenario::{self, Scenario};
use crate::nodes::world::{Condition, Rest, Rite, Setting, Truth, World};

/// What is wrong is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Long enough for a frame to a hub, a write that it asks for, and what comes of that.
const SETTLED_IN: Duration = Duration::from_millis(120);
/// Within this each hub has something to do.
const SHOWN_IN: Duration = Duration::from_secs(3);

/// All processes of a run.
pub struct Stage {
    pub shared: Shared,
    pub rng: ChaCha12Rng,
    pub ways: Ways,
    seed: u64,
    setting: Setting,
    main: SimRuntime,
    engine: CurrentNode,
    hubs: BTreeMap<NodeName, CurrentNode>,
    clients: CurrentNode,
}

impl Stage {
    /// An engine, and hubs that have just begun to live; in a simulation.
    pub fn new(scenario: &Scenario, keep: Keep) -> Self {
        let (seed, setting) = (scenario.seed, scenario::setting(scenario));
        let rng = ChaCha12Rng::seed_from_u64(seed);
        let net = Net::new(seed, scenario.network.clone(), Box::new(|_| {}));
        let actors = (0..setting.actors).map(client::host);
        for host in (0..setting.nodes).map(scenario::hub_of).chain(actors) {
            net.host(&host);
        }
        let main = SimRuntime::new(net.host("main"));
        let shared = Shared::new(net, World::new(&setting).carried().noting(keep));
        let engine = engine::start(&shared);
        let clients = Current::current().node("clients");
        let (ways, hubs) = Default::default();
        let mut stage = Self { shared, rng, ways, seed, setting, main, engine, hubs, clients };
        stage.follow(&BTreeMap::new());
        stage
    }

    /// All steps, and then the end that all have to agree in.
    pub async fn play(&mut self, scenario: &Scenario) -> Result<(), Violation> {
        for (at, turn) in play::turns(scenario) {
            self.wait(at.saturating_sub(self.main.monotonic())).await?;
            // What a step draws is the same without the steps before.
            self.rng = ChaCha12Rng::seed_from_u64(self.seed ^ at.as_nanos() as u64);
            match self.with(|state| turn.now(&mut state.world)) {
                Now::Nothing => {}
                Now::Move(one) => self.happen(one).await?,
                Now::Network(fault) => self.strikes(fault),
            }
        }
        self.wait(play::AFTERMATH).await?;
        self.with(|state| state.world.note(|| What::Run(Milestone::Heal)));
        if scenario.ending == Ending::Calm {
            self.rest(play::keep_trying(scenario)).await
        } else {
            Ok(())
        }
    }

    /// Nothing runs any more.
    pub fn clear(&self) {
        self.hubs.values().chain([&self.engine, &self.clients]).for_each(Node::kill);
        self.shared.net.stop();
    }

    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        self.shared.with(act)
    }

    pub fn inject(&self, fault: Fault) {
        self.shared.net.inject(fault).expect("all hosts are there");
    }

    /// The process that each hub is now.
    pub fn processes(&self) -> Vec<NodeName> {
        self.with(|state| {
            (0..self.setting.nodes).map(|node| state.world.process_of(node)).collect()
        })
    }

    async fn happen(&mut self, one: Move) -> Result<(), Violation> {
        match one {
            Move::Open { actor, node } => self.open(actor, node % self.setting.nodes),
            Move::Say { actor, slot, word } => {
                if let Some(key) = self.with(|state| state.world.connection_of(actor, slot)) {
                    self.ask(key, word);
                }
            }
            Move::End { actor, slot } => {
                if let Some(key) = self.with(|state| state.world.connection_of(actor, slot)) {
                    self.end(key);
                }
            }
            Move::Wait(time) => return self.wait(time).await,
            Move::Fault(node, fault) => self.suffer(node % self.setting.nodes, fault)?,
        }
        // Mostly it has its effect before the next one.
        let is_hasty = self.rng.random_range(0..4) == 0;
        self.wait(if is_hasty { Duration::ZERO } else { SETTLED_IN }).await
    }

    fn open(&mut self, actor: usize, node: usize) {
        let actor = actor % self.setting.actors;
        let (texts, received) = mpsc::unbounded_channel();
        let opened = self.with(|state| {
            let (key, frame) = state.world.client_connects(actor, node)?;
            // The other end is here.
            let _ = texts.send(encode_client_frame(&frame));
            let process = state.world.process_of(node);
            state.clients.insert(key, Client { process: process.clone(), texts });
            Some((key, process))
        });
        let Some((key, process)) = opened else { return };
        let runtime =
            SimRuntime::on(self.shared.net.host(&client::host(actor)), self.clients.clone());
        let running = client::run(self.shared.clone(), runtime, key, process, received);
        self.clients.spawn(Box::pin(running));
    }

    fn ask(&mut self, key: SessionKey, word: Word) {
        self.with(|state| {
            let Some(frame) = state.world.client_says(key, word) else { return };
            if let Some(client) = state.clients.get(&key) {
                // A connection that is gone says nothing.
                let _ = client.texts.send(encode_client_frame(&frame));
            }
        });
    }

    /// A connection is gone for its client: the hub hears of it by an end, a reset, or much later.
    fn end(&mut self, key: SessionKey) {
        let socket = self.with(|state| {
            state.world.client_leaves(key);
            state.clients.remove(&key);
            state.sockets.remove(&key)
        });
        let Some(connections) = socket.map(Choice::Id) else { return };
        match self.rng.random_range(0..4) {
            0 => self.inject(Fault::Reset { connections }),
            1 => {
                let later = Duration::from_millis(self.rng.random_range(1..15_000));
                let server_sees = CutDetection::reset(SeenWhen::After(later));
                let client_sees = CutDetection::reset(SeenWhen::Now);
                self.inject(Fault::Sever { connections, client_sees, server_sees });
            }
            _ => {}
        }
    }

    fn suffer(&mut self, node: usize, fault: moves::Fault) -> Result<(), Violation> {
        let before = self.conditions();
        self.with(|state| state.world.suffers(node, fault))?;
        if let moves::Fault::Restart(_) = fault {
            let peers = self.peers();
            self.shared.net.crash(engine::HOST, peers).expect("the engine has a host");
            self.engine.kill();
            self.with(|state| state.end_all());
            self.engine = engine::start(&self.shared);
        }
        self.follow(&before);
        Ok(())
    }

    fn peers(&mut self) -> Peers {
        if self.rng.random() { Peers::SeeReset } else { Peers::SeeNothing }
    }

    fn conditions(&self) -> BTreeMap<NodeName, Condition> {
        self.with(|state| state.world.conditions())
    }

    /// Hosts become what the world says.
    fn follow(&mut self, before: &BTreeMap<NodeName, Condition>) {
        for (process, is) in &self.conditions() {
            let (host, was) = (hub::host(process), before.get(process));
            let did = |what: fn(&Condition) -> bool| was.is_some_and(what);
            let ran = did(|was| was.runs);
            if ran && !is.runs {
                self.crash(process);
            }
            self.change_ways(process, is);
            if !did(|was| was.leaves)
                && is.leaves
                && let Some(stop) = self.with(|state| state.stops.remove(process))
            {
                // One that has just ended need not be told.
                let _ = stop.send(());
            }
            if was.is_none_or(|was| was.ahead != is.ahead) {
                // There may be none yet.
                self.shared.net.host(&host);
                self.inject(Fault::ClockSkew { host, milliseconds: is.ahead });
            }
            if !ran && is.runs {
                self.hubs.insert(process.clone(), hub::start(&self.shared, process, is));
            }
            match (did(|was| was.is_paused), is.is_paused && is.runs) {
                (false, true) => self.hubs[process].pause(),
                (true, false) => self.hubs[process].resume(),
                _ => {}
            }
        }
        self.with(State::pump);
    }

    fn crash(&mut self, process: &NodeName) {
        let peers = self.peers();
        self.shared.net.crash(&hub::host(process), peers).expect("each process has a host");
        self.hubs[process].kill();
        self.with(|state| state.clients.retain(|_, client| client.process != *process));
    }

    /// Time passes.
    async fn wait(&mut self, time: Duration) -> Result<(), Violation> {
        let until = self.main.monotonic() + time;
        loop {
            self.look()?;
            let left = until.saturating_sub(self.main.monotonic());
            if left.is_zero() {
                return Ok(());
            }
            self.main.sleep(left.min(LOOK_EVERY)).await;
        }
    }

    fn look(&mut self) -> Result<(), Violation> {
        for process in self.with(|state| std::mem::take(&mut state.ended)) {
            self.crash(&process);
        }
        let now = self.main.monotonic();
        self.with(|state| {
            state.world.looks();
            self.ways.lossy().for_each(|process| state.world.is_impaired(process, now));
            state.pump();
            state.broken.clone().map_or(Ok(()), Err)
        })
    }

    /// Everything is mended; when all is quiet, everybody must agree.
    async fn rest(&mut self, keep_trying: bool) -> Result<(), Violation> {
        let before = self.conditions();
        self.shared.net.heal();
        self.ways.heal();
        self.with(|state| state.world.recovers())?;
        self.follow(&before);
        let mut rest = Rest::new(keep_trying);
        while let Some(rites) = self.with(|state| rest.next(&state.world)) {
            for rite in rites {
                self.perform(rite).await?;
            }
        }
        Ok(())
    }

    async fn perform(&mut self, rite: Rite) -> Result<(), Violation> {
        match rite {
            Rite::Wait(time) => return self.wait(time).await,
            Rite::Ask(key, word) => {
                self.with(|state| state.world.expects(key, word));
                self.ask(key, word);
                // The next one asks at the same time.
                return Ok(());
            }
            Rite::Leave(key) => self.end(key),
            Rite::Hold(node, is_held) => self.with(|state| {
                state.world.hold(node, is_held);
                state.pump();
            }),
            Rite::Connect(actor, node) => self.open(actor, node),
            Rite::Recover { must_count } => {
                let key = self.with(|state| state.world.shows_position(must_count));
                self.ask(key, Word::Recover);
            }
            Rite::Look => return self.show().await,
            Rite::Judge(truth) => {
                return self.with(|state| {
                    state.world.is_so(truth)?;
                    if truth == Truth::Agreement { state.all_read() } else { Ok(()) }
                });
            }
        }
        self.wait(SETTLED_IN).await
    }

    /// Each hub shows itself, as it will be judged.
    async fn show(&mut self) -> Result<(), Violation> {
        let running = self.conditions().into_iter().filter(|(_, is)| is.runs);
        self.with(|state| state.asked_to_show.extend(running.map(|(process, _)| process)));
        self.wait(SHOWN_IN).await?;
        let missing = self.with(|state| std::mem::take(&mut state.asked_to_show));
        assert!(missing.is_empty(), "each hub has something to do all the time: {missing:?}");
        Ok(())
    }
}
