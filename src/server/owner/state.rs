//! What the owner decides, without a task or a socket: when it looks at the clock, what the hub hears then, what
//! waits for the store, and whom it closes.

use std::time::Duration;

use crate::hub::{Hub, Input, LATE_MIN, Output, SessionKey};
use crate::protocol::CloseReason;
use crate::server::{Farewell, Keeper};
use crate::store::StoreError;
use crate::time::Timestamp;

/// While any deadline is set, the owner reads the clock at least this often. Time that it misses is
/// time for which the process stood still.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Events that are handled before what comes of them is written.
const BATCH_EVENTS_MAX: usize = 128;

/// The hub, its store, and the clocks as they were last read.
#[derive(Debug)]
pub struct OwnerState {
    /// What it owns.
    pub hub: Hub,
    keeper: Option<Keeper>,
    now: Timestamp,
    looked: Duration,
    closing_all: bool,
}

impl OwnerState {
    /// The owner of a hub; `now` is the steady clock's, `looked` the monotonic one's.
    pub fn new(mut hub: Hub, keeper: Option<Keeper>, now: Timestamp, looked: Duration) -> Self {
        hub.change_storage(keeper.as_ref().map(Keeper::storage).unwrap_or_default());
        Self { hub, keeper, now, looked, closing_all: false }
    }

    /// How many events it handles before it writes what comes of them: so few that no queue fills with the answers to
    /// one batch.
    pub fn events_max(&self) -> usize {
        (self.hub.config().queue_messages_max / 2).clamp(1, BATCH_EVENTS_MAX)
    }

    /// The steady clock when it was last read.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The monotonic clock when it was last read.
    pub fn looked(&self) -> Duration {
        self.looked
    }

    /// The store.
    pub fn keeper(&self) -> Option<&Keeper> {
        self.keeper.as_ref()
    }

    /// Gives the store away: what waits for it leaves no more.
    pub fn take_keeper(&mut self) -> Option<Keeper> {
        self.keeper.take()
    }

    /// The clocks are read. If that comes much too late, the hub has to hear of it before anything else.
    pub fn look(&mut self, now: Timestamp, at: Duration) -> Option<Input> {
        let late = at.saturating_sub(self.looked + LOOK_EVERY);
        (self.now, self.looked) = (now, at);
        let milliseconds = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        let hears = late > LATE_MIN && self.hub.next_deadline().is_some();
        hears.then_some(Input::Late(Duration::from_millis(milliseconds)))
    }

    /// When it has to look again.
    pub fn next_look(&self) -> Option<Timestamp> {
        let stores = self.keeper.as_ref().and_then(Keeper::next_deadline);
        let next = self.hub.next_deadline().into_iter().chain(stores).min()?;
        Some(next.min(self.now + LOOK_EVERY))
    }

    /// What the hub hears if one of its deadlines is over. The alarm may be early: a deadline can have moved since.
    pub fn tick(&self) -> Option<Input> {
        self.hub.next_deadline().is_some_and(|deadline| deadline <= self.now).then_some(Input::Tick)
    }

    /// What of an input's outputs can be carried out now; the store has to see to the rest first.
    pub fn pass(&mut self, outputs: Vec<Output>) -> Vec<Output> {
        let Some(keeper) = &mut self.keeper else { return outputs };
        keeper.take(self.now, self.hub.take_journal(), outputs);
        Vec::new()
    }

    /// Writes rows, as `settle` does; then what waited for them can be carried out.
    ///
    /// # Errors
    /// What the store says: the hub has to end.
    pub fn settle(
        &mut self,
        settle: impl FnOnce(&mut Keeper, Timestamp) -> Result<Vec<Output>, StoreError>,
    ) -> Result<Vec<Output>, StoreError> {
        let Some(keeper) = &mut self.keeper else { return Ok(Vec::new()) };
        let outputs = settle(keeper, self.now);
        self.hub.change_storage(keeper.storage());
        outputs
    }

    /// The shutdown's time is over: what remains is written, and then every session is to be closed, and every later one.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub fn close_all(&mut self) -> Result<Vec<Output>, StoreError> {
        self.closing_all = true;
        self.settle(|keeper, _| keeper.settle_all())
    }

    /// How a session is closed that is opened only now, if it is.
    pub fn farewell(&self) -> Option<Farewell> {
        self.closing_all.then_some(Farewell::at_once(CloseReason::ServerShutdown))
    }
}

impl Farewell {
    /// Whom an output closes, and how.
    pub fn of(output: &Output) -> Option<(SessionKey, Self)> {
        match output {
            Output::Close(key, reason) => Some((*key, Self::at_once(*reason))),
            Output::Linger(key, reason) => Some((*key, Self::lingering(*reason))),
            Output::Send(..) | Output::Audit(_) => None,
        }
    }
}
