//! I58: whoever is told to pause is told to go on, and nobody else is (docs/PROTOCOL.md, section 4).

use std::collections::BTreeMap;

use signal_hub::hub::{Config, Input, Output, Record, SessionKey};
use signal_hub::protocol::{Body, Notice};

use super::super::shadow::is_open;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};

/// I58. Remembers for whom each session was told to pause.
pub struct Pauses {
    resume_threshold: usize,
    paused: BTreeMap<SessionKey, SessionKey>,
}

impl Pauses {
    pub fn new(config: &Config) -> Self {
        Self { resume_threshold: config.resume_threshold, paused: BTreeMap::new() }
    }
}

impl HubObserver for Pauses {
    fn watches_silence(&self) -> bool {
        true
    }

    fn needs_the_past(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let mut told = [0, 0];
        for output in &transition.hub.outputs {
            match output {
                Output::Audit(Record::SenderPaused { session, actor_address, .. }) => {
                    told[0] += 1;
                    let Some(recipient) = transition.before.owner(actor_address) else { continue };
                    if self.paused.insert(*session, recipient).is_some() {
                        return broken(Invariant::I58, format!("{session} is told to pause again"));
                    }
                }
                Output::Audit(Record::SenderResumed { session }) => {
                    told[1] += 1;
                    self.resumed(transition, *session)?;
                }
                Output::Send(_, message) => match &message.body {
                    Body::Notice(Notice::Pause(_)) => told[0] -= 1,
                    Body::Notice(Notice::Resume) => told[1] -= 1,
                    Body::Notice(_) | Body::Delivery(_) | Body::Reply { .. } | Body::Pong => {}
                },
                Output::Audit(_) | Output::Close(..) | Output::Linger(..) => {}
            }
        }
        if told != [0, 0] {
            let evidence =
                "pauses and resumes are recorded that nobody is told of, or told and not recorded";
            return broken(Invariant::I58, evidence);
        }
        self.nobody_waits_in_vain(transition)
    }

    fn hub_restarted(&mut self) {
        self.paused.clear();
    }
}

impl Pauses {
    fn resumed(&mut self, transition: &Transition<'_>, sender: SessionKey) -> Verdict {
        match self.paused.remove(&sender) {
            Some(recipient) if self.takes_more(transition, recipient) => Ok(()),
            Some(recipient) => broken(
                Invariant::I58,
                format!("{sender} is told to go on, and {recipient} still does not keep up"),
            ),
            None => broken(Invariant::I58, format!("{sender} is told to go on and did not pause")),
        }
    }

    /// Returns whether the session is over, or its queue has just become short.
    fn takes_more(&self, transition: &Transition<'_>, recipient: SessionKey) -> bool {
        let queued = transition.was(recipient).map_or(0, |row| row.queued.messages);
        let is_short = match &transition.hub.input {
            Input::Drained(key, written) if *key == recipient => {
                let replayed = |record: &&Record| matches!(record, Record::MessageReplayed { session, .. } if *session == *key);
                let replayed = transition.records().filter(replayed).count();
                queued.saturating_sub(written.messages) + replayed < self.resume_threshold
            }
            _ => false,
        };
        is_short || !transition.is(recipient).is_some_and(is_open)
    }

    fn nobody_waits_in_vain(&mut self, transition: &Transition<'_>) -> Verdict {
        if self.paused.is_empty() {
            return Ok(());
        }
        self.paused.retain(|sender, _| transition.is(*sender).is_some_and(is_open));
        let touched = &transition.hub.touched.sessions;
        for (sender, recipient) in &self.paused {
            if touched.get(recipient).is_some() && self.takes_more(transition, *recipient) {
                return broken(
                    Invariant::I58,
                    format!("{sender} pauses for {recipient} and is not told to go on"),
                );
            }
        }
        Ok(())
    }
}
