//! One client's way to the hub: connections, one after the other, and what is said and heard on them. What is
//! worth telling is recorded.

mod frames;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dst::backend::{FullStack, Wire, WireProcess};
use dst::runtime::Runtime;
use futures_util::SinkExt;
use tokio::select;
use tokio::sync::mpsc;
use tokio_websockets::{ClientBuilder, Limits, Message, WebSocketStream};

use super::AnyHub;
use super::dialect::{
    ARRIVALS_MAX, Arrival, Connection, Frame, Heard, Mute, Operation, Speaker, Turn,
};
use super::history::{ClientEvent, What};
use super::subject::Run;
use super::target::Place;
use super::watched::Watched;
use crate::history::ClientName;
use crate::lower::CLOSE_TIMEOUT;
use frames::{message, poll_frames};

/// The longest frame that is read, in bytes.
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Frames that wait to be written, at most: a hub that does not read gets no more.
const WAITING_MAX: usize = 10_000;
/// Messages of one connection, at most.
const HEARD_MAX: u32 = 100_000;

/// The runtime of a client's process.
type World<W> = <<W as Wire>::Process as WireProcess>::Runtime;
type Socket<W> = WebSocketStream<Watched<<World<W> as Runtime>::Stream>>;

/// A client's way to the hub.
pub struct Line<W: Wire> {
    stack: FullStack<AnyHub, W>,
    name: ClientName,
    runtime: World<W>,
    host: String,
    run: Arc<Run>,
    count: u32,
    /// Bytes that came on all connections.
    came: Arc<AtomicU64>,
    open: Option<Open<W>>,
}

struct Open<W: Wire> {
    id: Connection,
    heard: u32,
    link: Link<W>,
}

enum Link<W: Wire> {
    Frames { socket: Box<Socket<W>>, waiting: VecDeque<Message>, unflushed: bool },
    Client { arrivals: mpsc::Receiver<Arrival> },
}

/// What comes on a connection.
enum Coming {
    Frame(Frame),
    Heard(Heard),
    Lost { code: Option<u16>, why: String },
}

impl<W: Wire> Line<W> {
    /// No connection yet; `host` is where the client is.
    pub fn new(
        stack: &FullStack<AnyHub, W>,
        name: ClientName,
        host: &str,
        process: &W::Process,
    ) -> Self {
        let run = Arc::clone(stack.scenario.hub.run());
        let (stack, runtime) = (stack.clone(), process.runtime());
        Self {
            stack,
            name,
            runtime,
            host: host.to_owned(),
            run,
            count: 0,
            came: Arc::default(),
            open: None,
        }
    }

    /// The run that it is part of.
    pub const fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// The world of its process.
    pub const fn runtime(&self) -> &World<W> {
        &self.runtime
    }

    /// Returns whether a connection is open.
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How many bytes came so far, or, where nobody counts them, messages.
    pub fn came(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
    }

    /// Takes down what the client did or saw.
    pub fn record(&self, event: ClientEvent) {
        self.stack.record(What::Client { client: self.name.clone(), event });
    }

