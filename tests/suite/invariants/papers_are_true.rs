//! What docs/security says of tests, files, tables, events and SQL statements is true.

use super::{files_below, project, read};
use crate::support::peers;
use crate::support::program::{Program, free_port};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use postern::audit::Event;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const PAPERS: &str = "docs/security";

/// The name and text of every paper.
fn papers() -> Vec<(String, String)> {
    let names = files_below(&project(PAPERS)).into_iter().filter(|name| name.ends_with(".md"));
    let papers: Vec<_> = names.map(|name| (name.clone(), read(&project(PAPERS).join(&name)))).collect();
    assert!(papers.len() >= 6, "{papers:?}");
    papers
}

/// The words between backticks in a text, without blocks of code.
fn quoted(text: &str) -> Vec<&str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|part| part.lines().flat_map(|line| line.split('`').skip(1).step_by(2))).collect()
}

/// Whether a source has a test of this name, either plain or for both databases.
fn has_test(source: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(&format!("fn {name}(")).any(|(at, _)| !source[..at].ends_with(is_word))
}

/// Whether `room::file::test`, or a path that ends before the test, is one of the suite.
fn is_test(path: &str) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let suite = project("tests/suite");
    let source = |parts: &[&str]| {
        let base = suite.join(parts.join("/"));
        let file = [base.with_extension("rs"), base.join("mod.rs")].into_iter().find(|file| file.is_file());
        file.map(|file| read(&file))
    };
    match parts.split_last() {
        Some((last, before)) if !before.is_empty() => {
            source(&parts).is_some() || source(before).is_some_and(|source| has_test(&source, last))
        }
        _ => false,
    }
}

fn looks_like_a_test(word: &str) -> bool {
    word.contains("::") && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c))
}

fn looks_like_a_file(word: &str) -> bool {
    let tops = ["src/", "tests/", "docs/", "templates/", "static/", "migrations/"];
    tops.iter().any(|top| word.starts_with(top)) || ["Cargo.lock", "deny.toml"].contains(&word)
}

/// Whether this is the path of a verb in `src`, such as `patients::archive`.
fn is_verb(path: &str) -> bool {
    let Some((room, verb)) = path.split_once("::") else { return false };
    let folder = project("src").join(room);
    folder.is_dir() && files_below(&folder).iter().any(|file| read(&folder.join(file)).contains(&format!("fn {verb}")))
}

#[test]
fn every_test_that_is_named_is_there() {
    let mut found = 0;
    for (paper, text) in papers() {
        for word in quoted(&text).into_iter().filter(|word| looks_like_a_test(word)) {
            assert!(is_test(word) || is_verb(word), "{paper} names `{word}`, which is no test");
            found += 1;
        }
    }
    assert!(found > 100, "{found}");
}

#[test]
fn every_file_that_is_named_is_there() {
    let mut found = 0;
    for (paper, text) in papers() {
        for word in quoted(&text).into_iter().filter(|word| looks_like_a_file(word)) {
            assert!(project(word).exists(), "{paper} names `{word}`, which is not there");
            found += 1;
        }
        // links lead to files that exist, and to headings in them
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { paper.as_str() } else { file };
            let path = project(PAPERS).join(path);
            assert!(path.exists(), "{paper} links to {link}, which is not there");
            assert!(heading.is_empty() || has_heading(&path, heading), "{paper} links to {link}: no such heading");
            found += 1;
        }
    }
    assert!(found > 60, "{found}");
}

