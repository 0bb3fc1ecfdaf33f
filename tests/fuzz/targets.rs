//! What the fuzzer plays, and `cargo test` with it: bytes go in, and what must always hold holds.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use signal_hub::hub::{
    CloseCause, Config, Hub, Ids, Input, Output, Peer, SessionKey, Sizes, View, Written,
};
use signal_hub::protocol::codec::{
    Bounds, HubFrame, Template, decode_client_frame, decode_client_text, decode_hub_frame,
    decode_plain_frame, decode_thoroughly, encode_client_frame, encode_hub_frame,
};
use signal_hub::protocol::framing::{FrameReader, Received};
use signal_hub::protocol::{AuthToken, ClientFrame, Json, Malformed, Request, Verb};
use signal_hub::time::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio_websockets::{Error, Message, ServerBuilder};

/// Any bytes can be read or refused, from either side; what was read can be written and read again,
/// and what is read in one pass, or with a template, is what is read thoroughly.
pub fn codec(bytes: &[u8]) {
    let frame = Bytes::copy_from_slice(bytes);
    if let Some(request) = decode_plain_frame(bytes, &Bounds::default()) {
        let thorough = decode_thoroughly(bytes, &Bounds::default());
        assert_eq!(thorough, Ok(ClientFrame::Request(Arc::new(request))));
    }
    let read = decode_client_frame(&frame, &Bounds::default());
    if let Ok(text) = std::str::from_utf8(bytes) {
        let mut template = Template::default();
        for _ in 0..2 {
            assert_eq!(decode_client_text(text, &Bounds::default(), &mut template), read);
        }
    }
    if let Ok(read) = read {
        comes_back(&read);
    }
    if let Ok(HubFrame::Message(message)) = decode_hub_frame(&frame) {
        let metadata = Json::parse(message.metadata.as_str());
        assert!(metadata.is_ok(), "metadata are JSON");
    }
}

fn comes_back(frame: &ClientFrame) {
    let text = encode_client_frame(frame);
    let again = decode_client_frame(text.as_bytes(), &Bounds::default());
    let again = again.unwrap_or_else(|refusal| panic!("{text} is refused: {refusal:?}"));
    match (frame, &again) {
        (ClientFrame::Ping, ClientFrame::Ping) => {}
        (ClientFrame::Request(first), ClientFrame::Request(second)) => same(first, second),
        (first, second) => panic!("{first:?} becomes {second:?}"),
    }
}

fn same(first: &Request, second: &Request) {
    assert_eq!((&first.id, &first.from, &first.to), (&second.id, &second.from, &second.to));
    assert_eq!((&first.type_name, first.pattern), (&second.type_name, second.pattern));
    assert_eq!((first.timestamp, first.ttl), (second.timestamp, second.ttl));
    // The metadata of hub:connect are its fields: those that the hub does not know are not kept.
    if first.type_name != "hub:connect" {
        assert_eq!(first.metadata, second.metadata);
    }
    // A payload that was refused is not kept, and a token loses the word `bearer` at each reading.
    if first.verb.as_ref().is_ok_and(|verb| !says_bearer_twice(verb)) {
        assert_eq!(first.verb, second.verb);
    }
}

fn says_bearer_twice(verb: &Verb) -> bool {
    let token = match verb {
        Verb::Connect(connect) => connect.auth_token.as_ref(),
        Verb::RefreshToken(refresh) => Some(&refresh.token),
        _ => None,
    };
    token.is_some_and(|token| AuthToken::new(token.as_str()) != *token)
}

/// The first byte says in what pieces the others come. They make the same messages, however they
/// come, as another implementation reads, up to the same violation.
pub fn frames(bytes: &[u8]) {
    let Some((step, stream)) = bytes.split_first() else { return };
    // The other one need not see all of a header to refuse it, so no header is cut off.
    let stream = [stream, &[0; 14]].concat();
    let read = read(&stream, usize::from(*step).max(1));
    assert_eq!(read, self::read(&stream, usize::MAX), "in pieces of {step}");
    assert_eq!(read, read_by_another(&stream));
}

/// What a client said.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close,
    Violation,
}

