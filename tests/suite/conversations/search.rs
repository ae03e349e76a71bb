//! Search finds what stands in titles, messages, notes and names of files, in every script, sealed or not; and nothing that
//! was taken back or deleted.

use crate::at_rest::key;
use crate::files::{samples, uploads};
use crate::support::app::{Actor, App, On};
use crate::support::html::Page;
use crate::support::world::Like;
use crate::{on_both, on_each};
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Event;
use postern::db::schema::{audit_events, search_postings, search_words};
use postern::db::{DatabaseUrl, DbError, PatientId, sealed};
use postern::delivery::Delivery;
use postern::search;
use time::Duration;

on_each!(words_of_every_script_are_found_sealed_or_not, what_a_change_of_keys_leaves_is_found);

on_both!(
    each_hit_says_where_and_marks_what,
    a_search_is_narrowed,
    what_is_not_searched_yet_is_said,
    what_is_taken_back_or_deleted_is_not_found,
    whoever_may_read_finds_and_nobody_else,
    indexing_that_breaks_off_goes_on,
    an_index_of_another_rule_is_made_anew,
    each_conversation_is_found_once,
    a_word_of_thousands_is_walked,
    of_very_many_words_the_first_are_looked_for,
);

/// Starts a conversation; gives its path.
async fn send(app: &App, user: &Actor, patient: PatientId, title: &str, body: &str) -> String {
    let key = app.state.random.token();
    let fields = [("title", title), ("body", body), ("key", key.reveal()), ("replies_allowed", "on")];
    let to = user.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    to.split('?').next().unwrap().to_owned()
}

async fn add(app: &App, user: &Actor, path: &str, body: &str) {
    let key = app.state.random.token();
    let fields = [("key", key.reveal()), ("body", body), ("replies_allowed", "on")];
    user.post(path, &fields).await.redirect();
}

/// The page to which the form of a search leads.
async fn search_for(user: &Actor, words: &str, more: &[(&str, &str)]) -> Page {
    let fields = [&[("page", "/search"), ("q", words)][..], more].concat();
    let to = user.post("/searches", &fields).await.redirect();
    assert!(to.starts_with("/search?") && !to.contains("q="), "{to}");
    user.get(&to).await.ok()
}

async fn titles(user: &Actor, words: &str, more: &[(&str, &str)]) -> Vec<String> {
    search_for(user, words, more).await.texts_of(".hits .title")
}

