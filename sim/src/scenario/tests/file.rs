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
    assert!(step(r#""at": "30y", "do": "start""#).starts_with("4: step 1: at = 30years"));
    assert!(step(r#""do": "leave", "pause": "2days""#).ends_with(": at most 1day"));
    assert_eq!(
        step(r#""do": "tell", "to": "alice", "padding": 2147483648"#),
        "4: step 1: 2147483648 bytes of padding: at most 16777216"
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
    assert_eq!(error, r#"4: step 1: `who`: nobody is called "alise"; did you mean "alice"?"#);
}

#[test]
fn a_fault_on_an_unknown_host_is_refused() {
    let fault = r#"{ "who": "network", "do": "stall", "from": "hub", "to": "bob", "lasts": "1s" }"#;
    assert_eq!(error(fault), r#"4: step 1: `to`: nobody is called "bob"; the actors are alice"#);
}

#[test]
fn a_fault_may_be_on_the_link_of_a_connection_that_does_nothing() {
    let fault = r#"{ "at": "1s", "who": "network", "do": "stall", "from": "hub", "to": "bob/3", "lasts": "1s" }"#;
    let scenario = read(&format!(
        r#"{{ "version": 1, "seed": 1, "actors": [{{ "name": "bob", "kind": "raw" }}], "steps": [{fault}] }}"#
    ));
    let hosts: Vec<String> = scenario.expect("it is a scenario").hosts().collect();
    assert_eq!(hosts, ["hub", "bob", "hub", "bob/3"]);
}

#[test]
fn an_unknown_word_is_told_with_the_one_that_was_meant() {
    let error = error(
        "{ \"who\": \"alice\", \"do\": \"start\" },\n{ \"who\": \"alice\", \"do\": \"subscibe\" }",
    );
    assert!(error.starts_with("5: step 2: `do`: unknown word `subscibe`"), "{error}");
    assert!(error.ends_with("did you mean `subscribe`?"), "{error}");
}

#[test]
fn a_code_that_no_hub_says_is_an_error() {
    let said = error(r#"{ "who": "alice", "do": "refused", "code": "rate_limitd" }"#);
    assert!(said.contains("rate_limitd") && said.contains("rate_limited"), "{said}");
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
    assert_eq!(error, r#"4: step 1: "ping" is for raw connections, such as alice/1"#);
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

#[test]
fn whoever_is_named_is_known() {
    let raw = r#"{ "version": 1, "actors": ["alice", { "name": "shop", "kind": "raw", "addresses": ["till"] }],
 "steps": [
STEP
 ] }"#;
    let read = |step: &str| read(&raw.replace("STEP", step)).map(drop).map_err(|e| e.to_string());
    for (field, step) in [
        ("to", r#"{ "who": "alice", "do": "ask", "to": "alise" }"#),
        ("to", r#"{ "who": "alice", "do": "ask_twice", "to": "alise" }"#),
        ("as", r#"{ "who": "alice", "do": "tell", "to": "shop", "as": "alise" }"#),
        ("from", r#"{ "who": "shop/1", "do": "sees", "type": "note", "from": "alise" }"#),
        ("address", r#"{ "who": "shop/1", "do": "unregister", "address": "alise" }"#),
        ("address", r#"{ "who": "shop/1", "do": "renew", "address": "alise" }"#),
        ("host", r#"{ "who": "network", "do": "clock_skew", "host": "alise", "milliseconds": 1 }"#),
    ] {
        let told =
            format!("3: step 1: `{field}`: nobody is called \"alise\"; did you mean \"alice\"?");
        assert_eq!(read(step), Err(told), "{step}");
    }
    for name in ["shop", "till", "@(alise)", "nobody"] {
        let step = format!(r#"{{ "who": "alice", "do": "ask", "to": "{name}" }}"#);
        assert_eq!(read(&step), Ok(()), "{name}");
    }
    let registered = r#"{ "who": "shop/1", "do": "register", "address": "counter" },
        { "who": "alice", "do": "ask", "to": "counter" }"#;
    assert_eq!(read(registered), Ok(()));
}

#[test]
fn a_message_that_nobody_can_send_is_told() {
    let sees = |kind: &str| format!(r#"{{ "who": "alice/1", "do": "sees", "type": "{kind}" }}"#);
    assert_eq!(
        error(&sees("hub:registred")),
        "4: step 1: `type`: no message is called \"hub:registred\"; did you mean \"hub:registered\"?"
    );
    let none = r#"{ "who": "alice/1", "do": "sees_no", "type": "hub:regstered", "for": "1s" }"#;
    assert!(
        error(none).ends_with("did you mean \"hub:registered\"?"),
        "its absence proves nothing"
    );
    let written = r#"{ "who": "alice/1", "do": "write", "text": "{\"type\":\"chat:hello\"}" }"#;
    let text = format!(
        r#"{{ "version": 1, "actors": ["alice"], "steps": [{written}, {}] }}"#,
        sees("chat:hello")
    );
    assert!(read(&text).is_ok(), "whoever writes frames makes types up");
    for kind in MESSAGE_TYPES.iter().filter(|kind| kind.starts_with("hub:")) {
        let page = include_str!("../../../../docs/PROTOCOL.md");
        assert!(page.contains(kind), "docs/PROTOCOL.md does not know {kind}");
    }
}

/// Broken files of every kind, with what is said of each.
#[test]
fn what_is_wrong_in_a_head_is_told_in_the_words_of_files() {
    let heads = [
        (r#""actors": 5"#, "`actors`: expected a list, found 5"),
        (r#""actors": [5]"#, "`actors[0]`: expected a name or an object, found 5"),
        (
            r#""actors": ["a", { "name": "b", "kind": "row" }]"#,
            "`actors[1].kind`: unknown word `row`, expected `client` or `raw`; did you mean `raw`?",
        ),
        (
            r#""actors": [{ "name": "b", "knd": "raw" }]"#,
            "unknown field `knd`, expected one of `name`, `kind`, `addresses`; did you mean `kind`?",
        ),
        (r#""actors": [{ "kind": "raw" }]"#, "missing field `name`"),
        (r#""actors": [], "seed": -1"#, "`seed`: expected a whole number, 0 or more, found -1"),
        (r#""actors": [], "title": 5"#, "`title`: expected text, found 5"),
        (
            r#""actors": [], "ending": "clm""#,
            "`ending`: unknown word `clm`, expected `stop` or `calm`; did you mean `calm`?",
        ),
        (
            r#""actors": [], "ending": 5"#,
            "`ending`: expected a word, or an object with one, found 5",
        ),
        (r#""actors": [], "hub": 5"#, "`hub`: expected an object, found 5"),
        (
            r#""actors": [], "hub": { "resume_window": 5 }"#,
            "`hub.resume_window`: expected text, found 5",
        ),
        (
            r#""actors": [], "hub": { "queue_messages_max": "x" }"#,
            "`hub.queue_messages_max`: expected a whole number, 0 or more, found \"x\"",
        ),
        (r#""actors": [], "network": 5"#, "`network`: expected an object, found 5"),
        (
            r#""actors": [], "network": { "loss_per_mille": 70000 }"#,
            "`network.loss_per_mille`: expected a whole number, 0 to 65535, found 70000",
        ),
        (
            r#""actors": [], "registration_ttl": "x""#,
            "`registration_ttl`: \"x\" is no duration such as 1m 30s: expected number at 0",
        ),
    ];
    for (fields, told) in heads {
        assert_eq!(head(fields), format!("1: {told}"), "{fields}");
    }
}

#[test]
fn what_is_wrong_in_a_step_is_told_in_the_words_of_files() {
    let steps = [
        (r#"5"#, "expected an object, found 5"),
        (r#"{ "who": 5, "do": "start" }"#, "`who`: expected text, found 5"),
        (r#"{ "who": "alice", "do": 5 }"#, "`do`: expected a word, found 5"),
        (r#"{ "who": "alice", "do": "ask", "to": null }"#, "`to`: expected text, found null"),
        (
            r#"{ "who": "alice", "do": "tell", "to": "alice", "padding": -1 }"#,
            "`padding`: expected a whole number, 0 or more, found -1",
        ),
        (
            r#"{ "who": "alice", "do": "leave", "pause": "1 fortnight" }"#,
            "`pause`: \"1 fortnight\" is no duration such as 1m 30s: unknown time unit \"fortnight\", \
             supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)",
        ),
        (
            r#"{ "who": "alice", "do": "reconnect", "hub_sees": "after" }"#,
            "`hub_sees`: expected an object with the word and what belongs to it, found the word alone",
        ),
        (
            r#"{ "who": "alice", "do": "reconnect", "hub_sees": "nver" }"#,
            "`hub_sees`: unknown word `nver`, expected one of `now`, `after`, `never`; did you mean `never`?",
        ),
        (
            r#"{ "who": "alice/1", "do": "renew", "token": "latst" }"#,
            "`token`: unknown word `latst`, expected one of `latest`, `used`, `none`; did you mean `latest`?",
        ),
        (
            r#"{ "who": "hub", "do": "restart", "abruptly": "yes", "pause": "1s" }"#,
            "`abruptly`: expected true or false, found \"yes\"",
        ),
        (
            r#"{ "who": "network", "do": "link", "from": "hub", "to": "alice", "config": 5 }"#,
            "`config`: expected an object, found 5",
        ),
        (
            r#"{ "who": "network", "do": "link", "from": "hub", "to": "alice", "config": { "latency": 5 } }"#,
            "`config.latency`: expected text, found 5",
        ),
        (
            r#"{ "who": "network", "do": "clock_skew", "host": "alice", "milliseconds": 1.5 }"#,
            "`milliseconds`: expected a whole number, found 1.5",
        ),
        (r#"{ "who": "alice", "do": "start", "x": 1 }"#, "unknown field `x`: `start` takes none"),
        (
            r#"{ "who": "alice", "do": "metrics", "x": 1 }"#,
            "unknown field `x`: `metrics` takes none",
        ),
        (r#"{ "who": "network", "do": "heal", "x": 1 }"#, "unknown field `x`: `heal` takes none"),
        (
            r#"{ "who": "hub", "do": "shutdown", "x": 1 }"#,
            "unknown field `x`: `shutdown` takes none",
        ),
    ];
    for (step, told) in steps {
        assert_eq!(error(step), format!("4: step 1: {told}"), "{step}");
    }
}

#[test]
fn what_is_wrong_in_a_whole_file_is_told_in_the_words_of_files() {
    let files = [
        ("[]", "1: no JSON object: expected an object, found a list"),
        ("", "1: no JSON object: EOF while parsing a value"),
        (
            r#"{ "version": "1", "actors": [] }"#,
            "1: `version`: expected a whole number, 0 to 4294967295, found \"1\"",
        ),
        (r#"{ "version": 1, "actors": [], "steps": 5 }"#, "1: `steps`: expected a list, found 5"),
        (r#"{ "version": 1, "actors": [] }"#, "1: missing field `steps`"),
        (r#"{ "version": 1, "steps": [] }"#, "1: missing field `actors`"),
        (
            "{ \"version\": 1, \"actors\": [],\n\n \"registration_ttl\": 5,\n \"steps\": [] }",
            "3: `registration_ttl`: expected text, found 5",
        ),
    ];
    for (file, told) in files {
        assert_eq!(read(file).expect_err("it is broken").to_string(), told, "{file}");
    }
}
