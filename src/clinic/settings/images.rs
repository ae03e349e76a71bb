//! `POST /settings/images/{kind}`: the clinic's logo and the portal's background image.

use crate::access::rights;
use crate::administration::{self, LARGEST_IMAGE, NotTaken};
use crate::clinic::guard::User;
use crate::error::AppError;
use crate::http::multipart::Body;
use crate::http::see_other;
use crate::settings::ImageKind;
use crate::state::AppState;
use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, web};

/// The page that has the form for this kind of image.
fn page_of(kind: ImageKind) -> &'static str {
    match kind {
        ImageKind::Logo => "/settings/clinic",
        ImageKind::Background => "/settings/patient-portal",
    }
}

/// A file, or `remove`.
struct Sent {
    file: Vec<u8>,
    remove: bool,
}

pub async fn submit(
    state: web::Data<AppState>,
    req: HttpRequest,
    user: User<rights::Settings>,
    kind: web::Path<String>,
    body: Multipart,
) -> Result<HttpResponse, AppError> {
    let kind: ImageKind = kind.parse().map_err(|_| AppError::NotFound)?;
    let back = |notice: &str| see_other(&format!("{}?notice={notice}", page_of(kind)));
    let Some(sent) = read(&req, body).await? else { return Ok(back("image-too-large")) };
    let image = match sent.remove {
        true => None,
        false => {
            let made = web::block(move || administration::made_anew(kind, &sent.file)).await;
            match made.map_err(|_| AppError::Internal("no thread".into()))? {
                Ok(image) => Some(image),
                Err(NotTaken::TooLarge) => return Ok(back("image-too-large")),
                Err(NotTaken::Unreadable) => return Ok(back("image-unreadable")),
            }
        }
    };
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(administration::set_image(tx, now, &user.0, kind, image.as_ref())?)
    });
    write.await?;
    Ok(back("settings-saved"))
}

/// Reads the form; `None` where the file is too large. The rest of the file is still read, so that the answer arrives.
async fn read(req: &HttpRequest, body: Multipart) -> Result<Option<Sent>, AppError> {
    let mut body = Body::within(req, body, 4 * LARGEST_IMAGE as u64)?;
    let (mut sent, mut size) = (Sent { file: Vec::new(), remove: false }, 0);
    while let Some(mut part) = body.next().await? {
        sent.remove |= part.name == "remove";
        while let Some(bytes) = part.piece().await? {
            size += bytes.len();
            if part.name == "image" && size <= LARGEST_IMAGE {
                sent.file.extend_from_slice(&bytes);
            }
        }
    }
    Ok((size <= LARGEST_IMAGE).then_some(sent))
}
