//! The one table of settings. Flags, environment, file, `--print-config` and docs/OPERATIONS.md
//! are all made from it; the defaults are those of the structs that the settings fill.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::process::Process;
use crate::hub::Config;
use crate::server::Limits;

/// One setting, named as in the file: `--idle-timeout`, `SIGNAL_HUB_IDLE_TIMEOUT`, `idle_timeout`.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub part: Part,
    pub kind: Kind,
    /// One sentence or two, without the unit and the default.
    pub about: &'static str,
}

/// Which struct a setting fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// [`Process`].
    Process,
    /// [`Limits`].
    Limits,
    /// [`Config`].
    Hub,
}

/// What may stand in a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Duration {
        min: Duration,
        max: Duration,
    },
    Count {
        unit: &'static str,
        min: u64,
        max: u64,
    },
    ActorAddress,
    /// `host:port`.
    Socket,
    /// `host:port` of a loopback interface.
    Loopback,
    Path,
    /// On or off; as a flag without a value, on.
    Switch,
    /// Only in the environment: anybody can list arguments, and files are copied and shown. What
    /// stands in it is looked at and let go.
    Secret,
    Filter,
    /// Names of WebSocket subprotocols; with commas between them outside the file.
    Subprotocols,
    /// Origins of web pages; with commas between them outside the file.
    Origins,
}

impl Setting {
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    pub fn variable(&self) -> String {
        format!("SIGNAL_HUB_{}", self.name.to_uppercase())
    }

    /// What it is if nobody says anything; null: it is off.
    pub fn default(&self) -> Value {
        let fields = match self.part {
            Part::Process => fields(&Process::default()),
            Part::Limits => fields(&Limits::default()),
            Part::Hub => fields(&Config::default()),
        };
        fields.get(self.name).cloned().unwrap_or_default()
    }
}

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

