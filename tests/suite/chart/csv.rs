//! Lists of patients as clinics' systems write them: every column is read or named as ignored, every line is imported
//! or given back.

use postern::patients::Method;
use postern::patients::csv_list::{
    Column, DateOrder, ListOptions, Mapping, PatientList, Problem, read_list, text_of, written,
};
use postern::text::Lang;
use std::io::Write;

fn options() -> ListOptions {
    let now = crate::support::app::start_of_time();
    ListOptions { calling_code: "1".into(), language: Lang::find("fr").unwrap(), now, most: 5, mapping: None }
}

fn read(text: impl AsRef<[u8]>) -> PatientList {
    read_list(text.as_ref(), &options())
}

/// Reads a list, and asserts that nothing is wrong with it.
fn good(text: impl AsRef<[u8]>) -> PatientList {
    let list = read(text);
    assert_eq!(
        (list.problem, &list.lines_left[..], &list.fields_left[..]),
        (None, &[][..], &[][..]),
        "{:?}",
        list.columns
    );
    list
}

fn rest_of(list: &PatientList) -> String {
    written(list.rest(&[]).iter().map(Vec::as_slice)).unwrap()
}

fn lines_left(list: &PatientList) -> Vec<(u64, Problem)> {
    list.lines_left.iter().map(|e| (e.line, e.problem)).collect()
}

fn fields_left(list: &PatientList) -> Vec<(u64, usize, Problem)> {
    list.fields_left.iter().map(|e| (e.line, e.column, e.problem)).collect()
}

fn problem(text: impl AsRef<[u8]>) -> Option<(u64, Problem)> {
    read(text).problem.map(|error| (error.line, error.problem))
}

/// Given name, family name, birth date, health number, email and phone of one patient of the list.
fn told(list: &PatientList, at: usize) -> [String; 6] {
    let d = &list.patients[at].demographics;
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    [
        d.given_name.clone(),
        d.family_name.clone(),
        d.birth_date.iso(),
        text(d.health_number.as_deref()),
        text(d.email.as_ref().map(|e| e.as_str())),
        text(d.phone.as_ref().map(|p| p.as_str())),
    ]
}

