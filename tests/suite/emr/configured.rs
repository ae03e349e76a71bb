//! What the configuration says of EMRs: each fault is one line that names its key and never shows a secret.

use postern::config::{Config, EmrSignIn};
use std::path::Path;

fn load(folder: &Path, emr: &str, vars: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let file = folder.join("postern.toml");
    let rest = "public_url = \"https://messages.example.org\"\n[smtp]\nhost = \"mail.example.org\"\nfrom = \"a@example.org\"\n";
    std::fs::write(&file, format!("{rest}{emr}")).unwrap();
    Config::load(Some(file.as_path()), vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn faults(emr: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), emr, &[]).err().unwrap_or_default()
}

#[test]
fn several_sources_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "very secret\n").unwrap();
    let emr = format!(
        "[[emr]]\nname = \"Clinic EMR\"\nbase_url = \"https://emr.example.org/fhir/\"\nclient_id = \"postern\"\n\
         launch_client_id = \"postern-app\"\nquiet_hours = \"22:00-06:30\"\nrequests_per_second = 7\n\
         [[emr]]\nbase_url = \"https://lab.example.org\"\nusername = \"clinic\"\npassword_file = {:?}\n",
        password.display().to_string()
    );
    let read = load(folder.path(), &emr, &[]).unwrap_or_else(|faults| panic!("{faults:?}")).emr;
    let [clinic, laboratory] = read.as_slice() else { panic!("{} sources", read.len()) };
    assert_eq!((clinic.name.as_str(), clinic.base.as_str()), ("Clinic EMR", "https://emr.example.org/fhir"));
    assert!(matches!(&clinic.sign_in, EmrSignIn::Key(client) if client == "postern"));
    assert_eq!((clinic.quiet_hours, clinic.requests_per_second), (Some((22 * 60, 6 * 60 + 30)), 7));
    assert_eq!(clinic.scopes, "system/*.rs");
    assert_eq!((clinic.launch_client_id.as_deref(), &laboratory.launch_client_id), (Some("postern-app"), &None));
    assert_eq!((laboratory.name.as_str(), laboratory.requests_per_second), ("lab.example.org", 5));
    let by_password = |user: &str, password: &str| user == "clinic" && password == "very secret";
    assert!(matches!(&laboratory.sign_in, EmrSignIn::Basic(user, password) if by_password(user, password)));
    assert_eq!(laboratory.secret_files, [password]);
    // the environment sets the first one
    let named = load(folder.path(), &emr, &[("POSTERN_EMR_NAME", "Another EMR")]);
    let named = named.unwrap_or_else(|faults| panic!("{faults:?}")).emr;
    assert_eq!([named[0].name.as_str(), named[1].name.as_str()], ["Another EMR", "lab.example.org"]);
    // and one alone needs no list
    let one = load(folder.path(), "[emr]\nbase_url = \"http://127.0.0.1:8080/fhir\"\nclient_id = \"postern\"\n", &[]);
    assert_eq!(one.unwrap_or_else(|faults| panic!("{faults:?}")).emr.len(), 1);
    assert!(load(folder.path(), "", &[]).unwrap_or_else(|faults| panic!("{faults:?}")).emr.is_empty());
}

#[test]
fn each_fault_names_its_key() {
    let base = "base_url = \"https://emr.example.org/fhir\"\n";
    let good = format!("{base}client_id = \"postern\"\n");
    let long = "n".repeat(61);
    for (emr, key) in [
        ("client_id = \"postern\"\n".to_owned(), "emr.base_url"),
        ("base_url = \"http://emr.example.org/fhir\"\nclient_id = \"postern\"\n".to_owned(), "emr.base_url"),
        (base.to_owned(), "emr.client_id"),
        (format!("{good}username = \"clinic\"\n"), "emr.client_id"),
        (format!("{base}username = \"clinic\"\n"), "emr.username"),
        (format!("{base}username = \"clinic\"\npassword_file = \"/nowhere/at/all\"\n"), "emr.password_file"),
        (format!("{base}bearer_token_file = \"/nowhere/at/all\"\n"), "emr.bearer_token_file"),
        (format!("{good}requests_per_second = 0\n"), "emr.requests_per_second"),
        (format!("{good}requests_per_second = 101\n"), "emr.requests_per_second"),
        (format!("{good}timeout_seconds = 90\n"), "emr.timeout_seconds"),
        (format!("{good}quiet_hours = \"22:00\"\n"), "emr.quiet_hours"),
        (format!("{good}quiet_hours = \"25:00-06:00\"\n"), "emr.quiet_hours"),
        (format!("{good}quiet_hours = \"22:00-22:00\"\n"), "emr.quiet_hours"),
        (format!("{good}name = \"{long}\"\n"), "emr.name"),
        (format!("{good}base = \"x\"\n"), "emr.base"),
        (format!("{good}[[emr]]\n{good}"), "emr.2.name"),
        (format!("{good}[[emr]]\n{base}name = \"Two\"\n"), "emr.2.client_id"),
    ] {
        let told = faults(&format!("[[emr]]\n{emr}"));
        assert_eq!(told.len(), 1, "{emr}: {told:?}");
        assert!(told[0].starts_with(&format!("{key}: ")), "{emr}: {told:?}");
    }
}

#[test]
fn a_secret_is_one_line_and_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    for content in ["", "  \n", "two-lines-of\nsecrets"] {
        std::fs::write(&file, content).unwrap();
        let path = file.display().to_string();
        let emr = format!("[emr]\nbase_url = \"https://emr.example.org\"\nbearer_token_file = {path:?}\n");
        let told = load(folder.path(), &emr, &[]).err().unwrap();
        assert!(told.len() == 1 && told[0].starts_with("emr.bearer_token_file: "), "{told:?}");
        assert!(!told[0].contains("secrets"), "{told:?}");
    }
}
