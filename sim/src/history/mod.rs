//! What happened in a run: the only thing that invariants, reports and people read. Compact values
//! are recorded; text is made only for those who want to see it.

mod at_client;
mod text;
mod untimed;

use signal_hub::client::DisconnectReason;
use signal_hub::hub::{Input, Output, Record, View, Work};
use signal_hub::protocol::codec::HubFrame;
use signal_hub::protocol::{ActorAddress, ClientFrame, Position};
use signal_hub::time::Timestamp;

pub use at_client::PROBE;
pub(crate) use at_client::has;
pub use dst::history::{ClientKind, ClientName, Milestone, Stop, untimed};
pub(crate) use text::message_text;
pub use untimed::untimed_lanes;

use crate::SignalHub;

/// One event of a run.
pub type Event = dst::history::Event<SignalHub>;
/// What an event is.
pub type What = dst::history::What<SignalHub>;

/// One call of `Hub::handle`.
#[derive(Debug, Clone)]
pub struct HubEvent {
    /// The hub's clock.
    pub now: Timestamp,
    /// What it was told.
    pub input: Input,
    /// What came of it, in order.
    pub outputs: Vec<Output>,
    /// The rows that the input touched, as they are after it.
    pub touched: View,
    /// How much it made the hub do.
    pub work: Work,
}

impl HubEvent {
    /// What the hub noted for the audit log, in order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Audit(record) => Some(record),
            Output::Send(..) | Output::Close(..) | Output::Linger(..) => None,
        })
    }
}

/// What a client did or saw.
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// The scenario has it begin.
    Started {
        /// The actor's own.
        address: ActorAddress,
    },
    /// The WebSocket is open.
    Opened {
        /// Counts this client's connections, from 1.
        connection: u32,
    },
    /// The WebSocket is gone.
    Lost {
        /// Counts this client's connections, from 1.
        connection: u32,
        /// Why, as far as the client knows.
        why: DisconnectReason,
    },
    /// It said this to the hub.
    Sent(ClientFrame),
    /// The hub said this to it.
    Received(HubFrame),
    /// It gave up or was told to go.
    Ended,
    /// What it tells its user of an address that recovers.
    Told {
        /// The address.
        address: ActorAddress,
        /// What.
        told: Told,
    },
    /// What the client tells its user, beyond the frames.
    Said(String),
}

/// What the user of an address that recovers is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A message, and where the address stands with it.
    Message(Position),
    /// What was missed follows.
    Recovered {
        /// Messages that come again.
        replayed: u64,
        /// Messages that do not come any more.
        ttl_expired: u64,
    },
    /// What was missed is lost; where the address stands now, if the hub keeps anything.
    Gap(Option<Position>),
}

impl ClientEvent {
    /// Returns whether the client did it, or met it, itself; what it says to the hub shows at the hub.
    pub const fn is_own_doing(&self) -> bool {
        match self {
            ClientEvent::Started { .. }
            | ClientEvent::Opened { .. }
            | ClientEvent::Lost { .. }
            | ClientEvent::Ended
            | ClientEvent::Told { .. }
            | ClientEvent::Said(_) => true,
            ClientEvent::Sent(_) | ClientEvent::Received(_) => false,
        }
    }
}
