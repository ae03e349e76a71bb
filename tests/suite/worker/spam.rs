//! SpamAssassin gives each of the program's own wordings a score below 1, where 5 is spam.

use super::smtp::settings;
use crate::support::app::{App, On};
use crate::support::mail;
use crate::support::world::Like;
use postern::access::Role;
use postern::clock::Clock;
use postern::config::Tls;
use postern::delivery::{Delivery, SmtpRoad};
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use time::Duration;

const MOST: f64 = 1.0;

/// Every email that a patient with this language can get: message waiting, passcode, reminder, portal access given.
async fn mails(language: &'static str) -> Vec<(String, String)> {
    let road = SmtpRoad::new(&settings(Tls::Implicit), Clock::system()).unwrap();
    let app = App::start_with(On::Sqlite, |_| Delivery::smtp(road)).await;
    let owner = app.user(Role::Owner).await;
    let clinic = owner.get("/settings/clinic").await.ok();
    let named = [("name", "Riverside Family Clinic"), ("phone", "613-555-0100"), ("language", language)];
    owner.submit(&clinic, "Save", &named).await.redirect();
    owner.post("/settings/notification-templates", &[("tell_of_access", "on")]).await.redirect();
    let to = format!("ok+spam-{language}{}@example.org", std::process::id());
    let like = Like { email: Some(to.clone()), phone: None, language, portal_access: false, ..Like::default() };
    let patient = app.patient(like).await;
    let information = owner.get(&format!("/patients/{patient}/information")).await.ok();
    let save = if information.has_text("Save") { "Save" } else { "Enregistrer" };
    owner.submit(&information, save, &[("portal_access", "on")]).await.redirect();
    app.message(&owner, patient, true).await;
    app.drain().await;
    let found = mail::messages_to(&to).await;
    assert_eq!(found.len(), 2, "access and message");
    let waiting = found.iter().find(|one| one.text.as_ref().unwrap().contains("/portal/link/")).unwrap();
    let text = waiting.text.clone().unwrap();
    let link = text.split_whitespace().find(|word| word.contains("/portal/link/")).unwrap();
    let link = &link[link.find("/portal/link/").unwrap()..];
    app.anyone().post(&format!("{link}/passcode"), &[]).await.redirect();
    app.drain().await;
    app.state.clock.advance(Duration::days(2) + Duration::HOUR);
    app.drain().await;
    let found = mail::messages_to(&to).await;
    assert_eq!(found.len(), 4, "passcode and reminder too");
    found.into_iter().map(|one| (format!("{language}: {}", one.header("subject")), one.raw)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wording_of_ours_looks_like_spam() {
    let mut all = mails("en").await;
    all.extend(mails("fr").await);
    // a real clinic's address is a host name with https, and a test's is an IP address with http
    let mut mbox = String::new();
    for (_, raw) in &all {
        let raw = raw.replace("\r\n", "\n").replace("=\n", "").replace("http://127.0.0.1:", "https://127.0.0.1:");
        let pieces: Vec<&str> = raw.split("127.0.0.1:").collect();
        let public: Vec<&str> =
            pieces.iter().map(|piece| piece.trim_start_matches(|c: char| c.is_ascii_digit())).collect();
        let raw = format!(
            "{}{}",
            pieces[0],
            public[1..].iter().map(|rest| format!("messages.riverside.example{rest}")).collect::<String>()
        );
        write!(mbox, "From clinic@postern.example Wed Mar  4 14:02:00 2026\n{raw}\n\n").unwrap();
    }
    let scores = tokio::task::spawn_blocking(move || judge(&mbox)).await.unwrap();
    assert_eq!(scores.len(), all.len(), "SpamAssassin judged {scores:?}");
    for ((name, _), (score, rules)) in all.iter().zip(&scores) {
        println!("{score} {name} {rules}");
        assert!(*score < MOST, "{name}: {score} by {rules}");
    }
}

/// Score and rules of each mail.
fn judge(mbox: &str) -> Vec<(f64, String)> {
    use std::io::Write;
    let home = tempfile::tempdir().unwrap();
    let mut program = Command::new("spamassassin")
        // judged by the mail alone: no other server is asked
        .args(["--local", "--mbox", "--cf=use_bayes 0", "--cf=score ALL_TRUSTED 0"])
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| panic!("spamassassin: {cause}"));
    let mut input = program.stdin.take().unwrap();
    let words = mbox.to_owned();
    let writer = std::thread::spawn(move || input.write_all(words.as_bytes()).unwrap());
    let output = program.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).replace("\n\t", " ");
    let statuses = text.lines().filter_map(|line| line.strip_prefix("X-Spam-Status: "));
    statuses
        .map(|status| {
            let word = |name: &str| status.split(name).nth(1).unwrap_or_default().split(' ').next().unwrap_or_default();
            let rules = status.split("tests=").nth(1).unwrap_or_default().split(" version").next().unwrap_or_default();
            (word("score=").parse().unwrap(), rules.split(" autolearn").next().unwrap_or_default().to_owned())
        })
        .collect()
}
