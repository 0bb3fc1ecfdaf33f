//! The format as a JSON Schema, for editors and other programs: made from the types that read it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use signal_hub::hub::Config;
use signal_hub::protocol::ErrorCode;

use super::{Action, ActorFields, Ending, HubAction, VERSION};
use crate::net::{Fault, LinkConfig};

/// Where the schema is published, beside the scenarios.
pub const FILE: &str = "scenario.schema.json";

/// The text of the published file.
pub fn schema() -> String {
    let mut generator = SchemaGenerator::default();
    let actors = "^[A-Za-z0-9._~-]+(/[0-9]+)?$";
    let steps = [
        steps::<Action>(&mut generator, &json!({ "type": "string", "pattern": actors })),
        steps::<HubAction>(&mut generator, &json!({ "const": "hub" })),
        steps::<Fault>(&mut generator, &json!({ "const": "network" })),
    ]
    .concat();
    let property = |schema: Schema| schema.to_value();
    let network = property(generator.subschema_for::<LinkConfig>());
    let ending = property(generator.subschema_for::<Ending>());
    let actor = property(generator.subschema_for::<ActorFields>());
    let definitions = generator.take_definitions(true);
    let schema = json!({
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
            "hub": hub(),
            "network": network,
            "registration_ttl": { "type": "string" },
            "actors": {
                "type": "array",
                "items": { "anyOf": [{ "type": "string" }, actor] },
            },
            "ending": ending,
            "races": { "type": "string" },
            "steps": { "type": "array", "items": { "anyOf": steps } },
        },
        "$defs": definitions,
    });
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text + "\n"
}

/// The codes of errors, as the wire has them.
pub fn error_codes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ErrorCode::ALL.map(ErrorCode::as_str) })
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

/// What the hub can be told, as its defaults show it.
fn hub() -> Value {
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let property = |(name, default): (&String, &Value)| {
        let kind = if default.is_string() { "string" } else { "integer" };
        (name.clone(), json!({ "type": kind, "default": default }))
    };
    let properties: Map<String, Value> =
        defaults.as_object().into_iter().flatten().map(property).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `SIGNAL_HUB_UPDATE=1` writes the file.
    #[test]
    fn the_published_schema_is_that_of_the_types() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(FILE);
        if std::env::var_os("SIGNAL_HUB_UPDATE").is_some() {
            std::fs::write(&file, schema()).expect("the schema can be written");
        }
        let published = std::fs::read_to_string(&file).expect("the schema is published");
        assert!(published == schema(), "set SIGNAL_HUB_UPDATE=1 to write {}", file.display());
    }

    #[test]
    fn every_step_of_every_storm_is_of_a_kind_that_the_schema_knows() {
        let text = schema();
        for step in super::super::generate(super::super::Profile::Swarm, 1).steps {
            let word = serde_json::to_value(&step).expect("a step is JSON")["do"].to_string();
            assert!(text.contains(&format!("\"const\": {word}")), "{word}");
        }
    }
}
