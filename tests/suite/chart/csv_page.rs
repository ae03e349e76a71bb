//! The page where a list of patients is checked and imported.

use super::csv::xlsx;
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::Page;
use crate::support::world::Like;
use postern::access::Role;
use reqwest::multipart::{Form, Part};

on_both!(
    a_list_is_checked_then_imported_and_nobody_twice,
    good_lines_go_in_and_the_others_come_back,
    what_a_column_is_can_be_changed_and_is_remembered,
    a_corrected_list_fills_what_was_empty_and_shows_the_rest,
    a_number_under_another_name_is_a_question,
    a_file_is_read_as_if_it_had_been_pasted,
    a_spreadsheet_is_read_by_a_process_of_its_own,
);

/// The page after a file was chosen on it.
async fn upload(user: &Actor, file: Part) -> (u16, Page) {
    let request = user.http.post(format!("{}/patients/import", user.origin)).header("origin", &user.origin);
    let request = request.header("x-whose", user.whose("/patients/import").await);
    let response = request.multipart(Form::new().part("file", file)).send().await.unwrap();
    let status = response.status().as_u16();
    (status, Page::parse(&response.text().await.unwrap()))
}

async fn a_list_is_checked_then_imported_and_nobody_twice(app: App) {
    app.patient(Like::default()).await; // María Mejía, 943 476 5919
    let user = app.user(Role::Staff).await;
    let page = user.get("/patients/import").await.ok();
    let list = "Chart number,First name,Last name,DOB,PHN,Email,Shoe size\n\
        7,Maria,Mejia,1951-03-04,9434765919,,39\n8,Ann,Roy,1980-02-29,,ann@example.org,38\n9,Ann,Roy,1980-02-28,,,37\n";
    let checked = user.submit(&page, "Check the list", &[("list", list)]).await.ok();
    assert!(checked.has_text("2 patients will be added"), "{}", checked.text());
    assert!(checked.has_text("1 is here already."));
    assert!(checked.has_text("Columns that are left out: Shoe size"));
    assert!(user.get("/patients?q=roy").await.ok().has_text("No patient found"), "checking changes nothing");
    let to = user.submit(&checked, "Import", &[]).await.redirect();
    assert!(user.get(&to).await.ok().has_text("The patients were imported."));
    assert_eq!(user.get("/patients?q=roy").await.ok().count("a.item"), 2);
    // the same list again adds nobody, not even under another chart number with the same name and birth date
    for list in [list, &list.replace("\n8,", "\n88,")] {
        let page = user.get("/patients/import").await.ok();
        let checked = user.submit(&page, "Check the list", &[("list", list)]).await.ok();
        assert!(checked.has_text("0 patients will be added"), "{}", checked.text());
        user.submit(&checked, "Import", &[]).await.redirect();
    }
    assert_eq!(user.get("/patients?q=roy").await.ok().count("a.item"), 2);
    assert_eq!(user.get("/patients?q=mejia").await.ok().count("a.item"), 1);
}

async fn good_lines_go_in_and_the_others_come_back(app: App) {
    let user = app.user(Role::Owner).await;
    let page = user.get("/patients/import").await.ok();
    let list = "nom,dob,courriel\nRoy,1980-02-29,declined\nKim,yesterday <b>,\n";
    let checked = user.submit(&page, "Check the list", &[("list", list)]).await.ok();
    assert!(checked.has_text("Line 3: the date of birth is missing, or is no date"), "{}", checked.text());
    assert!(checked.has_text("courriel (line 2): there is no value"), "{}", checked.text());
    let pasted = |page: &Page, button: &str| page.form_with(button).value("list").unwrap();
    assert!(pasted(&checked, "Check the list").contains("yesterday <b>"), "what was pasted stays");
    let rest = user.submit(&checked, "Download these lines as a list", &[]).await;
    assert_eq!((rest.status, rest.body.as_str()), (200, "\u{feff}nom,dob,courriel\r\nKim,yesterday <b>,\r\n"));
    let after = user.submit(&checked, "Import the good lines", &[]).await.ok();
    assert!(after.has_text("1 patient was added"), "{}", after.text());
    let left = pasted(&after, "Check the list");
    assert!(!left.contains("Roy") && left.contains("Kim"));
    assert_eq!(user.get("/patients?q=roy").await.ok().count("a.item"), 1);
    // the lines that are corrected in the text area are imported too
    let corrected = left.replace("yesterday <b>", "1980-03-01");
    let checked = user.submit(&after, "Check the list", &[("list", &corrected)]).await.ok();
    user.submit(&checked, "Import", &[]).await.redirect();
    assert_eq!(user.get("/patients?q=kim").await.ok().count("a.item"), 1);
    // a confirmation of a list without a good line imports nothing
    let answer = user.post("/patients/import", &[("list", "nom,dob\nKim,x\n"), ("confirmed", "1")]).await;
    assert_eq!(answer.status, 422);
    let viewer = app.user(Role::Viewer).await;
    let fine = [("list", "nom,dob\nRoy,1980-02-29\n"), ("confirmed", "1")];
    assert_eq!(viewer.post("/patients/import", &fine).await.status, 403);
}

