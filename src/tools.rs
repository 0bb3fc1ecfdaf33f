//! The client tools of the command line, for persons and scripts.

use std::fs;
use std::future::ready;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use signal_hub::client::{
    ActorConfig, Client, ClientConfig, ClientError, Event, Events, HubUrl, NoToken, SendOutcome,
    TokenSource, Trust,
};
use signal_hub::protocol::{
    ActorAddress, AuthToken, DeliveryAck, DeliveryStatus, Json, Recipient, Topic, Unrecovered,
    UnregisterReason,
};
use signal_hub::runtime::Tokio;

use super::serve::EndSignals;

/// The hub to connect to, and as whom.
#[derive(Debug, Args)]
struct Identity {
    /// Where the hub listens.
    #[arg(long, default_value = "ws://127.0.0.1:9000/ws", value_name = "URL")]
    hub: HubUrl,
    /// The address to register, such as '@(alice)'.
    #[arg(long = "as", value_name = "ADDRESS")]
    address: ActorAddress,
    #[command(flatten)]
    credentials: Credentials,
}

/// What the hub must be shown, and what the hub must show.
#[derive(Debug, Args)]
pub struct Credentials {
    /// The token, if the hub demands one.
    #[arg(long, env = "SIGNAL_HUB_TOKEN", hide_env_values = true, global = true)]
    token: Option<AuthToken>,
    /// A file with the token, so that nobody can read it in the list of processes; overrides
    /// --token. `listen` reads it again before its token expires.
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) of the authorities that may vouch for a hub at a wss URL; by default
    /// those that this machine trusts.
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
}

/// Send one message and print its outcome as JSON. Exit status: 0 delivered, or queued by the hub for
/// a recipient that recovers; 1 neither.
#[derive(Debug, Args)]
pub struct Send {
    #[command(flatten)]
    identity: Identity,
    /// The recipient, such as '@(bob)'.
    #[arg(long, value_name = "ADDRESS")]
    to: ActorAddress,
    /// The application's type, such as chat:hello.
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// The data, as JSON.
    #[arg(default_value = "null", value_parser = parse_json)]
    data: Json,
}

/// Print each message for an address as a line of JSON; news of the connection goes to stderr.
#[derive(Debug, Args)]
pub struct Listen {
    #[command(flatten)]
    identity: Identity,
    /// A topic to subscribe to; may be repeated.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<Topic>,
    /// Get what came while the connection was lost, each message once. Says on stderr what came of
    /// it, and when messages are lost.
    #[arg(long)]
    recover: bool,
}

impl Send {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (client, mut events) = self.identity.client(Vec::new(), false, None)?;
        let sending = client.ask_send(self.to, self.kind, self.data);
        let outcome = tokio::select! {
            biased;
            outcome = sending => outcome,
            () = tell_news(&mut events) => Err(ClientError::Ended),
        };
        let code = match &outcome {
            Ok(SendOutcome::Delivered(_)) => ExitCode::SUCCESS,
            Ok(SendOutcome::UnknownActor(_)) | Err(_) => ExitCode::FAILURE,
        };
        print_line(&SendReport::from(outcome))?;
        take_leave(&client, &mut events).await;
        Ok(code)
    }
}

impl Listen {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = EndSignals::catch().context("cannot catch signals")?;
        let token_source = self.identity.credentials.token_source();
        let (client, mut events) = self.identity.client(self.topics, self.recover, token_source)?;
        loop {
            let event = tokio::select! {
                biased;
                _ = signals.next() => {
                    take_leave(&client, &mut events).await;
                    return Ok(ExitCode::SUCCESS);
                }
                event = events.next() => event,
            };
            match event {
                Some(Event::Delivered(message)) => print_line(&message)?,
                Some(Event::RegistrationRefused { refusal, retry_in: None, .. }) => {
                    take_leave(&client, &mut events).await;
                    return Err(refusal).context("the hub will not have this address");
                }
                Some(event) => tell(&event),
                None => return Ok(ExitCode::FAILURE),
            }
        }
    }
}

impl Identity {
    fn client(
        self,
        topics: Vec<Topic>,
        recovery: bool,
        token_source: Option<TokenSource>,
    ) -> anyhow::Result<(Client, Events)> {
        let auth_token = self.credentials.token()?;
        let trust = self.credentials.trust(&self.hub)?;
        let actor = ActorConfig { topics, recovery, ..ActorConfig::new(self.address) };
        let config = ClientConfig {
            auth_token,
            token_source,
            trust,
            ..ClientConfig::new(self.hub, vec![actor])
        };
        Ok(Client::connect(Tokio, config))
    }
}

impl Credentials {
    pub fn token(&self) -> anyhow::Result<Option<AuthToken>> {
        let Some(file) = &self.token_file else { return Ok(self.token.clone()) };
        token_in(file).map(Some)
    }

    /// Whoever issues tokens writes them to the file.
    fn token_source(&self) -> Option<TokenSource> {
        let file = self.token_file.clone()?;
        Some(TokenSource::new(move || {
            let token = token_in(&file);
            ready(token.map_err(|why| NoToken::Unavailable(format!("{why:#}"))))
        }))
    }

