//! `/demo/mailbox`: each email and text that the patients would get, newest first.

use crate::delivery::{Mailbox, Received};
use crate::error::AppError;
use crate::http::{Head, Shell, html};
use crate::text::{Lang, Zone};
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use askama::Template;

/// The most mails on the page and in the JSON.
const MOST: usize = 500;

#[derive(Template)]
#[template(path = "demo/mailbox.html")]
struct MailboxPage {
    shell: Shell,
    mails: Vec<Shown>,
}

/// A mail with its link made clickable.
struct Shown {
    received: Received,
    words: Vec<Word>,
}

enum Word {
    Text(String),
    Link(String),
}

/// The routes, below `/demo`.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/mailbox", web::get().to(page)).route("/mailbox.json", web::get().to(json));
}

fn newest(mailbox: &Mailbox) -> Vec<Received> {
    let mut mails = mailbox.newest_first();
    mails.truncate(MOST);
    mails
}

fn linked_words(text: &str) -> Vec<Word> {
    let split = text.split_inclusive(char::is_whitespace);
    split
        .map(|word| match word.trim() {
            link if link.starts_with("http") => Word::Link(link.to_owned()),
            _ => Word::Text(word.to_owned()),
        })
        .collect()
}

async fn page(head: Head, mailbox: web::Data<Mailbox>) -> Result<HttpResponse, AppError> {
    let clinic = ("Postern", "", Lang::or_english("en"), Zone::or_utc("UTC"));
    let shell = Shell::new(&head, clinic, None);
    let mails = newest(&mailbox).into_iter();
    let mails = mails.map(|received| Shown { words: linked_words(&received.text), received }).collect();
    html(&MailboxPage { shell, mails })
}

async fn json(mailbox: web::Data<Mailbox>) -> HttpResponse {
    HttpResponse::Ok().json(newest(&mailbox))
}
