//! "We answer by Wednesday, 17:00": the patient reads it, it is kept as it was given, and the list of what waits is in its order.

use super::work_list::patient;
use crate::on_both;
use crate::settings::hours::{OPEN, set_hours};
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{conversations as c, participants as p, promises};
use postern::db::{ConversationId, Ts, UserId};
use postern::error::AppError;
use time::Duration;

on_both!(
    the_patient_reads_by_when_we_answer,
    the_patient_reads_it_in_french,
    please_call_me_is_given_no_word,
    a_word_given_stands,
    a_late_answer_is_said,
    closing_settles_it_and_reopening_brings_it_back,
    an_answer_that_is_taken_back_was_none,
    what_is_promised_soonest_comes_first,
    to_do_is_sorted_by_what_was_promised,
    nothing_is_said_where_nothing_is_promised,
    what_became_of_each_word_is_kept,
);

struct Asked {
    owner: Actor,
    staff: Actor,
    patient: Actor,
    /// the paths of the conversation for the clinic and for the patient
    conversation: String,
    message: String,
}

/// A clinic that answers within `amount` of `unit`, and a patient who has read its message.
async fn asked(app: &App, unit: &str, amount: &str) -> Asked {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    set_hours(&owner, unit, amount).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    Asked { owner, staff, patient, conversation, message }
}

impl Asked {
    async fn writes(&self, words: &str) {
        let page = self.patient.get(&self.message).await.ok();
        self.patient.submit(&page, "Send", &[("body", words)]).await.redirect();
    }

    async fn reads(&self, words: &str) {
        let page = self.patient.get(&self.message).await.ok();
        assert!(page.has_text(words), "{words:?} in {}", page.text());
    }

    async fn answers(&self, words: &str) {
        let page = self.staff.get(&self.conversation).await.ok();
        self.staff.submit(&page, "Send", &[("body", words)]).await.redirect();
    }
}

impl Asked {
    /// The clinic takes back the newest of its messages that is not taken back yet.
    async fn takes_back(&self) {
        let page = self.staff.get(&self.conversation).await.ok();
        let link = page.attrs_of(".msg.mine a[href$='/recall']", "href").pop().unwrap();
        let page = self.staff.get(&link).await.ok();
        self.staff.submit(&page, "Take back", &[]).await.redirect();
    }
}

/// What the list of what waits says of its lines.
async fn waiting(user: &Actor) -> Vec<String> {
    user.get("/inbox?filter=waiting_for_us").await.ok().texts_of(".work .tags")
}

/// The word that was given in the only conversation, and by when the lists say that an answer is due.
async fn stored(app: &App) -> (Option<Ts>, Option<Ts>, Vec<Option<Ts>>) {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let (by, due): (Option<Ts>, Option<Ts>) = c::table.select((c::answer_by, c::answer_due)).first(conn)?;
        Ok((by, due, p::table.order(p::user_id).select(p::answer_due).load(conn)?))
    });
    read.await.unwrap()
}

// the clock stands at Wednesday, 4 March 2026, 9:02 in Toronto; on Sunday it is turned forward

async fn the_patient_reads_by_when_we_answer(app: App) {
    let asked = asked(&app, "days", "2").await;
    asked.reads("If you write now, we answer by Friday, 6 March, 17:00.").await;
    assert_eq!(stored(&app).await, (None, None, vec![None]));
    asked.writes("Does it hurt?").await;
    let page = asked.patient.get(&asked.message).await.ok();
    assert!(page.has_text("We answer by Friday, 6 March, 17:00."), "{}", page.text());
    assert!(!page.has_text("If you write now"), "{}", page.text());
    let (by, due, theirs) = stored(&app).await;
    assert!(by.is_some() && due == by && theirs == [by]);
    assert_eq!(waiting(&asked.staff).await, ["Answer by Fri 17:00"]);
    assert!(asked.staff.get(&asked.conversation).await.ok().has_text("Answer by Fri 17:00"));
    // a note is for colleagues, and a mark is each user's own: the patient still waits
    let page = asked.staff.get(&format!("{}/notes", asked.conversation)).await.ok();
    asked.staff.submit(&page, "Add note", &[("body", "Who knows?")]).await.redirect();
    asked.staff.post(&format!("{}/done", asked.conversation), &[]).await.redirect();
    assert_eq!(stored(&app).await, (by, by, vec![by]));
    asked.answers("It does not").await;
    assert_eq!(stored(&app).await, (None, None, vec![None]));
    assert!(waiting(&asked.staff).await.is_empty());
    assert!(!asked.patient.get(&asked.message).await.ok().has_text("We answer by"));
    asked.reads("If you write now, we answer by Friday, 6 March, 17:00.").await;
}

