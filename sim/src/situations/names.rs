//! The situations by name, each with what counts as one.

use std::fmt;

use dst::coverage;
use serde::{Serialize, Serializer};
use signal_hub::hub::{DropReason, SessionKey};
use signal_hub::protocol::{ErrorCode, Unrecovered, Verb};

use crate::net::Fault;
use crate::scenario::HUB_HOST;

macro_rules! situations {
    ($($variant:ident $name:literal $sentence:literal,)*) => {
        /// Something that has to come up in a campaign.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Situation {
            $(#[doc = $sentence] $variant,)*
        }

        impl Situation {
            /// Every situation, in the order of reports.
            pub const ALL: &[Situation] = &[$(Situation::$variant,)*];

            /// As reports call it.
            pub const fn name(self) -> &'static str {
                match self { $(Situation::$variant => $name,)* }
            }

            /// What counts as one.
            pub const fn sentence(self) -> &'static str {
                match self { $(Situation::$variant => $sentence,)* }
            }
        }
    };
}

situations! {
    OldCloseAfterTakeover "old close after takeover"
        "The connection of a session that was taken over ends while another session owns the address.",
    CloseBeforeRegisterReply "close before register reply"
        "A client loses its connection between writing hub:register and reading the answer.",
    ResumedLate "resume in the last tenth"
        "A detached address is resumed in the last tenth of the resume window.",
    ResumedAtDeadline "resume at the very deadline"
        "A detached address is resumed in the last hundredth of the resume window.",
    RoomMade "room made"
        "A detached address gives way to a newcomer because the hub is full.",
    ExpiryRacesRenew "expiry races renew"
        "hub:renew for an address is handled within 250 ms of its expiry, before or after.",
    AskAcrossTakeover "ask across a takeover"
        "An address is taken over while an ask from or to it is written and its answer not yet read.",
    HalfOpenFoundBySilence "half-open found by silence"
        "The hub closes a session because nothing came from it for idle_timeout.",
    SilentHubFound "silent hub found"
        "A client gives its connection up because nothing came from the hub for too long.",
    SlowConsumerClosed "slow consumer closed"
        "The hub closes a session whose queue stays full or stands still.",
    RefusedLingers "refused connect lingers"
        "A hub:connect is refused, and its connection stays for a while.",
    SenderPaused "sender paused"
        "The hub tells a session to pause because it feeds one that does not keep up.",
    SenderResumed "sender resumed"
        "The hub tells a paused session to go on.",
    QueueFull "queue bound reached"
        "A copy is dropped because the recipient's queue is at its bound.",
    SentToUnknown "sent to an unknown actor"
        "A copy is dropped because nobody is registered at the address.",
    SentToDetached "sent to a detached actor"
        "A copy is dropped because the recipient is detached.",
    MessageExpired "time to live over"
        "A copy is dropped because its time to live is over.",
    RetryAnswered "retry answered from memory"
        "An ask comes again and gets its first outcome; nothing is delivered.",
    BroadcastToTheDead "broadcast to a dead recipient"
        "A copy of a broadcast goes to a session that is never heard again and ends broken or silent.",
    SameAddressWithinRoundTrip "same address within a round trip"
        "Two sessions register one address within a round trip of the undisturbed network.",
    OneOfSeveralLost "one of several addresses lost"
        "A session that owns several addresses loses one, and keeps another.",
    HubShutDownWithClients "hub shut down with clients"
        "The hub shuts down in order and begins again while clients are connected.",
    HubCrashedWithClients "hub crashed with clients"
        "The hub's process dies and another begins while clients are connected.",
    HubPaused "hub paused"
        "Something reached the hub while its machine stood still.",
    HubLate "hub late"
        "The hub wakes up more than a second late, and puts its deadlines off.",
    ClientPaused "client paused"
        "Something reached a client while its machine stood still.",
    ClientCrashed "client crashed"
        "A client's process dies with its connection open.",
    ClientLeft "client left"
        "A client takes leave with its connection open.",
    SecondClientStarted "second client started"
        "A second client of an actor begins while the first is connected.",
    OneIdForTwo "one id for two actors"
        "Two addresses ask under one id, one right after the other, and both asks are carried out.",
    ToldTwice "told twice under one id"
        "A session tells two things in a row under one id.",
    IdUsedAgain "id used again"
        "An address asks under the id of its latest ask, within dedupe_window, and that is carried out: it is another ask.",
    IdFreeAgain "id free again"
        "An address asks under the id of its latest ask when dedupe_window is just over, and that is carried out.",
    RetryAcrossSessions "retry by another session"
        "A retry is answered from memory that another session of its address asked first.",
    OverdueInQueue "overdue in a queue"
        "A copy is dropped when its turn in the queue comes, because its time to live is over.",
    FullQueueTakenOver "takeover of a full queue"
        "An address is taken over from a session whose queue is at its bound.",
    RecoveredInTime "slow consumer just in time"
        "A queue moves within 250 ms of the deadline at which its session would be closed as a slow consumer.",
    PausedForTheDead "paused for one that ends"
        "A session is told to go on because the one that it was paused for ends.",
    FrameAtSessionDeadline "frame at its session's deadline"
        "A frame comes in the very input in which its session is closed because a deadline is due.",
    FrameAtAddressDeadline "frame at an address's deadline"
        "A request comes in the very input in which an address that it names expires or is forgotten.",
    RenewedAndTakenOver "renewal and takeover in one millisecond"
        "An address is renewed and registered by another session in the same millisecond.",
    MovedOneByOne "addresses moved one by one"
        "A session loses an address to a session that it has lost another one to.",
    Queued "kept for who is away"
        "A message is kept for an address that is away and recovers.",
    QueuedBehindFull "kept behind a full queue"
        "A message is kept for a living session, whose queue is full or has a replay before it.",
    LiveAfterReplay "live traffic behind a replay"
        "A message is handed over or kept for an address within 50 ms of its replay.",
    Recovered "recovered"
        "An address that was away gets at least one message that it missed.",
    RecoveredAtTakeover "recovered at a takeover"
        "An address is taken over with a position that counts, and at least one message comes again.",
    RecoveredOnTheSpot "recovered on the living connection"
        "hub:recover is answered with at least one message.",
    ReplayWaits "replay waits for room"
        "Not all that is to be replayed has room in the session's queue.",
    OverflowWhileAway "overflow while away"
        "A message that was kept for an address gives way to a newer one.",
    KeptInVain "kept in vain"
        "Nobody comes back in time for a message that was kept.",
    LateInTheLog "too late in the log"
        "A message is left out of a replay because its time to live is over.",
    NoSuchEpoch "position of another epoch"
        "A position is refused because its epoch ended or never was.",
    PositionTooOld "position too old"
        "A position is refused because a message after it is older than the window.",
    PositionOverflown "position overflown"
        "A position is refused because a message after it gave way.",
    PositionAhead "position ahead"
        "A position is refused because no message has its number.",
    PositionTakenOver "position of before a takeover"
        "A position is refused because another connection took the address over.",
    NothingKept "hub keeps nothing"
        "A wish to recover is refused because nothing is kept.",
    ClientRecovered "client recovers"
        "A client tells its user that what was missed comes again.",
    ClientToldGap "client tells of a gap"
        "A client tells its user that what was missed is lost.",
    RecoverAccepted "hub:recover accepted"
        "A hub:recover is carried out.",
    HubRestored "restored from its store"
        "A hub begins with addresses that it knew before.",
    RecoveredOverRestart "recovered over a restart"
        "An address gets at least one message that the hub kept in an earlier life.",
    CrashedBeforeReply "crash between store and reply"
        "A hub begins with an address that it registered just before a crash, and no client had read the answer.",
    StoreFull "store full"
        "A message is dropped because it would have to be stored, and the store is full.",
    DiskFailed "disk failed"
        "The hub gives up because its disk fails: what it decided last was told to nobody.",
    Dormant "dormant"
        "The resume window of an address ends, and its durable subscriptions stay.",
    TopicsAtBound "subscription bound reached"
        "A subscribe is refused because the session has as many subscriptions as it may.",
    TopicsBelowBound "subscription bound left"
        "A session that was refused a subscription is granted one.",
    AddressesAtBound "registration bound reached"
        "A registration is refused because the hub knows as many addresses as it may.",
    AddressesBelowBound "registration bound left"
        "A new address is registered with a hub that has refused one, and no other gives way.",
    SessionsAtBound "session bound reached"
        "A connection is turned away because the hub has as many sessions as it may.",
    SessionsBelowBound "session bound left"
        "A connection is let in by a hub that has turned one away.",
    OutcomesAtBound "outcome bound reached"
        "An ask is carried out while the hub remembers as many outcomes as it may.",
    OutcomesBelowBound "outcome bound left"
        "An ask is carried out by a hub that has room again for outcomes to remember.",
    TakeoverTooSoon "takeover beyond the rate"
        "A session registers what is another's, and is refused because it asks too much.",
    SearchTooCostly "search beyond the rate"
        "A search is refused because its session asks too much.",
    LargeRegistration "registration near its bound"
        "A registration whose metadata have more than nine tenths of what they may have is accepted.",
    RenewedInVain "renewal by a token that is not current"
        "hub:renew bears a token, and is refused.",
    UnsubscribedById "unsubscribe by an id"
        "hub:unsubscribe names an id, and the address that acts has no such subscription.",
    SpokeAsAnother "spoke as another"
        "A request is refused because the sender that it names is another session's.",
    TooEarly "request before hub:connect"
        "A request is refused because its session has not connected.",
    Traced "trace id returned"
        "A reply bears the trace id of its request.",
    ConnectingAtShutdown "connecting at shutdown"
        "The hub shuts down while a session has not connected.",
    TokenExpired "token expired while registered"
        "A session that has an address is closed because its token expired.",
    TokenOutlived "token refreshed in time"
        "A session goes on after the end of a token that it had before.",
    TokenNarrowed "token narrowed"
        "A session loses an address that its newer token does not allow.",
    TakenAtTokensEnd "takeover at the very end of a token"
        "An address is registered in the millisecond in which its owner's token ends.",
    Claimed "address claimed"
        "Whom a token names takes its address from one who has it by a pattern.",
    ForeignTakeoverRefused "foreign takeover refused"
        "A token allows an address that another principal has, and does not get it.",
    ForeignResumeRefused "foreign resume refused"
        "The same of an address that is detached.",
    ForeignRefreshRefused "foreign refresh refused"
        "A session shows a good token of another principal, and keeps the one that it has.",
    RefusedExpired "expired token refused" "A token is refused because it has expired.",
    RefusedEarly "token not valid yet refused" "A token is refused because it is not valid yet.",
    RefusedForged "forged token refused" "A token is refused because its signature is wrong.",
    LinkChanged "fault link" "A changed link carried something.",
    Stalled "fault stall" "A stalled link held something.",
    Partitioned "fault partition" "A partition held something.",
    Rejoined "fault rejoin" "A partition ended.",
    ConnectDecided "fault connects" "A connect was refused, hung or went into a black hole.",
    Reset "fault reset" "An open end saw a reset.",
    Severed "fault sever" "An open end was cut off.",
    HostReadingPaused "fault pause_host_reading" "A host was kept from reading what had arrived.",
    ReadingPaused "fault pause_reading" "One end was kept from reading what had arrived.",
    Crashed "fault crash" "A host died with a stream or a listener.",
    ClockSkewed "fault clock_skew" "A wall clock moved.",
    LinkHealed "fault heal" "Healing ended something.",
    RefusedVersion "error version_mismatch" "The hub answered version_mismatch.",
    RefusedUnauthorized "error unauthorized" "The hub answered unauthorized.",
    RefusedRate "error rate_limited" "The hub answered rate_limited.",
    RefusedSize "error message_too_large" "The hub answered message_too_large.",
    RefusedLate "error message_expired" "The hub answered message_expired.",
    RefusedInternal "error internal_error" "The hub answered internal_error.",
    RefusedToken "error invalid_token" "The hub answered invalid_token.",
    RefusedBroadcast "error BROADCAST_LIMIT_EXCEEDED" "The hub answered BROADCAST_LIMIT_EXCEEDED.",
    ConnectAccepted "accepted hub:connect" "hub:connect was accepted.",
    HeartbeatAccepted "accepted hub:heartbeat" "hub:heartbeat was accepted.",
    DisconnectAccepted "accepted hub:disconnect" "hub:disconnect was accepted.",
    RegisterAccepted "accepted hub:register" "hub:register was accepted.",
    UnregisterAccepted "accepted hub:unregister" "hub:unregister was accepted.",
    RenewAccepted "accepted hub:renew" "hub:renew was accepted.",
    DiscoverAccepted "accepted hub:discover" "hub:discover was accepted.",
    ListAccepted "accepted hub:list_actors" "hub:list_actors was accepted.",
    SendAccepted "accepted hub:send" "hub:send was accepted.",
    BroadcastAccepted "accepted hub:broadcast" "hub:broadcast was accepted.",
    SubscribeAccepted "accepted hub:subscribe" "hub:subscribe was accepted.",
    UnsubscribeAccepted "accepted hub:unsubscribe" "hub:unsubscribe was accepted.",
    PublishAccepted "accepted hub:publish" "hub:publish was accepted.",
    QueueStatsAccepted "accepted hub:queue_stats" "hub:queue_stats was accepted.",
    MetricsAccepted "accepted hub:metrics" "hub:metrics was accepted.",
    RefreshAccepted "accepted hub:refresh_token" "hub:refresh_token was accepted.",
}

