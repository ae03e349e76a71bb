//! The few resources of FHIR that calls themselves need.

use serde::Deserialize;

/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 500;

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    issue: Vec<Issue>,
}

#[derive(Deserialize)]
struct Issue {
    diagnostics: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    text: Option<String>,
}

/// The reasons in an OperationOutcome, on one line; `None` where there are none.
pub(super) fn outcome(body: &[u8]) -> Option<String> {
    let outcome: Outcome = serde_json::from_slice(body).ok()?;
    let reasons = outcome.issue.into_iter().filter_map(|issue| {
        issue.details.and_then(|details| details.text).or(issue.diagnostics).filter(|text| !text.trim().is_empty())
    });
    let all = reasons.collect::<Vec<_>>().join("; ");
    let words = all.split_whitespace().collect::<Vec<_>>().join(" ");
    (!words.is_empty()).then(|| words.chars().filter(|sign| !sign.is_control()).take(LONGEST_REASON).collect())
}

#[cfg(test)]
mod tests {
    use super::outcome;

    #[test]
    fn reasons_are_one_line() {
        let said = br#"{"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid",
            "diagnostics": "Patient.birthDate:\n not a date"}, {"details": {"text": "and more"}, "diagnostics": "x"}]}"#;
        assert_eq!(outcome(said).unwrap(), "Patient.birthDate: not a date; and more");
        assert_eq!(outcome(b"<html>"), None);
        assert_eq!(outcome(br#"{"issue": [{"code": "invalid"}]}"#), None);
        let long = format!(r#"{{"issue": [{{"diagnostics": "{}"}}]}}"#, "\u{e9}".repeat(900));
        assert_eq!(outcome(long.as_bytes()).unwrap().chars().count(), 500);
    }
}