#[test]
fn lists_as_systems_export_them() {
    let cases: [(&str, [&str; 6], &[&str]); 13] = [
        // OSCAR's table of demographics
        (
            "demographic_no,last_name,first_name,phone,phone2,email,year_of_birth,month_of_birth,date_of_birth,hin,ver,sex,roster_status\n\
             101,ABRAHAM,JOHN,705-555-0101,,john@example.org,1951,03,04,1234567897,AB,M,RO\n",
            ["JOHN", "ABRAHAM", "1951-03-04", "1234567897 AB", "john@example.org", "+17055550101"],
            &["sex", "roster_status"],
        ),
        (
            "surname,firstName,PSS ID,health number,birthDate\nSmith,Jane,4411,1234567897,1951-03-04\n",
            ["Jane", "Smith", "1951-03-04", "1234567897", "", ""],
            &[],
        ),
        (
            "Patient Number,First Name,Last Name,Preferred Name,Email,Mobile Phone,Home Phone,Birth Date,Personal Health Number\n\
             12,Jane,Smith,Janie,jane@example.org,1 (705) 555-0102,705-555-0101,1951-03-04,1234567897\n",
            ["Jane", "Smith", "1951-03-04", "1234567897", "jane@example.org", "+17055550102"],
            &["Home Phone"],
        ),
        (
            "Nom;Prénom;Date de naissance;NAM;Courriel;Cellulaire\n\
             Tremblay;Éloïse;1951-03-04;TREE 5153 0412;eloise@example.org;514 555-0102\n",
            ["Éloïse", "Tremblay", "1951-03-04", "TREE 5153 0412", "eloise@example.org", "+15145550102"],
            &[],
        ),
        (
            "username,portal_user_id,email,first_name,last_name,suffix,dob,sex,timezone,phone,cell,address1\n\
             ,,jane@example.org,Jane,Smith,,1951-03-04,F,,705-555-0101,705-555-0102,1 Main\n",
            ["Jane", "Smith", "1951-03-04", "", "jane@example.org", "+17055550102"],
            &["sex", "phone", "address1"],
        ),
        (
            "Last Name,First Name,DOB,Phone,Cell\nSmith,Jane,1951-03-04,705-555-0101,705-555-0102\n",
            ["Jane", "Smith", "1951-03-04", "", "", "+17055550102"],
            &["Phone"],
        ),
        (
            "Patient,DOB,Email\n\"SMITH, Jane\",1951-03-04,jane@example.org\n",
            ["Jane", "SMITH", "1951-03-04", "", "jane@example.org", ""],
            &[],
        ),
        (
            "sep=;\n\"Patient list\";;\n;;\nNom du patient;DDN (jj/mm/aaaa);No assurance maladie\n=\"Roy, Ann\";04/03/1951;=\"0123456789\"\n",
            ["Ann", "Roy", "1951-03-04", "0123456789", "", ""],
            &[],
        ),
        (
            "Chart #|Legal Family Name|Legal Given Name|Birthdate (mm/dd/yyyy)|OHIP Number|Version Code|OHIP Expiry|E-mail Address|Cellular|Emergency Contact Phone\n\
             7|Roy|Ann|03/04/1951|1234-567-897|AB|2030-01-01|Ann Roy <ann@example.org>|tel:+15145550142|514-555-0199\n",
            ["Ann", "Roy", "1951-03-04", "1234-567-897 AB", "ann@example.org", "+15145550142"],
            &["OHIP Expiry", "Emergency Contact Phone"],
        ),
        // a report: a title, the number with its province and version, a total
        (
            "Patient List\nGenerated on 29-Nov-2026,by Dr. Example\n\n\"Name\",\"File #\",\"DOB\",\"Age\",\"Health Card\",\"Phone (H)\",\"Phone (C)\",\"E-mail\"\n\
             \"SMITH, JANE MARIE\",\"4411\",\"04-Mar-1951\",\"75 yr\",\"ON 1234567897 AB\",\"705-555-0101\",\"705-555-0102\",\"jane@example.org\"\n\nTotal Patients: 1\n",
            ["JANE MARIE", "SMITH", "1951-03-04", "1234567897 AB", "jane@example.org", "+17055550102"],
            &["Age", "Phone (H)"],
        ),
        (
            "Surname\tFirst Name\tBirth Date\tHealth #\tVer\tHome Phone\tMobile\tEmail\tPatient #\r\n\
             Smith\tJane\tMar 4, 1951\t1234 567 897\tAB\t705-555-0101\t(705) 555-0102\tjane@example.org\t4411\r\n",
            ["Jane", "Smith", "1951-03-04", "1234 567 897 AB", "jane@example.org", "+17055550102"],
            &["Home Phone"],
        ),
        (
            "No dossier;Nom;Prénom;Sexe;Date naissance;NAM;Exp. NAM;Tél. rés.;Cellulaire;Courriel;Langue\r\n\
             0042;TREMBLAY;ÉLOÏSE;F;1951-03-04;TREE51530412;2030-03;5145550101;5145550102;eloise@example.org;Français\r\n",
            ["ÉLOÏSE", "TREMBLAY", "1951-03-04", "TREE51530412", "eloise@example.org", "+15145550102"],
            &["Sexe", "Exp. NAM", "Tél. rés."],
        ),
        (
            "MRN|PATIENT_NAME|BIRTH_DATE|HOME_PHONE|CELL_PHONE|EMAIL_ADDRESS\n\
             000123|SMITH,JANE A|03/04/1951||(705)555-0102|jane@EXAMPLE.ORG\n000124|ROY,ANN|12/31/1960|||\n",
            ["JANE A", "SMITH", "1951-03-04", "", "jane@example.org", "+17055550102"],
            &[],
        ),
    ];
    for (text, expected, ignored) in cases {
        let list = good(text);
        assert_eq!(told(&list, 0), expected.map(str::to_owned), "{text}");
        assert_eq!(list.ignored().0, ignored, "{text}");
    }
}

