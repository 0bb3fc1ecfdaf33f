//! Each fault does what it says, and says whether it did: the same for whatever a network carries.

use std::io::ErrorKind;
use std::time::Duration;

use super::{
    Awake, Choice, ConnectMode, ConnectionId, ConnectionState, CutDetection, Dial, End, Fault,
    FaultError, HostId, LinkConfig, ListenerId, Payload, Peers, Plan, Read, Seen, Waits, Ways,
    World,
};

#[expect(missing_docs, reason = "the name of a test is its sentence")]
pub mod connections;
#[expect(missing_docs, reason = "the name of a test is its sentence")]
pub mod hosts;
#[expect(missing_docs, reason = "the name of a test is its sentence")]
pub mod links;

/// What a sample takes of a window.
pub const BYTES: usize = 100;

/// Something to be carried.
pub trait Sample: Payload {
    /// One that takes [`BYTES`].
    fn sample() -> Self;
}

/// Makes a test of each of these for a payload.
#[macro_export]
macro_rules! for_payload {
    ($payload:ty) => {
        $crate::for_payload! { $payload:
            links::a_payload_arrives_after_the_latency_and_behind_those_before_it
            links::a_full_window_holds_the_writer_until_the_peer_reads
            links::a_lost_segment_is_late_by_its_retransmissions
            links::a_changed_link_changes_only_what_is_sent_later
            links::a_stall_holds_what_would_arrive_and_then_lets_it_flow
            links::a_partition_holds_until_it_is_over_one_way_or_both
            links::healing_an_unharmed_network_has_no_effect
            links::what_a_slow_link_carries_flows_once_it_is_healed
            connections::a_connect_fares_as_it_is_told_to
            connections::no_payload_passes_a_black_hole_until_it_is_lifted
            connections::a_duplicate_connect_is_refused_for_the_client_alone
            connections::a_connect_is_refused_where_nobody_listens
            connections::a_connect_that_is_given_up_leaves_nothing
            connections::who_was_not_accepted_is_reset_when_nobody_listens_any_more
            connections::a_reset_loses_what_is_unread_at_both_ends
            connections::the_ends_of_a_severed_connection_learn_of_it_in_their_own_time
            connections::a_severed_connection_stays_half_open_through_a_heal
            connections::an_orderly_end_comes_now_later_or_never
            connections::a_reset_overtakes_a_late_end
            hosts::who_pauses_reading_has_it_all_to_read_later
            hosts::a_machine_that_stands_still_matters_from_when_something_arrives
            hosts::the_peers_of_a_crashed_host_see_a_reset_or_nothing
            hosts::a_machine_that_is_back_resets_whoever_writes_to_an_old_connection
            hosts::a_crashed_server_listens_no_more
            hosts::a_clock_is_skewed_once
            hosts::a_fault_of_an_unknown_host_is_refused
        }
    };
    ($payload:ty: $($group:ident::$name:ident)*) => {
        $(#[test]
        fn $name() {
            $crate::net::suite::$group::$name::<$payload>();
        })*
    };
}

pub(super) const PORT: u16 = 80;

pub(super) const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) fn every() -> Choice {
    Choice::Every { client: "alice".to_owned(), server: "hub".to_owned() }
}

pub(super) fn link(config: LinkConfig) -> Fault {
    Fault::Link { from: "alice".to_owned(), to: "hub".to_owned(), config }
}

pub(super) fn stall(lasts: Duration) -> Fault {
    Fault::Stall { from: "alice".to_owned(), to: "hub".to_owned(), lasts }
}

pub(super) fn partition(ways: Ways) -> Fault {
    Fault::Partition { from: "alice".to_owned(), to: "hub".to_owned(), ways }
}

pub(super) fn connects(mode: ConnectMode) -> Fault {
    Fault::Connects { from: "alice".to_owned(), to: "hub".to_owned(), mode }
}

/// A server that listens, a client's host, and the time.
struct Scene<P> {
    world: World<P>,
    alice: HostId,
    listener: ListenerId,
    now: Duration,
    plans: Vec<(Duration, Plan)>,
}

impl<P: Sample> Scene<P> {
    fn new() -> Self {
        Self::with(LinkConfig { latency: millis(10), ..LinkConfig::default() })
    }

    fn with(link: LinkConfig) -> Self {
        let mut world = World::new(1, link);
        let (alice, hub) = (world.host("alice"), world.host("hub"));
        let listener = world.listen(Duration::ZERO, hub, PORT).expect("nobody listens yet");
        Self { world, alice, listener, now: Duration::ZERO, plans: Vec::new() }
    }

    fn open(&mut self) -> ConnectionId {
        self.world.open(self.now, self.alice, self.listener.place)
    }

    /// A connection that both ends know of.
    fn connected(&mut self) -> ConnectionId {
        let id = self.open();
        self.pass(self.world.latency_max() * 2);
        assert_eq!(self.world.dial(id), Dial::Established);
        assert!(self.world.accept(id));
        id
    }

    /// Lets so much time pass, and all that is due in it happen.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.plans.append(&mut self.world.effects.plans);
            // Stable: ties keep the order of planning.
            self.plans.sort_by_key(|(at, _)| *at);
            if self.plans.first().is_none_or(|(at, _)| *at > end) {
                break;
            }
            let (at, plan) = self.plans.remove(0);
            self.now = self.now.max(at);
            self.world.carry_out(self.now, plan);
        }
        self.now = end;
    }

    /// Returns whether there was room.
    fn send(&mut self, id: ConnectionId, from: End) -> Result<bool, ErrorKind> {
        let room = self.world.room(id, from, BYTES)?;
        if room == BYTES {
            self.world.write(self.now, id, from, P::sample());
        }
        Ok(room == BYTES)
    }

    /// How many payloads the end can read now, and what comes behind them.
    fn read(&mut self, id: ConnectionId, end: End) -> (usize, Read<()>) {
        let mut payloads = 0;
        let one = |unread: &mut std::collections::VecDeque<P>| {
            ((), unread.pop_front().map_or(0, |payload| payload.bytes()))
        };
        loop {
            match self.world.take(self.now, (id, end), one) {
                Read::Data(()) => payloads += 1,
                last => return (payloads, last),
            }
        }
    }

    fn inject(&mut self, fault: Fault) {
        self.world.inject(self.now, fault).expect("both hosts are known");
    }

    fn took_effect(&self) -> Option<Duration> {
        self.world.faults.last().and_then(|record| record.took_effect)
    }

    fn state(&self) -> Option<ConnectionState> {
        self.world.connections.iter().last().map(|(_, connection)| connection.state())
    }
}

const OPEN: Read<()> = Read::Nothing;
const RESET: Read<()> = Read::Failed(ErrorKind::ConnectionReset);
const REFUSED: Dial = Dial::Failed(ErrorKind::ConnectionRefused);
