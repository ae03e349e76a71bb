//! Lets the demo's clinic live through its last two weeks, by the verbs of the product: what users and patients do is
//! written as they would have written it, the worker sends what is due, and a clock goes from one act to the next.

pub mod scenes;

use self::scenes::{Act, BEGUN, By, First, SCENES, When};
use super::people::USERS;
use crate::access::session::{Holder, Lasts};
use crate::access::{self, ChartAccess, ConversationAccess, PortalVisit, Right, Role, SignedInUser};
use crate::attachments::{Pick, Picks};
use crate::chart::{self, ItemFilter, ItemKind};
use crate::clock::{Clock, Token};
use crate::conversations::{
    self, Body, BodyFormat, NewConversation, OwnDraft, PatientReply, PatientThread, Reply, ThreadPage, Writing,
};
use crate::db::{ConversationId, MessageId, PatientId, Ts, Tx, UserId};
use crate::delivery::bounce::Returned;
use crate::delivery::{Channel, Mailbox, Reason, Received};
use crate::error::AppError;
use crate::notifications::{self, Ending, Incoming, PlanWish, State};
use crate::patients::{self, Patient};
use crate::portal_entry::{self, Proof};
use crate::portal_links;
use crate::settings;
use crate::state::AppState;
use crate::text::Zone;
use crate::threads::Author;
use crate::users;
use crate::values::Title;
use crate::worker;
use std::net::{IpAddr, Ipv4Addr};

/// Something in the story does not fit the product: a fault of the story.
fn wrong(what: impl std::fmt::Display) -> AppError {
    AppError::Internal(format!("the demo's story: {what}"))
}

/// The clinic in which the story takes place.
struct Stage<'a> {
    state: &'a AppState,
    mailbox: &'a Mailbox,
    users: Vec<Holder>,
    patients: Vec<Patient>,
}

/// Plays all scenes, each act at its time, and ends at `until`: the moment at which the demo is filled. `clock` is the
/// one of `state`, and stands before the first act.
///
/// # Errors
/// Those of the verbs; a scene that the product refuses.
pub async fn play(state: &AppState, clock: &Clock, mailbox: &Mailbox, until: Ts) -> Result<(), AppError> {
    let stage = Stage::set(state, mailbox).await?;
    let zone = state.db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?.zone()) }).await?;
    let mut acts: Vec<(Ts, usize, &Act)> = Vec::new();
    for (number, scene) in SCENES.iter().enumerate() {
        acts.extend(scene.acts.iter().map(|(when, act)| (moment(*when, zone, until), number, act)));
    }
    acts.sort_by_key(|(at, ..)| *at);
    let mut under_way: Vec<Option<ConversationId>> = vec![None; SCENES.len()];
    for (at, number, act) in acts {
        pass(state, clock, at).await?;
        let (Some(scene), Some(place)) = (SCENES.get(number), under_way.get_mut(number)) else { continue };
        let patient = stage.patient(scene.patient)?;
        match (act, *place) {
            (Act::Starts(first), _) => *place = Some(stage.start(patient, first).await?),
            (act, Some(conversation)) => stage.go_on(patient, conversation, act).await?,
            (_, None) => return Err(wrong("an act before its conversation begins")),
        }
        if act.sends() {
            worker::drain(state).await?;
        }
    }
    pass(state, clock, until).await?;
    worker::drain(state).await?;
    stage.begin_drafts().await
}

/// Lets time pass until `at`, day by day, so that what is planned for a day between happens on that day.
async fn pass(state: &AppState, clock: &Clock, at: Ts) -> Result<(), AppError> {
    while at.since(clock.now()) > time::Duration::DAY {
        clock.advance(time::Duration::DAY);
        worker::drain(state).await?;
    }
    clock.advance(at.since(clock.now()).max(time::Duration::ZERO));
    Ok(())
}

fn moment(when: When, zone: Zone, until: Ts) -> Ts {
    match when {
        When::Minutes(minutes) => until.plus(-time::Duration::minutes(minutes)),
        When::Day(days, hour, minute) => {
            let day = zone.local(until).date() - time::Duration::days(days);
            let clock = time::Duration::hours(i64::from(hour)) + time::Duration::minutes(i64::from(minute));
            zone.start_of(day).plus(clock)
        }
    }
}

