//! The state of one connection: two ends, and what travels from each to the other.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ConnectionId, End, FaultId, HostId, PerEnd, Place};
use super::link::Blamed;

/// What a connection looks like from above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// The client has no answer yet.
    Connecting,
    /// Both ends are there and may send.
    Open,
    /// An end has sent its FIN, or seen one, or seen a reset; the other will learn of it.
    Closing,
    /// Cut in the middle, or one end is gone without a word: an end that is left does not know.
    HalfOpen,
}

/// One of the connections that exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Its number.
    pub id: ConnectionId,
    /// The name of the host that connected.
    pub client: Arc<str>,
    /// The name of the host that was connected to.
    pub server: Arc<str>,
    /// How it stands now.
    pub state: ConnectionState,
}

#[derive(Debug)]
pub(super) struct Connection<P> {
    pub(super) ends: PerEnd<Endpoint<P>>,
    /// What each end has sent.
    pub(super) sent: PerEnd<Direction<P>>,
    pub(super) established: bool,
    /// Nothing travels any more.
    pub(super) severed: bool,
    /// No byte passes, because of this fault.
    pub(super) black_hole: Option<FaultId>,
}

impl<P> Connection<P> {
    pub(super) fn new(client: Place, server: Place) -> Self {
        let ends = PerEnd {
            client: Endpoint::new(client, Owner::Application),
            server: Endpoint::new(server, Owner::Absent),
        };
        let sent = PerEnd::of(Direction::default(), Direction::default());
        Self { ends, sent, established: false, severed: false, black_hole: None }
    }

    /// The host of this end, and that of the other one.
    pub(super) fn hosts(&self, end: End) -> (HostId, HostId) {
        (self.ends[end].place.host, self.ends[end.other()].place.host)
    }

    pub(super) fn is_ownerless(&self) -> bool {
        End::BOTH.iter().all(|end| !self.ends[*end].is_owned())
    }

    pub(super) fn is_between(&self, client: HostId, server: HostId) -> bool {
        self.ends[End::Client].place.host == client && self.ends[End::Server].place.host == server
    }

    pub(super) fn is_of(&self, host: HostId) -> bool {
        End::BOTH.iter().any(|end| self.ends[*end].place.host == host)
    }

    pub(super) fn state(&self) -> ConnectionState {
        if End::BOTH.iter().any(|end| self.is_unaware(*end)) {
            ConnectionState::HalfOpen
        } else if End::BOTH.iter().any(|end| self.is_closing(*end)) {
            ConnectionState::Closing
        } else if self.established {
            ConnectionState::Open
        } else {
            ConnectionState::Connecting
        }
    }

    /// Returns whether someone has this end and does not know that nothing comes from the other.
    fn is_unaware(&self, end: End) -> bool {
        let gone = self.severed
            || self.ends[end.other()].owner == Owner::Crashed
            || self.ends[end.other()].failure == Some(io::ErrorKind::ConnectionRefused)
            || self.sent[end.other()].fin == Fin::Lost;
        gone && self.ends[end].is_open() && !self.ends[end].knows_of_cut
    }

    fn is_closing(&self, end: End) -> bool {
        let endpoint = &self.ends[end];
        let left = match endpoint.owner {
            Owner::Released | Owner::Crashed => true,
            Owner::Absent | Owner::Listener | Owner::Application => false,
        };
        left || endpoint.failure.is_some() || endpoint.ended || self.sent[end].fin != Fin::Unsent
    }
}

/// Who has an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The server has not heard of the connection.
    Absent,
    /// It waits to be accepted.
    Listener,
    Application,
    /// Its application has let go of it.
    Released,
    /// Its host crashed.
    Crashed,
}

#[derive(Debug)]
pub(super) struct Endpoint<P> {
    pub(super) place: Place,
    pub(super) owner: Owner,
    /// What has arrived and is not read.
    pub(super) unread: VecDeque<P>,
    /// The orderly end of what the peer sends has arrived.
    pub(super) ended: bool,
    pub(super) failure: Option<io::ErrorKind>,
    /// It was told, as an orderly end, that the connection was cut.
    pub(super) knows_of_cut: bool,
    pub(super) pause: Option<Blamed<Duration>>,
    /// It found the window full.
    pub(super) blocked: bool,
}

impl<P> Endpoint<P> {
    fn new(place: Place, owner: Owner) -> Self {
        Self {
            place,
            owner,
            unread: VecDeque::new(),
            ended: false,
            failure: None,
            knows_of_cut: false,
            pause: None,
            blocked: false,
        }
    }

