//! What a network does beside: now and then links stand still, lose segments, or end.

use std::time::Duration;

use dst::net::{Choice, Fault, LinkConfig};
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::moves::Move;
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
        !matches!(effect, Effect::Lasting(..) | Effect::Once(Move::Fault(..)))
    };
    let is_calm = steps.iter().all(is_calm);
    let (mut all, mut opened) = (Vec::new(), Vec::new());
    for (at, effect) in steps {
        if let Effect::Once(Move::Open { actor, node }) = effect {
            opened.push((name_of(actor % setting.actors), hub_of(node % setting.nodes)));
        }
        all.push((at, effect));
        if rng.random_range(0..6) == 0 {
            let is_between = !is_calm && rng.random();
            let fault =
                if is_between { Some(between(setting, rng)) } else { stall_client(rng, &opened) };
            all.extend(fault.map(|fault| (at, Effect::Network(fault))));
        }
    }
    all
}

/// A connection that was opened lately may stand still in one direction.
fn stall_client(rng: &mut ChaCha12Rng, opened: &[(String, String)]) -> Option<Fault> {
    const LATELY: usize = 3;
    let lately = &opened[opened.len().saturating_sub(LATELY)..];
    let lasts = Duration::from_millis(rng.random_range(1..4_000));
    let (client, hub) = lately.get(rng.random_range(0..LATELY))?.clone();
    let is_from_hub = rng.random_range(0..3) > 0;
    let (from, to) = if is_from_hub { (hub, client) } else { (client, hub) };
    Some(Fault::Stall { from, to, lasts })
}

fn between(setting: &Setting, rng: &mut ChaCha12Rng) -> Fault {
    let (hub, engine) = (hub_of(rng.random_range(0..setting.nodes)), ENGINE.to_owned());
    let lasts = Duration::from_millis(rng.random_range(1..4_000));
    match rng.random_range(0..4) {
        0 => Fault::Stall { from: hub, to: engine, lasts },
        1 => Fault::Stall { from: engine, to: hub, lasts },
        2 => {
            let jitter = Duration::from_millis(rng.random_range(0..100));
            let loss_per_mille = rng.random_range(0..100);
            let config = LinkConfig { jitter, loss_per_mille, ..LinkConfig::default() };
            let (from, to) = if rng.random() { (hub, engine) } else { (engine, hub) };
            Fault::Link { from, to, config }
        }
        _ => Fault::Reset { connections: Choice::Every { client: hub, server: engine } },
    }
}
