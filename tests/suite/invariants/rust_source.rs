//! The part of Rust's grammar that the rules need: tokens without comments and literals, and the paths in them.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// An identifier, `::`, or one other character.
    pub text: String,
    pub line: usize,
}

/// The tokens of a source file. Strings, characters, numbers and comments are left out.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let start = i;
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            '"' => i = end_of_string(&chars, i),
            // 'a' and '\n' are characters, 'a alone is a lifetime
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1
                }
                i += 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            'r' | 'b' | 'c' if begins_raw_string(&chars, i) => i = end_of_raw_string(&chars, i),
            c if c.is_alphabetic() || c == '_' => {
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1
                }
                tokens.push(Token { text: chars[start..i].iter().collect(), line });
            }
            c if c.is_ascii_digit() => {
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1
                }
            }
            ':' if at(i + 1) == ':' => {
                tokens.push(Token { text: "::".into(), line });
                i += 2;
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token { text: c.into(), line });
                }
                i += 1;
            }
        }
        line += chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn end_of_string(chars: &[char], quote: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// The position of the quote in `r"`, `br#"` or `cr##"`, and the number of `#` before it.
fn raw_quote(chars: &[char], start: usize) -> Option<(usize, usize)> {
    let mut i = start;
    if matches!(chars[i], 'b' | 'c') {
        i += 1;
    }
    if chars.get(i) != Some(&'r') {
        return None;
    }
    i += 1;
    let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
    (chars.get(i + hashes) == Some(&'"')).then_some((i + hashes, hashes))
}

fn begins_raw_string(chars: &[char], i: usize) -> bool {
    raw_quote(chars, i).is_some()
}

fn end_of_raw_string(chars: &[char], start: usize) -> usize {
    let (quote, hashes) = raw_quote(chars, start).expect("asked before");
    let mut i = quote + 1;
    while i < chars.len() && !(chars[i] == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes) {
        i += 1;
    }
    i + 1 + hashes
}

/// The first name behind the crate's root of each path in the source, with its line: `db` of `crate::db::Conn`,
/// `$crate::db!()`, `use crate::{db, text}`, and of `super::super::db` where that leads to the root. `module` is the
/// source's own module; `root` is what else names the crate (`postern` in its binary).
pub fn paths_from_root(source: &str, module: &[&str], root: Option<&str>) -> Vec<(String, usize)> {
    let tokens = tokens(source);
    let text = |i: usize| tokens.get(i).map_or("", |t: &Token| t.text.as_str());
    let mut found = Vec::new();
    // the inline modules around this place, each by the depth of braces outside it
    let mut inside: Vec<usize> = Vec::new();
    let mut depth = 0;
    for i in 0..tokens.len() {
        match text(i) {
            "{" => {
                if i >= 2 && text(i - 2) == "mod" {
                    inside.push(depth);
                }
                depth += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                if inside.last() == Some(&depth) {
                    inside.pop();
                }
            }
            start if (i == 0 || text(i - 1) != "::") && text(i + 1) == "::" => {
                let mut next = i + 2;
                let mut up = match start {
                    "super" => 1,
                    "self" if text(next) == "super" => 0,
                    "crate" => module.len() + inside.len(),
                    name if Some(name) == root => module.len() + inside.len(),
                    _ => continue,
                };
                while text(next) == "super" && text(next + 1) == "::" {
                    up += 1;
                    next += 2;
                }
                if up == module.len() + inside.len() {
                    first_names(&tokens, next, &mut found);
                }
            }
            _ => {}
        }
    }
    found
}

/// The name at `start`, or the first names in the group at `start`.
fn first_names(tokens: &[Token], start: usize, found: &mut Vec<(String, usize)>) {
    let mut depth = 0;
    let mut is_first = true;
    for token in &tokens[start.min(tokens.len())..] {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => is_first = true,
            name => {
                if is_first {
                    found.push((name.to_owned(), token.line));
                }
                is_first = false;
            }
        }
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_code() {
        let source = "/// crate::no\n/* a /* b */ crate::no */ let s = \"crate::\\\"no\"; r#\"x\" crate::no\"#; 'c' '\\'' &'a x 1_u8";
        let texts: Vec<_> = tokens(source).into_iter().map(|t| t.text).collect();
        assert_eq!(texts, ["let", "s", "=", ";", ";", "&", "'", "a", "x"]);
        assert_eq!(tokens("\"a\nb\"\nx")[0].line, 3);
    }

    fn names(source: &str, module: &[&str]) -> Vec<String> {
        paths_from_root(source, module, None).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        assert_eq!(
            names("use crate::db::Conn; pub(crate) fn f() -> crate::error::Error { crate::text::g() }", &["a"]),
            ["db", "error", "text"]
        );
        assert_eq!(names("use crate::{db::{Conn, Tx}, text as t, http::{self, x}};", &["a"]), ["db", "text", "http"]);
        assert_eq!(names("use super::db::x; use super::super::no;", &["a"]), ["db"]);
        assert_eq!(
            names("use super::no; use super::super::{db, text::y}; self::super::super::http::z()", &["a", "b"]),
            ["db", "text", "http"]
        );
        assert_eq!(
            names("mod tests { use super::*; use super::no; use super::super::db; } use super::text;", &["a"]),
            ["db", "text"]
        );
        assert_eq!(
            names("if x { y } mod t { mod u { super::super::super::db() } } super::text()", &["a"]),
            ["db", "text"]
        );
        assert_eq!(names("#[x(crate::db::Y)] text_enum! { $crate::clock::z }", &["a"]), ["db", "clock"]);
        assert_eq!(paths_from_root("\n\nuse postern::cli;", &["main"], Some("postern")), [("cli".to_owned(), 3)]);
    }
}
