//! `postern read-words`: the process that reads documents for the server. Nobody calls it by hand.

use crate::attachments;
use std::process::ExitCode;

pub(super) fn run() -> ExitCode {
    match attachments::read_words(std::io::stdin().lock(), std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
