//! Returned mail as mail servers write it: with or without a report, with a code that says nothing, in a mailbox that
//! somebody has opened; and complaints. The samples are our own, in the form that each program gives them.

use crate::on_each;
use crate::support::app::{App, On};
use crate::support::mail_system::MailSystem;
use crate::support::world::Like;
use crate::worker::webhooks::{path, post};
use diesel::prelude::*;
use postern::access::Role;
use postern::config::Bounces;
use postern::db::schema::{clinic, notifications};
use postern::delivery::bounce::{self, Returned};
use postern::delivery::mime::{DEEPEST, LARGEST, Unreadable};
use postern::delivery::{Delivery, Reason};
use postern::error::AppError;
use std::time::Duration;

on_each!(
    each_kind_leads_to_words_and_deeds_of_its_own,
    a_full_mailbox_is_tried_again_the_next_day,
    what_somebody_opened_is_read_and_what_is_too_deep_set_aside
);

const ADDRESS: &str = "bounces@clinic.example";

/// A mail whose parts are nested this many levels deep.
pub fn nested(levels: usize, uid: &str) -> Vec<u8> {
    let open = |n| format!("Content-Type: multipart/mixed; boundary=\"b{n}\"\r\n\r\n--b{n}\r\n");
    let inner =
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n";
    format!("To: bounces+{uid}@clinic.example\r\n{}{inner}", (0..levels).map(open).collect::<String>()).into_bytes()
}

/// Exim 4.96: a report whose status is always 5.0.0.
fn exim(uid: &str, words: &str) -> String {
    format!(
        "Return-path: <>\r\nX-Failed-Recipients: maria@example.org\r\nAuto-Submitted: auto-replied\r\n\
         From: Mail Delivery System <Mailer-Daemon@mx.example.org>\r\nTo: bounces+{uid}@clinic.example\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=1732-eximdsn-1\r\nMIME-Version: 1.0\r\n\
         Subject: Mail delivery failed: returning message to sender\r\n\r\n--1732-eximdsn-1\r\n\
         Content-type: text/plain; charset=us-ascii\r\n\r\nThis message was created automatically by mail delivery \
         software.\r\n\r\n  maria@example.org\r\n    host mx.example.org [192.0.2.1]\r\n    \
         SMTP error from remote mail server after RCPT TO:<maria@example.org>:\r\n    {words}\r\n\r\n\
         --1732-eximdsn-1\r\nContent-type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.clinic.example\r\n\r\n\
         Action: failed\r\nFinal-Recipient: rfc822;maria@example.org\r\nStatus: 5.0.0\r\n\r\n\
         --1732-eximdsn-1\r\nContent-type: message/rfc822\r\n\r\nSubject: A message is waiting\r\n\r\nhello\r\n\
         --1732-eximdsn-1--\r\n"
    )
}

/// OpenSMTPD 6.8: a mail without a report.
fn opensmtpd(uid: &str, words: &str) -> String {
    format!(
        "From: Mailer Daemon <MAILER-DAEMON@mail.clinic.example>\r\nTo: bounces@clinic.example\r\n\
         Subject: Delivery status notification: error\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed;boundary=\"1700000000/mail.clinic.example\"\r\n\r\n\
         This is a MIME-encapsulated message.\r\n\r\n--1700000000/mail.clinic.example\r\n\
         Content-Description: Notification\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n    Hi!\r\n\r\n    \
         This is the MAILER-DAEMON, please DO NOT REPLY to this email.\r\n\r\n    An error has occurred while attempting \
         to deliver a message for\r\n    the following list of recipients:\r\n\r\nmaria@example.org: {words}\r\n\r\n    \
         Below is a copy of the original message:\r\n\r\n--1700000000/mail.clinic.example\r\n\
         Content-Description: Message headers\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: Clinic\r\n\
         Message-ID: <{uid}@clinic.example>\r\nSubject: A message is waiting\r\n\r\n--1700000000/mail.clinic.example--\r\n"
    )
}

