//! What all connections of a server share.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::limits::Limits;
use super::origins::{Origins, Unnamed};
use super::owner::Event;
use super::tally::Tally;
use super::tls::PresentTls;
use super::waiting_room::WaitingRoom;
use super::{AuditState, AuditStates, Change, Ordered};
use crate::hub::{Config, Input, SessionKey};
use crate::protocol::codec::Bounds;
use crate::runtime::{Runtime, SteadyClock};

/// The part of a server that all connections share.
pub(super) struct Shell<R> {
    pub runtime: R,
    /// The hub's time.
    pub clock: SteadyClock<R>,
    pub config: Arc<Config>,
    /// What requests may hold.
    pub bounds: Bounds,
    pub limits: Arc<Limits>,
    pub origins: Origins,
    pub tls: PresentTls,
    pub audit: Option<AuditStates>,
    /// The monotonic clock's time of the server's start.
    pub began: Duration,
    pub tally: Tally,
    pub waiting_room: WaitingRoom,
    pub events: mpsc::Sender<Event>,
    pub sessions_opened: AtomicU64,
    /// Cancelled by a shutdown, after which no connection becomes a session.
    pub stopping: CancellationToken,
    pub connections: TaskTracker,
}

impl<R: Runtime> Shell<R> {
    pub fn new(runtime: R, config: Config, events: mpsc::Sender<Event>) -> Self {
        Self {
            began: runtime.monotonic(),
            clock: SteadyClock::new(runtime.clone()),
            runtime,
            bounds: config.bounds(),
            config: Arc::new(config),
            limits: Arc::default(),
            origins: Origins::new(Vec::new(), Unnamed::Loopback),
            tls: PresentTls::new(None),
            audit: None,
            tally: Tally::default(),
            waiting_room: WaitingRoom::default(),
            events,
            sessions_opened: AtomicU64::new(0),
            stopping: CancellationToken::new(),
            connections: TaskTracker::new(),
        }
    }

    pub fn audit_state(&self) -> Option<AuditState> {
        self.audit.as_ref().map(|state| state())
    }

    pub fn next_key(&self) -> SessionKey {
        SessionKey(self.sessions_opened.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes the changes that come; never ends.
    pub async fn take_changes(&self, changes: Option<mpsc::Receiver<Ordered>>) -> Infallible {
        let Some(mut changes) = changes else { return pending().await };
        while let Some((change, done)) = changes.recv().await {
            match change {
                Change::Tls(tls) => self.tls.replace(tls),
                Change::Origins(named) => self.origins.replace(named),
                Change::Access(access) => {
                    // If the owner is lost, the server ends anyway.
                    let _ = self.events.send(Event::Access(access)).await;
                }
            }
            // The caller may have stopped waiting.
            let _ = done.send(());
        }
        pending().await
    }

    /// Ends once every connection is gone and the hub has left its cluster, even if the owner is lost: its sessions then
    /// close by themselves.
    pub async fn shut_down(&self, left: &CancellationToken) {
        self.stopping.cancel();
        self.connections.close();
        let _ = self.events.send(Event::Input(Input::Shutdown)).await;
        let all_gone = async {
            self.connections.wait().await;
            left.cancelled().await;
        };
        select! {
            biased;
            () = all_gone => {}
            () = self.events.closed() => {}
            () = self.runtime.sleep(self.config.shutdown_timeout) => {}
        }
        if !left.is_cancelled() {
            let _ = self.events.send(Event::Input(Input::Shutdown)).await;
        }
        let _ = self.events.send(Event::CloseAll).await;
        self.connections.wait().await;
    }
}
