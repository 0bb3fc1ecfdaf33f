//! The operator's port: `/metrics`, `/debug` and `/health` for this machine only. What is asked of
//! the hub goes to its owner as an event like any other, and the owner never waits for the answer
//! to be read.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::select;
use tokio::sync::{Semaphore, oneshot};

use super::Shell;
use super::http::{document, health, is_read, method_not_allowed, text};
use super::metrics::{Scrape, ShellNumbers, render};
use super::owner::{Event, Facts};
use crate::hub::weights::Accounts;
use crate::hub::{Counters, Totals, View};
use crate::runtime::{Listener, Runtime};
use crate::time::Timestamp;

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until dropped.
pub(super) async fn accept_all<R: Runtime>(
    shell: &Arc<Shell<R>>,
    mut listener: R::Listener,
) -> Infallible {
    let connections_max = shell.limits.admin_connections_max;
    let permits = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
                let connection = serve(Arc::clone(shell), stream);
                shell.runtime.spawn(shell.connections.track_future(async move {
                    connection.await;
                    drop(permit);
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed on the admin listener");
                shell.runtime.sleep(shell.limits.accept_pause).await;
            }
        }
    }
}

/// Answers one request, within `connect_timeout`.
async fn serve<R: Runtime>(shell: Arc<Shell<R>>, stream: R::Stream) {
    let service = service_fn(|request: Request<_>| {
        let shell = &shell;
        async move { Ok::<_, Infallible>(answer(shell, &request).await) }
    });
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .keep_alive(false)
        .max_buf_size(shell.limits.request_bytes_max)
        .serve_connection(TokioIo::new(stream), service);
    select! {
        biased;
        () = shell.stopping.cancelled() => {}
        () = shell.runtime.sleep(shell.config.connect_timeout) => {}
        served = connection => if let Err(error) = served {
            tracing::debug!(%error, "admin connection failed");
        }
    }
}

async fn answer<R: Runtime, B>(shell: &Shell<R>, request: &Request<B>) -> Response<Full<Bytes>> {
    if !names_this_machine(request) {
        return text(StatusCode::FORBIDDEN, "ask for this machine by a loopback address");
    }
    if !is_read(request) {
        return method_not_allowed();
    }
    let answer = match request.uri().path() {
        "/metrics" => metrics(shell).await.map(|page| document(METRICS_TYPE, page)),
        "/debug" => debug(shell).await.map(|page| document("application/json", page)),
        "/health" => ask(shell, |facts| facts.now).await.map(health),
        _ => Some(text(StatusCode::NOT_FOUND, "there are /metrics, /debug and /health")),
    };
    answer.unwrap_or_else(|| text(StatusCode::SERVICE_UNAVAILABLE, "the hub does not answer"))
}

/// A web page that gave its own name this machine's address would send that name.
fn names_this_machine<B>(request: &Request<B>) -> bool {
    let Some(host) = request.headers().get(HOST) else { return true };
    let Ok(authority) = host.to_str().unwrap_or_default().parse::<http::uri::Authority>() else {
        return false;
    };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn metrics<R: Runtime>(shell: &Shell<R>) -> Option<String> {
    let begin = |facts: &Facts<'_>| (facts.hub.totals(), *facts.hub.counters(), *facts.handling);
    let (totals, counters, handling) = ask(shell, begin).await?;
    let events = &shell.events;
    let accounted_max = Accounts::at_most(&shell.config);
    let numbers = ShellNumbers {
        connections: shell.tally.open(),
        accepted: shell.tally.accepted.total(),
        refused_per_peer: shell.tally.refused_per_peer.total(),
        refused_origin: shell.tally.refused_origin.total(),
        handshakes_timed_out: shell.tally.handshakes_timed_out.total(),
        handshakes_failed: shell.tally.handshakes_failed.total(),
        events_queued: events.max_capacity() - events.capacity(),
        audit_lines_lost: shell.audit_lines_lost.as_ref().map_or(0, |lost| lost()),
        uptime: shell.runtime.monotonic().saturating_sub(shell.began),
    };
    Some(render(&Scrape { totals, accounted_max, counters, handling, shell: numbers }))
}

/// The hub's state, without tokens: the rows have none.
#[derive(Serialize)]
struct Debug {
    timestamp: Timestamp,
    totals: Totals,
    counters: Counters,
    /// How many rows of each table are shown at most.
    rows_max: usize,
    #[serde(flatten)]
    view: View,
}

async fn debug<R: Runtime>(shell: &Shell<R>) -> Option<Vec<u8>> {
    let rows_max = shell.limits.debug_rows_max;
    let state = ask(shell, move |facts| Debug {
        timestamp: facts.now,
        totals: facts.hub.totals(),
        counters: *facts.hub.counters(),
        rows_max,
        view: facts.hub.view_of_first(rows_max),
    });
    Some(serde_json::to_vec(&state.await?).expect("rows are JSON"))
}

/// What `look` makes of the hub; None if the owner is lost or too busy.
async fn ask<R, T>(
    shell: &Shell<R>,
    look: impl FnOnce(&Facts<'_>) -> T + Send + 'static,
) -> Option<T>
where
    R: Runtime,
    T: Send + 'static,
{
    let (sender, answer) = oneshot::channel();
    let question = Event::Inspect(Box::new(move |facts| {
        // Nobody waits any more if the connection is gone.
        let _ = sender.send(look(facts));
    }));
    let answer = async {
        shell.events.send(question).await.ok()?;
        answer.await.ok()
    };
    select! {
        biased;
        answer = answer => answer,
        () = shell.runtime.sleep(shell.limits.admin_timeout) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;
    use crate::hub::Config;
    use crate::runtime::Tokio;
    use crate::server::Limits;

    #[tokio::test]
    async fn a_hub_that_does_not_answer_in_time_is_unwell() {
        let (events, _unread) = mpsc::channel(1);
        let limits = Limits { admin_timeout: Duration::from_millis(10), ..Limits::default() };
        let shell = Shell { limits, ..Shell::new(Tokio, Config::default(), events) };
        for path in ["/health", "/metrics", "/debug"] {
            let response = answer(&shell, &Request::get(path).body(()).unwrap()).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        }
    }
}
