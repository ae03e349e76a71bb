//! Where a letter reaches a patient. It stays with the record that it was entered in: who reads it also asks the records that
//! were merged into that one. A user writes it, or a source says it; what a user wrote or took away, no source changes, and what one
//! source said, no other.

use super::record::merged_records;
use super::sources;
use crate::access::{Authority, ChartAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::postal_addresses as a;
use crate::db::sealed::{self, Opened};
use crate::db::{Both, Conn, PatientId, Ts, Tx};
use diesel::prelude::*;

/// A postal address, as people write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostalAddress {
    /// street and number, apartment, care of: one to three lines
    pub street: String,
    /// town
    pub city: String,
    /// province or state; may be empty
    pub region: String,
    /// postal code
    pub postal_code: String,
    /// country; empty: the clinic's own
    pub country: String,
}

impl PostalAddress {
    /// The most lines of a street.
    pub const MOST_LINES: usize = 3;
    /// The longest line, in characters: more does not fit into the window of an envelope.
    pub const LONGEST: usize = 60;

    /// The lines below the name, in the order of Canada Post: two spaces between province and postal code, and the country last,
    /// in capitals.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.street.lines().map(str::to_owned).collect();
        let place = if self.region.is_empty() { self.city.clone() } else { format!("{} {}", self.city, self.region) };
        lines.push(format!("{place}  {}", self.postal_code));
        lines.extend(Some(self.country.to_uppercase()).filter(|country| !country.is_empty()));
        lines
    }

    /// What stands on a letter to someone of this name: the name, and the lines below it.
    pub fn recipient(&self, name: String) -> Vec<String> {
        std::iter::once(name).chain(self.lines()).collect()
    }
}

/// A postal code as it is printed: a Canadian one in capitals, with its space.
pub fn postal_code(typed: &str) -> String {
    let bare: Vec<char> = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let fits = |at: usize, c: &char| if at.is_multiple_of(2) { c.is_ascii_alphabetic() } else { c.is_ascii_digit() };
    let is_canadian = bare.len() == 6 && bare.iter().enumerate().all(|(at, c)| fits(at, c));
    match is_canadian {
        true => {
            let capitals = |part: &[char]| part.iter().map(char::to_ascii_uppercase).collect::<String>();
            format!("{} {}", capitals(&bare[..3]), capitals(&bare[3..]))
        }
        false => typed.to_owned(),
    }
}

/// What is stored of an address, and by whom.
struct Held {
    address: PostalAddress,
    /// the row of `patient_sources` whose record said it; `None`: a user wrote it, or took it away
    said_by: Option<i64>,
    taken_away: bool,
}

/// The address that counts for a record: its own, else the newest of a record that was merged into it, else that one was taken
/// away. One that a source said counts as long as this chart has the source's record: a merge that is undone leaves none behind.
fn held(conn: &mut Conn, patient: PatientId) -> QueryResult<Option<Held>> {
    let all = merged_records(conn, patient)?;
    type Row = (PatientId, (Opened, Opened, Opened, Opened, Opened), Option<i64>, bool);
    let rows: Vec<Row> = a::table
        .filter(a::patient_id.eq_any(all))
        .order(a::changed_at.desc())
        .select((a::patient_id, (a::street, a::city, a::region, a::postal_code, a::country), a::said_by, a::taken_away))
        .load(conn)?;
    let has_sources = rows.iter().any(|(_, _, said_by, _)| said_by.is_some());
    let sources = if has_sources { sources::rows_of(conn, patient)? } else { Vec::new() };
    let mut rows: Vec<Row> =
        rows.into_iter().filter(|(_, _, said_by, _)| said_by.is_none_or(|row| sources.contains(&row))).collect();
    let is_there = |(.., taken_away): &Row| !*taken_away;
    let own = rows.iter().position(|row| row.0 == patient && is_there(row));
    let Some(counts) = own.or_else(|| rows.iter().position(is_there)).or((!rows.is_empty()).then_some(0)) else {
        return Ok(None);
    };
    let (_, (street, city, region, postal_code, country), said_by, taken_away) = rows.swap_remove(counts);
    let address = PostalAddress {
        street: street.into(),
        city: city.into(),
        region: region.into(),
        postal_code: postal_code.into(),
        country: country.into(),
    };
    Ok(Some(Held { address, said_by, taken_away }))
}

/// The address of a record, or of one that was merged into it.
pub fn postal_address(conn: &mut Conn, patient: PatientId) -> QueryResult<Option<PostalAddress>> {
    Ok(held(conn, patient)?.filter(|held| !held.taken_away).map(|held| held.address))
}

