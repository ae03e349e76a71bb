//! Pictures that no browser shows are converted to be looked at; stored and saved is the original.

use super::uploads::{get, upload};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::DbError;
use postern::db::schema::audit_events;

on_both!(
    a_fax_is_drawn_for_staff_and_patient,
    every_coding_of_a_fax_is_drawn,
    a_palette_is_drawn_in_its_colours,
    a_photo_of_a_phone_is_drawn_the_right_way_up,
    what_cannot_be_drawn_is_saved
);

/// A fax of two pages of 64 by 40 pixels, as libtiff writes it (CCITT T.6): a black bar at the top, of 16 pixels on the
/// first page and of 32 on the second.
const FAX: &str = "SUkqABwAAAA1Ayf/5NQPDf//////////ABABAAwAAAEDAAEAAABAAAAAAQEDAAEAAAAoAAAAAgEDAAEAAAABAAAAAwEDAAEAAAAEAAAABgEDAA\
    EAAAABAAAAEQEEAAEAAAAIAAAAFgEDAAEAAAAoAAAAFwEEAAEAAAATAAAAGgEFAAEAAACyAAAAGwEFAAEAAAC6AAAAHAEDAAEAAAABAAAAKAED\
    AAEAAAACAAAA7AAAAMwAAAABAAAAxAAAAAEAAAAAAAAAAAAAAAAAAAAAAElJKgAcAAAAI2DV//k1A8N//////////8AEAEAMAAABAwABAAAAQA\
    AAAAEBAwABAAAAKAAAAAIBAwABAAAAAQAAAAMBAwABAAAABAAAAAYBAwABAAAAAQAAABEBBAABAAAA2AAAABYBAwABAAAAKAAAABcBBAABAAAA\
    FAAAABoBBQABAAAAggEAABsBBQABAAAAigEAABwBAwABAAAAAQAAACgBAwABAAAAAgAAAAAAAADMAAAAAQAAAMQAAAABAAAAAAAAAAAAAAAAAA\
    AAAAA=";

fn fax() -> Vec<u8> {
    data_encoding::BASE64.decode(FAX.as_bytes()).unwrap()
}

