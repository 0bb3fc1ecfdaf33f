//! What an action asks of a backend: to do something to a process or the network, or to have the
//! actor's client or connection say something.

use std::time::Duration;

use crate::lower::latest;
use crate::net::{End, Fault, Notice, Peers, Seen};
use crate::scenario::{Act, Action, ConnectionAct, ProcessAct};

/// An action, by who has to do it.
pub enum Deed {
    /// The network does it.
    Fault(Fault),
    /// The process stops for so long.
    Pause(Duration),
    /// One more client starts.
    Start,
    /// The client takes leave; another one starts after the pause.
    Leave(Duration),
    /// The client's process dies; another one starts after the pause.
    Crash(Peers, Duration),
    /// The client or the raw connection does it by itself.
    Speak(Action),
}

impl Deed {
    /// The deed of whoever lives on the host.
    pub fn of(host: &str, act: &Act) -> Self {
        match *act {
            Act::Connection(ConnectionAct::Reconnect { hub_sees }) => Deed::Fault(Fault::Sever {
                connections: latest(host),
                client_sees: Notice::reset(Seen::Now),
                server_sees: Notice::end_of_stream(hub_sees),
            }),
            Act::Connection(ConnectionAct::PauseReading { lasts }) => {
                let (connections, end) = (latest(host), End::Client);
                Deed::Fault(Fault::PauseReading { connections, end, lasts })
            }
            Act::Process(ProcessAct::Pause { lasts }) => Deed::Pause(lasts),
            Act::Process(ProcessAct::Start) => Deed::Start,
            Act::Process(ProcessAct::Leave { pause }) => Deed::Leave(pause),
            Act::Process(ProcessAct::Crash { peers, pause }) => Deed::Crash(peers, pause),
            Act::Do(ref action) => Deed::Speak(action.clone()),
            Act::Expect(_) => unreachable!("the director itself waits for these"),
        }
    }
}
