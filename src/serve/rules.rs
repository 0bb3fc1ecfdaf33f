//! What must hold between settings. Each rule names both sides and where they come from.

use signal_hub::hub::Config;
use signal_hub::server::Limits;
use signal_hub::settings::{Process, find, is_set, repeated};

use super::settings::{Effective, Mistake, Settings};

/// Whether it holds, what must hold of which two settings, and why.
type Rule = (bool, (&'static str, &'static str, &'static str), &'static str);

/// The rules that are broken.
pub fn broken(settings: &Settings) -> Vec<Mistake> {
    let (Ok(hub), Ok(limits), Ok(process)) =
        (settings.hub(), settings.limits(), settings.process())
    else {
        return [settings.hub().err(), settings.limits().err(), settings.process().err()]
            .into_iter()
            .flatten()
            .collect();
    };
    let rules = of_the_hub(&hub, &limits).into_iter().chain(of_the_process(&process));
    let broken = rules.filter(|(holds, ..)| !holds);
    let mut mistakes: Vec<Mistake> = broken
        .map(|(_, (left, must, right), why)| {
            let (left, right) = (told(settings, left), told(settings, right));
            Mistake(format!("{left} {must} {right}: {why}"))
        })
        .collect();
    if let (true, Err(why)) = (mistakes.is_empty(), hub.check()) {
        mistakes.push(Mistake(why.to_string()));
    }
    mistakes
}

fn of_the_hub(hub: &Config, limits: &Limits) -> [Rule; 8] {
    [
        (
            hub.idle_timeout > hub.ping_interval,
            ("idle_timeout", "must be longer than", "ping_interval"),
            "or a healthy client that only listens is taken for dead",
        ),
        (
            hub.idle_timeout > hub.heartbeat_interval,
            ("idle_timeout", "must be longer than", "heartbeat_interval"),
            "or a client that sends heartbeats as told is taken for dead",
        ),
        (
            hub.queue_bytes_max >= hub.message_bytes_max,
            ("queue_bytes_max", "must be no less than", "message_bytes_max"),
            "or the largest message fits into no queue",
        ),
        (
            hub.pause_threshold > hub.resume_threshold,
            ("pause_threshold", "must be greater than", "resume_threshold"),
            "or senders are told to pause and to resume at once",
        ),
        (
            hub.pause_threshold < hub.queue_messages_max,
            ("pause_threshold", "must be less than", "queue_messages_max"),
            "or messages are dropped before anybody is told to pause",
        ),
        (
            hub.rate_limit_per_second == 0 || hub.rate_limit_burst > 0,
            ("rate_limit_burst", "must not be 0 with", "rate_limit_per_second"),
            "or no request is ever let through",
        ),
        (
            hub.ping_limit_per_second == 0 || hub.ping_limit_burst > 0,
            ("ping_limit_burst", "must not be 0 with", "ping_limit_per_second"),
            "or no heartbeat is ever answered",
        ),
        (
            limits.connections_max == 0 || limits.connections_max >= hub.sessions_max,
            ("connections_max", "must be 0 or no less than", "sessions_max"),
            "or the hub is never full and clients wait without a word",
        ),
    ]
}

fn of_the_process(process: &Process) -> [Rule; 5] {
    let (secret, file) = (process.auth_secret, process.auth_secret_file.is_some());
    let public_key = process.auth_public_key.is_some();
    let is_open = !process.demands_tokens();
    let one_key = "there is one key that tokens are verified with";
    [
        (
            process.tls_cert.is_some() == process.tls_key.is_some(),
            ("tls_cert", "must come together with", "tls_key"),
            "one is of no use without the other",
        ),
        (
            !(file && public_key),
            ("auth_secret_file", "must not come with", "auth_public_key"),
            one_key,
        ),
        (!(file && secret), ("auth_secret_file", "must not come with", "auth_secret"), one_key),
        (
            !(public_key && secret),
            ("auth_public_key", "must not come with", "auth_secret"),
            one_key,
        ),
        (
            !is_open || process.allow_unauthenticated || process.listen.is_loopback(),
            ("allow_unauthenticated", "must be true without a key and with", "listen"),
            "everybody who can reach the address would be served; better set auth_secret_file",
        ),
    ]
}

fn told(settings: &Settings, name: &str) -> String {
    let Effective { value, source } = settings.effective(name);
    let kind = find(name).expect("a rule names settings").kind;
    let text = match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match is_set(kind, value) {
        true => format!("{name} = {} ({source})", repeated(kind, &text)),
        false => format!("{name} (not set)"),
    }
}
