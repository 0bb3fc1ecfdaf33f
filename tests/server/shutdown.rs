//! How a server ends: on request, and when it has lost its hub.

use std::time::Duration;

use signal_hub::hub::{CloseCause, Config, Input, SessionKey};
use signal_hub::server::ServerLost;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::fixture::{Running, UPGRADE, within};

#[tokio::test]
async fn a_shutdown_tells_the_sessions_and_closes_them() {
    let hub = Running::start(Config::default()).await;
    let mut client = hub.connect().await;
    client.register("@(actor)").await;
    let ((inputs, end), (notice, close)) = tokio::join!(biased; hub.stop(), async {
        (client.hear().await, client.close_frame().await)
    });
    assert_eq!(notice["type"], "hub:disconnect");
    assert_eq!(notice["payload"]["reason"], "server_shutdown");
    assert_eq!(close, (1001, "hub is shutting down".to_owned()));
    assert_eq!(inputs.last(), Some(&Input::Closed(SessionKey(0), CloseCause::Hub)));
    assert_eq!(end, Ok(()));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_clients_that_say_nothing() {
    let config = Config { close_timeout: Duration::from_millis(100), ..Config::default() };
    let mut hub = Running::start(config).await;
    let (mut unfinished, mut silent) = (hub.tcp().await, hub.tcp().await);
    silent.write_all(UPGRADE.as_bytes()).await.unwrap();
    assert!(matches!(hub.input().await, Input::Opened(..)));
    let address = hub.address;
    let (inputs, end) = hub.stop().await;
    assert_eq!(inputs.last(), Some(&Input::Closed(SessionKey(0), CloseCause::Hub)));
    assert_eq!(end, Ok(()));
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    let mut rest = Vec::new();
    within(unfinished.read_to_end(&mut rest)).await.unwrap_or_default();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_server_that_loses_its_hub_closes_its_sessions_and_says_so() {
    let hub = Running::observed_by(Config::default(), |input| {
        assert!(!matches!(input, Input::Frame(..)), "broken on purpose");
    })
    .await;
    let mut bystander = hub.connect().await;
    let mut client = hub.connect().await;
    client.send(Message::text("{}")).await;
    assert_eq!(client.close_frame().await, (1011, "internal error".to_owned()));
    assert_eq!(bystander.close_frame().await.0, 1011);
    assert_eq!(hub.end().await, Err(ServerLost::Owner));
}
