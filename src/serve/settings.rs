//! The effective settings: flags over the environment over the file over the defaults. Each value
//! has its source, and all mistakes are reported at once.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use signal_hub::cluster::ClusterConfig;
use signal_hub::hub::Config;
use signal_hub::server::Limits;
use signal_hub::settings::{
    Kind, Part, Process, SETTINGS, Setting, allowed, find, is_set, parse, parse_toml, repeated,
};
use toml::de::DeTable;

use super::rules;

/// The sources of settings, apart from the defaults.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// The texts of flags, by setting.
    pub flags: BTreeMap<&'static str, String>,
    /// The environment, by variable.
    pub environment: BTreeMap<String, String>,
    /// The file's path and text.
    pub file: Option<(&'a str, &'a str)>,
}

/// The source of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Default,
    File { path: String, line: usize },
    Environment { variable: String },
    Flag { name: String },
}

/// What is wrong with the settings: one line that names the setting and the source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mistake(pub String);

/// One value and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    pub value: Value,
    pub source: Source,
}

/// Every setting's effective value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    rows: BTreeMap<&'static str, Effective>,
}

impl Settings {
    /// Lays the sources over each other. Fails with all mistakes, if there are any.
    pub fn read(sources: &Sources<'_>) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut rows = BTreeMap::new();
        for setting in SETTINGS {
            rows.insert(
                setting.name,
                Effective { value: setting.default(), source: Source::Default },
            );
        }
        let mut take =
            |setting: &Setting, value: Result<Value, String>, source: Source, text: &str| {
                match value {
                    Ok(value) => {
                        rows.insert(setting.name, Effective { value, source });
                    }
                    Err(why) => {
                        let text = repeated(setting.kind, text);
                        mistakes
                            .push(Mistake(format!("{} = {text} ({source}): {why}", setting.name)));
                    }
                }
            };
        // The usual fallback of Rust programs for `log`, which ranks below the file.
        let fallback = sources.environment.get("RUST_LOG").filter(|text| !text.trim().is_empty());
        if let (Some(log), Some(text)) = (find("log"), fallback) {
            let source = Source::Environment { variable: "RUST_LOG".to_owned() };
            take(log, parse(log.kind, text), source, text);
        }
        let mut strangers = Vec::new();
        if let Some((path, text)) = sources.file {
            strangers = read_file(path, text, &mut take);
        }
        for setting in SETTINGS {
            if let Some(text) = sources.environment.get(&setting.variable()) {
                let source = Source::Environment { variable: setting.variable() };
                take(setting, parse(setting.kind, text), source, text);
            }
            if let Some(text) = sources.flags.get(setting.name) {
                let source = Source::Flag { name: setting.flag() };
                take(setting, parse(setting.kind, text), source, text);
            }
        }
        mistakes.extend(strangers);
        let settings = Self { rows };
        if mistakes.is_empty() {
            mistakes = rules::broken(&settings);
        }
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }

    /// The effective value of a setting.
    pub fn effective(&self, name: &str) -> &Effective {
        self.rows.get(name).expect("every setting in the table has a row")
    }

    pub fn hub(&self) -> Result<Config, Mistake> {
        self.part(Part::Hub)
    }

    pub fn limits(&self) -> Result<Limits, Mistake> {
        self.part(Part::Limits)
    }

    pub fn process(&self) -> Result<Process, Mistake> {
        self.part(Part::Process)
    }

    /// What the hub is in a cluster; none: it is alone.
    pub fn cluster(&self) -> Result<Option<ClusterConfig>, Mistake> {
        let node = &self.effective("node").value;
        let mut fields = self.fields(Part::Cluster);
        fields.insert("node".to_owned(), node.clone());
        if node.is_null() { Ok(None) } else { read(fields).map(Some) }
    }

    fn part<T: DeserializeOwned>(&self, part: Part) -> Result<T, Mistake> {
        read(self.fields(part))
    }

    fn fields(&self, part: Part) -> Map<String, Value> {
        let settings = SETTINGS.iter().filter(|setting| setting.part == part);
        let value = |setting: &Setting| self.effective(setting.name).value.clone();
        settings.map(|setting| (setting.field().to_owned(), value(setting))).collect()
    }

    /// The same settings as a file, with their sources in comments.
    pub fn to_toml(&self) -> String {
        let mut text =
            format!("# Effective settings of signal-hub {}.\n", env!("CARGO_PKG_VERSION"));
        for setting in SETTINGS {
            text += &format!("\n# {}\n# {}.\n", setting.about, allowed(setting.kind));
            text += &toml_line(setting, self.effective(setting.name));
        }
        text
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line } => write!(f, "{}:{line}", path.escape_debug()),
            Source::Environment { variable } => write!(f, "env {variable}"),
            Source::Flag { name } => write!(f, "flag --{name}"),
        }
    }
}

fn read<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, Mistake> {
    serde_json::from_value(Value::Object(fields)).map_err(|why| Mistake(why.to_string()))
}

/// Reads the file's values; returns what is wrong with the file itself.
fn read_file(
    path: &str,
    text: &str,
    take: &mut impl FnMut(&Setting, Result<Value, String>, Source, &str),
) -> Vec<Mistake> {
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let line = error.span().map_or(1, |span| line(span.start));
            return vec![Mistake(format!("{path}:{line}: not TOML: {}", error.message()))];
        }
    };
    let mut mistakes = Vec::new();
    for (key, value) in &table {
        let line = line(key.span().start);
        let name: &str = key.get_ref();
        match find(name) {
            Some(setting) => {
                let source = Source::File { path: path.to_owned(), line };
                let written = text.get(value.span()).unwrap_or_default();
                take(setting, parse_toml(setting.kind, value.get_ref()), source, written);
            }
            None => mistakes.push(Mistake(format!(
                "{path}:{line}: there is no setting {name}; did you mean {}?",
                nearest(name)
            ))),
        }
    }
    mistakes
}

/// The setting whose name is most similar to `word`.
fn nearest(word: &str) -> &'static str {
    let distance = |setting: &&Setting| strsim::damerau_levenshtein(setting.name, word);
    SETTINGS.iter().min_by_key(distance).map_or("listen", |setting| setting.name)
}

fn toml_line(setting: &Setting, Effective { value, source }: &Effective) -> String {
    let name = setting.name;
    if !is_set(setting.kind, value) {
        return format!("# {name} is not set # {source}\n");
    }
    let value = toml_value(value);
    if matches!(setting.kind, Kind::Secret { .. }) {
        format!("# {name} = {} # {source}\n", repeated(setting.kind, &value))
    } else {
        format!("{name} = {value} # {source}\n")
    }
}

fn toml_value(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        other => toml::Value::try_from(other).map(|value| value.to_string()).unwrap_or_default(),
    }
}
