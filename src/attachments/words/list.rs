//! A spreadsheet with a list of patients: a separate process reads it, as it reads any file that may be made to harm.

use super::reader::{self, Wanted};
use super::{FileIntake, PATIENCE, WordReader};
use crate::patients::csv_list::{self, Text};
use actix_web::web::Bytes;
use std::io;

impl FileIntake {
    /// A list of patients as text, from a spreadsheet or a text file; `None` where it cannot be read.
    pub async fn list(&self, bytes: Bytes) -> Option<Text> {
        if !csv_list::is_spreadsheet(&bytes) {
            return tokio::task::spawn_blocking(move || csv_list::text_of(&bytes)).await.ok()?;
        }
        let turn = tokio::time::timeout(PATIENCE, self.words.seats.acquire()).await;
        let _turn = turn.inspect_err(|_| tracing::info!("a list waited too long to be read")).ok()?.ok()?;
        let read = tokio::time::timeout(PATIENCE, self.words.list(bytes)).await;
        let read = read.unwrap_or_else(|late| Err(late.into()));
        read.inspect_err(|cause| tracing::info!(%cause, "a spreadsheet could not be read as a list")).ok()?
    }
}

impl WordReader {
    async fn list(&self, bytes: Bytes) -> io::Result<Option<Text>> {
        let answer = reader::start(&self.program, Wanted::List)?.list(bytes).await?;
        Ok(answer.and_then(|answer| {
            let (sheets, text) = answer.split_once('\n')?;
            let further_sheets = sheets.split('\t').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            Some(Text { text: text.to_owned(), further_sheets })
        }))
    }
}
