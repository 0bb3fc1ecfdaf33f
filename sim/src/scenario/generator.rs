//! From a seed to a scenario: a minute of traffic in bad weather.

use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use signal_hub::hub::Config;
use signal_hub::protocol::Topic;

use super::{Action, HUB_HOST, Scenario, Step};
use crate::net::{Choice, ConnectMode, Fault, LinkConfig, Notice, Seen, Ways};

const NAMES: [&str; 8] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
const TOPICS: [&str; 4] = ["news", "sports", "weather", "chess"];
const STORM: Duration = Duration::from_secs(60);

/// The storm of a seed: 4 to 8 actors who send, ask, publish and subscribe for 60 seconds, while
/// connections break in every way, the network stalls and splits, and the hub restarts.
pub fn storm(seed: u64) -> Scenario {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let actors: Vec<String> =
        NAMES[..dice.between(4, NAMES.len())].iter().map(|&name| name.to_owned()).collect();
    let mut scenario = Scenario {
        title: String::new(),
        why: String::new(),
        seed,
        hub: hub_config(&mut dice),
        network: LinkConfig {
            latency: dice.millis(1, 40),
            jitter: dice.millis(0, 20),
            // Small enough that whoever does not read soon makes the hub's queue grow.
            window_bytes: dice.between(1_024, 32_768),
            ..LinkConfig::default()
        },
        registration_ttl_seconds: dice.between(10, 60) as u64,
        actors,
        duration: STORM,
        steps: Vec::new(),
    };
    traffic(&mut dice, &mut scenario);
    trouble(&mut dice, &mut scenario);
    scenario.steps.sort_by_key(|step| step.at);
    scenario
}

fn hub_config(dice: &mut Dice) -> Config {
    let queue_messages_max = dice.between(4, 64);
    Config {
        connect_timeout: dice.millis(2_000, 6_000),
        idle_timeout: dice.millis(8_000, 16_000),
        ping_interval: dice.millis(2_000, 4_000),
        heartbeat_interval: dice.millis(2_000, 4_000),
        resume_window: dice.millis(3_000, 15_000),
        slow_consumer_timeout: dice.millis(2_000, 6_000),
        queue_messages_max,
        pause_threshold: queue_messages_max / 2,
        resume_threshold: queue_messages_max / 4,
        ..Config::default()
    }
}

/// About three actions a second.
fn traffic(dice: &mut Dice, scenario: &mut Scenario) {
    for actor in scenario.actors.clone() {
        let topic = dice.topic();
        scenario
            .steps
            .push(Step { at: dice.millis(100, 3_000), action: Action::Subscribe { actor, topic } });
    }
    for _ in 0..dice.between(120, 240) {
        let actor = dice.pick(&scenario.actors);
        let action = match dice.between(0, 19) {
            0..=5 => Action::Send { actor, to: dice.pick(&scenario.actors) },
            6..=8 => Action::Ask { actor, to: dice.pick(&scenario.actors) },
            9..=10 => Action::AskTwice { actor, to: dice.pick(&scenario.actors) },
            11..=12 => Action::Broadcast { actor, exclude_self: dice.between(0, 1) == 0 },
            13..=15 => Action::Publish { actor, topic: dice.topic() },
            16..=17 => Action::Subscribe { actor, topic: dice.topic() },
            _ => Action::Unsubscribe { actor, topic: dice.topic() },
        };
        scenario.steps.push(Step { at: dice.any_time(), action });
    }
}

fn trouble(dice: &mut Dice, scenario: &mut Scenario) {
    for _ in 0..dice.between(6, 16) {
        let actor = dice.pick(&scenario.actors);
        let action = disturbance(dice, actor);
        let at = dice.any_time();
        scenario.steps.push(Step { at, action });
    }
    partition(dice, scenario);
    if dice.between(0, 1) == 0 {
        let action = Action::RestartHub {
            abruptly: dice.between(0, 1) == 0,
            pause: dice.millis(100, 3_000),
        };
        scenario.steps.push(Step { at: dice.any_time(), action });
    }
}

