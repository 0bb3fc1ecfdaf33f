//! One accepted byte stream: HTTP first, within `connect_timeout`, then perhaps a WebSocket.

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;

use super::owner::Event;
use super::session::Session;
use super::stream::Stream;
use super::{Shell, http};
use crate::hub::{CloseCause, Input, Peer};
use crate::runtime::Runtime;

/// Serves `stream` until it ends.
pub(super) async fn serve<R: Runtime>(shell: Arc<Shell<R>>, stream: R::Stream, peer: Peer) {
    let answered = Answered::default();
    // Boxed, so that a session does not hold the memory.
    let upgraded = Box::pin(async {
        select! {
            biased;
            () = shell.stopping.cancelled() => None,
            () = patience(&shell, &answered, peer) => None,
            upgraded = shake_hands(&shell, stream, peer, &answered) => upgraded,
        }
    });
    let Some(stream) = upgraded.await else { return };
    serve_session(&shell, stream, peer).await;
}

/// When the connection's latest plain HTTP request was answered.
#[derive(Debug, Default)]
pub(super) struct Answered(Mutex<Option<Duration>>);

impl Answered {
    /// Notes an answer at `now`, by the monotonic clock.
    pub(super) fn at(&self, now: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn latest(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when the connection's time is over: the first answer must come within `connect_timeout`. A
/// peer that got one, such as a health check that keeps its connection, may be silent for
/// `idle_timeout`, like any session.
async fn patience<R: Runtime>(shell: &Shell<R>, answered: &Answered, peer: Peer) {
    let mut wait = shell.config.connect_timeout;
    loop {
        shell.runtime.sleep(wait).await;
        let Some(latest) = answered.latest() else {
            tracing::debug!(peer = %peer.address, "no WebSocket within connect_timeout");
            shell.tally.handshakes_timed_out.add_one();
            return;
        };
        let silent = shell.runtime.monotonic().saturating_sub(latest);
        match shell.config.idle_timeout.checked_sub(silent) {
            None | Some(Duration::ZERO) => return,
            Some(rest) => wait = rest,
        }
    }
}

/// TLS if the server has it, then HTTP.
async fn shake_hands<R: Runtime>(
    shell: &Shell<R>,
    stream: R::Stream,
    peer: Peer,
    answered: &Answered,
) -> Option<Stream<R::Stream>> {
    let stream = match shell.tls.get() {
        None => Stream::plain(stream),
        Some(tls) => match tls.acceptor().accept(stream).await {
            Ok(stream) => Stream::tls(stream),
            Err(error) => {
                tracing::debug!(peer = %peer.address, %error, "TLS handshake failed");
                shell.tally.handshakes_failed.add_one();
                return None;
            }
        },
    };
    http::serve(shell, stream, answered).await
}

/// Tells the owner first that the session begins and last that it ended, each once. No part of the
/// future outlives its use: it is what a session holds.
pub(super) fn serve_session<R, S>(
    shell: &Shell<R>,
    stream: S,
    peer: Peer,
) -> impl Future<Output = ()> + Send
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let key = shell.next_key();
    let mut session = Session::new(shell, key, stream);
    async move {
        let opened = Event::Opened(key, peer, session.outbox());
        if Box::pin(shell.events.send(opened)).await.is_err() {
            return;
        }
        // The hub must hear of every session's end, even if our own defect ended it.
        let talk = AssertUnwindSafe(session.talk()).catch_unwind().await;
        session.stop_waiting();
        let cause = *talk.as_ref().unwrap_or(&CloseCause::Lost);
        let closed = Event::Input(Input::Closed(key, cause));
        // A lost owner does not need to hear it.
        let _ = Box::pin(shell.events.send(closed)).await;
        match talk {
            Ok(_) => session.part().await,
            Err(panic) => resume_unwind(panic),
        }
    }
}
