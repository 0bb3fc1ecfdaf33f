//! Accepts connections within the bounds on open ones and on new ones per second; further ones wait
//! in the backlog.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::rate_limit::ConnectionRateLimiter;
use super::{Shell, connection};
use crate::hub::Peer;
use crate::runtime::{Listener, Runtime};

/// Accepts until dropped.
pub(super) async fn accept_all<R: Runtime>(
    shell: &Arc<Shell<R>>,
    mut listener: R::Listener,
    connections_max: usize,
) -> Infallible {
    let permits = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    let mut limiter = ConnectionRateLimiter::per_second(shell.limits.connections_per_second_max);
    let mut complaints = Complaints::default();
    loop {
        if permits.available_permits() == 0 {
            shell.waiting_room.clear();
        }
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return pending().await;
        };
        if let Some(wait) = limiter.take(shell.runtime.monotonic()) {
            shell.runtime.sleep(wait).await;
        }
        shell.waiting_room.open();
        match listener.accept().await {
            Ok((stream, address)) => {
                let now = shell.runtime.monotonic();
                let Some(place) = shell.tally.admit(address.ip(), now, &shell.limits) else {
                    tracing::debug!(peer = %address, "the peer has its share of connections");
                    continue;
                };
                let serving = Arc::clone(shell);
                shell.runtime.spawn(shell.connections.track_future(async move {
                    connection::serve(serving, stream, Peer { address }).await;
                    drop((permit, place));
                }));
            }
            Err(error) => {
                complaints.tell(shell.runtime.monotonic(), "the port", &error);
                shell.runtime.sleep(shell.limits.accept_pause).await;
            }
        }
    }
}

/// Failed accepts, which come in bursts when files have run out.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    told: Option<Duration>,
    untold: u64,
}

impl Complaints {
    /// Logs at most one line a second.
    pub(super) fn tell(&mut self, now: Duration, listener: &str, error: &io::Error) {
        if let Some(untold) = self.may_tell(now) {
            tracing::warn!(%error, untold, "accept failed on {listener}");
        }
    }

    /// If it is time for another line: the failures that went unlogged since the last one.
    fn may_tell(&mut self, now: Duration) -> Option<u64> {
        if self.told.is_some_and(|told| now.saturating_sub(told) < Duration::from_secs(1)) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_accepts_are_told_once_a_second_with_the_number_of_the_others() {
        let mut complaints = Complaints::default();
        let told: Vec<(u64, u64)> = (0..25)
            .map(|tenth| tenth * 100)
            .filter_map(|at| Some((at, complaints.may_tell(Duration::from_millis(at))?)))
            .collect();
        assert_eq!(told, [(0, 0), (1_000, 9), (2_000, 9)]);
    }
}
