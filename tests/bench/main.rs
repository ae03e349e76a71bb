//! `cargo bench`: the speed of the real program over HTTP, as ratios against the bare limit in the same run and as
//! processor time. Requests a second say more about the machine than about Postern.
//!
//! ```text
//! cargo bench                                        everything, on a small clinic
//! cargo bench -- files | import | clinic             one part
//! cargo bench -- clinic [--conversations 200,200000] [--on sqlite,postgres] [--only WORD] [--seconds 2]
//!   --program FILE      another program than the one that was built with this
//!   --against FILE      a second program, in turns with the first, on a copy of the same clinic
//!   --json FILE         writes what was measured
//!   --compare FILE      divides it by what an earlier run wrote
//! ```

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod bare;
mod base;
mod client;
mod clinic;
mod files;
mod import;
mod measure;
mod operations;
mod report;
mod server;
mod stage;

use base::{Base, Postgres};
use clinic::Size;
use measure::measure;
use operations::{Limit, Operation};
use postern::db::DatabaseUrl;
use report::{Part, Report};
use stage::Stage;
use std::path::PathBuf;

/// How often two programs take turns.
const TURNS: u32 = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` also runs targets without a harness: that must not take minutes
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let parts = ["files", "import", "clinic"];
    let asked = |part: &str| {
        arguments.iter().any(|argument| argument == part) || !arguments.iter().any(|one| parts.contains(&one.as_str()))
    };
    if asked("import") {
        import::run();
    }
    if asked("files") {
        files::run();
    }
    if asked("clinic") {
        clinics(&Asked::read(&arguments));
    }
}

/// The arguments of the command line.
struct Asked {
    sizes: Vec<i64>,
    on: Vec<String>,
    only: String,
    seconds: f64,
    program: PathBuf,
    against: Option<PathBuf>,
    json: Option<PathBuf>,
    compare: Option<PathBuf>,
}

impl Asked {
    fn read(arguments: &[String]) -> Asked {
        let value = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{name} needs a value")).clone())
        };
        let list = |name: &str, usual: &str| -> Vec<String> {
            value(name).as_deref().unwrap_or(usual).split(',').map(str::to_owned).collect()
        };
        Asked {
            sizes: list("--conversations", "200").iter().map(|size| size.parse().expect("a number")).collect(),
            on: list("--on", "sqlite,postgres"),
            only: value("--only").unwrap_or_default(),
            seconds: value("--seconds").map_or(2.0, |seconds| seconds.parse().expect("a number")),
            program: value("--program").map_or_else(|| server::PROGRAM.into(), PathBuf::from),
            against: value("--against").map(PathBuf::from),
            json: value("--json").map(PathBuf::from),
            compare: value("--compare").map(PathBuf::from),
        }
    }
}

fn clinics(asked: &Asked) {
    let mut report = Report::default();
    for database in &asked.on {
        let postgres = (database == "postgres").then(Postgres::start);
        for size in &asked.sizes {
            let folder = tempfile::tempdir().unwrap();
            let base = match &postgres {
                Some(postgres) => postgres.database(&format!("clinic_{size}")),
                None => Base::at(DatabaseUrl::Sqlite(folder.path().join("clinic.db"))),
            };
            println!("\n{size} conversations on {}", base.kind());
            // the older program makes the tables, and the newer one runs the migrations that are missing
            let first = asked.against.as_ref().unwrap_or(&asked.program);
            let mut stage = Stage::set(first, base, folder.path(), Size::of(*size));
            match &asked.against {
                None => report.parts.extend(one_clinic(asked, &[("this", &stage)], *size)),
                Some(_) => {
                    let this = stage.again(&asked.program, folder.path(), &format!("again_{size}"));
                    report.parts.extend(one_clinic(asked, &[("this", &this), ("against", &stage)], *size));
                }
            }
        }
    }
    let earlier = asked.compare.as_ref().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap());
    let compared = earlier.map(|earlier: Report| report.compared(&earlier)).unwrap_or_default();
    println!();
    report.growth().iter().chain(&compared).chain(&report.in_turns()).for_each(|line| println!("{line}"));
    if let Some(file) = &asked.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report).unwrap()).unwrap();
    }
}

fn one_clinic(asked: &Asked, stages: &[(&str, &Stage)], size: i64) -> Vec<Part> {
    let each: Vec<&Stage> = stages.iter().map(|(_, stage)| *stage).collect();
    let mut parts: Vec<Part> = stages
        .iter()
        .map(|(program, stage)| Part {
            database: stage.server.base.kind().to_owned(),
            conversations: size,
            program: (*program).to_owned(),
            at_rest: stage.server.memory(),
            ..Part::default()
        })
        .collect();
    println!("{}", report::heading());
    for operation in operations::all(each[0]).iter().filter(|operation| operation.name.contains(&asked.only)) {
        for stage in &each {
            stage.server.forget_peak();
        }
        let mut measured = measure(&each, operation, asked.seconds, if each.len() > 1 { TURNS } else { 1 });
        let limits = limits(each[0], operation, asked.seconds / 2.0);
        for ((one, part), stage) in measured.iter_mut().zip(&mut parts).zip(&each) {
            one.of_limit = limits.iter().map(|(name, limit)| (name.clone(), one.rate / limit)).collect();
            let mark = if part.program == "this" { operation.name.clone() } else { format!("  {}", part.program) };
            println!("{}", report::line(&mark, one));
            part.operations.insert(operation.name.clone(), one.clone());
            part.peaks.insert(operation.name.clone(), stage.server.peak());
        }
    }
    for (part, stage) in parts.iter_mut().zip(&each) {
        part.anonymous = stage.server.anonymous();
        let peak = part.peaks.values().copied().fold(0.0, f64::max);
        println!(
            "memory of {}: {:.1} MB at rest, {peak:.1} MB at the peak, {:.1} MB anonymous at the end",
            part.program, part.at_rest, part.anonymous
        );
    }
    parts
}

/// How many calls per second each limit of an operation reaches.
fn limits(stage: &Stage, operation: &Operation, seconds: f64) -> Vec<(String, f64)> {
    let fixed = |bytes: Vec<u8>| {
        let port = server::static_server(bytes);
        measure::rate(operation.connections, seconds, |client| assert_eq!(client.get("/").status, 200), port)
    };
    match (operation.limit, &operation.path) {
        (Limit::Rows, _) => vec![
            ("the same rows, one commit each".into(), bare::sends_per_second(stage, seconds, 1)),
            ("the same rows, 32 a commit".into(), bare::sends_per_second(stage, seconds, 32)),
        ],
        (Limit::Static, Some(path)) => {
            vec![("the same bytes static".into(), fixed(stage.client().get(path).body))]
        }
        (Limit::Empty, _) => vec![("an empty answer".into(), fixed(Vec::new()))],
        _ => Vec::new(),
    }
}