/// Headers as systems and people write them, by the column that they mean; `None` for those that are ignored.
#[rustfmt::skip]
const HEADERS: [(Option<Column>, &[&str]); 15] = [
    (Some(Column::Phone), &[
        "Tél. cell.", "demo_cell", "Phone Number (Mobile)",
        "Cell", "Cell #", "Mobile Number", "Téléphone cellulaire", "Tél. portable", "No de cellulaire",
        "patientMobile", "Phone - Cell", "Phone: Mobile", "Phone (C)", "Contact Number", "Contact Phone",
        "Preferred Contact Number", "Text number", "cellphone", "mobilephone", "phonenumber", "PhoneNumber",
        "Phone 1", "Primary Phone", "SMS", "Telephone", "No. tel.",
    ]),
    (Some(Column::HealthNumber), &[
        "HIN", "PHN", "PHN/ULI", "RAMQ", "OHIP #", "N.A.M.", "NAM", "No RAMQ", "# assurance maladie",
        "Numéro d’assurance maladie", "No d'ass. maladie", "Health Card No.", "health_card_number",
        "healthCardNumber", "healthcardnumber", "Health #", "Health Number", "HCN", "HC#", "HC Number",
        "Provincial Health Number", "Personal Health Number", "Carte soleil", "NHS Number", "Care Card",
        "Manitoba PHIN", "Health Card (number and version)",
    ]),
    (Some(Column::VersionCode), &[
        "HN Version Code", "hnVC",
        "Health Card Version", "Version Code", "HC Ver", "HIN Version", "HINVersion", "VC", "ver",
    ]),
    (Some(Column::GivenName), &[
        "PAT_FIRST_NAME", "Prénom de l'usager",
        "First Name", "firstName", "FIRST_NAME", "firstname", "First", "Given Names", "Given", "Prénom(s)",
        "Prénom", "Name (First)", "Patient First Name", "PatientFirstName", "Legal First Name",
    ]),
    (Some(Column::FamilyName), &[
        "Surname", "lastname", "Last", "Name (Last)", "Nom de famille", "nomdefamille", "Family Name",
        "patient.name.family",
    ]),
    (Some(Column::FullName), &[
        "Usager", "Nom",
        "PAT_NAME", "Nom de l'usager",
        "Nom complet", "Patient Name", "Patient's Name", "Name of Patient", "Client", "Patient", "Name",
        "Full Name", "patientname", "Nom, prénom", "Nom et prénom", "Prénom et nom", "Last, First",
        "Last Name, First Name", "Name (Last, First)", "Nom du patient",
    ]),
    (Some(Column::PreferredName), &[
        "pref_name",
        "Preferred Name", "Preferred First Name", "preferredname", "Preferred first name", "Nickname", "Known as",
        "Goes by", "AKA", "Nom usuel",
    ]),
    (Some(Column::BirthDate), &[
        "D.D.N.",
        "DOB", "D.O.B.", "DOB (yyyy-mm-dd)", "DOB YYYY-MM-DD", "DOB_YYYYMMDD", "dob", "patientDOB",
        "Date of Birth", "dateofbirth", "DateOfBirth", "birthdate", "birth_dt", "Date de naissance",
        "datedenaissance", "Date de naissance (AAAA-MM-JJ)", "Date de naissance AAAA/MM/JJ", "Date naiss.", "DDN",
        "Naissance", "Birth", "Né(e) le", "Né le", "Birthday", "Birth Date (D/M/Y)", "Jour de naissance",
    ]),
    (Some(Column::BirthYear), &[
        "Year of birth", "birthyear", "DOBYear", "dob_year", "YOB", "Année de naissance",
    ]),
    (Some(Column::BirthMonth), &[
        "Birth Month", "Mois de naissance",
    ]),
    (Some(Column::Email), &[
        "E-mail 1 - Value",
        "E-Mail", "E-mail Address", "Email", "email1", "Courriel", "Adresse courriel", "Adresse électronique",
        "email_address", "emailaddress", "EmailAddress", "Primary Email", "Patient Email", "Mail",
    ]),
    (Some(Column::Language), &[
        "official_lang",
        "Preferred Language", "Official Language", "Langue", "Langue de correspondance",
    ]),
    (Some(Column::Id), &[
        "PAT_ID", "No usager",
        "Health Record Number", "MRN", "Chart Number", "Chart #", "Chart", "chart_no", "No de dossier",
        "# dossier", "Dossier", "demographic_no", "demographicNo", "Patient ID", "PatientID", "patientid",
        "Patient Number", "Pt #", "Client ID", "Id", "PSS ID", "File Number", "External ID",
    ]),
    (Some(Column::Method), &[
        "Notification method", "Mode de notification", "Preferred contact method", "Contact preference",
        "Reminder type", "Mode de communication",
    ]),
    (None, &[
        "Tél. trav.", "Tél. rés.", "Exp. NAM", "hc_renew_date", "hc_type", "hnProv", "E-mail 2 Address", "Name Prefix", "Do not email",
        "Phone (H)", "Phone (W)", "Cell Phone Consent", "Work Phone", "Téléphone (maison)", "Tél. résidence",
        "Fax", "Mother's cell", "homephone", "Phone 2", "phone2", "Secondary Phone", "Phone Type",
        "Phone Extension", "Health Card Expiry", "Expiration NAM", "Health Card Province", "HC Type",
        "First Visit", "First Visit Date", "Last Visit", "Last Seen", "Last Appointment", "Last Billed Date",
        "Last updated", "Middle Name", "middlename", "Middle Initial", "Maiden Name", "Nom de jeune fille",
        "Nom à la naissance", "Nom du père", "Family Doctor", "Family MD", "Family History", "Contact Name",
        "Contact Last Name", "Emergency Contact Name", "Preferred Last Name", "Known Allergies",
        "Preferred Pharmacy", "Ne pas contacter", "Ne pas envoyer de courriel", "Place of birth", "Birthplace",
        "Country of Birth", "Birth Sex", "Sex at birth", "Birth weight", "Mother's DOB", "Email 2",
        "Email Consent", "Email Opt-in", "Email reminders", "Email notifications", "Receive emails", "Work Email",
        "Secondary Email", "Invoice email", "Mailing Address", "Address", "Interpreter language", "SIN",
        "SIN Number", "NAS", "Insurance ID", "Policy Number", "Postal Code", "Code postal", "Location ID",
        "Appointment ID", "Provider No", "SMS Notifications", "Sex", "Gender", "Sexe", "Age", "Title", "Suffix",
        "Pronouns", "City", "Province", "Ville", "Status", "Patient Status", "Roster Status", "Date of Death",
        "Deceased", "Notes", "Occupation", "Referral Source", "Guarantor Name", "Family ID", "MRP", "Username",
        "Row",
    ]),
];

