//! Tables of what was measured, in a document of the project.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The document.
pub const FILE: &str = "docs/PROOF.md";

/// Replaces what stands between `<!-- mark -->` and `<!-- the end of mark -->`.
pub fn update(project: &Path, mark: &str, table: &str) -> Result<()> {
    let proof = project.join(FILE);
    let text =
        fs::read_to_string(&proof).with_context(|| format!("cannot read {}", proof.display()))?;
    let updated = between(&text, mark, table);
    let updated = updated.with_context(|| format!("{FILE} has no place for {mark}"))?;
    fs::write(&proof, updated).with_context(|| format!("cannot write {}", proof.display()))
}

fn between(text: &str, mark: &str, table: &str) -> Option<String> {
    let [begin, end] = ["", "the end of "].map(|what| format!("<!-- {what}{mark} -->\n"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{table}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_marks_is_replaced() {
        let text = |table| format!("a\n<!-- b -->\n{table}<!-- the end of b -->\nz\n");
        assert_eq!(between(&text("old\n"), "b", "new\n"), Some(text("new\n")));
        assert_eq!(between(&text("old\n"), "x", "new\n"), None);
    }
}
