//! Files: what they say of what is wrong in them.

use super::super::*;

fn error(steps: &str) -> String {
    let text =
        format!("{{ \"version\": 1,\n \"actors\": [\"alice\"],\n \"steps\": [\n{steps}\n] }}");
    read(&text).expect_err("it cannot be played").to_string()
}

fn head(fields: &str) -> String {
    let text = format!("{{ \"version\": 1, {fields}, \"steps\": [] }}");
    read(&text).expect_err("it cannot be played").to_string()
}

#[test]
fn the_hub_is_set_as_serve_would_set_it() {
    let alice = r#""actors": ["alice"]"#;
    assert_eq!(
        head(&format!(r#"{alice}, "hub": {{ "message_bytes_max": 1 }}"#)),
        "1: hub: message_bytes_max = 1: expected a whole number of bytes, 1024 to 1073741824"
    );
    assert_eq!(
        head(&format!(r#"{alice}, "hub": {{ "idle_timeout": "30y" }}"#)),
        "1: hub: idle_timeout = 30years: expected a duration such as 1m 30s, from 1ms to 1day"
    );
}

#[test]
fn settings_that_serve_would_not_take_together_are_told_and_played() {
    let hub = r#""idle_timeout": "2s", "ping_interval": "500ms""#;
    let text =
        format!(r#"{{ "version": 1, "actors": ["alice"], "hub": {{ {hub} }}, "steps": [] }}"#);
    let scenario = read(&text).expect("it can be played");
    assert_eq!(
        doubts(&scenario),
        ["idle_timeout = 2s must be longer than heartbeat_interval = 25s: or a client that sends \
          heartbeats as told is taken for dead"]
    );
}

#[test]
fn what_would_take_for_ever_or_all_memory_is_told() {
    let step = |fields: &str| error(&format!(r#"{{ "who": "alice", {fields} }}"#));
    assert!(step(r#""at": "30y", "do": "start""#).starts_with("4: at = 30years"));
    assert!(step(r#""do": "leave", "pause": "2days""#).ends_with(": at most 1day"));
    assert_eq!(
        step(r#""do": "tell", "to": "alice", "padding": 2147483648"#),
        "4: 2147483648 bytes of padding: at most 16777216"
    );
    let day = r#"{ "who": "alice", "after": "23h", "do": "start" }"#;
    assert_eq!(
        error(&format!("{day},\n{day}")),
        "1: the steps take 1day 22h together: at most 1day"
    );
    let actors: Vec<String> = (0..10_000).map(|n| format!("\"a{n}\"")).collect();
    let actors = head(&format!("\"actors\": [{}]", actors.join(",")));
    assert_eq!(actors, "1: 10000 actors: at most 500");
    let beats = r#"{ "version": 1, "actors": ["alice"], "hub": { "ping_interval": "1ms" },
        "steps": [{ "at": "10h", "who": "alice", "do": "start" }] }"#;
    let beats = read(beats).expect_err("it would take long").to_string();
    assert!(beats.starts_with("1: the run would take 72000000 pings"), "{beats}");
}

#[test]
fn a_network_through_which_nothing_passes_is_told() {
    assert_eq!(
        head(r#""actors": ["alice"], "network": { "window_bytes": 0 }"#),
        "1: network: window_bytes = 0: nothing would ever reach the hub"
    );
    assert!(head(r#""actors": ["alice"], "registration_ttl": "0s""#).contains("1s to 1h"));
}

#[test]
fn a_byte_order_mark_is_told() {
    let error = read("\u{feff}{ \"version\": 1 }").expect_err("it is no JSON");
    assert!(error.to_string().contains("byte order mark"), "{error}");
}

#[test]
fn only_what_is_not_the_default_counts_as_set() {
    let mut scenario = Scenario::default();
    assert!(settings(&scenario).is_empty());
    scenario.hub.idle_timeout = std::time::Duration::from_millis(1500);
    assert_eq!(settings(&scenario), [r#""hub": { "idle_timeout": "1s 500ms" }"#]);
}

#[test]
fn a_step_that_names_nobody_is_refused() {
    let error = error(r#"{ "at": "1s", "who": "alise", "do": "start" }"#);
    assert_eq!(error, r#"4: nobody is called "alise"; did you mean "alice"?"#);
}

#[test]
fn a_fault_on_an_unknown_host_is_refused() {
    let fault = r#"{ "who": "network", "do": "stall", "from": "hub", "to": "bob", "lasts": "1s" }"#;
    assert_eq!(error(fault), r#"4: nobody is called "bob"; the actors are alice"#);
}

#[test]
fn an_unknown_word_is_told_with_the_one_that_was_meant() {
    let error = error(
        "{ \"who\": \"alice\", \"do\": \"start\" },\n{ \"who\": \"alice\", \"do\": \"subscibe\" }",
    );
    assert!(error.starts_with("5: step 2: unknown variant `subscibe`"), "{error}");
    assert!(error.ends_with("did you mean `subscribe`?"), "{error}");
}

#[test]
fn an_unknown_field_is_an_error() {
    let error = error(r#"{ "who": "alice", "do": "leave", "pause": "1s", "puase": "2s" }"#);
    assert!(error.contains("unknown field `puase`"), "{error}");
    assert!(error.contains("did you mean `pause`?"), "{error}");
}

#[test]
fn a_word_of_raw_connections_is_not_for_clients() {
    let error = error(r#"{ "who": "alice", "do": "ping" }"#);
    assert_eq!(error, r#"4: "ping" is for raw connections, such as alice/1"#);
}

#[test]
fn a_file_of_another_version_is_refused() {
    let error = read(r#"{ "version": 2, "actors": [] }"#).expect_err("it is unknown");
    assert_eq!(error.to_string(), "1: version 2 is unknown: this program reads 1");
}

#[test]
fn a_step_needs_all_its_fields() {
    let error = error(r#"{ "who": "alice", "do": "leave" }"#);
    assert_eq!(error, "4: step 1: missing field `pause`");
}