/// What looks as if it belonged here and cannot come up, with the reason.
pub const IMPOSSIBLE: [(&str, &str); 2] = [
    ("error unknown_actor", "hub:unknown_actor says it; no error bears this code"),
    ("error timeout", "the hub waits for no recipient, so nothing of its own can take too long"),
];

impl Situation {
    /// That the fault had an effect.
    pub fn of_fault(fault: &Fault) -> Self {
        match fault {
            Fault::Link { .. } => Situation::LinkChanged,
            Fault::Stall { .. } => Situation::Stalled,
            Fault::Partition { .. } => Situation::Partitioned,
            Fault::Rejoin { .. } => Situation::Rejoined,
            Fault::Connects { .. } => Situation::ConnectDecided,
            Fault::Reset { .. } => Situation::Reset,
            Fault::Sever { .. } => Situation::Severed,
            Fault::PauseHostReading { .. } => Situation::HostReadingPaused,
            Fault::Pause { host, .. } if host == HUB_HOST => Situation::HubPaused,
            Fault::Pause { .. } => Situation::ClientPaused,
            Fault::PauseReading { .. } => Situation::ReadingPaused,
            Fault::Crash { .. } => Situation::Crashed,
            Fault::ClockSkew { .. } => Situation::ClockSkewed,
            Fault::Heal => Situation::LinkHealed,
        }
    }

