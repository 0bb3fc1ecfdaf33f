//! The driver's only connection: down, being dialled, or up.

use std::future;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use super::DisconnectReason;
use super::transport::{Arrival, Reading, Transport};

pub(super) enum Link {
    Down,
    Dialling(Pin<Box<dyn Future<Output = Result<Transport, DisconnectReason>> + Send>>),
    Up(Box<Transport>),
}

pub(super) enum Happening {
    Opened(Box<Transport>),
    /// The bytes of one frame.
    Frame(Bytes),
    /// A control frame came.
    Alive,
    /// Bytes came of a message that is not whole yet, as in [`Arrival::Part`].
    Part {
        first: bool,
        declared: u64,
    },
    Lost(DisconnectReason),
}

impl Link {
    /// Waits for what happens next; while the link is down, nothing does. Cancel safe.
    pub(super) async fn next(&mut self, reading: Reading) -> Happening {
        match self {
            Link::Down => future::pending().await,
            Link::Dialling(dial) => match dial.await {
                Ok(transport) => Happening::Opened(Box::new(transport)),
                Err(why) => Happening::Lost(why),
            },
            Link::Up(transport) => match transport.next(reading).await {
                Arrival::Frame(bytes) => Happening::Frame(bytes),
                Arrival::Alive => Happening::Alive,
                Arrival::Part { first, declared } => Happening::Part { first, declared },
                Arrival::Lost(why) => Happening::Lost(why),
            },
        }
    }

    /// Messages that wait to be written.
    pub(super) fn queued(&self) -> usize {
        match self {
            Link::Down | Link::Dialling(_) => 0,
            Link::Up(transport) => transport.queued(),
        }
    }

    /// Queues a message to be written.
    pub(super) fn queue(&mut self, text: String) {
        match self {
            Link::Up(transport) => transport.queue(text),
            Link::Down | Link::Dialling(_) => {
                unreachable!("the state sends on an open transport only")
            }
        }
    }
}