    pub fn trust(&self, hub: &HubUrl) -> anyhow::Result<Option<Trust>> {
        let trust = match &self.ca {
            Some(file) => Trust::from_pem(&fs::read(file).with_context(|| cannot_read(file))?)
                .with_context(|| format!("cannot use {}", file.display()))?,
            None if hub.speaks_tls() => {
                Trust::of_this_machine().context("this machine trusts nobody: name a --ca")?
            }
            None => return Ok(None),
        };
        Ok(Some(trust))
    }
}

fn token_in(file: &Path) -> anyhow::Result<AuthToken> {
    let text = fs::read_to_string(file).with_context(|| cannot_read(file))?;
    let token = text.trim();
    anyhow::ensure!(!token.is_empty(), "{} holds no token", file.display());
    Ok(token.parse()?)
}

fn cannot_read(file: &Path) -> String {
    format!("cannot read {}", file.display())
}

/// The outcome of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum SendReport {
    Delivered(DeliveryAck),
    Queued(DeliveryAck),
    #[serde(rename_all = "camelCase")]
    UnknownActor {
        actor_address: Recipient,
        message: String,
    },
    Failed {
        message: String,
    },
}

impl From<Result<SendOutcome, ClientError>> for SendReport {
    fn from(outcome: Result<SendOutcome, ClientError>) -> Self {
        match outcome {
            Ok(SendOutcome::Delivered(ack)) => match ack.status {
                DeliveryStatus::Queued => SendReport::Queued(ack),
                _ => SendReport::Delivered(ack),
            },
            Ok(SendOutcome::UnknownActor(unknown)) => SendReport::UnknownActor {
                actor_address: unknown.actor_address,
                message: unknown.message,
            },
            Err(error) => SendReport::Failed { message: error.to_string() },
        }
    }
}

fn parse_json(text: &str) -> Result<Json, String> {
    Json::parse(text).map_err(|error| error.to_string())
}

fn print_line<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let json = serde_json::to_string(value).context("cannot write as JSON")?;
    // The sender's data is printed as it is; its line breaks can only be between tokens.
    let line = json.replace(['\n', '\r'], " ");
    writeln!(io::stdout(), "{line}").context("cannot write to stdout")
}

/// Logs all events until the client has ended.
async fn tell_news(events: &mut Events) {
    while let Some(event) = events.next().await {
        tell(&event);
    }
}

async fn take_leave(client: &Client, events: &mut Events) {
    // The hub's answer, if any, no longer matters.
    let _ = tokio::join!(client.disconnect(None), async { while events.next().await.is_some() {} });
}

fn then(retry_in: Option<Duration>) -> String {
    retry_in.map_or_else(String::new, |pause| {
        format!("; trying again in {}", humantime::format_duration(pause))
    })
}

fn why_unrecovered(reason: Unrecovered) -> &'static str {
    match reason {
        Unrecovered::Epoch => "the hub has lost or ended what it kept",
        Unrecovered::Expired => "what was missed is too old",
        Unrecovered::Overflow => "more was missed than the hub keeps",
        Unrecovered::Ahead => "the hub does not know the latest message",
        Unrecovered::TakenOver => "another session had the address",
        Unrecovered::NodeLost => "the hub that kept what was missed is gone",
        Unrecovered::Off => "the hub keeps nothing",
        Unrecovered::Other => "for a reason that only newer hubs know",
    }
}

fn tell(event: &Event) {
    match event {
        Event::Connected { session, .. } => eprintln!("connected as {session}"),
        Event::Registered { address, resumed: false, .. } => eprintln!("registered {address}"),
        Event::Registered { address, resumed: true, .. } => eprintln!("resumed {address}"),
        Event::Recovered { address, replayed, ttl_expired } => {
            eprintln!("recovered {address}: {replayed} messages come again, {ttl_expired} expired");
        }
        Event::Gap { address, reason, .. } => {
            eprintln!("{address}: a gap, {}", why_unrecovered(*reason));
        }
        Event::RegistrationRefused { address, refusal, .. } => {
            eprintln!("cannot register {address}: {refusal}");
        }
        Event::SubscriptionRefused { topic, refusal, .. } => {
            eprintln!("cannot subscribe to {topic}: {refusal}");
        }
        Event::Unregistered { address, reason } => match reason {
            UnregisterReason::DuplicateConnection => {
                eprintln!("another session took {address} over");
            }
            UnregisterReason::Expired => eprintln!("{address} expired"),
            UnregisterReason::TokenNarrowed => eprintln!("the token allows {address} no more"),
            UnregisterReason::Other => eprintln!("the hub took {address}"),
        },
        Event::Paused { address, .. } => eprintln!("{address} does not keep up"),
        Event::Resumed => eprintln!("going on"),
        Event::HubError { refusal, .. } => eprintln!("the hub says: {refusal}"),
        Event::CloseAnnounced { reason, message } => {
            eprintln!("the hub is about to close: {reason}: {message}");
        }
        Event::TokenRefreshFailed { why, retry_in } => {
            eprintln!("no newer token: {why}{}", then(*retry_in));
        }
        Event::Invalid { why } => eprintln!("not understood: {why}"),
        Event::Disconnected { why, retry_in, .. } | Event::ConnectFailed { why, retry_in } => {
            eprintln!("{why}{}", then(*retry_in));
        }
        Event::Ended { why } => eprintln!("ended: {why}"),
        _ => {}
    }
}
