//! A history as lines of text, for people and for comparing two runs byte by byte.

use std::fmt;

use super::{ClientKind, ClientName, Event, Milestone, Stop, What};
use crate::System;

impl<S: System> fmt::Display for Event<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}.{:06}  {}", self.at.as_secs(), self.at.subsec_micros(), self.what)
    }
}

/// Without the time.
impl<S: System> fmt::Display for What<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::HubStarted { restarts } => write!(f, "hub       started ({restarts} restarts)"),
            What::HubStopped { how: Stop::Crashed } => f.write_str("hub       crashed"),
            What::HubStopped { how: Stop::Failed } => f.write_str("hub       gave up"),
            What::HubStopped { how: Stop::InOrder } => f.write_str("hub       stopped"),
            What::Hub(event) => write!(f, "hub       {event}"),
            What::Client { client, event } => write!(f, "{client:<9} {event}"),
            What::Net(event) => write!(f, "net       {event}"),
            What::Run(milestone) => write!(f, "run       {milestone}"),
            What::Step { number, step } => write!(f, "step {number:<4} {step}"),
        }
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ClientKind::Client => f.pad(&format!("{}#{}", self.actor, self.number)),
            ClientKind::Raw => f.pad(&format!("{}/{}", self.actor, self.number)),
        }
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Milestone::Storm => "the storm begins",
            Milestone::Heal => "all faults are lifted",
            Milestone::Calm => "everybody is back",
            Milestone::Probe => "every actor asks every other one",
            Milestone::Leave => "all clients vanish",
            Milestone::Rest => "all deadlines are past",
        })
    }
}
