//! No `unsafe`: the compiler forbids it in the library, and no other source file has it.

use super::rust_source::tokens;
use super::{files_below, project, read};

#[test]
fn the_library_forbids_it() {
    let lib: Vec<String> = tokens(&read(&project("src/lib.rs"))).into_iter().map(|t| t.text).collect();
    assert!(lib.join("").contains("#![forbid(unsafe_code)]"), "src/lib.rs lacks #![forbid(unsafe_code)]");
}

#[test]
fn nobody_writes_it() {
    for folder in ["src", "tests"] {
        for file in files_below(&project(folder)).iter().filter(|f| f.ends_with(".rs")) {
            let source = read(&project(folder).join(file));
            let found = tokens(&source).into_iter().find(|t| t.text == "unsafe");
            assert!(found.is_none(), "{folder}/{file}:{}: unsafe", found.map_or(0, |t| t.line));
        }
    }
}