#[test]
fn headers_mean_what_their_words_say() {
    for (expected, headers) in HEADERS {
        for header in headers {
            let list = read(format!("\"{header}\",x1,x2\na,b,c\n"));
            assert_eq!(list.columns[0].meaning, expected, "{header}");
        }
    }
}

#[test]
fn any_encoding_and_what_spreadsheets_add() {
    let text = "Nom;Prénom;DDN\r\nBélanger;Éloïse;1951-03-04\r\n";
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let wide = |mark: &[u8], big: bool| -> Vec<u8> {
        let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        mark.iter().copied().chain(text.encode_utf16().flat_map(unit)).collect()
    };
    let files = [
        latin,
        wide(b"\xff\xfe", false),
        wide(b"\xfe\xff", true),
        wide(b"", false),
        wide(b"", true),
        format!("\u{feff}{text}").into_bytes(),
    ];
    // what Excel calls "CSV (Macintosh)" and "CSV (MS-DOS)"
    let in_letters = |[small, large, third]: [&str; 3]| {
        let text = text.replace('é', small).replace('É', large).replace('ï', third);
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>()
    };
    let (mac, dos) = (in_letters(["\u{8e}", "\u{83}", "\u{95}"]), in_letters(["\u{82}", "\u{90}", "\u{8b}"]));
    for file in files.into_iter().chain([mac, dos]) {
        assert_eq!(told(&good(&file), 0)[..2], ["Éloïse", "Bélanger"]);
        assert_eq!(good(text_of(&file).unwrap().text), good(&file), "what goes into the form reads as the same list");
    }
    for name in ["Benoît", "Hélène", "Loïc", "D’Or", "Zoé Côté–Roy"] {
        let text = format!("Surname;DDN\n{name};1951-03-04\n");
        let (file, ..) = encoding_rs::WINDOWS_1252.encode(&text);
        assert_eq!(told(&good(&file), 0)[1], name);
    }
    let (czech, ..) =
        encoding_rs::WINDOWS_1250.encode("Nom;DDN\nDvořák;1951-03-04\nKučera;1951-03-05\nŠťastný;1951-03-06\n");
    assert_eq!(told(&good(&czech), 1)[1], "Kučera");
    // two encodings in one list: only the line that cannot be read is left out
    let list = read(b"Nom;DDN\nC\xc3\xb4t\xc3\xa9;1951-03-04\nZo\xe9;1960-01-02\n");
    assert_eq!((lines_left(&list), &told(&list, 0)[1][..]), (vec![(3, Problem::Letters)], "Côté"));
    assert_eq!(problem(b"\x00\x01\x02\x03"), Some((1, Problem::Unreadable)));
    assert_eq!(problem(b"PK\x03\x04 no spreadsheet"), Some((1, Problem::Unreadable)));
    // a footer, separators at every end, titles
    let list = good("Report of 2026-03-04,,,\nLast Name,First Name,DOB,\nSmith,Jane,1951-03-04,\n,,,\nTotal: 1,,,\n");
    assert_eq!((list.patients.len(), list.passed_over, list.columns.len()), (1, vec![1, 5], 3));
}

