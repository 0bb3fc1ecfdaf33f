//! What an action asks of a backend: to do something to a process or the network, or to have the
//! actor's client or connection say something.

use std::time::Duration;

use crate::lower::latest;
use crate::net::{End, Fault, Notice, Peers, Seen};
use crate::scenario::Action;

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
    Speak,
}

impl Deed {
    /// The deed of whoever lives on the host.
    pub fn of(host: &str, action: &Action) -> Self {
        match *action {
            Action::Reconnect { hub_sees } => Deed::Fault(Fault::Sever {
                connections: latest(host),
                client_sees: Notice::reset(Seen::Now),
                server_sees: Notice::end_of_stream(hub_sees),
            }),
            Action::PauseReading { lasts } => Deed::Fault(Fault::PauseReading {
                connections: latest(host),
                end: End::Client,
                lasts,
            }),
            Action::Pause { lasts } => Deed::Pause(lasts),
            Action::Start => Deed::Start,
            Action::Leave { pause } => Deed::Leave(pause),
            Action::Crash { peers, pause } => Deed::Crash(peers, pause),
            Action::Tell { .. }
            | Action::Ask { .. }
            | Action::AskTwice { .. }
            | Action::Broadcast { .. }
            | Action::Publish { .. }
            | Action::Subscribe { .. }
            | Action::Unsubscribe { .. }
            | Action::Register { .. }
            | Action::Unregister { .. }
            | Action::Renew { .. }
            | Action::Discover { .. }
            | Action::ListActors
            | Action::QueueStats
            | Action::Metrics
            | Action::Heartbeat
            | Action::RefreshToken { .. }
            | Action::Disconnect
            | Action::Open
            | Action::Connect { .. }
            | Action::Write { .. }
            | Action::Ping
            | Action::Close => Deed::Speak,
            Action::Sees(_)
            | Action::Refused { .. }
            | Action::SeesNo { .. }
            | Action::ClosedWith { .. } => unreachable!("the director itself waits for these"),
        }
    }
}
