//! What must hold. Each invariant watches the history, event by event, and says where it breaks;
//! none draws randomness, none asks the hub.

mod catalogue;
mod delivery;
mod grant;
mod identity;
mod liveness;
mod principals;
mod resources;
mod shadow;
mod store;
mod subscriptions;
#[cfg(test)]
mod tests;
mod transition;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dst::verdict;
use signal_hub::hub::{Config, Counters, Hub, Input, SessionKey};

pub use dst::verdict::{Time, check_same};

pub use catalogue::{Invariant, When};
pub(crate) use delivery::{Book, Recovery};
pub use grant::{Grant, TokenReader};
pub use liveness::{Agreement, check_agreement, check_rest_in_time, probe_unanswered};
pub use resources::{check_balance, check_rest};
pub use shadow::Shadow;
pub(crate) use shadow::{After, is_open};
pub use store::cannot_start;

use crate::SignalHub;
use crate::history::{Event, HubEvent, Stop, What};
use crate::scenario::Scenario;
use transition::Transition;

/// An invariant that does not hold, and how that shows.
pub type Violation = verdict::Violation<SignalHub>;

/// What an observer says of an event.
type Verdict = Result<(), Violation>;

/// Cold: what only a failure needs lies apart from what every event runs through.
#[cold]
fn broken(invariant: Invariant, evidence: impl Into<String>) -> Verdict {
    Err(Violation::new(invariant, evidence))
}

/// Watches the hub, one input after the other.
trait HubObserver: Send {
    /// Reads one input and what came of it; what breaks at it is the answer.
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict;

    /// The hub is no more.
    fn hub_stopped(&mut self, _how: Stop) {}

    /// The hub lost all state; what is remembered of it no longer binds.
    fn hub_restarted(&mut self) {}

    /// The hub begins with what its store holds.
    fn hub_restored(&mut self, _hub: &HubEvent) -> Verdict {
        Ok(())
    }

    /// Returns whether it has something to look at when nothing is said and no address and no topic
    /// changes, as at most pings and reports of what was written.
    fn watches_silence(&self) -> bool {
        false
    }

    /// Returns whether it has something to say of hubs that demand tokens, and of no other.
    fn needs_tokens(&self) -> bool {
        false
    }

    /// Returns whether it would take a hub for broken whose earlier inputs it has not seen.
    fn needs_the_past(&self) -> bool {
        false
    }
}

/// Watches the clients, too, or the run as a whole.
pub trait RunObserver: Send {
    /// Reads one event that is none of the network's. `shadow` is the hub before it.
    ///
    /// # Errors
    /// What breaks at it; of an invariant of a program's own, [`Invariant::Own`].
    fn observe(&mut self, event: &Event, shadow: &Shadow) -> Result<(), Violation>;
}

/// Makes the observer of a run.
pub type MakeObserver = fn(&Scenario) -> Box<dyn RunObserver>;

static ALSO: Mutex<Vec<(&str, MakeObserver)>> = Mutex::new(Vec::new());

/// Judges each run of this process by an invariant of its own, too. Reports tell `command`, which starts this program,
/// for whoever wants to see it again. To be called before the first run: later ones would be judged otherwise than
/// earlier ones.
pub fn judge_also(command: &'static str, make: MakeObserver) {
    ALSO.lock().unwrap_or_else(PoisonError::into_inner).push((command, make));
}

/// How a program is started that has invariants of its own.
pub(crate) fn own_command() -> Option<&'static str> {
    ALSO.lock().unwrap_or_else(PoisonError::into_inner).first().map(|(command, _)| *command)
}

/// All observers, and the shadow that they share.
pub struct Judge {
    shadow: Shadow,
    rate_limits: resources::RateLimits,
    tally: resources::Tally,
    at_hub: Vec<Box<dyn HubObserver>>,
    /// Which of them watch silence.
    at_silence: Vec<usize>,
    over_all: Vec<Box<dyn RunObserver>>,
    store: Option<store::Store>,
}

