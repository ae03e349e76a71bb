//! Phone numbers, email addresses and names as people and other programs write them.

use postern::text::{dates, fold, squeezed, words};
use postern::values::{EmailAddress, EmailProblem, Line, PhoneNumber, PhoneProblem, WrittenPhone};
use time::macros::date;

#[test]
fn phone_numbers_become_e_164() {
    for (written, code, expected) in [
        ("416-555-0199", "1", "+14165550199"),
        ("1 (416) 555.0199", "1", "+14165550199"),
        ("(+1) 514 555 0123", "1", "+15145550123"),
        ("tel:+15145550123", "1", "+15145550123"),
        ("TEL:+1-416-555-0199;phone-context=x", "1", "+14165550199"),
        ("tel:416-555-0199;phone-context=+1", "44", "+14165550199"),
        ("+44 (0)20 7946 0958", "1", "+442079460958"),
        ("+44 (0)7700 900123", "1", "+447700900123"),
        ("+33 (0)6 12 34 56 78", "1", "+33612345678"),
        ("011 44 7700 900123", "1", "+447700900123"),
        ("0033 6 12 34 56 78", "1", "+33612345678"),
        ("06 12 34 56 78", "33", "+33612345678"),
        ("06.12.34.56.78", "+33", "+33612345678"),
        ("+33 1 23 45 67 89", "1", "+33123456789"),
        ("514\u{2011}555\u{2011}0777", "1", "+15145550777"),
        ("514\u{a0}555\u{202f}0777", "1", "+15145550777"),
        ("\u{202a}+1 514 555 0777\u{202c}", "1", "+15145550777"),
        ("\u{feff}514\u{ad}5550777", "1", "+15145550777"),
        ("５１４-５５５-０７７７", "1", "+15145550777"),
        ("٤١٦٥٥٥٠١٩٩", "1", "+14165550199"),
        ("cell: 514-555-0142", "1", "+15145550142"),
        ("Téléphone 514 555-0142", "1", "+15145550142"),
        ("514-555-0142 (mobile)", "1", "+15145550142"),
        ("(514) 555-0142 c", "1", "+15145550142"),
        ("030/1234567", "49", "+49301234567"),
    ] {
        let read = PhoneNumber::read(written, code);
        assert_eq!(read.as_ref().map(PhoneNumber::as_str), Ok(expected), "{written}");
        // the number as pages show it is read as the same number, whatever the clinic's calling code
        let read = read.unwrap();
        assert_eq!(PhoneNumber::parse(&read.shown(), "44"), Some(read), "{written}");
    }
}

#[test]
fn what_is_no_number_says_why() {
    use PhoneProblem as P;
    for (written, code, problem) in [
        ("123-456-7890", "1", P::Impossible),
        ("111-111-1111", "1", P::Impossible),
        ("555-0199", "1", P::Impossible),
        ("911", "1", P::Impossible),
        ("+0 123 456 789", "1", P::Impossible),
        ("+1234567890123456", "1", P::Impossible),
        ("1-800-FLOWERS", "1", P::NotANumber),
        ("call my mother", "1", P::NotANumber),
        ("514-555-0142 (mother)", "1", P::NotANumber),
        ("jane@example.org", "1", P::NotANumber),
        ("416+5550199", "1", P::NotANumber),
        ("416-555-0199", "", P::NotANumber),
        ("416-555-0199", "abc", P::NotANumber),
        ("", "1", P::NotANumber),
        ("+", "1", P::NotANumber),
        ("n/a", "1", P::NotANumber),
        ("514-555-0142 / 514-555-0143", "1", P::Several),
        ("514-555-0142, 514-555-0143", "1", P::Several),
        ("514-555-0142 ou 514-555-0143", "1", P::Several),
        ("+15145550142 +15145550143", "1", P::Several),
        ("514-555-0142 514-555-0143", "1", P::Several),
        ("416-555-0199 x12", "1", P::Extension),
        ("tel:416-555-0199;ext=12", "1", P::Extension),
    ] {
        assert_eq!(PhoneNumber::read(written, code), Err(problem), "{written}");
    }
}

#[test]
fn an_extension_is_kept_apart() {
    for written in [
        "416-555-0199 x12",
        "416-555-0199 poste 12",
        "416 555 0199, ext. 12",
        "(416) 555-0199 #12",
        "tel:+14165550199;ext=12",
    ] {
        let read = WrittenPhone::read(written, "1").unwrap();
        assert_eq!((read.number.as_str(), read.extension.as_deref()), ("+14165550199", Some("12")), "{written}");
    }
}

#[test]
fn a_number_shows_as_people_write_it_and_tells_its_sort() {
    let number = |text| PhoneNumber::parse(text, "1").unwrap();
    assert_eq!(number("5145550142").shown(), "+1 514-555-0142");
    assert_eq!(number("+447700900123").shown(), "+44 7700 900123");
    // to people of the same country, without it
    for (text, code, wanted) in [
        ("5145550142", "1", "514 555-0142"),
        ("5145550142", "+1", "514 555-0142"),
        ("5145550142", "44", "+1 514-555-0142"),
        ("5145550142", "", "+1 514-555-0142"),
        ("+447700900123", "44", "07700 900123"),
        ("+447700900123", "1", "+44 7700 900123"),
    ] {
        assert_eq!(number(text).shown_in(code), wanted, "{text} at {code:?}");
    }
    assert_eq!(number("+447911123456").line(), Line::Mobile);
    assert_eq!(number("+442079460958").line(), Line::Landline);
    assert_eq!(number("5145550142").line(), Line::Unknown, "North America has the same numbers for both");
    assert_eq!(PhoneNumber::from_network("+19999999999").map(|n| n.to_string()).as_deref(), Some("+19999999999"));
    assert_eq!(PhoneNumber::from_network("12345"), None);
}

