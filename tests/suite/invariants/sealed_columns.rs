//! Text of patients is sealed: each column of text or bytes is sealed, or stands here with the reason why not.

use super::{project, read};
use postern::db::sealed::PLACES;
use std::collections::{BTreeMap, BTreeSet};

/// The columns that are not sealed, and why. A table's name with `.*` stands for its other columns.
const CLEAR: &[(&str, &str)] = &[
    ("clinic.cookie_key", "sealed as bytes, by `sealed::secret`"),
    ("clinic.*", "what the clinic says of itself, on pages that anybody sees"),
    ("clinic_images.*", "the clinic's own pictures, which anybody sees"),
    ("absences.*", "days"),
    ("closed_days.*", "the clinic's own words for its holidays"),
    ("answer_promise.*", "a word of the program"),
    ("key_renewals.*", "a word of the program"),
    ("sealing_keys.*", "ids of keys, which tell nothing of them"),
    ("users.*", "people of the clinic; passwords are hashed"),
    ("password_links.*", "hashes, and words of the program"),
    ("account_mails.*", "mail to people of the clinic about their accounts"),
    ("known_devices.*", "hashes"),
    ("authenticator_apps.*", "sealed as bytes, by `users::Vault`"),
    ("authenticator_setups.*", "sealed as bytes, by `users::Vault`"),
    ("recovery_codes.*", "hashes"),
    ("pending_sign_ins.*", "hashes"),
    ("passkeys.*", "public keys, and names that people of the clinic give them"),
    ("passkey_challenges.*", "random, and gone in ten minutes"),
    ("provider_links.*", "names of people of the clinic at their identity provider: found by them"),
    ("provider_visits.*", "hashes, words of the program, and an address of ours, gone in twenty minutes"),
    ("emr_links.*", "names of people of the clinic at its EMRs: found by them"),
    ("emr_newcomers.*", "the same, and a hash, gone in thirty minutes"),
    ("emr_sources.*", "names of the configuration, and words of the program"),
    ("emr_writes.*", "names of the configuration, addresses and identifiers at the EMR, and words of the program"),
    ("patients.*", "who they are and how they are reached: found and sorted by it"),
    ("caregivers.*", "who they are and how they are reached: as in `patients`"),
    ("patient_identifiers.*", "numbers of patients: found by them"),
    ("patient_sources.*", "ids in the source: found by them"),
    ("patient_terms.*", "words of names: found by them"),
    ("merges.kept_before", "who the patient was: as in `patients`"),
    ("merges.*", "words of the program"),
    ("merge_moves.*", "ids and numbers"),
    ("list_mappings.*", "headings of lists"),
    ("chart_item_terms.term", "keyed, by `sealed::term`"),
    ("search_words.term", "keyed, by `sealed::term`"),
    ("chart_items.source_key", "an id in the source: found by it"),
    ("chart_items.*", "one of the program's words each"),
    ("source_resources.*", "ids in the source and kinds: found by them"),
    ("source_files.*", "kinds of files, and words of the program"),
    ("source_mentions.*", "ids in the source: found by them"),
    ("emr_rounds.*", "names that the operator gives, random words, addresses at the source, and words of the program"),
    ("emr_progress.*", "kinds of records, and addresses of pages at the source"),
    ("emr_left_out.*", "kinds of records, and words of the program"),
    ("emr_waiting_charts.*", "ids in the source: found by them"),
    ("emr_refused.*", "ids in the source: found by them"),
    ("emr_rules.*", "words of the program"),
    ("emr_differences.*", "who the patient is at the source: as in `patients`"),
    ("chart_tallies.*", "kinds of items"),
    ("conversations.*", "one of the program's words each"),
    ("participants.*", "one of the words of its conversation"),
    ("teams.*", "the clinic's own words for those who share work"),
    ("conversation_events.*", "one of the program's words each"),
    ("messages.send_key", "keyed, by `sealed::digest`"),
    ("messages.*", "one of the program's words each"),
    ("answers.*", "one of the program's words each"),
    ("notifications.*", "how and where the patient is reached, ids of gateways, and words of the program"),
    ("portal_links.*", "hashes, and words of the program"),
    ("passcodes.*", "hashes, and words of the program"),
    ("claim_tokens.*", "hashes"),
    ("sessions.*", "hashes, and words of the program"),
    ("jobs.*", "words of the program, and domains of mail"),
    ("worker_looks.*", "a word of the program"),
    ("audit_events.*", "what was done, never what was written"),
    ("audit_heads.*", "hashes"),
    ("deleted_records.*", "words of the program, and numbers"),
    ("deleted_sources.*", "hashes"),
    ("audit_seals.*", "numbers and hashes"),
    ("notification_templates.*", "the clinic's own words, the same to every patient"),
    ("plan_steps.*", "words of the program"),
    ("letters.*", "a language, and the random key of a form"),
    ("phone_calls.*", "one of the program's words, and the random key of a form"),
    ("notification_states.*", "words of the program, and of servers"),
    ("address_blocks.*", "addresses: found by them"),
    ("received_texts.*", "who sent one of the words STOP, START, HELP"),
    ("returned_mail.*", "the name of a mailbox"),
    ("roads.*", "words of servers"),
    ("blobs.*", "hashes, ids of keys, and names of our own"),
    ("chart_files.*", "kinds of files"),
    ("stray_files.*", "names of our own"),
    ("uploads.*", "kinds of files, and words of the program"),
    ("attachments.*", "kinds of files"),
    ("conversation_drafts.*", "one of the program's words each"),
    ("scheduled_messages.*", "the program's words, and the random key of a form"),
    ("broadcasts.*", "the program's words, and the random key of a form"),
    ("broadcast_recipients.*", "the program's words"),
    ("kept_forms.*", "addresses of pages"),
    ("saved_views.*", "the program's words"),
    ("message_templates.*", "the clinic's own words, before they are anybody's"),
    ("message_template_versions.*", "the clinic's own words, before they are anybody's"),
];

