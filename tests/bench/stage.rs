//! A filled clinic with a server, and all people whom the operations need.

use super::base::Base;
use super::client::Client;
use super::clinic::{self, Places, Size};
use super::server::{self, Server, SignedIn};
use diesel::prelude::*;
use postern::clock::Token;
use postern::db::Ts;
use postern::db::schema::portal_links;
use std::path::Path;

/// The clinic that operations act upon.
pub struct Stage {
    pub server: Server,
    pub places: Places,
    pub owner: SignedIn,
    /// patients who may answer, in the order of [`Places::answering`]
    pub patients: Vec<SignedIn>,
    /// the patient with many conversations
    pub many: SignedIn,
    /// the patient with a conversation of twenty messages
    pub twenty: SignedIn,
    /// links, one for each of `patients`
    pub links: Vec<String>,
    /// the address of a file on a message
    pub file: String,
    /// a number of this run, which makes its idempotency keys different from those of other runs
    pub run: u64,
}

/// The size of the file that is uploaded and downloaded, in bytes.
pub const FILE: usize = 1 << 20;

impl Stage {
    /// Makes the clinic by `program`, and starts its server.
    pub fn set(program: &Path, base: Base, folder: &Path, size: Size) -> Stage {
        let mut server = Server::new(program, base, folder);
        let link = server.prepare();
        let places = clinic::fill(&server.base, size);
        server.start();
        let owner = server.sign_in(&link);
        Stage::on(server, places, owner)
    }

    /// A copy of the clinic with another program.
    pub fn again(&mut self, program: &Path, folder: &Path, name: &str) -> Stage {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        // PostgreSQL copies a database only while nobody is connected to it
        self.server.stop();
        let base = self.server.base.copy(folder, name);
        self.server.start();
        let mut server = Server::new(program, base, &folder.join(name));
        server.start();
        let owner = server.people().user(1);
        Stage::on(server, self.places.clone(), owner)
    }

    fn on(server: Server, places: Places, owner: SignedIn) -> Stage {
        let people = server.people();
        let mut stage = Stage {
            patients: places.answering.clone().map(|patient| people.patient(patient)).collect(),
            many: people.patient(places.many),
            twenty: people.patient(places.twenty.1),
            links: Vec::new(),
            file: String::new(),
            run: server::rand(),
            server,
            places,
            owner,
        };
        stage.links = stage.places.answering.clone().map(|patient| stage.link_of(patient)).collect();
        let mut client = stage.client();
        let patient = stage.places.answering.start;
        let upload = client.upload(&format!("/patients/{patient}/uploads"), FILE, 1);
        let form = stage.message(u64::MAX, &format!("&upload={upload}"));
        let sent = client.post(&format!("/patients/{patient}/messages/new"), &form);
        assert_eq!(sent.status, 303, "{}", String::from_utf8_lossy(&sent.body));
        stage.file = format!("{}/attachments/1", sent.location.split('?').next().unwrap());
        stage
    }

    /// The owner, on a connection of their own.
    pub fn client(&self) -> Client {
        Client::of(self.server.port, &self.owner)
    }

    /// The form of a message, with a key of its own for each number.
    pub fn message(&self, number: u64, more: &str) -> String {
        let key = format!("bench-{:016x}-{number:016x}", self.run);
        format!(
            "key={key}&title=Your+results&body=All+is+**well**+with+your+results&replies_allowed=on&body_format=markdown{more}"
        )
    }

    fn link_of(&self, patient: i64) -> String {
        let token = format!("{:016x}{patient:016}", self.run);
        let now = Ts::from(time::OffsetDateTime::now_utc());
        diesel::insert_into(portal_links::table)
            .values((
                (portal_links::token_hash.eq(Token::received(&token).hash()), portal_links::patient_id.eq(patient)),
                (portal_links::channel.eq("email"), portal_links::created_at.eq(now)),
                portal_links::expires_at.eq(now.plus(time::Duration::days(30))),
            ))
            .execute(&mut self.server.base.connect())
            .unwrap();
        token
    }
}
