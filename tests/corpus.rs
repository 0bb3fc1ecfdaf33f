//! The fuzzer's corpus, played without the fuzzer: what it found once stays found.

use std::fs;
use std::path::Path;

#[path = "fuzz/targets.rs"]
mod targets;

fn plays(target: &str, play: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).expect("the corpus is part of the repository");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        // Shown only if the test fails.
        println!("{}", file.display());
        play(&fs::read(&file).expect("a file of the corpus"));
    }
}

#[test]
fn the_codec_stands_its_corpus() {
    plays("codec", targets::codec);
}

#[test]
fn the_hub_stands_its_corpus() {
    plays("hub", targets::hub);
}
