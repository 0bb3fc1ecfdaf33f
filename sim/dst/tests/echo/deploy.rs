//! How server and clients run, on any network.

use std::time::Duration;

use dst::backend::testbed::{self, Doing, Order};
use dst::backend::{self, Deploy, FullStack, Wire, WireProcess};
use dst::history::{ClientName, What};
use dst::runtime::{Listener, Runtime};
use dst::scenario::{Actor, Scenario};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};

use crate::system::{Action, Echo, Got, Line};

/// The server, until it is told to stop.
pub struct Server(oneshot::Sender<()>);

impl testbed::Hub for Server {
    async fn shut_down(self) -> bool {
        // Its process may be gone.
        let _ = self.0.send(());
        true
    }
}

/// A client's commands, one line each, and how it says that they are written.
pub struct Client(mpsc::UnboundedSender<(String, oneshot::Sender<()>)>);

impl testbed::Client<Echo> for Client {
    fn obey(&self, commands: Vec<String>) -> Doing {
        let (done, written) = oneshot::channel();
        let text = commands.concat();
        if self.0.send((text, done)).is_err() {
            return testbed::done();
        }
        testbed::ended(written)
    }

    fn leave(&self) -> Doing {
        testbed::done()
    }

    fn belief<T>(&self, look: impl FnOnce(&Knows) -> T) -> T {
        look(&Knows)
    }
}

/// What a client knows of itself: nothing.
pub struct Knows;

impl backend::Belief<Echo> for Knows {
    fn has_ended(&self) -> bool {
        false
    }

    fn wants(&self, _wishes: &Lines) -> bool {
        true
    }

    fn agreement(&self, _wishes: &Lines) -> Option<()> {
        None
    }
}

/// What an actor wants of its clients: that they say its lines.
pub struct Lines;

impl backend::Wishes<Echo> for Lines {
    fn of(_scenario: &Scenario<Echo>, _actor: &Actor, _began: Duration) -> Self {
        Self
    }

    fn commands(&mut self, _number: usize, _speaker: Option<&str>, action: &Action) -> Vec<String> {
        let Action::Say { text } = action;
        vec![text.clone()]
    }
}

/// Nobody speaks for an actor but its client.
pub struct Nobody;

impl testbed::Raw<Echo> for Nobody {
    fn order(&self, order: Order<Echo>) {
        drop(order);
    }
}

impl Deploy for Echo {
    type Wishes = Lines;
    type Command = String;
    type Belief = Knows;
    type Agreement = ();
    type Left = ();
    type Hub = Server;
    type Client<W: Wire> = Client;
    type Raw = Nobody;

    fn start_hub<W: Wire>(stack: &FullStack<Self, W>) -> (W::Process, Server) {
        let process = stack.wire.process("hub", "hub");
        let (stop, stopped) = oneshot::channel();
        let (runtime, stack) = (process.runtime(), stack.clone());
        process.runtime().spawn(async move {
            let mut listener = runtime.listen(stack.wire.hub_binds()).await.expect("it listens");
            stack.wire.hub_listens(listener.local_address().expect("it has an address"));
            let serve = async {
                while let Ok((stream, _)) = listener.accept().await {
                    runtime.spawn(echo(stream, stack.clone()));
                }
            };
            tokio::select! {
                biased;
                _ = stopped => {}
                () = serve => {}
            }
        });
        (process, Server(stop))
    }

    fn start_client<W: Wire>(
        stack: &FullStack<Self, W>,
        name: ClientName,
        _wishes: &Lines,
    ) -> (W::Process, Client) {
        let process = stack.wire.process(&name.actor, &name.to_string());
        let (orders, mut ordered) = mpsc::unbounded_channel::<(String, oneshot::Sender<()>)>();
        let (runtime, stack) = (process.runtime(), stack.clone());
        process.runtime().spawn(async move {
            let hub = stack.wire.hub_authority(&name.actor);
            let stream = runtime.connect(&hub).await.expect("the hub listens");
            let (read, mut write) = tokio::io::split(stream);
            let mut lines = BufReader::new(read).lines();
            loop {
                let event = tokio::select! {
                    biased;
                    line = lines.next_line() => match line {
                        Ok(Some(line)) => Line::Heard(line),
                        Ok(None) | Err(_) => return,
                    },
                    Some((text, done)) = ordered.recv() => {
                        let written = write.write_all(format!("{text}\n").as_bytes()).await;
                        // Nobody has to wait for it.
                        let _ = written.map(|()| done.send(()));
                        Line::Said(text)
                    }
                };
                stack.record(What::Client { client: name.clone(), event });
            }
        });
        (process, Client(orders))
    }

    fn start_raw<W: Wire>(stack: &FullStack<Self, W>, name: ClientName) -> (W::Process, Nobody) {
        (stack.wire.process(&name.actor, &name.to_string()), Nobody)
    }

    fn probe(_to: &str, payload: &str) -> Vec<String> {
        vec![payload.to_owned()]
    }
}

async fn echo<W: Wire>(
    stream: <<W::Process as WireProcess>::Runtime as Runtime>::Stream,
    stack: FullStack<Echo, W>,
) {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        stack.record(What::Hub(Box::new(Got(line.clone()))));
        if stack.scenario.hub.swallows.as_ref() == Some(&line) {
            continue;
        }
        if write.write_all(format!("{line}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}
