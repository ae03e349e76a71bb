//! The clinic's logo and background image: checked, and encoded again.

use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use postern::access::Role;
use reqwest::multipart::{Form, Part};
use std::io::Cursor;

on_both!(an_image_is_made_anew_and_shown, what_is_no_image_is_refused);

async fn send(who: &Actor, kind: &str, form: Form) -> String {
    let request = who.http.post(format!("{}/settings/images/{kind}", who.origin)).header("origin", &who.origin);
    let request = request.header("x-whose", who.whose("/settings").await);
    let response = request.multipart(form).send().await.unwrap();
    let header = |name| response.headers().get(name).map(|to| to.to_str().unwrap()).unwrap_or_default();
    format!("{} {}", header("location"), header("set-cookie").split(';').next().unwrap()).trim().to_owned()
}

fn file(bytes: &[u8]) -> Form {
    Form::new().part("image", Part::bytes(bytes.to_vec()).file_name("door.png"))
}

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([(x % 256) as u8, (y % 256) as u8, 90]));
    let mut bytes = Vec::new();
    DynamicImage::from(image).write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

async fn served(app: &App, css: &str) -> (Answer, Vec<u8>) {
    let nobody = app.anyone();
    let page = nobody.get("/portal").await.ok();
    let address = page.attr(css, "src").unwrap();
    let bytes = nobody.http.get(format!("{}{address}", app.origin)).send().await.unwrap().bytes().await.unwrap();
    (nobody.get(&address).await, bytes.to_vec())
}

async fn an_image_is_made_anew_and_shown(app: App) {
    let owner = app.user(Role::Owner).await;
    assert!(!app.anyone().get("/portal").await.ok().has("img"));
    // a phone's picture with the place where it was taken, and something hidden after its end
    let mut photo = picture(2000, 1500, ImageFormat::Jpeg);
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0*secret place 45.4N 75.7W";
    photo.splice(2..2, exif.iter().copied());
    photo.extend_from_slice(b"<script>alert(1)</script>");
    assert_eq!(send(&owner, "background", file(&photo)).await, "/settings/patient-portal notice=settings-saved");
    let (answer, bytes) = served(&app, "img.backdrop").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "image/jpeg");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(answer.headers["cache-control"].to_str().unwrap().contains("immutable"));
    for hidden in [&b"secret place"[..], b"Exif", b"<script>"] {
        assert!(!bytes.windows(hidden.len()).any(|window| window == hidden), "{hidden:?} came through");
    }
    let small = image::load_from_memory(&bytes).unwrap();
    assert_eq!((small.width(), small.height()), (1600, 1200));
    // a logo stays sharp, and may be transparent
    send(&owner, "logo", file(&picture(200, 60, ImageFormat::Png))).await;
    let (first, bytes) = served(&app, ".brand img").await;
    assert_eq!(first.headers["content-type"], "image/png");
    assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 200);
    assert!(owner.get("/inbox").await.ok().has(".brand img"));
    let page = app.anyone().get("/portal").await.ok();
    let old = page.attr(".brand img", "src").unwrap();
    send(&owner, "logo", file(&picture(100, 50, ImageFormat::WebP))).await;
    assert_eq!(app.anyone().get(&old).await.status, 404, "another image has another address");
    send(&owner, "logo", Form::new().text("remove", "on")).await;
    send(&owner, "background", Form::new().text("remove", "on")).await;
    assert!(!app.anyone().get("/portal").await.ok().has("img"));
}

async fn what_is_no_image_is_refused(app: App) {
    let owner = app.user(Role::Owner).await;
    // a PNG that declares a width of 60000 pixels
    let mut wide = picture(2, 2, ImageFormat::Png);
    wide[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    let mut broken = picture(50, 50, ImageFormat::Png);
    broken.truncate(80);
    let long = vec![0u8; 9 << 20];
    for (bytes, notice) in [
        (&b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"[..], "image-unreadable"),
        (b"", "image-unreadable"),
        (b"GIF89a", "image-unreadable"),
        (b"%PDF-1.7", "image-unreadable"),
        (&broken, "image-unreadable"),
        (&wide, "image-"),
        (&long, "image-too-large"),
    ] {
        let to = send(&owner, "logo", file(bytes)).await;
        assert!(to.starts_with(&format!("/settings/clinic notice={notice}")), "{to}");
        assert!(owner.get("/settings/clinic").await.ok().has(".flash"), "{to} says nothing");
    }
    assert!(!app.anyone().get("/portal").await.ok().has("img"));
    assert_eq!(send(&app.user(Role::Staff).await, "logo", file(&picture(9, 9, ImageFormat::Png))).await, "");
    assert_eq!(app.anyone().get("/portal/images/logo/x").await.status, 404);
    assert_eq!(app.anyone().get("/portal/images/door/x").await.status, 404);
}
