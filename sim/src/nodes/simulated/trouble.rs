//! The ways between hosts: as bad as the world says, and as networks are beside.

use std::time::Duration;

use dst::net::{Choice, ConnectMode, CutDetection, Fault, LinkConfig, Seen, Ways as Both};
use rand::RngExt;
use signal_hub::hub::SessionKey;

use super::stage::Stage;
use super::{client, engine, hub};
use crate::engine::Way;
use crate::nodes::world::{Condition, Connection};

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

    /// What no move tells of: now and then links stand still, lose segments, or end.
    pub fn make_trouble(&mut self, between_hub_and_engine: bool) {
        if self.rng.random_range(0..6) > 0 {
            return;
        }
        let node = self.rng.random_range(0..self.nodes());
        let lasts = Duration::from_millis(self.rng.random_range(1..4_000));
        let (hub, engine) = (hub::host(node), engine::HOST.to_owned());
        let fault = match self.rng.random_range(0..8) {
            0..4 => return self.stall_client(lasts),
            _ if !between_hub_and_engine => return,
            4 => Fault::Stall { from: hub, to: engine, lasts },
            5 => Fault::Stall { from: engine, to: hub, lasts },
            6 => {
                self.ways.0[node].is_lossy = true;
                let jitter = Duration::from_millis(self.rng.random_range(0..100));
                let loss_per_mille = self.rng.random_range(0..100);
                let config = LinkConfig { jitter, loss_per_mille, ..LinkConfig::default() };
                let is_to_engine: bool = self.rng.random();
                let (from, to) = if is_to_engine { (hub, engine) } else { (engine, hub) };
                Fault::Link { from, to, config }
            }
            _ => Fault::Reset { connections: Choice::Every { client: hub, server: engine } },
        };
        let until = self.shared.net.elapsed() + lasts;
        self.with(|state| state.world.is_impaired(node, until));
        self.inject(fault);
    }

    /// One of the connections stands still in one direction.
    fn stall_client(&mut self, lasts: Duration) {
        let all: Vec<SessionKey> = self.with(|state| state.world.all_connected().collect());
        if all.is_empty() {
            return;
        }
        let key = all[self.rng.random_range(0..all.len())];
        let known = self.with(|state| state.world.connected(key).cloned());
        let Some(Connection { actor, node, .. }) = known else { return };
        let (hub, client) = (hub::host(node), client::host(actor));
        let is_from_hub = self.rng.random_range(0..3) > 0;
        let (from, to) = if is_from_hub { (hub, client) } else { (client, hub) };
        self.inject(Fault::Stall { from, to, lasts });
    }
}
