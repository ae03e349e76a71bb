//! The clinic's logo and the portal's background image, as they are served.

use crate::db::Conn;
use crate::db::schema::clinic_images;
use crate::text_enum;
use diesel::prelude::*;

text_enum! {
    /// An image of the clinic, by its place.
    pub enum ImageKind {
        /// beside the clinic's name
        Logo = "logo",
        /// behind the portal's pages
        Background = "background",
    }
}

/// An image as it is served.
#[derive(Debug, Clone, Queryable)]
pub struct Image {
    /// a word made from its content, for its address
    pub name: String,
    /// media type
    pub media_type: String,
    /// content
    pub bytes: Vec<u8>,
}

/// The image of this name; `None` where there is none, or another one now.
pub fn image(conn: &mut Conn, kind: ImageKind, name: &str) -> QueryResult<Option<Image>> {
    clinic_images::table
        .find(kind)
        .filter(clinic_images::name.eq(name))
        .select((clinic_images::name, clinic_images::media_type, clinic_images::bytes))
        .first(conn)
        .optional()
}