/// A spreadsheet of one sheet: inline text, numbers, cells formatted as dates, and cells formatted as six digits.
pub(super) fn xlsx(rows: &[&[&str]]) -> Vec<u8> {
    let cell = |value: &str| match value.strip_prefix("date:") {
        Some(days) => format!("<c s=\"1\"><v>{days}</v></c>"),
        None if value.starts_with("six:") => format!("<c s=\"2\"><v>{}</v></c>", &value[4..]),
        None if value.parse::<f64>().is_ok() => format!("<c><v>{value}</v></c>"),
        None => format!("<c t=\"inlineStr\"><is><t>{value}</t></is></c>"),
    };
    let rows: String = rows
        .iter()
        .map(|row| format!("<row>{}</row>", row.iter().map(|value| cell(value)).collect::<String>()))
        .collect();
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let types = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let parts = [
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"r1\" Type=\"{types}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "[Content_Types].xml",
            "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>".to_owned(),
        ),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns=\"{main}\" xmlns:r=\"{types}\"><sheets><sheet name=\"A\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"r1\" Type=\"{types}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                "<styleSheet xmlns=\"{main}\"><numFmts><numFmt numFmtId=\"170\" formatCode=\"000000\"/></numFmts><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"170\"/></cellXfs></styleSheet>"
            ),
        ),
        ("xl/worksheets/sheet1.xml", format!("<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>")),
    ];
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn spreadsheets_are_lists_too() {
    let file = xlsx(&[
        &["Patients of the clinic"],
        &["Last name", "First name", "DOB", "Cell", "PHN", "Chart #"],
        &["Smith", "Jane", "date:18691", "5145550142", "1234567897", "six:42"],
        &["Roy", "Ann", "18691", "514-555-0143", "9876543217", "43"],
    ]);
    let list = good(&file);
    assert_eq!(told(&list, 0), ["Jane", "Smith", "1951-03-04", "1234567897", "", "+15145550142"].map(str::to_owned));
    assert_eq!(told(&list, 1)[2], "1951-03-04", "a day without its format");
    assert_eq!(list.patients[1].line, 4);
    assert_eq!(list.patients[0].id.as_deref(), Some("000042"), "zeros that the sheet shows");
    let pasted = good(text_of(&file).unwrap().text);
    assert_eq!(pasted.patients, list.patients);
}

#[test]
fn tables_of_web_pages_are_lists_too() {
    // an HTML page, which some programs call an Excel file
    let page = "<!DOCTYPE html>\n<html><head><style>td { color: red }</style></head><body><table border=1>\
        <tr><td colspan=3>Patients of the clinic</table><table>\
        <tr><th>Last&nbsp;Name<th>First Name</th><th>DOB</th><th>Cell</th></tr>\
        <tr><td>O&#39;Brien</td><td>Zo&eacute;</td><td>1951-03-04</td><td>514-555-0142<br></td></tr>\
        <tr><td>Roy<td>Ann<td>1960-01-02<td></tr></table><br>&copy; 2026</body></html>";
    let list = good(page);
    assert_eq!(told(&list, 0), ["Zoé", "O'Brien", "1951-03-04", "", "", "+15145550142"].map(str::to_owned));
    assert_eq!((told(&list, 1)[2].as_str(), &list.passed_over[..]), ("1960-01-02", &[1][..]));
    assert_eq!(good(text_of(page.as_bytes()).unwrap().text).patients, list.patients);
    // Excel's XML of 2003 leaves empty cells out
    let cell = |text: &str| format!("<Cell><Data ss:Type=\"String\">{text}</Data></Cell>");
    let workbook = format!(
        "<?xml version=\"1.0\"?><Workbook xmlns:ss=\"urn:schemas-microsoft-com:office:spreadsheet\"><Worksheet><Table>\
         <Row>{}{}{}{}</Row><Row>{}{}<Cell ss:Index=\"4\"><Data>1951-03-04T00:00:00.000</Data></Cell></Row></Table></Worksheet></Workbook>",
        cell("Nom"),
        cell("Prénom"),
        cell("NAM"),
        cell("DDN"),
        cell("Côté"),
        cell("Zoé"),
    );
    assert_eq!(told(&good(workbook), 0)[..4], ["Zoé", "Côté", "1951-03-04", ""]);
}

