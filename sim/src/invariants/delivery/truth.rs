//! I25: what a refusal says was so when the hub decided.
//!
//! Where a deadline that was due at that very moment may have changed the answer, nothing is said.

use signal_hub::hub::{Config, DropReason, Phase, Record, SessionRow};
use signal_hub::protocol::{
    ActorAddress, ErrorCode, PROTOCOL_VERSION, Pattern, Recover, Renew, Reply, Request, Unregister,
    Verb,
};

use super::super::transition::RequestTransition;
use super::super::{HubObserver, Invariant, Transition, Verdict, broken};
use crate::history::HubEvent;

/// Bytes of what surrounds the data in a frame, at most: the keys, and the names, all escaped.
const AROUND_MAX: usize = 4096;

/// I25.
pub struct Truth {
    config: Config,
    /// Whether the hub has a store, which can be full: I61 judges when.
    stores: bool,
}

impl Truth {
    pub fn new(config: &Config) -> Self {
        Self { config: config.clone(), stores: false }
    }
}

impl HubObserver for Truth {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        let Some(asked) = transition.asked.as_ref().filter(|asked| asked.heard) else {
            return Ok(());
        };
        let said = |what: &str| {
            let (session, request) = (asked.session, asked.request);
            broken(
                Invariant::I25,
                format!("the {} {} of {session} {what}", request.type_name, request.id),
            )
        };
        if let Some(Reply::Error(refusal)) = asked.reply
            && asked.refused != Some(refusal.code)
        {
            return said(&format!("hears {:?}, the record says {:?}", refusal.code, asked.refused));
        }
        if asked.rate_limited && asked.refused != Some(ErrorCode::RateLimited) {
            return said("came too soon and was not refused for that");
        }
        let Some(row) = transition.was(asked.session) else { return Ok(()) };
        if let Some(Verb::Connect(connect)) = asked.accepted()
            && !is_spoken(&connect.protocol_version)
        {
            return said("speaks another version and was not refused for that");
        }
        match asked.refused {
            _ if asked.rate_limited => Ok(()),
            None => self.nobody_there(transition, asked),
            Some(code) if self.is_so(transition, asked, row, code) => Ok(()),
            Some(code) => said(&format!("was refused for {code:?}, and that is not so")),
        }
    }

    fn hub_restored(&mut self, _hub: &HubEvent) -> Verdict {
        self.stores = true;
        Ok(())
    }
}

/// Returns whether the message is recorded as dropped, since its recipient is away.
fn is_left_out(transition: &Transition<'_>, asked: &RequestTransition<'_>) -> bool {
    transition.records().any(|record| {
        matches!(record, Record::MessageDropped { message, why: DropReason::Detached, .. }
            if *message == asked.request.id)
    })
}

impl Truth {
    /// hub:unknown_actor exactly if nobody is registered there.
    fn nobody_there(&self, transition: &Transition<'_>, asked: &RequestTransition<'_>) -> Verdict {
        let Some(Verb::Send(send)) = asked.accepted() else { return Ok(()) };
        let (Some(reply), Pattern::Ask) = (asked.reply, asked.request.pattern) else {
            return Ok(());
        };
        let to = send.to.address();
        let waits = |to| send.queue && transition.before.log(to).is_some();
        let somebody = to.as_ref().is_some_and(|to| {
            // What has no room in the log is as good as unknown: I42 judges that.
            transition.before.owner(to).is_some() || waits(to) && !is_left_out(transition, asked)
        });
        let unknown = matches!(reply, Reply::UnknownActor(_));
        if unknown != somebody || to.is_some_and(|to| transition.is_due(&to)) {
            Ok(())
        } else {
            broken(
                Invariant::I25,
                format!(
                    "{} is {} and the answer is {}",
                    send.to,
                    if somebody { "registered" } else { "not registered" },
                    reply.type_name()
                ),
            )
        }
    }

    fn is_so(
        &self,
        transition: &Transition<'_>,
        asked: &RequestTransition<'_>,
        row: &SessionRow,
        code: ErrorCode,
    ) -> bool {
        let request = asked.request;
        let connects = request.type_name == "hub:connect";
        if (row.phase == Phase::Connecting) != connects {
            return code == ErrorCode::Unauthorized;
        }
        let verb = match &request.verb {
            Ok(verb) => verb,
            Err(refusal) => return code == refusal.code,
        };
        match code {
            ErrorCode::VersionMismatch => {
                matches!(verb, Verb::Connect(connect) if !is_spoken(&connect.protocol_version))
            }
            ErrorCode::Unauthorized => self.is_unauthorized(transition, asked, row, verb),
            ErrorCode::RateLimited => self.is_at_bound(transition, asked, row, verb),
            ErrorCode::MessageExpired => request.ttl.is_some_and(|ttl| {
                transition.now > request.timestamp + ttl + self.config.clock_skew
                    && verb.is_delivery()
            }),
            // What a token says, the history does not tell.
            ErrorCode::InvalidToken => matches!(verb, Verb::RefreshToken(_) | Verb::Connect(_)),
            ErrorCode::BroadcastLimitExceeded => self.is_broadcast_too_wide(transition, verb),
            ErrorCode::MessageTooLarge => self.is_too_long(asked, verb),
            // Reserved, said of payloads that are wrong, or by nodes of a cluster alone.
            ErrorCode::InternalError
            | ErrorCode::UnknownActor
            | ErrorCode::Timeout
            | ErrorCode::Unavailable
            | ErrorCode::Other => false,
        }
    }

