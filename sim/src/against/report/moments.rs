//! A run as its clients see it: what they ask of the hub and hear from it, and what befalls them. The hub is a black box.

use serde::{Deserialize, Serialize};

use crate::against::Outcome;
use crate::against::history::{ClientEvent, Event, What};

/// As many as a person reads at once: the last ones, as the last shows what is broken.
const MOMENTS: usize = 40;

/// One moment of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// From the start of the run.
    pub milliseconds: u64,
    /// Which client, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Between whom.
    pub way: Way,
    /// What happened.
    pub what: String,
    /// Whether it is what broke the rule.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broke: bool,
}

/// Between whom something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the client to the hub.
    Says,
    /// From the hub to the client.
    Hears,
    /// To the client, or by it.
    Alone,
    /// To the hub, the network or everybody.
    Around,
}

/// The moments that a person wants to know of.
pub fn moments(outcome: &Outcome) -> Vec<Moment> {
    let broken = outcome.broken_at();
    let numbered = outcome.events.iter().enumerate();
    let told = numbered.filter_map(|(place, event)| moment(event, Some(place) == broken));
    let mut told: Vec<Moment> = told.collect();
    told.drain(..told.len().saturating_sub(MOMENTS));
    told
}

fn moment(event: &Event, broke: bool) -> Option<Moment> {
    let (who, way) = match &event.what {
        What::Client { client, event } => {
            let way = match event {
                ClientEvent::Asked { .. } => Way::Says,
                ClientEvent::Heard { .. } => Way::Hears,
                ClientEvent::Started
                | ClientEvent::Opened { .. }
                | ClientEvent::Lost { .. }
                | ClientEvent::Ended
                | ClientEvent::Said(_) => Way::Alone,
            };
            (Some(client.to_string()), way)
        }
        What::HubStarted { .. } | What::HubStopped { .. } | What::Run(_) | What::Step { .. } => {
            (None, Way::Around)
        }
        // Faults are told as the steps that bring them about.
        What::Net(_) if !broke => return None,
        What::Net(_) => (None, Way::Around),
        What::Hub(unseen) => match **unseen {},
    };
    let what = match &event.what {
        What::Client { event, .. } => event.to_string(),
        What::Step { number, step } => format!("step {number}: {}", step.in_short()),
        other => other.to_string(),
    };
    let milliseconds = event.at.as_millis() as u64;
    Some(Moment { milliseconds, who, way, what, broke })
}