#[test]
fn a_quotation_mark_that_does_not_close_costs_its_line() {
    let list = read(
        "Last,First,DOB,Note\nRoy,\"Ann,1951-03-04,x\nKim,Bo,1960-01-01,y\nLee,\"Al\",1961-01-01,z\n\
         Cho,Di,1962-01-01,\"1 Main\nToronto, ON, M5V\nCanada\n\na \"\"b\"\"\nc\nd\"\nDoe,\"Em,1963-01-01\n",
    );
    let names: Vec<&str> = list.patients.iter().map(|p| p.demographics.family_name.as_str()).collect();
    assert_eq!(names, ["Kim", "Lee", "Cho"], "a note may be long");
    assert_eq!(lines_left(&list), [(2, Problem::Fields), (12, Problem::Fields)]);
    let two = read("Last,First,DOB\nRoy,\"Ann,1951-03-04\nKim,\"Bo,1960-01-01\nLee,Al,1961-01-01\n");
    assert_eq!(lines_left(&two), [(2, Problem::Fields), (3, Problem::Fields)], "two marks are not one field");
}

#[test]
fn dates_are_read_by_the_whole_column() {
    let born = |dates: &[&str]| {
        let lines: String = dates.iter().enumerate().map(|(n, date)| format!("N{n},\"{date}\"\n")).collect();
        read(format!("nom,dob\n{lines}"))
    };
    let list = born(&["03/04/1951", "13/04/1951"]);
    assert_eq!((list.dates, told(&list, 0)[2].as_str()), (DateOrder::DayFirst, "1951-04-03"));
    let list = born(&["03/04/1951", "04/13/1951"]);
    assert_eq!((list.dates, told(&list, 0)[2].as_str()), (DateOrder::MonthFirst, "1951-03-04"));
    let list = born(&["51-03-04", "71-12-31"]);
    assert_eq!((list.dates, told(&list, 1)[2].as_str()), (DateOrder::YearFirst, "1971-12-31"));
    let list = born(&["4 mars 1951", "Sunday, March 4, 1951", "1951/03/04", "04-Mar-1951", "1951-03-04 (75 y)"]);
    assert_eq!((list.dates, list.patients.len()), (DateOrder::Clear, 5));
    let list = born(&["19510304", "1951-03-04T00:00:00.000Z", "19510304000000", "1951-03-04 12:00:00 AM"]);
    assert_eq!((list.dates, list.patients.len()), (DateOrder::Clear, 4));
    for at in 0..4 {
        assert_eq!(told(&list, at)[2], "1951-03-04");
    }
    // the order of day and month is unclear or contradictory: the user is asked
    for dates in [&["03/04/1951"][..], &["03/04/1951", "13/04/1951", "04/13/1951"]] {
        let list = born(dates);
        assert_eq!((list.dates, list.problem.map(|e| e.problem)), (DateOrder::Open, Some(Problem::DateOrder)));
        assert!(list.patients.is_empty(), "nothing is guessed");
    }
    let chosen = Mapping {
        columns: vec![Some(Column::FamilyName), Some(Column::BirthDate)],
        dates: Some(DateOrder::MonthFirst),
        dates_before: None,
    };
    let list = read_list(b"nom,dob\nRoy,03/04/1951\n", &ListOptions { mapping: Some(chosen), ..options() });
    assert_eq!((told(&list, 0)[2].as_str(), list.problem), ("1951-03-04", None));
}

#[test]
fn names_in_one_column_are_taken_apart() {
    let name = |header: &str, name: &str| {
        let list = read(format!("{header}\tDOB\n{name}\t1951-03-04\n"));
        let d = &list.patients[0].demographics;
        let preferred = d.preferred_name.clone().unwrap_or_default();
        (format!("{}|{}|{preferred}", d.given_name, d.family_name), list.has_guessed_names)
    };
    for (header, written, read, guessed) in [
        ("Name", "SMITH, Jane", "Jane|SMITH|", false),
        ("Name", "Smith, Jane (Janie)", "Jane|Smith|Janie", false),
        ("Name", "Smith, Mrs. Jane Ann", "Jane Ann|Smith|", false),
        ("Name", "SMITH, JOHN, JR", "JOHN JR|SMITH|", false),
        ("Name", "SMITH, JR, JOHN", "JOHN|SMITH JR|", false),
        ("Name", "John Smith, Jr.", "John|Smith Jr.|", true),
        ("Name", "Smith^Jane^Ann", "Jane Ann|Smith|", false),
        ("Name", "TREMBLAY Éloïse", "Éloïse|TREMBLAY|", false),
        ("Name", "VAN DER BERG Anna", "Anna|VAN DER BERG|", false),
        ("Name", "Jean-Pierre ROY", "Jean-Pierre|ROY|", false),
        ("Name", "Jane A. SMITH", "Jane A.|SMITH|", false),
        ("Name", "LI Wei", "Wei|LI|", false),
        ("Name", "Jane Smith", "Jane|Smith|", true),
        ("Name", "Anna van der Berg", "Anna|van der Berg|", true),
        ("Nom et prénom", "Tremblay Éloïse", "Éloïse|Tremblay|", true),
        ("Nom", "Éloïse Tremblay", "Éloïse|Tremblay|", true),
        ("Name (Last, First)", "Smith Jane", "Jane|Smith|", true),
        ("First and last name", "Jane Smith", "Jane|Smith|", true),
        ("Name", "Madonna", "|Madonna|", false),
    ] {
        assert_eq!(name(header, written), (read.to_owned(), guessed), "{header}: {written}");
    }
    // beside a column of given names, "Name" is the family name; a family name column may hold both names
    assert_eq!(told(&good("Name,First Name,DOB\nDe La Cruz,Ann,1951-03-04\n"), 0)[..2], ["Ann", "De La Cruz"]);
    assert_eq!(told(&good("Surname,First Name,DOB\n\"Roy, Ann\",,1951-03-04\n"), 0)[..2], ["Ann", "Roy"]);
}