/// Stores what stands on a record; `None`: it was taken away.
fn store(
    tx: &mut Tx,
    now: Ts,
    patient: PatientId,
    address: Option<&PostalAddress>,
    said_by: Option<i64>,
) -> QueryResult<()> {
    let (none, taken_away) = (PostalAddress::default(), address.is_none());
    let address = address.unwrap_or(&none);
    let set = (
        (a::street.eq(sealed::text(&address.street)), a::city.eq(sealed::text(&address.city))),
        (a::region.eq(sealed::text(&address.region)), a::postal_code.eq(sealed::text(&address.postal_code))),
        (a::country.eq(sealed::text(&address.country)), a::changed_at.eq(now)),
        (a::said_by.eq(said_by), a::taken_away.eq(taken_away)),
    );
    let insert = diesel::insert_into(a::table).values((a::patient_id.eq(patient), set.clone()));
    Both(insert.on_conflict(a::patient_id).do_update().set(set)).execute(tx.conn()).map(drop)
}

/// Stores the address of a record; `None` takes it away, also from the records that were merged into this one. What is as it was
/// stays whose it was. The caller holds the record, see [`crate::access::held`].
pub fn set_postal_address(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    address: Option<&PostalAddress>,
) -> QueryResult<()> {
    let patient = access.patient();
    let is_as_before = match (held(tx, patient)?, address) {
        (Some(before), Some(address)) => !before.taken_away && before.address == *address,
        (before, address) => before.is_none() && address.is_none(),
    };
    if !is_as_before {
        if address.is_none() {
            let all = merged_records(tx, patient)?;
            diesel::delete(a::table.filter(a::patient_id.eq_any(all))).execute(tx.conn())?;
        }
        store(tx, now, patient, address, None)?;
    }
    let entry = Entry::of_patient(Actor::User(access.user().id()), Event::PatientChanged, patient, Subject::None);
    audit::append(tx, now, entry.with("postal_address"))
}

/// Follows the address that a source says, where the record has none or the same source said the one that it has. `false`: it has
/// another one, which stays. `said_by` is the row of `patient_sources`. The caller holds the record, see [`crate::access::held`].
pub fn follow_postal_address(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::EditPatients>,
    (patient, said_by): (PatientId, i64),
    address: &PostalAddress,
) -> QueryResult<bool> {
    match held(tx, patient)? {
        Some(held) if !held.taken_away && held.address == *address => return Ok(true),
        Some(held) if held.said_by != Some(said_by) => return Ok(false),
        _ => store(tx, now, patient, Some(address), Some(said_by))?,
    }
    let entry = Entry::of_patient(by.user().into(), Event::PatientChanged, patient, Subject::None);
    audit::append(tx, now, entry.with("postal_address"))?;
    Ok(true)
}

/// Takes away the address that a source said, after it said that it has ended. `said_by` is the row of `patient_sources`. The caller
/// holds the record, see [`crate::access::held`].
pub fn drop_said_address(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::EditPatients>,
    (patient, said_by): (PatientId, i64),
) -> QueryResult<()> {
    let all = merged_records(tx, patient)?;
    let said = a::table.filter(a::patient_id.eq_any(all)).filter(a::said_by.eq(said_by));
    if diesel::delete(said).execute(tx.conn())? == 0 {
        return Ok(());
    }
    let entry = Entry::of_patient(by.user().into(), Event::PatientChanged, patient, Subject::None);
    audit::append(tx, now, entry.with("postal_address"))
}

#[cfg(test)]
mod tests {
    use super::{PostalAddress, postal_code};

    #[test]
    fn a_canadian_postal_code_is_printed_as_the_post_reads_it() {
        for (typed, printed) in [
            ("k1a0b1", "K1A 0B1"),
            ("H2X 1Y4", "H2X 1Y4"),
            ("h2x-1y4", "H2X 1Y4"),
            ("75001", "75001"),
            ("SW1A 2AA", "SW1A 2AA"),
            ("ééé 1", "ééé 1"),
        ] {
            assert_eq!(postal_code(typed), printed);
        }
    }

    #[test]
    fn the_lines_are_those_of_an_envelope() {
        let address = PostalAddress {
            street: "Apt 4\n12 Elm Street".into(),
            city: "Ottawa".into(),
            region: "ON".into(),
            postal_code: "K1A 0B1".into(),
            country: String::new(),
        };
        assert_eq!(address.lines(), ["Apt 4", "12 Elm Street", "Ottawa ON  K1A 0B1"]);
        let abroad = PostalAddress { region: String::new(), country: "France".into(), ..address };
        assert_eq!(abroad.lines(), ["Apt 4", "12 Elm Street", "Ottawa  K1A 0B1", "FRANCE"]);
    }
}