fn fields<T: Serialize>(part: &T) -> Map<String, Value> {
    match serde_json::to_value(part) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const MANY: u64 = 100_000_000;
const GIBIBYTE: u64 = 1024 * 1024 * 1024;

const fn time(min: Duration, max: Duration) -> Kind {
    Kind::Duration { min, max }
}

const fn count(unit: &'static str, min: u64, max: u64) -> Kind {
    Kind::Count { unit, min, max }
}

const fn setting(part: Part, name: &'static str, kind: Kind, about: &'static str) -> Setting {
    Setting { name, part, kind, about }
}

const fn process(name: &'static str, kind: Kind, about: &'static str) -> Setting {
    setting(Part::Process, name, kind, about)
}

const fn limits(name: &'static str, kind: Kind, about: &'static str) -> Setting {
    setting(Part::Limits, name, kind, about)
}

const fn hub(name: &'static str, kind: Kind, about: &'static str) -> Setting {
    setting(Part::Hub, name, kind, about)
}

/// Every setting, in the order in which people read them.
#[rustfmt::skip]
pub static SETTINGS: &[Setting] = &[
    process("listen", Kind::Socket, "Where to listen, by address or by name; port 0 takes a free one."),
    process("admin_listen", Kind::Loopback, "Where /metrics, /debug and /health are served, to this machine only; off if not set."),
    process("tls_cert", Kind::Path, "The certificate chain as PEM, the server's own first; with it the port speaks TLS only."),
    process("tls_key", Kind::Path, "The private key of the certificate, as PEM."),
    process("auth_secret_file", Kind::Path, "A file with a secret: bearers of tokens that are signed with it (HS256) are let in, and nobody else."),
    process("auth_secret", Kind::Secret, "The same secret itself; in the environment only, and never printed."),
    process("auth_public_key", Kind::Path, "A public key as PEM: bearers of tokens that its owner signed are let in, and nobody else. RS256 for an RSA key, EdDSA for an Ed25519 key."),
    process("allow_unauthenticated", Kind::Switch, "Without a key, serve everybody who can reach an address that is not this machine's alone."),
    process("log", Kind::Filter, "What is logged to stderr: a level, or a filter as in RUST_LOG, which counts where this is not set."),
    process("audit", Kind::Path, "Where audit records are appended, one JSON object a line; `-` is stdout; off if not set."),
    process("audit_lines_max", count("lines", 1, 1_000_000), "Audit lines that wait to be written; further ones are dropped and counted."),
    process("audit_bytes_max", count("bytes", 64 * 1024, 64 * GIBIBYTE), "Their bytes, together."),
    limits("allowed_origins", Kind::Origins, "Origins whose web pages may connect, * for all; others get 403. None named: all may where tokens are demanded, else those of this machine. What sends no Origin is no page and may."),
    limits("subprotocols", Kind::Subprotocols, "WebSocket subprotocols that may be agreed on, the best first; an offer of others is answered without one, and browsers give up then. The hub speaks the same in all of them."),
    limits("connections_max", count("connections", 0, MANY), "Open connections, sessions or not; further ones wait in the backlog. 0: sessions_max and connections_spare."),
    limits("connections_spare", count("connections", 0, MANY), "Connections beyond sessions_max where connections_max is 0: handshakes, goodbyes, health checks, and whom a full hub turns away."),
    limits("connections_per_peer_max", count("connections", 0, MANY), "Open connections from one IP address; further ones are closed at once. 0: no bound."),
    limits("connections_per_second_max", count("connections", 0, MANY), "Connections accepted in a second, as many at once after a pause; later ones wait in the backlog. 0: no bound."),
    limits("connections_per_second_per_peer_max", count("connections", 0, MANY), "The same from one IP address; further ones are closed at once. 0: no bound."),
    limits("request_bytes_max", count("bytes", 8 * 1024, GIBIBYTE), "One HTTP request, while it is read."),
    limits("excess_bytes_max", count("bytes", 0, GIBIBYTE), "Bytes of a message beyond its bound, and of what follows, that are read and thrown away, so that its sender gets to read the error; then the connection is cut."),
    limits("batch_messages_max", count("messages", 1, MANY), "Messages that are written to a session before they count as out of its queue."),
    limits("batch_bytes_max", count("bytes", 1024, GIBIBYTE), "Bytes that are written to a session before they count as out of its queue; a peer that cannot take them within slow_consumer_timeout counts as stuck."),
    limits("pongs_queued_max", count("pings", 1, MANY), "Pings of a client that are answered before the answers must have left; until then it is not read."),
    limits("events_max", count("inputs", 1, MANY), "Inputs on their way to the hub; readers wait while there are so many."),
    limits("accept_pause", time(MILLISECOND, HOUR), "The pause after a failed accept."),
    limits("admin_connections_max", count("connections", 1, MANY), "Open connections of the admin listener; further ones are closed at once."),
    limits("admin_timeout", time(MILLISECOND, HOUR), "How long the hub may take to answer the admin listener; then that answers 503."),
    limits("debug_rows_max", count("rows", 1, MANY), "Rows of each table that /debug shows."),
    hub("hub_address", Kind::ActorAddress, "The hub's own address; nobody can register it."),
    hub("connect_timeout", time(MILLISECOND, HOUR), "From accept to the end of the handshakes, and from there to hub:connect (close 4005)."),
    hub("refusal_linger", time(Duration::ZERO, HOUR), "How long a connection stays whose hub:connect, an ask, was refused, unless its client closes it: some clients read the error only then. 0s: it is closed at once."),
    hub("idle_timeout", time(MILLISECOND, DAY), "Silence that closes a session 4004."),
    hub("ping_interval", time(MILLISECOND, DAY), "How often the hub pings at WebSocket level."),
    hub("heartbeat_interval", time(MILLISECOND, DAY), "What clients are told to send heartbeats at."),
    hub("resume_window", time(Duration::ZERO, DAY), "How long a detached address keeps its subscriptions; 0s: not at all."),
    hub("slow_consumer_timeout", time(MILLISECOND, HOUR), "How long a session may stay at its queue's bound, or a queue that is not below resume_threshold may stand still; then it is closed 1013."),
    hub("clock_skew", time(Duration::ZERO, DAY), "What clocks may differ by before a message counts as expired on arrival."),
    hub("shutdown_timeout", time(Duration::ZERO, HOUR), "How long a shutdown waits for queues to empty."),
    hub("close_timeout", time(MILLISECOND, HOUR), "How long the hub waits for the peer's part of a close handshake."),
    hub("connect_bytes_max", count("bytes", 1024, GIBIBYTE), "The largest message that is read before hub:connect; message_bytes_max if that is less."),
    hub("token_bytes_max", count("bytes", 1024, GIBIBYTE), "The largest token that is looked at."),
    hub("message_bytes_max", count("bytes", 1024, GIBIBYTE), "The largest frame that is read."),
    hub("type_bytes_max", count("bytes", 1, GIBIBYTE), "A message's type, the envelope's and the application's."),
    hub("metadata_bytes_max", count("bytes", 2, GIBIBYTE), "An envelope's metadata, but for those of hub:connect."),
    hub("registration_metadata_bytes_max", count("bytes", 2, GIBIBYTE), "A registration's metadata."),
    hub("registration_metadata_depth_max", count("levels", 1, 128), "How deep objects and arrays in a registration's metadata may lie in each other."),
    hub("capabilities_max", count("capabilities", 1, MANY), "Capabilities of one registration."),
    hub("capability_bytes_max", count("bytes", 1, GIBIBYTE), "One capability of a registration."),
    hub("queue_messages_max", count("messages", 1, MANY), "Messages in one session's outgoing queue."),
    hub("queue_bytes_max", count("bytes", 1024, 64 * GIBIBYTE), "Bytes in one session's outgoing queue."),
    hub("sessions_max", count("sessions", 1, MANY), "Open sessions."),
    hub("registrations_max", count("addresses", 1, MANY), "Registered and detached addresses."),
    hub("addresses_per_session_max", count("addresses", 1, MANY), "Addresses that one session has registered."),
    hub("scan_rows_max", count("rows", 1, MANY), "Registrations that one hub:discover or hub:list_actors may look at; its answer says where to go on. 128 bytes of metadata that are compared count as one."),
    hub("subscriptions_per_session_max", count("subscriptions", 1, MANY), "Subscriptions that the addresses of one session hold together."),
    hub("malformed_per_minute_max", count("frames", 1, u32::MAX as u64), "Malformed frames within a minute; the last of them closes the session 1008."),
    hub("broadcast_recipients_max", count("actors", 1, MANY), "Actors that one broadcast may go to; beyond it is refused."),
    hub("rate_limit_per_second", count("requests", 0, MANY), "Requests a second that one session may make for long; 0: any number."),
    hub("rate_limit_burst", count("requests", 0, MANY), "Requests that one session may make at once after a pause."),
    hub("rate_limit_bytes", count("bytes", 0, GIBIBYTE), "Bytes of a frame that weigh as much as one more request; 0: they weigh nothing."),
    hub("rate_limit_rows", count("rows", 0, MANY), "Recipients of a request, or registrations that it looks at as scan_rows_max counts them, that weigh as much as one more; 0: they weigh nothing."),
    hub("ping_limit_per_second", count("pings", 0, MANY), "Heartbeats and text pings a second that one session may send for long; 0: any number, as with rate_limit_per_second 0."),
    hub("ping_limit_burst", count("pings", 0, MANY), "Heartbeats and text pings that one session may send at once after a pause."),
    hub("dedupe_window", time(Duration::ZERO, DAY), "How long an ask that comes again gets its first outcome; 0s: not at all."),
    hub("dedupe_entries_max", count("outcomes", 1, MANY), "Outcomes that are remembered for asks that may come again; at the bound the oldest of the address with most goes."),
    hub("dedupe_entries_per_address_max", count("outcomes", 1, MANY), "Outcomes that are remembered for one address; at the bound its oldest goes."),
    hub("pause_threshold", count("messages", 2, MANY), "Messages in a session's outgoing queue beyond which those who feed it are told to pause."),
    hub("resume_threshold", count("messages", 1, MANY), "Messages in it below which they are told to resume."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::value::{is_set, parse};

    fn names(part: Part) -> Vec<&'static str> {
        let mut names: Vec<_> =
            SETTINGS.iter().filter(|row| row.part == part).map(|row| row.name).collect();
        names.sort_unstable();
        names
    }

    fn keys<T: Serialize>(part: &T) -> Vec<String> {
        let mut keys: Vec<_> = fields(part).into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn no_field_is_without_its_setting() {
        assert_eq!(names(Part::Hub), keys(&Config::default()));
        assert_eq!(names(Part::Limits), keys(&Limits::default()));
        assert_eq!(names(Part::Process), keys(&Process::default()));
    }

    #[test]
    fn no_two_settings_share_a_name() {
        let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
    }

    #[test]
    fn every_default_is_allowed() {
        for setting in SETTINGS {
            let text = match setting.default() {
                value if !is_set(setting.kind, &value) => continue,
                Value::String(text) => text,
                Value::Array(_) => continue,
                other => other.to_string(),
            };
            assert_eq!(parse(setting.kind, &text), Ok(setting.default()), "{}", setting.name);
        }
    }
}
