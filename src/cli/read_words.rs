//! `postern read-words`: the process that reads documents for the server. People do not call it.

use crate::attachments;
use std::process::ExitCode;

pub(super) fn run(list: bool, picture: bool) -> ExitCode {
    let (from, to) = (std::io::stdin().lock(), std::io::stdout().lock());
    let read = match (list, picture) {
        (true, _) => attachments::read_list(from, to),
        (_, true) => attachments::read_picture(from, to),
        _ => attachments::read_words(from, to),
    };
    match read {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
