//! From a seed to a scenario: a minute of traffic in bad weather. A profile says what may happen
//! and how often; `swarm` lets each seed choose.

mod aimed;
mod dice;
mod kinds;
mod principals;
mod rare;
mod recovering;
mod sizes;
mod storing;
mod stranger;
mod traffic;
mod trouble;

use std::time::Duration;

use clap::ValueEnum;
use signal_hub::hub::Config;

pub use self::aimed::Due;
use self::dice::Dice;
use self::kinds::{Kind, Weights};
use super::{Actor, ActorKind, Clients, Ending, Scenario, Step, When};
use crate::net::{Fault, LinkConfig};

const NAMES: [&str; 8] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
/// How long steps are played, unless somebody wants otherwise.
pub const LASTS: Duration = Duration::from_secs(60);
/// Of the streams of a seed, that of what is rare; the profiles have the lower ones.
const RARE: u64 = 1_000;
/// That of who is large.
const SIZES: u64 = 1_001;
/// That of who recovers what it missed.
const RECOVERING: u64 = 1_003;
/// That of tokens.
const PRINCIPALS: u64 = 1_002;
/// That of a hub with a store.
const STORING: u64 = 1_004;
/// That of who has several addresses.
const ADDRESSES: u64 = 1_005;
/// That of what comes when something is due.
const DEADLINES: u64 = 1_006;

/// What kind of minute it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ValueEnum)]
pub enum Profile {
    /// Traffic, and nothing goes wrong.
    Calm,
    /// Everything that can happen to connections, at a moderate rate.
    Storm,
    /// The network is slow, lossy and stalls; connections survive.
    Flaky,
    /// Clients of one actor displace each other.
    Takeover,
    /// Connections die and one end or both are never told.
    Halfopen,
    /// Thirty actors, all at once.
    Crowd,
    /// The hub crashes and shuts down, again and again.
    Restart,
    /// Each seed enables its own operations and faults, at its own rates.
    #[default]
    Swarm,
    /// The hub demands tokens, which expire, are refreshed, stolen and forged, while clocks differ.
    Principals,
    /// The hub has a store, and its machine goes down, its disk fails and fills up.
    Store,
}

/// The scenario of a seed. The same seed and profile always give the same one.
pub fn generate(profile: Profile, seed: u64) -> Scenario {
    generate_lasting(profile, seed, LASTS)
}

/// The same for a storm that lasts longer, with as much more traffic and trouble. Every minute the
/// network heals: what nobody ends would add up until nothing happens any more.
pub fn generate_lasting(profile: Profile, seed: u64, lasts: Duration) -> Scenario {
    let mut dice = Dice::new(seed, profile as u64, lasts);
    let weights = Weights::of(profile, &mut dice);
    let mut scenario = Scenario {
        title: format!("{profile:?} {seed}").to_lowercase(),
        seed,
        hub: hub(&mut dice, &weights),
        network: LinkConfig {
            latency: dice.millis(1, 40),
            jitter: dice.millis(0, 20),
            // Small enough that whoever does not read soon makes the hub's queue grow.
            window_bytes: dice.between(1_024, 32_768),
            ..LinkConfig::default()
        },
        clients: Clients {
            registration_ttl: Duration::from_secs(dice.between(10, 60) as u64),
            ..Clients::default()
        },
        actors: actors(profile, &mut dice),
        ending: Ending::Calm,
        races: Some("a storm".to_owned()),
        ..Scenario::default()
    };
    if profile == Profile::Principals {
        principals::more_addresses(&mut dice, &mut scenario);
    }
    let mut addresses = Dice::new(seed, ADDRESSES, lasts);
    if profile == Profile::Swarm && addresses.one_in(4) {
        principals::more_addresses(&mut addresses, &mut scenario);
    }
    traffic::plan(&mut dice, &weights, &mut scenario);
    trouble::plan(&mut dice, &weights, &mut scenario);
    if profile == Profile::Swarm {
        rare::plan(&mut Dice::new(seed, RARE, lasts), &mut scenario);
        sizes::plan(&mut Dice::new(seed, SIZES, lasts), &mut scenario);
        aimed::plan(seed, lasts, &mut scenario);
    }
    if matches!(profile, Profile::Swarm | Profile::Store) {
        recovering::plan(&mut Dice::new(seed, RECOVERING, lasts), &mut scenario);
        let mut dice = Dice::new(seed, STORING, lasts);
        if profile == Profile::Store || dice.one_in(8) {
            storing::plan(&mut dice, lasts, &mut scenario);
        }
    }
    let mut dice = Dice::new(seed, PRINCIPALS, lasts);
    if profile == Profile::Principals || profile == Profile::Swarm && dice.one_in(4) {
        principals::plan(&mut dice, &mut scenario);
    }
    for minute in 1..lasts.as_secs().div_ceil(LASTS.as_secs()) as u32 {
        scenario.steps.push(Step::fault(LASTS * minute, Fault::Heal));
    }
    put_in_order(&mut scenario, lasts);
    scenario
}

