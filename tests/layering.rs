//! The directions of docs/ARCHITECTURE.md, read from the sources: what must not know of what, and
//! which words of the outside world the core never says.

use std::fs;
use std::path::{Path, PathBuf};

/// The sources of one crate, and what holds in them.
struct Tree {
    root: &'static str,
    /// Each knows only those before it. A source is in the last that it is below.
    rooms: &'static [&'static str],
    rules: &'static [Rule],
}

/// The sources at these paths never say any of these words.
struct Rule {
    because: &'static str,
    /// `hub` is `hub.rs` and all in `hub/`; `client/state*` is whatever begins so.
    paths: &'static [&'static str],
    never: &'static [&'static str],
}

const SRC: Tree = Tree { root: "src", rooms: &[], rules: SRC_RULES };
const DST: Tree = Tree { root: "sim/dst/src", rooms: DST_ROOMS, rules: DST_RULES };
const SIM: Tree = Tree { root: "sim/src", rooms: SIM_ROOMS, rules: SIM_RULES };

const CORE: &[&str] = &[
    "time.rs",
    "protocol",
    "auth",
    "cluster",
    "hub",
    "client/state*",
    "client/link*",
    "nats/output.rs",
    "nats/state.rs",
    "nats/watch.rs",
    "nats/wire.rs",
    "server/session/io.rs",
    "server/session/parts.rs",
    "server/session/phase.rs",
    "server/session/state*",
];

const SRC_RULES: &[Rule] = &[
    Rule {
        because: "the core does no I/O and never waits",
        paths: CORE,
        never: &["tokio", "async", ".await", "TcpStream", "TcpListener", "UdpSocket", "fs"],
    },
    Rule { because: "the core starts no threads", paths: CORE, never: &["thread"] },
    Rule {
        because: "the core is told the time",
        paths: CORE,
        never: &["Instant", "SystemTime", "chrono", "now_v7"],
    },
    Rule {
        because: "the core's only randomness is seeded by its caller",
        paths: CORE,
        never: &["rand::rng", "thread_rng", "rand::random", "getrandom", "new_v4", "OsRng"],
    },
    Rule {
        because: "the core's order is the same in every run",
        paths: CORE,
        never: &["HashMap", "HashSet", "RandomState"],
    },
    Rule {
        because: "time knows nothing of the hub's world",
        paths: &["time.rs"],
        never: &["crate::"],
    },
    Rule {
        because: "the protocol is pure data",
        paths: &["protocol"],
        never: &["crate::hub", "crate::server", "crate::client", "crate::runtime", "crate::auth"],
    },
    Rule {
        because: "a token is judged by itself, its key and the time",
        paths: &["auth"],
        never: &["crate::hub", "crate::server", "crate::client", "crate::runtime"],
    },
    Rule {
        because: "what nodes share knows no hub",
        paths: &["cluster"],
        never: &["crate::hub", "crate::server", "crate::client", "crate::runtime", "crate::store"],
    },
    Rule {
        because: "the hub knows no shell",
        paths: &["hub"],
        never: &["crate::server", "crate::client", "crate::runtime"],
    },
    Rule {
        because: "a store knows no clock, no task and no order but that of its rows",
        paths: &["store"],
        never: &["tokio", "async", ".await", "Instant", "SystemTime", "HashMap", "crate::server"],
    },
    Rule {
        because: "an engine knows what a hub asks of it, and no hub",
        paths: &["nats"],
        never: &["crate::hub", "crate::server", "crate::client", "crate::protocol"],
    },
    Rule {
        because: "one shell alone knows which engine it is",
        paths: &["cluster", "hub", "server", "protocol"],
        never: &["async_nats", "crate::nats"],
    },
    Rule { because: "the hub knows no disk", paths: &["hub"], never: &["crate::store"] },
    Rule {
        because: "server and client meet only in the protocol",
        paths: &["server"],
        never: &["crate::client"],
    },
    Rule {
        because: "server and client meet only in the protocol",
        paths: &["client"],
        never: &["crate::server", "crate::hub"],
    },
    Rule {
        because: "the client's state knows no shell",
        paths: &["client/state*", "client/link*"],
        never: &["crate::runtime", "driver"],
    },
    Rule {
        because: "the runtime serves both shells and knows neither",
        paths: &["runtime"],
        never: &["crate::hub", "crate::server", "crate::client"],
    },
    Rule {
        because: "a load generator knows a hub by its protocol alone",
        paths: &["bench"],
        never: &["signal_hub::hub", "signal_hub::server", "signal_hub::auth"],
    },
    Rule {
        because: "nothing in src knows that the simulator exists",
        paths: &["*"],
        never: &["madsim", "signal_hub_sim"],
    },
];

