//! A session over a pipe; the test plays the owner.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::yield_now;

use crate::hub::{CloseCause, Config, Expired, Input, Peer, SessionKey, Written};
use crate::protocol::{
    ActorAddress, Body, CloseReason, Delivery, Json, Malformed, MessageId, Outgoing, Route,
};
use crate::runtime::{Runtime, Tokio};
use crate::server::connection::{serve, serve_session};
use crate::server::owner::{Event, Outbox};
use crate::server::session::socket::Socket;
use crate::server::stream::Stream;
use crate::server::{Farewell, Limits, Manner, Shell};
use crate::time::Timestamp;

const KEY: SessionKey = SessionKey(0);

struct Owner {
    events: Events,
    outbox: Outbox,
}

/// What the owner hears: of its own writes first.
struct Events {
    written: VecDeque<Input>,
    queued: mpsc::Receiver<Event>,
}

/// A session whose pipe holds `pipe_bytes` each way, with the client's end of the pipe.
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
    let shell = Shell { limits: Arc::new(limits), ..Shell::new(Tokio, config, sender) };
    let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 1)) };
    Tokio.spawn(async move { serve_session(&shell, server, peer).await });
    match events.recv().await {
        Some(Event::Opened(KEY, _, outbox)) => {
            let events = Events { written: VecDeque::new(), queued: events };
            (Owner { events, outbox }, client)
        }
        _ => panic!("a session begins with Opened"),
    }
}

impl Events {
    async fn input(&mut self) -> Option<Input> {
        if let Some(written) = self.written.pop_front() {
            return Some(written);
        }
        match self.queued.recv().await? {
            Event::Input(input) => Some(input),
            Event::Opened(..) | Event::Access(_) | Event::CloseAll | Event::Inspect(_) => {
                panic!("there is one session")
            }
        }
    }
}

impl Owner {
    fn queue_pongs(&mut self, count: usize) {
        for _ in 0..count {
            let to = ActorAddress::parse("@(client)").unwrap();
            let (id, timestamp) = (uuid::Uuid::nil(), Timestamp::from_millis(0));
            let pong = Outgoing::new(id, to, timestamp, Body::Pong);
            self.outbox.queue(pong);
        }
    }

    fn write(&mut self) {
        self.events.written.extend(self.outbox.write(Tokio.monotonic(), Tokio.now()));
    }
}

#[tokio::test]
async fn what_is_queued_is_written_together_and_reported_once() {
    let (mut owner, _client) = session(Config::default(), 4096).await;
    owner.queue_pongs(3);
    owner.write();
    let written = Written { messages: 3, ..Written::default() };
    assert_eq!(owner.events.input().await, Some(Input::Drained(KEY, written)));
}

#[tokio::test]
async fn the_owner_writes_one_batch_and_the_session_the_rest() {
    let limits = Limits { batch_messages_max: 2, ..Limits::default() };
    let (mut owner, _client) = session_within(limits, Config::default(), 4096).await;
    owner.queue_pongs(3);
    owner.write();
    for messages in [2, 1] {
        let written = Written { messages, ..Written::default() };
        assert_eq!(owner.events.input().await, Some(Input::Drained(KEY, written)));
    }
}

#[tokio::test]
async fn what_left_is_reported_in_order() {
    let limits = Limits { batch_messages_max: 2, ..Limits::default() };
    let (mut owner, _client) = session_within(limits, Config::default(), 4096).await;
    owner.queue_pongs(3);
    owner.write();
    // The session writes the third; the owner writes again before it hears of that.
    yield_now().await;
    owner.queue_pongs(2);
    owner.write();
    for messages in [2, 1, 2] {
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
    let late = Outgoing::new(id, to.clone(), Timestamp::from_millis(0), body);
    let bytes = late.weight();
    owner.outbox.queue(late);
    owner.queue_pongs(1);
    owner.write();
    let written = Written { messages: 2, bytes, expired: vec![Expired { to, message }] };
    assert_eq!(owner.events.input().await, Some(Input::Drained(KEY, written)));
    let mut frame = [0; 17];
    client.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame[2..], br#"{"type":"pong"}"#);
}

#[tokio::test]
async fn what_is_queued_is_written_before_the_close_frame() {
    let (mut owner, mut client) = session(Config::default(), 4096).await;
    owner.queue_pongs(1);
    owner.outbox.close(Farewell::at_once(CloseReason::IdleTimeout));
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
    owner.queue_pongs(100);
    owner.write();
    yield_now().await;
    owner.outbox.close(Farewell::at_once(CloseReason::SlowConsumer));
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
        match owner.events.queued.try_recv() {
            Ok(_) => (pings_heard, rounds_without) = (pings_heard + 1, 0),
            Err(_) => rounds_without += 1,
        }
        assert!(pings_heard < 200, "the answers pile up");
    }
    assert!(pings_heard >= Limits::default().pongs_queued_max);
}

const CONNECT: &[u8] =
    br#"{"id":"1","from":"@(a)","to":"@(hub)","type":"hub:connect","pattern":"tell",
    "timestamp":0,"metadata":{"protocolVersion":"0.1.0","capabilities":["c"]}}"#;

/// The header of a masked frame; its mask changes nothing.
fn header(first: u8, bytes: u64) -> Vec<u8> {
    let length = bytes.to_be_bytes();
    let length = match bytes {
        0..=125 => vec![0x80 | length[7]],
        126..=65_535 => [&[0xfe], &length[6..]].concat(),
        _ => [&[0xff], length.as_slice()].concat(),
    };
    [[first].as_slice(), &length, &[0; 4]].concat()
}

fn too_large(actual: usize, max: usize) -> Option<Input> {
    Some(Input::Frame(KEY, Err(Malformed::TooLarge { actual, max })))
}

