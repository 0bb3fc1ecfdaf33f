//! The task that owns the client of NATS.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, Message, ServerAddr, Subscriber};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use super::check::check;
use super::output::{Answer, Output, Publication};
use super::state::State;
use super::{Credentials, NatsError, Settings};
use crate::cluster::engine::{Ask, Event};
use crate::runtime::{Runtime, Tokio};

/// Requests that are taken before what comes of them is done.
const TOGETHER_MAX: usize = 256;
/// What is done before others have their turn.
const TURNS_MAX: u32 = 512;
const AGAIN_IN: Duration = Duration::from_millis(500);

type Checking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a connection becomes, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Connected,
    Disconnected,
}

/// An engine that was found fit, with a connection to it.
pub struct Engine {
    settings: Settings,
    client: Client,
    changes: mpsc::UnboundedReceiver<Change>,
    inbox: String,
    answers: Subscriber,
    messages: Subscriber,
    rows: Option<Subscriber>,
    checking: Option<Checking>,
}

/// Connects to NATS, checks whether it is what a hub relies on, and makes the stream if there is none.
pub async fn connect(settings: Settings) -> Result<Engine, NatsError> {
    let began = Tokio.monotonic();
    loop {
        match try_connect(&settings).await {
            Err(error)
                if error.may_pass() && Tokio.monotonic() - began < settings.start_timeout =>
            {
                tracing::info!(%error, "the engine is not yet there");
                Tokio.sleep(AGAIN_IN).await;
            }
            outcome => return outcome,
        }
    }
}

async fn try_connect(settings: &Settings) -> Result<Engine, NatsError> {
    let servers = servers(&settings.servers)?;
    let (sender, changes) = mpsc::unbounded_channel();
    let options = with_credentials(options(settings, sender), settings)?;
    let client = options.connect(servers).await.map_err(NatsError::Unreachable)?;
    check(&client, settings).await?;
    let inbox = client.new_inbox();
    let subscribe = async |subject: String| {
        let subscriber = client.subscribe(subject).await;
        subscriber.map_err(|error| NatsError::Silent(error.to_string()))
    };
    let answers = subscribe(format!("{inbox}.answer.*")).await?;
    let messages = subscribe(settings.inbox(&settings.node)).await?;
    let (settings, rows, checking) = (settings.clone(), None, None);
    Ok(Engine { settings, client, changes, inbox, answers, messages, rows, checking })
}

fn servers(list: &[String]) -> Result<Vec<ServerAddr>, NatsError> {
    let parse = |server: &String| {
        let unreadable = || NatsError::Server { server: server.clone() };
        // Whatever has an @ may have a password: it is not shown.
        if server.contains('@') {
            return Err(NatsError::SecretInAddress);
        }
        let address: ServerAddr = server.parse().map_err(|_| unreadable())?;
        let is_known = ["nats", "tls"].contains(&address.scheme());
        is_known.then_some(address).ok_or_else(unreadable)
    };
    list.iter().map(parse).collect()
}

fn options(settings: &Settings, changes: mpsc::UnboundedSender<Change>) -> ConnectOptions {
    let tell = move |event| {
        let change = match event {
            async_nats::Event::Connected => Some(Change::Connected),
            async_nats::Event::Disconnected | async_nats::Event::Closed => {
                Some(Change::Disconnected)
            }
            _ => None,
        };
        // Nobody hears it once the task has ended.
        change.map(|change| changes.send(change).ok());
        async {}
    };
    let mut options = ConnectOptions::new()
        .name(format!("signal-hub {}", settings.node))
        .connection_timeout(settings.request_timeout)
        .ping_interval(settings.heartbeat)
        .client_capacity(settings.publications_max)
        .event_callback(tell);
    if let Some(path) = &settings.root_certificates {
        options = options.add_root_certificates(path.clone());
    }
    options
}

fn with_credentials(
    options: ConnectOptions,
    settings: &Settings,
) -> Result<ConnectOptions, NatsError> {
    let text = match &settings.credentials {
        None => return Ok(options),
        Some(Credentials::Text(text)) => text.clone(),
        Some(Credentials::File(path)) => {
            std::fs::read_to_string(path).map_err(NatsError::Credentials)?
        }
    };
    let text = text.trim();
    if text.contains("-----BEGIN") {
        return options.credentials(text).map_err(NatsError::Credentials);
    }
    Ok(match text.split_once(':') {
        Some((user, password)) => options.user_and_password(user.to_owned(), password.to_owned()),
        None => options.token(text.to_owned()),
    })
}

impl Engine {
    /// Carries out requests and tells events, until there is nobody any more who asks or hears. Whoever asks must go on
    /// hearing: events that nobody takes hold up everything.
    pub async fn run(self, requests: mpsc::Receiver<Ask>, events: mpsc::Sender<Event>) {
        // Tokio would let it do 128 things in a turn, and its hub's owner as many inputs, each of which may bring several.
        tokio::task::unconstrained(self.run_on(requests, events)).await;
    }

