//! The ways between hosts: as bad as the world says, and as networks are beside.

use std::time::Duration;

use dst::net::{Choice, ConnectMode, CutDetection, Fault, Seen, Ways as Both};
use rand::RngExt;

use super::stage::Stage;
use super::{engine, hub};
use crate::engine::Way;
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

/// How the ways between each hub and the engine are.
#[derive(Debug, Clone)]
pub struct Ways(Vec<Bad>);

#[derive(Debug, Clone, Default)]
struct Bad {
    lost: Option<Loss>,
    parted: Vec<Way>,
    is_lossy: bool,
}

impl Ways {
    /// All is well.
    pub fn new(nodes: usize) -> Self {
        Self(vec![Bad::default(); nodes])
    }

    /// All ways are as in the beginning.
    pub fn heal(&mut self) {
        self.0.fill_with(Bad::default);
    }

    /// The nodes whose ways lose something all the time.
    pub fn lossy(&self) -> impl Iterator<Item = usize> + '_ {
        let lossy = self.0.iter().enumerate().filter(|(_, bad)| bad.is_lossy);
        lossy.map(|(node, _)| node)
    }
}

impl Stage {
    /// The ways between a hub and the engine become what the world says.
    pub fn change_ways(&mut self, node: usize, is: &Condition) {
        let kind = self.rng.random_range(0..3);
        let lost = &mut self.ways.0[node].lost;
        let (was, loss) = (*lost, [Loss::Refused, Loss::Silent, Loss::Hanging][kind]);
        *lost = is.is_lost.then_some(was.unwrap_or(loss));
        let now = *lost;
        if was != now {
            self.lose_or_find(node, now);
        }
        for way in [Way::ToEngine, Way::FromEngine] {
            let is_parted = now == Some(Loss::Silent) || is.cut.contains(&way);
            self.part(node, way, is_parted);
        }
    }

    fn lose_or_find(&mut self, node: usize, loss: Option<Loss>) {
        let (from, to) = (hub::host(node), engine::HOST.to_owned());
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

    fn part(&mut self, node: usize, way: Way, is_parted: bool) {
        let parted = &mut self.ways.0[node].parted;
        if parted.contains(&way) == is_parted {
            return;
        }
        parted.retain(|other| *other != way);
        parted.extend(is_parted.then_some(way));
        let (hub, engine, ways) = (hub::host(node), engine::HOST.to_owned(), Both::OneWay);
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
    pub fn strikes(&mut self, fault: Fault) {
        let hosts = fault.hosts();
        if hosts.contains(&engine::HOST) {
            let nodes = self.nodes();
            let named = (0..nodes).filter(|node| hosts.contains(&&*hub::host(*node)));
            for node in named.collect::<Vec<_>>() {
                let until = self.shared.net.elapsed() + fault.lasts().unwrap_or_default();
                self.ways.0[node].is_lossy |= fault.lasts().is_none();
                self.with(|state| state.world.is_impaired(node, until));
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
