//! Tests the order of the sources, the mistakes in them, and the manual's table.

use std::fs;
use std::path::Path;
use std::time::Duration;

use signal_hub::settings::{Kind, SETTINGS, allowed, find, is_set, unit};

use super::settings::{Mistake, Settings, Source, Sources};

const FILE: &str = "\nidle_timeout = \"90s\"\nping_interval = \"5s\"\nsessions_max = 7\n";

fn sources<'a>(
    file: Option<&'a str>,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Sources<'a> {
    let owned = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
    };
    let flags = flags.iter().map(|(name, text)| (find(name).unwrap().name, text.to_string()));
    Sources {
        flags: flags.collect(),
        environment: owned(environment),
        file: file.map(|text| ("hub.toml", text)),
    }
}

fn mistakes(sources: &Sources<'_>) -> Vec<String> {
    let mistakes = Settings::read(sources).expect_err("there is a mistake");
    mistakes.into_iter().map(|Mistake(text)| text).collect()
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let environment =
        [("SIGNAL_HUB_PING_INTERVAL", "6s"), ("SIGNAL_HUB_SESSIONS_MAX", "8"), ("OTHER", "x")];
    let settings =
        Settings::read(&sources(Some(FILE), &environment, &[("sessions_max", "9")])).unwrap();
    let found = ["connect_timeout", "idle_timeout", "ping_interval", "sessions_max"].map(|name| {
        let effective = settings.effective(name);
        format!("{} {}", effective.value, effective.source)
    });
    assert_eq!(
        found,
        [
            "\"10s\" default",
            "\"1m 30s\" hub.toml:2",
            "\"6s\" env SIGNAL_HUB_PING_INTERVAL",
            "9 flag --sessions-max",
        ]
    );
    assert_eq!(settings.hub().unwrap().sessions_max, 9);
}

#[test]
fn rust_log_counts_below_the_file() {
    let environment = [("RUST_LOG", "debug")];
    let settings = Settings::read(&sources(None, &environment, &[])).unwrap();
    let variable = "RUST_LOG".to_owned();
    assert_eq!(settings.effective("log").source, Source::Environment { variable });
    let settings = Settings::read(&sources(Some("log = \"warn\""), &environment, &[])).unwrap();
    assert_eq!(settings.process().unwrap().log, "warn");
}

#[test]
fn what_is_printed_can_be_read_back() {
    let file = "allowed_origins = [\"https://a.example\"]\naudit = \"a \\\"b\\\"\\n\"\n";
    let settings = Settings::read(&sources(Some(file), &[], &[("listen", "[::1]:0")])).unwrap();
    let printed = settings.to_toml();
    assert!(printed.contains("listen = \"[::1]:0\" # flag --listen\n"), "{printed}");
    assert!(printed.contains("# admin_listen is not set # default\n"), "{printed}");
    let again = Settings::read(&sources(Some(&printed), &[], &[])).unwrap();
    for setting in SETTINGS {
        let [before, after] = [&settings, &again].map(|all| &all.effective(setting.name).value);
        assert_eq!(before, after, "{}", setting.name);
    }
}

#[test]
fn a_wrong_value_is_told_with_its_source_and_what_is_allowed() {
    for (file, environment, flag, told) in [
        (
            Some("idle_timeout = \"soon\""),
            None,
            None,
            "idle_timeout = \"soon\" (hub.toml:1): expected a duration such as 1m 30s, from 1ms to 1day",
        ),
        (
            Some("\nidle_timeout = 60"),
            None,
            None,
            "idle_timeout = 60 (hub.toml:2): expected a duration such as 1m 30s, from 1ms to 1day, in quotes",
        ),
        (
            Some("sessions_max = \"7\""),
            None,
            None,
            "sessions_max = \"7\" (hub.toml:1): expected a whole number of sessions, 1 to 100000000",
        ),
        (
            None,
            Some(("SIGNAL_HUB_SESSIONS_MAX", "0")),
            None,
            "sessions_max = 0 (env SIGNAL_HUB_SESSIONS_MAX): expected a whole number of sessions, 1 to 100000000",
        ),
        (
            Some("batch_messages_max = 0"),
            None,
            None,
            "batch_messages_max = 0 (hub.toml:1): expected a whole number of messages, 1 to 100000000",
        ),
        (
            None,
            Some(("SIGNAL_HUB_PONGS_QUEUED_MAX", "0")),
            None,
            "pongs_queued_max = 0 (env SIGNAL_HUB_PONGS_QUEUED_MAX): expected a whole number of pings, 1 to 100000000",
        ),
        (
            None,
            None,
            Some(("admin_timeout", "2")),
            "admin_timeout = 2 (flag --admin-timeout): expected a duration such as 1m 30s, from 1ms to 1h",
        ),
    ] {
        let sources = sources(file, environment.as_slice(), flag.as_slice());
        assert_eq!(mistakes(&sources), [told]);
    }
}