impl Judge {
    /// A judge of everything that is judged event by event, of a hub with this configuration.
    pub fn new(config: &Config) -> Self {
        Self::with(config, Shadow::default(), None)
    }

    /// The same of a hub that demands tokens, which are signed with this secret.
    pub fn with_tokens(config: &Config, secret: &[u8]) -> Self {
        Self::with(config, Shadow::with_tokens(secret), None)
    }

    /// A judge of a run of the scenario, with what that bounds.
    pub fn of(scenario: &Scenario, time: Time) -> Self {
        let delays = match time {
            Time::Virtual => liveness::Delays::of(scenario),
            Time::Real => None,
        };
        let mut judge = Self::with(&scenario.hub, Shadow::of(scenario), delays);
        judge.over_all.push(Box::new(liveness::Shutdown::new(scenario)));
        judge.over_all.push(Box::new(liveness::Renewals::new(scenario)));
        let also = ALSO.lock().unwrap_or_else(PoisonError::into_inner);
        judge.over_all.extend(also.iter().map(|(_, make)| make(scenario)));
        judge.store = scenario.clients.store.as_ref().map(store::Store::new);
        judge
    }

    /// A judge of the hub's next inputs, of whatever needs no knowledge of how it came to stand like
    /// this.
    pub fn from_here(config: &Config, shadow: Shadow) -> Self {
        let mut judge = Self { over_all: Vec::new(), ..Self::with(config, shadow, None) };
        judge.at_hub.retain(|observer| !observer.needs_the_past());
        judge.at_silence = at_silence(&judge.at_hub);
        judge
    }

    /// The same with what it needs to know of the past to judge recovery.
    pub(crate) fn remembering(mut self, past: Arc<Mutex<Recovery>>) -> Self {
        self.at_silence.push(self.at_hub.len());
        self.at_hub.push(Box::new(Lent(past)));
        self
    }

    fn with(config: &Config, shadow: Shadow, delays: Option<liveness::Delays>) -> Self {
        let at_hub: Vec<Box<dyn HubObserver>> = vec![
            // Where one event breaks several, the first of these is what the story is about: the
            // more special goes before the more general.
            Box::new(identity::Refusals),
            Box::new(identity::Names::new(config)),
            Box::new(identity::Authority::default()),
            Box::new(identity::Versions),
            Box::new(identity::Resurrection),
            Box::new(identity::Tokens::new(config)),
            Box::new(identity::Takeover),
            Box::new(resources::Timeouts::new(config)),
            Box::new(identity::Lifecycle),
            Box::new(resources::Timers::new(config)),
            Box::new(identity::Ownership),
            Box::new(identity::LastRegistration::new(config)),
            Box::new(subscriptions::Subscriptions::default()),
            Box::new(delivery::Handover::new(config)),
            Box::new(delivery::Recovery::new(config)),
            Box::new(delivery::Recipients::new(config)),
            Box::new(delivery::Replies::default()),
            Box::new(delivery::Outcomes::new(config)),
            Box::new(delivery::Truth::new(config)),
            Box::new(delivery::Lateness::new(config)),
            Box::new(resources::Directory::new(config)),
            Box::new(resources::Bounds::new(config)),
            Box::new(resources::Room::new(config)),
            Box::new(resources::Accounting::new(config)),
            Box::new(resources::Queues::new(config)),
            Box::new(resources::BoundedWork::new(config)),
            Box::new(identity::Acting),
            Box::new(delivery::Answers::new(config)),
            Box::new(resources::Pauses::new(config)),
        ];
        let demands_tokens = shadow.principals().is_some();
        let at_hub = at_hub.into_iter().filter(|o| demands_tokens || !o.needs_tokens());
        let at_hub: Vec<_> = at_hub.collect();
        let over_all: Vec<Box<dyn RunObserver>> = vec![
            Box::new(delivery::Arrival::new(delays)),
            Box::new(delivery::Readers::default()),
            Box::new(liveness::Asks::default()),
            Box::new(liveness::PingPong::default()),
        ];
        let (rate_limits, tally) =
            (resources::RateLimits::new(config), resources::Tally::default());
        let at_silence = at_silence(&at_hub);
        Self { shadow, rate_limits, tally, at_hub, at_silence, over_all, store: None }
    }