/// Whether a file has the heading with this anchor, as forges make anchors.
fn has_heading(file: &Path, address: &str) -> bool {
    let made = |line: &str| -> String {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    read(file).lines().filter(|line| line.starts_with('#')).any(|line| made(line) == address)
}

/// The tables of the program that a text does not name in backticks.
fn untold(text: &str) -> BTreeSet<String> {
    let tables = read(&project("src/db/schema.rs"));
    let tables = tables.split("diesel::table! {").skip(1);
    let heads = tables.filter_map(|table| table.lines().map(str::trim).find_map(|line| line.strip_suffix('{')));
    let all: BTreeSet<String> = heads.filter_map(|head| Some(head.split_once(' ')?.0.to_owned())).collect();
    assert!(all.len() > 40, "{all:?}");
    let told: BTreeSet<&str> = quoted(text).into_iter().collect();
    all.into_iter().filter(|table| !told.contains(table.as_str())).collect()
}

#[test]
fn every_table_and_every_event_is_told() {
    let kept = read(&project("docs/security/what-is-kept.md"));
    assert_eq!(untold(&kept), BTreeSet::new(), "what-is-kept.md has no line for these tables");
    let told: BTreeSet<&str> = quoted(&kept).into_iter().collect();
    let untold: Vec<&str> = Event::ALL.iter().map(|event| event.as_str()).filter(|word| !told.contains(word)).collect();
    assert!(untold.is_empty(), "what-is-kept.md does not tell these events: {untold:?}");
    // for tables that backups leave out, the last cell of the line says so
    for table in postern::backup::LEFT_OUT {
        let line = kept.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{table}`")));
        assert!(line.is_some_and(|line| line.trim_end().ends_with("| no |")), "{table} is in no backup");
    }
}

#[test]
fn what_is_not_so_is_seen() {
    assert!(is_test("invariants::no_unsafe") && is_test("portal::entry::a_link_ends"));
    assert!(is_test("backups::it_is_sealed_by_the_key"), "in a mod.rs");
    for no_test in ["portal::entry::a_link", "portal::entry::link_ends", "portal::entrance", "nothing::at_all", "alone"]
    {
        assert!(!is_test(no_test), "{no_test}");
    }
    assert!(is_verb("patients::archive") && !is_verb("patients::burn") && !is_verb("portal::entry::a_link_ends"));
    assert_eq!(untold("`patients`").len(), untold("").len() - 1);
    assert_eq!(untold("patients, `patients and`"), untold(""));
    assert_eq!(quoted("a `b` c `d`\n```sh\n`e`\n```\n`f`"), ["b", "d", "f"]);
    let paper = project("docs/security/hardening.md");
    assert!(has_heading(&paper, "the-proxy") && !has_heading(&paper, "no-proxy"));
}

/// The blocks of SQL in hardening.md, with names that no other test run uses.
fn statements(suffix: &str) -> Vec<String> {
    let paper = read(&project("docs/security/hardening.md"));
    let blocks = paper.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|sql| sql.replace("clinic", &format!("clinic{suffix}"))).collect()
}

/// A clinic works with a database role made as hardening.md says, which owns no tables and cannot change the audit log.
#[test]
fn a_role_that_owns_nothing_is_enough() {
    let Some(superuser) = peers::postgres_url() else { return };
    let suffix = format!("_{}", std::process::id());
    let [roles] = &statements(&suffix)[..] else { panic!("hardening.md has one block of SQL") };
    let (server, _) = superuser.rsplit_once('/').unwrap();
    let (_, host) = server.rsplit_once('@').unwrap();
    let by = |role: &str, password: &str| format!("postgres://clinic{suffix}_{role}:{password}@{host}/clinic{suffix}");
    let run = |url: &str, sql: &str| {
        let mut conn = PgConnection::establish(url).unwrap();
        // a database cannot be created in a transaction, so each statement is run by itself
        let each = sql.split(';').map(str::trim).filter(|statement| !statement.is_empty());
        each.map(|statement| conn.batch_execute(statement)).collect::<Result<Vec<()>, _>>()
    };
    run(&superuser, roles).unwrap();
    let postern = |database: &str, command: &[&str]| {
        let mut program = Program::start(command, database, free_port(), &[]);
        let ended = program.ends_within(Duration::from_secs(60)).expect("it ends");
        assert!(ended.success(), "{command:?}: {}", program.log());
    };
    postern(&by("owner", "one"), &["migrate", "--grant-to", &format!("clinic{suffix}_program")]);
    let program = by("program", "another");
    postern(&program, &["user", "add", "o@clinic.example", "--name", "Olivia", "--role", "owner", "--link"]);
    postern(&program, &["audit", "verify"]);
    for forbidden in [
        "UPDATE audit_events SET detail = 'x'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "DROP TRIGGER audit_events_stay ON audit_events",
        "ALTER TABLE audit_events DISABLE TRIGGER USER",
        "DROP TABLE audit_events",
        "DROP FUNCTION audit_events_refuse() CASCADE",
        "CREATE OR REPLACE FUNCTION audit_events_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DELETE FROM audit_heads",
        "DELETE FROM __diesel_schema_migrations",
        "ALTER TABLE patients ADD COLUMN stray int",
    ] {
        assert!(run(&program, forbidden).is_err(), "{forbidden}");
    }
    postern(&program, &["audit", "verify"]);
    run(&superuser, &format!("DROP DATABASE clinic{suffix} WITH (FORCE)")).unwrap();
    run(&superuser, &format!("DROP ROLE clinic{suffix}_program; DROP ROLE clinic{suffix}_owner")).unwrap();
}
