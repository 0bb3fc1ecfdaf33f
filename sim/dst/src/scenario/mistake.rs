//! What is wrong with a file, in the words of files: those of whoever reads it are Rust's.

use serde_json::Value;

/// As alike two words have to be for one to be meant by the other.
const ALIKE: f64 = 0.7;

/// What the reader says, without its position, with the nearest of the words that it knows.
pub fn explained(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let said = text.rsplit_once(" at line ").map_or(&*text, |(said, _)| said);
    nearest_word(&in_words_of_files(said))
}

/// The field that is to blame, with those that it is part of: without it, the error is another one.
/// Some errors name it themselves.
pub fn field(value: &Value, error: &dyn Fn(Value) -> Option<String>) -> Option<String> {
    let said = error(value.clone())?;
    if ["missing field", "unknown field", "duplicate field"].iter().any(|w| said.starts_with(w)) {
        return None;
    }
    match value {
        Value::Object(fields) => {
            // Without one of these, a step is none.
            let last = |name: &&String| ["who", "do"].contains(&name.as_str());
            let names = fields.keys().filter(|name| !last(name));
            let names: Vec<&String> = names.chain(fields.keys().filter(last)).collect();
            let without = |name: &str| {
                let mut without = fields.clone();
                without.remove(name);
                error(Value::Object(without))
            };
            let is_missed = |said: &str| said.starts_with("missing field");
            // What is required is missed before some other fields are read at all.
            let helps = |name: &&&String| {
                without(name).is_none_or(|other| other != said && !is_missed(&other))
            };
            let changes = |name: &&&String| without(name).as_ref() != Some(&said);
            let name = names.iter().find(helps).or_else(|| names.iter().find(changes)).copied()?;
            let within = field(&fields[name], &|part| {
                let mut whole = fields.clone();
                whole.insert(name.clone(), part);
                error(Value::Object(whole))
            });
            Some(within.map_or(name.clone(), |within| {
                let dot = if within.starts_with('[') { "" } else { "." };
                format!("{name}{dot}{within}")
            }))
        }
        Value::Array(elements) => {
            let number = (0..elements.len()).find(|number| {
                let mut without = elements.clone();
                without.remove(*number);
                error(Value::Array(without)).as_ref() != Some(&said)
            })?;
            let within = field(&elements[number], &|part| {
                let mut whole = elements.clone();
                whole[number] = part;
                error(Value::Array(whole))
            });
            let within = within.map_or_else(String::new, |within| format!(".{within}"));
            Some(format!("[{number}]{within}"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn in_words_of_files(said: &str) -> String {
    if let Some(rest) = said.strip_prefix("unknown variant ") {
        return format!("unknown word {rest}");
    }
    let mistake = ["invalid type: ", "invalid value: ", "invalid length "];
    let mistake = mistake.iter().find_map(|mistake| said.strip_prefix(mistake));
    match mistake.and_then(|mistake| mistake.rsplit_once(", expected ")) {
        Some((found, expected)) => {
            format!("expected {}, found {}", expected_words(expected), found_words(found))
        }
        None => said.to_owned(),
    }
}

fn expected_words(expected: &str) -> &str {
    let is = |beginnings: &[&str]| beginnings.iter().any(|words| expected.starts_with(words));
    match expected {
        "a string" | "string" => "text",
        "a boolean" => "true or false",
        "u8" => "a whole number, 0 to 255",
        "u16" => "a whole number, 0 to 65535",
        "u32" => "a whole number, 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i64" => "a whole number",
        "variant identifier" => "a word",
        "string or map" => "a word, or an object with one",
        "unit variant" => "the word alone",
        _ if is(&["struct variant", "newtype variant", "tuple variant"]) => {
            "an object with the word and what belongs to it"
        }
        _ if is(&["a map", "map", "struct ", "internally tagged enum ", "enum "]) => "an object",
        _ if is(&["a sequence", "sequence", "tuple"]) => "a list",
        other => other,
    }
}

fn found_words(found: &str) -> &str {
    match found {
        "map" => "an object",
        "sequence" => "a list",
        "unit variant" => "the word alone",
        "newtype variant" | "struct variant" | "tuple variant" => "an object with the word",
        _ => {
            let kinds = ["integer ", "floating point ", "boolean ", "string "];
            let found = kinds.iter().find_map(|kind| found.strip_prefix(kind)).unwrap_or(found);
            found.trim_matches('`')
        }
    }
}

/// The same, with the nearest of the words that were expected.
pub fn nearest_word(text: &str) -> String {
    let mut words = text.split('`').skip(1).step_by(2);
    let wrong = words.next().unwrap_or_default();
    match nearest(wrong, words).filter(|_| text.starts_with("unknown ")) {
        Some(word) => format!("{text}; did you mean `{word}`?"),
        None => text.to_owned(),
    }
}

/// The one of the words that may be meant.
pub fn nearest<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |word: &str| strsim::jaro_winkler(wrong, word);
    let nearest = words.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.filter(|word| likeness(word) > ALIKE)
}
