//! Passkeys, with a software authenticator that signs as the standard says (Web Authentication, Level 3).

use super::second_factor::{code, set_up};
use super::{everybody, newest, noted};
use crate::on_each;
use crate::support::app::{Actor, Answer, App, On};
use crate::support::world::PASSWORD;
use data_encoding::BASE64URL_NOPAD;
use postern::access::Role;
use postern::delivery::Delivery;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::Duration;

on_each!(
    a_passkey_is_added_and_signs_in,
    a_passkey_takes_the_second_step_and_confirms,
    an_answer_counts_once_and_for_its_challenge,
    what_a_device_must_not_say_is_refused,
    a_passkey_of_another_opens_nothing,
    passkeys_go_with_a_reset_and_stay_where_needed
);

/// A clinic at a host name, because browsers have no passkeys for IP addresses.
pub async fn clinic(on: On) -> App {
    let named = |config: &mut postern::config::Config| config.public_url.set_host(Some("localhost")).unwrap();
    let mut app = App::start_with_config(on, named, Delivery::mailbox).await;
    app.origin = app.origin.replace("127.0.0.1", "localhost");
    app
}

/// A device with one passkey.
struct Device {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    user: Vec<u8>,
    counter: u32,
    origin: String,
    /// whether the device says that it verified its person
    verified: bool,
}

fn text(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

impl Device {
    fn at(app: &App) -> Device {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap();
        let id = app.state.random.bytes().to_vec();
        Device { key, id, user: Vec::new(), counter: 0, origin: app.origin.clone(), verified: true }
    }

    fn client(&self, kind: &str, challenge: &str) -> Vec<u8> {
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false}).to_string().into()
    }

    fn authenticator(&self, more: u8) -> Vec<u8> {
        let flags = 1 | if self.verified { 4 } else { 0 } | more;
        [&Sha256::digest("localhost")[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// Makes the passkey for these options; gives the answer as JSON.
    fn make(&mut self, options: &Value) -> String {
        let options = &options["publicKey"];
        self.user = BASE64URL_NOPAD.decode(options["user"]["id"].as_str().unwrap().as_bytes()).unwrap();
        let point = self.key.public_key().as_ref();
        let cose =
            [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20], &point[1..33], &[0x22, 0x58, 0x20], &point[33..]];
        let mut data = self.authenticator(0x40);
        data.extend([0; 16]);
        data.extend((self.id.len() as u16).to_be_bytes());
        data.extend(&self.id);
        data.extend(cose.concat());
        let head = [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".as_slice(), &[data.len() as u8]].concat();
        let client = self.client("webauthn.create", options["challenge"].as_str().unwrap());
        json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key", "extensions": {},
            "response": {"attestationObject": text(&[head, data].concat()), "clientDataJSON": text(&client)},
        })
        .to_string()
    }

    /// Signs the challenge of these options; gives the answer as JSON.
    fn sign(&self, options: &Value) -> String {
        let client = self.client("webauthn.get", options["publicKey"]["challenge"].as_str().unwrap());
        let data = self.authenticator(0);
        let signed = [&data[..], &Sha256::digest(&client)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key", "extensions": {},
            "response": {
                "authenticatorData": text(&data), "clientDataJSON": text(&client),
                "signature": text(signature.as_ref()), "userHandle": text(&self.user),
            },
        })
        .to_string()
    }
}

/// Requests a challenge: gives its token and the options for the device.
async fn challenge(actor: &Actor, path: &str) -> (String, Value) {
    let answer = actor.post(path, &[]).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    (said["challenge"].as_str().unwrap().to_owned(), said["options"].clone())
}

const ADD: &str = "/account/second-factor/passkeys";

async fn add(app: &App, user: &Actor, name: &str) -> (Device, Answer) {
    let mut device = Device::at(app);
    let (token, options) = challenge(user, &format!("{ADD}/challenge")).await;
    let made = device.make(&options);
    let answer = user.post(ADD, &[("name", name), ("challenge", &token), ("credential", &made)]).await;
    (device, answer)
}

async fn sign_in(app: &App, device: &Device) -> (Actor, Answer) {
    let browser = app.anyone();
    let (token, options) = challenge(&browser, "/sign-in/passkey/challenge").await;
    let fields = [("challenge", token.as_str()), ("credential", &device.sign(&options)), ("next", "/patients")];
    let answer = browser.post("/sign-in/passkey", &fields).await;
    (browser, answer)
}

