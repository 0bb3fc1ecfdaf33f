//! The invariants by number: what must hold, when it is judged, and which mistake it would have
//! caught. The table of docs/INVARIANTS.md is written from here.

use std::fmt;

use dst::verdict;
use serde::Serialize;

macro_rules! invariants {
    ($($variant:ident [$($when:ident)+] $name:literal $sentence:literal $caught:literal,)*) => {
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

            /// When it is judged.
            pub const fn judged(self) -> &'static [When] {
                match self { $(Invariant::$variant => &[$(When::$when),+],)* }
            }

            /// A mistake that it would have caught.
            pub const fn caught(self) -> &'static str {
                match self { $(Invariant::$variant => $caught,)* }
            }
        }
    };
}

/// When an invariant is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At each input of the hub.
    Input,
    /// At each event of a client.
    Client,
    /// At a milestone of the run.
    Milestone,
    /// When the director has waited for something, or the run has ended for it.
    Director,
    /// Over several runs.
    Runs,
    /// Where several hubs share an engine.
    Nodes,
}

invariants! {
    I1 [Input Nodes] "unique owner"
        "An address has at most one owner; a session lists an address exactly if it owns it; an owner is open."
        "cleaning up one table and not the other; a second registration that orphans the first address",
    I2 [Input Nodes] "versions grow"
        "Each registration and each renewal of an address bears a greater version while the hub knows the address; nothing else changes its version."
        "a takeover that starts again at 1",
    I3 [Input Nodes] "last registration wins"
        "From an accepted registration on, the address belongs to that session until the next registration, an unregister or disconnect by it, a narrower token, expiry, or its end; that another session has the address is no reason to refuse one."
        "refusing the newcomer while the dead one is registered",
    I4 [Input Nodes] "stale events are inert"
        "What comes from or about a session that does not own an address leaves the address's owner, version, topics and deadline as they were, but a detached address may have to make room."
        "the old connection's late close deleting the new registration",
    I5 [Input Nodes] "takeover is told"
        "A superseded session gets exactly one duplicate_connection notice, before its close; one that loses an address by expiry or by a narrower token gets exactly one; no other session gets one."
        "closing first, telling twice, not telling",
    I6 [Input Nodes] "nothing to the superseded"
        "Nothing is delivered for an address to a session that no longer owns it."
        "routing by a stale entry",
    I7 [Input] "a session id is not an address"
        "No registration, subscription or sender is a session id, nor is anybody registered as the hub; a session without a registration holds and routes nothing."
        "filing subscriptions under the temporary session id",
    I8 [Input] "authentic sender"
        "The sender that a delivery names is an address that its session owned."
        "trusting the envelope's `from`",
    I9 [Input] "no resurrection"
        "A session that is over owns nothing, has nothing queued and is sent nothing."
        "completing a registration for a closed session",
    I10 [Input] "authorised change"
        "Unregister, renew, subscribe and unsubscribe touch only what the session owns, or the address whose current token they bear; a token works once, but for the owner the one that the registration came with; the current one works."
        "unregistering by name alone; a renewal token that is not spent",
    I11 [Input] "refusals change nothing"
        "A refused request leaves every row as it was."
        "taking the address over before finding that the hub is full",
    I12 [Input] "legal lifecycle"
        "A session goes from connecting to connected to over, only forward, and ends once; before it is connected nothing is carried out but hub:connect, and if that is refused it is over."
        "a close that is counted or recorded twice",
    I13 [Input Nodes] "two indexes, one truth"
        "An address has a topic exactly if the topic has the address, and only known addresses have topics."
        "unsubscribing in one index only; expiry that leaves the topics behind",
    I14 [Input Nodes] "subscriptions survive reconnection"
        "Over takeover, detach and resume an address's topics change only by its own subscribe and unsubscribe."
        "a takeover that starts the address anew",
    I15 [Input] "exact unsubscribe"
        "An unsubscribe, by topic or by id, ends that subscription and no other, and nothing published to it later arrives."
        "removing all topics",
    I16 [Input Nodes] "subscribed means delivered"
        "A publication is handed over to every address that is subscribed to its topic, or its drop is recorded; an accepted subscribe takes effect."
        "a publication to the first subscribers only",
    I17 [Input] "grace is exclusive"
        "An address has a grace deadline exactly while it is detached, unless only durable subscriptions are left of it; it begins with the detachment, ends with the resume, and forgets only the detachment that set it."
        "a grace deadline that is not cancelled by the resume",
    I18 [Input Client Nodes] "at most once"
        "A message reaches a recipient address at most once."
        "delivering again after a reconnect; forgetting the outcome of an ask",
    I19 [Input Client] "no invention"
        "What is delivered was sent, unaltered, to that address or to a topic it had."
        "flushing the old session's queue into the new one",
    I20 [Client Nodes] "FIFO per pair"
        "What one session sends reaches another session in the order of sending."
        "a second queue for large messages",
    I21 [Input Client Milestone] "no gap without a record"
        "Each recipient of an accepted message gets one copy or one record of why not; what is handed over to a session arrives as long as that stays up."
        "a full queue that drops in silence; a writer that loses a batch",
    I22 [Input] "independence"
        "A recipient that is slow, full or gone takes no other recipient's copy away."
        "a broadcast that stops at the first recipient that fails",
    I23 [Input Nodes] "honest counts"
        "What an answer counts as delivered is exactly what was handed over, what it counts as failed is what was dropped, and a broadcast leaves nobody out."
        "counting subscribers instead of copies",
    I24 [Input Nodes] "one outcome per ask"
        "Each ask on a session that stays up gets exactly one reply, on that session, bearing its id; asked again, it gets the same reply; so do a heartbeat by tell and, with an error, a frame that is no envelope; nothing else gets a reply."
        "a handler that throws where an ask waits",
    I25 [Input Nodes] "truthful errors"
        "What a refusal says was so when the hub decided; what asks too much or speaks another version is refused."
        "`unknown_actor` for an actor that is registered; `rate_limited` for a session that did not ask too much",
    I26 [Input] "tell is quiet"
        "A tell gets no reply and no error beyond the protocol's list."
        "an error frame for a tell",
    I27 [Input] "TTL respected"
        "Nothing is handed over or written after the end of its time to live."
        "a queue that keeps what no longer counts",
    I28 [Input Nodes] "conservation"
        "Sessions opened are open or closed; frames received are handled, refused, malformed, ignored or pings that came too fast, or wait for other nodes; every counter is what the history shows, every gauge the size of its set, every queue what was put in and not taken out."
        "counting a close twice; a gauge that drifts",
    I29 [Input Nodes] "bounded"
        "Every queue and table is within its bound; at a bound the protocol's policy happens, neither before nor after."
        "a queue that grows for a sleeper; a full hub that lets one more in",
    I30 [Input Nodes] "timers have owners"
        "Each armed deadline belongs to an open session or a known address and is not past, and what must end has one."
        "a session that may be silent for ever",
    I31 [Input] "honest timeouts"
        "A session is closed for silence only after all of idle_timeout without a sign of life, and for not connecting only after all of connect_timeout; the time in which the hub stood still does not count."
        "the old session's idle deadline closing the new one",
    I32 [Input] "the living do not expire"
        "A registration, a renewal, and a heartbeat where the registration says so, gives the whole time to live, and as much more as the hub stands still; nothing expires before."
        "a renewal that does not move the deadline",
    I33 [Input Nodes] "discovery tells the truth"
        "What discover and list answer is exactly who is registered and not expired, with what they registered; a page that ends early ends at its bound and leads on."
        "expiry that never sweeps",
    I34 [Director Nodes] "no leak"
        "With all clients gone and all deadlines past, every table is empty, but for durable subscriptions."
        "a deadline without an owner",
    I35 [Runs] "determinism"
        "The same scenario and seed give the same run, byte by byte, in another process and on another number of threads."
        "iterating in hash order",
    I36 [Input Nodes] "numbered in order"
        "What the hub accepts for an address that recovers is numbered 1, 2, 3, ... in each epoch, in the order of its decisions; each copy bears its number."
        "counting on both ends; a number that a refused message has used up",
    I37 [Input Nodes] "replayed whole and first"
        "A position that counts is answered by exactly the kept messages after it that are in time, each once, in order, and before anything later; a replay waits for nothing but room."
        "live messages between the resume and the replay; a replay that begins again each time",
    I38 [Input Nodes] "recovered means nothing is missing"
        "The hub says recovered only if nothing after the position is lost but what its time to live ended."
        "a position ahead that is accepted; recovered although a restart lost the log",
    I39 [Input Nodes] "refused for a reason"
        "A position is refused only if it does not count, and the reason is so."
        "a floor that is off by one",
    I40 [Client] "no silent hole"
        "A client that recovers hands its user no number after a missing one, unless it tells of a gap, or of as many that expired; nor one of another epoch."
        "a client that goes on behind a gap; a position that is forgotten",
    I41 [Client] "each number once"
        "A client that recovers hands each number of an epoch to its user at most once, over all its connections."
        "handing over what the client has seen",
    I42 [Input] "a log within bounds"
        "A log keeps the latest messages within its bounds of number, bytes and age, loses the oldest first, and only if it must; what is to be replayed is not lost."
        "bytes that are not counted; a log that is cleared when its address is detached",
    I43 [Input] "one epoch, one log"
        "An epoch never returns, and ends only with the hub, a takeover without a position that counts, a registration that does not recover, or the address."
        "an epoch that outlives a takeover",
    I44 [Input Nodes] "nothing for who does not ask"
        "Who does not ask to recover gets no number and no word of recovery."
        "a number for everybody",
    I45 [Input] "queued is kept"
        "What is called queued is kept and was handed to nobody; it is replayed later, or a record says why not."
        "a queued message that is forgotten with its address",
    I46 [Nodes] "fenced and silent"
        "A node that has fenced itself hands nothing out."
        "a fenced node that goes on with what other nodes send to it",
    I47 [Nodes] "each its own rows"
        "The rows of a node's life are written by that node alone, but for declaring it dead, taking an address over, and clearing what it left."
        "deleting a row whatever it is by then",
    I48 [Nodes] "the copy is the log"
        "What a node knows of the rows is what the log says, no older than what its watch has shown; it writes no row of an address before a watch has shown all rows."
        "an old read that is taken for news; a watch that ended without a word; rows that the engine lost",
    I49 [Nodes] "no version without a row"
        "No session is told a version that no row has."
        "a write of unknown outcome that counts as carried out; a registration that is told before its row is written",
    I50 [Nodes] "a death writes no address"
        "The end of a node's life changes no row of an address; what it had is cleared once the resume window has passed."
        "news of a death that is taken for the permission to clear",
    I51 [Input Nodes] "bounded work"
        "What one input makes the hub go through and write anew is bounded by the size of the input and of its outcome, and by the walk that its request is."
        "counting a session's subscriptions at each subscribe; looking for one name among all",
    I52 [Input] "accounted memory"
        "What the hub accounts for is what it was given to keep, and no more than its settings allow, each part of a registration by itself."
        "a registration whose metadata have no bound, or are not counted",
    I53 [Input] "one principal"
        "Where the hub demands tokens, a session acts for the principal of a token that is genuine; an address that the hub knows is held, resumed, renewed, unregistered and heard by its principal alone, as long as the hub knows it. Only the actor that a token names takes its address from one who has it by a pattern, and nothing with it."
        "a takeover that looks at nothing but the address; a pattern that is matched on its beginning",
    I54 [Input] "no longer than the token"
        "No session begins before its token or outlives it, to the millisecond of the hub's clock, and none keeps an address that its newer token does not allow: that is detached."
        "a refreshed token whose end nobody watches",
    I55 [Input] "told and silent"
        "A session is told once of each address that its newer token costs it; what a refusal says of an address or a renewal token is the same, whoever's that is."
        "a refusal that names the principal who is in the way",
    I56 [Input] "who acts"
        "What needs an identity is done as the address that it names if its session has that, else, if nobody has it, as the session's earliest; otherwise it is refused."
        "a request in another's name that is carried out in one's own; the wrong one of several addresses",
    I57 [Input] "replies tell what happened"
        "What a reply repeats is what was asked, and what it says of the address, the subscription or the session is so; a trace id comes back; whoever gives an address back or says goodbye is forgotten."
        "an expiry that is told and not set; another id for the same subscription",
    I58 [Input] "a pause ends"
        "A session is told to pause once, and to go on as soon as the queue that it was paused for is below resume_threshold or its session is over; nobody else is told to go on."
        "a sender that waits for one who died",
    I59 [Input Client] "acknowledged is stored"
        "A hub with a store begins with the addresses, subscriptions and kept messages of a moment of its last life, after all that anybody was told of it; unless it synced nothing and did not end in order, then with none of the kept messages."
        "an acknowledgement that leaves before the sync; a row that a takeover does not write; a kept message that comes back; a start that forgets what was registered",
    I60 [Input Client] "no way back"
        "No start brings an address back to an epoch or a number before one that somebody was told, nor to such a version unless the hub synced nothing and did not end in order."
        "a start that numbers from 1; the log of an epoch that had ended; numbers that go on though nothing was synced",
    I61 [Input Milestone] "full is no end"
        "To a store that is full nothing is added; a hub with a full store or a full disk goes on, and gives up only if its disk fails."
        "a bound that nobody looks at; a full disk that is taken for a broken one",
    Expected [Director] "as the scenario says"
        "An actor that a scenario expects to see something sees it, in time and in order."
        "a reply that never comes",
    NoPanic [Director Nodes] "nothing panics"
        "Neither the hub, the server nor a client panics, whatever happens to it."
        "an assertion of ours that a hostile peer can break",
    SameOnBackends [Runs] "backends agree"
        "A scenario passes or fails alike on message and on simulated, and its actors see the same, as far as chance has no part in it."
        "a model of the clients that gets another clock than the client that ships",
    Own [Input Client Milestone] "as somebody else says"
        "What a program adds with judge_also holds."
        "what only those know who build on the hub",
    L1 [Director Nodes] "whoever keeps trying is registered"
        "Within 120 s after the faults, a client that keeps trying is registered, and the hub and the client agree on it."
        "two owners taking an address from each other for ever",
    L2 [Director] "half-open sessions end"
        "A session that no client knows of is closed within idle_timeout and one ping interval."
        "no idle timeout",
    L3 [Milestone] "every ask ends"
        "When it is calm, every ask that was written 5 s ago has its reply, or its client knows that the connection is lost."
        "an ask that is handled by a session that forgot it",
    L4 [Director Nodes] "fresh messages arrive"
        "After the faults, a fresh message from any actor to any other arrives within the network's latency."
        "a session that nobody writes to any more",
    L5 [Director] "rest is reached in time"
        "With all clients gone, the hub is empty once idle_timeout, close_timeout, resume_window and the longest time to live are past; what goes later is late, what stays breaks I34."
        "a resume window that begins anew at each tick",
    L6 [Input Nodes] "no ping-pong"
        "After the faults, an address is taken over at most once for each connection that was there or came."
        "clients that come back after 4003",
    L7 [Client] "the slow delay nobody"
        "A copy for a recipient that nothing troubles arrives within the network's latency, whatever other recipients do."
        "a hub that waits for a slow socket",
    L8 [Input Milestone] "shutdown ends"
        "A shutdown tells and closes every session at once, lets nobody in, and the hub is gone within shutdown_timeout and close_timeout."
        "waiting for a client that never reads",
    L9 [Input Client Nodes] "whoever comes back recovers"
        "After the faults, a client that comes back recovers, if the hub still keeps everything after what it has read."
        "a client that shows no position until its first message",
    L10 [Input Client] "a good token gets in"
        "Whoever shows a good token is let in, and back in to what is its principal's; a token that is refreshed in time costs no session, and no address that the newer one allows; a client whose source has the next one shows it in time."
        "the end of the first token that ends a session with a newer one",
}

