//! Two doors onto one house: what the patient's door cannot name, it cannot do. So imports go down, never up or
//! sideways.

use super::rust_source::{paths_from_root, tokens};
use super::{files_below, project, read};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A storey of the house. Its rooms may use every room on the storeys below.
struct Storey {
    name: String,
    rooms: Vec<String>,
    /// Whether a room may also use rooms that are listed before it on its own storey; otherwise rooms of one storey do
    /// not use each other.
    uses_listed_before: bool,
}

/// The storeys from the top, read from the table in docs/architecture.md, which is the only list.
static HOUSE: LazyLock<Vec<Storey>> = LazyLock::new(|| {
    let page = read(&project("docs/architecture.md"));
    let (_, table) = page.split_once("<!-- rooms: read by a test -->").expect("the table of rooms");
    let (table, _) = table.split_once("<!-- end -->").expect("the end of the table");
    let rows = table.trim().lines().skip(2);
    let house: Vec<Storey> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [name, rooms, may_use_before] = cells[..] else { panic!("{row}") };
            Storey {
                name: name.to_owned(),
                rooms: rooms.split(", ").map(str::to_owned).collect(),
                uses_listed_before: match may_use_before {
                    "yes" => true,
                    "no" => false,
                    other => panic!("yes or no, not {other}"),
                },
            }
        })
        .collect();
    assert!(house.len() > 10);
    house
});

/// Rooms that only the named rooms may use, although they are below others too.
const ONLY_FOR: [(&str, &[&str]); 3] = [
    // its mailbox page is mounted by the one builder, under `postern demo` only
    ("demo", &["cli", "app"]),
    ("http", &["cli", "app", "demo", "clinic", "portal", "hooks", "metrics", "worker", "state"]),
    ("state", &["cli", "app", "demo", "clinic", "portal", "hooks", "metrics", "worker"]),
];

/// Files in src that belong to no room.
const NO_ROOM: [&str; 2] = ["lib.rs", "build.rs"];

/// Why `from` may not use `to`; `None` where it may.
fn objection(from: &str, to: &str) -> Option<String> {
    let place = |room: &str| {
        let storey = HOUSE.iter().position(|s| s.rooms.iter().any(|r| r == room))?;
        Some((storey, HOUSE[storey].rooms.iter().position(|r| *r == room)?))
    };
    let unknown = |room| Some(format!("the room {room} has no place in HOUSE (docs/architecture.md)"));
    let Some((from_storey, from_index)) = place(from) else { return unknown(from) };
    let Some((to_storey, to_index)) = place(to) else { return unknown(to) };
    if from == to {
        return None;
    }
    if to_storey < from_storey {
        return Some(format!("up from {} to {}", HOUSE[from_storey].name, HOUSE[to_storey].name));
    }
    if to_storey == from_storey {
        let storey = &HOUSE[to_storey];
        let rule = if storey.uses_listed_before {
            "a room uses only those listed before it"
        } else {
            "its rooms never use each other"
        };
        let is_fine = storey.uses_listed_before && to_index < from_index;
        return (!is_fine).then(|| format!("sideways in {} ({}): {rule}", storey.name, storey.rooms.join(", ")));
    }
    let (_, users) = ONLY_FOR.iter().find(|(room, _)| *room == to)?;
    (!users.contains(&from)).then(|| format!("{to} is only for {}", users.join(", ")))
}

#[test]
fn imports_point_down() {
    let src = project("src");
    let files: Vec<String> = files_below(&src).into_iter().filter(|f| f.ends_with(".rs")).collect();
    let sources: BTreeMap<&str, String> = files.iter().map(|file| (file.as_str(), read(&src.join(file)))).collect();
    // an exported macro stands at the crate's root, wherever it was written
    let macros: BTreeMap<String, &str> = sources
        .iter()
        .flat_map(|(file, source)| exported_macros(source).into_iter().map(|name| (name, module_of(file)[0])))
        .collect();

    let mut offences = Vec::new();
    for (file, source) in &sources {
        if NO_ROOM.contains(file) {
            continue;
        }
        let module = module_of(file);
        let crate_name = (*file == "main.rs").then_some("postern");
        for (name, line) in paths_from_root(source, &module, crate_name) {
            let to = macros.get(&name).copied().unwrap_or(&name);
            if let Some(objection) = objection(module[0], to) {
                offences.push(format!("src/{file}:{line}: {} -> {to}: {objection}", module[0]));
            }
        }
    }
    assert!(offences.is_empty(), "{} imports don't point down:\n{}", offences.len(), offences.join("\n"));
}