/// The columns of the schema with text or bytes, and their types.
fn columns() -> BTreeMap<String, String> {
    let mut columns = BTreeMap::new();
    for table in read(&project("src/db/schema.rs")).split("diesel::table! {").skip(1) {
        let mut table_name = None;
        for line in table.lines().map(str::trim) {
            if line == "}" {
                table_name = None;
            } else if let Some((name, _)) = line.strip_suffix('{').and_then(|head| head.split_once(" (")) {
                table_name = Some(name.to_owned());
            } else if let (Some(table), Some((column, kind))) =
                (&table_name, line.trim_end_matches(',').split_once(" -> "))
                && !["BigInt", "Bool", "Utc"]
                    .iter()
                    .any(|plain| kind.trim_start_matches("Nullable<").starts_with(plain))
            {
                columns.insert(format!("{table}.{column}"), kind.to_owned());
            }
        }
    }
    columns
}

#[test]
fn every_column_of_text_is_sealed_or_says_why_not() {
    let columns = columns();
    assert!(columns.len() > 100, "{columns:?}");
    let sealed: BTreeSet<String> = PLACES
        .iter()
        .flat_map(|place| place.columns.iter().map(|column| format!("{}.{column}", place.table)))
        .collect();
    let typed: BTreeSet<String> =
        columns.iter().filter(|(_, kind)| kind.contains("Sealed<")).map(|(name, _)| name.clone()).collect();
    assert_eq!(sealed, typed, "the list of sealed columns and their types in the schema");
    let mut used = BTreeSet::new();
    let mut unexplained = Vec::new();
    for name in columns.keys().filter(|name| !sealed.contains(*name)) {
        let whole = format!("{}.*", name.split_once('.').unwrap().0);
        match CLEAR.iter().find(|(clear, _)| clear == name || *clear == whole) {
            Some((clear, _)) => drop(used.insert(*clear)),
            None => unexplained.push(name),
        }
    }
    assert!(unexplained.is_empty(), "seal these, or say in CLEAR why not: {unexplained:?}");
    let idle: Vec<&str> = CLEAR.iter().map(|(clear, _)| *clear).filter(|clear| !used.contains(clear)).collect();
    assert!(idle.is_empty(), "nothing is left of: {idle:?}");
}
