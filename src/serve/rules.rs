//! The rules between settings of the hub and of its process. A mistake names both sides and their
//! sources.

use signal_hub::cluster::{ClusterConfig, InvalidCluster, RELAYED_BYTES_MAX};
use signal_hub::hub::Config;
use signal_hub::server::Limits;
use signal_hub::settings::rules::{self, Rule};
use signal_hub::settings::{Process, find, is_set, repeated};

use super::settings::{Effective, Mistake, Settings};

/// Whether the rule holds, and the rule.
type Checked = (bool, Rule);

/// The rules that are broken.
pub fn broken(settings: &Settings) -> Vec<Mistake> {
    let (Ok(hub), Ok(limits), Ok(process), Ok(cluster)) =
        (settings.hub(), settings.limits(), settings.process(), settings.cluster())
    else {
        return [
            settings.hub().err(),
            settings.limits().err(),
            settings.process().err(),
            settings.cluster().err(),
        ]
        .into_iter()
        .flatten()
        .collect();
    };
    let rules = of_the_process(&process)
        .into_iter()
        .chain([of_connections(&hub, &limits)])
        .chain(of_the_cluster(&process))
        .chain(cluster.iter().flat_map(|cluster| of_a_node(&hub, cluster)));
    let broken = rules.filter(|(holds, _)| !holds).map(|(_, rule)| rule);
    let mut mistakes: Vec<Mistake> = rules::broken(&hub)
        .chain(broken)
        .map(|Rule { left, must, right, why }| {
            let (left, right) = (told(settings, left), told(settings, right));
            Mistake(format!("{left} {must} {right}: {why}"))
        })
        .collect();
    if let (true, Err(why)) = (mistakes.is_empty(), hub.check()) {
        mistakes.push(Mistake(why.to_string()));
    }
    mistakes
}

fn of_connections(hub: &Config, limits: &Limits) -> Checked {
    let enough = limits.connections_max == 0 || limits.connections_max >= hub.sessions_max;
    let why = "or the hub is never full and clients wait without a word";
    let (left, right) = ("connections_max", "sessions_max");
    (enough, Rule { left, must: "must be 0 or no less than", right, why })
}

fn of_the_process(process: &Process) -> [Checked; 5] {
    let (secret, file) = (process.auth_secret, process.auth_secret_file.is_some());
    let public_key = process.auth_public_key.is_some();
    let is_open = !process.demands_tokens();
    let one_key = "there is one key that tokens are verified with";
    let rule = |left, must, right, why| Rule { left, must, right, why };
    let never_both = |left, right| rule(left, "must not come with", right, one_key);
    [
        (
            process.tls_cert.is_some() == process.tls_key.is_some(),
            rule(
                "tls_cert",
                "must come together with",
                "tls_key",
                "one is of no use without the other",
            ),
        ),
        (!(file && public_key), never_both("auth_secret_file", "auth_public_key")),
        (!(file && secret), never_both("auth_secret_file", "auth_secret")),
        (!(public_key && secret), never_both("auth_public_key", "auth_secret")),
        (
            !is_open || process.allow_unauthenticated || process.listen.is_loopback(),
            rule(
                "allow_unauthenticated",
                "must be true without a key and with",
                "listen",
                "everybody who can reach the address would be served; better set auth_secret_file",
            ),
        ),
    ]
}

fn of_the_cluster(process: &Process) -> [Checked; 3] {
    let (named, node) = (!process.cluster.is_empty(), process.node.is_some());
    let (file, secret) = (process.cluster_credentials_file.is_some(), process.cluster_credentials);
    let rule = |left, must, right, why| Rule { left, must, right, why };
    [
        (
            named == node,
            rule(
                "cluster",
                "must come together with",
                "node",
                "a hub of a cluster has an engine and a name",
            ),
        ),
        (
            !(named && process.store.is_some()),
            rule(
                "store",
                "must not come with",
                "cluster",
                "what a hub kept on its disk, other hubs may have given away since; the engine keeps it",
            ),
        ),
        (
            !(file && secret),
            rule(
                "cluster_credentials_file",
                "must not come with",
                "cluster_credentials",
                "the hub is one user of its engine",
            ),
        ),
    ]
}

fn of_a_node(hub: &Config, cluster: &ClusterConfig) -> [Checked; 3] {
    let checked = cluster.check();
    let rule = |left, must, right, why| Rule { left, must, right, why };
    [
        (
            checked != Err(InvalidCluster::LeaseTooShort),
            rule(
                "cluster_lease",
                "without cluster_lease_margin must be at least twice",
                "cluster_renew_interval",
                "or one renewal that fails stops the node",
            ),
        ),
        (
            checked != Err(InvalidCluster::StalenessTooShort),
            rule(
                "cluster_staleness_max",
                "must be no less than",
                "cluster_renew_interval",
                "or no copy of the rows is proven to be so young",
            ),
        ),
        (
            hub.message_bytes_max <= RELAYED_BYTES_MAX,
            rule(
                "message_bytes_max",
                "must be at most 3670016 with",
                "node",
                "a message between hubs has at most 4 MiB",
            ),
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
    if is_set(kind, value) {
        format!("{name} = {} ({source})", repeated(kind, &text))
    } else {
        format!("{name} (not set)")
    }
}
