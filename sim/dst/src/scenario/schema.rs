//! The format as a JSON Schema, for editors and other programs: made from the types that read it.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    ActorFields, ConnectionAct, Ending, Expect, ExpectedFailure, HubAction, ProcessAct, VERSION,
};
use crate::System;
use crate::net::{Fault, LinkConfig};

/// Where the schema is published, beside the scenarios.
pub const FILE: &str = "scenario.schema.json";

/// The text of the published file.
pub fn schema<S: System>() -> String {
    let mut generator = SchemaGenerator::default();
    let actors = json!({ "type": "string", "pattern": "^[A-Za-z0-9._~-]+(/[0-9]+)?$" });
    let steps = [
        steps::<S::Action>(&mut generator, &actors),
        steps::<ProcessAct>(&mut generator, &actors),
        steps::<ConnectionAct>(&mut generator, &actors),
        steps::<Expect>(&mut generator, &actors),
        steps::<HubAction>(&mut generator, &json!({ "const": "hub" })),
        steps::<Fault>(&mut generator, &json!({ "const": "network" })),
    ]
    .concat();
    let property = |schema: Schema| schema.to_value();
    let network = property(generator.subschema_for::<LinkConfig>());
    let ending = property(generator.subschema_for::<Ending>());
    let actor = property(generator.subschema_for::<ActorFields>());
    let clients = S::Clients::json_schema(&mut generator).to_value();
    let expected = property(generator.subschema_for::<ExpectedFailure>());
    let definitions = generator.take_definitions(true);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario for the hub's simulator",
        "type": "object",
        "required": ["version", "actors", "steps"],
        "additionalProperties": false,
        "properties": {
            "$schema": { "type": "string" },
            "version": { "const": VERSION, "description": "Of this format." },
            "title": { "type": "string", "description": "What happens." },
            "why": { "type": "string", "description": "What would break in which kind of hub." },
            "seed": {
                "type": "integer",
                "minimum": 0,
                "default": 0,
                "description": "What the network, the clients and the order of tasks are drawn from.",
            },
            "hub": {
                "type": "object",
                "description": "How the hub is set; what is left out has its default.",
                "properties": properties::<S::Settings>(),
                "additionalProperties": false,
            },
            "network": network,
            "actors": {
                "type": "array",
                "description": "Who takes part: a name is an actor with a client.",
                "items": { "anyOf": [{ "type": "string" }, actor] },
            },
            "ending": ending,
            "races": {
                "type": "string",
                "description": "Why what actors see depends on who is first: it is compared on the simulated network alone.",
            },
            "expect_failure": expected,
            "steps": {
                "type": "array",
                "description": "What happens, in the order in which it begins.",
                "items": { "anyOf": steps },
            },
        },
        "$defs": definitions,
    });
    if let (Value::Object(all), Value::Object(of_clients)) =
        (&mut schema["properties"], &clients["properties"])
    {
        all.extend(of_clients.clone());
    }
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text + "\n"
}

/// One schema for each kind of step of `who`.
fn steps<T: JsonSchema>(generator: &mut SchemaGenerator, who: &Value) -> Vec<Value> {
    let schema = T::json_schema(generator).to_value();
    let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
    variants.into_iter().map(|variant| step(generator, variant, who)).collect()
}

fn step(generator: &SchemaGenerator, variant: Value, who: &Value) -> Value {
    let Value::Object(mut variant) = variant else { return variant };
    let named = variant.remove("$ref").and_then(|name| {
        let name = name.as_str()?.rsplit('/').next()?.to_owned();
        generator.definitions().get(&name).cloned()
    });
    for (key, of_named) in named.iter().flat_map(|named| named.as_object()).flatten() {
        match (variant.get_mut(key), of_named) {
            (Some(Value::Object(own)), Value::Object(more)) => own.extend(more.clone()),
            (Some(Value::Array(own)), Value::Array(more)) => own.extend(more.clone()),
            (Some(_), _) => {}
            (None, more) => drop(variant.insert(key.clone(), more.clone())),
        }
    }
    let properties = variant.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    for (name, schema) in [
        (
            "at",
            told(
                "When it happens, after the start. Without `at` and `after`: once the step before is done.",
            ),
        ),
        ("after", told("How long after the step before is done.")),
        ("as", told("The address that it speaks for; the actor's own unless given.")),
        ("who", who.clone()),
    ] {
        properties[name] = schema;
    }
    if let Some(Value::Array(required)) = variant.get_mut("required") {
        required.push("who".into());
    }
    variant.insert("additionalProperties".to_owned(), Value::Bool(false));
    Value::Object(variant)
}

/// A text, and what it says.
fn told(what: &str) -> Value {
    json!({ "type": "string", "description": what })
}

/// What can be set, as the defaults show it.
fn properties<T: Default + Serialize>() -> Map<String, Value> {
    let defaults = serde_json::to_value(T::default()).unwrap_or_default();
    let property = |(name, default): (&String, &Value)| {
        let mut schema = json!({ "default": default });
        if let Some(kind) = kind_of(default) {
            schema["type"] = kind.into();
        }
        (name.clone(), schema)
    };
    defaults.as_object().into_iter().flatten().map(property).collect()
}

/// The type of all values like this one; what is absent can be of any.
fn kind_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_f64() => Some("number"),
        Value::Number(_) => Some("integer"),
        Value::String(_) => Some("string"),
        Value::Array(_) => Some("array"),
        Value::Object(_) => Some("object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Serialize)]
    struct Settings {
        careful: bool,
        share: f64,
        rows: u64,
        name: String,
        names: Vec<String>,
        limits: Limits,
        key: Option<u64>,
    }

    #[derive(Default, Serialize)]
    struct Limits {
        rows: u64,
    }

    #[test]
    fn a_setting_is_of_the_type_of_its_default() {
        let kinds: Vec<(String, Value)> = properties::<Settings>()
            .into_iter()
            .map(|(name, schema)| (name, schema.get("type").cloned().unwrap_or_default()))
            .collect();
        let expected = [
            ("careful", json!("boolean")),
            ("key", Value::Null),
            ("limits", json!("object")),
            ("name", json!("string")),
            ("names", json!("array")),
            ("rows", json!("integer")),
            ("share", json!("number")),
        ];
        assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }
}
