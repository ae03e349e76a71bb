//! Which scopes are needed for what, and which of them an EMR has granted: SMART App Launch 2 (`system/Patient.rs`) and
//! 1 (`system/Patient.read`).

/// What is needed for one part of the charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// the word of the part, in the names of translations
    pub part: &'static str,
    /// the types of resources that make it
    pub types: &'static [&'static str],
    /// what has to be allowed, in the letters of SMART 2: create, read, update, delete, search
    pub letters: &'static str,
}

const fn reads(part: &'static str, types: &'static [&'static str]) -> Need {
    Need { part, types, letters: "rs" }
}

/// What syncing reads, part by part.
pub static NEEDED: [Need; 9] = [
    reads("patients", &["Patient"]),
    reads("authors", &["Practitioner", "Organization"]),
    reads("encounters", &["Encounter"]),
    reads("results", &["DiagnosticReport", "Observation"]),
    reads("orders", &["ServiceRequest", "MedicationRequest"]),
    reads("documents", &["DocumentReference", "Binary"]),
    reads("forms", &["QuestionnaireResponse"]),
    reads("care", &["Condition", "Procedure", "Immunization", "CarePlan"]),
    reads("invoices", &["Invoice"]),
];

/// What writing back needs besides.
pub static WRITTEN: [Need; 1] =
    [Need { part: "write_back", types: &["Communication", "DocumentReference", "Binary"], letters: "cu" }];

/// The needs that these scopes do not cover.
pub fn missing<'a>(granted: &[String], needs: &'a [Need]) -> Vec<&'a Need> {
    let lacks = |need: &&Need| !need.types.iter().all(|kind| covers(granted, kind, need.letters));
    needs.iter().filter(lacks).collect()
}

/// Whether the scopes together allow all of this with a type.
fn covers(granted: &[String], kind: &str, letters: &str) -> bool {
    letters.chars().all(|letter| granted.iter().any(|scope| allows(scope, kind, letter)))
}

fn allows(scope: &str, kind: &str, letter: char) -> bool {
    let Some((of, allowed)) = scope.strip_prefix("system/").and_then(|rest| rest.split_once('.')) else { return false };
    if of != "*" && of != kind {
        return false;
    }
    match allowed {
        "*" => true,
        "read" => matches!(letter, 'r' | 's'),
        "write" => matches!(letter, 'c' | 'u' | 'd'),
        // what is narrowed, as by `?category=`, is a part of the resources only
        letters => letters.chars().all(|one| "cruds".contains(one)) && letters.contains(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(scopes: &str) -> Vec<&'static str> {
        let granted: Vec<String> = scopes.split(' ').map(str::to_owned).collect();
        missing(&granted, &NEEDED).into_iter().map(|need| need.part).collect()
    }

    #[test]
    fn what_is_missing_is_named_by_its_part() {
        for all in ["system/*.rs", "system/*.cruds", "system/*.read", "system/*.*", "system/*.r system/*.s"] {
            assert!(lacking(all).is_empty(), "{all}");
        }
        let most = "system/Patient.rs system/Practitioner.read system/Organization.* system/Encounter.rs \
                    system/DiagnosticReport.rs system/Observation.rs system/ServiceRequest.rs \
                    system/MedicationRequest.rs system/QuestionnaireResponse.rs system/Condition.rs \
                    system/Procedure.rs system/Immunization.rs system/CarePlan.rs system/Invoice.rs";
        assert_eq!(lacking(most), ["documents"]);
        assert_eq!(lacking(&format!("{most} system/DocumentReference.rs system/Binary.r")), ["documents"]);
        assert!(lacking(&format!("{most} system/DocumentReference.rs system/Binary.rs")).is_empty());
        for none in ["", "user/*.rs", "system/*.write", "system/*", "system/*.rs?category=laboratory", "openid"] {
            assert_eq!(lacking(none).len(), NEEDED.len(), "{none}");
        }
        let write = |scopes: &str| missing(&[scopes.to_owned()], &WRITTEN).is_empty();
        assert!(write("system/*.cruds") && write("system/*.cu") && write("system/*.write") && !write("system/*.rs"));
        // what was taken back could not be marked as an error
        assert!(!write("system/*.c"));
    }
}
