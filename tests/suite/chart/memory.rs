//! What an import holds in memory does not grow with the length of a chart.

use crate::on_both;
use crate::support::app::App;
use crate::support::program::database_url;
use diesel::prelude::*;
use postern::db::DbError;
use postern::db::schema::chart_items;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

on_both!(a_long_chart_takes_no_more_memory_than_a_short_one);

/// Writes a Bundle of one patient with this many visits, each with a diagnosis that the next one's prescription names,
/// results of a report, and words enough for a page.
fn write(path: &Path, visits: usize) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let mut entry = |first: bool, resource: serde_json::Value| {
        let url = format!("urn:uuid:{}", resource["id"].as_str().unwrap());
        let entry = serde_json::json!({"fullUrl": url, "resource": resource});
        write!(file, "{}{entry}", if first { "" } else { ",\n" }).unwrap();
    };
    let named = |id: String| serde_json::json!({"reference": format!("urn:uuid:{id}")});
    let subject = named("p".into());
    entry(
        true,
        serde_json::json!({"resourceType": "Patient", "id": "p", "birthDate": "1950-02-03",
            "name": [{"family": "Long", "given": ["Record"]}]}),
    );
    entry(false, serde_json::json!({"resourceType": "Practitioner", "id": "d", "name": [{"text": "Dr. Many"}]}));
    let words = "The patient feels well, and has no complaints today. ".repeat(150);
    for n in 0..visits {
        let at = format!("{}-{:02}-{:02}T10:00:00Z", 1960 + n / 336, n / 28 % 12 + 1, n % 28 + 1);
        let visit = named(format!("e{n}"));
        let text = |text: &str| serde_json::json!({"text": text});
        entry(
            false,
            serde_json::json!({"resourceType": "Encounter", "id": format!("e{n}"), "status": "finished",
                "subject": subject, "period": {"start": at}, "participant": [{"individual": named("d".into())}],
                "class": {"code": "AMB"}, "reasonCode": [text("Control")]}),
        );
        entry(
            false,
            serde_json::json!({"resourceType": "Condition", "id": format!("c{n}"), "subject": subject,
                "encounter": visit, "code": text("Hypertension"), "note": [{"text": words}]}),
        );
        entry(
            false,
            serde_json::json!({"resourceType": "MedicationRequest", "id": format!("m{n}"), "status": "active",
                "intent": "order", "subject": subject, "authoredOn": at, "requester": named("d".into()),
                "medicationCodeableConcept": text("Ramipril 5 mg"), "note": [{"text": words}],
                "reasonReference": [named(format!("c{}", n.saturating_sub(1)))]}),
        );
        entry(
            false,
            serde_json::json!({"resourceType": "Observation", "id": format!("o{n}"), "status": "final",
                "subject": subject, "effectiveDateTime": at, "code": text("Potassium"), "note": [{"text": words}],
                "valueQuantity": {"value": 4.1, "unit": "mmol/L"}}),
        );
        entry(
            false,
            serde_json::json!({"resourceType": "DiagnosticReport", "id": format!("r{n}"), "status": "final",
                "subject": subject, "effectiveDateTime": at, "code": text("Blood"), "conclusion": words,
                "result": [named(format!("o{n}"))]}),
        );
    }
    file.flush().unwrap();
    drop(file);
    let body = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, format!("{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{body}]}}"))
        .unwrap();
}

/// Imports a file by the command; gives the most memory of its own that the process ever had, in MB. What the kernel
/// maps of files does not count: it can be taken away at any time.
fn most_memory(app: &App, file: &Path) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.arg("import").arg(file).current_dir(file.parent().unwrap());
    let settings = [
        ("POSTERN_PUBLIC_URL", "https://messages.example.org"),
        ("POSTERN_SMTP_HOST", "mail.example.org"),
        ("POSTERN_SMTP_FROM", "messages@example.org"),
        ("POSTERN_LOG", "error"),
    ];
    command.envs(settings).env("POSTERN_DATABASE_URL", database_url(&app.state.config.database));
    command.env("POSTERN_STORAGE_FOLDER", &app.state.config.files.folder).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let told = std::fs::read_to_string(&status).unwrap_or_default();
        let own = told.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
        most = most.max(own.trim().trim_end_matches(" kB").parse().unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success());
            return most / 1024;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

async fn a_long_chart_takes_no_more_memory_than_a_short_one(app: App) {
    let folder = tempfile::tempdir().unwrap();
    let (short, long) = (folder.path().join("short.json"), folder.path().join("long.json"));
    write(&short, 4);
    write(&long, 600);
    let size = std::fs::metadata(&long).unwrap().len() / (1024 * 1024);
    assert!(size > 18, "{size} MB");
    let (before, after) = (most_memory(&app, &short), most_memory(&app, &long));
    assert!(after < before + 40, "{before} MB for the short chart, {after} MB for the one of {size} MB");
    let read = app.state.db.read(|conn| -> Result<i64, DbError> { Ok(chart_items::table.count().get_result(conn)?) });
    assert_eq!(read.await.unwrap(), 3 * 600, "visits, prescriptions and reports");
}
