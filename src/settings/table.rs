//! The only table of settings. Flags, environment, file, `--print-config` and docs/OPERATIONS.md
//! all come from it; the defaults come from the structs that the settings fill.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::process::Process;
use crate::auth::Keys;
use crate::cluster::ClusterConfig;
use crate::hub::Config;
use crate::server::Limits;

/// One setting, named as in the file: `--idle-timeout`, `SIGNAL_HUB_IDLE_TIMEOUT`, `idle_timeout`.
#[derive(Debug)]
pub struct Setting {
    /// The name in the file.
    pub name: &'static str,
    /// The struct that it fills.
    pub part: Part,
    /// The values that it may have.
    pub kind: Kind,
    /// One or two sentences, without the unit and the default.
    pub about: &'static str,
}

/// The struct that a setting fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// [`Process`].
    Process,
    /// [`Limits`].
    Limits,
    /// [`Config`].
    Hub,
    /// [`ClusterConfig`], each field with `cluster_` before its name.
    Cluster,
}

/// The values that a setting may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A length of time, such as `1m 30s`.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A whole number.
    Count {
        /// The things that are counted, in the plural.
        unit: &'static str,
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// `@(path)`.
    ActorAddress,
    /// `host:port`.
    Socket,
    /// `host:port` of a loopback interface.
    Loopback,
    /// The path of a file.
    Path,
    /// The path of a directory.
    Directory,
    /// `always`, `never`, or a short time.
    StoreSync,
    /// On or off; a flag without a value means on.
    Switch,
    /// Only in the environment: anybody can list arguments, and files are copied and shown. The
    /// text is checked, and not kept.
    Secret {
        /// The fewest bytes.
        bytes_min: usize,
    },
    /// A level, or a filter as in `RUST_LOG`.
    Filter,
    /// Names of WebSocket subprotocols; with commas between them outside the file.
    Subprotocols,
    /// The name of a hub or of a cluster.
    NodeName,
    /// Addresses of servers of the engine; with commas between them outside the file.
    Engines,
    /// Origins of web pages; with commas between them outside the file.
    Origins,
}

impl Setting {
    /// The name of the flag, without `--`.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The name of the environment variable.
    pub fn variable(&self) -> String {
        format!("SIGNAL_HUB_{}", self.name.to_uppercase())
    }

    /// The default; null: off.
    pub fn default(&self) -> Value {
        let fields = match self.part {
            Part::Process => fields(&Process::default()),
            Part::Limits => fields(&Limits::default()),
            Part::Hub => fields(&Config::default()),
            Part::Cluster => fields(&ClusterConfig::new(Process::default().cluster_name)),
        };
        fields.get(self.field()).cloned().unwrap_or_default()
    }

