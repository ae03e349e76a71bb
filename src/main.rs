//! Arguments in; everything else is in the library.

fn main() -> std::process::ExitCode {
    postern::cli::run()
}