    fn is_unauthorized(
        &self,
        transition: &Transition<'_>,
        asked: &RequestTransition<'_>,
        row: &SessionRow,
        verb: &Verb,
    ) -> bool {
        let is_own =
            |address: &ActorAddress| row.addresses.contains(address) && !transition.is_due(address);
        match verb {
            // What a token allows, the history does not tell.
            Verb::Connect(_) => true,
            Verb::Register(register) => {
                row.deadlines.token.is_some() || register.actor_address == self.config.hub_address
            }
            Verb::Unregister(Unregister { actor_address: Some(address) })
            | Verb::Recover(Recover { actor_address: Some(address), .. }) => !is_own(address),
            // Whether the token is spent is the business of I10.
            Verb::Renew(Renew { renewal_token: Some(_) }) => true,
            verb => verb.needs_identity() && lacks_identity(transition, asked.request, row),
        }
    }

    fn is_at_bound(
        &self,
        transition: &Transition<'_>,
        asked: &RequestTransition<'_>,
        row: &SessionRow,
        verb: &Verb,
    ) -> bool {
        let adds = matches!(verb, Verb::Send(_) | Verb::Register(_) | Verb::Subscribe(_));
        if self.stores && adds && asked.says_store_full().unwrap_or(true) {
            return true;
        }
        match verb {
            Verb::Send(_) => transition.records().any(|record| {
                matches!(record, Record::MessageDropped { message, why: DropReason::QueueFull, .. }
                    if *message == asked.request.id)
            }),
            Verb::Register(register) => {
                let address = &register.actor_address;
                let is_new =
                    transition.before.address(address).is_none() || transition.is_due(address);
                let full = transition.before.address_count() >= self.config.registrations_max;
                let detached = transition.before.address_rows().any(|(address, row)| {
                    row.registration.is_some_and(|row| row.owner.is_none())
                        && !transition.is_due(address)
                });
                is_new && full && !detached
                    || !row.addresses.contains(address)
                        && row.addresses.len() >= self.config.addresses_per_session_max
            }
            Verb::Subscribe(_) => {
                let topics = row.addresses.iter().filter_map(|a| transition.before.address(a));
                let held: usize = topics.map(|row| row.topics.len()).sum();
                held >= self.config.subscriptions_per_session_max
            }
            _ => false,
        }
    }

    /// Returns whether what comes of the request can be longer than clients were told to take.
    fn is_too_long(&self, asked: &RequestTransition<'_>, verb: &Verb) -> bool {
        let metadata = asked.request.metadata.len();
        let data = match verb {
            Verb::Heartbeat(heartbeat) => heartbeat.timestamp.len(),
            Verb::RefreshToken(refresh) => refresh.token.as_str().len(),
            verb => match verb.carries_data() {
                Some((kind, data)) => 6 * kind.len() + data.len() + metadata,
                None => return false,
            },
        };
        data + AROUND_MAX > self.config.message_bytes_max
    }

    fn is_broadcast_too_wide(&self, transition: &Transition<'_>, verb: &Verb) -> bool {
        let before = transition.before;
        let all = before.address_rows().filter(|(address, row)| {
            let live = row.registration.is_some_and(|registration| registration.owner.is_some());
            live || before.log(address).is_some()
        });
        matches!(verb, Verb::Broadcast(_)) && all.count() > self.config.broadcast_recipients_max
    }
}

/// Returns whether nobody can act in the request: the sender that it names is another's, or the session
/// has no address.
fn lacks_identity(transition: &Transition<'_>, request: &Request, row: &SessionRow) -> bool {
    let some_due = row.addresses.iter().any(|address| transition.is_due(address));
    let others =
        !row.addresses.contains(&request.from) && transition.before.owner(&request.from).is_some();
    some_due || others || row.addresses.is_empty()
}

/// Returns whether the version is one that this protocol is a version of.
fn is_spoken(version: &str) -> bool {
    major(version) == major(PROTOCOL_VERSION)
}

fn major(version: &str) -> &str {
    version.split_once(['.', '-']).map_or(version, |(major, _)| major)
}
