//! The fuzzer's corpus, played without the fuzzer: what it found once stays found.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

#[path = "fuzz/targets.rs"]
mod targets;

/// A frame of a client, mostly a valid one.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88]),
        1 => any::<u8>(),
    ];
    let says =
        prop_oneof![vec(any::<u8>(), 0..200), "[a-zé€😀]{0,60}".prop_map(String::into_bytes)];
    (first, says, any::<[u8; 4]>(), 0..20).prop_map(|(first, says, mask, oddity)| {
        let long = oddity == 0 || says.len() > 125;
        let is_masked = if oddity == 1 { 0 } else { 0x80 };
        let length = match long {
            true => vec![is_masked | 126, 0, says.len() as u8],
            false => vec![is_masked | says.len() as u8],
        };
        let masked = says.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        [&[first], &length[..], &mask].concat().into_iter().chain(masked).collect()
    })
}

proptest! {
    #[test]
    fn frames_are_read_as_by_another_implementation(
        step in any::<u8>(),
        frames in vec(frame(), 0..8),
        cut in 0..4_usize,
    ) {
        let stream = frames.concat();
        let come = stream.len().saturating_sub(cut);
        targets::frames(&[&[step], &stream[..come]].concat());
    }
}

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
fn the_frames_stand_their_corpus() {
    plays("frames", targets::frames);
}

#[test]
fn the_hub_stands_its_corpus() {
    plays("hub", targets::hub);
}
