//! What one header means, by its words: English or French, in any order and spelling.

use super::Column;
use crate::text;
use std::collections::BTreeSet;

/// The words of a header, folded.
pub(super) struct Header {
    /// all words in their order, also those in parentheses
    all: Vec<String>,
    /// the words outside parentheses, without digits at their ends
    words: BTreeSet<String>,
    /// a word ends with another number than 1: the second phone, the third contact
    is_further: bool,
}

/// `None`: the header is about something else. `Some(None)`: it is about this, but the column is left out.
type Answer = Option<Option<Column>>;

impl Header {
    pub fn read(header: &str) -> Header {
        let outside = without_parentheses(header);
        // words in parentheses only explain, unless there are no others
        let outside = if text::words(&outside).is_empty() { header } else { &outside };
        let (mut words, mut is_further) = (BTreeSet::new(), false);
        for word in words_of(outside) {
            let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
            let number = word.get(bare.len()..).unwrap_or_default();
            is_further |= !number.is_empty() && number != "1";
            words.insert(if bare.is_empty() { word.clone() } else { bare.to_owned() });
        }
        Header { all: words_of(header), words, is_further }
    }

    /// Whether one of these words is outside parentheses.
    fn has(&self, any: &str) -> bool {
        any.split_whitespace().any(|word| self.words.contains(word))
    }

    /// Whether one of these words is anywhere, also in parentheses: "Phone (home)".
    fn explains(&self, any: &str) -> bool {
        any.split_whitespace().any(|word| self.words.contains(word) || self.all.iter().any(|one| one == word))
    }

    /// Whether there are no words outside parentheses but these.
    fn only(&self, words: &str) -> bool {
        !self.words.is_empty() && self.words.iter().all(|word| words.split_whitespace().any(|one| one == word))
    }

    pub fn meaning(&self) -> Option<Column> {
        if self.explains(OF_OTHERS) || self.has(ABOUT) {
            return None;
        }
        let meanings = [
            Header::birth,
            Header::language,
            Header::method,
            Header::email,
            Header::phone,
            Header::health,
            Header::id,
            Header::name,
        ];
        meanings.iter().find_map(|meaning| meaning(self)).flatten()
    }

    /// Whether it says that it is a cellphone.
    pub fn is_of_cellphones(&self) -> bool {
        self.explains(CELL) || self.explains("c")
    }

    /// Whether it only says "number", which may be the number of the line.
    pub fn is_bare_number(&self) -> bool {
        self.only("no number numero num nr row line ligne rang")
    }

    /// Whether a name is said to be the whole one: "Full name".
    pub fn is_whole_name(&self) -> bool {
        self.has("full complete complet fullname") || self.family_comes_first().is_some()
    }

    /// Whether it says "Nom": in French the family name where a given name stands beside it, and the whole name alone.
    pub fn is_nom(&self) -> bool {
        self.only("nom noms")
    }

    /// Whether the family name comes first in a column of whole names, where the header says so: "Last, First".
    pub fn family_comes_first(&self) -> Option<bool> {
        let at = |any: &str| self.all.iter().position(|word| any.split_whitespace().any(|one| one == word));
        let given = at("given first givenname givennames forename fname prenom prenoms")?;
        let family = at("last family surname lname famille").or_else(|| at("nom noms"))?;
        Some(family < given)
    }

    fn birth(&self) -> Answer {
        let speaks = self.has("dob ddn dtn yob birth birthday birthdate bday born naissance naiss anniversaire")
            || (self.has("ne nee") && self.only("ne nee e le la date"));
        if !speaks {
            return None;
        }
        let (year, month) = (self.has("year years annee an yyyy aaaa yr yob"), self.has("month mois mm mth mon"));
        let day = self.has("day jour dd jj") && !self.has("date");
        Some(match (year, month, day) {
            _ if self.has("next place lieu country pays sex sexe gender weight order name nom certificate time") => {
                None
            }
            (true, false, false) => Some(Column::BirthYear),
            (false, true, false) => Some(Column::BirthMonth),
            (false, false, true) => Some(Column::BirthDay),
            (false, false, false) if !self.is_birth_date() => None,
            _ => Some(Column::BirthDate),
        })
    }

    fn is_birth_date(&self) -> bool {
        self.has("dob ddn dtn date dt birthdate birthday bday born anniversaire ne nee")
            || self.only("birth naissance naiss patient patients de")
    }

    fn language(&self) -> Answer {
        let speaks = self.has("language languages langue langues lang");
        let other = self.is_further || self.has("interpreter interprete interpretation other autre second secondary");
        speaks.then_some((!other).then_some(Column::Language))
    }

    fn method(&self) -> Answer {
        let reminds = self.has("notification notifications notify reminder reminders rappel rappels");
        let asks = self.has("preferred preference preferences method mode methode prefere preferee moyen");
        let speaks = reminds || (asks && self.has("contact communication communications"));
        if !speaks {
            return None;
        }
        // "Preferred contact number" is an address, and "Email reminders" is yes or no
        if self.has("phone telephone tel number no numero email courriel mail cell mobile sms text texto address") {
            return reminds.then_some(None);
        }
        let is_how = asks || self.has("by par via type");
        let alone = self.only("notification notifications reminder reminders rappel rappels patient");
        Some((is_how || alone).then_some(Column::Method))
    }