const DST_ROOMS: &[&str] = &[
    "duration_text",
    "hash",
    "interrupt",
    "seeds",
    "executor",
    "net",
    "disk",
    "runtime",
    "net/tests",
    "scenario",
    "history",
    "coverage",
    "verdict",
    "run",
    "backend",
    "campaign",
    "failures",
    "explain",
    "report",
    "commands",
    "system",
    "service",
    "lib",
];

const DST_RULES: &[Rule] = &[Rule {
    because: "the engine knows no hub",
    paths: &["*"],
    never: &["signal_hub", "signal_hub_sim"],
}];

const SIM_ROOMS: &[&str] = &[
    "engine",
    "runtime",
    "scenario",
    "history",
    "invariants",
    "nodes",
    "situations",
    "lower",
    "explore",
    "run",
    "backend",
    "campaign",
    "report",
    "mutants",
    "system",
    "against",
    "scripted",
    "lib",
    "commands",
    "main",
];

const SIM_RULES: &[Rule] = &[
    Rule {
        because: "what is generic knows no verbs of this hub",
        paths: &["mutants"],
        never: &["signal_hub::protocol", "signal_hub::client", "Verb", "Action", "HubAction"],
    },
    Rule {
        because: "an engine knows what a hub asks of it, and no hub",
        paths: &["engine"],
        never: &[
            "crate::",
            "dst",
            "rand",
            "signal_hub::client",
            "signal_hub::hub",
            "signal_hub::protocol",
            "signal_hub::server",
            "signal_hub::time",
        ],
    },
];

/// What is wrong with one source, whose path is relative to the root.
fn violations(tree: &Tree, path: &str, source: &str) -> Vec<String> {
    let (own, rooms) = (tree.rooms.iter().rposition(|room| is_below(path, room)), tree.rooms);
    let mut found = Vec::new();
    if own.is_none() && !rooms.is_empty() {
        found.push(format!("{path}: in no room"));
    }
    let later = own.map_or(&[][..], |own| &rooms[own + 1..]);
    let code: Vec<&str> = source.lines().map(without_comment).collect();
    for (number, line) in code.iter().enumerate() {
        let mut find = |word: &str, because: &str| {
            if says(line, word) {
                found.push(format!("{path}:{}: {word}: {because}", number + 1));
            }
        };
        for rule in tree.rules.iter().filter(|rule| rule.paths.iter().any(|at| is_below(path, at)))
        {
            rule.never.iter().for_each(|word| find(word, rule.because));
        }
        for room in later {
            find(&format!("crate::{room}"), "a room knows only those before it");
        }
    }
    let code = code.join("\n");
    found.extend(grouped_imports(path, &code));
    found.extend(unbiased_selects(path, &code));
    found.into_iter().map(|what| format!("{}/{what}", tree.root)).collect()
}

fn is_below(path: &str, at: &str) -> bool {
    if let Some(beginning) = at.strip_suffix('*') {
        return path.starts_with(beginning);
    }
    let rest = path.strip_prefix(at);
    rest.is_some_and(|rest| ["", ".rs"].contains(&rest) || rest.starts_with('/'))
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// Returns whether `word` stands in `line` and not inside a longer name.
fn says(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let starts = !word.starts_with(is_name) || !before.is_some_and(is_name);
        let ends = !word.ends_with(is_name) || !after.is_some_and(is_name);
        starts && ends
    })
}

