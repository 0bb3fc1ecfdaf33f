//! The network's suite of faults, by messages, and what only messages do.

use std::time::Duration;

use super::network::{self, Carried, HUB, Messages, Network, Read, Sending, Unsent};
use super::websocket::Message;
use crate::net::{ConnectionId, End, LinkConfig};
use crate::scenario::Scenario;
use dst::net::suite::{BYTES, Sample};

impl Sample for Box<Carried> {
    fn sample() -> Self {
        Carried::new(Message::Ping, BYTES)
    }
}

dst::for_payload! { Box<Carried> }

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

fn unsent(messages: impl IntoIterator<Item = Message>) -> Unsent {
    let mut unsent = Unsent::default();
    messages.into_iter().for_each(|message| unsent.push(message));
    unsent
}

fn send(network: &mut Network, id: ConnectionId, unsent: &mut Unsent) -> Sending {
    network.send(Duration::ZERO, id, End::Client, unsent)
}

/// What the hub reads once everything has arrived.
fn read_all(network: &mut Network, id: ConnectionId) -> Vec<String> {
    let later = Duration::from_secs(1);
    pass(network, later);
    let read = || match network.read(later, id, End::Server) {
        Read::Data(message) => Some(format!("{message:?}")),
        _ => None,
    };
    std::iter::from_fn(read).collect()
}

#[test]
fn what_is_written_at_once_arrives_at_once_and_is_read_one_by_one() {
    // Room for two.
    let link = LinkConfig { window_bytes: 16, ..LinkConfig::default() };
    let (mut network, id) = connected(link);
    let mut messages = unsent([Message::Ping, Message::Pong, Message::Ping]);
    assert_eq!((send(&mut network, id, &mut messages), messages.len()), (Sending::Full, 1));
    assert_eq!(network.effects.plans.len(), 1);
    assert_eq!(read_all(&mut network, id), ["Ping", "Pong"]);
    assert_eq!((send(&mut network, id, &mut messages), messages.len()), (Sending::Sent, 0));
    assert_eq!(read_all(&mut network, id), ["Ping"]);
}

#[test]
fn a_message_longer_than_the_window_or_a_segment_goes_in_parts() {
    let window = LinkConfig { window_bytes: 5, ..LinkConfig::default() };
    let (mut network, id) = connected(window);
    let mut messages = unsent([Message::Ping]);
    assert_eq!(send(&mut network, id, &mut messages), Sending::Full);
    assert_eq!(read_all(&mut network, id), ["Part { first: true, of: 8 }"]);
    assert_eq!((send(&mut network, id, &mut messages), messages.len()), (Sending::Sent, 0));
    assert_eq!(read_all(&mut network, id), ["Ping"]);
    let (mut network, id) = connected(LinkConfig { window_bytes: 0, ..LinkConfig::default() });
    assert_eq!(send(&mut network, id, &mut unsent([Message::Ping])), Sending::Full);
    let (mut network, id) = connected(LinkConfig { segment_bytes_max: 3, ..LinkConfig::default() });
    assert_eq!(send(&mut network, id, &mut unsent([Message::Ping])), Sending::Sent);
    let parts = ["Part { first: true, of: 8 }", "Part { first: false, of: 8 }", "Ping"];
    assert_eq!(read_all(&mut network, id), parts);
}