/// Sends a file; gives the patient's browser, and the paths at which the user and the patient find it.
async fn sent(app: &App, owner: &Actor, file: Vec<u8>) -> (Actor, String, String) {
    let patient = app.patient(Like::default()).await;
    let added = upload(owner, patient, "fax.tif", file).await.text();
    let file = added.split("name=\"upload\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields =
        [("title", "T"), ("body", "B"), ("key", "0123456789abcdef"), ("replies_allowed", "on"), ("upload", &*file)];
    let sent = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let conversation = sent.split('?').next().unwrap().to_owned();
    app.drain().await;
    let (visitor, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    (visitor, format!("{conversation}/attachments/1"), format!("{message}/attachments/1"))
}

/// What is drawn of a file, for the user who sent it.
async fn drawn(app: &App, owner: &Actor, name: &str, file: &[u8]) -> image::DynamicImage {
    let patient = app.patient(Like::default()).await;
    let ending = if file.starts_with(b"II") || file.starts_with(b"MM") { "tif" } else { "heic" };
    let added = upload(owner, patient, &format!("scan.{ending}"), file.to_vec()).await.text();
    let upload = added.split("name=\"upload\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("title", "T"), ("body", "B"), ("key", name), ("replies_allowed", "on"), ("upload", &*upload)];
    let sent = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let path = format!("{}/attachments/1?as=show", sent.split('?').next().unwrap());
    let shown = get(owner, &path, &[]).await;
    assert_eq!(shown.headers["content-type"].to_str().unwrap(), "image/jpeg", "{name} is not drawn");
    image::load_from_memory(&shown.bytes).unwrap()
}

macro_rules! tiffs {
    ($($name:literal),*) => { [$(($name, include_bytes!(concat!("drawn/", $name, ".tif")).as_slice())),*] };
}

async fn openings(app: &App) -> i64 {
    let read = app.state.db.read(|conn| -> Result<i64, DbError> {
        Ok(audit_events::table.filter(audit_events::action.eq("attachment_opened")).count().get_result(conn)?)
    });
    read.await.unwrap()
}

async fn a_fax_is_drawn_for_staff_and_patient(app: App) {
    let owner = app.user(Role::Owner).await;
    let (visitor, here, there) = sent(&app, &owner, fax()).await;
    for (someone, path) in [(&owner, &here), (&visitor, &there)] {
        let page = someone.get(path.split("/attachments").next().unwrap()).await.ok();
        assert!(page.links().iter().any(|link| link.href.contains("/attachments/1?as=show")), "a link to look at it");
        let before = openings(&app).await;
        let shown = get(someone, &format!("{path}?as=show"), &[]).await;
        assert_eq!((shown.status, shown.headers["content-type"].to_str().unwrap()), (200, "image/jpeg"));
        assert!(shown.headers["content-disposition"].to_str().unwrap().starts_with("inline"));
        assert!(shown.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
        let picture = image::load_from_memory(&shown.bytes).unwrap().to_luma8();
        assert_eq!(picture.dimensions(), (64, 40 + 12 + 40), "both pages, below each other");
        let is_black = |x, y| picture.get_pixel(x, y)[0] < 60;
        assert!(is_black(4, 3) && !is_black(24, 3) && is_black(24, 55) && !is_black(50, 55) && !is_black(4, 30));
        assert_eq!(openings(&app).await, before + 1);
        let saved = get(someone, path, &[]).await;
        assert_eq!(saved.bytes, fax(), "what is saved is the original");
        assert_eq!(saved.headers["content-type"].to_str().unwrap(), "image/tiff");
    }
}

async fn what_cannot_be_drawn_is_saved(app: App) {
    let owner = app.user(Role::Owner).await;
    // the same picture, declared as a compression that nothing writes any more: tag 259, one SHORT
    let tag = [3, 1, 3, 0, 1, 0, 0, 0, 4, 0];
    let mut other = fax();
    while let Some(at) = other.windows(tag.len()).position(|bytes| bytes == tag) {
        other[at + 8] = 6;
    }
    let (_, here, _) = sent(&app, &owner, other.clone()).await;
    let answer = get(&owner, &format!("{here}?as=show"), &[]).await;
    assert_eq!((answer.status, answer.bytes == other), (200, true));
    assert!(answer.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
}

/// Files of `tiffcp -c g3`, `-c g3:2d`, `-c g3:1d:fill`, `-c g3:2d:fill -r 7`, `-c g3 -f lsb2msb -B` and `-c g4 -f lsb2msb`,
/// all of the fax above; the last says by tag 262 that its paper is black.
async fn every_coding_of_a_fax_is_drawn(app: App) {
    let owner = app.user(Role::Owner).await;
    let files = tiffs!["g3", "g3-2d", "g3-fill", "g3-2d-strips", "g3-lsb-be", "g4-lsb", "g3-inverse"];
    for (name, file) in files {
        let picture = drawn(&app, &owner, &format!("{name:-<16}"), file).await.to_luma8();
        assert_eq!(picture.dimensions(), (64, 40 + 12 + 40), "{name}");
        let is_black = |x, y| (picture.get_pixel(x, y)[0] < 60) != (name == "g3-inverse");
        let bars = is_black(4, 3) && !is_black(24, 3) && is_black(24, 55) && !is_black(50, 55) && !is_black(4, 30);
        assert!(bars, "{name}");
    }
}

/// Files of `tiffcp -c lzw`, `-B -c zip` and `-8 -c packbits`, and one of sixteen colours: red and green above blue and white.
async fn a_palette_is_drawn_in_its_colours(app: App) {
    let owner = app.user(Role::Owner).await;
    for (name, file) in tiffs!["p8-lzw", "p8-be", "p8-big", "p4"] {
        let picture = drawn(&app, &owner, &format!("{name:-<16}"), file).await;
        has_corners(name, &picture, [[255, 0, 0], [0, 160, 0], [0, 0, 255], [255; 3]]);
    }
}

/// Compares the corners, line by line.
fn has_corners(name: &str, picture: &image::DynamicImage, corners: [[u8; 3]; 4]) {
    let picture = picture.to_rgb8();
    let (width, height) = picture.dimensions();
    for ((right, below), colour) in [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().zip(corners) {
        let found = picture.get_pixel(right * (width - 1), below * (height - 1)).0;
        let is_near = found.iter().zip(colour).all(|(one, other): (&u8, u8)| one.abs_diff(other) < 60);
        assert!(is_near, "{name}: {found:?} for {colour:?}");
    }
}

/// Photos of x265 by libheif, the second one to be turned by a quarter to the right.
async fn a_photo_of_a_phone_is_drawn_the_right_way_up(app: App) {
    let owner = app.user(Role::Owner).await;
    let [red, green, blue, white] = [[255, 0, 0], [0, 160, 0], [0, 0, 255], [255; 3]];
    let photo = drawn(&app, &owner, "photo-----------", include_bytes!("drawn/photo.heic")).await;
    assert_eq!((photo.width(), photo.height()), (96, 64));
    has_corners("photo", &photo, [red, green, blue, white]);
    let turned = drawn(&app, &owner, "turned----------", include_bytes!("drawn/turned.heic")).await;
    assert_eq!((turned.width(), turned.height()), (64, 96));
    has_corners("turned", &turned, [blue, red, white, green]);
}
