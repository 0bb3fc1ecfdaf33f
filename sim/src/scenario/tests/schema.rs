//! The published schema is that of the types.

use std::path::Path;

use super::super::*;

/// `SIGNAL_HUB_UPDATE=1` writes the file.
#[test]
fn the_published_schema_is_that_of_the_types() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(SCHEMA_FILE);
    if std::env::var_os("SIGNAL_HUB_UPDATE").is_some() {
        std::fs::write(&file, schema()).expect("the schema can be written");
    }
    let published = std::fs::read_to_string(&file).expect("the schema is published");
    assert!(published == schema(), "set SIGNAL_HUB_UPDATE=1 to write {}", file.display());
}

/// `SIGNAL_HUB_UPDATE=1` writes the page.
#[test]
fn the_page_of_the_format_is_that_of_the_types() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SCENARIOS.md");
    let page = dst::scenario::reference::<crate::SignalHub>();
    if std::env::var_os("SIGNAL_HUB_UPDATE").is_some() {
        std::fs::write(&file, &page).expect("the page can be written");
    }
    let published = std::fs::read_to_string(&file).expect("the page is published");
    assert!(published == page, "set SIGNAL_HUB_UPDATE=1 to write {}", file.display());
}

#[test]
fn every_step_of_every_storm_is_of_a_kind_that_the_schema_knows() {
    let text = schema();
    for step in generate(Profile::Swarm, 1).steps {
        let word = serde_json::to_value(&step).expect("a step is JSON")["do"].to_string();
        assert!(text.contains(&format!("\"const\": {word}")), "{word}");
    }
}