/// Ends with a close frame, a violation or the stream.
fn read(stream: &[u8], step: usize) -> Vec<Said> {
    let (mut reader, mut said) = (FrameReader::default(), Vec::new());
    for piece in stream.chunks(step) {
        let (mut piece, mut at) = (piece.to_vec(), 0);
        loop {
            let (taken, received) = reader.read(&mut piece[at..], FRAME_BYTES_MAX);
            at += taken;
            said.push(match received {
                Some(Received::Text(says)) => Said::Message(says.into_owned().into_bytes()),
                Some(Received::Binary(says)) => Said::Message(says.into_owned()),
                Some(Received::Ping(says)) => Said::Ping(says.into_owned()),
                Some(Received::Pong) => Said::Pong,
                Some(Received::Close(_)) => Said::Close,
                Some(Received::Violation(_)) => Said::Violation,
                // The other one waits for its bytes.
                Some(Received::TooLarge { .. }) => return said,
                None => break,
            });
            if let Some(Said::Close | Said::Violation) = said.last() {
                return said;
            }
        }
    }
    said
}

fn read_by_another(stream: &[u8]) -> Vec<Said> {
    let (mut client, server) = tokio::io::duplex(stream.len().max(1));
    client.write_all(stream).now_or_never().expect("there is room").expect("and a reader");
    let mut server = ServerBuilder::new().serve(server);
    let mut said = Vec::new();
    while let Some(Some(next)) = server.next().now_or_never() {
        said.push(match next {
            Ok(message) if message.is_ping() => Said::Ping(message.into_payload().to_vec()),
            Ok(message) if message.is_pong() => Said::Pong,
            Ok(message) if message.is_close() => Said::Close,
            Ok(message) => Said::Message(Message::into_payload(message).to_vec()),
            Err(Error::Protocol(_)) => Said::Violation,
            Err(error) => panic!("{error}"),
        });
        if let Some(Said::Close | Said::Violation) = said.last() {
            break;
        }
    }
    said
}

/// More than any fuzzed message has.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// Any inputs in any order are handled, always in a sound state, and the hub is empty once everyone
/// is gone (I34). One line is one input; its first byte says which, the second mostly whose:
///
/// - `o`: a session opens; the first is 1, the ninth and last is 9.
/// - `f1{...}`: a frame from session 1. `$token` and `$sub` in it are the renewal token and the
///   subscription that the hub named last.
/// - `l1`, `a1`: a frame that is too large, a sign of life.
/// - `d1 2 900`: two messages, 900 bytes in all, left the queue of session 1.
/// - `c1l`: session 1 is gone; `h`, `c` and `p` instead of `l` are the other causes.
/// - `w500`: half a second passes, and the hub is called; `z500`: it is not.
/// - `s`: the hub is to end.
pub fn hub(bytes: &[u8]) {
    let mut play = Play::new();
    for line in bytes.split(|byte| *byte == b'\n').take(LINES_MAX) {
        play.line(line);
    }
    play.comes_to_rest();
}

const LINES_MAX: usize = 100;
const SESSIONS_MAX: u64 = 9;
const WAIT_MAX: u64 = 400_000;
const DRAINED_MAX: u64 = 1_000_000;

struct Play {
    hub: Hub,
    now: Timestamp,
    opened: u64,
    token: String,
    subscription: String,
}

impl Play {
    /// Bounds so low that a few lines reach them.
    fn new() -> Self {
        let config = Config {
            rate_limit_per_second: 5,
            rate_limit_burst: 20,
            queue_messages_max: 4,
            queue_bytes_max: 4_000,
            pause_threshold: 2,
            resume_threshold: 1,
            dedupe_entries_max: 3,
            sessions_max: 5,
            registrations_max: 3,
            addresses_per_session_max: 2,
            subscriptions_per_session_max: 2,
            ..Config::default()
        };
        Self {
            hub: Hub::new(config, Ids::new([7; 32])),
            now: Timestamp::from_millis(1_000_000_000),
            opened: 0,
            token: String::new(),
            subscription: String::new(),
        }
    }

    fn line(&mut self, line: &[u8]) {
        let Some((what, rest)) = line.split_first() else { return };
        match what {
            b'o' if self.opened < SESSIONS_MAX => {
                self.opened += 1;
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
                self.hears(Input::Opened(SessionKey(self.opened), Peer { address }));
            }
            b'w' => {
                self.sleeps(rest);
                self.hears(Input::Tick);
            }
            b'z' => self.sleeps(rest),
            b's' => self.hears(Input::Shutdown),
            _ => self.line_of_session(*what, rest),
        }
    }

