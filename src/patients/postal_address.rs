//! Where a letter reaches a patient. It stays with the record that it was entered in: who reads it also asks the records that
//! were merged into that one.

use super::record::merged_records;
use crate::access::{ChartAccess, rights};
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

/// The address of a record, or of one that was merged into it.
pub fn postal_address(conn: &mut Conn, patient: PatientId) -> QueryResult<Option<PostalAddress>> {
    let all = merged_records(conn, patient)?;
    type Row = (PatientId, Opened, Opened, Opened, Opened, Opened);
    let rows: Vec<Row> = a::table
        .filter(a::patient_id.eq_any(all))
        .order(a::changed_at.desc())
        .select((a::patient_id, a::street, a::city, a::region, a::postal_code, a::country))
        .load(conn)?;
    let own = rows.iter().position(|row| row.0 == patient).unwrap_or(0);
    Ok(rows.into_iter().nth(own).map(|(_, street, city, region, postal_code, country)| PostalAddress {
        street: street.into(),
        city: city.into(),
        region: region.into(),
        postal_code: postal_code.into(),
        country: country.into(),
    }))
}

/// Stores the address of a record; `None` takes it away, also from the records that were merged into this one. The caller holds
/// the record, see [`crate::access::held`].
pub fn set_postal_address(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    address: Option<&PostalAddress>,
) -> QueryResult<()> {
    let patient = access.patient();
    match address {
        None => {
            let all = merged_records(tx, patient)?;
            diesel::delete(a::table.filter(a::patient_id.eq_any(all))).execute(tx.conn())?;
        }
        Some(address) => {
            let set = (
                (a::street.eq(sealed::text(&address.street)), a::city.eq(sealed::text(&address.city))),
                (a::region.eq(sealed::text(&address.region)), a::postal_code.eq(sealed::text(&address.postal_code))),
                (a::country.eq(sealed::text(&address.country)), a::changed_at.eq(now)),
            );
            let insert = diesel::insert_into(a::table).values((a::patient_id.eq(patient), set.clone()));
            Both(insert.on_conflict(a::patient_id).do_update().set(set)).execute(tx.conn())?;
        }
    }
    let entry = Entry::of_patient(Actor::User(access.user().id()), Event::PatientChanged, patient, Subject::None);
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
