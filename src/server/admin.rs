//! The operator's port: `/metrics`, `/debug` and `/health`, for this machine only. A question about
//! the hub goes to its owner as an event, and the owner never waits until the answer is read.

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr};
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
use super::accept::Complaints;
use super::http::{check_heads, document, health, is_read, method_not_allowed, text};
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
    let mut complaints = Complaints::default();
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
                complaints.tell(shell.runtime.monotonic(), "the admin listener", &error);
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
    if let Err(message) = check_heads(request.headers()) {
        return text(StatusCode::BAD_REQUEST, message);
    }
    if !host(request).is_some_and(names_this_machine) {
        return text(StatusCode::FORBIDDEN, "ask for this machine by a loopback address");
    }
    if !is_read(request) {
        return method_not_allowed();
    }
    let answer = match request.uri().path() {
        "/metrics" => metrics(shell).await.map(|page| document(METRICS_TYPE, page)),
        "/debug" => debug(shell).await.map(|page| document("application/json", page)),
        "/health" => {
            let look =
                |facts: &Facts<'_>| (facts.now, facts.store, facts.hub.node_figures(facts.now));
            ask(shell, look).await.map(|(now, store, node)| health(shell, now, store, node))
        }
        _ => Some(text(StatusCode::NOT_FOUND, "there are /metrics, /debug and /health")),
    };
    answer.unwrap_or_else(|| text(StatusCode::SERVICE_UNAVAILABLE, "the hub does not answer"))
}

fn host<B>(request: &Request<B>) -> Option<&str> {
    request.headers().get(HOST)?.to_str().ok()
}

/// Returns whether `host`, as `host` or `host:port`, names this machine. A web page whose own name
/// was given this machine's address would send that name.
fn names_this_machine(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (is_loopback, port) = match v6 {
        Some((address, port)) => {
            (address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()), port)
        }
        None => {
            let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
            let is_loopback = name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
            (is_loopback || name.eq_ignore_ascii_case("localhost"), port)
        }
    };
    let is_port = |digits: &str| {
        digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
    };
    is_loopback && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

async fn metrics<R: Runtime>(shell: &Shell<R>) -> Option<String> {
    let begin = |facts: &Facts<'_>| {
        let store = (facts.store, *facts.storing);
        let node = facts.hub.node_figures(facts.now);
        (facts.hub.totals(), *facts.hub.counters(), *facts.handling, store, node)
    };
    let (totals, counters, handling, (store, storing), node) = ask(shell, begin).await?;
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
        refused_per_peer_rate: shell.tally.refused_per_peer_rate.total(),
        audit: shell.audit_state().unwrap_or_default(),
        certificate_expires: shell.tls.get().and_then(|tls| tls.expires_at()),
        uptime: shell.runtime.monotonic().saturating_sub(shell.began),
    };
    let shell = numbers;
    Some(render(&Scrape { totals, accounted_max, counters, handling, store, storing, node, shell }))
}

/// The hub's state; the rows contain no tokens.
#[derive(Serialize)]
struct Debug {
    timestamp: Timestamp,
    totals: Totals,
    counters: Counters,
    /// The most rows that each table shows.
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

/// The result of `look` on the hub; none if the owner is lost or too busy.
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
        // If the connection is gone, nobody waits for the answer.
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

    #[test]
    fn only_a_loopback_host_names_this_machine() {
        for host in ["localhost", "LocalHost:9001", "127.0.0.1", "127.1.2.3:1", "[::1]", "[::1]:9"]
        {
            assert!(names_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil@localhost",
            "localhost@evil.example",
            "localhost.",
            "localhost:",
            "localhost:x",
            "localhost:+1",
            "localhost:99999",
            "[127.0.0.1]",
            "[[::1]]",
            "::1",
            "[::1",
            "[::1]evil",
            "127.0.0.1.evil.example",
            "localhost:1:2",
            "localhost/",
            " localhost",
        ] {
            assert!(!names_this_machine(host), "{host:?}");
        }
    }

    #[tokio::test]
    async fn a_hub_that_does_not_answer_in_time_is_unwell() {
        let (events, _unread) = mpsc::channel(1);
        let limits = Limits { admin_timeout: Duration::from_millis(10), ..Limits::default() };
        let shell =
            Shell { limits: Arc::new(limits), ..Shell::new(Tokio, Config::default(), events) };
        for path in ["/health", "/metrics", "/debug"] {
            let request = Request::get(path).header(HOST, "localhost").body(()).unwrap();
            let response = answer(&shell, &request).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        }
    }
}
