//! The invariants by number, each with what must hold (docs/INVARIANTS.md).

use std::fmt;

use serde::Serialize;

macro_rules! invariants {
    ($($variant:ident $shown:ident $name:literal $sentence:literal,)*) => {
        /// An invariant by its number in docs/INVARIANTS.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Invariant {
            $(#[doc = $sentence] $variant,)*
        }

        impl Invariant {
            /// Every invariant, in the order of the variants.
            pub const ALL: &[Invariant] = &[$(Invariant::$variant,)*];

            /// A few words.
            pub const fn name(self) -> &'static str {
                match self { $(Invariant::$variant => $name,)* }
            }

            /// What must hold, in one sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Invariant::$variant => $sentence,)* }
            }

            /// Whether an event shows that it is broken, or only a look at the run as a whole.
            pub const fn shown_by(self) -> Shown {
                match self { $(Invariant::$variant => Shown::$shown,)* }
            }
        }
    };
}

/// What shows that an invariant is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The last event of the history.
    ByEvent,
    /// The run as a whole: somebody looked.
    ByRun,
}

invariants! {
    I1 ByEvent "unique owner"
        "An address has at most one owner; a session lists an address exactly if it owns it; an owner is open.",
    I2 ByEvent "versions grow"
        "Each registration and each renewal of an address bears a greater version while the hub knows it.",
    I3 ByEvent "last registration wins"
        "From an accepted registration on, the address belongs to that session until the next registration, an unregister or disconnect by it, expiry, or its end; whoever has it now is no reason to refuse one.",
    I4 ByEvent "stale events are inert"
        "Whatever comes from or about a session that does not own an address leaves the address's owner, version, topics and deadline as they were.",
    I5 ByEvent "takeover is told"
        "A superseded session gets exactly one duplicate_connection notice, before its close; one that loses an address by expiry or by a narrower token is told so once; nobody else is.",
    I6 ByEvent "nothing to the superseded"
        "Nothing is delivered for an address to a session that no longer owns it.",
    I7 ByEvent "a session id is not an address"
        "No registration, subscription or sender is a session id, and a session without a registration holds and routes nothing.",
    I8 ByEvent "authentic sender"
        "The sender that a delivery names is an address that its session owned.",
    I9 ByEvent "no resurrection"
        "A session that is over owns nothing, has nothing queued and is sent nothing.",
    I10 ByEvent "authorised change"
        "Unregister, renew, subscribe and unsubscribe touch only what the session owns, or the address whose current token they bear; a token works once, but for the owner the one that the registration came with.",
    I11 ByEvent "refusals change nothing"
        "A refused request leaves every row as it was.",
    I12 ByEvent "legal lifecycle"
        "A session goes from connecting to connected to over, only forward, and ends once.",
    I13 ByEvent "two indexes, one truth"
        "An address has a topic exactly if the topic has the address, and only known addresses have topics.",
    I14 ByEvent "subscriptions survive reconnection"
        "Over takeover, detach and resume an address's topics change only by its own subscribe and unsubscribe.",
    I15 ByEvent "exact unsubscribe"
        "An unsubscribe ends that subscription and no other.",
    I16 ByEvent "subscribed means delivered"
        "A publication is handed over to every address that is subscribed to its topic, or its drop is recorded; an accepted subscribe takes effect.",
    I17 ByEvent "grace is exclusive"
        "An address has a grace deadline exactly while it is detached; it begins with the detachment, ends with the resume, and forgets only the detachment that set it.",
    I18 ByEvent "at most once"
        "A message reaches a recipient address at most once.",
    I19 ByEvent "no invention"
        "Whatever is delivered was sent, unaltered, to that address or to a topic it had.",
    I20 ByEvent "FIFO per pair"
        "What one session sends reaches another session in the order of sending.",
    I21 ByEvent "no gap without a record"
        "Each recipient of an accepted message gets one copy or one record of why not, and what is handed over to a session arrives as long as that stays up.",
    I22 ByEvent "independence"
        "A recipient that is slow, full or gone takes nobody else's copy away.",
    I23 ByEvent "honest counts"
        "An acknowledgement counts exactly the copies that were handed over, and a broadcast leaves nobody out.",
    I24 ByEvent "one outcome per ask"
        "Each ask on a session that stays up gets exactly one reply, on that session, bearing its id; nothing else gets a reply.",
    I25 ByEvent "truthful errors"
        "What a refusal says was so when the hub decided.",
    I26 ByEvent "tell is quiet"
        "A tell gets no reply and no error beyond the protocol's list.",
    I27 ByEvent "TTL respected"
        "Nothing is handed over or written after the end of its time to live.",
    I28 ByEvent "conservation"
        "Sessions opened are open or closed, frames received are accounted for, counters are what the history shows, gauges are the sizes of their sets.",
    I29 ByEvent "bounded"
        "Every queue and table is within its bound, and at a bound the protocol's policy happens, neither before nor after.",
    I30 ByEvent "timers have owners"
        "Each armed deadline belongs to an open session or a known address, and whatever must end has one.",
    I31 ByEvent "honest timeouts"
        "A session is closed for silence only after all of idle_timeout without a sign of life.",
    I32 ByEvent "the living do not expire"
        "A registration that is renewed in time lives on for its whole time to live.",
    I33 ByEvent "discovery tells the truth"
        "What discover and list answer is exactly who is registered and not expired.",
    I34 ByRun "no leak"
        "With all clients gone and all deadlines past, every table is empty.",
    I35 ByRun "determinism"
        "The same scenario and seed give the same run, byte by byte, in another process and on another number of threads.",
    I51 ByEvent "bounded work"
        "What one input makes the hub do is bounded by the size of the input and of its outcome, and by the walks that the protocol has.",
    I52 ByEvent "accounted memory"
        "What the hub accounts for is what it was given to keep, and no more than its settings allow.",
    Expected ByRun "as the scenario says"
        "Whoever is said to see something sees it, in time and in order.",
    NoPanic ByRun "nothing panics"
        "Neither the hub nor a client panics, whatever happens to it.",
    SameOnBackends ByRun "backends agree"
        "A scenario passes or fails alike on core and on simulated, and its actors see the same, as far as chance has no part in it.",
    L1 ByRun "whoever keeps trying is registered"
        "After the faults, a client that keeps trying is registered, and the hub and the client agree on it.",
    L2 ByRun "half-open sessions end"
        "A half-open session is closed within idle_timeout and one ping interval.",
    L3 ByEvent "every ask ends"
        "After the faults, every ask has its reply, or its client knows that the connection is lost.",
    L4 ByRun "fresh messages arrive"
        "After the faults, a fresh message between any two actors arrives within the network's latency.",
    L5 ByRun "rest is reached in time"
        "With all clients gone, the hub is empty once idle timeout, resume window and time to live are past.",
    L6 ByEvent "no ping-pong"
        "After the faults, an address is taken over at most once for each connection.",
    L7 ByEvent "the slow delay nobody"
        "While one recipient never reads, the copies of the others arrive within the network's latency.",
    L8 ByEvent "shutdown ends"
        "A shutdown tells and closes every session, and the hub is gone within its deadline.",
}

impl Invariant {
    /// Whether it says that something good happens in the end, not that nothing bad ever does.
    pub const fn is_liveness(self) -> bool {
        self as u8 >= Invariant::L1 as u8
    }

    /// Whether it can seem to be broken because the machine stood still.
    pub const fn goes_by_time(self) -> bool {
        self.is_liveness() || matches!(self, Invariant::Expected)
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} {}", self.name())
    }
}
