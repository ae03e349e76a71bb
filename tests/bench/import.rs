//! Imports charts of FHIR Bundles into a database, in MB/s, against only reading and parsing the same bytes.

use postern::access::Operator;
use postern::attachments::{FileIntake, Together};
use postern::chart::import::fhir::{ImportOptions, ImportedBundle, read_bundle};
use postern::clock::{Clock, Random};
use postern::config::Files;
use postern::db::{DatabaseUrl, Keys};
use std::sync::Arc;
use std::time::Instant;

/// How often the charts of the demo are imported, each time as other patients.
const TIMES: usize = 10;

/// The demo's bundles, with the ids of the patients of round `round`.
fn bundles(round: usize) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/demo/fhir");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let charts = files.filter(|file| file.extension().is_some_and(|ending| ending == "gz"));
    let read =
        |file| std::io::read_to_string(flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap())).unwrap();
    let mut texts: Vec<String> = charts.map(read).collect();
    // every id of these charts is a UUID: another first digit makes another one
    texts.iter_mut().for_each(|text| *text = text.replace("urn:uuid:", &format!("urn:uuid:{round:02}")));
    texts.iter_mut().for_each(|text| *text = text.replace("\"id\": \"", &format!("\"id\": \"{round:02}")));
    texts
}

fn parse(text: &str, now: time::Date) -> ImportedBundle {
    let options = ImportOptions { default_calling_code: "1".into(), today: now, source: None };
    read_bundle(text.as_bytes()).unwrap().charts(&options)
}

/// Prints the rates and their ratio.
pub fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let now = Clock::system().now();
    let rounds: Vec<Vec<String>> = (0..TIMES).map(bundles).collect();
    let megabytes = rounds.iter().flatten().map(String::len).sum::<usize>() as f64 / 1e6;

    let begin = Instant::now();
    // parses the JSON and ignores its meaning: the least that any import must do
    for text in rounds.iter().flatten() {
        std::hint::black_box(serde_json::from_str::<serde_json::Value>(text).unwrap());
    }
    let parsed = megabytes / begin.elapsed().as_secs_f64();

    let begin = Instant::now();
    for text in rounds.iter().flatten() {
        std::hint::black_box(parse(text, now.get().date()));
    }
    let mapped = megabytes / begin.elapsed().as_secs_f64();

    let (begin, items) = runtime.block_on(async {
        let url = DatabaseUrl::Sqlite(folder.path().join("import.db"));
        let db = postern::app::open(&url, Keys::default(), &Random::system()).await.unwrap();
        let intake = FileIntake::open(&Files::in_folder(folder.path().join("files"))).unwrap();
        let options = ImportOptions { default_calling_code: "1".into(), today: now.get().date(), source: None };
        let (begin, mut items) = (Instant::now(), 0);
        for text in rounds.iter().flatten() {
            let delivery: Together = Arc::new(vec![Box::new(text.clone().into_bytes())]);
            let imported = intake
                .import(
                    &db,
                    Clock::system().now(),
                    &Random::system(),
                    Operator::of_the_command_line(),
                    delivery,
                    &options,
                )
                .await;
            items += imported.unwrap().written();
        }
        (begin, items)
    });
    let seconds = begin.elapsed().as_secs_f64();
    let imported = megabytes / seconds;
    println!("import of FHIR Bundles on SQLite: {imported:.0} MB/s, {:.0} items/s", items as f64 / seconds);
    println!("  parsing as JSON only: {parsed:.0} MB/s, ratio {:.1}", parsed / imported);
    println!("  parsing into charts only: {mapped:.0} MB/s, ratio {:.1}", mapped / imported);
}
