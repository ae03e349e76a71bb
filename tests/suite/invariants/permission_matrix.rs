//! Who may do what, as one picture: a change of the table must change this too.

use postern::access::{Action, Role};

const TABLE: &str = "action        owner      clinician  staff      viewer
read          yes        yes        yes        yes
send          yes        yes        yes        -
close         yes        yes        yes        -
edit_patients yes        yes        yes        -
notify        yes        yes        yes        -
settings      yes        -          -          -
users         yes        -          -          -
audit         yes        -          -          -
";

#[test]
fn the_table_is_as_agreed() {
    let mut table = format!("{:14}", "action");
    table += &Role::ALL.iter().map(|role| format!("{:11}", role.as_str())).collect::<String>();
    table = format!("{}\n", table.trim_end());
    for action in Action::ALL {
        let cells = Role::ALL.iter().map(|role| format!("{:11}", if role.may(*action) { "yes" } else { "-" }));
        let line = format!("{:14}{}", action.as_str(), cells.collect::<String>());
        table += &format!("{}\n", line.trim_end());
    }
    assert_eq!(table, TABLE, "\n{table}");
}
