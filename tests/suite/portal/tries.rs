//! Tries and passcodes are counted over a whole day: a new passcode gives no new tries.

use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::world::Like;
use postern::access::Role;
use time::Duration;

on_both!(
    a_new_passcode_gives_no_new_tries,
    only_so_many_passcodes_go_out_in_a_day,
    a_claim_sends_no_more_either_and_does_not_say_so,
    a_claim_made_again_leaves_the_open_page_its_address,
    claims_of_one_patient_are_locked_apart,
    what_is_no_date_costs_no_try,
);

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";

async fn waiting(app: &App) -> String {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    app.link_to(EMAIL)
}

async fn ask(app: &App, who: &Actor, link: &str) -> Answer {
    app.state.clock.advance(Duration::seconds(30));
    let answer = who.post(&format!("{link}/passcode"), &[]).await;
    app.drain().await;
    answer
}

/// Tries a passcode with the right date of birth.
async fn try_in(who: &Actor, link: &str, passcode: &str) -> Answer {
    let fields = [("passcode", passcode), ("day", "4"), ("month", "3"), ("year", "1951")];
    who.post(&format!("{link}/session"), &fields).await
}

fn other_than(passcode: &str) -> String {
    format!("{:06}", (passcode.parse::<u32>().unwrap() + 1) % 1_000_000)
}

async fn claim(app: &App, who: &Actor, contact: &str) -> String {
    let page = who.get("/portal").await.ok();
    let fields = [("number", "943 476 5919"), ("contact", contact)];
    let link = who.submit(&page, "Send me my passcode", &fields).await.redirect();
    app.drain().await;
    link
}

async fn a_new_passcode_gives_no_new_tries(app: App) {
    let link = waiting(&app).await;
    let guesser = app.anyone();
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let mut tried = 0;
        // four tries at each passcode, which would not lock if each passcode counted alone
        let locked = loop {
            let answer = ask(&app, &guesser, &link).await;
            if answer.status == 429 {
                break answer.page();
            }
            assert!(tried < 8, "eight tries and no lock");
            for _ in 0..4 {
                let wrong = other_than(&app.passcode_to(PHONE));
                assert_eq!(try_in(&guesser, &link, &wrong).await.status, 422);
                tried += 1;
            }
        };
        assert!(locked.has_text("Too many tries"), "{}", locked.text());
        // the passcode that was sent last does not work any more
        assert_eq!(try_in(&guesser, &link, &app.passcode_to(PHONE)).await.status, 422);
        let mut pause = Duration::ZERO;
        while ask(&app, &guesser, &link).await.status == 429 {
            app.state.clock.advance(Duration::seconds(30));
            pause += Duration::MINUTE;
        }
        pauses.push(pause);
    }
    assert!(pauses.windows(2).all(|two| two[0] < two[1]), "pauses grow: {pauses:?}");
    // the right passcode signs in, and the count begins again
    assert_eq!(try_in(&app.anyone(), &link, &app.passcode_to(PHONE)).await.status, 303);
}

async fn only_so_many_passcodes_go_out_in_a_day(app: App) {
    let owner = app.user(Role::Owner).await;
    let settings = owner.get("/settings/patient-portal").await.ok();
    // a wrong number of passcodes is explained at its field
    let wrong = owner.submit(&settings, "Save", &[("passcodes_a_day", "0")]).await;
    assert!(wrong.status == 422 && wrong.page().has("#passcodes_a_day-error"));
    owner.submit(&settings, "Save", &[("passcodes_a_day", "3")]).await.redirect();
    let link = waiting(&app).await;
    let who = app.anyone();
    for _ in 0..3 {
        assert_eq!(ask(&app, &who, &link).await.status, 303);
    }
    let sent = app.mailbox.newest_first().len();
    let refused = ask(&app, &who, &link).await;
    assert_eq!(refused.status, 429);
    assert!(refused.page().has_text("No more passcodes today"));
    assert_eq!(app.mailbox.newest_first().len(), sent);
    // the last passcode still works, and the next day there are others
    assert_eq!(try_in(&app.anyone(), &link, &app.passcode_to(PHONE)).await.status, 303);
    app.state.clock.advance(Duration::days(1));
    assert_eq!(ask(&app, &who, &link).await.status, 303);
}

async fn a_claim_sends_no_more_either_and_does_not_say_so(app: App) {
    let owner = app.user(Role::Owner).await;
    let settings = owner.get("/settings/patient-portal").await.ok();
    owner.submit(&settings, "Save", &[("passcodes_a_day", "3")]).await.redirect();
    app.patient(Like::default()).await;
    let (who, mut pages) = (app.anyone(), Vec::new());
    for contact in [EMAIL, "nobody@example.org"] {
        let link = claim(&app, &who, contact).await;
        let path = link.split('?').next().unwrap().to_owned();
        let statuses: Vec<u16> = {
            let mut all = Vec::new();
            for _ in 0..5 {
                all.push(ask(&app, &who, &path).await.status);
            }
            all
        };
        pages.push(statuses);
    }
    assert_eq!(pages[0], pages[1], "the answer tells whether there is such a patient");
    assert_eq!(app.mailbox.newest_first().len(), 3);
}

async fn a_claim_made_again_leaves_the_open_page_its_address(app: App) {
    app.patient(Like::default()).await;
    let (first, second) = (app.anyone(), app.anyone());
    let open = claim(&app, &first, EMAIL).await;
    app.state.clock.advance(Duration::minutes(1));
    let other = claim(&app, &second, EMAIL).await;
    assert_ne!(open, other);
    for (who, link) in [(&first, &open), (&second, &other)] {
        let page = who.get(link).await.ok();
        assert!(page.has("#passcode"), "{}", page.text());
    }
    assert_eq!(try_in(&first, &open, &app.passcode_to(EMAIL)).await.status, 303);
    // after a third claim the second page still works
    app.state.clock.advance(Duration::minutes(1));
    claim(&app, &app.anyone(), EMAIL).await;
    assert_eq!(try_in(&second, &other, &app.passcode_to(EMAIL)).await.status, 303);
}

async fn claims_of_one_patient_are_locked_apart(app: App) {
    app.patient(Like::default()).await;
    let who = app.anyone();
    let mut said = Vec::new();
    for contact in [EMAIL, PHONE, "nobody@example.org"] {
        let link = claim(&app, &who, contact).await;
        for _ in 0..5 {
            assert_eq!(try_in(&who, &link, "000000").await.status, 422);
        }
        let text = who.get(&link).await.ok().text();
        said.push(text.split("passcode at ").nth(1).unwrap().split('.').next().unwrap().to_owned());
    }
    // the test's clock stands still, so each claim, true or false, has the same pause
    assert!(said.iter().all(|until| *until == said[0]), "{said:?}");
}

async fn what_is_no_date_costs_no_try(app: App) {
    let link = waiting(&app).await;
    let who = app.anyone();
    ask(&app, &who, &link).await;
    let passcode = app.passcode_to(PHONE);
    let no_dates = [("31", "2", "1984"), ("2", "Ju", "1984"), ("", "", ""), ("2", "13", "1984"), ("0", "1", "x")];
    for (day, month, year) in no_dates.into_iter().cycle().take(10) {
        let fields = [("passcode", passcode.as_str()), ("day", day), ("month", month), ("year", year)];
        let answer = who.post(&format!("{link}/session"), &fields).await;
        assert_eq!(answer.status, 422);
        let page = answer.page();
        assert!(page.has_text("This is not a date"), "{}", page.text());
    }
    assert_eq!(try_in(&who, &link, &passcode).await.status, 303);
}
