//! A connection between a client and the hub, and its two ends.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use super::message::Message;
use super::network::HostId;
use crate::net::{Blamed, Direction, End, FaultId, PerEnd};

pub(super) struct Connection {
    pub(super) host: HostId,
    pub(super) ends: PerEnd<Endpoint>,
    pub(super) sent: PerEnd<Direction<Carried>>,
    pub(super) established: bool,
    pub(super) severed: bool,
    pub(super) black_hole: Option<FaultId>,
}

/// A message and what it weighs, in bytes.
pub(super) struct Carried(pub Message, pub usize);

pub(super) struct Endpoint {
    pub(super) owner: Owner,
    pub(super) unread: VecDeque<Carried>,
    pub(super) ended: bool,
    pub(super) failure: Option<ErrorKind>,
    pub(super) knows_of_cut: bool,
    pub(super) pause: Option<Blamed<Duration>>,
    pub(super) blocked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The server has not heard of the connection.
    Absent,
    Application,
    Released,
    Crashed,
}

impl Endpoint {
    pub(super) fn new(owner: Owner) -> Self {
        let (ended, knows_of_cut, blocked) = (false, false, false);
        let unread = VecDeque::new();
        Self { owner, unread, ended, failure: None, knows_of_cut, pause: None, blocked }
    }

    pub(super) fn is_owned(&self) -> bool {
        self.owner == Owner::Application
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_owned() && self.failure.is_none()
    }
}

impl Connection {
    pub(super) fn is_of(&self, host: HostId) -> bool {
        host == HostId::HUB || self.host == host
    }

    pub(super) fn place(&self, end: End) -> HostId {
        match end {
            End::Client => self.host,
            End::Server => HostId::HUB,
        }
    }
}
