//! The format as a page for people, made from its schema.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::schema;
use crate::System;

/// The fields that every step has.
const OF_EVERY_STEP: [&str; 4] = ["who", "at", "after", "as"];

/// The format of scenario files, in Markdown: the fields of a file, its steps, and what these are made of.
pub fn reference<S: System>() -> String {
    let schema: Value = serde_json::from_str(&schema::<S>()).expect("a schema is JSON");
    let mut page = format!(
        "# The scenario format\n\n\
         What a scenario file of {} can say, made from the types that read it: `schema --markdown` prints this page, that\n\
         of each simulator its own, and `schema` the JSON Schema for editors. A time is text, such as `250ms` or `1m 30s`. A\n\
         field without a default that is not *optional* has to be there.\n\n\
         ## A file\n\n",
        S::NAME
    );
    fields(&mut page, &schema, "", &["hub", "steps"]);
    steps(&mut page, &schema["properties"]["steps"]["items"]["anyOf"]);
    settings(&mut page, &schema["properties"]["hub"]["properties"]);
    page.push_str("\n## What these are made of\n");
    for (name, of) in schema["$defs"].as_object().into_iter().flatten() {
        let _ = write!(page, "\n### {name}\n\n{}\n\n", said(of));
        shape(&mut page, of, "");
    }
    page
}

/// The steps, by who takes them.
fn steps(page: &mut String, steps: &Value) {
    let steps = steps.as_array().map_or(&[][..], Vec::as_slice);
    page.push_str(
        "\n## Steps\n\nEach step is an object with `do` and `who`, and has, if it wants:\n\n",
    );
    let common: Vec<&str> = OF_EVERY_STEP.into_iter().filter(|name| *name != "who").collect();
    if let Some(step) = steps.first() {
        let every = |(name, _): &(&String, &Value)| common.contains(&name.as_str());
        step["properties"].as_object().into_iter().flatten().filter(every).for_each(
            |(name, of)| {
                let _ = writeln!(page, "- `{name}`: {}", described(of));
            },
        );
    }
    for (title, who) in [
        ("Steps of an actor", None),
        ("Steps of the hub: `\"who\": \"hub\"`", Some("hub")),
        ("Steps of the network: `\"who\": \"network\"`", Some("network")),
    ] {
        let _ = write!(page, "\n### {title}\n");
        let of_who = |step: &&Value| step["properties"]["who"]["const"].as_str() == who;
        for step in steps.iter().filter(of_who) {
            let word = step["properties"]["do"]["const"].as_str().unwrap_or_default();
            let _ = write!(page, "\n**`{word}`** {}\n\n", said(step));
            fields(page, step, "", &["do", "who", "at", "after", "as"]);
        }
    }
}

/// What the hub can be set to.
fn settings(page: &mut String, settings: &Value) {
    page.push_str("\n## Settings of the hub\n\n| `hub` | type | default |\n|---|---|---|\n");
    for (name, of) in settings.as_object().into_iter().flatten() {
        let _ = writeln!(page, "| `{name}` | {} | `{}` |", kind(of), of["default"]);
    }
}

/// A line for each field of an object, but for those that stand elsewhere.
fn fields(page: &mut String, of: &Value, indent: &str, elsewhere: &[&str]) {
    let required = of["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in of["properties"].as_object().into_iter().flatten() {
        if name.starts_with('$') || elsewhere.contains(&name.as_str()) {
            continue;
        }
        let is_required = required.iter().any(|one| one == name);
        let may_be_left_out = match &field["default"] {
            Value::Null if is_required => String::new(),
            Value::Null => ", optional".to_owned(),
            default => format!(", `{default}` unless given"),
        };
        let _ = writeln!(page, "{indent}- `{name}`{may_be_left_out}: {}", described(field));
        if let Some(Value::Object(_)) = field.get("properties") {
            fields(page, field, &format!("{indent}  "), &[]);
        }
    }
}

/// What a value looks like: its fields, or one line for each way it can be.
fn shape(page: &mut String, of: &Value, indent: &str) {
    let ways = ["oneOf", "anyOf"].into_iter().find_map(|key| of[key].as_array());
    match ways {
        Some(ways) => {
            for way in ways {
                let _ = writeln!(page, "{indent}- {}", described(way));
                fields(page, way, &format!("{indent}  "), &[]);
            }
        }
        None if of["properties"].is_object() => fields(page, of, indent, &[]),
        None => drop(writeln!(page, "{indent}- {}", kind(of))),
    }
}

/// Its type and what is said of it.
fn described(of: &Value) -> String {
    match said(of) {
        text if text.is_empty() => kind(of),
        text => format!("{}. {text}", kind(of)),
    }
}

/// What is said of it, on one line.
fn said(of: &Value) -> String {
    of["description"].as_str().unwrap_or_default().replace('\n', " ")
}

/// Its type, in words.
fn kind(of: &Value) -> String {
    if let Some(name) = of["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if !of["const"].is_null() {
        return format!("`{}`", of["const"]);
    }
    if let Some(ways) = ["anyOf", "oneOf"].into_iter().find_map(|key| of[key].as_array()) {
        let is_something = |way: &&Value| way["type"] != "null";
        let ways: Vec<String> = ways.iter().filter(is_something).map(kind).collect();
        return ways.join(" or ");
    }
    if let Some(words) = of["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    match &of["type"] {
        Value::String(name) => named(name, of),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.map(|name| named(name, of)).collect::<Vec<_>>().join(" or ")
        }
        _ => "any JSON".to_owned(),
    }
}

fn named(kind_of_json: &str, of: &Value) -> String {
    let values = |key: &str| of.get(key).filter(|value| value.is_object()).map(kind);
    match kind_of_json {
        "string" => "text".to_owned(),
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "array" => {
            format!("a list of {}", values("items").unwrap_or_else(|| "any JSON".to_owned()))
        }
        "object" => {
            match (values("additionalProperties"), of["properties"].as_object().map(Map::len)) {
                (Some(values), _) => format!("an object with a {values} by each name"),
                (None, Some(1)) => "an object with one field".to_owned(),
                (None, _) => "an object".to_owned(),
            }
        }
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_told_in_words() {
        for (schema, words) in [
            (json!({ "type": "string" }), "text"),
            (json!({ "type": ["integer", "null"] }), "a whole number"),
            (json!({ "const": "never" }), "`\"never\"`"),
            (json!({ "$ref": "#/$defs/Seen" }), "[Seen](#seen)"),
            (json!({ "anyOf": [{ "$ref": "#/$defs/Seen" }, { "type": "null" }] }), "[Seen](#seen)"),
            (json!({ "type": "array", "items": { "type": "string" } }), "a list of text"),
            (json!(true), "any JSON"),
        ] {
            assert_eq!(kind(&schema), words, "{schema}");
        }
    }

    #[test]
    fn a_field_says_whether_it_can_be_left_out() {
        let object = json!({
            "required": ["to"],
            "properties": {
                "to": { "type": "string", "description": "Who\ngets it." },
                "ttl": { "type": "string" },
                "count": { "type": "integer", "default": 1 },
            },
        });
        let mut page = String::new();
        fields(&mut page, &object, "", &[]);
        let lines = [
            "- `to`: text. Who gets it.",
            "- `ttl`, optional: text",
            "- `count`, `1` unless given: a whole number",
        ];
        for line in lines {
            assert!(page.contains(line), "{page}");
        }
    }
}