    fn line_of_session(&mut self, what: u8, rest: &[u8]) {
        let Some((digit, rest)) = rest.split_first() else { return };
        let number = u64::from(digit.wrapping_sub(b'0'));
        if number == 0 || number > self.opened {
            return;
        }
        let key = SessionKey(number);
        match what {
            b'f' => {
                let bounds = self.hub.config().bounds();
                let frame = decode_client_frame(&self.revealed(rest), &bounds);
                self.hears(Input::Frame(key, frame));
            }
            b'l' => {
                let max = self.hub.config().message_bytes_max;
                let frame = Err(Malformed::TooLarge { actual: max + 1, max });
                self.hears(Input::Frame(key, frame));
            }
            b'a' => self.hears(Input::Alive(key)),
            b'd' => {
                let mut numbers = rest.split(|byte| *byte == b' ').filter_map(number_in);
                // No shell writes more; the sum over a second must not overflow.
                let mut next = || numbers.next().unwrap_or(1).min(DRAINED_MAX) as usize;
                let (messages, bytes) = (next(), next());
                let written = Written { messages, bytes, expired: Vec::new() };
                self.hears(Input::Drained(key, written));
            }
            b'c' => {
                let cause = match rest.first() {
                    Some(b'h') => CloseCause::Hub,
                    Some(b'c') => CloseCause::Client,
                    Some(b'p') => CloseCause::Protocol,
                    _ => CloseCause::Lost,
                };
                self.hears(Input::Closed(key, cause));
            }
            _ => {}
        }
    }

    fn sleeps(&mut self, milliseconds: &[u8]) {
        let wait = number_in(milliseconds).unwrap_or_default().min(WAIT_MAX);
        self.now = self.now + Duration::from_millis(wait);
    }

    fn revealed(&self, frame: &[u8]) -> Bytes {
        match std::str::from_utf8(frame) {
            Ok(text) => {
                let text = text.replace("$token", &self.token);
                Bytes::from(text.replace("$sub", &self.subscription))
            }
            Err(_) => Bytes::copy_from_slice(frame),
        }
    }

    fn hears(&mut self, input: Input) {
        let outputs: Vec<Output> = self.hub.handle(self.now, input).collect();
        for output in outputs {
            let Output::Send(_, outgoing) = output else { continue };
            let text = encode_hub_frame(&outgoing, &self.hub.config().hub_address);
            note(&text, r#""renewalToken":""#, &mut self.token);
            note(&text, r#""subscriptionId":""#, &mut self.subscription);
            decode_hub_frame(&Bytes::from(text)).expect("clients can read it");
        }
        check(&self.hub.view());
        assert!(self.hub.next_deadline().is_none_or(|due| due > self.now), "a deadline is left");
    }

    fn comes_to_rest(&mut self) {
        for key in (1..=self.opened).map(SessionKey) {
            self.hears(Input::Closed(key, CloseCause::Lost));
        }
        while let Some(due) = self.hub.next_deadline() {
            self.now = due;
            self.hears(Input::Tick);
        }
        assert_eq!(self.hub.sizes(), Sizes::default(), "something is left: I34");
        let counters = self.hub.counters();
        assert_eq!(counters.sessions_opened, counters.sessions_closed, "I28");
    }
}

/// What is owned has its owner, and what is subscribed stands in both indices.
fn check(view: &View) {
    for (key, row) in &view.sessions {
        for address in row.as_ref().expect("a view has only rows that exist").addresses.iter() {
            let row = view.addresses.get(address).and_then(Option::as_ref);
            let owner = row.and_then(|row| row.registration).and_then(|row| row.owner);
            assert_eq!(owner, Some(*key), "{address}: I1");
        }
    }
    for (address, row) in &view.addresses {
        let row = row.as_ref().expect("a view has only rows that exist");
        let registration = row.registration.unwrap_or_else(|| panic!("{address}: I13, I30"));
        assert_eq!(row.deadline, Some(registration.until), "{address}: I17, I30");
        if let Some(owner) = registration.owner {
            let session = view.sessions.get(&owner).and_then(Option::as_ref);
            let owned = session.map_or(&[][..], |session| &session.addresses);
            assert_eq!(owned.iter().filter(|owned| *owned == address).count(), 1, "{address}: I1");
        }
        for topic in &row.topics {
            let subscribers = view.topics.get(topic).and_then(Option::as_ref);
            assert!(subscribers.is_some_and(|row| row.subscribers.contains(address)), "I13");
        }
    }
    for (topic, row) in &view.topics {
        for address in &row.as_ref().expect("no empty sets: I13").subscribers {
            let row = view.addresses.get(address).and_then(Option::as_ref);
            assert!(row.is_some_and(|row| row.topics.contains(topic)), "{address}: I13");
        }
    }
}

fn number_in(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Keeps what stands behind `key` in `text`, up to the next quotation mark.
fn note(text: &str, key: &str, kept: &mut String) {
    let value = text.split_once(key).and_then(|(_, rest)| rest.split_once('"'));
    if let Some((value, _)) = value {
        *kept = value.to_owned();
    }
}
