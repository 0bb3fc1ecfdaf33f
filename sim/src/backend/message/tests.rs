//! The network's suite of faults, by messages, and what only messages do.

use std::time::Duration;

use super::network::{self, Carried, HUB, Messages, Network, Read, Sending};
use super::websocket::Message;
use crate::net::{ConnectionId, End, LinkConfig};
use crate::scenario::Scenario;
use dst::net::suite::{BYTES, Sample};

impl Sample for Carried {
    fn sample() -> Self {
        Self(Message::Ping, BYTES)
    }
}

dst::for_payload! { Carried }

/// A connection to a hub that listens, from where nothing takes any time.
fn connected(link: LinkConfig) -> (Network, ConnectionId) {
    let link = LinkConfig { latency: Duration::ZERO, ..link };
    let mut network = network::new(&Scenario { network: link, ..Scenario::default() });
    let alice = network.host("alice");
    network.listen(Duration::ZERO, HUB.host, HUB.port).expect("nobody else listens");
    let id = network.open(Duration::ZERO, alice, HUB);
    pass(&mut network, Duration::ZERO);
    assert!(network.accept(id));
    (network, id)
}

fn pass(network: &mut Network, now: Duration) {
    while !network.effects.plans.is_empty() {
        let (_, plan) = network.effects.plans.remove(0);
        network.carry_out(now, plan);
    }
}

fn send(network: &mut Network, id: ConnectionId, message: Message) -> Sending {
    network.send(Duration::ZERO, id, End::Client, message)
}

#[test]
fn a_message_longer_than_the_window_goes_when_nothing_is_before_it() {
    let (mut network, id) = connected(LinkConfig { window_bytes: 1, ..LinkConfig::default() });
    assert!(matches!(send(&mut network, id, Message::Ping), Sending::Sent));
    assert!(matches!(send(&mut network, id, Message::Pong), Sending::Full(Message::Pong)));
    let (mut network, id) = connected(LinkConfig { window_bytes: 0, ..LinkConfig::default() });
    assert!(matches!(send(&mut network, id, Message::Ping), Sending::Full(Message::Ping)));
}

#[test]
fn a_long_message_shows_on_its_way_where_bandwidth_is_bounded() {
    let rate = Some(1_000_000);
    for (bytes_per_second, parts) in [(None, vec![]), (rate, vec![true, false, false])] {
        let link = LinkConfig { bytes_per_second, segment_bytes_max: 2, ..LinkConfig::default() };
        let (mut network, id) = connected(link);
        assert!(matches!(send(&mut network, id, Message::Ping), Sending::Sent));
        let later = Duration::from_secs(1);
        pass(&mut network, later);
        for is_first in parts {
            let part = network.read(later, id, End::Server);
            assert!(matches!(
                part,
                Read::Data(Message::Part { first, of: 8 }) if first == is_first
            ));
        }
        let last = network.read(later, id, End::Server);
        assert!(matches!(last, Read::Data(Message::Ping)), "{last:?}");
        assert!(matches!(network.read(later, id, End::Server), Read::Nothing));
    }
}
