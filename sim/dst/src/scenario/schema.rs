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
            "version": { "const": VERSION },
            "title": { "type": "string" },
            "why": { "type": "string" },
            "seed": { "type": "integer", "minimum": 0 },
            "hub": {
                "type": "object",
                "properties": properties::<S::Settings>(),
                "additionalProperties": false,
            },
            "network": network,
            "actors": {
                "type": "array",
                "items": { "anyOf": [{ "type": "string" }, actor] },
            },
            "ending": ending,
            "races": { "type": "string" },
            "expect_failure": expected,
            "steps": { "type": "array", "items": { "anyOf": steps } },
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
        ("at", json!({ "type": "string" })),
        ("after", json!({ "type": "string" })),
        ("as", json!({ "type": "string" })),
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

/// What can be set, as the defaults show it.
fn properties<T: Default + Serialize>() -> Map<String, Value> {
    let defaults = serde_json::to_value(T::default()).unwrap_or_default();
    let property = |(name, default): (&String, &Value)| {
        let kind = if default.is_string() { "string" } else { "integer" };
        (name.clone(), json!({ "type": kind, "default": default }))
    };
    defaults.as_object().into_iter().flatten().map(property).collect()
}