/// Exchange Online, with the code in both places.
fn microsoft(uid: &str, status: &str, words: &str) -> String {
    format!(
        "From: <postmaster@outlook.example>\r\nTo: <bounces+{uid}@clinic.example>\r\nSubject: Undeliverable: A message\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"=_q/w==\"\r\n\r\n--=_q/w==\r\n\
         Content-Type: multipart/alternative; differences=Content-Type;\r\n\tboundary=\"inner_1\"\r\n\r\n--inner_1\r\n\
         Content-Type: text/plain; charset=\"us-ascii\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         Your message couldn't be deliver=\r\ned.\r\n--inner_1--\r\n\r\n--=_q/w==\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;DM6PR.example\r\n\r\n\
         Final-recipient: RFC822;maria@example.org\r\nAction: failed\r\nStatus: {status}\r\n\
         Diagnostic-code: smtp;{words}\r\nX-Display-Name: maria\r\n\r\n--=_q/w==--\r\n"
    )
}

/// What a mail provider forwards when a reader presses "spam" (ARF, RFC 5965).
fn complaint(uid: &str, kind: &str) -> String {
    format!(
        "From: <feedback@example.org>\r\nTo: <abuse@clinic.example>\r\nSubject: FW: A message is waiting\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=\"arf\"\r\n\r\n--arf\r\n\
         Content-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n\r\n--arf\r\n\
         Content-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nUser-Agent: Feedback/1.0\r\nVersion: 1\r\n\
         \r\n--arf\r\nContent-Type: message/rfc822\r\n\r\nReturn-Path: <bounces+{uid}@clinic.example>\r\n\
         Message-ID: <{uid}@clinic.example>\r\nSubject: A message is waiting\r\n\r\nhello\r\n--arf--\r\n"
    )
}

fn read(mail: &str) -> Option<Returned> {
    bounce::parse(mail.as_bytes(), &ADDRESS.parse().unwrap()).unwrap()
}

fn failed(reason: Reason) -> Option<Returned> {
    Some(Returned::Failed { uid: "abc-_1".into(), reason })
}

#[test]
fn the_reason_is_found_wherever_a_program_writes_it() {
    use Reason::*;
    let uid = "abc-_1";
    for (words, expected) in [
        ("550 5.1.1 <maria@example.org>: Recipient address rejected: User unknown", NoMailbox),
        ("550 No such user here", NoMailbox),
        ("552 Mailbox is full", MailboxFull),
        ("554 5.7.1 Service unavailable; client host blocked", Policy),
        ("554 delivery error: dd This user doesn't have a yahoo.com account (maria@yahoo.com) [0]", NoMailbox),
        ("554 Message not allowed - [PH01] Email not accepted for policy reasons.", Policy),
        ("571 what we do not understand", Refused),
    ] {
        assert_eq!(read(&exim(uid, words)), failed(expected), "Exim: {words}");
        assert_eq!(read(&opensmtpd(uid, words)), failed(expected), "OpenSMTPD: {words}");
    }
    for (status, words, expected) in [
        ("5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)", NoMailbox),
        ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied. [AS(201806281)]", NoMailbox),
        ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", NoMailbox),
        ("5.2.2", "552 5.2.2 STOREDRV.Deliver; mailbox full", MailboxFull),
        ("5.7.1", "550 5.7.1 TRANSPORT.RULES.RejectMessage", Policy),
        ("4.4.7", "550 4.4.7 QUEUE.Expired; message expired", Undeliverable),
    ] {
        assert_eq!(read(&microsoft(uid, status, words)), failed(expected), "Microsoft: {status}");
    }
    assert_eq!(read(&complaint(uid, "abuse")), Some(Returned::Complaint { uid: uid.into() }));
    assert_eq!(read(&complaint(uid, "not-spam")), None);
    // a delay, an automatic reply and a patient's own words are not returned mail
    let delay = opensmtpd(uid, "451 try later").replace("notification: error", "notification: delayed");
    let machine = "From: Maria <maria@example.org>\r\nAuto-Submitted: auto-replied\r\nTo: bounces+abc-_1@clinic.example\r\n\
                   Subject: Out of office\r\n\r\nI am away until 5.1.2027. User unknown to you may help. 550\r\n";
    let report = exim(uid, "451 4.2.2 over quota").replace("Action: failed", "Action: delayed");
    for mail in [delay.as_str(), machine, &report] {
        assert_eq!(read(mail), None, "{mail}");
    }
    let address = ADDRESS.parse().unwrap();
    assert!(bounce::parse(&nested(DEEPEST, uid), &address).unwrap().is_some());
    assert_eq!(bounce::parse(&nested(DEEPEST + 1, uid), &address), Err(Unreadable::TooDeep));
    assert_eq!(bounce::parse(&vec![b'\n'; LARGEST + 1], &address), Err(Unreadable::TooLarge));
}