    fn email(&self) -> Answer {
        let electronic =
            (self.has("e") && self.has("mail")) || (self.has("electronique") && self.has("adresse courrier"));
        let speaks = electronic || self.has("email emails courriel courriels mel") || self.only("mail mails");
        let other = self.is_further || self.has(NOT_THE_ADDRESS) || self.explains(OTHER_ADDRESS);
        speaks.then_some((!other).then_some(Column::Email))
    }

    fn phone(&self) -> Answer {
        let named = self.has("phone phones telephone telephones tel ph");
        let spelled = self.has("contact contacts text texts") && self.has("number numbers no num numero");
        let is_phone = named || spelled;
        let cell = self.explains(CELL) || (is_phone && self.explains("c"));
        if !cell && !is_phone {
            return None;
        }
        let other = self.explains(OTHER_ADDRESS) || self.explains(OTHER_PHONE);
        let taken = !self.is_further && !self.has(NOT_THE_ADDRESS) && (cell || !other);
        Some(taken.then_some(Column::Phone))
    }

    fn health(&self) -> Answer {
        const CARD: &str =
            "hin phn hcn ohip ramq nam ahcip ahc msp mcp uli phin mhsc hsn nhs nhi ihi chi carecard medicare";
        const AROUND: &str =
            "card carte health sante insurance assurance maladie soleil hc hn number no num numero de la of";
        const VERSION: &str = "version ver vc code";
        if self.has("version ver vc") && self.only(&format!("{VERSION} {CARD} {AROUND}")) {
            return Some(Some(Column::VersionCode));
        }
        let spelled = (self.has("health") && self.has("number no num numero card id insurance care plan personal"))
            || (self.has("assurance ass") && self.has("maladie mal sante"))
            || (self.has("carte") && self.has("sante soleil maladie"))
            || (self.has("care") && self.has("card"))
            || (self.has("hc hn") && self.only("hc hn number no num"));
        // a chart number is another column than a health number
        if (!self.has(CARD) && !spelled) || self.has("record chart dossier") {
            return None;
        }
        let about = self.has(
            "expiry expiration expires exp province prov type effective issue issued date provider region state \
             private extended authority country jurisdiction territory code pays",
        );
        Some((!about).then_some(Column::HealthNumber))
    }

    fn id(&self) -> Answer {
        let number = self.has("id ids number no num numero code ref reference nr identifier uuid guid key");
        let of_record = self.has(
            "patient patients pt pat usager usagers chart charts record client clients demographic demographics dossier source mrn file \
             emr dme pss oscar external person medical account acct system",
        );
        let alone = self.has("mrn") || self.only("id dossier chart no number numero num nr uuid guid");
        let is_an_id = number && self.words.len() <= 2 && self.has("id");
        let theirs = self.has(
            "user username login portal group family famille household insurance policy plan tax sin nas ssn passport \
             license licence driver postal zip street unit apartment app email note document task",
        );
        let speaks = (number && of_record) || alone || is_an_id;
        (speaks || (number && theirs)).then_some((!theirs).then_some(Column::Id))
    }

    fn name(&self) -> Answer {
        const AROUND: &str = "patient patients pt pat client clients usager usagers beneficiaire l s full complete complet du de le la of the display legal \
            official officiel name names nom noms fullname";
        if self.explains(
            "middle maiden second initial initials former previous jeune fille suffix prefix title user username file \
             contact date visit seen mere pere soundex sort phonetic",
        ) {
            return Some(None);
        }
        let speaks = self.has("name names nom noms");
        // "First" and "Last" alone mean names too; "Last visit" and "Family history" do not
        let weak =
            |words: &str| self.explains(words) && (speaks || self.only(&format!("{AROUND} first last family famille")));
        let given =
            self.has("given givenname givennames forename forenames fname prenom prenoms") || weak("first given");
        let family = self.has("surname surnames lname") || weak("last family famille surname");
        if self.has("preferred pref nickname usuel usual alias prefere prefered surnom chosen aka known goes called") {
            let is_name = speaks || given || self.has("nickname surnom alias aka as by");
            return Some((is_name && (given || !family)).then_some(Column::PreferredName));
        }
        let both = given && (family || (self.has("nom noms") && self.has("prenom prenoms")));
        Some(match (given, family) {
            _ if both => Some(Column::FullName),
            (true, _) => Some(Column::GivenName),
            (_, true) => Some(Column::FamilyName),
            _ if self.only("nom noms") => Some(Column::FamilyName),
            _ => ((speaks || self.has("patient client usager beneficiaire fullname")) && self.only(AROUND))
                .then_some(Column::FullName),
        })
    }
}