/// `use crate::{a::B, c};` would hide `crate::a` from the rules.
fn grouped_imports(path: &str, code: &str) -> Vec<String> {
    let groups =
        ["crate::{", "signal_hub::{"].into_iter().flat_map(|group| code.match_indices(group));
    groups
        .map(|(at, group)| {
            let line = code[..at].lines().count();
            format!("{path}:{line}: {group}..}}: name each module in its own use")
        })
        .collect()
}

fn unbiased_selects(path: &str, code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, select) in code.match_indices("select!") {
        let body = code[at + select.len()..].trim_start();
        let first = body.trim_start_matches(['{', '(', '[']).trim_start();
        if !first.starts_with("biased;") {
            let line = code[..at].lines().count();
            found.push(format!("{path}:{line}: select! does not start with biased;"));
        }
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("sources can be read") {
        let path = entry.expect("sources can be read").path();
        if path.is_dir() { found.extend(sources(&path)) } else { found.push(path) }
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found.sort();
    found
}

#[test]
fn the_sources_keep_their_directions() {
    let mut found = Vec::new();
    for tree in [SRC, DST, SIM] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(tree.root);
        let mut read = Vec::new();
        for file in sources(&root) {
            let source = fs::read_to_string(&file).expect("a source can be read");
            let path = file.strip_prefix(&root).expect("below the root");
            let path = path.to_string_lossy().replace('\\', "/");
            found.extend(violations(&tree, &path, &source));
            read.push(path);
        }
        let looked_for = tree.rules.iter().flat_map(|rule| rule.paths).chain(tree.rooms);
        found.extend(
            looked_for
                .filter(|at| !read.iter().any(|path| is_below(path, at)))
                .map(|at| format!("{}/{at} is not where the rules look", tree.root)),
        );
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn each_planted_violation_is_found() {
    for (path, line) in [
        ("hub/mod.rs", "use tokio::sync::mpsc;"),
        ("hub/requests/messaging.rs", "async fn send() {}"),
        ("protocol/codec/mod.rs", "let frame = socket.read().await;"),
        ("time.rs", "pub fn now() -> std::time::Instant {"),
        ("time.rs", "use crate::hub::Hub;"),
        ("auth/token.rs", "let now = SystemTime::now();"),
        ("auth/mod.rs", "use crate::hub::SessionKey;"),
        ("client/state.rs", "let now = SystemTime::now();"),
        ("client/state/pending.rs", "let jitter = rand::random::<u64>();"),
        ("client/state_machine.rs", "let mut rng = rand::rng();"),
        ("hub/ids.rs", "let mut rng = rand::thread_rng();"),
        ("hub/state/sessions.rs", "use std::collections::HashMap;"),
        ("hub/io.rs", "use std::net::{SocketAddr, TcpStream};"),
        ("protocol/codec/fields.rs", "std::fs::read(path)"),
        ("hub/view.rs", "use crate::server::Server;"),
        ("hub/audit.rs", "use crate::{client::Client, protocol::Topic};"),
        ("hub.rs", "use crate::runtime::Runtime;"),
        ("nats/task.rs", "use crate::hub::Hub;"),
        ("nats/state.rs", "use tokio::sync::mpsc;"),
        ("cluster/engine.rs", "use crate::nats::Settings;"),
        ("protocol.rs", "use crate::hub::SessionKey;"),
        ("server/session/state.rs", "let now = Instant::now();"),
        ("server/session/parts.rs", "pub async fn part() {}"),
        ("client/state/mod.rs", "use super::driver::Order;"),
        ("client/link.rs", "pub async fn next(&mut self) {}"),
        ("client/state/asks.rs", "use crate::client::{CommandId, driver};"),
        ("client/state.rs", "use crate::runtime::Runtime;"),
        ("server/owner.rs", "use crate::client::Client;"),
        ("client.rs", "use crate::server::Server;"),
        ("client/mod.rs", "use crate::hub::Hub;"),
        ("bench/plan.rs", "use signal_hub::hub::Config;"),
        ("main.rs", "fn main() { madsim::runtime::Runtime::new(); }"),
        ("server/mod.rs", "tokio::select! { _ = a => {}, _ = b => {} }"),
        ("client/mod.rs", "select! {\n    // biased;\n    _ = a => {}\n}"),
    ] {
        assert_eq!(violations(&SRC, path, line).len(), 1, "{path}: {line}");
    }
    for (path, line) in [
        ("net/mod.rs", "use crate::runtime::simulate;"),
        ("net/event.rs", "use signal_hub::hub::SessionKey;"),
        ("net/clock.rs", "use signal_hub::{hub::SessionKey, time::Timestamp};"),
        ("hash.rs", "use crate::net::World;"),
        ("net/mod.rs", "use crate::scenario::HUB_HOST;"),
        ("campaign.rs", "use signal_hub::client::DisconnectReason;"),
        ("backend/testbed/actor.rs", "use signal_hub::client::Client;"),
        ("backend/director.rs", "use crate::report::failure;"),
        ("scenario/shrinker.rs", "use signal_hub_sim::scenario::Action;"),
    ] {
        assert!(!violations(&DST, path, line).is_empty(), "{path}: {line}");
    }
    for (path, line) in [
        ("history/mod.rs", "use crate::invariants::Judge;"),
        ("history/text.rs", "use crate::situations::Watch;"),
        ("history/mod.rs", "use crate::run::Keep;"),
        ("invariants/shadow.rs", "use crate::run::Recorder;"),
        ("invariants/mod.rs", "use crate::backend::Backend;"),
        ("situations/mod.rs", "use crate::backend::{Backend, Outcome};"),
        ("run.rs", "use crate::backend::Outcome;"),
        ("explore/state.rs", "Err(crate::backend::panicked(payload))"),
        ("mutants/patch.rs", "if let Ok(Verb::Send(send)) = verb {}"),
        ("attic/mod.rs", ""),
        ("engine/mod.rs", "use signal_hub::hub::Hub;"),
    ] {
        assert_eq!(violations(&SIM, path, line).len(), 1, "{path}: {line}");
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    for (path, line) in [
        ("server/mod.rs", "use tokio::sync::mpsc; async fn run() { stop.await }"),
        ("server/mod.rs", "tokio::select! {\n    biased;\n    _ = a => {}\n}"),
        ("client/mod.rs", "use crate::protocol::Envelope; use crate::runtime::Runtime;"),
        ("hub/mod.rs", "// The shells wait on tokio; a crate::server is none of our business."),
        ("hub/io.rs", "use std::net::SocketAddr;"),
        ("hub/mod.rs", "let asynchronous = Timestamp::default(); let instantly = 1;"),
        ("runtime/tokio_runtime.rs", "use tokio::net::TcpListener;"),
        ("hubbub.rs", "use tokio::sync::mpsc;"),
    ] {
        assert_eq!(violations(&SRC, path, line), [""; 0], "{path}: {line}");
    }
    for (path, line) in [
        ("net/tests/mod.rs", "use crate::runtime::simulate;"),
        ("net/link_config.rs", "use crate::duration_text;"),
    ] {
        assert_eq!(violations(&DST, path, line), [""; 0], "{path}: {line}");
    }
    for (path, line) in [
        ("invariants/mod.rs", "use crate::history::Event;"),
        ("run.rs", "use crate::situations::Watch;"),
        ("explore/moves.rs", "Move::Say(actor) => crate::runner()"),
        ("commands/run.rs", "use signal_hub_sim::{failures, report};"),
    ] {
        assert_eq!(violations(&SIM, path, line), [""; 0], "{path}: {line}");
    }
}