async fn clinic(on: On) -> (App, crate::support::app::Actor) {
    let bounces = Bounces { address: ADDRESS.parse().unwrap(), imap: None, every: Duration::from_secs(60) };
    let app = App::start_with_config(on, |config| config.bounces = Some(bounces), Delivery::mailbox).await;
    let user = app.user(Role::Staff).await;
    (app, user)
}

/// State and reason of each notification, oldest first.
async fn states(app: &App) -> Vec<(String, Option<String>)> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        let columns = (notifications::state, notifications::reason);
        Ok(notifications::table.order(notifications::id).select(columns).load(conn)?)
    });
    read.await.unwrap()
}

/// A name, the mail, the state and reason of the notification, the words for it, and what the chart says.
type Kind = (&'static str, fn(&str) -> String, (&'static str, &'static str), &'static str, Option<&'static str>);

async fn each_kind_leads_to_words_and_deeds_of_its_own(on: On) {
    let (app, user) = clinic(on).await;
    let hook = path(&app, "bounces").await;
    let kinds: [Kind; 4] = [
        (
            "dead",
            |uid| exim(uid, "550 User unknown"),
            ("bounced", "no_mailbox"),
            "reason-no_mailbox",
            Some("Mail came back on"),
        ),
        ("full", |uid| exim(uid, "552 Mailbox full"), ("bounced", "mailbox_full"), "reason-mailbox_full", None),
        ("rules", |uid| exim(uid, "554 Blocked by policy"), ("bounced", "policy"), "reason-policy", None),
        (
            "spam",
            |uid| complaint(uid, "abuse"),
            ("stopped", "complained"),
            "reason-complained",
            Some("reported as unwanted on"),
        ),
    ];
    let mut said = std::collections::BTreeSet::new();
    for (n, (name, mail, expected, words, on_chart)) in kinds.into_iter().enumerate() {
        let to = format!("{name}@example.org");
        let patient = app.patient(Like { email: Some(to.clone()), phone: None, ..Like::default() }).await;
        let conversation = app.message(&user, patient, true).await;
        app.drain().await;
        let uid = app.newest_to(&to).message_uid;
        assert_eq!(post(&app, &hook, mail(&uid).into_bytes()).await.0, 204);
        let all = states(&app).await;
        let (state, reason) = expected;
        assert!(all.contains(&(state.into(), Some(reason.into()))), "{name}: {all:?}");
        let words = postern::text::Lang::or_english("en").t_of("reason", words.trim_start_matches("reason-"));
        assert!(user.get(&conversation).await.ok().has_text(words), "{name}: {words}");
        assert!(said.insert(words), "{name}");
        let chart = user.get(&format!("/patients/{patient}")).await.ok();
        match on_chart {
            Some(words) => assert!(chart.has_text(words), "{name}: {}", chart.text()),
            None => assert!(!chart.has_text("came back on") && !chart.has_text("unwanted"), "{name}"),
        }
        let page = user.get(&format!("/patients/{patient}/messages/new")).await.ok();
        assert_eq!(page.has_text("Submit"), on_chart.is_none(), "{name} {n}");
        // where mail is stopped, a user may say that the address works again
        if on_chart.is_some() {
            user.submit(&chart, "It works again", &[]).await.redirect();
            app.message(&user, patient, true).await;
        }
    }
}

async fn a_full_mailbox_is_tried_again_the_next_day(on: On) {
    let (app, user) = clinic(on).await;
    let hook = path(&app, "bounces").await;
    // reminders are off, so that none is sent in between
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        Ok(diesel::update(clinic::table).set(clinic::plan_remind_days.eq(0)).execute(tx.conn())?)
    });
    write.await.unwrap();
    let patient = app.patient(Like { phone: None, ..Like::default() }).await;
    let conversation = app.message(&user, patient, true).await;
    app.drain().await;
    for times in 1..=3 {
        let uid = app.newest_to("maria@example.org").message_uid;
        for _ in 0..2 {
            assert_eq!(post(&app, &hook, exim(&uid, "552 Mailbox full").into_bytes()).await.0, 204);
        }
        assert_eq!(app.drain().await, 0, "not at once");
        app.state.clock.advance(time::Duration::hours(25));
        app.drain().await;
        assert_eq!(app.mailbox.newest_first().len(), if times < 3 { times + 1 } else { 3 }, "{times}");
    }
    let full = ("bounced".to_owned(), Some("mailbox_full".to_owned()));
    assert_eq!(states(&app).await, vec![full; 3]);
    let user = app.user(Role::Staff).await;
    assert!(user.get(&conversation).await.ok().has_text("the notification came back"));
}