async fn email_of_newest(app: &App) -> String {
    everybody(app).await.pop().unwrap().email.to_string()
}

async fn a_passkey_is_added_and_signs_in(on: On) {
    let app = clinic(on).await;
    let staff = app.user(Role::Staff).await;
    let (id, email) = (newest(&app).await, email_of_newest(&app).await);
    assert!(app.anyone().get("/sign-in").await.ok().has("form[data-passkey]"));
    let (_, options) = challenge(&staff, &format!("{ADD}/challenge")).await;
    let wish = &options["publicKey"]["authenticatorSelection"];
    assert_eq!(
        (wish["residentKey"].as_str(), wish["userVerification"].as_str()),
        (Some("preferred"), Some("required"))
    );
    let (mut device, answer) = add(&app, &staff, " Desk   key ").await;
    let page = answer.ok();
    assert_eq!(page.texts_of(".secrets li").len(), 10, "{}", page.text());
    let page = staff.get("/account/second-factor").await.ok();
    assert!(page.has_text("Desk key") && page.has_text("never used"), "{}", page.text());
    // a second passkey makes no new recovery codes
    let (_, answer) = add(&app, &staff, "Phone").await;
    assert_eq!(answer.says().1, "second-factor-added");
    assert_eq!(noted(&app, id, "second_factor_added").await, [Some("passkey".to_owned()), Some("passkey".to_owned())]);
    device.counter = 1;
    let (browser, answer) = sign_in(&app, &device).await;
    assert_eq!(answer.redirect(), "/patients");
    assert_eq!(browser.get("/inbox").await.status, 200);
    assert!(staff.get("/account/second-factor").await.ok().has_text("last used"));
    // the password alone is not enough any more
    let to = app.anyone().post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    assert!(to.starts_with("/sign-in/second-step"), "{to}");
    // a passkey needs a name, because users cannot tell passkeys apart otherwise
    let refused = add(&app, &staff, "  ").await.1;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("Give the passkey a name"), "{}", refused.page().text());
    app.drain().await;
    assert!(app.mailbox.newest_first().iter().any(|mail| mail.to == email && mail.subject.ends_with("was set up")));
    // the passkeys are removed
    let page = staff.get("/account/second-factor").await.ok();
    staff.submit(&page, "Remove: Desk key", &[]).await.redirect();
    device.counter = 2;
    assert_eq!(sign_in(&app, &device).await.1.says().1, "passkey-failed");
}

async fn a_passkey_takes_the_second_step_and_confirms(on: On) {
    let app = clinic(on).await;
    let staff = app.user(Role::Owner).await;
    let email = email_of_newest(&app).await;
    let (device, _) = add(&app, &staff, "Key").await;
    let browser = app.anyone();
    let to = browser.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    let page = browser.get(&to).await.ok();
    assert!(page.has("form[data-passkey]") && !page.has("#code") && page.has("#recovery"), "no app: {}", page.text());
    let (token, options) = challenge(&browser, "/sign-in/second-step/challenge").await;
    let fields = [("challenge", token.as_str()), ("credential", &device.sign(&options))];
    // in a browser in which nobody typed the password, the answer signs nobody in
    assert!(app.anyone().post("/sign-in/second-step", &fields).await.redirect().starts_with("/sign-in?"));
    assert_eq!(browser.post("/sign-in/second-step", &fields).await.redirect(), "/inbox");
    app.state.clock.advance(Duration::minutes(11));
    assert!(browser.get("/settings/users/new").await.redirect().starts_with("/account/confirmation"));
    let (token, options) = challenge(&browser, "/account/confirmation/challenge").await;
    let signed = device.sign(&options);
    let fields = [("challenge", token.as_str()), ("credential", &signed), ("next", "/settings/users/new")];
    // the answer to one user's challenge does not count for another user
    let other = app.user(Role::Owner).await;
    add(&app, &other, "Theirs").await;
    app.state.clock.advance(Duration::minutes(11));
    assert_eq!(other.post("/account/confirmation", &fields).await.says().1, "passkey-failed");
    let (token, options) = challenge(&browser, "/account/confirmation/challenge").await;
    let signed = device.sign(&options);
    let fields = [("challenge", token.as_str()), ("credential", &signed), ("next", "/settings/users/new")];
    assert_eq!(browser.post("/account/confirmation", &fields).await.redirect(), "/settings/users/new");
    browser.get("/settings/users/new").await.ok();
}

