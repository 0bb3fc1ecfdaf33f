//! Accepts connections, as many as may be open at once; the others wait in the backlog.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Shell, connection};
use crate::hub::Peer;
use crate::runtime::{Listener, Runtime};

/// Accepts until dropped.
pub(super) async fn accept_all<R: Runtime>(
    shell: &Arc<Shell<R>>,
    mut listener: R::Listener,
) -> Infallible {
    let connections_max = shell.limits.connections(shell.config.sessions_max);
    let permits = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return pending().await;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                let per_peer_max = shell.limits.connections_per_peer_max;
                let Some(place) = shell.tally.admit(address.ip(), per_peer_max) else {
                    tracing::debug!(peer = %address, "connections_per_peer_max is reached");
                    continue;
                };
                let connection = connection::serve(Arc::clone(shell), stream, Peer { address });
                shell.runtime.spawn(shell.connections.track_future(async move {
                    connection.await;
                    drop((permit, place));
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                shell.runtime.sleep(shell.limits.accept_pause).await;
            }
        }
    }
}