    /// Opens a connection, unless there is one; says whether there is.
    pub async fn open(&mut self, speaker: &str) -> bool {
        if self.is_open() {
            return true;
        }
        let id = self.run.next_connection();
        let over = self.runtime.sleep(self.run.promises.patience());
        let opened = select! {
            biased;
            opened = self.dial(id, speaker) => opened,
            () = over => Err("nothing comes of it".to_owned()),
        };
        let (link, turn) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                self.record(ClientEvent::Said(format!("cannot connect: {why}")));
                return false;
            }
        };
        self.count += 1;
        self.open = Some(Open { id, heard: 0, link });
        self.record(ClientEvent::Opened { connection: self.count });
        self.take(turn);
        self.is_open()
    }

    async fn dial(&mut self, id: Connection, speaker: &str) -> Result<(Link<W>, Turn), String> {
        let authority = self.stack.wire.hub_authority(&self.host);
        if matches!(&*self.run.speaker(), Speaker::Frames(_)) {
            return self.dial_web_socket(id, &authority).await;
        }
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let (sender, mut arrivals) = mpsc::channel(ARRIVALS_MAX);
        if let Speaker::Client(library) = &mut *self.run.speaker() {
            let opened = library.open(id, port.unwrap_or_default(), speaker, sender);
            opened.map_err(|mute| self.muted(mute))?;
        }
        match arrivals.recv().await {
            Some(Arrival::Opened) => Ok((Link::Client { arrivals }, Turn::default())),
            Some(Arrival::Lost { why, .. }) => Err(why),
            Some(Arrival::Heard(_)) => Err("something came before it was open".to_owned()),
            None => Err("the dialect is gone".to_owned()),
        }
    }

    async fn dial_web_socket(
        &mut self,
        id: Connection,
        authority: &str,
    ) -> Result<(Link<W>, Turn), String> {
        let stream = self.runtime.connect(authority).await.map_err(|error| error.to_string())?;
        let url = match &self.run.target.place {
            Place::Running { url, .. } => format!("ws://{}{}", url.authority(), url.path()),
            Place::Command { path, .. } => format!("ws://{authority}{path}"),
        };
        let limits = Limits::default().max_payload_len(Some(FRAME_BYTES_MAX));
        let builder =
            ClientBuilder::new().limits(limits).uri(&url).map_err(|why| why.to_string())?;
        let connected = builder.connect_on(Watched::new(stream, Arc::clone(&self.came))).await;
        let (socket, _) = connected.map_err(|error| error.to_string())?;
        let socket = Box::new(socket);
        let link = Link::Frames { socket, waiting: VecDeque::new(), unflushed: false };
        let turn = match &mut *self.run.speaker() {
            Speaker::Frames(dialect) => dialect.opened(id, &self.name.to_string()),
            Speaker::Client(_) => Turn::default(),
        };
        Ok((link, turn))
    }

    /// Asks for something; says whether it was said.
    pub async fn say(&mut self, operation: Operation) -> bool {
        let wait = self.run.pace(self.stack.wire.net().elapsed());
        if !wait.is_zero() {
            self.runtime.sleep(wait).await;
        }
        let Some(open) = &self.open else {
            let word = operation.verb.word();
            self.record(ClientEvent::Said(format!("has no connection to say {word} on")));
            return false;
        };
        let (id, connection) = (open.id, self.count);
        let outgoing = self.run.outgoing(&operation);
        let said = match &mut *self.run.speaker() {
            Speaker::Frames(dialect) => dialect.say(id, &outgoing),
            Speaker::Client(library) => library.say(id, &outgoing).map(|()| Turn::default()),
        };
        match said {
            Ok(turn) => {
                self.record(ClientEvent::Asked { connection, operation: Arc::new(operation) });
                self.take(turn);
                true
            }
            Err(mute) => {
                let word = operation.verb.word();
                let why = self.muted(mute);
                self.record(ClientEvent::Said(format!("has no words for {word}: {why}")));
                false
            }
        }
    }

    /// Writes text as it is, if connections are WebSockets.
    pub fn write(&mut self, text: String) {
        let Some(Open { link: Link::Frames { .. }, .. }) = &self.open else {
            return self.record(ClientEvent::Said("has nothing to write that on".to_owned()));
        };
        self.take(Turn { frames: vec![Frame::Text(text)], heard: Vec::new() });
    }

    /// Waits for what comes next, and tells what was heard; nothing any more once the connection is lost. For ever,
    /// if none is open. Cancel safe.
    pub async fn next(&mut self) -> Vec<Arc<Heard>> {
        let Some(open) = &mut self.open else { return std::future::pending().await };
        let coming = match &mut open.link {
            Link::Frames { socket, waiting, unflushed } => {
                poll_fn(|task| poll_frames(socket, waiting, unflushed, task)).await
            }
            Link::Client { arrivals } => match arrivals.recv().await {
                Some(Arrival::Heard(heard)) => {
                    self.came.fetch_add(1, Ordering::Relaxed);
                    Coming::Heard(heard)
                }
                Some(Arrival::Opened) => return Vec::new(),
                Some(Arrival::Lost { code, why }) => Coming::Lost { code, why },
                None => Coming::Lost { code: None, why: "the dialect is gone".to_owned() },
            },
        };
        match coming {
            Coming::Heard(heard) => self.take(Turn { frames: Vec::new(), heard: vec![heard] }),
            Coming::Lost { code, why } => {
                self.lose(code, &why);
                Vec::new()
            }
            Coming::Frame(frame) => {
                let id = open.id;
                let heard = match &mut *self.run.speaker() {
                    Speaker::Frames(dialect) => dialect.hear(id, &frame),
                    Speaker::Client(_) => Ok(Turn::default()),
                };
                match heard {
                    Ok(turn) => self.take(turn),
                    Err(mute) => {
                        let why = self.muted(mute);
                        self.lose(None, &why);
                        Vec::new()
                    }
                }
            }
        }
    }

    /// Ends the connection, in order or in the middle of whatever it does.
    pub async fn close(&mut self) {
        let Some(Open { id, link, .. }) = self.open.take() else { return };
        if let Link::Frames { mut socket, .. } = link {
            select! {
                biased;
                _ = socket.close() => {}
                () = self.runtime.sleep(CLOSE_TIMEOUT) => {}
            }
        }
        self.forget(id, true);
        self.record(ClientEvent::Lost { connection: self.count, code: None, own: true });
    }

    /// Lets the connection go without a word.
    pub fn abandon(&mut self) {
        let Some(Open { id, .. }) = self.open.take() else { return };
        self.forget(id, false);
        self.record(ClientEvent::Lost { connection: self.count, code: None, own: true });
    }

    fn lose(&mut self, code: Option<u16>, why: &str) {
        let Some(Open { id, link, .. }) = self.open.take() else { return };
        if code.is_none() {
            self.record(ClientEvent::Said(format!("the connection breaks: {why}")));
        }
        if let Link::Frames { mut socket, .. } = link {
            let over = self.runtime.sleep(CLOSE_TIMEOUT);
            self.runtime.spawn(async move {
                select! {
                    biased;
                    _ = socket.close() => {}
                    () = over => {}
                }
            });
        }
        self.forget(id, false);
        self.record(ClientEvent::Lost { connection: self.count, code, own: false });
    }

    fn forget(&self, id: Connection, in_order: bool) {
        match &mut *self.run.speaker() {
            Speaker::Frames(dialect) => dialect.closed(id),
            Speaker::Client(library) => {
                // Its own end is told by whatever is said next.
                let _ = library.close(id, in_order);
            }
        }
    }

    /// Queues the frames, records what was heard, and tells it.
    fn take(&mut self, turn: Turn) -> Vec<Arc<Heard>> {
        let connection = self.count;
        let mut told = Vec::new();
        for heard in turn.heard.into_iter().filter_map(|heard| self.run.incoming(heard)) {
            let heard = Arc::new(heard);
            self.record(ClientEvent::Heard { connection, heard: Arc::clone(&heard) });
            told.push(heard);
        }
        let Some(open) = &mut self.open else { return told };
        open.heard += u32::try_from(told.len()).unwrap_or(u32::MAX);
        let floods = open.heard > HEARD_MAX;
        let mut full = false;
        if let Link::Frames { waiting, .. } = &mut open.link {
            for frame in turn.frames {
                full |= waiting.len() >= WAITING_MAX;
                waiting.extend((!full).then(|| message(frame)));
            }
        }
        if full {
            self.record(ClientEvent::Said("the hub reads nothing: no more is said".to_owned()));
        }
        if floods {
            let more = format!("more than {HEARD_MAX} messages came on it");
            self.lose(None, &more);
            self.stack.recorder.accuse(super::flooded(&more));
        }
        told
    }

    /// Why nothing is said; a dialect that is broken ends the run.
    fn muted(&self, mute: Mute) -> String {
        let why = mute.to_string();
        if let Mute::Broken(_) = mute {
            self.run.give_up(&why);
            self.stack.recorder.accuse(super::broken_dialect(&why));
        }
        why
    }
}