    /// That the hub answered the code; none if it cannot.
    pub const fn of_error(code: ErrorCode) -> Option<Self> {
        match code {
            ErrorCode::VersionMismatch => Some(Situation::RefusedVersion),
            ErrorCode::Unauthorized => Some(Situation::RefusedUnauthorized),
            ErrorCode::RateLimited => Some(Situation::RefusedRate),
            ErrorCode::MessageTooLarge => Some(Situation::RefusedSize),
            ErrorCode::MessageExpired => Some(Situation::RefusedLate),
            ErrorCode::InternalError => Some(Situation::RefusedInternal),
            ErrorCode::InvalidToken => Some(Situation::RefusedToken),
            ErrorCode::BroadcastLimitExceeded => Some(Situation::RefusedBroadcast),
            ErrorCode::UnknownActor
            | ErrorCode::Timeout
            | ErrorCode::Unavailable
            | ErrorCode::Other => None,
        }
    }

    /// That the hub accepted the request.
    pub const fn of_verb(verb: &Verb) -> Self {
        match verb {
            Verb::Connect(_) => Situation::ConnectAccepted,
            Verb::Heartbeat(_) => Situation::HeartbeatAccepted,
            Verb::Disconnect(_) => Situation::DisconnectAccepted,
            Verb::Register(_) => Situation::RegisterAccepted,
            Verb::Unregister(_) => Situation::UnregisterAccepted,
            Verb::Renew(_) => Situation::RenewAccepted,
            Verb::Recover(_) => Situation::RecoverAccepted,
            Verb::Discover(_) => Situation::DiscoverAccepted,
            Verb::ListActors(_) => Situation::ListAccepted,
            Verb::Send(_) => Situation::SendAccepted,
            Verb::Broadcast(_) => Situation::BroadcastAccepted,
            Verb::Subscribe(_) => Situation::SubscribeAccepted,
            Verb::Unsubscribe(_) => Situation::UnsubscribeAccepted,
            Verb::Publish(_) => Situation::PublishAccepted,
            Verb::QueueStats => Situation::QueueStatsAccepted,
            Verb::Metrics => Situation::MetricsAccepted,
            Verb::RefreshToken(_) => Situation::RefreshAccepted,
        }
    }

