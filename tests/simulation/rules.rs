//! The table of rules in docs/PROOF.md names what there is: the sections of the protocol, invariants, situations.

use std::collections::BTreeSet;

use signal_hub_sim::invariants::Invariant;
use signal_hub_sim::situations::Situation;

const PROOF: &str = include_str!("../../docs/PROOF.md");
const PROTOCOL: &str = include_str!("../../docs/PROTOCOL.md");
/// What storms do anyhow.
const ALWAYS: [&str; 2] = ["every storm", "storms with principals"];

/// Each rule as its section, what it breaks and what meets it.
fn rules() -> Vec<[&'static str; 3]> {
    let (_, table) = PROOF.split_once("<!-- the rules -->\n").expect("the table begins");
    let (table, _) = table.split_once("<!-- the end of the rules -->").expect("the table ends");
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [section, _, breaks, met_by] = cells[..] else { panic!("four cells: {line}") };
        [section, breaks, met_by]
    };
    table.lines().skip(2).map(row).collect()
}

#[test]
fn every_section_of_the_protocol_has_rules() {
    let sections: BTreeSet<&str> = PROTOCOL
        .lines()
        .filter_map(|line| line.strip_prefix("### ").or(line.strip_prefix("## ")))
        .take_while(|section| *section != "7 Changes")
        .collect();
    assert_eq!(rules().iter().map(|[section, ..]| *section).collect::<BTreeSet<_>>(), sections);
}

#[test]
fn every_rule_names_what_it_breaks_and_what_meets_it() {
    let invariants: Vec<String> = Invariant::ALL.iter().map(|i| format!("{i:?}")).collect();
    let unknown: Vec<&str> = rules()
        .into_iter()
        .filter(|[_, breaks, _]| *breaks != "-")
        .flat_map(|[_, breaks, met_by]| {
            let broken = breaks.split(", ").filter(|name| !invariants.iter().any(|i| i == name));
            let situation = |name: &&str| {
                !ALWAYS.contains(name) && !Situation::ALL.iter().any(|known| known.name() == *name)
            };
            broken.chain(met_by.split("; ").filter(situation)).collect::<Vec<_>>()
        })
        .collect();
    assert!(unknown.is_empty(), "there is no {unknown:?}");
}
