//! Plumbing between requests and rooms, without domain words.

pub mod assets;
pub mod body;
mod caller;
pub mod cookies;
pub mod errand;
pub mod errors;
pub mod files;
pub mod flash;
pub mod form;
pub mod guard;
pub mod keys;
pub mod limits;
pub mod mail_frame;
mod method;
pub mod multipart;
pub mod packed;
pub mod page;
pub mod paging;
pub mod requests;
pub mod searches;
pub mod security_txt;
pub mod seen;
pub mod strings;
pub mod table;
pub mod whose;

pub use form::Form;
pub use limits::Limits;
pub use method::get;
pub use page::{Head, Shell, html, see_other, signed_out, unprocessable};
pub use requests::Requests;