#[test]
fn values_say_more_than_headers() {
    // a version code with its number; lines counted; an empty column beside a full one of the same meaning
    let list = good(
        "#,Name,First name,DOB,Health card no. / version,Email address,Email,Phone\n\
         1,Roy,Ann,1951-03-04,1234567897-AB,,ann@example.org,5145550142.0\n2,Kim,Lee,1960-01-02,,,,\n",
    );
    let expected = ["Ann", "Roy", "1951-03-04", "1234567897-AB", "ann@example.org", "+15145550142"];
    assert_eq!(told(&list, 0), expected.map(str::to_owned));
    assert_eq!((list.patients[0].id.as_deref(), list.ignored()), (None, (vec!["#"], vec!["Email address"])));
    // words for the language and for the notification method
    let list = read(
        "Nom\tDDN\tLangue\tMode de notification\nRoy\t1951-03-04\tEnglish (Canada)\tSMS & Email\n\
         Kim\t1951-03-04\tAnglais\tTexto\nLee\t1951-03-04\ten-CA\tne pas contacter\n\
         Cho\t1951-03-04\tEnglish / Mandarin\tPhone\n",
    );
    let methods: Vec<Method> = list.patients.iter().map(|p| p.demographics.method).collect();
    assert_eq!(methods[..3], [Method::Both, Method::Sms, Method::None]);
    assert!(list.patients[..3].iter().all(|p| p.demographics.language == "en"));
    assert_eq!(fields_left(&list), [(5, 2, Problem::Language), (5, 3, Problem::Method)]);
    // numbers and dates that a spreadsheet has spoiled
    let list = read("Name,First,DOB,Cell,PHN\nRoy,Ann,1951-03-04,5.14555E+09,#REF!\nKim,Lee,########,,\n");
    assert_eq!(fields_left(&list), [(2, 3, Problem::Rounded), (2, 4, Problem::Nothing)]);
    assert_eq!(lines_left(&list), [(3, Problem::BirthDate)]);
}

#[test]
fn addresses_with_commas_and_pages_of_a_report_do_no_harm() {
    let list =
        good("Nom;Prénom;DDN;Adresse\r\nTremblay;Éloïse;1951-03-04;12, rue des Pins, app. 4, Montréal, QC, H2X\r\n");
    assert_eq!((list.patients.len(), list.ignored().0), (1, vec!["Adresse"]));
    let list = read(
        "Patients of the clinic,,\n\nLast,First,DOB\nSmith,Jane,1951-03-04\nPage 1 of 2,,\nLast,First,DOB\n\
         Roy,Ann,1960-01-02\nPage,Jimmy,\nPrinted: 2026-11-29,,\nTotal,2,\n",
    );
    assert_eq!((list.patients.len(), &list.passed_over[..]), (2, &[1, 5, 6, 9, 10][..]));
    assert_eq!(lines_left(&list), [(8, Problem::BirthDate)], "somebody is called Page");
    // quotation marks after a space, and the words by which databases write an empty value
    let list = read("\"Last\", \"First\", \"DOB\", \"Email\"\n\"Roy, Ann\", \"NULL\", \"1951-03-04\", \\N\n");
    assert_eq!(
        (&told(&list, 0)[..2], fields_left(&list)),
        (&["Ann".to_owned(), "Roy".to_owned()][..], vec![(2, 1, Problem::Nothing)])
    );
    // a stray control character of an old record, and a file that is not a list
    assert_eq!(good("Nom;DDN;Note\nRoy;1951-03-04;a\u{2}b and many more words of no meaning here\n").patients.len(), 1);
    assert_eq!(problem(b"%PDF-1.7\n\xff\xfe\x01\x02\x03\x04\x05"), Some((1, Problem::Unreadable)));
}