async fn the_patient_reads_it_in_french(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    set_hours(&owner, "hours", "4").await;
    let aline = app.patient(Like { language: "fr", phone: None, ..Like::default() }).await;
    app.message(&staff, aline, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    let patient = app.anyone();
    let page = patient.get(&link).await.ok();
    patient.submit(&page, "M’envoyer mon code d’accès", &[]).await.redirect();
    app.drain().await;
    let page = patient.get(&link).await.ok();
    let code = app.passcode_to("maria@example.org");
    let fields = [("passcode", code.as_str()), ("day", "4"), ("month", "3"), ("year", "1951")];
    let message = patient.submit(&page, "Se connecter", &fields).await.redirect();
    let message = message.split('?').next().unwrap().to_owned();
    let page = patient.get(&message).await.ok();
    // 9:02 and four hours: the next quarter
    let by = "nous vous répondrons au plus tard le mercredi 4 mars à 13 h 15.";
    assert!(page.has_text(&format!("Si vous écrivez maintenant, {by}")), "{}", page.text());
    patient.submit(&page, "Envoyer", &[("body", "Merci")]).await.redirect();
    let page = patient.get(&message).await.ok();
    assert!(page.has_text("Nous vous répondrons au plus tard le mercredi 4 mars à 13 h 15."), "{}", page.text());
}

async fn please_call_me_is_given_no_word(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    set_hours(&owner, "hours", "1").await;
    let maria = app.patient(Like::default()).await;
    let form =
        [("key", "0123456789abcdef"), ("title", "Results"), ("body", "x"), ("offer", "read"), ("offer", "call_me")];
    staff.post(&format!("/patients/{maria}/messages/new"), &form).await.redirect();
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let page = patient.get(&message).await.ok();
    // where nothing can be written, nothing is promised for it
    assert!(!page.has_text("If you write now"), "{}", page.text());
    patient.submit(&page, "I have read it", &[]).await.redirect();
    assert_eq!(stored(&app).await.0, None);
    let page = patient.get(&message).await.ok();
    patient.submit(&page, "Please call me", &[]).await.redirect();
    // the clinic may phone and write nothing: nobody is to read then that it is late
    assert_eq!(stored(&app).await.0, None);
    assert!(!patient.get(&message).await.ok().has_text("We answer by"));
    let tags = waiting(&staff).await.join("");
    assert!(tags.contains("Please call me") && !tags.contains("Answer by"), "{tags}");
}

async fn a_word_given_stands(app: App) {
    let asked = asked(&app, "days", "2").await;
    asked.writes("First").await;
    let by = stored(&app).await.0;
    // other hours, another promise, none at all: what was said stays
    for (unit, amount) in [("hours", "1"), ("days", "9"), ("off", "")] {
        set_hours(&asked.owner, unit, amount).await;
        asked.reads("We answer by Friday, 6 March, 17:00.").await;
    }
    app.state.clock.advance(Duration::minutes(20));
    set_hours(&asked.owner, "days", "3").await;
    asked.writes("And another thing").await;
    assert_eq!(stored(&app).await.0, by, "a second question does not put off the answer to the first");
    asked.answers("Both").await;
    asked.reads("If you write now, we answer by Monday, 9 March, 17:00.").await;
    // whoever writes while nothing is promised is given no word, and a promise that is made later holds for what is written then
    set_hours(&asked.owner, "off", "").await;
    asked.writes("Third").await;
    assert_eq!(stored(&app).await.0, None);
    set_hours(&asked.owner, "days", "1").await;
    asked.reads("If you write now, we answer by Thursday, 5 March, 17:00.").await;
    asked.writes("Fourth").await;
    asked.reads("We answer by Thursday, 5 March, 17:00.").await;
}

async fn a_late_answer_is_said(app: App) {
    let asked = asked(&app, "hours", "1").await;
    asked.writes("Does it hurt?").await;
    app.state.clock.advance(Duration::minutes(12));
    assert_eq!(waiting(&asked.staff).await, ["Answer by 10:15"]);
    // nobody is away so long that the session ends
    asked.reads("We answer by Wednesday, 4 March, 10:15.").await;
    for _ in 0..4 {
        app.state.clock.advance(Duration::minutes(20));
        asked.patient.get(&asked.message).await.ok();
        asked.staff.get("/inbox").await.ok();
    }
    assert_eq!(waiting(&asked.staff).await, ["Late since 10:15"]);
    assert!(asked.staff.get(&asked.conversation).await.ok().has(".tags .danger"));
    asked
        .reads("We wanted to answer by Wednesday, 4 March, 10:15. We are sorry that it takes longer. Please contact")
        .await;
    // a word that is broken stays so, whatever is written after it
    asked.writes("Hello?").await;
    assert_eq!(waiting(&asked.staff).await, ["Late since 10:15"]);
    asked.answers("Sorry").await;
    assert!(!asked.patient.get(&asked.message).await.ok().has_text("We wanted to answer"));
}

async fn closing_settles_it_and_reopening_brings_it_back(app: App) {
    let asked = asked(&app, "days", "2").await;
    asked.writes("Thank you").await;
    let before = stored(&app).await;
    asked.staff.post(&format!("{}/closure", asked.conversation), &[]).await.redirect();
    assert_eq!(stored(&app).await.1, None);
    assert!(waiting(&asked.staff).await.is_empty());
    assert!(!asked.patient.get(&asked.message).await.ok().has_text("We answer by"));
    assert!(!asked.staff.get(&asked.conversation).await.ok().has_text("Answer by"));
    asked.staff.post(&format!("{}/reopening", asked.conversation), &[]).await.redirect();
    assert_eq!(stored(&app).await, before);
    asked.reads("We answer by Friday, 6 March, 17:00.").await;
}

async fn an_answer_that_is_taken_back_was_none(app: App) {
    let asked = asked(&app, "days", "2").await;
    asked.writes("Does it hurt?").await;
    let before = stored(&app).await;
    // the promise of today would be another
    set_hours(&asked.owner, "days", "5").await;
    for words in ["It does not", "Or does it"] {
        asked.answers(words).await;
    }
    assert_eq!(stored(&app).await.0, None);
    for left in [None, before.0] {
        asked.takes_back().await;
        assert_eq!(stored(&app).await.0, left);
    }
    assert_eq!(stored(&app).await, before);
    asked.reads("We answer by Friday, 6 March, 17:00.").await;
    // a word of long ago does not come back with an answer to a question under no promise
    asked.answers("It does not").await;
    asked.reads("It does not").await;
    set_hours(&asked.owner, "off", "").await;
    asked.writes("Sure?").await;
    asked.answers("Sure").await;
    asked.takes_back().await;
    assert_eq!(stored(&app).await.0, None);
    assert_eq!(waiting(&asked.staff).await, ["Waiting for us"]);
}

async fn what_is_promised_soonest_comes_first(app: App) {
    let (owner, me) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    let mut all = Vec::new();
    for (given, email) in [("First", "a@example.org"), ("Second", "b@example.org"), ("Third", "c@example.org")] {
        let person = patient(&app, given, email).await;
        app.message(&me, person, true).await;
        app.drain().await;
        all.push(app.go_in(&app.link_to(email), email).await);
    }
    // the third under no promise, the first under a long one, the second under a short one
    for (at, unit, amount) in [(2, "off", ""), (0, "days", "3"), (1, "hours", "2")] {
        set_hours(&owner, unit, amount).await;
        let (person, message) = &all[at];
        let page = person.get(message).await.ok();
        person.submit(&page, "Send", &[("body", "A question")]).await.redirect();
        app.state.clock.advance(Duration::minutes(3));
    }
    for scope in ["mine", "all"] {
        for (order, expected) in [("longest", ["Third", "Second", "First"]), ("newest", ["First", "Second", "Third"])] {
            let (mut seen, query) = (Vec::new(), format!("scope={scope}&filter=waiting_for_us&order={order}"));
            let page = me.get(&format!("/inbox?{query}")).await.ok();
            seen.extend(page.texts_of(".work .who").into_iter().map(|who| who.replace("Unread: ", "")));
            assert_eq!(seen, expected.map(|given| format!("{given} Tremblay")), "{query}");
        }
    }
    let tags = waiting(&me).await;
    assert_eq!(tags, ["Waiting for us · 9 min", "Answer by 11:15", "Answer by Mon 17:00"]);
    // a page begins where the one before ended, also between two lines of which one has no word
    let due: Vec<(ConversationId, Option<Ts>)> = {
        let read = app.state.db.read(move |conn| -> Result<_, AppError> {
            Ok(c::table.order(c::answer_due).select((c::id, c::answer_due)).load(conn)?)
        });
        read.await.unwrap()
    };
    for (begin, left) in [(0, 2), (1, 1), (2, 0)] {
        let (id, at) = due[begin];
        for scope in ["mine", "all"] {
            let after = format!("r{}-{id}", at.unwrap().micros());
            let page = me.get(&format!("/inbox?scope={scope}&filter=waiting_for_us&after={after}")).await.ok();
            assert_eq!(page.count(".work > li"), left, "{scope} after {after}");
        }
    }
    // all who take part have the same column, also those who come later
    let other = app.user(Role::Staff).await;
    let (id, at) = due[1];
    me.post(&format!("/conversations/{id}/participants"), &[("to", "3")]).await.redirect();
    assert_eq!(waiting(&other).await, ["Answer by 11:15"], "{at:?}");
}

async fn to_do_is_sorted_by_what_was_promised(app: App) {
    let (owner, me) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    let (mut all, mut conversations) = (Vec::new(), Vec::new());
    for (given, email) in [("First", "a@example.org"), ("Second", "b@example.org"), ("Third", "c@example.org")] {
        let person = patient(&app, given, email).await;
        conversations.push(app.message(&me, person, true).await);
        app.drain().await;
        all.push(app.go_in(&app.link_to(email), email).await);
    }
    let noted = app.message(&me, patient(&app, "Noted", "d@example.org").await, true).await;
    // the third under no promise, the first under a long one, the second under a short one
    for (at, unit, amount) in [(2, "off", ""), (0, "days", "3"), (1, "hours", "2")] {
        set_hours(&owner, unit, amount).await;
        let (person, message) = &all[at];
        let page = person.get(message).await.ok();
        person.submit(&page, "Send", &[("body", "A question")]).await.redirect();
        app.state.clock.advance(Duration::minutes(3));
    }
    // nobody waits for an answer here: it is to do since there is something new in it, from its last message on
    let page = owner.get(&format!("{noted}/notes")).await.ok();
    owner.submit(&page, "Add note", &[("body", "Please look at this")]).await.redirect();
    for (query, expected) in [
        ("scope=mine&filter=to_do&order=due", vec!["Third", "Noted", "Second", "First"]),
        ("scope=mine&filter=to_do&order=longest", vec!["Third", "Noted", "First", "Second"]),
        ("scope=mine&filter=to_do", vec!["Third", "Noted", "First", "Second"]),
        ("scope=mine&filter=to_do&order=newest", vec!["Second", "First", "Noted", "Third"]),
        ("scope=all&filter=to_do&order=due", vec!["Third", "Second", "First"]),
        ("scope=all&filter=to_do&order=longest", vec!["Third", "First", "Second"]),
        // the same rule there, and no other
        ("scope=mine&filter=waiting_for_us&order=due", vec!["Third", "Second", "First"]),
        ("scope=all&filter=waiting_for_us", vec!["Third", "Second", "First"]),
    ] {
        let page = me.get(&format!("/inbox?{query}")).await.ok();
        let seen = page.texts_of(".work .who").into_iter().map(|who| who.replace("Unread: ", ""));
        let seen: Vec<String> = seen.map(|who| who.replace(" Tremblay", "")).collect();
        assert_eq!(seen, expected, "{query}");
    }
    let orders = async |filter: &str| me.get(&format!("/inbox?filter={filter}")).await.ok().texts_of(".orders a");
    assert_eq!(orders("to_do").await, ["Longest waiting first", "Due soonest first", "Newest first"]);
    assert_eq!(orders("waiting_for_us").await, ["Due soonest first", "Newest first"]);
    assert_eq!(orders("open").await, ["Longest waiting first", "Newest first"]);
    assert!(orders("assigned").await.is_empty());
    // a page begins where the one before ended, also between two lines of which one has no word
    let read = app.state.db.read(move |conn| -> Result<Vec<(ConversationId, Option<Ts>)>, AppError> {
        let due = p::table.filter(p::to_do_due.is_not_null()).filter(p::user_id.eq(UserId(2)));
        Ok(due.order(p::to_do_due).select((p::conversation_id, p::to_do_due)).load(conn)?)
    });
    let due = read.await.unwrap();
    for (begin, left) in [(0, 3), (1, 2), (2, 1), (3, 0)] {
        let (id, at) = due[begin];
        let after = format!("r{}-{id}", at.unwrap().micros());
        let page = me.get(&format!("/inbox?scope=mine&filter=to_do&order=due&after={after}")).await.ok();
        assert_eq!(page.count(".work > li"), left, "after {after}");
    }
    // who comes later has it in the same place, and who is done has it no more
    owner.post(&format!("{}/participants", conversations[0]), &[("to", "1")]).await.redirect();
    let first = ConversationId(conversations[0].rsplit('/').next().unwrap().parse().unwrap());
    let place_of = async |user: i64| {
        let read = app.state.db.read(move |conn| -> Result<Option<Ts>, AppError> {
            Ok(p::table.find((first, UserId(user))).select(p::to_do_due).first(conn)?)
        });
        read.await.unwrap()
    };
    assert_eq!(place_of(1).await, due[3].1);
    me.post(&format!("{}/done", conversations[0]), &[]).await.redirect();
    assert_eq!((place_of(2).await, place_of(1).await), (None, due[3].1));
}

async fn nothing_is_said_where_nothing_is_promised(app: App) {
    let asked = asked(&app, "off", "").await;
    // the preview says what the patient would read
    for (unit, amount, replies, says) in
        [("days", "1", "on", true), ("days", "1", "off", false), ("off", "", "on", false)]
    {
        set_hours(&asked.owner, unit, amount).await;
        let mut form = vec![("title", "More"), ("body", "x")];
        form.extend((replies == "on").then_some(("replies_allowed", "on")));
        let page = asked.staff.post("/patients/1/messages/preview", &form).await.ok();
        assert_eq!(page.has_text("If you write now, we answer by Thursday, 5 March, 17:00."), says, "{}", page.text());
    }
    assert!(asked.owner.get("/settings/hours").await.ok().form_with("Save").value("from_1").as_deref() == Some(OPEN.0));
    asked.writes("Does it hurt?").await;
    let page = asked.patient.get(&asked.message).await.ok();
    assert!(!page.has_text("we answer by") && !page.has_text("We answer by"), "{}", page.text());
    let (by, due, theirs) = stored(&app).await;
    assert!(by.is_none() && due.is_some() && theirs == [due], "the list is in the order of waiting");
    assert_eq!(waiting(&asked.staff).await, ["Waiting for us"]);
}

/// When a promise was answered, and by whom.
type Kept = (Option<Ts>, Option<UserId>);

/// Who settled each word that was given; `None` while it stands.
async fn settled(app: &App) -> Vec<Option<i64>> {
    let read = app.state.db.read(move |conn| -> Result<Vec<Kept>, AppError> {
        let all = promises::table.order(promises::id).select((promises::answered_at, promises::user_id));
        Ok(all.load(conn)?)
    });
    let rows = read.await.unwrap();
    assert!(rows.iter().all(|(at, by)| at.is_some() == by.is_some()), "{rows:?}");
    rows.into_iter().map(|(_, by)| by.map(|user| user.0)).collect()
}

async fn what_became_of_each_word_is_kept(app: App) {
    let asked = asked(&app, "hours", "1").await;
    asked.writes("Does it hurt?").await;
    asked.writes("Are you there?").await;
    assert_eq!(settled(&app).await, [None], "a second question is given no word of its own");
    asked.answers("It does not").await;
    assert_eq!(settled(&app).await, [Some(2)]);
    asked.takes_back().await;
    assert_eq!(settled(&app).await, [None]);
    asked.answers("It hurts a little").await;
    asked.answers("Not for long").await;
    assert_eq!(settled(&app).await, [Some(2)]);
    asked.writes("And then?").await;
    assert_eq!(settled(&app).await, [Some(2), None]);
    asked.owner.post(&format!("{}/closure", asked.conversation), &[]).await.redirect();
    assert_eq!(settled(&app).await, [Some(2), Some(1)]);
    asked.owner.post(&format!("{}/reopening", asked.conversation), &[]).await.redirect();
    assert_eq!(settled(&app).await, [Some(2), None]);
}