/// Returns whether the storm of a seed is to be aimed at the deadlines that the hub has in it.
pub fn is_aimed(profile: Profile, seed: u64) -> bool {
    matches!(profile, Profile::Swarm | Profile::Principals | Profile::Store)
        && deadline_dice(seed, LASTS).is_some()
}

/// The dice of one storm in eight.
fn deadline_dice(seed: u64, lasts: Duration) -> Option<Dice> {
    let mut dice = Dice::new(seed, DEADLINES, lasts);
    dice.one_in(8).then_some(dice)
}

/// Aims the storm of a seed at some of these.
pub fn aim(scenario: &mut Scenario, deadlines: &[Due], seed: u64, lasts: Duration) {
    let Some(mut dice) = deadline_dice(seed, lasts) else { return };
    scenario.steps.pop();
    aimed::aim(&mut dice, deadlines, scenario);
    put_in_order(scenario, lasts);
}

/// By their times; then all faults are lifted.
fn put_in_order(scenario: &mut Scenario, lasts: Duration) {
    scenario.steps.sort_by_cached_key(|step| match step.when {
        When::At(at) => at,
        When::After(_) | When::Then => unreachable!("a storm knows its times"),
    });
    scenario.steps.push(Step::fault(lasts, Fault::Heal));
}

fn actors(profile: Profile, dice: &mut Dice) -> Vec<Actor> {
    let number = match profile {
        Profile::Crowd => 30,
        Profile::Takeover => dice.between(2, 4),
        _ => dice.between(3, NAMES.len()),
    };
    let name = |number: usize| match number / NAMES.len() {
        0 => NAMES[number].to_owned(),
        again => format!("{}{}", NAMES[number % NAMES.len()], again + 1),
    };
    let mut actors: Vec<Actor> = (0..number).map(|n| Actor::client(&name(n))).collect();
    if dice.one_in(2) {
        let first = &mut actors[0];
        first.addresses = vec![format!("{}/desk", first.name), format!("{}/phone", first.name)];
    }
    actors.push(Actor { kind: ActorKind::Raw, ..Actor::client("mallory") });
    actors
}

/// Limits are mostly far away and sometimes near.
fn hub(dice: &mut Dice, weights: &Weights) -> Config {
    let queue_messages_max = dice.between(4, 64);
    let near = |dice: &mut Dice| weights.has(Kind::Limits) && dice.one_in(4);
    let plenty = Config::default();
    Config {
        connect_timeout: dice.millis(2_000, 6_000),
        idle_timeout: dice.millis(8_000, 16_000),
        ping_interval: dice.millis(2_000, 4_000),
        heartbeat_interval: dice.millis(2_000, 4_000),
        resume_window: if near(dice) { Duration::ZERO } else { dice.millis(3_000, 15_000) },
        slow_consumer_timeout: dice.millis(2_000, 6_000),
        queue_messages_max,
        pause_threshold: queue_messages_max / 2,
        resume_threshold: queue_messages_max / 4,
        rate_limit_per_second: if near(dice) { 2 } else { plenty.rate_limit_per_second },
        rate_limit_burst: if near(dice) { 8 } else { plenty.rate_limit_burst },
        message_bytes_max: if near(dice) { 3_000 } else { plenty.message_bytes_max },
        broadcast_recipients_max: if near(dice) { 2 } else { plenty.broadcast_recipients_max },
        subscriptions_per_session_max: if near(dice) {
            2
        } else {
            plenty.subscriptions_per_session_max
        },
        addresses_per_session_max: if near(dice) { 4 } else { plenty.addresses_per_session_max },
        dedupe_window: if near(dice) { Duration::ZERO } else { dice.millis(5_000, 60_000) },
        malformed_per_minute_max: if near(dice) { 2 } else { plenty.malformed_per_minute_max },
        ..plenty
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::What;

    #[test]
    fn a_seed_always_gives_the_same_scenario() {
        for profile in Profile::value_variants() {
            assert_eq!(generate(*profile, 7), generate(*profile, 7));
            assert_ne!(generate(*profile, 7), generate(*profile, 8));
        }
    }

    #[test]
    fn every_storm_is_of_a_hub_that_would_start() {
        for profile in Profile::value_variants() {
            for seed in (0..200).chain(1_000..1_212) {
                let storm = generate(*profile, seed);
                let doubts = super::super::bounds::doubts(&storm);
                assert_eq!(doubts, Vec::<String>::new(), "{profile:?} {seed}");
                assert!(super::super::is_fair(&storm), "{profile:?} {seed}");
                let last = storm.steps.last().expect("it heals");
                assert!(matches!(last.what, What::Network(Fault::Heal)), "{profile:?} {seed}");
            }
        }
    }

    #[test]
    fn a_scenario_goes_through_its_file_unaltered() {
        for seed in 0..20 {
            let scenario = generate(Profile::Swarm, seed);
            let text = super::super::write(&scenario);
            assert_eq!(super::super::read(&text).expect("a scenario"), scenario);
        }
    }
}
