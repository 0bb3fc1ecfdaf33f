//! A hub with a hundred clients, and a few things that they do again and again. Each message that
//! the hub sends is written and reported as drained.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use signal_hub::hub::{CloseCause, Config, Hub, Ids, Input, Output, Peer, SessionKey, Written};
use signal_hub::protocol::codec::{
    Bounds, Template, decode_client_frame, decode_client_text, write_hub_frame,
};
use signal_hub::protocol::{ActorAddress, Outgoing};
use signal_hub::time::Timestamp;

/// What is counted. The first five are parts of the others.
pub const NAMES: [&str; 14] = [
    "decode a send",
    "decode a send like the last one",
    "decode a publication",
    "encode a copy of a publication",
    "encode a delivery and its ack",
    "a session that connects",
    "register and unregister",
    "subscribe and unsubscribe",
    "an ask, its delivery and its ack",
    "the same where an outcome gives way",
    "a publication to 100",
    "a heartbeat",
    "a refused request",
    "a frame that is no envelope",
];

const CLIENTS: u64 = 100;

/// Plays one of [`NAMES`].
pub fn play(name: &str, rounds: u64) {
    let mut play = Play::new(Config::default());
    let data = format!(r#"{{"n":7,"text":"{}"}}"#, "x".repeat(239));
    let send = format!(r#"{{"to":"@(actor/2)","type":"bench:msg","data":{data}}}"#);
    let send = frame(1, "hub:send", &send, "{}");
    let publish = format!(r#"{{"topic":"news","type":"bench:msg","data":{data}}}"#);
    let publish = frame(1, "hub:publish", &publish, "{}");
    let decode = |text: &[u8]| black_box(decode_client_frame(black_box(text), &Bounds::default()));
    match name {
        "decode a send" => repeat(rounds, || drop(decode(&send))),
        "decode a send like the last one" => {
            let (text, mut template) = (str::from_utf8(&send).expect("text"), Template::default());
            let bounds = Bounds::default();
            repeat(rounds, || drop(decode_client_text(black_box(text), &bounds, &mut template)));
        }
        "decode a publication" => repeat(rounds, || drop(decode(&publish))),
        "encode a copy of a publication" => {
            let copies = play.answers(&publish);
            repeat(rounds, || play.write(&copies[0]));
        }
        "encode a delivery and its ack" => {
            let both = play.answers(&send);
            repeat(rounds, || both.iter().for_each(|outgoing| play.write(outgoing)));
        }
        "a session that connects" => play.every_session(rounds, [connect(0)]),
        "a frame that is no envelope" => {
            play.every_session(rounds, [connect(0), b"[no envelope]".to_vec()]);
        }
        "register and unregister" => {
            let payload = r#"{"actorAddress":"@(actor/0)","capabilities":["chat"]}"#;
            let unregister = frame(1, "hub:unregister", payload, "{}");
            play.every_round(rounds, [frame(1, "hub:register", payload, "{}"), unregister]);
        }
        "subscribe and unsubscribe" => {
            let frames = ["hub:subscribe", "hub:unsubscribe"];
            let frames = frames.map(|kind| frame(1, kind, r#"{"topic":"sports"}"#, "{}"));
            play.every_round(rounds, frames);
        }
        "an ask, its delivery and its ack" => play.every_round(rounds, [send]),
        "the same where an outcome gives way" => {
            // Fewer than the rounds of the shorter run.
            let config = Config { dedupe_entries_max: 100, ..Config::default() };
            Play::new(config).every_round(rounds, [send]);
        }
        "a publication to 100" => play.every_round(rounds, [publish]),
        "a heartbeat" => {
            let heartbeat = frame(1, "hub:heartbeat", r#"{"timestamp":1700000000000}"#, "{}");
            play.every_round(rounds, [heartbeat]);
        }
        "a refused request" => {
            play.every_round(rounds, [frame(1, "hub:subscribe", "{}", "{}")]);
        }
        _ => panic!("{name} is none of them"),
    }
}

fn repeat(rounds: u64, mut round: impl FnMut()) {
    (0..rounds).for_each(|_| round());
}

/// A frame from one of the clients, as JavaScript writes it.
fn frame(client: u64, kind: &str, payload: &str, metadata: &str) -> Vec<u8> {
    let text = format!(
        r#"{{"id":"00000000-0000-4000-8000-000000000000","from":"@(actor/{client})","to":"@(cloudflare/signal-hub)","type":"{kind}","pattern":"ask","correlationId":null,"timestamp":1700000000000,"payload":{payload},"metadata":{metadata},"ttl":null,"signature":null}}"#
    );
    text.into_bytes()
}

fn connect(client: u64) -> Vec<u8> {
    let metadata = r#"{"protocolVersion":"0.1.0","capabilities":["chat"]}"#;
    frame(client, "hub:connect", "null", metadata)
}

fn register(client: u64) -> Vec<u8> {
    let payload = format!(r#"{{"actorAddress":"@(actor/{client})","capabilities":["chat"]}}"#);
    frame(client, "hub:register", &payload, "{}")
}

/// The hub, and what a shell does around it.
struct Play {
    hub: Hub,
    address: ActorAddress,
    now: Timestamp,
    frames: u32,
    templates: BTreeMap<u64, Template>,
    buffer: Vec<u8>,
    sent: Vec<(SessionKey, Outgoing)>,
}

impl Play {
    fn new(config: Config) -> Self {
        let hub = Hub::new(config, Ids::new([7; 32]));
        let mut play = Self {
            address: hub.config().hub_address.clone(),
            hub,
            now: Timestamp::from_millis(1_700_000_000_000),
            frames: 0,
            templates: BTreeMap::new(),
            buffer: Vec::new(),
            sent: Vec::new(),
        };
        for client in 1..=CLIENTS {
            play.open(client);
            let subscribe = frame(client, "hub:subscribe", r#"{"topic":"news"}"#, "{}");
            for mut frame in [connect(client), register(client), subscribe] {
                play.hear(client, &mut frame);
            }
        }
        play
    }

    /// A tenth of a second a round, so that the rate limit has no say.
    fn every_round<const N: usize>(&mut self, rounds: u64, mut frames: [Vec<u8>; N]) {
        repeat(rounds, || {
            self.now = self.now + Duration::from_millis(100);
            frames.iter_mut().for_each(|frame| self.hear(1, frame));
        });
    }

    /// The same from a session that lasts a round.
    fn every_session<const N: usize>(&mut self, rounds: u64, mut frames: [Vec<u8>; N]) {
        let sessions = (CLIENTS + 1..).take(usize::try_from(rounds).expect("rounds are few"));
        for session in sessions {
            self.now = self.now + Duration::from_millis(100);
            self.open(session);
            frames.iter_mut().for_each(|frame| self.hear(session, frame));
            self.templates.remove(&session);
            self.handle(Input::Closed(SessionKey(session), CloseCause::Lost));
        }
    }

    fn open(&mut self, session: u64) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        self.handle(Input::Opened(SessionKey(session), Peer { address }));
    }

    /// A frame comes, with an id of its own, and what it leads to is written.
    fn hear(&mut self, session: u64, frame: &mut [u8]) {
        self.frames += 1;
        if let Some(digits) = frame.strip_prefix(br#"{"id":""#).map(|rest| frame.len() - rest.len())
        {
            let number = self.frames.to_be_bytes().map(|byte| [byte >> 4, byte & 15]);
            for (at, digit) in number.as_flattened().iter().enumerate() {
                frame[digits + at] = b"0123456789abcdef"[usize::from(*digit)];
            }
        }
        let text = str::from_utf8(frame).expect("clients write text");
        let template = self.templates.entry(session).or_default();
        let decoded = decode_client_text(text, &self.hub.config().bounds(), template);
        self.handle(Input::Frame(SessionKey(session), decoded));
    }

    fn handle(&mut self, input: Input) {
        let mut sent = std::mem::take(&mut self.sent);
        sent.extend(self.hub.handle(self.now, input).filter_map(sending));
        for (key, outgoing) in sent.drain(..) {
            self.write(&outgoing);
            let bytes = outgoing.weight();
            let written = Written { messages: 1, bytes, ..Written::default() };
            self.hub.handle(self.now, Input::Drained(key, written)).for_each(drop);
        }
        self.sent = sent;
    }

    /// What the hub sends after a frame of the first client.
    fn answers(&mut self, frame: &[u8]) -> Vec<Outgoing> {
        let decoded = decode_client_frame(frame, &self.hub.config().bounds());
        let outputs = self.hub.handle(self.now, Input::Frame(SessionKey(1), decoded));
        outputs.filter_map(sending).map(|(_, outgoing)| outgoing).collect()
    }

    fn write(&mut self, outgoing: &Outgoing) {
        self.buffer.clear();
        write_hub_frame(&mut self.buffer, black_box(outgoing), &self.address);
        black_box(&self.buffer);
    }
}

fn sending(output: Output) -> Option<(SessionKey, Outgoing)> {
    match output {
        Output::Send(key, outgoing) => Some((key, outgoing)),
        Output::Close(..) | Output::Linger(..) | Output::Audit(_) => None,
    }
}