async fn words_of_every_script_are_found_sealed_or_not(on: On) {
    for with in [None, Some(1)] {
        let app = App::start_with_config(on, |config| config.files.key = with.map(key), Delivery::mailbox).await;
        let (user, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
        for (title, body) in [
            ("Your appointment", "Please take one tablet daily until Thursday"),
            ("Échographie", "Résultats d’été : rien d’inquiétant, œdème réduit"),
            ("نتائج", "جرعة الدَّواء يوميًا"),
            ("検査", "血液検査の結果は正常です"),
            ("ผลตรวจ", "ผลการตรวจเลือดปกติ"),
        ] {
            send(&app, &user, maria, title, body).await;
            app.state.clock.advance(Duration::minutes(1));
        }
        app.index().await;
        let (english, french, arabic) = ("Your appointment", "Échographie", "نتائج");
        for (typed, found) in [
            ("tablet", vec![english]),
            ("DAILY Tablet", vec![english]),
            ("thurs", vec![english]),
            ("thurs tablet", vec![]),
            ("appointment daily", vec![english]),
            ("tablet daily echographie", vec![]),
            ("echographie", vec![french]),
            ("ete", vec![french]),
            ("inquietant oedeme", vec![french]),
            ("الدواء", vec![arabic]),
            ("血液", vec!["検査"]),
            ("検査", vec!["検査"]),
            ("液結", vec![]),
            ("เลือด", vec!["ผลตรวจ"]),
            ("zzz", vec![]),
            ("!", vec![]),
        ] {
            assert_eq!(titles(&user, typed, &[]).await, found, "{typed}, with a key: {}", with.is_some());
        }
        // a patient is found first, and the conversations are those of the words
        let page = search_for(&user, "mejia", &[]).await;
        assert_eq!(page.texts_of("section[aria-labelledby=patients] .title"), ["María Mejía"]);
        assert!(page.has_text("Nothing was found"));
    }
}

async fn what_a_change_of_keys_leaves_is_found(on: On) {
    let app = App::start_with_config(on, |config| config.files.key = Some(key(1)), Delivery::mailbox).await;
    let (user, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
    send(&app, &user, maria, "Iron", "Take the ferrous tablets").await;
    app.index().await;
    let url: DatabaseUrl = app.state.config.database.clone();
    let folder = tempfile::tempdir().unwrap();
    let change = |config: &mut postern::config::Config| {
        config.files.key = Some(key(2));
        config.files.old_keys = vec![key(1)];
    };
    let later = App::start_at(folder, url, change, Delivery::mailbox).await;
    (0..1_000).for_each(|_| drop(later.state.random.token()));
    // under both keys: some words of the index are the old key's, and new ones the present key's
    let staff = later.user(Role::Staff).await;
    send(&later, &staff, maria, "Zinc", "Take the zinc tablets").await;
    later.index().await;
    assert_eq!(titles(&staff, "tablets", &[]).await, ["Zinc", "Iron"]);
    assert_eq!(titles(&staff, "tabl", &[]).await, ["Zinc", "Iron"]);
    let anew = sealed::seal_anew(&later.state.db).await.unwrap();
    assert!(anew.sealed > 0 && anew.unreadable == 0, "{anew:?}");
    let ring = later.state.db.keys().text.clone();
    let left = later.state.db.read(move |conn| -> Result<_, DbError> { Ok(sealed::count_others(conn, &ring)?) });
    assert_eq!(left.await.unwrap(), 0);
    for typed in ["tablets", "tabl", "take the tabl"] {
        assert_eq!(titles(&staff, typed, &[]).await, ["Zinc", "Iron"], "{typed}");
    }
    assert_eq!(titles(&staff, "ferr", &[]).await, ["Iron"]);
}

async fn each_hit_says_where_and_marks_what(app: App) {
    let (user, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
    let file = uploads::id_in(&uploads::upload(&user, maria, "ferritin-2026.pdf", samples::pdf()).await);
    let fields = [("title", "Iron & zinc"), ("body", "Your <b>ferritin</b> is low"), ("key", "0123456789abcdef")];
    let fields = [&fields[..], &[("upload", &*file)]].concat();
    let to = user.post(&format!("/patients/{maria}/messages/new"), &fields).await.redirect();
    let conversation = to.split('?').next().unwrap();
    app.state.clock.advance(Duration::minutes(1));
    add(&app, &user, &format!("{conversation}/notes"), "Ask about <script> and ferritin again").await;
    app.index().await;
    // the newest message with the word stands for the conversation
    let page = search_for(&user, "ferr", &[]).await;
    assert_eq!(page.texts_of(".hits mark"), ["ferritin"]);
    let note = user.get(conversation).await.ok().attrs_of(".msg.note", "id").pop().unwrap();
    let at = format!("{conversation}?at={}#{note}", note.replace("message-", ""));
    assert!(page.links().iter().any(|link| link.href == at), "{at}: {:?}", page.links());
    assert!(page.text_of(".hits .meta").contains("Found in: Internal note"), "{}", page.text());
    assert!(page.text_of(".hits .excerpt").contains("Note: Ask about <script> and ferritin"), "{}", page.text());
    let page = search_for(&user, "ferritin low", &[]).await;
    assert!(page.text_of(".hits .meta").contains("Message, Attachment name"), "{}", page.text());
    assert_eq!(page.texts_of(".hits mark"), ["ferritin", "low", "ferritin"]);
    let page = search_for(&user, "zinc", &[("part", "title")]).await;
    assert_eq!(page.texts_of(".hits .title mark"), ["zinc"]);
    assert_eq!(page.text_of(".hits .title"), "Iron & zinc");
    let link = page.attrs_of(".hits a.item", "href").remove(0);
    assert!(user.get(&link).await.ok().has(&format!("#{}", link.split_once('#').unwrap().1)), "{link}");
}

async fn a_search_is_narrowed(app: App) {
    let (user, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
    let other = Like { name: ("Ann", "O’Brien"), email: Some("ann@example.org".into()), ..Like::default() };
    let ann = app.patient(other).await;
    let first = send(&app, &user, maria, "First", "insulin").await;
    // a session ends within the day
    app.state.clock.advance(Duration::days(3));
    let user = app.user(Role::Clinician).await;
    let second = send(&app, &user, ann, "Second", "nothing of it").await;
    add(&app, &user, &format!("{second}/notes"), "insulin as before").await;
    app.state.clock.advance(Duration::days(3));
    let user = app.user(Role::Clinician).await;
    send(&app, &user, ann, "Insulin pump", "as said").await;
    user.post(&format!("{first}/closure"), &[]).await.redirect();
    app.index().await;
    let ann_id = ann.to_string();
    for (more, found) in [
        (vec![], vec!["Insulin pump", "Second", "First"]),
        (vec![("patient", &*ann_id)], vec!["Insulin pump", "Second"]),
        (vec![("state", "closed")], vec!["First"]),
        (vec![("state", "open")], vec!["Insulin pump", "Second"]),
        (vec![("part", "title")], vec!["Insulin pump"]),
        (vec![("part", "note")], vec!["Second"]),
        (vec![("part", "message")], vec!["First"]),
        (vec![("part", "file")], vec![]),
        (vec![("from", "2026-03-06")], vec!["Insulin pump", "Second"]),
        (vec![("until", "2026-03-07")], vec!["Second", "First"]),
        (vec![("from", "2026-03-06"), ("until", "2026-03-08")], vec!["Second"]),
        (vec![("from", "2026-03-06"), ("part", "note"), ("patient", &*ann_id)], vec!["Second"]),
    ] {
        assert_eq!(titles(&user, "insulin", &more).await, found, "{more:?}");
    }
    // a patient who was found leads to their own messages, and back to all
    let page = search_for(&user, "ann", &[]).await;
    let page = user.get(&page.link("Their messages Ann O’Brien")).await.ok();
    assert_eq!(page.text_of(".chip"), "Ann O’Brien");
    let form = page.form_with("Search");
    assert_eq!(form.value("q").as_deref(), Some("ann"));
    assert!(page.link("All patients").starts_with("/search?sought="));
    // a day that is none is told, with all that was typed
    let to = user.post("/searches", &[("page", "/search"), ("q", "insulin"), ("from", "soon")]).await.redirect();
    let answer = user.get(&to).await;
    assert_eq!(answer.status, 422);
    let page = answer.page();
    assert!(page.has_text("Write the day like this") && page.has("#from[aria-invalid=true]"), "{}", page.text());
    assert_eq!(page.attr("#q", "value").as_deref(), Some("insulin"));
    assert_eq!(page.attr("#from", "value").as_deref(), Some("soon"));
    assert_eq!(user.get("/search?q=x&patient=999").await.status, 404);
}

async fn what_is_not_searched_yet_is_said(app: App) {
    let (user, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
    send(&app, &user, maria, "One", "tablet").await;
    app.index().await;
    assert!(!search_for(&user, "tablet", &[]).await.has_text("not searched yet"));
    app.state.clock.advance(Duration::minutes(5));
    send(&app, &user, maria, "Two", "tablet").await;
    let page = search_for(&user, "tablet", &[]).await;
    assert!(page.has_text("are not searched yet") && !page.has_text("2026 are not"), "a time: {}", page.text());
    assert_eq!(page.texts_of(".hits .title"), ["One"]);
    app.state.clock.advance(Duration::days(2));
    let user = app.user(Role::Clinician).await;
    let page = search_for(&user, "tablet", &[]).await;
    assert!(page.has_text("2026 are not searched yet"), "a day: {}", page.text());
    app.index().await;
    let page = search_for(&user, "tablet", &[]).await;
    assert!(!page.has_text("not searched yet"), "{}", page.text());
    assert_eq!(page.texts_of(".hits .title"), ["Two", "One"]);
}

async fn what_is_taken_back_or_deleted_is_not_found(app: App) {
    let (owner, maria) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let other = app.patient(Like { email: Some("two@example.org".into()), ..Like::default() }).await;
    for indexed_before in [true, false] {
        let whole = send(&app, &owner, maria, "Wrong", "mistaken dose").await;
        if indexed_before {
            app.index().await;
            assert_eq!(titles(&owner, "mistaken", &[]).await, ["Wrong"]);
        }
        let page = owner.get(&whole).await.ok();
        let asked = owner.get(&page.link("Take back…")).await.ok();
        owner.submit(&asked, "Take back", &[]).await.redirect();
        add(&app, &owner, &format!("{}/notes", send(&app, &owner, other, "Kept", "x").await), "about it").await;
        app.index().await;
        for typed in ["mistaken", "wrong", "mist"] {
            assert_eq!(titles(&owner, typed, &[]).await, [""; 0], "{typed}");
        }
    }
    send(&app, &owner, maria, "Erased", "secretword dose").await;
    app.index().await;
    assert_eq!(titles(&owner, "secretword", &[]).await, ["Erased"]);
    owner.post(&format!("/patients/{maria}/archiving"), &[("reason", "left")]).await.redirect();
    let chart = owner.get(&format!("/patients/{maria}")).await.ok();
    let page = owner.get(&chart.link("Delete the record")).await.ok();
    owner.submit(&page, "Delete for good", &[("name", "Maria Mejía")]).await.redirect();
    assert_eq!(titles(&owner, "secretword", &[]).await, [""; 0]);
    let left = app.state.db.read(|conn| -> Result<_, DbError> {
        let terms: Vec<String> = search_words::table.select(search_words::term).load(conn)?;
        Ok(terms)
    });
    let left = left.await.unwrap();
    assert!(!left.contains(&"secretword".to_owned()) && left.contains(&"kept".to_owned()), "{left:?}");
    // SQLite gives the numbers of the last messages again: the new ones are found
    send(&app, &owner, other, "After", "afterwards").await;
    app.index().await;
    assert_eq!(titles(&owner, "afterwards", &[]).await, ["After"]);
    assert_eq!(titles(&owner, "secretword", &[]).await, [""; 0]);
}

async fn whoever_may_read_finds_and_nobody_else(app: App) {
    let (clinician, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
    let conversation = send(&app, &clinician, maria, "Iron", "ferrous").await;
    add(&app, &clinician, &format!("{conversation}/notes"), "confidential remark").await;
    app.drain().await;
    app.index().await;
    let mut seen = 0;
    for role in [Role::Owner, Role::Staff, Role::Viewer] {
        let user = app.user(role).await;
        // as every user may open every conversation, with its notes
        assert_eq!(titles(&user, "ferrous", &[]).await, ["Iron"], "{role:?}");
        assert_eq!(titles(&user, "confidential", &[]).await, ["Iron"], "{role:?}");
        let events = app.state.db.read(|conn| -> Result<Vec<Option<String>>, DbError> {
            let of_search = audit_events::action.eq(Event::ConversationsSearched.as_str());
            Ok(audit_events::table.filter(of_search).select(audit_events::detail).load(conn)?)
        });
        let events = events.await.unwrap();
        assert!(events.len() > seen, "{role:?} leaves a row");
        assert!(!events.iter().flatten().any(|detail| detail.contains("ferrous") || detail.contains("confidential")));
        seen = events.len();
    }
    let (patient, _) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    for somebody in [&app.anyone(), &patient] {
        assert!(somebody.get("/search?q=confidential").await.redirect().starts_with("/sign-in"));
    }
    assert!(!patient.get("/portal/messages").await.ok().has_text("confidential"));
}

async fn indexing_that_breaks_off_goes_on(app: App) {
    let (user, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
    let conversation = send(&app, &user, maria, "Begun", "wordzero").await;
    for number in 1..60 {
        add(&app, &user, &format!("{conversation}/notes"), &format!("note word{number}x")).await;
    }
    // the first transaction stays, and the second one ends in the middle
    let now = app.state.clock.now();
    let some = app.state.db.write(move |tx| -> Result<_, DbError> { Ok(search::index_some(tx, now)?) });
    assert!(some.await.unwrap(), "more waits");
    let broken = app.state.db.write(move |tx| -> Result<(), DbError> {
        search::index_some(tx, now)?;
        Err(diesel::result::Error::RollbackTransaction.into())
    });
    broken.await.unwrap_err();
    assert!(search_for(&user, "word1x", &[]).await.has_text("not searched yet"));
    // and two workers go on at once
    tokio::join!(app.index(), app.index());
    for word in ["wordzero", "word1x", "word24x", "word25x", "word26x", "word49x", "word50x", "word59x"] {
        assert_eq!(titles(&user, word, &[]).await, ["Begun"], "{word}");
    }
    let read = app.state.db.read(|conn| -> Result<(i64, i64), DbError> {
        let marks = search_postings::table.filter(search_postings::word_id.eq(0)).count().get_result(conn)?;
        let words: Vec<String> = search_words::table.select(search_words::term).load(conn)?;
        Ok((marks, words.iter().filter(|word| *word == "note").count() as i64))
    });
    assert_eq!(read.await.unwrap(), (60, 1), "each message once, and each word once");
    // once they are old the mark passes them, and nothing is left to do
    app.state.clock.advance(Duration::minutes(30));
    let now = app.state.clock.now();
    let is_to_do = async || {
        let read = app.state.db.read(move |conn| -> Result<_, DbError> { Ok(search::is_to_do(conn, now)?) });
        read.await.unwrap()
    };
    assert!(is_to_do().await, "the mark is behind");
    app.index().await;
    assert!(!is_to_do().await);
    add(&app, &user, &format!("{conversation}/notes"), "later").await;
    assert!(is_to_do().await);
}

async fn an_index_of_another_rule_is_made_anew(app: App) {
    let (user, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
    send(&app, &user, maria, "Iron", "ferrous tablets").await;
    app.index().await;
    let spoil = app.state.db.write(|tx| -> Result<_, DbError> {
        diesel::sql_query("UPDATE search_progress SET rule = 1").execute(tx.conn())?;
        diesel::sql_query("UPDATE search_words SET term = 'old' || term").execute(tx.conn())?;
        Ok(())
    });
    spoil.await.unwrap();
    assert!(search_for(&user, "ferrous", &[]).await.has_text("not searched yet"));
    app.index().await;
    let page = search_for(&user, "ferrous", &[]).await;
    assert_eq!(page.texts_of(".hits .title"), ["Iron"]);
    assert!(!page.has_text("not searched yet"));
    assert_eq!(titles(&user, "oldferrous", &[]).await, [""; 0]);
}

async fn each_conversation_is_found_once(app: App) {
    let (user, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
    let mut all = Vec::new();
    for number in 0..23 {
        let conversation = send(&app, &user, maria, &format!("Title {number}"), "tablet").await;
        all.push(conversation);
    }
    // the oldest has the newest message too, and stands first
    add(&app, &user, &format!("{}/notes", all[0]), "another tablet").await;
    app.index().await;
    let page = search_for(&user, "tablet", &[]).await;
    let first = page.texts_of(".hits .title");
    assert_eq!((first.len(), &*first[0], &*first[1]), (20, "Title 0", "Title 22"));
    let page = user.get(&page.link("Older")).await.ok();
    assert_eq!(page.texts_of(".hits .title"), ["Title 3", "Title 2", "Title 1"]);
    assert!(!page.links().iter().any(|link| link.text == "Older"));
}

async fn a_word_of_thousands_is_walked(app: App) {
    let (user, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
    send(&app, &user, maria, "Many", "common").await;
    let copies = app.state.db.write(|tx| -> Result<_, DbError> {
        // more messages than a rare word has
        Ok(diesel::sql_query(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2050) \
             INSERT INTO messages (conversation_id, author, user_id, body_source, body_format, body_html, internal, send_key, \
             created_at, offers) SELECT m.conversation_id, m.author, m.user_id, m.body_source, m.body_format, m.body_html, \
             m.internal, 'copy' || CAST(n.i AS TEXT), m.created_at, m.offers FROM messages m, n WHERE m.id = 1",
        )
        .execute(tx.conn())?)
    });
    assert_eq!(copies.await.unwrap(), 2050);
    app.state.clock.advance(Duration::days(5));
    let user = app.user(Role::Clinician).await;
    send(&app, &user, maria, "Few", "commonly rare").await;
    app.index().await;
    // by its own postings, by all messages where the last word is a beginning of several, and by a rare word
    assert_eq!(titles(&user, "common ", &[]).await, ["Few", "Many"]);
    assert_eq!(titles(&user, "common many", &[]).await, ["Many"]);
    assert_eq!(titles(&user, "comm", &[]).await, ["Few", "Many"]);
    assert_eq!(titles(&user, "common rare", &[]).await, [""; 0]);
    assert_eq!(titles(&user, "rare comm", &[]).await, ["Few"]);
    assert_eq!(titles(&user, "comm", &[("until", "2026-03-05")]).await, ["Many"]);
    assert_eq!(titles(&user, "comm", &[("from", "2026-03-07")]).await, ["Few"]);
    assert_eq!(titles(&user, "many comm", &[("from", "2026-03-07")]).await, [""; 0]);
}

async fn of_very_many_words_the_first_are_looked_for(app: App) {
    let (user, maria) = (app.user(Role::Clinician).await, app.patient(Like::default()).await);
    let words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen";
    send(&app, &user, maria, "Numbers", words).await;
    app.index().await;
    for (typed, is_long) in [(words.to_owned(), false), (format!("{words} seventeen"), true)] {
        let page = search_for(&user, &typed, &[]).await;
        assert_eq!(page.texts_of(".hits .title"), ["Numbers"], "{typed}");
        assert_eq!(page.has_text("only the first ones were looked for"), is_long, "{}", page.text());
    }
}