impl<'a> Stage<'a> {
    async fn set(state: &'a AppState, mailbox: &'a Mailbox) -> Result<Stage<'a>, AppError> {
        let read = state.db.read(|conn| -> Result<_, AppError> {
            let users: Vec<(UserId, String)> =
                users::active(conn)?.into_iter().map(|user| (user.id, user.email.to_string())).collect();
            Ok((users, patients::every(conn, 100)?))
        });
        let (known, patients) = read.await?;
        let mut users = Vec::new();
        for user in USERS {
            let found = known.iter().find(|(_, email)| email == user.email);
            let (id, _) = found.ok_or_else(|| wrong(user.email))?;
            users.push(Holder::User {
                id: *id,
                name: user.name.to_owned(),
                role: user.role.parse::<Role>().map_err(AppError::Internal)?,
                must_set_up: false,
                confirmed: false,
                stepped_elsewhere: false,
                language: "en".into(),
                keys: true,
                lasts: Lasts::new(3_600, 3_600),
            });
        }
        Ok(Stage { state, mailbox, users, patients })
    }

    fn patient(&self, name: &str) -> Result<&Patient, AppError> {
        self.patients.iter().find(|patient| patient.name() == name).ok_or_else(|| wrong(name))
    }

    fn user<R: Right>(&self, by: By) -> Result<SignedInUser<R>, AppError> {
        let holder = self.users.get(by as usize).ok_or_else(|| wrong("no such user"))?;
        SignedInUser::from_holder(holder).flatten().ok_or_else(|| wrong("the user may not do this"))
    }

    fn now(&self) -> Ts {
        self.state.clock.now()
    }

    fn key(&self) -> String {
        self.state.random.token().reveal().to_owned()
    }

    async fn write<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Tx) -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, AppError> {
        self.state.db.write(act).await
    }

    async fn chart<R: Right + Send>(&self, by: By, patient: PatientId) -> Result<ChartAccess<R>, AppError> {
        let user = self.user::<R>(by)?;
        let read = self.state.db.read(move |conn| -> Result<_, AppError> { Ok(access::chart(conn, user, patient)?) });
        read.await?.ok_or_else(|| wrong("no such chart"))
    }

    async fn conversation<R: Right + Send>(
        &self,
        by: By,
        conversation: ConversationId,
    ) -> Result<ConversationAccess<R>, AppError> {
        let user = self.user::<R>(by)?;
        let read = self
            .state
            .db
            .read(move |conn| -> Result<_, AppError> { Ok(access::conversation(conn, user, conversation)?) });
        read.await?.ok_or_else(|| wrong("no such conversation"))
    }

    /// The newest item of a kind, ready to be attached.
    async fn file(&self, chart: &ChartAccess<access::rights::Send>, kind: Option<ItemKind>) -> Result<Picks, AppError> {
        let policy = &self.state.intake.policy;
        let mut picks =
            Picks { largest: policy.largest_message, largest_file: policy.largest_file, ..Picks::default() };
        let Some(kind) = kind else { return Ok(picks) };
        let again = chart.again();
        let read = self.state.db.read(move |conn| -> Result<_, AppError> {
            let filter = ItemFilter { kind: Some(kind), offered: true, ..ItemFilter::default() };
            Ok(chart::items(conn, &again, &filter, None, 1)?)
        });
        let item = read.await?.into_iter().next().ok_or_else(|| wrong("nothing to attach"))?;
        let frozen = self.state.intake.freeze(&self.state.db, self.now(), &self.state.random, chart, item.id).await;
        let frozen = frozen.map_err(wrong)?.ok_or_else(|| wrong("nothing to attach"))?;
        picks.all.push(Pick::Frozen(Box::new(frozen)));
        Ok(picks)
    }

    async fn start(&self, patient: &Patient, first: &First) -> Result<ConversationId, AppError> {
        let chart = self.chart(first.by, patient.id).await?;
        let mut participants = Vec::new();
        for by in first.with {
            participants.push(self.user::<access::rights::Read>(*by)?.id());
        }
        let new = NewConversation {
            title: Title::parse(first.title).ok_or_else(|| wrong(first.title))?,
            body: body(first.body, BodyFormat::Markdown)?,
            replies_allowed: first.replies,
            only_patient: false,
            offers: first.offers.to_vec(),
            participants,
            teams: Vec::new(),
            files: self.file(&chart, first.file).await?,
            plan: PlanWish::default(),
            key: self.key(),
            draft: 0,
            replaces: None,
            anyway: false,
            is_due: false,
            is_one_of_many: false,
        };
        let (now, random) = (self.now(), self.state.random.clone());
        self.write(move |tx| conversations::start(tx, now, &random, &chart, &new).map_err(wrong)).await
    }

    async fn go_on(&self, patient: &Patient, conversation: ConversationId, act: &Act) -> Result<(), AppError> {
        let now = self.now();
        match *act {
            Act::Starts(_) => Ok(()),
            Act::Writes(by, text) => self.reply(by, conversation, text, Writing::Reply, false).await,
            Act::Corrects(by, text) => self.reply(by, conversation, text, Writing::Reply, true).await,
            Act::Notes(by, text) => self.reply(by, conversation, text, Writing::Note, false).await,
            Act::TakesBack(by) => {
                let access = self.conversation(by, conversation).await?;
                let random = self.state.random.clone();
                let write = self.write(move |tx| {
                    let (_, of_clinic) = newest(tx, &access)?;
                    let message = of_clinic.ok_or_else(|| wrong("nothing to take back"))?;
                    conversations::recall(tx, now, &random, &access, message).map_err(wrong)
                });
                write.await.map(drop)
            }
            Act::Looks(by) => {
                let access = self.conversation::<access::rights::Read>(by, conversation).await?;
                self.write(move |tx| Ok(conversations::mark_viewed(tx, now, &access)?)).await.map(drop)
            }
            Act::IsDone(by) => {
                let access = self.conversation(by, conversation).await?;
                self.write(move |tx| Ok(conversations::mark_done(tx, now, &access)?)).await.map(drop)
            }
            Act::Closes(by) => {
                let access = self.conversation(by, conversation).await?;
                self.write(move |tx| conversations::close(tx, now, &access).map_err(wrong)).await
            }
            Act::Opens => self.open(patient, conversation).await.map(drop),
            Act::Answers(text) => {
                let (visit, thread) = self.open(patient, conversation).await?;
                let body = body(text, BodyFormat::Plain)?;
                let reply = PatientReply { number: thread.number, body, shown: thread.newest, key: self.key() };
                self.write(move |tx| conversations::patient_reply(tx, now, &visit, &reply).map_err(wrong))
                    .await
                    .map(drop)
            }
            Act::Taps(one) => {
                let (visit, thread) = self.open(patient, conversation).await?;
                let message = thread.messages.iter().rfind(|message| message.offers.contains(&one));
                let message = message.ok_or_else(|| wrong("no such answer"))?.id;
                let number = thread.number;
                self.write(move |tx| conversations::answer(tx, now, &visit, number, message, one).map_err(wrong)).await
            }
            Act::ComesBack => {
                let email = patient.demographics.email.as_ref().map(ToString::to_string).unwrap_or_default();
                let mail = self.newest_mail(|mail| mail.to == email)?;
                let returned = Returned::Failed { uid: mail.message_uid, reason: Reason::NoMailbox };
                let random = self.state.random.clone();
                self.write(move |tx| Ok(notifications::returned(tx, now, &random, &returned)?)).await.map(drop)
            }
            Act::Fails => {
                let write = self.write(move |tx| {
                    let told = notifications::of_conversation(tx, conversation)?;
                    let text = told.into_iter().rfind(|row| row.channel == Channel::Sms);
                    let text = text.ok_or_else(|| wrong("no text to fail"))?;
                    let ending = Ending { state: State::Failed, reason: Some(Reason::NoSuchNumber) };
                    Ok(notifications::report(tx, now, text.id, ending)?)
                });
                write.await.map(drop)
            }
            Act::Stops => {
                let phone = patient.demographics.phone.clone().ok_or_else(|| wrong("no phone"))?;
                let gateway_id = self.key();
                let write = self.write(move |tx| {
                    let text = Incoming { from: phone, body: "STOP", gateway_id: &gateway_id, answered: true };
                    Ok(notifications::receive(tx, now, &text)?)
                });
                write.await.map(drop)
            }
        }
    }

    async fn reply(
        &self,
        by: By,
        conversation: ConversationId,
        text: &str,
        writing: Writing,
        correction: bool,
    ) -> Result<(), AppError> {
        let access = self.conversation(by, conversation).await?;
        let (now, random, key) = (self.now(), self.state.random.clone(), self.key());
        let policy = &self.state.intake.policy;
        let files = Picks { largest: policy.largest_message, largest_file: policy.largest_file, ..Picks::default() };
        let body = body(text, BodyFormat::Markdown)?;
        let write = self.write(move |tx| {
            // whoever writes has looked
            conversations::mark_viewed(tx, now, &access)?;
            let (shown, of_clinic) = newest(tx, &access)?;
            let corrects = of_clinic.filter(|_| correction);
            let reply = Reply {
                body,
                writing,
                files,
                shown,
                offers: Vec::new(),
                corrects,
                tell: Vec::new(),
                key,
                draft: 0,
                replaces: None,
                anyway: false,
                is_due: false,
            };
            conversations::reply(tx, now, &random, &access, &reply).map_err(wrong)
        });
        write.await.map(drop)
    }

    fn newest_mail(&self, is_it: impl Fn(&Received) -> bool) -> Result<Received, AppError> {
        self.mailbox.newest_first().into_iter().find(is_it).ok_or_else(|| wrong("no mail has come"))
    }

    /// The patient follows the newest link, has a passcode sent, signs in, and opens the conversation.
    async fn open(
        &self,
        patient: &Patient,
        conversation: ConversationId,
    ) -> Result<(PortalVisit, PatientThread), AppError> {
        let d = &patient.demographics;
        let email = d.email.as_ref().map(ToString::to_string);
        let phone = d.phone.as_ref().map(ToString::to_string);
        let is_theirs = |mail: &Received| Some(&mail.to) == email.as_ref() || Some(&mail.to) == phone.as_ref();
        let now = self.now();
        // where an address is shared, only the link tells whose it is
        let mut found = None;
        for mail in self.mailbox.newest_first().into_iter().filter(is_theirs) {
            let Some((_, token)) = mail.text.split_once("/portal/link/") else { continue };
            let token = Token::received(token);
            let open = self
                .state
                .db
                .read(move |conn| -> Result<_, AppError> { Ok(portal_links::open(conn, now, &token)?) })
                .await?;
            found = open.filter(|link| link.patient == Some(patient.id));
            if found.is_some() {
                break;
            }
        }
        let link = found.ok_or_else(|| wrong("no link has come"))?;
        let asked = link.clone();
        let refused = self.write(move |tx| Ok(portal_links::request(tx, now, &asked)?)).await?;
        refused.map_err(|_| wrong("no passcode"))?;
        worker::drain(self.state).await?;
        let mail = self.newest_mail(is_theirs)?;
        let digits = mail.text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6);
        let proof = Proof {
            passcode: digits.ok_or_else(|| wrong("no passcode"))?.to_owned(),
            birth_date: d.birth_date,
            stay: false,
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let holder = portal_entry::login(&self.state.db, now, link, proof).await.map_err(wrong)?;
        let visit = access::portal_visit(&holder).ok_or_else(|| wrong("no visit"))?;
        let (own, theirs) = (visit.clone(), visit);
        let write = self.write(move |tx| {
            let rows = conversations::patient_inbox(tx, &own, None, 50)?;
            let row = rows.into_iter().find(|row| row.id == conversation).ok_or_else(|| wrong("it is not theirs"))?;
            let thread = conversations::patient_thread(tx, &own, row.number, None)?;
            let thread = thread.ok_or_else(|| wrong("it is not theirs"))?;
            thread.mark_read(tx, now, &own)?;
            Ok(thread)
        });
        Ok((theirs, write.await?))
    }

    async fn begin_drafts(&self) -> Result<(), AppError> {
        for begun in BEGUN {
            let chart = self.chart(begun.by, self.patient(begun.patient)?.id).await?;
            let form =
                [("title", begun.title), ("body", begun.body), ("body_format", "markdown"), ("replies_allowed", "on")];
            let form: Vec<_> = form.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let now = self.now();
            let write = self.write(move |tx| {
                conversations::save_draft(tx, now, OwnDraft::new_message(&chart), 0, &form).map_err(wrong)
            });
            write.await?;
        }
        Ok(())
    }
}

fn body(text: &str, format: BodyFormat) -> Result<Body, AppError> {
    Body::parse(text, format).ok_or_else(|| wrong("an empty message"))
}

/// The newest message, and the newest of the clinic to the patient.
fn newest<R: Right>(
    tx: &mut Tx,
    access: &ConversationAccess<R>,
) -> Result<(Option<MessageId>, Option<MessageId>), AppError> {
    let thread = conversations::thread(tx, access, ThreadPage::Newest)?;
    let of_clinic = thread.messages.iter().rfind(|message| message.author == Author::User && !message.internal);
    Ok((thread.newest, of_clinic.map(|message| message.id)))
}
