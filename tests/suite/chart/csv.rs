//! Lists of patients: headers in either language, whatever separates the columns; errors by line; nobody twice.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;
use postern::patients::Method;
use postern::patients::csv_list::{ListOptions, PatientList, Problem, read_list};
use postern::text::Lang;

on_both!(a_list_is_checked_then_imported_and_nobody_twice, a_wrong_list_is_not_imported_at_all);

fn read(text: &[u8]) -> PatientList {
    let now = crate::support::app::start_of_time();
    let options = ListOptions { calling_code: "1".into(), language: Lang::find("fr").unwrap(), now, most: 5 };
    read_list(text, &options)
}

fn problems(list: &PatientList) -> Vec<(u64, Problem)> {
    list.errors.iter().map(|e| (e.line, e.problem)).collect()
}

#[test]
fn headers_in_english_and_french_in_any_order_and_separation() {
    let english = "\u{feff}Date of Birth,LAST NAME,First name,E-mail,Cell phone,Language,Notification method,PHN,Shoe size,Preferred name\r\n\
        1951-03-04,\"Mejía, de\",María Luisa,maria@example.org,613 555 0121,English,email,943 476 5919,39,Marilú\r\n";
    let list = read(english.as_bytes());
    assert_eq!((problems(&list), list.ignored_columns), (vec![], 1));
    let d = &list.patients[0].demographics;
    assert_eq!((d.given_name.as_str(), d.family_name.as_str()), ("María Luisa", "Mejía, de"));
    assert_eq!(d.birth_date.iso(), "1951-03-04");
    assert_eq!(d.phone.as_ref().unwrap().as_str(), "+16135550121");
    assert_eq!(d.email.as_ref().unwrap().as_str(), "maria@example.org");
    assert_eq!((d.health_number.as_deref(), d.preferred_name.as_deref()), (Some("943 476 5919"), Some("Marilú")));
    assert_eq!((d.language.as_str(), d.method), ("en", Method::Email));

    let french = "Nom de famille;Prénom(s);Date de naissance;Courriel;Cellulaire;Langue;Numéro d’assurance maladie;Mode de notification\n\
        Tremblay;Élodie;1980/02/29;;;Français;TREE 8002 2914;les deux\n;;;;;;;\n";
    let list = read(french.as_bytes());
    assert_eq!((problems(&list), list.ignored_columns, list.patients.len()), (vec![], 0, 1));
    let d = &list.patients[0].demographics;
    assert_eq!((d.family_name.as_str(), d.method, d.email.is_none()), ("Tremblay", Method::Both, true));

    let pasted = "Surname\tDOB\nRoy\t2001-01-31\nKim\t1999-12-01\n";
    let list = read(pasted.as_bytes());
    assert_eq!((list.patients.len(), list.patients[1].line), (2, 3));
    assert_eq!(list.patients[0].demographics.language, "fr", "the clinic's, where none is given");
}

