//! Accepts connections, as many as may be open at once; the others wait in the backlog.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Shell, connection};
use crate::hub::Peer;
use crate::runtime::{Listener, Runtime};

/// Connections beyond `sessions_max`: those in the handshake, those in the close handshake, health
/// checks, and those that the hub refuses with a word because it is full.
const CONNECTIONS_SPARE: usize = 1_024;

/// The pause after a failed accept: most often files have run out, and trying at once would only
/// burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until dropped.
pub(super) async fn accept_all<R: Runtime>(
    shell: &Arc<Shell<R>>,
    mut listener: R::Listener,
) -> Infallible {
    let connections_max = shell.config.sessions_max.saturating_add(CONNECTIONS_SPARE);
    let permits = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return pending().await;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                let connection = connection::serve(Arc::clone(shell), stream, Peer { address });
                shell.runtime.spawn(shell.connections.track_future(async move {
                    connection.await;
                    drop(permit);
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                shell.runtime.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