#[test]
fn every_room_of_the_code_is_on_the_page() {
    let library = read(&project("src/lib.rs"));
    let mut rooms: BTreeSet<&str> =
        library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    rooms.insert("main");
    let told: BTreeSet<&str> = HOUSE.iter().flat_map(|storey| &storey.rooms).map(String::as_str).collect();
    assert_eq!(rooms, told);
}

/// `["chart", "import", "fhir"]` of `chart/import/fhir.rs`.
fn module_of(file: &str) -> Vec<&str> {
    let mut module: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    if module.len() > 1 && module.last() == Some(&"mod") {
        module.pop();
    }
    module
}

fn exported_macros(source: &str) -> Vec<String> {
    let texts: Vec<String> = tokens(source).into_iter().map(|t| t.text).collect();
    let is_export = |window: &&[String]| window[0] == "macro_export" && window[2] == "macro_rules";
    texts.windows(5).filter(is_export).map(|window| window[4].clone()).collect()
}

#[test]
fn the_rule_objects_to_what_it_should() {
    for (from, to, is_fine) in [
        ("main", "cli", true),
        ("cli", "demo", true),
        ("app", "portal", true),
        ("clinic", "conversations", true),
        ("clinic", "http", true),
        ("clinic", "state", true),
        ("conversations", "chart", true),
        ("conversations", "text", true),
        ("audit", "db", true),
        ("config", "db", true),
        ("chart", "chart", true),
        ("clinic", "portal", false),
        ("worker", "clinic", false),
        ("chart", "conversations", false),
        ("conversations", "clinic", false),
        ("conversations", "http", false),
        ("conversations", "state", false),
        ("audit", "access", false),
        // pages need to know whose session it is
        ("http", "access", true),
        ("text", "values", false),
        ("db", "config", false),
        ("app", "demo", true),
        ("demo", "app", false),
        ("portal", "app", false),
        ("chart", "attic", false),
    ] {
        assert_eq!(objection(from, to).is_none(), is_fine, "{from} -> {to}: {:?}", objection(from, to));
    }
    assert_eq!(module_of("chart/import/fhir.rs"), ["chart", "import", "fhir"]);
    assert_eq!((module_of("chart/mod.rs"), module_of("app.rs")), (vec!["chart"], vec!["app"]));
    assert_eq!(exported_macros("#[macro_export] macro_rules! text_enum { } macro_rules! own { }"), ["text_enum"]);
}

/// The operator has every right, so only commands and the demo, which run from a shell on the machine, act as one.
#[test]
fn only_commands_and_the_demo_act_as_the_operator() {
    let src = project("src");
    let makers = files_below(&src).into_iter().filter(|file| {
        let source = if file.ends_with(".rs") { read(&src.join(file)) } else { String::new() };
        source.contains("of_the_command_line(") && file != "access/authority.rs"
    });
    let makers: Vec<String> = makers.collect();
    assert!(!makers.is_empty());
    let others: Vec<_> = makers.iter().filter(|f| !["cli/", "demo/"].iter().any(|room| f.starts_with(room))).collect();
    assert!(others.is_empty(), "{others:?}");
    let of_the_sync = files_below(&src).into_iter().filter(|file| {
        file.ends_with(".rs") && file != "access/authority.rs" && read(&src.join(file)).contains("of_the_sync(")
    });
    let of_the_sync: Vec<String> = of_the_sync.collect();
    assert_eq!(of_the_sync, ["sync/charts.rs"], "only a round of the sync acts as the sync");
}
