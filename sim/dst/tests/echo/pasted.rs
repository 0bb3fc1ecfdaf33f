/// It is all that the server is for.
#[test]
fn a_line_comes_back() {
    use dst::backend::{self, Backend};
    use dst::run::Keep;
    use dst::{report, scenario};

    let text = r#"{
  "version": 1,
  "title": "A line comes back",
  "why": "It is all that the server is for.",
  "actors": ["alice"],
  "steps": [
    { "who": "alice", "do": "say", "text": "hello" },
    { "who": "alice", "do": "sees", "type": "hello" },
    { "at": "2s", "who": "network", "do": "reset", "connections": { "latest": { "client": "alice", "server": "hub" } } },
    { "at": "3s", "who": "alice", "do": "say", "text": "hello again" },
    { "who": "alice", "do": "sees", "type": "hello again" }
  ]
}
"#;
    let scenario = scenario::read::<crate::simulated::Echo>(text).expect("it is a scenario");
    let outcome =
        backend::play(&scenario, Backend::Simulated, Keep::All).expect("it can be played");
    let replay = "echo-sim replay FILE";
    let told = report::verdict(&outcome, replay);
    assert!(outcome.violation.is_none(), "{told}");
}
