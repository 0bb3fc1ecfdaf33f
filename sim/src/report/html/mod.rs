//! A run as one HTML page that needs nothing else: no network, no other file. Rust writes the data,
//! `data.js` keeps the hub's state by event, `arrange.js` gives everything its place, `heads.js`, `draw.js`
//! and `map.js` draw, `state.js` and `panel.js` tell of one event, `filter.js` and `search.js` choose among
//! them, `page.js` does what a person wants.

pub mod about;
mod faults;
mod kinds;
mod lanes;
mod page;
mod text;

use crate::backend::Outcome;
use crate::scenario::Scenario;

const PAGE: &str = include_str!("page.html");
const PAIR: &str = include_str!("pair.html");
/// The colours of all pages.
pub const PALETTE: &str = include_str!("palette.css");
const STYLE: &str = concat!(include_str!("palette.css"), include_str!("page.css"));
const PROGRAMS: [&str; 10] = [
    include_str!("data.js"),
    include_str!("arrange.js"),
    include_str!("heads.js"),
    include_str!("draw.js"),
    include_str!("map.js"),
    include_str!("filter.js"),
    include_str!("search.js"),
    include_str!("state.js"),
    include_str!("panel.js"),
    include_str!("page.js"),
];

/// The page of a run; `command` plays the same run again, and an explanation tells why it fails.
pub fn html(
    scenario: &Scenario,
    command: &str,
    outcome: &Outcome,
    explanation: Option<&str>,
) -> String {
    let mut page = page::Page::of(scenario, command, outcome);
    page.explanation = explanation;
    let data = serde_json::to_string(&page).expect("a page has string keys and no odd numbers");
    fill(PAGE, &[("style", STYLE), ("data", &inert(&data)), ("program", &PROGRAMS.concat())])
}

/// Two pages side by side.
pub fn html_of_two(left: &str, right: &str) -> String {
    let pages = serde_json::to_string(&[left, right]).expect("texts are JSON");
    fill(PAIR, &[("pages", &inert(&pages)), ("program", include_str!("pair.js"))])
}

/// JSON that ends no element and begins no comment wherever it stands in a page.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Puts each text in the place of its `{{name}}`; what it says itself is never looked at again.
pub fn fill(template: &str, texts: &[(&str, &str)]) -> String {
    let mut page = String::new();
    let mut pieces = template.split("{{");
    page.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").expect("a place has an end");
        let text = texts.iter().find(|(known, _)| *known == name);
        page.push_str(text.expect("a place has its text").1);
        page.push_str(rest);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_json_ends_the_element_that_it_stands_in() {
        let json = serde_json::json!({ "payload": "</script><!--<script>" }).to_string();
        let inert = inert(&json);
        assert!(!inert.contains('<'), "{inert}");
        let same: serde_json::Value = serde_json::from_str(&inert).expect("still JSON");
        assert_eq!(same["payload"], "</script><!--<script>");
    }

    #[test]
    fn what_is_put_into_a_template_is_not_searched_for_places() {
        let filled = fill("<a>{{data}}</a>{{style}}", &[("data", "{{style}}{{"), ("style", "s")]);
        assert_eq!(filled, "<a>{{style}}{{</a>s");
    }
}