impl verdict::Invariant for Invariant {
    const ALL: &'static [Self] = Invariant::ALL;
    const EXPECTED: Self = Invariant::Expected;
    const NO_PANIC: Self = Invariant::NoPanic;
    const DETERMINISTIC: Self = Invariant::I35;
    const SAME_ON_BACKENDS: Self = Invariant::SameOnBackends;

    fn sentence(self) -> &'static str {
        Invariant::sentence(self)
    }

    fn is_liveness(self) -> bool {
        self as u8 >= Invariant::L1 as u8
    }

    fn goes_by_time(self) -> bool {
        self.is_liveness() || matches!(self, Invariant::Expected)
    }

    fn is_shown_by_event(self) -> bool {
        !matches!(self.judged(), [When::Director | When::Runs | When::Nodes, ..])
    }

    fn is_judged(self) -> bool {
        match self {
            Invariant::Own => super::own_command().is_some(),
            _ => self.judged() != [When::Nodes],
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} {}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    fn row(invariant: Invariant) -> String {
        let judged: Vec<String> = invariant.judged().iter().map(|w| format!("{w:?}")).collect();
        let judged = judged.join(", ").to_lowercase();
        let (name, sentence, caught) = (invariant.name(), invariant.sentence(), invariant.caught());
        format!("| {invariant:?} | {name} | {sentence} | {judged} | {caught} |\n")
    }

    /// `SIGNAL_HUB_UPDATE=1` writes the table.
    #[test]
    fn the_pages_table_is_the_catalogue() {
        let (begin, end) = ("|---|---|---|---|---|\n", "\nWhere one event breaks several");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/INVARIANTS.md");
        let page = fs::read_to_string(path).expect("the page can be read");
        let (head, rest) = page.split_once(begin).expect("the page has the table's head");
        let (_, tail) = rest.split_once(end).expect("the page goes on behind the table");
        let table: String = Invariant::ALL.iter().copied().map(row).collect();
        let updated = format!("{head}{begin}{table}{end}{tail}");
        if env::var_os("SIGNAL_HUB_UPDATE").is_some() {
            fs::write(path, updated).expect("the page can be written");
        } else {
            assert!(page == updated, "set SIGNAL_HUB_UPDATE=1 to write docs/INVARIANTS.md");
        }
    }
}
