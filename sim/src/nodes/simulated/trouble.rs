//! The ways between hosts: as bad as the world says, and as networks are beside.

use std::collections::BTreeMap;
use std::time::Duration;

use dst::net::{Choice, ConnectMode, CutDetection, Fault, Seen, Ways as Both};
use rand::RngExt;
use signal_hub::cluster::engine::NodeName;

use super::stage::Stage;
use super::{engine, hub};
use crate::engine::Way;
use crate::nodes::scenario;
use crate::nodes::world::Condition;

/// How a hub loses its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Its connection is reset, and another refused.
    Refused,
    /// Nothing passes either way, and nobody says so.
    Silent,
    /// Its connection is cut, of which each end hears at some time, and another one hangs.
    Hanging,
}

/// How the ways between each hub's process and the engine are.
#[derive(Debug, Clone, Default)]
pub struct Ways(BTreeMap<NodeName, Bad>);

#[derive(Debug, Clone, Default)]
struct Bad {
    lost: Option<Loss>,
    parted: Vec<Way>,
    is_lossy: bool,
}

impl Ways {
    /// All ways are as in the beginning.
    pub fn heal(&mut self) {
        self.0.clear();
    }

    /// The processes whose ways lose something all the time.
    pub fn lossy(&self) -> impl Iterator<Item = &NodeName> {
        self.0.iter().filter(|(_, bad)| bad.is_lossy).map(|(process, _)| process)
    }
}

impl Stage {
    /// The ways between a process and the engine become what the world says.
    pub fn change_ways(&mut self, process: &NodeName, is: &Condition) {
        let kind = self.rng.random_range(0..3);
        let lost = &mut self.ways.0.entry(process.clone()).or_default().lost;
        let (was, loss) = (*lost, [Loss::Refused, Loss::Silent, Loss::Hanging][kind]);
        *lost = is.is_lost.then_some(was.unwrap_or(loss));
        let now = *lost;
        if was != now {
            self.lose_or_find(process, now);
        }
        for way in [Way::ToEngine, Way::FromEngine] {
            let is_parted = now == Some(Loss::Silent) || is.cut.contains(&way);
            self.part(process, way, is_parted);
        }
    }

    fn lose_or_find(&mut self, process: &NodeName, loss: Option<Loss>) {
        let (from, to) = (hub::host(process), engine::HOST.to_owned());
        let connections = Choice::Every { client: from.clone(), server: to.clone() };
        let mode = match loss {
            None => ConnectMode::Accept,
            Some(Loss::Silent) => return,
            Some(Loss::Refused) => {
                self.inject(Fault::Reset { connections });
                ConnectMode::Refuse
            }
            Some(Loss::Hanging) => {
                let mut later = || {
                    let later = Duration::from_millis(self.rng.random_range(1..5_000));
                    CutDetection::reset(Seen::After(later))
                };
                let (client_sees, server_sees) = (later(), later());
                self.inject(Fault::Sever { connections, client_sees, server_sees });
                ConnectMode::Hang
            }
        };
        self.inject(Fault::Connects { from, to, mode });
    }

    fn part(&mut self, process: &NodeName, way: Way, is_parted: bool) {
        let parted = &mut self.ways.0.entry(process.clone()).or_default().parted;
        if parted.contains(&way) == is_parted {
            return;
        }
        parted.retain(|other| *other != way);
        parted.extend(is_parted.then_some(way));
        let (hub, engine, ways) = (hub::host(process), engine::HOST.to_owned(), Both::OneWay);
        let (from, to) = match way {
            Way::ToEngine => (hub, engine),
            Way::FromEngine => (engine, hub),
        };
        self.inject(match is_parted {
            true => Fault::Partition { from, to, ways },
            false => Fault::Rejoin { from, to, ways },
        });
    }

    /// What the network does. The judge has to know what it does to the ways between hubs and the engine.
    pub fn strikes(&mut self, mut fault: Fault) {
        let processes = self.processes();
        // A hub is where its latest process is.
        for host in fault.hosts_mut() {
            let node = (0..processes.len()).find(|node| *host == scenario::hub_of(*node));
            node.into_iter().for_each(|node| *host = hub::host(&processes[node]));
        }
        let hosts = fault.hosts();
        if hosts.contains(&engine::HOST) {
            for process in processes.iter().filter(|process| hosts.contains(&process.as_str())) {
                let until = self.shared.net.elapsed() + fault.lasts().unwrap_or_default();
                let ways = self.ways.0.entry(process.clone()).or_default();
                ways.is_lossy |= fault.lasts().is_none();
                self.with(|state| state.world.is_impaired(process, until));
            }
        }
        self.inject(fault);
    }
}

/// For how long it makes itself felt, if it ends by itself.
trait Lasts {
    fn lasts(&self) -> Option<Duration>;
}

impl Lasts for Fault {
    fn lasts(&self) -> Option<Duration> {
        match self {
            Fault::Stall { lasts, .. } => Some(*lasts),
            Fault::Reset { .. } => Some(Duration::ZERO),
            _ => None,
        }
    }
}
