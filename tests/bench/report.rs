//! Reports what was measured: as lines, as a file, and compared with an earlier file.

use super::measure::Measured;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One database at one size.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Part {
    pub database: String,
    pub conversations: i64,
    /// the program: `this`, or the other one of a run in turns
    pub program: String,
    pub operations: BTreeMap<String, Measured>,
    /// resident memory in MB: at rest, and at the peak of each operation
    pub at_rest: f64,
    pub peaks: BTreeMap<String, f64>,
    /// MB of anonymous memory, after all operations
    pub anonymous: f64,
}

/// The results of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    pub parts: Vec<Part>,
}

/// A number in at most four digits.
fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// The heading of [`line`].
pub fn heading() -> String {
    format!(
        "{:<32} {:>7} {:>8} {:>8} {:>8} {:>9} {:>9}  {}",
        "operation", "a second", "p50 ms", "p99 ms", "worst", "server µs", "database", "of the limit"
    )
}

/// The line of one operation.
pub fn line(name: &str, one: &Measured) -> String {
    let limits: Vec<String> = one.of_limit.iter().map(|(limit, part)| format!("{} of {limit}", short(*part))).collect();
    format!(
        "{name:<32} {:>7} {:>8} {:>8} {:>8} {:>9.0} {:>9.0}  {}",
        short(one.rate),
        short(one.p50),
        short(one.p99),
        short(one.worst),
        one.server,
        one.database,
        limits.join(", ")
    )
}

impl Report {
    /// How the processor time of each operation grows from the smallest clinic to the largest, on each database.
    pub fn growth(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for database in ["sqlite", "postgres"] {
            let mut parts: Vec<&Part> =
                self.parts.iter().filter(|part| part.database == database && part.program == "this").collect();
            parts.sort_by_key(|part| part.conversations);
            let (Some(small), Some(large)) = (parts.first(), parts.last()) else { continue };
            if small.conversations == large.conversations {
                continue;
            }
            for (name, one) in &large.operations {
                if let Some(few) = small.operations.get(name) {
                    let times = one.processor() / few.processor();
                    lines.push(format!(
                        "{database}: {name}, {} / {}: {} ×",
                        large.conversations,
                        small.conversations,
                        short(times)
                    ));
                }
            }
        }
        lines
    }

    /// The processor time and the median waiting time of each operation, divided by those in `earlier`.
    pub fn compared(&self, earlier: &Report) -> Vec<String> {
        let mut lines = Vec::new();
        for part in &self.parts {
            let same = |other: &&Part| other.database == part.database && other.conversations == part.conversations;
            let before = earlier.parts.iter().filter(same).find(|other| other.program == part.program);
            for (name, one) in &part.operations {
                if let Some(was) = before.and_then(|before| before.operations.get(name)) {
                    lines.push(compared(part, name, one, was));
                }
            }
        }
        lines
    }

    /// As [`Report::compared`], for two programs that ran in turns.
    pub fn in_turns(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for part in self.parts.iter().filter(|part| part.program == "this") {
            let same = |other: &&Part| other.database == part.database && other.conversations == part.conversations;
            let other = self.parts.iter().filter(same).find(|other| other.program != "this");
            for (name, one) in &part.operations {
                if let Some(was) = other.and_then(|other| other.operations.get(name)) {
                    lines.push(compared(part, name, one, was));
                }
            }
        }
        lines
    }
}

fn compared(part: &Part, name: &str, now: &Measured, was: &Measured) -> String {
    format!(
        "{} {}: {name}: processor {} × ({:.0} → {:.0} µs), waiting {} ×",
        part.database,
        part.conversations,
        short(now.processor() / was.processor()),
        was.processor(),
        now.processor(),
        short(now.p50 / was.p50),
    )
}
