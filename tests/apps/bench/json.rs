//! The whole of what was measured, for other programs.

use serde_json::{Value, json};

use crate::figure::Figure;
use crate::target::Target;

/// One JSON document.
pub(crate) fn text(machine: &[String], quick: bool, figures: &[Figure], targets: &[Target]) -> String {
    let document = json!({
        "machine": machine,
        "quick": quick,
        "figures": figures.iter().map(figure).collect::<Vec<_>>(),
        "targets": targets.iter().map(target).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn figure(figure: &Figure) -> Value {
    json!({
        "row": figure.row.name(),
        "who": figure.who,
        "what": figure.what,
        "unit": figure.unit,
        "median": figure.median(),
        "p10": figure.low(),
        "p90": figure.high(),
        "samples": figure.samples,
    })
}

fn target(target: &Target) -> Value {
    json!({
        "what": target.what,
        "limit": target.limit.to_string(),
        "measured": target.measured,
        "reached": target.reached(),
    })
}
