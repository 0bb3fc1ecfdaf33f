//! I54, I55, L10: a newer token that allows less.

use serde_json::json;
use signal_hub::hub::SessionKey;

use super::super::Invariant;
use super::tokens::{refresh, token};
use super::{Story, is_notice};

/// Alice, who has team/a, shows a token that does not allow it.
fn narrowed() -> Story {
    let mut story = Story::of_alice_and_bob();
    story.asks(1, "team/a", refresh(token("alice", json!({}))));
    story
}

#[test]
fn what_a_newer_token_does_not_allow_is_detached() {
    let mut story = narrowed();
    story.holds();
    story.last().row("team/a").registration.as_mut().unwrap().owner = Some(SessionKey(1));
    story.breaks(Invariant::I54);
    *story.last().row_or_none("team/a") = None;
    story.breaks(Invariant::I54);
}

#[test]
fn the_loss_of_what_a_newer_token_does_not_allow_is_told_once() {
    let mut story = narrowed();
    let notice = story.last().outputs.iter().position(is_notice).unwrap();
    let told = story.last().outputs.remove(notice);
    story.breaks(Invariant::I55);
    story.last().outputs.splice(0..0, [told.clone(), told]);
    story.breaks(Invariant::I55);
}

#[test]
fn what_a_newer_token_allows_is_kept() {
    let mut story = narrowed();
    story.shows(token("alice", json!({ "actors": ["team/*"] })));
    story.breaks(Invariant::L10);
}