async fn what_a_column_is_can_be_changed_and_is_remembered(app: App) {
    let user = app.user(Role::Staff).await;
    let page = user.get("/patients/import").await.ok();
    let list = "Alpha,Beta,Gamma,Phone,Cell\nRoy,Ann,03/04/1951,514-555-0142,514-555-0143\n";
    let answer = user.submit(&page, "Check the list", &[("list", list)]).await;
    assert_eq!(answer.status, 422);
    let page = answer.page();
    assert!(page.has_text("514-555-0142"), "each column shows its values");
    let columns = [
        ("column-0", "family_name"),
        ("column-1", "given_name"),
        ("column-2", "birth_date"),
        ("column-3", "phone"),
        ("column-4", ""),
    ];
    let answer = user.submit(&page, "Check the list", &columns).await;
    assert!(answer.page().has_text("03/04 can be in March or in April"), "{}", answer.page().text());
    let checked = user.submit(&answer.page(), "Check the list", &[("dates", "month_first")]).await.ok();
    assert!(checked.has_text("1 patient will be added") && checked.has_text("Columns that are left out: Cell"));
    user.submit(&checked, "Import", &[]).await.redirect();
    let found = user.get("/patients?q=roy+1951-03-04+0142").await.ok();
    assert_eq!(found.count("a.item"), 1);
    // the next list with these headers is read without asking
    let page = user.get("/patients/import").await.ok();
    let next = "Alpha,Beta,Gamma,Phone,Cell\nKim,Lee,05/06/1960,514-555-0144,\n";
    let checked = user.submit(&page, "Check the list", &[("list", next)]).await.ok();
    user.submit(&checked, "Import", &[]).await.redirect();
    assert_eq!(user.get("/patients?q=kim+1960-05-06").await.ok().count("a.item"), 1);
    // the meaning of columns that nobody changed is found again in each list: an empty column may be full next time
    for list in [
        "Nom,DDN,Courriel,Email\nCho,1960-05-07,,a@example.org\n",
        "Nom,DDN,Courriel,Email\nDoe,1960-05-08,b@example.org,\n",
    ] {
        let page = user.get("/patients/import").await.ok();
        let checked = user.submit(&page, "Check the list", &[("list", list)]).await.ok();
        user.submit(&checked, "Import", &[]).await.redirect();
    }
    assert_eq!(user.get("/patients?q=b@example.org").await.ok().count("a.item"), 1);
}

async fn a_corrected_list_fills_what_was_empty_and_shows_the_rest(app: App) {
    let user = app.user(Role::Staff).await;
    for (list, told) in [
        ("no de dossier,nom,prenom,ddn,courriel,cell\n1,Roy,Ann,1980-02-29,,\n", "1 patient will be added"),
        (
            "no de dossier,nom,prenom,ddn,courriel,cell\n1,Roy,Anna,1980-02-29,ann@example.org,514-555-0142\n",
            "1 of them gets what was empty",
        ),
    ] {
        let page = user.get("/patients/import").await.ok();
        let checked = user.submit(&page, "Check the list", &[("list", list)]).await.ok();
        assert!(checked.has_text(told), "{}", checked.text());
        if list.contains("Anna") {
            assert!(checked.has_text("Given name, here “Ann”, in the list “Anna”"), "{}", checked.text());
        }
        user.submit(&checked, "Import", &[]).await.redirect();
    }
    let found = user.get("/patients?q=ann@example.org").await.ok();
    let path = found
        .links()
        .into_iter()
        .map(|link| link.href)
        .find(|path| path.starts_with("/patients/") && path.ends_with(|c: char| c.is_ascii_digit()));
    let form = user.get(&format!("{}/information", path.unwrap())).await.ok().form_with("Save");
    assert_eq!(form.value("phone").as_deref(), Some("+1 514-555-0142"));
    assert_eq!(form.value("given_name").as_deref(), Some("Ann"), "what the clinic has stays");
}

