//! The route tables, read from the source of the doors, so that the rules cover every route that is added.

use super::{project, read};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub method: &'static str,
    /// The path as written, such as `/patients/{patient}`.
    pub path: String,
}

impl Route {
    /// The path with these values for its parameters.
    pub fn filled(&self, values: &[(&str, &str)]) -> String {
        let mut path = self.path.clone();
        for (name, value) in values {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        assert!(!path.contains('{'), "the test knows no value for {path}");
        path
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn table(file: &str, prefix: &str) -> Vec<Route> {
    let source = read(&project(file));
    let routes: Vec<Route> = source
        .split(".route(")
        .skip(1)
        .map(|rest| {
            let (path, rest) = rest.trim_start().strip_prefix('"').and_then(|r| r.split_once('"')).expect("a path");
            let method = match rest.trim_start_matches([',', ' ', '\n']) {
                get if get.starts_with("get()") => "GET",
                post if post.starts_with("post()") => "POST",
                other => panic!("{file}: {path}: neither get() nor post(): {}", &other[..20]),
            };
            Route { method, path: format!("{prefix}{path}") }
        })
        .collect();
    assert!(
        !source.contains(".service(") && !source.contains(".resource("),
        "{file} has routes that are not seen here"
    );
    assert!(routes.len() > 5, "{file}");
    routes
}

pub fn clinic() -> Vec<Route> {
    table("src/clinic/mod.rs", "")
}

pub fn portal() -> Vec<Route> {
    table("src/portal/mod.rs", "/portal")
}
