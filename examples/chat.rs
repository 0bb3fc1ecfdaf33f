//! A chat over a hub, with the client alone: each line of stdin goes to everybody in the room, and one
//! that begins with `@(bob) ` to bob alone.
//!
//! ```sh
//! cargo hub serve --listen 127.0.0.1:9000
//! cargo run --example chat -- ws://127.0.0.1:9000/ws '@(alice)' kitchen
//! ```

use std::error::Error;
use std::io::BufRead;
use std::process::ExitCode;

use signal_hub::prelude::*;
use signal_hub::protocol::{DeliveryStatus, InvalidJson};
use tokio::sync::mpsc;

/// The type of a message, the application's own.
const TEXT: &str = "chat:text";
/// Lines that may wait to be said.
const LINES_MAX: usize = 16;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [hub, me, room] = &arguments[..] else {
        eprintln!("usage: chat ws://HOST:PORT/ws '@(ME)' ROOM");
        return ExitCode::from(2);
    };
    match chat(hub, me, room).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn chat(hub: &str, me: &str, room: &str) -> Result<(), Box<dyn Error>> {
    let (hub, me): (HubUrl, ActorAddress) = (hub.parse()?, me.parse()?);
    let room: Topic = room.parse()?;
    // What is wanted of each connection: the client sees to it again whenever it comes back.
    let actor = ActorConfig::from(me.clone()).with_topics([room.clone()]);
    let (client, mut events) = Client::connect(Tokio, ClientConfig::for_actor(hub, actor));
    tokio::select! {
        biased;
        () = listen(&me, &mut events) => Ok(()),
        said = talk(&client, &room, lines_of_stdin()) => Ok(said?),
    }
}

/// Shows what comes, to the client's end. While nobody reads events, the client reads nothing.
async fn listen(me: &ActorAddress, events: &mut Events) {
    while let Some(event) = events.next().await {
        show(me, &event);
    }
}

/// Says what is typed, then takes leave: the hub forgets the address at once.
async fn talk(
    client: &Client,
    room: &Topic,
    mut lines: mpsc::Receiver<String>,
) -> Result<(), ClientError> {
    while let Some(line) = lines.recv().await {
        let told = say(client, room, &line).await;
        eprintln!("{}", told.unwrap_or_else(|error| error.to_string()));
    }
    client.disconnect(None).await.map(drop)
}

/// Says a line; tells what became of it.
async fn say(client: &Client, room: &Topic, line: &str) -> Result<String, Box<dyn Error>> {
    let Some((to, text)) = line.split_once(") ").filter(|_| line.starts_with("@(")) else {
        let published = client.ask_publish(room.clone(), TEXT, json(line)?).await?;
        return Ok(format!("{} have it", published.subscriber_count));
    };
    let to: ActorAddress = format!("{to})").parse()?;
    match client.ask_send(to.clone(), TEXT, json(text)?).await {
        Ok(SendOutcome::Delivered(ack)) if ack.status == DeliveryStatus::Queued => {
            Ok(format!("the hub keeps it for {to}"))
        }
        Ok(SendOutcome::Delivered(_)) => Ok(format!("{to} has it")),
        Ok(SendOutcome::UnknownActor(_)) => Ok(format!("nobody is {to}")),
        // Saying it once more is for whoever typed it to decide.
        Err(error @ (ClientError::TimedOut | ClientError::ConnectionLost)) => {
            Ok(format!("perhaps {to} has it: {error}"))
        }
        Err(error) => Err(error.into()),
    }
}

fn json(text: &str) -> Result<Json, InvalidJson> {
    Json::from_value(&text)
}

fn show(me: &ActorAddress, event: &Event) {
    match event {
        Event::Delivered(message) if message.from != *me => println!("{}", told(message)),
        Event::Registered { address, .. } => eprintln!("you are {address}"),
        Event::RegistrationRefused { refusal, .. } => eprintln!("refused: {refusal}"),
        Event::Disconnected { why, retry_in: Some(pause), .. }
        | Event::ConnectFailed { why, retry_in: Some(pause) } => {
            eprintln!("{why}; trying again in {pause:.1?}");
        }
        Event::Ended { why } => eprintln!("{why}"),
        // There are more, and there will be others.
        _ => {}
    }
}

fn told(message: &Message) -> String {
    let text = message.payload.to::<String>();
    let text = text.unwrap_or_else(|_| message.payload.to_string());
    format!("{}: {text}", message.from)
}

/// Lines as they are typed, read where waiting for them keeps nobody.
fn lines_of_stdin() -> mpsc::Receiver<String> {
    let (lines, received) = mpsc::channel(LINES_MAX);
    #[expect(clippy::disallowed_methods, reason = "a program of its own, which nobody simulates")]
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    received
}
