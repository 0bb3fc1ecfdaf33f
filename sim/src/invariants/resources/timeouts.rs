//! I31: whoever is closed for being silent was silent.

use std::collections::BTreeMap;
use std::time::Duration;

use signal_hub::hub::{Config, Input, LATE_MIN, Phase, SessionKey};
use signal_hub::protocol::CloseReason;
use signal_hub::time::Timestamp;

use super::super::{HubObserver, Invariant, Transition, Verdict, broken, text};

/// I31. Remembers when each session gave its last sign of life.
pub struct Timeouts {
    idle_timeout: Duration,
    connect_timeout: Duration,
    heard: BTreeMap<SessionKey, Heard>,
}

struct Heard {
    opened: Timestamp,
    last: Timestamp,
}

impl Timeouts {
    pub fn new(config: &Config) -> Self {
        let (idle_timeout, connect_timeout) = (config.idle_timeout, config.connect_timeout);
        Self { idle_timeout, connect_timeout, heard: BTreeMap::new() }
    }
}

impl HubObserver for Timeouts {
    fn watches_silence(&self) -> bool {
        true
    }

    fn needs_the_past(&self) -> bool {
        true
    }

    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let now = transition.now;
        if let Input::Late(by) = transition.hub.input
            && by > LATE_MIN
        {
            self.put_off(by);
        }
        for (key, reason) in transition.closed() {
            match reason {
                CloseReason::IdleTimeout => self.was_silent(transition, key)?,
                CloseReason::ConnectTimeout => self.never_connected(transition, key)?,
                CloseReason::TokenExpired => token_is_over(transition, key)?,
                CloseReason::ClientDisconnect
                | CloseReason::ServerShutdown
                | CloseReason::TooManyMalformed
                | CloseReason::MessageTooLarge
                | CloseReason::InvalidConnect
                | CloseReason::InternalError
                | CloseReason::SlowConsumer
                | CloseReason::HubFull
                | CloseReason::Unauthorized
                | CloseReason::VersionMismatch
                | CloseReason::DuplicateConnection => {}
            }
        }
        match &transition.hub.input {
            Input::Opened(key, _) => {
                self.heard.insert(*key, Heard { opened: now, last: now });
            }
            Input::Frame(key, _) | Input::Alive(key) => {
                if let Some(heard) = self.heard.get_mut(key) {
                    heard.last = now;
                }
            }
            Input::Closed(key, _) => drop(self.heard.remove(key)),
            Input::Restored(_) | Input::Drained(..) => {}
            Input::Late(_) | Input::Tick | Input::Shutdown => {}
        }
        Ok(())
    }

    fn hub_restarted(&mut self) {
        self.heard.clear();
    }
}

impl Timeouts {
    /// What passes while the hub stands still counts for nobody.
    fn put_off(&mut self, by: Duration) {
        for heard in self.heard.values_mut() {
            (heard.opened, heard.last) = (heard.opened + by, heard.last + by);
        }
    }

    fn was_silent(&self, transition: &Transition<'_>, key: SessionKey) -> Verdict {
        let silent = self.heard.get(&key).map_or(Duration::ZERO, |h| transition.now.since(h.last));
        if silent >= self.idle_timeout {
            Ok(())
        } else {
            broken(
                Invariant::I31,
                format!(
                    "{key} is closed for silence after {} without a sign of life, not after {}",
                    text(silent),
                    text(self.idle_timeout)
                ),
            )
        }
    }

    fn never_connected(&self, transition: &Transition<'_>, key: SessionKey) -> Verdict {
        let waited =
            self.heard.get(&key).map_or(Duration::ZERO, |h| transition.now.since(h.opened));
        let row = transition.was(key);
        let connecting = row.is_some_and(|row| row.phase == Phase::Connecting);
        if connecting && waited >= self.connect_timeout {
            Ok(())
        } else {
            broken(
                Invariant::I31,
                format!(
                    "{key} is closed for not connecting after {}, not after {}",
                    text(waited),
                    text(self.connect_timeout)
                ),
            )
        }
    }
}

fn token_is_over(transition: &Transition<'_>, key: SessionKey) -> Verdict {
    let until = transition.was(key).and_then(|row| row.deadlines.token);
    if until.is_some_and(|until| until <= transition.now) {
        Ok(())
    } else {
        broken(Invariant::I31, format!("{key} is closed for a token that is good"))
    }
}
