//! Several hubs with one set of addresses: what they keep in the engine that they share, and what they tell each
//! other. Pure data and one state; [`crate::hub`] does the rest.

pub mod engine;

mod config;
mod life;
mod message;
mod requests;
mod row;

pub use config::{ClusterConfig, InvalidCluster};
pub use life::{Change, Life, LifePhase};
pub use message::{
    ENVELOPE_BYTES_MAX, Fate, LogEnd, LogHead, LoggedMessage, MESSAGE_BYTES_MAX, Message,
    MessageBody, RELAYED_BYTES_MAX, Relayed,
};
pub use requests::Requests;
pub use row::{
    AddressRow, ClaimId, Format, Incarnation, NodeEpoch, NodeRow, Place, ROW_BYTES_MAX, RowKey,
};