#[test]
fn a_bad_value_costs_its_field_or_its_line_and_is_named() {
    use Problem as P;
    let text = "id,nom,prenom,dob,email,tel,langue,mode de notification,phn\n\
        1,Roy,A,1980-02-30,,,,,\n\
        2,,,1980-02-28,,,,,\n\
        3,Kim,B,1980-02-28,declined,x45,Mandarin,pigeon,n/a\n\
        4,Lee,C,1980-02-28,a@example.org; b@example.org,123-456-7890,en,none,A 123\n\
        5,Other,D,1980-02-28,élo@example.org,514-555-0142 x23,,,a1-23\n\
        4,Third,E,1980-02-28,,,,,\n\
        7,Kim,F,1980-02-28,,,,,,extra\n";
    let list = read(text);
    assert_eq!(lines_left(&list), [(2, P::BirthDate), (3, P::FamilyName), (7, P::Repeated), (8, P::Fields)]);
    assert_eq!(
        fields_left(&list),
        [
            (4, 4, P::Nothing),
            (4, 5, P::Phone),
            (4, 6, P::Language),
            (4, 7, P::Method),
            (4, 8, P::Nothing),
            (5, 4, P::EmailSeveral),
            (5, 5, P::PhoneImpossible),
            (5, 8, P::HealthNumber),
            (6, 4, P::EmailMailbox),
            (6, 5, P::PhoneExtension),
            (6, 8, P::HealthNumber),
        ]
    );
    let names: Vec<&str> = list.patients.iter().map(|p| p.demographics.family_name.as_str()).collect();
    assert_eq!(names, ["Kim", "Lee", "Other"]);
    assert_eq!(list.patients[1].demographics.method, Method::None, "none is a way to be told, not an empty field");
    // what is left out comes back as a list under the same headers
    let rest = read(rest_of(&list));
    assert_eq!(lines_left(&rest), [(2, P::BirthDate), (3, P::FamilyName), (5, P::Fields)]);
    assert_eq!(
        rest.columns.iter().map(|c| c.meaning).collect::<Vec<_>>(),
        list.columns.iter().map(|c| c.meaning).collect::<Vec<_>>()
    );
}

#[test]
fn what_is_no_list_says_why() {
    use Problem as P;
    assert_eq!(problem(b""), Some((1, P::NoList)));
    assert_eq!(problem(b";;\n\n"), Some((1, P::NoList)));
    assert_eq!(problem(b"name\nRoy\n"), Some((1, P::Headers)));
    assert_eq!(problem(b"nom,dob\n"), Some((1, P::Empty)));
    let many: String = (0..7).map(|n| format!("N{n},1980-02-28\n")).collect();
    assert_eq!(problem(format!("nom,dob\n{many}")), Some((7, P::TooMany)));
    let long = format!("nom,dob\n{},1980-02-28\n", "x".repeat(201));
    assert_eq!(lines_left(&read(long)), [(2, P::TooLong)]);
    for end in ["\n", "\r\n", "\r"] {
        let lines = ["nom,dob", "Roy,1980-02-28", "", "Kim,x"].join(end);
        assert_eq!(lines_left(&read(lines)), [(4, P::BirthDate)], "{end:?}");
    }
    // the time is 14:02 UTC on 4 March 2026: in the easternmost time zones it is 5 March, and nobody is born later
    let born = b"nom,dob\nRoy,2026-03-05\nKim,2026-03-06\nLee,1799-12-31\n";
    assert_eq!(lines_left(&read(born)), [(3, P::BirthDate), (4, P::BirthDate)]);
    // quotation marks over lines
    let quoted = "nom,dob\n\"Roy\nLee\",1980-02-28\nKim,x\n";
    assert_eq!(lines_left(&read(quoted)), [(4, P::BirthDate)]);
    // a column that occurs twice is read once, and the second is named as ignored
    let list = good("nom,dob,surname\nRoy,1980-02-28,x\n");
    assert_eq!(list.ignored().0, ["surname"]);
    let list = good("Surname\tDOB\nRoy\t2001-01-31\nKim\t1999-12-01\n");
    assert_eq!((list.patients.len(), list.patients[1].line), (2, 3));
    assert_eq!(list.patients[0].demographics.language, "fr", "the clinic's, where none is given");
}
