//! Makes cargo see new and changed embedded files: neither `rust-embed` nor `embed_migrations!` does.
fn main() {
    for dir in ["static", "templates", "migrations", "src/locales", "src/demo"] {
        println!("cargo:rerun-if-changed={dir}");
    }
}
