//! Reads the mailbox for returned mail, where one is configured.

use crate::config::Imap;
use crate::db::DbError;
use crate::delivery::bounce;
use crate::delivery::imap::{self, Keep};
use crate::notifications;
use crate::state::AppState;

/// Visits the mailbox from time to time. Never ends by itself; the caller stops it.
pub(super) async fn keep_reading(state: &AppState) {
    let Some(bounces) = state.config.bounces.as_ref().filter(|bounces| bounces.imap.is_some()) else {
        return std::future::pending().await;
    };
    loop {
        if let Err(cause) = read(state).await {
            tracing::warn!(%cause, "the mailbox for returned mail could not be read");
        }
        tokio::time::sleep(bounces.every).await;
    }
}

/// Visits the mailbox once; gives how many mails there were. Does nothing where none is configured.
///
/// # Errors
/// Why the mailbox could not be read.
pub async fn read(state: &AppState) -> Result<usize, String> {
    let Some(bounces) = &state.config.bounces else { return Ok(0) };
    let Some(imap) = &bounces.imap else { return Ok(0) };
    imap::visit(imap, &Reader { state, address: &bounces.address, mailbox: name(imap) }).await
}

/// A name that distinguishes this mailbox from others that the clinic used before.
fn name(imap: &Imap) -> String {
    format!("{} {} {}", imap.user, imap.host, imap.folder)
}

struct Reader<'a> {
    state: &'a AppState,
    address: &'a lettre::Address,
    mailbox: String,
}

impl imap::Reader for Reader<'_> {
    async fn done_with(&self, validity: u32) -> Result<u32, String> {
        let mailbox = self.mailbox.clone();
        let read = self.state.db.read(move |conn| -> Result<_, DbError> {
            Ok(notifications::returned_mail_done(conn, &mailbox, validity)?)
        });
        read.await.map_err(|e| e.to_string())
    }

    async fn may_read(&self, validity: u32, uid: u32) -> Result<bool, String> {
        let mailbox = self.mailbox.clone();
        let write = self.state.db.write(move |tx| -> Result<_, DbError> {
            Ok(notifications::begin_returned_mail(tx, &mailbox, validity, uid)?)
        });
        let may = write.await.map_err(|e| e.to_string())?;
        if !may {
            tracing::error!(uid, "a returned mail was set aside: reading it broke off again and again");
        }
        Ok(may)
    }

    async fn read(&self, raw: Vec<u8>) -> Result<Keep, String> {
        let returned = match bounce::parse(&raw, self.address) {
            Ok(Some(returned)) => returned,
            Ok(None) => return Ok(Keep::Leave),
            Err(cause) => {
                tracing::warn!(?cause, "a returned mail was set aside unread");
                return Ok(Keep::SetAside);
            }
        };
        let (now, random) = (self.state.clock.now(), self.state.random.clone());
        let write = self
            .state
            .db
            .write(move |tx| -> Result<_, DbError> { Ok(notifications::returned(tx, now, &random, &returned)?) });
        write.await.map_err(|e| e.to_string())?;
        Ok(Keep::Remove)
    }

    async fn done(&self, validity: u32, uid: u32) -> Result<(), String> {
        let mailbox = self.mailbox.clone();
        let write = self.state.db.write(move |tx| -> Result<_, DbError> {
            Ok(notifications::end_returned_mail(tx, &mailbox, validity, uid)?)
        });
        write.await.map_err(|e| e.to_string())
    }
}