    /// The name of the field that it fills.
    pub fn field(&self) -> &'static str {
        match self.part {
            Part::Process | Part::Limits | Part::Hub => self.name,
            Part::Cluster => self.name.trim_start_matches("cluster_"),
        }
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

const fn cluster(name: &'static str, kind: Kind, about: &'static str) -> Setting {
    setting(Part::Cluster, name, kind, about)
}

/// Every setting, in the order in which people read them.
#[rustfmt::skip]
pub static SETTINGS: &[Setting] = &[
    process("listen", Kind::Socket, "Where to listen, by address or by name; port 0 takes a free one."),
    process("admin_listen", Kind::Loopback, "Where to serve /metrics, /debug and /health, to this machine only; off if not set."),
    process("threads", count("threads", 1, 1_024), "Threads that serve connections; one at a time runs the hub. With 1 nothing passes from thread to thread, which costs least a message."),
    process("tls_cert", Kind::Path, "The certificate chain as PEM, the server's own first; with it the port speaks only TLS."),
    process("tls_key", Kind::Path, "The private key of the certificate, as PEM."),
    process("auth_secret_file", Kind::Path, "A file with a secret: bearers of tokens signed with it (HS256) may connect, and nobody else."),
    process("auth_secret", Kind::Secret { bytes_min: Keys::SECRET_BYTES_MIN }, "The same secret itself; in the environment only, and never printed."),
    process("auth_public_key", Kind::Path, "A public key as PEM: bearers of tokens signed with its private half may connect, and nobody else. RS256 for an RSA key, EdDSA for an Ed25519 key."),
    process("allow_unauthenticated", Kind::Switch, "Without a key, listen on addresses that other machines can reach, and serve everybody."),
    process("log", Kind::Filter, "What to log to stderr: a level, or a filter as in RUST_LOG, which applies if this is not set."),
    process("audit", Kind::Path, "The file to append audit records to, one JSON object per line; `-` is stdout; off if not set."),
    process("audit_lines_max", count("lines", 1, 1_000_000), "Audit lines that may wait to be written; further ones are dropped and counted."),
    process("audit_bytes_max", count("bytes", 64 * 1024, 64 * GIBIBYTE), "Bytes of audit lines that may wait to be written."),
    process("store", Kind::Directory, "The directory of the store, which outlives the hub: registrations' versions, detached addresses, subscriptions and kept messages; off if not set."),
    process("store_sync", Kind::StoreSync, "When the store is synced: always, before anybody hears of what is in it; a time, the same but up to so much later and for all that comes meanwhile at once; never, only when the hub ends in order."),
    process("store_bytes_max", count("bytes", 64 * 1024, 64 * GIBIBYTE), "Bytes of rows in the store, whose file is larger; at the bound what adds to it is refused."),
    process("cluster", Kind::Engines, "Servers of NATS, the engine that the hubs of one cluster share; none named: this hub is alone."),
    process("node", Kind::NodeName, "This hub's name in its cluster; no two hubs have the same, and each keeps its own."),
    process("cluster_name", Kind::NodeName, "The cluster's name: what its rows and messages are called at the engine."),
    process("cluster_replicas", count("servers", 1, 5), "Servers of the engine on which each row lies; 1 for a server that is alone."),
    process("cluster_credentials_file", Kind::Path, "A file that proves to the engine who the hub is: a file of credentials as `nsc` writes it, user:password, or a token."),
    process("cluster_credentials", Kind::Secret { bytes_min: 1 }, "The same text itself; in the environment only, and never printed."),
    process("cluster_root_certificates", Kind::Path, "The certificates of who may vouch for the engine's servers, as PEM; those that the system trusts if not set."),
    process("cluster_start_timeout", time(Duration::ZERO, HOUR), "How long a hub that starts waits for an engine that starts as well."),
    limits("allowed_origins", Kind::Origins, "Origins whose web pages may connect, * for all; others get 403. None named: all may connect if tokens are demanded, else those of this machine. A client that sends no Origin is no page and may connect."),
    limits("subprotocols", Kind::Subprotocols, "WebSocket subprotocols that the server may agree to, the best first. It answers an offer of others without one, upon which browsers give up. The hub speaks the same protocol in all of them."),
    limits("connections_max", count("connections", 0, MANY), "Open connections, whether sessions or not; further ones wait in the backlog. 0: sessions_max + connections_spare."),
    limits("connections_spare", count("connections", 0, MANY), "Connections beyond sessions_max if connections_max is 0: handshakes, goodbyes, health checks, and clients that a full hub refuses."),
    limits("connections_per_peer_max", count("connections", 0, MANY), "Open connections from one IP address; further ones are closed at once. 0: no bound."),
    limits("connections_per_second_max", count("connections", 0, MANY), "Connections accepted per second, and at once after a pause; further ones wait in the backlog. 0: no bound."),
    limits("connections_per_second_per_peer_max", count("connections", 0, MANY), "The same for one IP address; further ones are closed at once. 0: no bound."),
    limits("request_bytes_max", count("bytes", 8 * 1024, GIBIBYTE), "The largest HTTP request."),
    limits("excess_bytes_max", count("bytes", 0, GIBIBYTE), "Bytes of a too large message, and of what follows it, that are read and discarded so that its sender can read the error; then the connection is cut."),
    limits("batch_messages_max", count("messages", 1, MANY), "Messages that are written to a session before they count as having left its queue."),
    limits("batch_bytes_max", count("bytes", 1024, GIBIBYTE), "Bytes that are written to a session before they count as having left its queue; a peer that does not take them within slow_consumer_timeout counts as stuck."),
    limits("pongs_queued_max", count("pings", 1, MANY), "Pongs to a client that may wait to be written; at this bound the client is not read."),
    limits("events_max", count("inputs", 1, MANY), "Inputs on their way to the hub; at this bound readers wait."),
    limits("accept_pause", time(MILLISECOND, HOUR), "The pause after a failed accept."),
    limits("admin_connections_max", count("connections", 1, MANY), "Open connections of the admin listener; further ones are closed at once."),
    limits("admin_timeout", time(MILLISECOND, HOUR), "How long the hub may take to answer the admin listener, which then answers 503."),
    limits("debug_rows_max", count("rows", 1, MANY), "Rows of each table that /debug shows."),
    hub("hub_address", Kind::ActorAddress, "The hub's own address; nobody can register it."),
    hub("connect_timeout", time(MILLISECOND, HOUR), "The time from accept to the end of the handshakes, and again from there to hub:connect (close 4005)."),
    hub("refusal_linger", time(Duration::ZERO, HOUR), "How long a connection stays open after its hub:connect, an ask, was refused, unless the client closes it: some clients read the error only then. 0s: it is closed at once."),
    hub("idle_timeout", time(MILLISECOND, DAY), "Silence that closes a session 4004."),
    hub("ping_interval", time(MILLISECOND, DAY), "How often the hub pings at WebSocket level."),
    hub("heartbeat_interval", time(MILLISECOND, DAY), "The interval at which clients are told to send heartbeats."),
    hub("resume_window", time(Duration::ZERO, DAY), "How long a detached address keeps its subscriptions; 0s: not at all."),
    hub("slow_consumer_timeout", time(MILLISECOND, HOUR), "How long a queue may stay at its bound, or stand still at resume_threshold or above; then its session is closed 1013."),
    hub("clock_skew", time(Duration::ZERO, DAY), "How far clocks may differ before a message counts as expired on arrival."),
    hub("shutdown_timeout", time(Duration::ZERO, HOUR), "How long a shutdown waits for queues to empty, and for other hubs of a cluster to take over what is kept."),
    hub("close_timeout", time(MILLISECOND, HOUR), "How long the hub waits for the peer in a close handshake."),
    hub("connect_bytes_max", count("bytes", 1024, GIBIBYTE), "The largest message before hub:connect; message_bytes_max if that is less."),
    hub("token_bytes_max", count("bytes", 1024, GIBIBYTE), "The largest token that is checked."),
    hub("message_bytes_max", count("bytes", 1024, GIBIBYTE), "The largest message."),
    hub("type_bytes_max", count("bytes", 1, GIBIBYTE), "The longest type of a message, the envelope's and the application's."),
    hub("metadata_bytes_max", count("bytes", 2, GIBIBYTE), "The largest metadata of an envelope, except hub:connect's."),
    hub("registration_metadata_bytes_max", count("bytes", 2, GIBIBYTE), "The largest metadata of a registration."),
    hub("registration_metadata_depth_max", count("levels", 1, 128), "Nested objects and arrays in a registration's metadata."),
    hub("capabilities_max", count("capabilities", 1, MANY), "Capabilities of one registration."),
    hub("capability_bytes_max", count("bytes", 1, GIBIBYTE), "The longest capability of a registration."),
    hub("queue_messages_max", count("messages", 1, MANY), "Messages in one session's outgoing queue."),
    hub("queue_bytes_max", count("bytes", 1024, 64 * GIBIBYTE), "Bytes in one session's outgoing queue."),
    hub("sessions_max", count("sessions", 1, MANY), "Sessions, also those whose closing handshake is under way."),
    hub("registrations_max", count("addresses", 1, MANY), "Registered and detached addresses."),
    hub("addresses_per_session_max", count("addresses", 1, MANY), "Addresses that one session may register."),
    hub("scan_rows_max", count("rows", 1, MANY), "Registrations that one hub:discover or hub:list_actors may look at; its answer says where to continue. 128 bytes of compared metadata count as one."),
    hub("subscriptions_per_session_max", count("subscriptions", 1, MANY), "Subscriptions of all addresses of one session together."),
    hub("malformed_per_minute_max", count("frames", 1, u32::MAX as u64), "Malformed frames within a minute; the last of them closes the session 1008."),
    hub("broadcast_recipients_max", count("actors", 1, MANY), "Recipients of one broadcast; a larger one is refused."),
    hub("rate_limit_per_second", count("requests", 0, MANY), "Requests per second that one session may make on average; 0: no bound."),
    hub("rate_limit_burst", count("requests", 0, MANY), "Requests that one session may make at once after a pause."),
    hub("rate_limit_bytes", count("bytes", 0, GIBIBYTE), "Bytes of a frame that count as one more request; 0: they do not count."),
    hub("rate_limit_rows", count("rows", 0, MANY), "Recipients of a request, or registrations that it looks at as scan_rows_max counts them, that count as one more request; 0: they do not count."),
    hub("ping_limit_per_second", count("pings", 0, MANY), "Heartbeats and text pings per second that one session may send on average; 0: no bound, as with rate_limit_per_second 0."),
    hub("ping_limit_burst", count("pings", 0, MANY), "Heartbeats and text pings that one session may send at once after a pause."),
    hub("dedupe_window", time(Duration::ZERO, DAY), "How long a repeated ask gets its first outcome; 0s: not at all."),
    hub("dedupe_entries_max", count("outcomes", 1, MANY), "Remembered outcomes of asks that may be repeated; at the bound the address with the most loses its oldest."),
    hub("dedupe_entries_per_address_max", count("outcomes", 1, MANY), "Remembered outcomes for one address; at the bound it loses its oldest."),
    hub("recovery_messages_max", count("messages", 0, MANY), "Messages that are kept for one address that recovers; 0: none are. At the bound it loses its oldest."),
    hub("recovery_bytes_max", count("bytes", 1024, 64 * GIBIBYTE), "Bytes of them; at the bound the address loses its oldest."),
    hub("recovery_total_bytes_max", count("bytes", 1024, 64 * GIBIBYTE), "Bytes of all kept messages; at the bound the address with the most loses its oldest."),
    hub("pause_threshold", count("messages", 2, MANY), "Messages in a session's outgoing queue above which its senders are told to pause."),
    hub("resume_threshold", count("messages", 1, MANY), "Messages in it below which its senders are told to resume."),
    cluster("cluster_renew_interval", time(MILLISECOND, HOUR), "How often a node shows that it lives. Every node of a cluster should have the same times."),
    cluster("cluster_lease", time(MILLISECOND, HOUR), "A node that has not shown it for so long is declared dead, and others may have its addresses."),
    cluster("cluster_lease_margin", time(Duration::ZERO, HOUR), "So much earlier it does nothing more for its addresses, because clocks run at unequal pace."),
    cluster("cluster_staleness_max", time(MILLISECOND, HOUR), "How old a node's copy of the rows may be for hub:discover and hub:list_actors, and how long a watch may show nothing before another takes its place."),
    cluster("cluster_answer_timeout", time(MILLISECOND, HOUR), "How long a node waits for another node or the engine; then nobody knows the outcome, and the client is told timeout."),
    cluster("cluster_retry_interval", time(MILLISECOND, HOUR), "The time between two tries of a write whose outcome is unknown."),
    cluster("cluster_claim_timeout", time(MILLISECOND, HOUR), "How long a registration may wait for its row; then the client is told timeout."),
    cluster("cluster_claim_tries_max", count("tries", 1, 1_000), "Writes of a registration that find that others were faster, before the client is told to come again."),
    cluster("cluster_topics_per_address_max", count("topics", 1, 100_000), "Topics of one address in a cluster, where they stand in its row."),
    cluster("cluster_writes_under_way_max", count("writes", 1, 100_000), "Writes of rows under way; the rest waits for their answers."),
    cluster("cluster_turn_addresses_max", count("addresses", 1, MANY), "Addresses that are looked at in one turn when a node is gone or new; clients are served between two turns."),
    cluster("cluster_waiting_requests_max", count("requests", 1, MANY), "Requests of one session that wait for other nodes, the engine, or an earlier one."),
    cluster("cluster_waiting_bytes_max", count("bytes", 1024, GIBIBYTE), "Bytes of their frames; one alone may be larger."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::value::{is_set, parse};

    fn names(part: Part) -> Vec<&'static str> {
        let mut names: Vec<_> =
            SETTINGS.iter().filter(|row| row.part == part).map(Setting::field).collect();
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
        let mut node = keys(&ClusterConfig::new(Process::default().cluster_name));
        node.retain(|field| field != "node");
        assert_eq!(names(Part::Cluster), node);
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