#[test]
fn a_wrong_place_on_the_network_is_told_with_what_is_allowed() {
    for (file, environment, flag, told) in [
        (
            None,
            None,
            Some(("admin_listen", "0.0.0.0:9001")),
            "admin_listen = 0.0.0.0:9001 (flag --admin-listen): expected a loopback address and a port such as 127.0.0.1:9001 or [::1]:9001",
        ),
        (
            None,
            None,
            Some(("allowed_origins", "https://a.example, b.example")),
            "allowed_origins = https://a.example, b.example (flag --allowed-origins): \"b.example\": an origin is scheme://host or scheme://host:port; expected origins such as https://example.org:8443, or * for all",
        ),
        (
            None,
            Some(("SIGNAL_HUB_ALLOWED_ORIGINS", "")),
            None,
            "allowed_origins =  (env SIGNAL_HUB_ALLOWED_ORIGINS): \"\": an origin is scheme://host or scheme://host:port; expected origins such as https://example.org:8443, or * for all",
        ),
        (
            Some("allowed_origins = [\"https://a.example/\"]"),
            None,
            None,
            "allowed_origins = [\"https://a.example/\"] (hub.toml:1): \"https://a.example/\": an origin has no path, not even /; expected origins such as https://example.org:8443, or * for all",
        ),
    ] {
        let sources = sources(file, environment.as_slice(), flag.as_slice());
        assert_eq!(mistakes(&sources), [told]);
    }
}

/// Tries, for each setting, one above its greatest value and one below its smallest.
#[test]
fn a_value_out_of_its_range_is_told_with_the_range() {
    for setting in SETTINGS {
        let wrong = match setting.kind {
            Kind::Count { min, max, .. } => [min.checked_sub(1), Some(max + 1)]
                .map(|count| count.map(|count| count.to_string())),
            Kind::Duration { min, max } => {
                let beyond = max + Duration::from_secs(1);
                [min.checked_sub(Duration::from_nanos(1)), Some(beyond)].map(|duration| {
                    duration.map(|duration| humantime::format_duration(duration).to_string())
                })
            }
            Kind::ActorAddress | Kind::Socket | Kind::Loopback => continue,
            Kind::Path | Kind::Directory => continue,
            Kind::StoreSync => [Some("0s".to_owned()), Some("2s".to_owned())],
            Kind::Switch | Kind::Secret { .. } | Kind::Filter => continue,
            Kind::Origins | Kind::Subprotocols | Kind::Engines => continue,
            Kind::NodeName => [Some("Hub".to_owned()), Some("n".repeat(33))],
        };
        for text in wrong.into_iter().flatten() {
            let (name, flag, allowed) = (setting.name, setting.flag(), allowed(setting.kind));
            let told = format!("{name} = {text} (flag --{flag}): expected {allowed}");
            assert_eq!(mistakes(&sources(None, &[], &[(name, &text)])), [told]);
        }
    }
}

