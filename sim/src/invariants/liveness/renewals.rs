//! L10, at the clients: whoever has a source of tokens asks for the next one before the present one ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use signal_hub::protocol::codec::{HubBody, HubFrame, HubMessage};
use signal_hub::protocol::{ClientFrame, Reply, Verb};

use super::super::{Invariant, RunObserver, Shadow, Verdict, Violation};
use crate::history::{ClientEvent, ClientKind, ClientName, Event, What};
use crate::scenario::Scenario;

/// A client that goes on for so long, and says as much in turns, knows that it is late.
const TURN: Duration = Duration::from_secs(1);
const TURNS: u32 = 3;

/// L10. Remembers the token of each client that has a source.
pub struct Renewals {
    /// The actors whose clients have one.
    with_source: BTreeSet<String>,
    tokens: BTreeMap<ClientName, Accepted>,
}

/// A token that the hub accepted and that nobody has asked to replace.
struct Accepted {
    at: Duration,
    life: Duration,
    /// When it was last seen to go on though most of that life is over, and how often.
    late: Option<Duration>,
    turns: u32,
}

impl Renewals {
    pub fn new(scenario: &Scenario) -> Self {
        let tokens = scenario.clients.tokens.iter();
        let with_source = tokens.filter(|(_, token)| token.lasts.is_some());
        let with_source = with_source.map(|(name, _)| name.clone()).collect();
        Self { with_source, tokens: BTreeMap::new() }
    }
}

impl RunObserver for Renewals {
    fn observe(&mut self, event: &Event, _shadow: &Shadow) -> Verdict {
        let What::Client { client, event: happened } = &event.what else { return Ok(()) };
        if client.kind != ClientKind::Client || !self.with_source.contains(&*client.actor) {
            return Ok(());
        }
        match happened {
            ClientEvent::Received(HubFrame::Message(message)) => {
                if let Some(life) = life(message) {
                    let accepted = Accepted { at: event.at, life, late: None, turns: 0 };
                    self.tokens.insert(client.clone(), accepted);
                }
            }
            ClientEvent::Sent(frame) => return self.sent(event.at, client, frame),
            ClientEvent::Opened { .. } | ClientEvent::Lost { .. } | ClientEvent::Ended => {
                self.tokens.remove(client);
            }
            ClientEvent::Received(HubFrame::Pong)
            | ClientEvent::Started { .. }
            | ClientEvent::Told { .. }
            | ClientEvent::Said(_) => {}
        }
        Ok(())
    }
}

impl Renewals {
    fn sent(&mut self, at: Duration, client: &ClientName, frame: &ClientFrame) -> Verdict {
        if let ClientFrame::Request(request) = frame
            && matches!(request.verb, Ok(Verb::RefreshToken(_)))
        {
            self.tokens.remove(client);
        }
        let Some(token) = self.tokens.get_mut(client) else { return Ok(()) };
        let due = token.at + token.life * 7 / 10;
        if at < token.late.map_or(due, |late| late + TURN) {
            return Ok(());
        }
        (token.late, token.turns) = (Some(at), token.turns + 1);
        if token.turns < TURNS {
            return Ok(());
        }
        let evidence = format!(
            "{client} goes on {:?} after a token for {:?} was accepted, and shows no newer one",
            at - token.at,
            token.life
        );
        Err(Violation::new(Invariant::L10, evidence).waited_since(due))
    }
}

/// For how long the hub has just accepted a token.
fn life(message: &HubMessage) -> Option<Duration> {
    let HubBody::Reply { reply, .. } = &message.body else { return None };
    let expires_at = match reply {
        Reply::Connected(connected) => connected.token_expires_at?,
        Reply::TokenRefreshed(refreshed) => refreshed.expires_at,
        _ => return None,
    };
    Some(expires_at.since(message.timestamp))
}