fn disturbance(dice: &mut Dice, actor: String) -> Action {
    let fault = match dice.between(0, 13) {
        0..=3 => {
            let hub_sees = dice.seen();
            return Action::Reconnect { actor, hub_sees };
        }
        4 => return Action::Replace { actor },
        5 => return Action::Leave { actor, pause: dice.millis(10, 4_000) },
        6 => Fault::Reset { connections: latest(actor) },
        7 => Fault::Sever {
            connections: latest(actor),
            client_sees: Notice::reset(dice.seen()),
            server_sees: Notice::end_of_stream(dice.seen()),
        },
        8 => Fault::Stall { from: actor, to: HUB_HOST.into(), lasts: dice.millis(500, 20_000) },
        9 => Fault::Stall { from: HUB_HOST.into(), to: actor, lasts: dice.millis(500, 20_000) },
        10 => Fault::PauseHostReading { host: actor, lasts: dice.millis(500, 15_000) },
        11 => Fault::Connects {
            from: actor,
            to: HUB_HOST.into(),
            mode: *[ConnectMode::Refuse, ConnectMode::Hang, ConnectMode::BlackHole]
                .choose(&mut dice.0)
                .expect("there are three modes"),
        },
        12 => Fault::Link { from: actor, to: HUB_HOST.into(), config: dice.weather() },
        _ => Fault::Link { from: HUB_HOST.into(), to: actor, config: dice.weather() },
    };
    Action::Net { fault }
}

fn latest(actor: String) -> Choice {
    Choice::Latest { client: actor, server: HUB_HOST.into() }
}

/// One actor is cut off for a while, one way or both.
fn partition(dice: &mut Dice, scenario: &mut Scenario) {
    let (from, to) = (dice.pick(&scenario.actors), HUB_HOST.to_owned());
    let (from, to) = if dice.between(0, 1) == 0 { (from, to) } else { (to, from) };
    let ways = if dice.between(0, 1) == 0 { Ways::OneWay } else { Ways::BothWays };
    let at = dice.any_time();
    let split = Fault::Partition { from: from.clone(), to: to.clone(), ways };
    let rejoin = Fault::Rejoin { from, to, ways };
    scenario.steps.push(Step { at, action: Action::Net { fault: split } });
    let at = at + dice.millis(1_000, 25_000);
    scenario.steps.push(Step { at, action: Action::Net { fault: rejoin } });
}

struct Dice(ChaCha8Rng);

impl Dice {
    /// Both ends included.
    fn between(&mut self, least: usize, most: usize) -> usize {
        self.0.random_range(least..=most)
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.0.random_range(least..=most))
    }

    fn any_time(&mut self) -> Duration {
        self.millis(1_500, 60_000)
    }

    fn pick(&mut self, names: &[String]) -> String {
        names.choose(&mut self.0).expect("a scenario has actors").clone()
    }

    fn topic(&mut self) -> Topic {
        let name = TOPICS.choose(&mut self.0).expect("there are topics");
        Topic::parse(name).expect("its topics are topics")
    }

    /// Soon, late, or never: the late close of a connection that its client has long replaced.
    fn seen(&mut self) -> Seen {
        match self.between(0, 3) {
            0 => Seen::Now,
            1 => Seen::Never,
            _ => Seen::After(self.millis(100, 6_000)),
        }
    }

    fn weather(&mut self) -> LinkConfig {
        LinkConfig {
            latency: self.millis(1, 300),
            jitter: self.millis(0, 200),
            bytes_per_second: (self.between(0, 3) == 0)
                .then(|| self.0.random_range(2_000..200_000)),
            window_bytes: self.between(2_048, 65_536),
            loss_per_mille: self.between(0, 200) as u16,
            fin: self.seen(),
            ..LinkConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_storm() {
        assert_eq!(storm(7), storm(7));
        assert_ne!(storm(7), storm(8));
    }

    #[test]
    fn a_storm_goes_through_json_unaltered() {
        let text = serde_json::to_string(&storm(3)).expect("a scenario is JSON");
        assert_eq!(serde_json::from_str::<Scenario>(&text).expect("a scenario"), storm(3));
    }

    #[test]
    fn steps_are_in_the_order_of_time() {
        assert!(storm(1).steps.is_sorted_by_key(|step| step.at));
    }
}
