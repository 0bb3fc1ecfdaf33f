//! Which planted bugs break an invariant, and by which kind of event: as `cargo sim mutants --explain` has
//! last seen it.

/// A line for each: the invariant, the kind of event, the name and what the bug is.
const KNOWN: &str = include_str!("../../mutants/known.tsv");

/// The planted bugs that break the invariant by such an event; if there are none, those that break it by
/// another one.
pub fn known_bugs(invariant: &str, broken_by: &str) -> Vec<String> {
    find(KNOWN, invariant, broken_by)
}

fn find(known: &str, invariant: &str, broken_by: &str) -> Vec<String> {
    let rows = known.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        Some((fields.next()?, fields.next()?, fields.next()?, fields.next()?))
    });
    let (alike, others): (Vec<_>, Vec<_>) =
        rows.filter(|row| row.0 == invariant).partition(|row| row.1 == broken_by);
    if !alike.is_empty() {
        return alike.iter().map(|(_, _, name, bug)| format!("{name}: {bug}")).collect();
    }
    others.iter().map(|(_, by, name, bug)| format!("{name}, by {by:?}: {bug}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_break_it_by_the_same_kind_of_event_come_first() {
        let known =
            "I4\tclosed lost\tlate\tIt deletes.\nI4\ttick\tsoon\tIt waits.\nI5\ttick\tx\tY.\n";
        assert_eq!(find(known, "I4", "tick"), ["soon: It waits."]);
        let others = ["late, by \"closed lost\": It deletes.", "soon, by \"tick\": It waits."];
        assert_eq!(find(known, "I4", "opened"), others);
        assert_eq!(find(known, "I6", "tick"), [""; 0]);
    }
}
