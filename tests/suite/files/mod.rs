//! Files: storage, uploads, attachments.

mod storage;
