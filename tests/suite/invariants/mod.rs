//! The rules of the house. A rule that has no test here is not enforced.

mod any_input;
mod assets_are_fresh;
mod cross_site;
mod database_down;
mod enter_is_harmless;
mod errors_in_the_frame;
mod headers;
mod imports_only_add;
mod imports_point_down;
mod lapsed_sessions;
mod licences;
mod locales;
mod mangled_input;
mod meaning_is_kept;
mod migrations;
mod no_unsafe;
mod notifications_say_nothing;
mod pages_have_an_owner;
mod pages_render;
mod pages_saw_a_version;
mod papers_are_true;
mod permission_matrix;
mod refused_forms;
mod requests;
pub mod routes;
mod routes_are_guarded;
mod rust_source;
mod said_once;
mod sealed_columns;
mod settings_are_told;
mod tables_have_one_writer;
mod templates_hold_no_text;
mod writes_are_audited;

use std::path::{Path, PathBuf};

/// A file or folder of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// All files below a folder, except in folders called `node_modules`, as sorted paths from it with "/". Panics if there
/// is none, because a rule that checks nothing proves nothing.
fn files_below(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, files: &mut Vec<String>) {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                if !path.ends_with("node_modules") {
                    walk(root, &path, files);
                }
            } else {
                files.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    let mut files = Vec::new();
    walk(folder, folder, &mut files);
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files.sort();
    files
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
