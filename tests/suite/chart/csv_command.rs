//! `postern import` of lists: what is imported, and that everything that is not is named.

use crate::on_both;
use crate::support::app::App;
use crate::support::program::database_url;
use postern::access::Role;
use std::path::Path;
use std::process::Command;

on_both!(the_command_names_what_it_leaves_out);

/// Runs the command on a clinic; gives what it printed, and whether it succeeded.
fn import(app: &App, arguments: &[&str], folder: &Path) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.arg("import").args(arguments).current_dir(folder);
    let settings = [
        ("POSTERN_PUBLIC_URL", "https://messages.example.org"),
        ("POSTERN_SMTP_HOST", "mail.example.org"),
        ("POSTERN_SMTP_FROM", "messages@example.org"),
        ("POSTERN_LOG", "error"),
    ];
    command.envs(settings).env("POSTERN_DATABASE_URL", database_url(&app.state.config.database));
    let output = command.env("POSTERN_STORAGE_FOLDER", &app.state.config.files.folder).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.success())
}

async fn the_command_names_what_it_leaves_out(app: App) {
    let user = app.user(Role::Staff).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let headers =
        "demographic_no,last_name,first_name,phone,phone2,email,year_of_birth,month_of_birth,date_of_birth,hin,ver,sex";
    write(
        "oscar.csv",
        &format!(
            "{headers}\n101,ABRAHAM,JOHN,705-555-0101,705-555-0109,john@example.org,1951,03,04,1234567897,AB,M\n\
             102,ROY,ANN,x45,,declined,1960,02,30,,,F\n103,KIM,LEE,,,declined,1960,02,03,,,F\n"
        ),
    );
    let (said, good) = import(&app, &["--dry-run", "oscar.csv"], folder.path());
    assert!(good, "{said}");
    for told in [
        "column \"phone2\" is left out",
        "column \"sex\" is left out",
        "line 3 is left out: the date of birth is missing, or is no date",
        "line 4, column \"email\" is left out: there is no value, only words that say so",
        "would add 2 patients, 0 known already, 0 of them filled in, 1 lines left out",
        "patients: 2 new, 0 known",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(!said.contains("ABRAHAM") && !said.contains("john@"), "no word of a patient: {said}");
    let (said, good) = import(&app, &["--left-out", ".", "oscar.csv"], folder.path());
    assert!(good && said.contains("added 2 patients"), "{said}");
    let rest = std::fs::read_to_string(folder.path().join("oscar.left-out.csv")).unwrap();
    assert!(rest.starts_with(&format!("\u{feff}{headers}\r\n102,ROY,ANN,")), "a spreadsheet opens it: {rest}");
    // the corrected file is imported, and fills what was empty
    write(
        "rest.csv",
        &rest.replace("x45", "705-555-0102").replace(",30,", ",29,").replace("declined", "ann@example.org"),
    );
    let (said, good) = import(&app, &["rest.csv"], folder.path());
    assert!(good && said.contains("added 1 patients"), "{said}");
    write("later.csv", "Chart #;Nom;Prénom;DDN;Cell\n103;Kim;Lee;03/02/1960;705-555-0103\n");
    let (said, good) = import(&app, &["later.csv"], folder.path());
    assert!(
        !good && said.contains("line 1: 03/04 can be in March or in April; say what comes first by --dates"),
        "{said}"
    );
    let (said, good) = import(&app, &["--dates", "day_first", "later.csv"], folder.path());
    assert!(good && said.contains("line 2: what was empty is filled in: phone"), "{said}");
    assert_eq!(user.get("/patients?q=kim+0103").await.ok().count("a.item"), 1);
    assert_eq!(user.get("/patients?q=roy+1960-02-29+0102").await.ok().count("a.item"), 1);
    write("bare.csv", "Roy,Bo,1951-03-04\n");
    let (said, good) = import(&app, &["bare.csv"], folder.path());
    assert!(!good && said.contains("there is no line of headers"), "{said}");
}
