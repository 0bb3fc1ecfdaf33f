//! I33, I51: what is discovered and listed, and what that costs.

use signal_hub::protocol::{Discover, Discovered, Glob, Page, Reply, Verb};

use super::super::Invariant;
use super::{Story, discover, register};

#[test]
fn whoever_is_registered_is_discovered() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(1, "alice", discover());
    story.holds();
    let Reply::Discovered(told) = story.last().reply() else { panic!() };
    told.actors.pop();
    story.breaks(Invariant::I33);
}

#[test]
fn whoever_has_gone_is_not_listed() {
    let mut story = Story::of(["alice", "bob"]);
    story.closes(2);
    story.asks(1, "alice", Verb::ListActors(Default::default()));
    story.holds();
    let Reply::ActorList(told) = story.last().reply() else { panic!() };
    told.total += 1;
    story.breaks(Invariant::I33);
}

/// A page of one of two.
fn first_page() -> Story {
    let mut story = Story::of(["alice", "bob"]);
    let one = Discover { limit: Page::new(1).expect("a page"), ..Discover::default() };
    story.asks(1, "alice", Verb::Discover(one));
    story
}

#[test]
fn a_page_ends_where_its_bound_is_and_leads_on() {
    first_page().holds();
    for spoil in [
        |told: &mut Discovered| told.next_offset = Some(2),
        |told: &mut Discovered| told.next_cursor = None,
        |told: &mut Discovered| told.actors.clear(),
        |told: &mut Discovered| told.has_more = false,
        |told: &mut Discovered| told.actors[0].truncated = true,
    ] {
        let mut story = first_page();
        spoil(told(&mut story));
        story.breaks(Invariant::I33);
    }
}

fn told(story: &mut Story) -> &mut Discovered {
    let Reply::Discovered(told) = story.last().reply() else { panic!("not a page") };
    told
}

/// A name is asked for among so many.
fn looked_for(pattern: &str, others: usize) -> Story {
    let mut story = Story::of(["alice"]);
    for number in 0..others {
        story.asks(1, "alice", register(&format!("alice/{number}")));
    }
    let ask = Discover { pattern: Glob::new(pattern), ..Discover::default() };
    story.asks(1, "alice", Verb::Discover(ask));
    story
}

#[test]
fn a_name_is_not_looked_for_among_all() {
    let mut story = looked_for("alice/7", 90);
    story.holds();
    story.last().work.rows += 90;
    story.breaks(Invariant::I51);
}

#[test]
fn a_walk_goes_no_further_than_its_bound() {
    let mut story = looked_for("*7", 90);
    assert_eq!(story.last().work.rows, 91);
    story.holds();
    story.scenario.hub.scan_rows_max = 20;
    story.breaks(Invariant::I51);
}

#[test]
fn a_search_says_how_much_it_looked_at() {
    for (pattern, looked_at) in [("*7", 91), ("*nobody", 91), ("alice/7*", 11), ("nobody", 0)] {
        let mut story = looked_for(pattern, 90);
        assert_eq!(story.last().work.scanned, looked_at, "{pattern}");
        story.holds();
        story.last().work.scanned += 1;
        story.breaks(Invariant::I51);
    }
    let mut story = looked_for("*nobody", 90);
    story.last().work.scanned = 0;
    story.breaks(Invariant::I51);
}
