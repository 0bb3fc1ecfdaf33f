//! One accepted byte stream: HTTP first, within `connect_timeout`, then perhaps a WebSocket.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;

use super::owner::{Event, session_ends};
use super::session::Session;
use super::{Shell, http};
use crate::hub::{CloseCause, Input, Peer};
use crate::runtime::Runtime;

/// Serves `stream` until it is done with.
pub(super) async fn serve<R: Runtime>(shell: Arc<Shell<R>>, stream: R::Stream, peer: Peer) {
    let upgraded = select! {
        biased;
        () = shell.stopping.cancelled() => None,
        () = shell.runtime.sleep(shell.config.connect_timeout) => {
            tracing::debug!(peer = %peer.address, "no WebSocket within connect_timeout");
            None
        }
        upgraded = http::serve(&shell.runtime, stream) => upgraded,
    };
    if let Some(stream) = upgraded {
        serve_session(&shell, stream, peer).await;
    }
}

/// Tells the owner of the beginning first and of the end last, each once.
pub(super) async fn serve_session<R, S>(shell: &Shell<R>, stream: S, peer: Peer)
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let key = shell.next_key();
    let (outbox, orders) = session_ends();
    if shell.events.send(Event::Opened(key, peer, outbox)).await.is_err() {
        return;
    }
    let session = Session::new(shell, key, stream);
    // The hub counts on the end of every session, even of one that a defect of ours ends.
    let talk = AssertUnwindSafe(session.talk(orders)).catch_unwind().await;
    let cause = *talk.as_ref().unwrap_or(&CloseCause::Lost);
    // A lost owner needs no word of it.
    let _ = shell.events.send(Event::Input(Input::Closed(key, cause))).await;
    match talk {
        Ok(cause) => session.part(cause).await,
        Err(panic) => resume_unwind(panic),
    }
}
