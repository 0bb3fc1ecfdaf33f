//! A client: it comes back until it leaves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{Log, Seen, Service};
use crate::backend::{FullStack, Wire};
use crate::history::{ClientName, What};
use crate::runtime::Runtime;

/// How long it waits before it connects again.
const RETRY: Duration = Duration::from_millis(100);

/// What a client is told to do, in order. What comes between two connections waits for the next one; what comes while
/// no client of the actor runs is dropped.
#[derive(Debug)]
pub struct Orders<A> {
    client: ClientName,
    received: mpsc::UnboundedReceiver<Order<A>>,
    are_over: bool,
}

/// One order. Its step is done when this is dropped.
#[derive(Debug)]
pub struct Order<A> {
    /// What is to be done.
    pub action: A,
    _done: oneshot::Sender<()>,
}

impl<A> Orders<A> {
    /// No orders yet, and where they come from.
    pub(super) fn new(client: ClientName) -> (mpsc::UnboundedSender<Order<A>>, Self) {
        let (sender, received) = mpsc::unbounded_channel();
        (sender, Self { client, received, are_over: false })
    }

    /// Whose they are.
    pub fn client(&self) -> &ClientName {
        &self.client
    }

    /// The next one; none if the client is to leave. Nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Option<Order<A>> {
        let order = self.received.recv().await;
        self.are_over = order.is_none();
        order
    }
}

impl<A> Order<A> {
    /// An order, and what ends when it is done.
    pub(super) fn new(action: A) -> (Self, oneshot::Receiver<()>) {
        let (done, when_done) = oneshot::channel();
        (Self { action, _done: done }, when_done)
    }
}

/// Connects again and again.
pub(super) async fn run<T: Service, R: Runtime, W: Wire>(
    runtime: R,
    stack: FullStack<T, W>,
    mut orders: Orders<T::Action>,
) {
    let hub = stack.wire.hub_authority(&orders.client.actor);
    let client = orders.client.clone();
    let tell = move |event| stack.record(What::Client { client: client.clone(), event });
    let tell = Arc::new(tell);
    let note = Arc::clone(&tell);
    let log = Log::new(move |said| note(Seen::Noted(said)));
    let mut kept = T::Kept::default();
    while !orders.are_over {
        if let Ok(stream) = runtime.connect(&hub).await {
            tell(Seen::Connected);
            T::talk(runtime.clone(), stream, &mut kept, &mut orders, log.clone()).await;
            tell(Seen::Lost);
        }
        runtime.sleep(RETRY).await;
    }
}