async fn an_answer_counts_once_and_for_its_challenge(on: On) {
    let app = clinic(on).await;
    let staff = app.user(Role::Staff).await;
    let email = email_of_newest(&app).await;
    let (device, _) = add(&app, &staff, "Key").await;
    let browser = app.anyone();
    let (token, options) = challenge(&browser, "/sign-in/passkey/challenge").await;
    let signed = device.sign(&options);
    let fields = [("challenge", token.as_str()), ("credential", &signed)];
    assert_eq!(browser.post("/sign-in/passkey", &fields).await.redirect(), "/inbox");
    let again = app.anyone();
    assert_eq!(again.post("/sign-in/passkey", &fields).await.says().1, "passkey-failed", "replayed");
    assert_eq!(again.get("/inbox").await.status, 303);
    // with the token of another challenge
    let (token, _) = challenge(&again, "/sign-in/passkey/challenge").await;
    let fields = [("challenge", token.as_str()), ("credential", &signed)];
    assert_eq!(again.post("/sign-in/passkey", &fields).await.says().1, "passkey-failed");
    // too late
    let (token, options) = challenge(&again, "/sign-in/passkey/challenge").await;
    app.state.clock.advance(Duration::minutes(10));
    let fields = [("challenge", token.as_str()), ("credential", &device.sign(&options))];
    assert_eq!(again.post("/sign-in/passkey", &fields).await.says().1, "passkey-failed");
    // the answer for one purpose does not count for another
    again.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    let (token, options) = challenge(&again, "/sign-in/second-step/challenge").await;
    let fields = [("challenge", token.as_str()), ("credential", &device.sign(&options))];
    assert_eq!(again.post("/sign-in/passkey", &fields).await.says().1, "passkey-failed");
    // the same answer twice at the same moment: one signs in
    let (token, options) = challenge(&again, "/sign-in/passkey/challenge").await;
    let signed = device.sign(&options);
    let fields = [("challenge", token.as_str()), ("credential", &signed)];
    let (one, other) = (app.anyone(), app.anyone());
    let (first, second) = tokio::join!(one.post("/sign-in/passkey", &fields), other.post("/sign-in/passkey", &fields));
    let mut to = [first.redirect(), second.redirect()];
    to.sort();
    assert_eq!(to, ["/inbox", "/sign-in?next=%2Finbox"]);
}

async fn what_a_device_must_not_say_is_refused(on: On) {
    let app = clinic(on).await;
    let staff = app.user(Role::Staff).await;
    let (mut device, _) = add(&app, &staff, "Key").await;
    let origin = device.origin.clone();
    // an answer from another site that got the challenge
    device.origin = "https://evil.example".into();
    assert_eq!(sign_in(&app, &device).await.1.says().1, "passkey-failed");
    device.origin = origin.replace("localhost", "clinic.localhost");
    assert_eq!(sign_in(&app, &device).await.1.says().1, "passkey-failed");
    device.origin.clone_from(&origin);
    // the device did not verify its person
    device.verified = false;
    assert_eq!(sign_in(&app, &device).await.1.says().1, "passkey-failed");
    device.verified = true;
    // a counter that does not rise: the key was copied
    device.counter = 5;
    assert_eq!(sign_in(&app, &device).await.1.redirect(), "/patients");
    assert_eq!(sign_in(&app, &device).await.1.says().1, "passkey-failed");
    device.counter = 4;
    assert_eq!(sign_in(&app, &device).await.1.says().1, "passkey-failed");
    device.counter = 6;
    assert_eq!(sign_in(&app, &device).await.1.redirect(), "/patients");
    // another key under the same credential id
    let mut other = Device::at(&app);
    (other.id, other.user, other.counter) = (device.id.clone(), device.user.clone(), 7);
    assert_eq!(sign_in(&app, &other).await.1.says().1, "passkey-failed");
    // texts that are not an answer
    let browser = app.anyone();
    for credential in ["", "{}", "[]", "null", &"x".repeat(100_000)] {
        let (token, _) = challenge(&browser, "/sign-in/passkey/challenge").await;
        let fields = [("challenge", token.as_str()), ("credential", credential)];
        assert_eq!(browser.post("/sign-in/passkey", &fields).await.says().1, "passkey-failed");
    }
    // a registration from another origin, without verification, or of an existing key
    for (evil, verified) in [("https://evil.example", true), (origin.as_str(), false)] {
        let mut made = Device { origin: evil.into(), verified, ..Device::at(&app) };
        let (token, options) = challenge(&staff, &format!("{ADD}/challenge")).await;
        let credential = made.make(&options);
        let fields = [("name", "x"), ("challenge", &token), ("credential", &credential)];
        assert_eq!(staff.post(ADD, &fields).await.says().1, "passkey-failed");
    }
    let (token, options) = challenge(&staff, &format!("{ADD}/challenge")).await;
    let credential = device.make(&options);
    let fields = [("name", "x"), ("challenge", &token), ("credential", &credential)];
    assert_eq!(staff.post(ADD, &fields).await.says().1, "passkey-failed");
    // at an IP address there are no passkeys
    let nameless = App::start(on).await;
    let staff = nameless.user(Role::Staff).await;
    assert!(!nameless.anyone().get("/sign-in").await.ok().has("form[data-passkey]"));
    assert_eq!(staff.post(&format!("{ADD}/challenge"), &[]).await.status, 404);
}

