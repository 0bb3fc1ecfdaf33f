//! Who may connect, and how many at once.

use signal_hub::hub::{Config, SessionKey};
use signal_hub::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::join;
use tokio::net::TcpStream;

use crate::fixture::{Running, UPGRADE, within};

async fn limited(limits: Limits) -> Running {
    Running::limited(Config::default(), limits).await
}

/// The first line that a page of `origin` gets.
async fn status(hub: &Running, origin: Option<&str>) -> String {
    let line = origin.map(|origin| format!("Host: hub\r\nOrigin: {origin}\r\n"));
    let request = UPGRADE.replace("Host: hub\r\n", &line.unwrap_or("Host: hub\r\n".to_owned()));
    let mut stream = hub.tcp().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    within(stream.read_exact(&mut begin)).await.unwrap();
    String::from_utf8_lossy(&begin).into_owned()
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let allowed_origins =
        ["https://a.example", "http://b.example:81"].map(|text| text.parse().unwrap()).to_vec();
    let hub = limited(Limits { allowed_origins, ..Limits::default() }).await;
    for (origin, code) in [
        (None, "101"),
        (Some("https://a.example"), "101"),
        (Some("https://a.example:443"), "101"),
        (Some("HTTP://B.example:81"), "101"),
        (Some("https://a.example.evil.example"), "403"),
        (Some("http://a.example"), "403"),
        (Some("null"), "403"),
    ] {
        assert_eq!(status(&hub, origin).await, format!("HTTP/1.1 {code}"), "{origin:?}");
    }
    assert_eq!(hub.metric("connections_refused_total{reason=\"origin\"}").await, 3.0);
}

#[tokio::test]
async fn without_keys_and_names_only_pages_of_this_machine_may_connect() {
    let hub = limited(Limits::default()).await;
    for (origin, code) in [
        (None, "101"),
        (Some("http://localhost:3000"), "101"),
        (Some("https://evil.example"), "403"),
        (Some("null"), "403"),
    ] {
        assert_eq!(status(&hub, origin).await, format!("HTTP/1.1 {code}"), "{origin:?}");
    }
}

#[tokio::test]
async fn a_star_lets_every_page_connect() {
    let allowed_origins = vec!["*".parse().unwrap()];
    let hub = limited(Limits { allowed_origins, ..Limits::default() }).await;
    for origin in ["https://anywhere.example", "null"] {
        assert_eq!(status(&hub, Some(origin)).await, "HTTP/1.1 101", "{origin}");
    }
}

#[tokio::test]
async fn a_request_names_one_host_and_at_most_one_origin() {
    let hub = limited(Limits::default()).await;
    let origin = "Origin: http://localhost\r\n";
    for heads in [
        String::new(),
        "Host: hub\r\nHost: hub\r\n".to_owned(),
        format!("Host: hub\r\n{origin}{origin}"),
    ] {
        let upgrade = UPGRADE.replace("Host: hub\r\n", &heads);
        let health = format!("GET /health HTTP/1.1\r\nConnection: close\r\n{heads}\r\n");
        for (address, request) in
            [(hub.address, &upgrade), (hub.address, &health), (hub.admin.unwrap(), &health)]
        {
            let mut stream = within(TcpStream::connect(address)).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut begin = [0; 12];
            within(stream.read_exact(&mut begin)).await.unwrap();
            assert_eq!(&begin, b"HTTP/1.1 400", "{request}");
        }
    }
}

#[tokio::test]
async fn a_peer_with_enough_connections_gets_no_more_until_one_ends() {
    let mut hub = limited(Limits { connections_per_peer_max: 2, ..Limits::default() }).await;
    let (first, _second) = (hub.connect().await, hub.connect().await);
    let mut third = hub.tcp().await;
    let mut answer = Vec::new();
    within(third.read_to_end(&mut answer)).await.unwrap_or_default();
    assert_eq!(answer, b"");
    assert_eq!(hub.metric("connections_refused_total{reason=\"per_peer\"}").await, 1.0);
    drop(first);
    hub.closed(SessionKey(0)).await;
    hub.metric_becomes("connections", 1.0).await;
    hub.connect().await;
}

#[tokio::test]
async fn beyond_all_connections_the_next_waits_for_one_to_end() {
    let mut hub = limited(Limits { connections_max: 1, ..Limits::default() }).await;
    let first = hub.connect().await;
    let waiting = hub.tcp().await;
    assert_eq!(hub.metric("connections_accepted_total").await, 1.0);
    drop(first);
    join!(
        biased;
        hub.metric_becomes("connections_accepted_total", 2.0),
        hub.metric_becomes("connections", 1.0),
    );
    drop(waiting);
    hub.closed(SessionKey(0)).await;
}