    /// The hub as the history tells it.
    pub fn shadow(&self) -> &Shadow {
        &self.shadow
    }

    /// What it knows of the hub.
    pub fn into_shadow(self) -> Shadow {
        self.shadow
    }

    /// Reads one event.
    ///
    /// # Errors
    /// What breaks at it.
    pub fn observe(&mut self, event: &Event) -> Result<(), Violation> {
        match &event.what {
            // Nobody's business but the reports'.
            What::Net(_) => return Ok(()),
            What::HubStarted { .. } => {
                self.rate_limits.hub_restarted();
                self.tally = resources::Tally::default();
                self.at_hub.iter_mut().for_each(|observer| observer.hub_restarted());
            }
            What::Hub(hub) => {
                self.shadow.put_off(&hub.input);
                self.hub(hub)?;
            }
            What::HubStopped { how } => {
                self.at_hub.iter_mut().for_each(|observer| observer.hub_stopped(*how));
            }
            What::Client { .. } | What::Run(_) | What::Step { .. } => {}
        }
        for observer in &mut self.over_all {
            observer.observe(event, &self.shadow)?;
        }
        self.store.as_mut().map_or(Ok(()), |store| store.observe(event))?;
        self.shadow.apply(event);
        Ok(())
    }

    fn hub(&mut self, hub: &HubEvent) -> Verdict {
        if let Input::Restored(_) = hub.input {
            let mut observers = self.at_hub.iter_mut();
            return observers.try_for_each(|observer| observer.hub_restored(hub));
        }
        let rate_limits = &mut self.rate_limits;
        let transition = Transition::read(hub, &self.shadow, |key, frame| {
            rate_limits.is_rate_limited(hub, key, frame)
        });
        if transition.is_silent() {
            for nth in &self.at_silence {
                self.at_hub[*nth].observe(&transition)?;
            }
        } else {
            for observer in &mut self.at_hub {
                observer.observe(&transition)?;
            }
        }
        self.tally.count(&transition)?;
        self.rate_limits.forget(&hub.input);
        Ok(())
    }

    /// Compares the hub itself with what the history tells of it (I28): every row, every counter,
    /// every gauge. Takes time in proportion to the rows.
    ///
    /// # Errors
    /// If they differ.
    pub fn compare(&self, hub: &Hub) -> Result<(), Violation> {
        self.balance(hub.sizes().sessions, hub.counters())?;
        resources::check_against(&self.shadow, &self.tally, hub)
    }

    /// Whether the counters balance and are what the history shows (I28); `sessions` are those with
    /// a row.
    ///
    /// # Errors
    /// If they do not or are not.
    pub fn balance(&self, sessions: usize, counters: &Counters) -> Result<(), Violation> {
        check_balance((sessions, 0), counters)?;
        self.tally.check(counters)
    }
}

/// The places of those that watch silence.
fn at_silence(observers: &[Box<dyn HubObserver>]) -> Vec<usize> {
    (0..observers.len()).filter(|nth| observers[*nth].watches_silence()).collect()
}

/// An observer that outlives its judge.
struct Lent<O>(Arc<Mutex<O>>);

impl<O: HubObserver> HubObserver for Lent<O> {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).observe(transition)
    }
}

impl verdict::Judge<SignalHub> for Judge {
    fn new(scenario: &Scenario, time: Time) -> Self {
        Judge::of(scenario, time)
    }

    fn observe(&mut self, event: &Event) -> Verdict {
        Judge::observe(self, event)
    }
}

/// What people are told of whoever owns an address.
fn owner_text(owner: Option<SessionKey>) -> String {
    owner.map_or("nobody".to_owned(), |owner| owner.to_string())
}

/// What people are told of a span of time.
fn text(span: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(span)
}