    /// That the session got what an address of this owner had missed.
    pub fn of_replay(owner: Option<SessionKey>, session: SessionKey) -> Self {
        match owner {
            None => Situation::Recovered,
            Some(owner) if owner == session => Situation::RecoveredOnTheSpot,
            Some(_) => Situation::RecoveredAtTakeover,
        }
    }

    /// That a position was refused for the reason.
    pub const fn of_unrecovered(reason: Unrecovered) -> Option<Self> {
        match reason {
            Unrecovered::Epoch => Some(Situation::NoSuchEpoch),
            Unrecovered::Expired => Some(Situation::PositionTooOld),
            Unrecovered::Overflow => Some(Situation::PositionOverflown),
            Unrecovered::Ahead => Some(Situation::PositionAhead),
            Unrecovered::TakenOver => Some(Situation::PositionTakenOver),
            Unrecovered::Off => Some(Situation::NothingKept),
            // No hub alone says these.
            Unrecovered::NodeLost | Unrecovered::Other => None,
        }
    }

    /// That a copy was dropped for the reason.
    pub const fn of_drop(why: DropReason) -> Self {
        match why {
            DropReason::QueueFull => Situation::QueueFull,
            DropReason::UnknownActor => Situation::SentToUnknown,
            DropReason::Detached => Situation::SentToDetached,
            DropReason::Expired => Situation::MessageExpired,
            DropReason::Overflow => Situation::OverflowWhileAway,
            DropReason::Unclaimed => Situation::KeptInVain,
            DropReason::StoreFull => Situation::StoreFull,
        }
    }
}

impl coverage::Situation for Situation {
    const ALL: &'static [Self] = Situation::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn sentence(self) -> &'static str {
        Situation::sentence(self)
    }
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Situation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