#[test]
fn what_is_wrong_is_told_by_line() {
    use Problem as P;
    let text = "id,nom,dob,email,tel,langue,mode de notification,phn\n\
        1,Roy,1980-02-30,,,,,\n\
        2,,1980-02-28,,,,,\n\
        3,Kim,1980-02-28,kim at home,123,xx,pigeon,\n\
        4,Kim,1980-02-28,,,,,A 1\n\
        5,Other,1980-02-28,,,,,a1\n\
        4,Third,1980-02-28,,,,,\n\
        7,Kim,1980-02-28,,,,,,,extra\n";
    let expected = vec![
        (2, P::BirthDate),
        (3, P::FamilyName),
        (4, P::Email),
        (4, P::Phone),
        (4, P::Language),
        (4, P::Method),
        (6, P::Repeated),
        (7, P::Repeated),
        (8, P::Fields),
    ];
    assert_eq!(problems(&read(text.as_bytes())), expected);
    assert_eq!(problems(&read(b"")), [(1, P::Headers)]);
    assert_eq!(problems(&read(b"name\nRoy\n")), [(1, P::Headers)]);
    assert_eq!(problems(&read(b"nom,dob\n")), [(1, P::Empty)]);
    assert_eq!(problems(&read(b"nom,dob,surname\nRoy,1980-02-28,x\n")), [(1, P::Twice)]);
    assert_eq!(problems(&read(b"nom,dob\nRoy,1980-02-28\nM\xe9,1980-02-28\n")), [(3, P::Encoding)]);
    let many: String = (0..7).map(|n| format!("N{n},1980-02-28\n")).collect();
    assert_eq!(problems(&read(format!("nom,dob\n{many}").as_bytes())), [(7, P::TooMany)]);
    let long = format!("nom,dob\n{},1980-02-28\n", "x".repeat(201));
    assert_eq!(problems(&read(long.as_bytes())), [(2, P::TooLong)]);
    for end in ["\n", "\r\n", "\r"] {
        let lines = ["nom,dob", "Roy,1980-02-28", "", "Kim,x"].join(end);
        assert_eq!(problems(&read(lines.as_bytes())), [(4, P::BirthDate)], "{end:?}");
    }
    // the moment is 14:02 UTC: today is 5 March 2026 where days begin first, and nobody is born later
    let born = b"nom,dob\nRoy,2026-03-05\nKim,2026-03-06\nLee,1799-12-31\n";
    assert_eq!(problems(&read(born)), [(3, P::BirthDate), (4, P::BirthDate)]);
    // quotation marks over lines, and ones that never close
    let quoted = "nom,dob\n\"Roy\nLee\",1980-02-28\nKim,x\n";
    assert_eq!(problems(&read(quoted.as_bytes())), [(4, P::BirthDate)]);
    assert_eq!(problems(&read(b"nom,dob\n\"Roy,1980-02-28\n")), [(2, P::BirthDate)]);
}

async fn a_list_is_checked_then_imported_and_nobody_twice(app: App) {
    app.patient(Like::default()).await; // María Mejía, 943 476 5919
    let user = app.user(Role::Staff).await;
    let page = user.get("/patients/import").await.ok();
    let list = "Chart number,First name,Last name,DOB,PHN,Email\n\
        7,Maria,Mejia,1951-03-04,9434765919,\n8,Ann,Roy,1980-02-29,,ann@example.org\n9,Ann,Roy,1980-02-28,,\n";
    let checked = user.submit(&page, "Check the list", &[("list", list)]).await.ok();
    assert!(checked.has_text("2 patients will be added"), "{}", checked.text());
    assert!(checked.has_text("1 is here already and stays as it is"));
    assert!(user.get("/patients?q=roy").await.ok().has_text("No patient found"), "checking changes nothing");
    let to = user.submit(&checked, "Import", &[]).await.redirect();
    assert!(user.get(&to).await.ok().has_text("The patients were imported."));
    assert_eq!(user.get("/patients?q=roy").await.ok().count("a.item"), 2);
    // again: nobody twice, also not under another number with the same name and birth date
    for list in [list, &list.replace("\n8,", "\n88,")] {
        let page = user.get("/patients/import").await.ok();
        let checked = user.submit(&page, "Check the list", &[("list", list)]).await.ok();
        assert!(checked.has_text("0 patients will be added"), "{}", checked.text());
        user.submit(&checked, "Import", &[]).await.redirect();
    }
    assert_eq!(user.get("/patients?q=roy").await.ok().count("a.item"), 2);
    assert_eq!(user.get("/patients?q=mejia").await.ok().count("a.item"), 1);
}

async fn a_wrong_list_is_not_imported_at_all(app: App) {
    let user = app.user(Role::Owner).await;
    let page = user.get("/patients/import").await.ok();
    let list = "nom,dob\nRoy,1980-02-29\nKim,yesterday <b>\n";
    let answer = user.submit(&page, "Check the list", &[("list", list)]).await;
    assert_eq!(answer.status, 422);
    let page = answer.page();
    assert!(page.has_text("Line 3: the date of birth must be written like 1951-03-04"), "{}", page.text());
    assert!(page.text_of("textarea").contains("yesterday <b>"), "what was pasted stays");
    // a confirmation cannot be forged over an error
    let answer = user.post("/patients/import", &[("list", list), ("confirmed", "1")]).await;
    assert_eq!(answer.status, 422);
    assert!(user.get("/patients?q=roy").await.ok().has_text("No patient found"));
    let viewer = app.user(Role::Viewer).await;
    let fine = [("list", "nom,dob\nRoy,1980-02-29\n"), ("confirmed", "1")];
    assert_eq!(viewer.post("/patients/import", &fine).await.status, 403);
}
