//! Who may do what, as one picture: a change of a right has to change this picture.

use postern::access::{Action, Role};

const EXPECTED: &str = "
              owner clinician staff viewer
read          yes   yes       yes   yes
send          yes   yes       yes   -
send_many     yes   yes       -     -
close         yes   yes       yes   -
edit_patients yes   yes       yes   -
notify        yes   yes       yes   -
templates     yes   yes       -     -
settings      yes   -         -     -
users         yes   -         -     -
audit         yes   -         -     -
records       yes   -         -     -
";

#[test]
fn every_role_has_the_rights_of_the_table() {
    let row = |name: &str, words: Vec<&str>| {
        let cells = Role::ALL.iter().zip(words).map(|(role, word)| format!("{word:<0$}", role.as_str().len() + 1));
        format!("{:<14}{}", name, cells.collect::<String>()).trim_end().to_owned() + "\n"
    };
    let mut table = "\n".to_owned() + &row("", Role::ALL.iter().map(|role| role.as_str()).collect());
    for action in Action::ALL {
        let may = Role::ALL.iter().map(|role| if role.may(*action) { "yes" } else { "-" });
        table += &row(action.as_str(), may.collect());
    }
    assert_eq!(table, EXPECTED, "{table}");
}
