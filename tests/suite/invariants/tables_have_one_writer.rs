//! Each table is written by one room, so that the rules for its rows are in one place.

use super::{files_below, project, read};
use std::collections::{BTreeMap, BTreeSet};

/// The rooms that write each table: `insert_into`, `update`, `delete` of the query builder, and SQL in text.
fn writers() -> BTreeMap<String, BTreeSet<String>> {
    let src = project("src");
    let tables: BTreeSet<String> = read(&project("src/db/schema.rs"))
        .split("diesel::table! {")
        .skip(1)
        .filter_map(|table| table.lines().map(str::trim).find_map(|line| line.strip_suffix('{')))
        .filter_map(|head| Some(head.split_once(' ')?.0.to_owned()))
        .collect();
    assert!(tables.len() > 20, "{tables:?}");
    let mut writers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files_below(&src).into_iter().filter(|file| file.ends_with(".rs") && !file.starts_with("db/")) {
        let room = file.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let source = read(&src.join(&file));
        for table in written(&source, &tables) {
            writers.entry(table).or_default().insert(room.clone());
        }
    }
    writers
}

/// The tables that this source writes.
fn written(source: &str, tables: &BTreeSet<String>) -> BTreeSet<String> {
    // `use …::{patients as table}` and `let row = patients::table.find(id)`, which is written a line later
    let mut names: BTreeMap<String, String> = tables.iter().map(|table| (table.clone(), table.clone())).collect();
    let words: Vec<&str> = source.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    for three in words.windows(3) {
        if three[1] == "as" && tables.contains(three[0]) {
            names.insert(three[2].to_owned(), three[0].to_owned());
        }
    }
    let first_word =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for verb in ["insert_into(", "update(", "delete("] {
        for (at, _) in source.match_indices(verb) {
            let inside = &source[at + verb.len()..];
            let word = first_word(inside);
            if let Some(table) = names.get(&word)
                && inside.trim_start()[word.len()..].starts_with("::table")
            {
                found.insert(table.clone());
                continue;
            }
            // a variable: the last `let WORD = TABLE::table` before it
            let bound = format!("let {word} =");
            if let Some(start) = source[..at].rfind(&bound)
                && let Some(table) = names.get(&first_word(&source[start + bound.len()..]))
            {
                found.insert(table.clone());
            }
        }
    }
    for verb in ["INSERT INTO ", "UPDATE ", "DELETE FROM "] {
        for (at, _) in source.match_indices(verb) {
            let word = first_word(&source[at + verb.len()..]);
            if tables.contains(&word) {
                found.insert(word);
            }
        }
    }
    found
}

#[test]
fn each_table_is_written_by_one_room() {
    let writers = writers();
    assert!(writers.len() > 20, "{writers:?}");
    let many: Vec<String> = writers
        .iter()
        .filter(|(_, rooms)| rooms.len() > 1)
        .map(|(table, rooms)| format!("{table}: {}", rooms.iter().cloned().collect::<Vec<_>>().join(", ")))
        .collect();
    assert!(many.is_empty(), "written by more than one room:\n{}", many.join("\n"));
}

#[test]
fn writing_is_seen_where_it_stands() {
    let tables = BTreeSet::from(["patients".to_owned(), "users".to_owned()]);
    for (source, is_seen) in [
        ("diesel::insert_into(patients::table)", true),
        ("use crate::db::schema::patients as table; diesel::update(table::table.find(id))", true),
        ("let row = patients::table.find(id);\ndiesel::delete(row.filter(x))", true),
        ("diesel::sql_query(\"UPDATE patients SET x = 1\")", true),
        ("patients::table.find(id).first(conn)", false),
        ("hasher.update(bytes)", false),
    ] {
        assert_eq!(written(source, &tables).contains("patients"), is_seen, "{source}");
    }
}