/// Words for people and firms: their columns are not about the patient.
const OF_OTHERS: &str = "emergency urgence kin nok mother mothers father fathers mere pere parent parents guardian guardians \
    tuteur tutrice spouse spouses conjoint conjointe partner husband wife child enfant daughter relative friend \
    physician physicians doctor doctors docteur dr md gp mrp nurse infirmiere provider providers practitioner medecin \
    medecins clinician therapist specialist specialiste pharmacy pharmacie pharmacist referring referrer referral referred \
    employer employeur caregiver aidant insurer assureur guarantor subscriber policyholder responsible responsable \
    repondant mandataire representative proxy poa sdm location site appointment appointments rdv company billing invoice \
    facturation school ecole lawyer agency clinic clinique staff";

/// Words of a cellphone.
const CELL: &str =
    "cell cells cel cellphone cellular cellulaire mobile mobiles mob portable gsm sms texto textos handy";

/// Words for a phone that may not be a cellphone.
const OTHER_PHONE: &str = "home office fax pager maison domicile dom residence res bureau bur trav extension ext poste day daytime evening \
    night jour soir telecopieur landline fixe h w b r d";

/// Words for a second address.
const OTHER_ADDRESS: &str =
    "alternate alternative alt other autre second 2nd secondary secondaire work travail business";

/// Words of columns about a value: whether it was checked, when it was changed, who agreed.
const ABOUT: &str = "consent consents consentement verified verifie updated modified created opt optin optout status statut \
    valid carrier timezone invited registered count not pas newsletter marketing deceased death deces";

/// Words of columns that are about an address and do not contain it.
const NOT_THE_ADDRESS: &str = "type label note notes comment comments ok extension ext poste allowed allow receive \
    subscribed permission preference preferences app device";

/// Words that headers consist of, to split headers without spaces.
const JOINED: [&str; 64] = [
    "patient",
    "demographic",
    "client",
    "chart",
    "record",
    "medical",
    "number",
    "no",
    "num",
    "id",
    "date",
    "of",
    "birth",
    "year",
    "month",
    "day",
    "first",
    "last",
    "middle",
    "given",
    "family",
    "full",
    "preferred",
    "legal",
    "maiden",
    "name",
    "names",
    "cell",
    "mobile",
    "home",
    "work",
    "phone",
    "email",
    "address",
    "health",
    "card",
    "care",
    "version",
    "code",
    "language",
    "nom",
    "prenom",
    "du",
    "de",
    "naissance",
    "famille",
    "numero",
    "dossier",
    "courriel",
    "telephone",
    "cellulaire",
    "assurance",
    "maladie",
    "carte",
    "sante",
    "postal",
    "street",
    "emergency",
    "contact",
    "hin",
    "phn",
    "dob",
    "ramq",
    "nam",
];
/// The longest word that is split, in bytes.
const LONGEST_JOINED: usize = 40;

fn words_of(header: &str) -> Vec<String> {
    let words = text::words(&apart(header));
    // the letters of D.O.B. or N.A.M. are one word
    if words.len() > 1 && words.iter().all(|word| word.chars().count() == 1) {
        return vec![words.concat()];
    }
    words.into_iter().flat_map(|word| in_joined(&word).unwrap_or_else(|| vec![word])).collect()
}

/// Splits `dateofbirth` into words; `None` unless it consists only of [`JOINED`].
fn in_joined(word: &str) -> Option<Vec<String>> {
    fn rest_of(rest: &str) -> Option<Vec<String>> {
        if rest.is_empty() {
            return Some(Vec::new());
        }
        JOINED.iter().find_map(|one| {
            let mut words = rest_of(rest.strip_prefix(one)?)?;
            words.insert(0, (*one).to_owned());
            Some(words)
        })
    }
    let figures = word.trim_start_matches(|c: char| !c.is_ascii_digit());
    let bare = word.strip_suffix(figures)?;
    let mut words = (word.len() <= LONGEST_JOINED && !JOINED.contains(&bare)).then(|| rest_of(bare)).flatten()?;
    words.last_mut()?.push_str(figures);
    Some(words)
}

/// Puts spaces into `firstName`, `DOBYear` and `Chart#`.
fn apart(header: &str) -> String {
    let header: Vec<char> = header.replace('#', " number ").chars().collect();
    let mut spaced = String::with_capacity(header.len() + 4);
    for (at, c) in header.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| header.get(before));
        let starts = c.is_uppercase()
            && before.is_some_and(|before| {
                let word_follows = header.get(at + 1).is_some_and(|next| next.is_lowercase())
                    && header.get(at + 2).is_some_and(|next| next.is_lowercase());
                before.is_lowercase() || (before.is_uppercase() && word_follows)
            });
        if starts {
            spaced.push(' ');
        }
        spaced.push(*c);
    }
    spaced
}

fn without_parentheses(header: &str) -> String {
    let (mut kept, mut depth) = (String::new(), 0_u32);
    for c in header.chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            c if depth == 0 => kept.push(c),
            // Prénom(s)
            _ => {}
        }
    }
    kept
}