    async fn run_on(mut self, mut requests: mpsc::Receiver<Ask>, events: mpsc::Sender<Event>) {
        let mut turns = 0_u32;
        let mut state = State::new(self.settings.clone(), self.inbox.clone());
        state.connected();
        // The first connection was told before anybody listened.
        let mut is_first = true;
        loop {
            while let Some(output) = state.next_output() {
                if self.carry_out(output, &events).await.is_err() {
                    return;
                }
            }
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(TURNS_MAX) {
                tokio::task::yield_now().await;
            }
            let alarm = ring(state.next_deadline());
            tokio::select! {
                biased;
                change = self.changes.recv() => match change {
                    Some(Change::Connected) if std::mem::take(&mut is_first) => {}
                    Some(Change::Connected) => self.check_again(),
                    Some(Change::Disconnected) | None => {
                        self.checking = None;
                        state.lost();
                    }
                },
                () = ended(&mut self.checking) => state.connected(),
                () = alarm => state.tick(Tokio.monotonic()),
                request = requests.recv() => match request {
                    Some(ask) => take_all(ask, &mut requests, &mut state),
                    None => break,
                },
                Some(answer) = self.answers.next() => {
                    if let Some(token) = token(&answer) {
                        state.answered(Tokio.monotonic(), token, &answer);
                    }
                },
                row = next_row(&mut self.rows) => match row {
                    Some(row) => state.watched(Tokio.monotonic(), &row),
                    None => state.watch_broken(),
                },
                Some(message) = self.messages.next() => state.arrived(message.payload),
            }
        }
        // What was sent last is to arrive, if it can.
        tokio::select! {
            biased;
            _ = self.client.flush() => {}
            () = Tokio.sleep(self.settings.request_timeout) => {}
        }
    }

    async fn carry_out(&mut self, output: Output, events: &mpsc::Sender<Event>) -> Result<(), ()> {
        match output {
            Output::Event(event) => return events.send(event).await.map_err(|_| ()),
            Output::Publish(publication) => self.publish(publication),
            Output::Hear(subject) => self.rows = self.client.subscribe(subject).await.ok(),
            Output::Deafen => self.rows = None,
        }
        Ok(())
    }

    /// What cannot be written at once, because the connection takes no more, is lost: an answer to it will be missed.
    fn publish(&self, publication: Publication) {
        let Publication { subject, answer, headers, payload } = publication;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, value.as_str());
        }
        let reply = match answer {
            Answer::None => None,
            Answer::To(token) => Some(format!("{}.answer.{token}", self.inbox)),
        };
        let client = &self.client;
        let publishing = async {
            match reply {
                None => client.publish(subject, payload).await,
                Some(reply) if map.is_empty() => {
                    client.publish_with_reply(subject, reply, payload).await
                }
                Some(reply) => {
                    client.publish_with_reply_and_headers(subject, reply, map, payload).await
                }
            }
        };
        // A task that has done much is made to wait even where there is room.
        let published = tokio::task::unconstrained(publishing).now_or_never();
        if !matches!(published, Some(Ok(()))) {
            tracing::debug!("the engine takes no more");
        }
    }

    /// It may be another server, or the same without its stream.
    fn check_again(&mut self) {
        let (client, settings) = (self.client.clone(), self.settings.clone());
        self.checking = Some(Box::pin(async move {
            while let Err(error) = check(&client, &settings).await {
                tracing::warn!(%error, "the engine is back and unfit");
                Tokio.sleep(AGAIN_IN).await;
            }
        }));
    }
}

/// Takes what is asked together: messages to one node then go together.
fn take_all(first: Ask, requests: &mut mpsc::Receiver<Ask>, state: &mut State) {
    let now = Tokio.monotonic();
    let others = std::iter::from_fn(|| requests.try_recv().ok()).take(TOGETHER_MAX);
    for Ask { backs, request } in std::iter::once(first).chain(others) {
        state.request_after(now, backs, request);
    }
    state.flush();
}

async fn ring(deadline: Option<Duration>) {
    match deadline {
        Some(at) => Tokio.sleep(at.saturating_sub(Tokio.monotonic())).await,
        None => pending().await,
    }
}

async fn ended(checking: &mut Option<Checking>) {
    match checking {
        Some(check) => {
            check.await;
            *checking = None;
        }
        None => pending().await,
    }
}

async fn next_row(rows: &mut Option<Subscriber>) -> Option<Message> {
    match rows {
        Some(rows) => rows.next().await,
        None => pending().await,
    }
}

fn token(answer: &Message) -> Option<u64> {
    answer.subject.rsplit('.').next()?.parse().ok()
}