    pub(super) fn is_owned(&self) -> bool {
        match self.owner {
            Owner::Listener | Owner::Application => true,
            Owner::Absent | Owner::Released | Owner::Crashed => false,
        }
    }

    /// Returns whether someone has this end and does not know of its failure yet.
    pub(super) fn is_open(&self) -> bool {
        self.is_owned() && self.failure.is_none()
    }
}

/// What travels between two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<P> {
    Connect,
    Accepted,
    Refused,
    Data(P),
    Fin,
    Reset,
}

#[derive(Debug)]
pub(super) struct Segment<P> {
    pub(super) arrives: Duration,
    pub(super) piece: Piece<P>,
}

impl<P> Segment<P> {
    fn is_fin(&self) -> bool {
        matches!(self.piece, Piece::Fin)
    }
}

/// What became of the orderly end of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fin {
    #[default]
    Unsent,
    Sent,
    /// It was sent late on purpose and stays late.
    Late,
    /// It was sent and will never arrive.
    Lost,
}

/// What one end has sent. While anything is in flight, either its first segment has its arrival
/// planned or the direction is parked.
#[derive(Debug)]
pub(super) struct Direction<P> {
    pub(super) in_flight: VecDeque<Segment<P>>,
    /// Bytes in flight or unread.
    pub(super) window_used: usize,
    pub(super) fin: Fin,
    pub(super) reset_sent: bool,
    /// When the first segment arrives; a plan for another time is stale.
    pub(super) due: Option<Duration>,
    /// Held without a time at which to look again.
    pub(super) parked: bool,
    last_arrival: Duration,
}

impl<P> Default for Direction<P> {
    fn default() -> Self {
        Self {
            in_flight: VecDeque::new(),
            window_used: 0,
            fin: Fin::Unsent,
            reset_sent: false,
            due: None,
            parked: false,
            last_arrival: Duration::ZERO,
        }
    }
}

impl<P> Direction<P> {
    /// Puts `piece` behind all others; returns its arrival if that has to be planned.
    pub(super) fn push(&mut self, arrives: Duration, piece: Piece<P>) -> Option<Duration> {
        self.last_arrival = self.last_arrival.max(arrives);
        self.push_at(self.last_arrival, piece)
    }

    /// Puts the end behind everything, `late` later than it would arrive.
    pub(super) fn push_late_fin(&mut self, arrives: Duration, late: Duration) -> Option<Duration> {
        self.fin = Fin::Late;
        self.push_at(self.last_arrival.max(arrives).saturating_add(late), Piece::Fin)
    }

    /// Puts a reset behind everything but a late end, which it overtakes.
    pub(super) fn push_reset(&mut self, arrives: Duration) -> Option<Duration> {
        self.reset_sent = true;
        if self.fin == Fin::Late && self.in_flight.back().is_some_and(Segment::is_fin) {
            self.in_flight.pop_back();
            if self.in_flight.is_empty() {
                self.due = None;
            }
        }
        self.push(arrives, Piece::Reset)
    }

    fn push_at(&mut self, arrives: Duration, piece: Piece<P>) -> Option<Duration> {
        self.in_flight.push_back(Segment { arrives, piece });
        if self.parked || self.due.is_some() {
            return None;
        }
        self.due = Some(arrives);
        self.due
    }

    /// Drops everything in flight; the window stays as full as it is.
    pub(super) fn lose_all(&mut self) {
        self.in_flight.clear();
        self.due = None;
        self.parked = false;
    }

    /// Lets everything arrive by `at`; returns the first arrival if that has to be planned anew.
    pub(super) fn hurry(&mut self, at: Duration) -> Option<Duration> {
        for segment in &mut self.in_flight {
            if self.fin != Fin::Late || !segment.is_fin() {
                segment.arrives = segment.arrives.min(at);
            }
        }
        self.last_arrival = self.last_arrival.min(at);
        let first = self.in_flight.front()?.arrives;
        if self.parked || self.due == Some(first) {
            return None;
        }
        self.due = Some(first);
        self.due
    }

    /// Looks again at what is parked; returns the time for it, if anything is.
    pub(super) fn unpark(&mut self, at: Duration) -> Option<Duration> {
        if !std::mem::take(&mut self.parked) {
            return None;
        }
        let first = self.in_flight.front()?;
        self.due = Some(first.arrives.max(at));
        self.due
    }
}