#[test]
fn a_switch_is_true_or_false() {
    let expected = "expected true or false";
    for (file, environment, told) in [
        (
            Some("allow_unauthenticated = 1"),
            None,
            format!("allow_unauthenticated = 1 (hub.toml:1): {expected}"),
        ),
        (
            None,
            Some(("SIGNAL_HUB_ALLOW_UNAUTHENTICATED", "yes")),
            format!(
                "allow_unauthenticated = yes (env SIGNAL_HUB_ALLOW_UNAUTHENTICATED): {expected}"
            ),
        ),
    ] {
        assert_eq!(mistakes(&sources(file, environment.as_slice(), &[])), [told]);
    }
    let settings = Settings::read(&sources(Some("allow_unauthenticated = true"), &[], &[]));
    assert!(settings.unwrap().process().unwrap().allow_unauthenticated);
}

#[test]
fn a_secret_is_taken_from_the_environment_and_repeated_nowhere() {
    let long = "a secret of more than thirty-two bytes";
    let environment = [("SIGNAL_HUB_AUTH_SECRET", long)];
    let settings = Settings::read(&sources(None, &environment, &[])).unwrap();
    let printed = settings.to_toml();
    let line = "# auth_secret = (set, not shown) # env SIGNAL_HUB_AUTH_SECRET\n";
    assert!(printed.contains(line), "{printed}");
    assert!(!format!("{printed}{settings:?}").contains(long));
    let in_file = format!("auth_secret = \"{long}\"");
    for (file, environment, flags, told) in [
        (
            Some(in_file.as_str()),
            None,
            &[][..],
            "auth_secret = (set, not shown) (hub.toml:1): a secret must not stand here: name a file that holds it, as auth_secret_file",
        ),
        (
            None,
            Some(("SIGNAL_HUB_AUTH_SECRET", "short")),
            &[],
            "auth_secret = (set, not shown) (env SIGNAL_HUB_AUTH_SECRET): expected 32 bytes or more",
        ),
        (
            None,
            Some(environment[0]),
            &[("auth_public_key", "k")],
            "auth_public_key = k (flag --auth-public-key) must not come with auth_secret = (set, not shown) (env SIGNAL_HUB_AUTH_SECRET): there is one key that tokens are verified with",
        ),
        (
            Some("auth_secret_file = \"s\""),
            Some(environment[0]),
            &[],
            "auth_secret_file = s (hub.toml:1) must not come with auth_secret = (set, not shown) (env SIGNAL_HUB_AUTH_SECRET): there is one key that tokens are verified with",
        ),
    ] {
        assert_eq!(mistakes(&sources(file, environment.as_slice(), flags)), [told]);
    }
}

#[test]
fn a_node_whose_settings_contradict_each_other_is_told_so() {
    let node = [("cluster", "nats://a:4222,tls://b:4222"), ("node", "hub-1")];
    assert!(Settings::read(&sources(None, &[], &node)).is_ok());
    for (flag, told) in [
        (("store", "s"), "store = s (flag --store) must not come with cluster = "),
        (
            ("cluster_lease", "3s"),
            "cluster_lease = 3s (flag --cluster-lease) without cluster_lease_margin must be at least twice cluster_renew_interval = 2s (default)",
        ),
        (
            ("cluster_staleness_max", "1s"),
            "cluster_staleness_max = 1s (flag --cluster-staleness-max) must be no less than cluster_renew",
        ),
        (
            ("message_bytes_max", "4000000"),
            "message_bytes_max = 4000000 (flag --message-bytes-max) must",
        ),
    ] {
        let [mistake] = &mistakes(&sources(None, &[], &[&node[..], &[flag]].concat()))[..] else {
            panic!("there is one mistake");
        };
        assert!(mistake.starts_with(told), "{mistake}");
    }
}

#[test]
fn a_password_in_the_address_of_an_engine_is_repeated_nowhere() {
    let told = "cluster = (has a password, not shown) (flag --cluster): a server's address has no user and no password: name a file that holds them, as cluster_credentials_file";
    let wrong = "nats://hub:hunter2@a:4222";
    assert_eq!(mistakes(&sources(None, &[], &[("cluster", wrong)])), [told]);
    let told = "cluster = http://a (flag --cluster): \"http://a\": expected servers such as nats://10.0.0.1:4222 or tls://nats.example:4222";
    assert_eq!(mistakes(&sources(None, &[], &[("cluster", "http://a")])), [told]);
}

