//! Appends the parts of a frame to a buffer.

use serde::Serialize;

/// Appends texts as they are. Inlined, so that a constant is a few stores.
#[inline(always)]
pub(super) fn push<const N: usize>(frame: &mut Vec<u8>, parts: [&str; N]) {
    for part in parts {
        frame.extend_from_slice(part.as_bytes());
    }
}

/// Appends a value as JSON.
pub(super) fn push_json<T: Serialize + ?Sized>(frame: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(frame, value).expect("its keys are strings and its JSON is valid");
}

/// The text that `write` appends to an empty buffer.
pub(super) fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut frame = Vec::with_capacity(512);
    write(&mut frame);
    String::from_utf8(frame).expect("texts and JSON are UTF-8")
}
