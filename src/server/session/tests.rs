//! A session over a pipe, with the test in the owner's place.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::yield_now;

use crate::hub::{CloseCause, Config, Expired, Input, Peer, SessionKey, Written};
use crate::protocol::{
    ActorAddress, Body, CloseReason, Delivery, Json, MessageId, Outgoing, Route,
};
use crate::runtime::{Runtime, Tokio};
use crate::server::connection::serve_session;
use crate::server::owner::{Event, Outbox};
use crate::server::{Limits, Shell};
use crate::time::Timestamp;

const KEY: SessionKey = SessionKey(0);

struct Owner {
    events: Events,
    outbox: Outbox,
}

struct Events(mpsc::Receiver<Event>);

/// A session whose pipe holds `pipe_bytes` each way, and the client's end of the pipe.
async fn session(config: Config, pipe_bytes: usize) -> (Owner, DuplexStream) {
    session_within(Limits::default(), config, pipe_bytes).await
}

async fn session_within(
    limits: Limits,
    config: Config,
    pipe_bytes: usize,
) -> (Owner, DuplexStream) {
    let (client, server) = duplex(pipe_bytes);
    let (sender, mut events) = mpsc::channel(16);
    let shell = Shell { limits, ..Shell::new(Tokio, config, sender) };
    let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 1)) };
    Tokio.spawn(async move { serve_session(&shell, server, peer).await });
    match events.recv().await {
        Some(Event::Opened(KEY, _, outbox)) => (Owner { events: Events(events), outbox }, client),
        _ => panic!("a session begins with Opened"),
    }
}

impl Events {
    async fn input(&mut self) -> Option<Input> {
        match self.0.recv().await? {
            Event::Input(input) => Some(input),
            Event::Opened(..) | Event::Access(_) | Event::CloseAll | Event::Inspect(_) => {
                panic!("there is one session")
            }
        }
    }
}

impl Owner {
    fn send_pongs(&self, count: usize) {
        for _ in 0..count {
            let to = ActorAddress::parse("@(client)").unwrap();
            let (id, timestamp) = (uuid::Uuid::nil(), Timestamp::from_millis(0));
            let pong = Outgoing { id, to, timestamp, body: Body::Pong };
            self.outbox.send(pong);
        }
    }
}

#[tokio::test]
async fn what_is_queued_is_written_together_and_reported_once() {
    let (mut owner, _client) = session(Config::default(), 4096).await;
    owner.send_pongs(3);
    let written = Written { messages: 3, ..Written::default() };
    assert_eq!(owner.events.input().await, Some(Input::Drained(KEY, written)));
}

#[tokio::test]
async fn a_batch_ends_at_its_bound_and_the_next_begins() {
    let limits = Limits { batch_messages_max: 2, ..Limits::default() };
    let (mut owner, _client) = session_within(limits, Config::default(), 4096).await;
    owner.send_pongs(3);
    for messages in [2, 1] {
        let written = Written { messages, ..Written::default() };
        assert_eq!(owner.events.input().await, Some(Input::Drained(KEY, written)));
    }
}

#[tokio::test]
async fn what_is_queued_for_too_long_is_left_out_and_reported() {
    let (mut owner, mut client) = session(Config::default(), 4096).await;
    let to = ActorAddress::parse("@(client)").unwrap();
    let message = MessageId::parse("late").unwrap();
    let delivery = Delivery::new(
        to.clone(),
        "note".to_owned(),
        Json::NULL,
        Json::EMPTY_OBJECT,
        Route::Send,
        message.clone(),
        Some(Duration::from_secs(1)),
    );
    let (id, body) = (uuid::Uuid::nil(), Body::Delivery(Arc::new(delivery)));
    let late = Outgoing { id, to: to.clone(), timestamp: Timestamp::from_millis(0), body };
    let bytes = late.weight();
    owner.outbox.send(late);
    owner.send_pongs(1);
    let written = Written { messages: 2, bytes, expired: vec![Expired { to, message }] };
    assert_eq!(owner.events.input().await, Some(Input::Drained(KEY, written)));
    let mut frame = [0; 17];
    client.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame[2..], br#"{"type":"pong"}"#);
}

#[tokio::test]
async fn what_is_queued_is_written_before_the_close_frame() {
    let (mut owner, mut client) = session(Config::default(), 4096).await;
    owner.send_pongs(1);
    owner.outbox.close(CloseReason::IdleTimeout);
    let mut bytes = [0; 17 + 4];
    client.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes[2..17], br#"{"type":"pong"}"#);
    assert_eq!((bytes[17], &bytes[19..]), (0x88, 4004_u16.to_be_bytes().as_slice()));
    let written = Written { messages: 1, ..Written::default() };
    drop(client);
    assert_eq!(owner.events.input().await, Some(Input::Drained(KEY, written)));
    assert_eq!(owner.events.input().await, Some(Input::Closed(KEY, CloseCause::Hub)));
    assert_eq!(owner.events.input().await, None);
}

#[tokio::test]
async fn a_stuck_writer_still_hears_of_the_close() {
    let config = Config { close_timeout: Duration::from_millis(20), ..Config::default() };
    let (mut owner, _client) = session(config, 64).await;
    owner.send_pongs(100);
    yield_now().await;
    owner.outbox.close(CloseReason::SlowConsumer);
    assert_eq!(owner.events.input().await, Some(Input::Closed(KEY, CloseCause::Hub)));
}

#[tokio::test]
async fn a_peer_that_pings_and_never_reads_is_not_read_any_more() {
    let (mut owner, mut client) = session(Config::default(), 1024).await;
    let ping = [[0x89, 0x80 | 125, 0, 0, 0, 0].as_slice(), &[0; 125]].concat();
    let (mut written, mut pings_heard, mut rounds_without) = (0, 0, 0);
    while rounds_without < 1_000 {
        if let Some(bytes) = client.write(&ping[written..]).now_or_never() {
            written = (written + bytes.unwrap()) % ping.len();
        }
        yield_now().await;
        match owner.events.0.try_recv() {
            Ok(_) => (pings_heard, rounds_without) = (pings_heard + 1, 0),
            Err(_) => rounds_without += 1,
        }
        assert!(pings_heard < 200, "the answers pile up");
    }
    assert!(pings_heard >= Limits::default().pongs_queued_max);
}