async fn a_number_under_another_name_is_a_question(app: App) {
    let user = app.user(Role::Staff).await;
    let headers = "Chart #,Last,First,DOB,HIN,Email";
    let check = async |lines: &str| {
        let page = user.get("/patients/import").await.ok();
        user.submit(&page, "Check the list", &[("list", &format!("{headers}\n{lines}\n"))]).await.ok()
    };
    let first = check("7,Abraham,Jonathan,1951-03-04,1234567897,").await;
    user.submit(&first, "Import", &[]).await.redirect();
    // the same health number, or the same chart number, with the same birth date
    for line in ["8,Smith,Jane,1951-03-04,1234567897,jane@example.org", "7,Smith,Jane,1951-03-04,,jane@example.org"] {
        let checked = check(line).await;
        assert!(checked.has_text("this may be a patient who is here already"), "{}", checked.text());
        user.submit(&checked, "Import the good lines", &[]).await.ok();
        assert_eq!(user.get("/patients?q=jane@example.org").await.ok().count("a.item"), 0, "nobody's record changes");
    }
    // another family name after a marriage
    let checked = check("7,Roy,Jonathan,1951-03-04,1234567897,jon@example.org").await;
    assert!(checked.has_text("1 of them gets what was empty"), "{}", checked.text());
    user.submit(&checked, "Import", &[]).await.redirect();
    assert_eq!(user.get("/patients?q=jon@example.org").await.ok().count("a.item"), 1);
}

async fn a_file_is_read_as_if_it_had_been_pasted(app: App) {
    let user = app.user(Role::Staff).await;
    let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"list.csv\"\r\n\r\n\
        Nom;DDN\nB\u{e9}langer;1951-03-04\n\r\n--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("origin", &*user.origin)];
    let checked = user.send("POST", "/patients/import", &headers, body).await.ok();
    assert!(checked.has_text("1 patient will be added"), "{}", checked.text());
    user.submit(&checked, "Import", &[]).await.redirect();
    assert_eq!(user.get("/patients?q=belanger").await.ok().count("a.item"), 1);
    let broken =
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.xlsx\"\r\n\r\nPK\u{3}\u{4}\r\n--b--\r\n";
    let answer = user.send("POST", "/patients/import", &headers, broken).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().has_text("the file is no list that can be read"));
}

async fn a_spreadsheet_is_read_by_a_process_of_its_own(app: App) {
    let user = app.user(Role::Staff).await;
    let rows: [&[&str]; 4] = [
        &["Patients of the clinic"],
        &["Name", "DOB", "Cell"],
        &["Smith, Jane", "date:18691", "5145550142"],
        &["Ann Roy", "18691", ""],
    ];
    let part = Part::bytes(xlsx(&rows)).file_name("list.xlsx");
    let (status, checked) = upload(&user, part).await;
    assert_eq!(status, 200, "{}", checked.text());
    assert!(checked.has_text("2 patients will be added"), "{}", checked.text());
    assert!(checked.has_text("Lines that hold no patient: 1"));
    assert!(checked.has_text("one word of each was taken for the family name"));
    user.submit(&checked, "Import", &[]).await.redirect();
    assert_eq!(user.get("/patients?q=smith+1951-03-04").await.ok().count("a.item"), 1);
    let names = [&["Nom", "Prénom"][..], &["Roy", "Ann"]];
    let (status, answer) = upload(&user, Part::bytes(xlsx(&names)).file_name("a.xlsx")).await;
    assert_eq!(status, 422);
    assert!(answer.has_text("there must be columns for the name and the date of birth"), "{}", answer.text());
}