#[test]
fn a_file_is_told_where_it_is_wrong() {
    assert_eq!(
        mistakes(&sources(Some("# x\nidle_timout = \"1s\"\n"), &[], &[])),
        ["hub.toml:2: there is no setting idle_timout; did you mean idle_timeout?"]
    );
    let [mistake] = &mistakes(&sources(Some("\n\nlisten = \n"), &[], &[]))[..] else {
        panic!("there is one mistake");
    };
    assert!(mistake.starts_with("hub.toml:3: not TOML: "), "{mistake}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let file = "idle_timout = \"1s\"\nping_interval = 3\n";
    assert_eq!(mistakes(&sources(Some(file), &[], &[("listen", "nowhere")])).len(), 3);
}

#[test]
fn settings_that_contradict_each_other_are_told_with_both_sources() {
    for (flags, told) in [
        (
            &[("ping_interval", "1m")][..],
            "idle_timeout = 1m (default) must be longer than ping_interval = 1m (flag --ping-interval)",
        ),
        (&[("heartbeat_interval", "2m")], "idle_timeout = 1m (default) must be longer than heart"),
        (&[("queue_bytes_max", "1024")], "queue_bytes_max = 1024 (flag --queue-bytes-max) must be"),
        (
            &[("resume_threshold", "900")],
            "pause_threshold = 768 (default) must be greater than res",
        ),
        (
            &[("queue_messages_max", "768")],
            "pause_threshold = 768 (default) must be less than queue",
        ),
        (
            &[("rate_limit_burst", "0")],
            "rate_limit_burst = 0 (flag --rate-limit-burst) must not be",
        ),
        (&[("connections_max", "5")], "connections_max = 5 (flag --connections-max) must be 0 or"),
        (
            &[("auth_secret_file", "s"), ("auth_public_key", "k")],
            "auth_secret_file = s (flag --auth-secret-file) must not come with auth_pub",
        ),
        (
            &[("listen", "0.0.0.0:0")],
            "allow_unauthenticated = false (default) must be true without a key and with listen = 0",
        ),
        (
            &[("cluster", "nats://a:4222")],
            "cluster = [\"nats://a:4222\"] (flag --cluster) must come together with node (not set)",
        ),
        (&[("node", "a")], "cluster = [] (default) must come together with node = a (flag --node)"),
        (&[("tls_key", "k")], "tls_cert (not set) must come together with tls_key = k (flag"),
    ] {
        let [mistake] = &mistakes(&sources(None, &[], flags))[..] else {
            panic!("there is one mistake");
        };
        assert!(mistake.starts_with(told), "{mistake}");
    }
}

/// With SIGNAL_HUB_UPDATE set, writes the table instead.
#[test]
fn the_manuals_table_is_the_codes() {
    let (begin, end) = ("<!-- settings -->\n", "<!-- end of settings -->");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATIONS.md");
    let manual = fs::read_to_string(&path).unwrap();
    let (head, rest) = manual.split_once(begin).unwrap();
    let (_, tail) = rest.split_once(end).unwrap();
    let updated = format!("{head}{begin}{}{end}{tail}", manual_table());
    if std::env::var_os("SIGNAL_HUB_UPDATE").is_some() {
        fs::write(&path, &updated).unwrap();
    } else {
        assert!(manual == updated, "run this test with SIGNAL_HUB_UPDATE=1");
    }
}

fn manual_table() -> String {
    let mut table =
        "| setting | unit | default | allowed | what it is |\n|---|---|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let default = match setting.default() {
            value if !is_set(setting.kind, &value) => "off".to_owned(),
            serde_json::Value::String(text) => format!("`{text}`"),
            serde_json::Value::Array(_) => "none".to_owned(),
            other => format!("`{other}`"),
        };
        let (name, unit, allowed) = (setting.name, unit(setting.kind), allowed(setting.kind));
        table += &format!("| `{name}` | {unit} | {default} | {allowed} | {} |\n", setting.about);
    }
    table
}
