//! Postern is licensed under MIT or Apache-2.0, so everything that it is built from must allow that.

use serde_json::Value;
use std::process::Command;

/// Licences that require no more than a notice.
const ALLOWED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Exceptions; an exception only allows more than its licence.
const ALLOWED_EXCEPTIONS: [&str; 1] = ["LLVM-exception"];

/// Packages under a licence that requires more, and why the requirement is met.
const BY_NAME: [(&str, &str); 11] = [
    // MPL-2.0: the files of the package stay under it; Postern uses them unchanged
    ("crypto-glue", "MPL-2.0"),
    ("cssparser", "MPL-2.0"),
    ("cssparser-macros", "MPL-2.0"),
    ("dtoa-short", "MPL-2.0"),
    ("selectors", "MPL-2.0"),
    ("webauthn-attestation-ca", "MPL-2.0"),
    ("webauthn-rs", "MPL-2.0"),
    ("webauthn-rs-core", "MPL-2.0"),
    ("webauthn-rs-proto", "MPL-2.0"),
    ("webdriver", "MPL-2.0"),
    // PostgreSQL's own licence requires a notice, like MIT
    ("pq-src", "PostgreSQL"),
];

#[test]
fn every_dependency_has_an_allowed_licence() {
    // only this platform, because cargo may not have fetched the packages of others
    let host = stdout(Command::new(env!("CARGO")).args(["-vV"]));
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo's host");
    let metadata = stdout(
        Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
            .current_dir(super::project(".")),
    );
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "only {} packages", packages.len());
    let mut used_names = Vec::new();
    let mut offences = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let by_name = BY_NAME.iter().filter(|(n, _)| *n == name).map(|(_, licence)| *licence);
        let is_allowed = |licence: &str| ALLOWED.contains(&licence) || by_name.clone().any(|l| l == licence);
        match package["license"].as_str().map(|expression| (expression, is_satisfied(expression, &is_allowed))) {
            Some((_, Ok(true))) => {}
            Some((expression, Ok(false))) => offences.push(format!("{name} {}: {expression}", package["version"])),
            Some((expression, Err(problem))) => offences.push(format!("{name}: {expression}: {problem}")),
            None => offences.push(format!("{name}: says no licence")),
        }
        used_names.push(name);
    }
    offences.extend(
        BY_NAME
            .iter()
            .filter(|(n, _)| !used_names.contains(n))
            .map(|(n, _)| format!("{n} is listed here but not used")),
    );
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether an SPDX licence expression can be met with allowed licences only. "/" is an old form of OR.
fn is_satisfied(expression: &str, is_allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let satisfied = any(&mut words, is_allowed)?;
    match words.next() {
        None => Ok(satisfied),
        Some(word) => Err(format!("unexpected {word}")),
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words, is_allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let mut satisfied = all(words, is_allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        satisfied |= all(words, is_allowed)?;
    }
    Ok(satisfied)
}

fn all(words: &mut Words, is_allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let mut satisfied = one(words, is_allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        satisfied &= one(words, is_allowed)?;
    }
    Ok(satisfied)
}

fn one(words: &mut Words, is_allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let mut satisfied = match words.next() {
        Some("(") => {
            let satisfied = any(words, is_allowed)?;
            words.next_if_eq(&")").ok_or("no closing parenthesis")?;
            satisfied
        }
        Some(")" | "AND" | "OR" | "WITH") | None => return Err("a licence is missing".into()),
        Some(licence) => is_allowed(licence),
    };
    if words.next_if_eq(&"WITH").is_some() {
        let exception = words.next().ok_or("an exception is missing")?;
        satisfied &= ALLOWED_EXCEPTIONS.contains(&exception);
    }
    Ok(satisfied)
}

#[test]
fn expressions_are_read_as_spdx_says() {
    let check = |expression: &str| is_satisfied(expression, &|licence| ALLOWED.contains(&licence));
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-2.0-only/MIT",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR X",
    ] {
        assert_eq!(check(good), Ok(true), "{good}");
    }
    for bad in
        ["GPL-3.0-only", "MIT AND AGPL-3.0", "MPL-2.0", "MIT AND (X OR Y)", "X OR MIT AND Y", "Apache-2.0 WITH other"]
    {
        assert_eq!(check(bad), Ok(false), "{bad}");
    }
    for broken in ["", "MIT OR", "(MIT", "MIT MIT", "WITH x", "MIT)"] {
        assert!(check(broken).is_err(), "{broken}");
    }
}