async fn a_passkey_of_another_opens_nothing(on: On) {
    let app = clinic(on).await;
    let one = app.user(Role::Staff).await;
    let first = email_of_newest(&app).await;
    add(&app, &one, "Key").await;
    let other = app.user(Role::Viewer).await;
    let (mut theirs, _) = add(&app, &other, "Key").await;
    let browser = app.anyone();
    browser.post("/sign-in", &[("email", &first), ("password", PASSWORD)]).await.redirect();
    let (token, options) = challenge(&browser, "/sign-in/second-step/challenge").await;
    let fields = [("challenge", token.as_str()), ("credential", &theirs.sign(&options))];
    assert_eq!(browser.post("/sign-in/second-step", &fields).await.says().1, "passkey-failed");
    assert!(browser.get("/inbox").await.redirect().starts_with("/sign-in"));
    // with the user handle of somebody else
    let handle = theirs.user.clone();
    theirs.user = vec![7; 16];
    assert_eq!(sign_in(&app, &theirs).await.1.says().1, "passkey-failed");
    theirs.user = handle;
    // a user cannot remove another user's passkey
    let page = other.get("/account/second-factor").await.ok();
    let action = page.form_with("Remove: Key").action;
    assert_eq!(one.post(&action, &[]).await.status, 404);
    assert_eq!(sign_in(&app, &theirs).await.1.redirect(), "/patients");
}

async fn passkeys_go_with_a_reset_and_stay_where_needed(on: On) {
    let app = clinic(on).await;
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let id = newest(&app).await;
    let (device, _) = add(&app, &staff, "Key").await;
    owner.post("/settings/sign-in", &[("second_factor", "staff")]).await.redirect();
    let page = staff.get("/account/second-factor").await.ok();
    assert_eq!(staff.submit(&page, "Remove: Key", &[]).await.status, 409);
    // beside an app the passkey is not the last second factor
    let (key, _) = {
        let page = staff.get("/account/second-factor").await.ok();
        let to = staff.submit(&page, "Set up an authenticator app", &[]).await.redirect();
        let key = staff.get(&to).await.ok().text_of(".secret");
        let fields = [("code", &*code(&app, &key))];
        (key.clone(), staff.post("/account/second-factor/app/code", &fields).await.redirect())
    };
    assert!(!key.is_empty());
    let page = staff.get("/account/second-factor").await.ok();
    staff.submit(&page, "Remove: Key", &[]).await.redirect();
    let (device, _) = (add(&app, &staff, "Key again").await.0, device);
    owner.post(&format!("/settings/users/{id}/second-factor"), &[]).await.redirect();
    assert_eq!(sign_in(&app, &device).await.1.says().1, "passkey-failed");
    // a deactivated user cannot sign in by a passkey either
    let viewer = app.user(Role::Viewer).await;
    let id = newest(&app).await;
    let (device, _) = add(&app, &viewer, "Key").await;
    owner.post(&format!("/settings/users/{id}/deactivation"), &[]).await.redirect();
    assert_eq!(sign_in(&app, &device).await.1.says().1, "passkey-failed");
    let clinician = app.user(Role::Clinician).await;
    set_up(&app, &clinician).await;
}
