/// Bob logs out on a shared machine. A hub that treats this like a lost connection keeps his topics for whoever takes the name next; one that closes before it answers makes the goodbye look like a failure.
#[test]
fn whoever_says_goodbye_leaves_nothing_behind() {
    use signal_hub_sim::backend::{self, Backend};
    use signal_hub_sim::run::Keep;
    use signal_hub_sim::{report, scenario};

    let text = r#"{
  "$schema": "scenario.schema.json",
  "version": 1,
  "title": "Whoever says goodbye leaves nothing behind",
  "why": "Bob logs out on a shared machine. A hub that treats this like a lost connection keeps his topics for whoever takes the name next; one that closes before it answers makes the goodbye look like a failure.",
  "hub": { "resume_window": "10s" },
  "actors": [{ "name": "alice", "kind": "raw" }, { "name": "bob", "kind": "raw" }],
  "steps": [
    { "who": "alice/1", "do": "connect" },
    { "who": "alice/1", "do": "register" },
    { "who": "bob/1", "do": "connect" },
    { "who": "bob/1", "do": "register" },
    { "who": "bob/1", "do": "register", "address": "desk" },
    { "who": "bob/1", "do": "subscribe", "topic": "news" },
    { "who": "bob/1", "do": "disconnect" },
    { "who": "bob/1", "do": "sees", "type": "hub:disconnect", "payload": { "acknowledged": true } },
    { "who": "bob/1", "do": "closed_with", "code": 1000 },
    { "who": "alice/1", "do": "ask", "to": "desk" },
    { "who": "alice/1", "do": "sees", "type": "hub:unknown_actor" },
    { "who": "bob/2", "do": "connect" },
    { "who": "bob/2", "do": "register" },
    { "who": "bob/2", "do": "sees", "type": "hub:registered", "payload": { "version": 1, "resumed": false, "subscriptions": [] } },
    { "who": "alice/1", "do": "publish", "topic": "news" },
    { "who": "alice/1", "do": "sees", "type": "hub:published", "payload": { "subscriberCount": 0 } },
    { "who": "bob/2", "do": "sees_no", "type": "note", "for": "300ms" }
  ]
}
"#;
    let scenario = scenario::read(text).expect("it is a scenario");
    let outcome =
        backend::play(&scenario, Backend::Simulated, Keep::All).expect("it can be played");
    let replay = "cargo sim replay scenarios/a_goodbye_forgets_at_once.json";
    let told = report::verdict(&outcome, replay);
    assert!(outcome.violation.is_none(), "{told}");
}