async fn what_somebody_opened_is_read_and_what_is_too_deep_set_aside(on: On) {
    let Some(system) = MailSystem::start() else { return };
    let mut bounces = system.bounces();
    bounces.address = ADDRESS.parse().unwrap();
    let change = |config: &mut postern::config::Config| config.bounces = Some(bounces);
    let app = App::start_with_config(on, change, Delivery::mailbox).await;
    let user = app.user(Role::Staff).await;
    let mailbox = "bounces@clinic.test";
    // Dovecot makes the mailbox at the first visit
    assert_eq!(postern::worker::read_returned_mail(&app.state).await, Ok(0));
    let mut uids = Vec::new();
    for to in ["opened@example.org", "deep@example.org", "after@example.org"] {
        let patient = app.patient(Like { email: Some(to.into()), ..Like::default() }).await;
        app.message(&user, patient, true).await;
        app.drain().await;
        uids.push(app.newest_to(to).message_uid);
    }
    system.put(mailbox, "1.a.x", exim(&uids[0], "550 User unknown").as_bytes(), true);
    system.put(mailbox, "2.b.x", &nested(DEEPEST + 1, &uids[1]), false);
    system.put(mailbox, "3.c.x", &vec![b'\n'; LARGEST + 1], false);
    system.put(mailbox, "4.d.x", b"From: a@b.example\r\nSubject: hello\r\n\r\nnothing of ours\r\n", true);
    system.put(mailbox, "5.e.x", opensmtpd(&uids[2], "550 5.1.1 User unknown").as_bytes(), false);
    assert_eq!(postern::worker::read_returned_mail(&app.state).await, Ok(5));
    let (bounced, sent) = (("bounced".to_owned(), Some("no_mailbox".to_owned())), ("sent".to_owned(), None));
    assert_eq!(states(&app).await, [bounced.clone(), sent, bounced]);
    assert_eq!(system.mails_of(mailbox).len(), 3, "what is not ours, or not readable, stays");
    assert_eq!(postern::worker::read_returned_mail(&app.state).await, Ok(0), "and is not read again");
    system.put(mailbox, "6.f.x", exim(&uids[1], "550 User unknown").as_bytes(), true);
    assert_eq!(postern::worker::read_returned_mail(&app.state).await, Ok(1), "nor in the way of the next");
    assert_eq!(states(&app).await[1].0, "bounced");
}
