//! What a network does beside: now and then links stand still, lose segments, or end.

use std::time::Duration;

use dst::net::{Choice, Fault, LinkConfig};
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::scenario::{ENGINE, Effect, hub_of, name_of};
use super::world::Setting;

/// How all links are.
pub(super) fn link(rng: &mut ChaCha12Rng) -> LinkConfig {
    LinkConfig {
        latency: Duration::from_micros(rng.random_range(100..3_000)),
        jitter: Duration::from_micros(rng.random_range(0..10_000)),
        ..LinkConfig::default()
    }
}

/// The same steps with what the network does between them; to the ways between hubs and the engine only if something else
/// breaks, too.
pub(super) fn strike(
    setting: &Setting,
    rng: &mut ChaCha12Rng,
    steps: Vec<(Duration, Effect)>,
) -> Vec<(Duration, Effect)> {
    let is_calm = |(_, effect): &(Duration, Effect)| {
        !matches!(effect, Effect::Lasting(..) | Effect::Once(super::moves::Move::Fault(..)))
    };
    let is_calm = steps.iter().all(is_calm);
    let mut all = Vec::new();
    for (at, effect) in steps {
        all.push((at, effect));
        if rng.random_range(0..8) == 0 {
            all.extend(fault(setting, rng, is_calm).map(|fault| (at, Effect::Network(fault))));
        }
    }
    all
}

fn fault(setting: &Setting, rng: &mut ChaCha12Rng, is_calm: bool) -> Option<Fault> {
    let (hub, engine) = (hub_of(rng.random_range(0..setting.nodes)), ENGINE.to_owned());
    let client = name_of(rng.random_range(0..setting.actors));
    let lasts = Duration::from_millis(rng.random_range(1..4_000));
    Some(match rng.random_range(0..8) {
        0 | 1 => Fault::Stall { from: client, to: hub, lasts },
        2 | 3 => Fault::Stall { from: hub, to: client, lasts },
        _ if is_calm => return None,
        4 => Fault::Stall { from: hub, to: engine, lasts },
        5 => Fault::Stall { from: engine, to: hub, lasts },
        6 => {
            let jitter = Duration::from_millis(rng.random_range(0..100));
            let loss_per_mille = rng.random_range(0..100);
            let config = LinkConfig { jitter, loss_per_mille, ..LinkConfig::default() };
            let (from, to) = if rng.random() { (hub, engine) } else { (engine, hub) };
            Fault::Link { from, to, config }
        }
        _ => Fault::Reset { connections: Choice::Every { client: hub, server: engine } },
    })
}