/// The next input that is not a sign of life.
async fn input(owner: &mut Owner) -> Option<Input> {
    loop {
        match owner.events.input().await {
            Some(Input::Alive(KEY)) => {}
            input => return input,
        }
    }
}

#[tokio::test]
async fn the_header_of_a_message_of_any_size_is_enough_to_refuse_it() {
    for bytes in [65_537, 10_000_000, 1 << 60] {
        let (mut owner, mut client) = session(Config::default(), 4096).await;
        client.write_all(&header(0x82, bytes)).await.unwrap();
        assert_eq!(input(&mut owner).await, too_large(bytes as usize, 65_536));
    }
}

#[tokio::test]
async fn fragments_count_together_before_hub_connect_and_after_it() {
    let config = Config { message_bytes_max: 100_000, ..Config::default() };
    let part = |first, bytes: usize| [header(first, bytes as u64), vec![b' '; bytes]].concat();
    let (mut owner, mut client) = session(config.clone(), 1 << 20).await;
    client.write_all(&part(0x02, 66_000 - 1_000)).await.unwrap();
    client.write_all(&header(0x80, 1_000)).await.unwrap();
    assert_eq!(input(&mut owner).await, too_large(66_000, 65_536));
    let (mut owner, mut client) = session(config, 1 << 20).await;
    let connect = [&header(0x82, CONNECT.len() as u64), CONNECT].concat();
    client.write_all(&connect).await.unwrap();
    client.write_all(&part(0x02, 70_000)).await.unwrap();
    assert!(matches!(input(&mut owner).await, Some(Input::Frame(KEY, Ok(_)))));
    client.write_all(&header(0x80, 30_001)).await.unwrap();
    assert_eq!(input(&mut owner).await, too_large(100_001, 100_000));
}

#[tokio::test]
async fn what_is_too_large_is_read_away_so_that_the_error_arrives() {
    let (mut owner, mut client) = session(Config::default(), 4096).await;
    let bytes = 8 << 20;
    client.write_all(&header(0x82, bytes)).await.unwrap();
    assert_eq!(input(&mut owner).await, too_large(bytes as usize, 65_536));
    owner.queue_pongs(1);
    owner.outbox.close(Farewell::at_once(CloseReason::MessageTooLarge));
    client.write_all(&vec![0; bytes as usize]).await.unwrap();
    let mut told = [0; 17 + 4];
    client.read_exact(&mut told).await.unwrap();
    assert_eq!((told[17], &told[19..]), (0x88, 1009_u16.to_be_bytes().as_slice()));
    client.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xf1]).await.unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap();
}

#[tokio::test]
async fn what_is_too_large_is_read_away_only_so_far() {
    let limits = Limits { excess_bytes_max: 100_000, ..Limits::default() };
    let (mut owner, mut client) = session_within(limits, Config::default(), 4096).await;
    client.write_all(&header(0x82, 1 << 30)).await.unwrap();
    assert_eq!(input(&mut owner).await, too_large(1 << 30, 65_536));
    owner.outbox.close(Farewell::at_once(CloseReason::MessageTooLarge));
    let mut written = 0;
    while client.write_all(&[0; 1_000]).await.is_ok() {
        written += 1_000;
        assert!(written < 200_000, "it reads on");
    }
}

#[tokio::test]
async fn the_bytes_of_a_message_on_its_way_are_a_sign_of_life() {
    let (mut owner, mut client) = session(Config::default(), 4096).await;
    client.write_all(&[0x81]).await.unwrap();
    assert_eq!(owner.events.input().await, Some(Input::Alive(KEY)));
    client.write_all(&header(0x82, 65_536)[1..]).await.unwrap();
    client.write_all(b"{").await.unwrap();
    assert_eq!(owner.events.input().await, Some(Input::Alive(KEY)));
}

#[tokio::test]
async fn a_refused_client_has_time_to_close_by_itself() {
    let (mut owner, mut client) = session(Config::default(), 4096).await;
    owner.queue_pongs(1);
    let (reason, manner) = (CloseReason::Unauthorized, Manner::Linger);
    owner.outbox.close(Farewell { reason, manner });
    let mut told = [0; 17];
    client.read_exact(&mut told).await.unwrap();
    let written = Written { messages: 1, ..Written::default() };
    assert_eq!(owner.events.input().await, Some(Input::Drained(KEY, written)));
    assert_eq!(owner.events.input().await, Some(Input::Closed(KEY, CloseCause::Hub)));
    client.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
    client.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!((rest[0], &rest[2..4]), (0x88, 4001_u16.to_be_bytes().as_slice()));
}

#[tokio::test]
async fn a_refused_client_that_says_nothing_is_closed_in_the_end() {
    let config = Config { refusal_linger: Duration::from_millis(20), ..Config::default() };
    let (owner, mut client) = session(config, 4096).await;
    let (reason, manner) = (CloseReason::VersionMismatch, Manner::Linger);
    owner.outbox.close(Farewell { reason, manner });
    let mut close = [0; 4];
    client.read_exact(&mut close).await.unwrap();
    assert_eq!(&close[2..], 4002_u16.to_be_bytes().as_slice());
}

/// The bytes of what a function returns.
fn returned_bytes<A, B, C, F>(_: impl FnOnce(A, B, C) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn an_idle_session_holds_less_than_a_kilobyte_beside_its_rows_in_the_hub() {
    let socket = size_of::<Socket<Stream<TcpStream>>>();
    let task = returned_bytes(|shell: Arc<Shell<Tokio>>, stream, peer| serve(shell, stream, peer));
    assert!(socket + task < 1024, "{socket} and {task}");
}