#[test]
fn email_addresses_as_people_write_them() {
    for (written, expected) in [
        ("jane@example.org", "jane@example.org"),
        ("Jane.Smith@Example.ORG", "Jane.Smith@example.org"),
        ("Jane <jane@example.org>", "jane@example.org"),
        ("\"Smith, Jane\" <jane@example.org>", "jane@example.org"),
        ("<jane@example.org>", "jane@example.org"),
        ("mailto:jane@example.org", "jane@example.org"),
        ("MAILTO:jane@example.org?subject=x", "jane@example.org"),
        ("jane@example.org (Jane)", "jane@example.org"),
        ("jane@example.org.", "jane@example.org"),
        ("jane\u{200b}@example.org\u{a0}", "jane@example.org"),
        ("\u{feff}jane@exam\u{ad}ple.org", "jane@example.org"),
        ("jane＠example.org", "jane@example.org"),
        ("jane@clinique-médicale.example", "jane@xn--clinique-mdicale-kqb.example"),
    ] {
        assert_eq!(EmailAddress::read(written).as_ref().map(EmailAddress::as_str), Ok(expected), "{written}");
    }
    for (written, problem) in [
        ("jane", EmailProblem::NotOne),
        ("jane@localhost", EmailProblem::NotOne),
        ("jane smith@example.org", EmailProblem::NotOne),
        ("n/a", EmailProblem::NotOne),
        ("jane@example.org, john@example.org", EmailProblem::Several),
        ("jane@example.org; john@example.org", EmailProblem::Several),
        ("jane@example.org john@example.org", EmailProblem::Several),
        ("élodie@example.org", EmailProblem::Mailbox),
    ] {
        assert_eq!(EmailAddress::read(written), Err(problem), "{written}");
    }
    let (one, two) =
        (EmailAddress::parse("Jane@Example.org").unwrap(), EmailAddress::parse("jane@EXAMPLE.org").unwrap());
    assert_eq!(one.key(), two.key());
}

#[test]
fn words_fold_as_people_type_them_and_stay_other_words() {
    for (written, typed) in [
        ("Mejía", "mejia"),
        ("Cœur", "coeur"),
        ("Sørensen", "sorensen"),
        ("Łukasz", "lukasz"),
        ("Đặng", "dang"),
        ("Groß", "gross"),
        ("Þór", "thor"),
        ("Işık", "isik"),
        ("İpek", "ipek"),
        ("Ægir", "aegir"),
        ("Σοφός", "σοφοσ"),
        ("Ёлкин", "елкин"),
        ("ﬁn", "fin"),
        ("김민수", "김민수"),
    ] {
        assert_eq!(fold(written), fold(typed), "{written}");
        assert_eq!(fold(&fold(written)), fold(written), "{written}");
    }
    for (one, other) in [("सीता", "सुता"), ("パパ", "ハハ"), ("ปี", "ปู"), ("が", "か")] {
        assert_ne!(fold(one), fold(other));
        assert_eq!(words(one).len(), 1, "{one} is one word");
    }
    assert_eq!(words("मस्त ปวด้"), [fold("मस्त"), fold("ปวด้")]);
    assert_eq!(
        (squeezed("O’Brien"), squeezed("St-Pierre"), squeezed("Van der Berg")),
        ("obrien".into(), "stpierre".into(), "vanderberg".into())
    );
}

#[test]
fn dates_as_people_write_them() {
    let newest = date!(2026 - 03 - 04);
    let read = |text| dates::read(text, dates::Order::DayFirst, newest);
    for text in [
        "1951-03-04",
        "1951/3/4",
        "4/3/1951",
        "04.03.1951",
        "19510304",
        "04031951",
        "4 March 1951",
        "March 4, 1951",
        "4th of March 1951",
        "le 4 mars 1951",
        "04-Mar-51",
        "4mar1951",
        "1951-03-04T00:00:00Z",
        "04/03/1951 00:00",
        "1951-03-04 12:00:00 AM",
        "1951 Mar 4",
    ] {
        assert_eq!(read(text), Some(date!(1951 - 03 - 04)), "{text}");
    }
    for text in
        ["", "4/3", "1951", "31/02/1951", "2026-03-05", "n/a", "1799-12-31", "4 Foo 1951", "1 2 3 4", "5145550142"]
    {
        assert_eq!(read(text), None, "{text}");
    }
    assert_eq!(dates::read("3/4/1951", dates::Order::MonthFirst, newest), Some(date!(1951 - 03 - 04)));
    assert_eq!(dates::read("51-03-04", dates::Order::YearFirst, newest), Some(date!(1951 - 03 - 04)));
    assert_eq!(dates::readings("13/03/1951", newest), [date!(1951 - 03 - 13)]);
    assert_eq!(dates::readings("03/04/1951", newest), [date!(1951 - 04 - 03), date!(1951 - 03 - 04)]);
    assert_eq!(dates::of_spreadsheet(18_691, newest), Some(date!(1951 - 03 - 04)));
}
