//! The table of settings as flags of the command line.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use serde_json::Value;

use signal_hub::settings::{Kind, SETTINGS, Setting, unit};

/// The settings given as flags: their texts, by name.
#[derive(Debug, Default)]
pub struct Flags(pub BTreeMap<&'static str, String>);

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let arguments = settings().map(|setting| {
            let default = match setting.default() {
                Value::Null => String::new(),
                Value::String(text) => format!(" [default: {text}]"),
                Value::Array(_) => String::new(),
                other => format!(" [default: {other}]"),
            };
            let argument = Arg::new(setting.name)
                .long(setting.flag())
                .value_name(unit(setting.kind).to_uppercase())
                .help(format!("{}{default}", setting.about))
                .help_heading("Settings (also in --config and as SIGNAL_HUB_<NAME>)");
            if setting.kind == Kind::Switch {
                argument.num_args(0..=1).require_equals(true).default_missing_value("true")
            } else {
                argument
            }
        });
        command.args(arguments)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for setting in settings() {
            if let Some(text) = matches.get_one::<String>(setting.name) {
                self.0.insert(setting.name, text.clone());
            }
        }
        Ok(())
    }
}

/// All settings but secrets: anybody on the machine can list a process's arguments.
fn settings() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| !matches!(setting.kind, Kind::Secret { .. }))
}
