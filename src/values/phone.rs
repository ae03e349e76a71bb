//! Telephone numbers as people and other programs write them, read by Google's libphonenumber data.

use super::PhoneNumber;
use crate::text;
use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};

/// A number as people write it: the part that is dialled, and the extension to dial afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenPhone {
    /// the number
    pub number: PhoneNumber,
    /// digits of an extension; a number with one belongs to an office, and takes no texts
    pub extension: Option<String>,
}

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneProblem {
    /// words, or nothing that looks like a number
    NotANumber,
    /// digits that no telephone has: an unknown area code, too many or too few
    Impossible,
    /// more than one number
    Several,
    /// a number with an extension, where one that takes texts is needed
    Extension,
}

/// Whether a number takes texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// a cellphone
    Mobile,
    /// certainly no cellphone
    Landline,
    /// unknown: in North America both kinds share the same numbers
    Unknown,
}

/// Words before the digits of an extension, folded.
const EXTENSION: [&str; 11] =
    ["ext", "extn", "extension", "x", "poste", "p", "local", "loc", "int", "interne", "durchwahl"];

/// Words for the kind of number, which are no part of it, folded.
const LABELS: [&str; 39] = [
    "tel",
    "telephone",
    "phone",
    "ph",
    "no",
    "number",
    "num",
    "numero",
    "cell",
    "cel",
    "cellphone",
    "cellular",
    "cellulaire",
    "mobile",
    "mob",
    "portable",
    "handy",
    "gsm",
    "sms",
    "text",
    "texto",
    "home",
    "house",
    "res",
    "residence",
    "domicile",
    "dom",
    "maison",
    "work",
    "office",
    "bus",
    "business",
    "travail",
    "bureau",
    "trav",
    "c",
    "h",
    "m",
    "t",
];

/// Separators between two numbers in one field.
const BETWEEN: [&str; 9] = ["/", ",", ";", "|", "\n", " or ", " ou ", " and ", " et "];

/// From this many digits on a part of a field is a number of its own.
const NUMBER_FROM: usize = 7;

impl WrittenPhone {
    /// Reads a number with or without its country, `tel:` (RFC 3966) or not, with any punctuation, words for its kind,
    /// trunk zero or extension. `calling_code` (digits, "1" for Canada) applies to numbers without one.
    ///
    /// # Errors
    /// See [`PhoneProblem`]; never [`PhoneProblem::Extension`].
    pub fn read(text: &str, calling_code: &str) -> Result<WrittenPhone, PhoneProblem> {
        let text = text::visible(text);
        let (text, context, mut extension) = without_uri(text.trim());
        if is_several(&text) {
            return Err(PhoneProblem::Several);
        }
        let digits = bare(&text, &mut extension)?;
        let code = calling_code.trim_start_matches('+');
        let digits = match context {
            Some(context) if !digits.starts_with('+') => format!("{context}{digits}"),
            // North America does not dial abroad with 00, but much of the world writes numbers so
            _ => match digits.strip_prefix("00") {
                Some(rest) => format!("+{rest}"),
                None => digits,
            },
        };
        let region = code.parse().ok().and_then(|code| PHONE_NUMBER_UTIL.get_region_for_country_code(code));
        if region.is_none() && !digits.starts_with('+') {
            return Err(PhoneProblem::NotANumber);
        }
        let parsed = PHONE_NUMBER_UTIL.parse(&digits, region).map_err(|_| PhoneProblem::Impossible)?;
        if !is_one(&parsed) {
            return Err(PhoneProblem::Impossible);
        }
        Ok(WrittenPhone { number: PhoneNumber(parsed.format_as(PhoneNumberFormat::E164).into_owned()), extension })
    }
}

impl PhoneNumber {
    /// Reads a number that takes texts; `None` for a number with an extension.
    pub fn parse(text: &str, calling_code: &str) -> Option<PhoneNumber> {
        PhoneNumber::read(text, calling_code).ok()
    }

    /// Reads a number that takes texts, and says why where that fails.
    ///
    /// # Errors
    /// See [`PhoneProblem`].
    pub fn read(text: &str, calling_code: &str) -> Result<PhoneNumber, PhoneProblem> {
        let written = WrittenPhone::read(text, calling_code)?;
        if written.extension.is_some() { Err(PhoneProblem::Extension) } else { Ok(written.number) }
    }

    /// A number as networks give it, in the form of ITU-T E.164: any number of this form counts, even if this program's
    /// data do not know it yet.
    pub fn from_network(text: &str) -> Option<PhoneNumber> {
        let digits = text.strip_prefix('+')?;
        let whole = (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        (whole && !digits.starts_with('0')).then(|| PhoneNumber(text.to_owned()))
    }

    /// The number as people write it, with its country: `+1 613-555-0121`, `+44 7700 900123`.
    pub fn shown(&self) -> String {
        let parsed = PHONE_NUMBER_UTIL.parse(&self.0, None);
        parsed.map_or_else(|_| self.0.clone(), |number| number.format_as(PhoneNumberFormat::International).into_owned())
    }

    /// The number as people write it to one another: without its country where that is this one (`calling_code`, digits),
    /// as `613 555-0121`; any other as [`PhoneNumber::shown`] gives it.
    pub fn shown_in(&self, calling_code: &str) -> String {
        let Ok(parsed) = PHONE_NUMBER_UTIL.parse(&self.0, None) else { return self.0.clone() };
        if calling_code.trim_start_matches('+').parse::<i32>() != Ok(parsed.country_code) {
            return self.shown();
        }
        // as the Office québécois de la langue française writes it, and both languages read it
        let local = self.0.strip_prefix("+1").filter(|digits| digits.len() == 10);
        let parts = local.and_then(|digits| Some((digits.get(..3)?, digits.get(3..6)?, digits.get(6..)?)));
        match parts {
            Some((area, office, line)) => format!("{area} {office}-{line}"),
            None => parsed.format_as(PhoneNumberFormat::National).into_owned(),
        }
    }

    /// Whether the number takes texts, as far as it tells.
    pub fn line(&self) -> Line {
        match PHONE_NUMBER_UTIL.parse(&self.0, None).map(|number| number.get_type()) {
            Ok(PhoneNumberType::Mobile) => Line::Mobile,
            Ok(PhoneNumberType::FixedLineOrMobile | PhoneNumberType::Unknown | PhoneNumberType::PersonalNumber)
            | Err(_) => Line::Unknown,
            Ok(_) => Line::Landline,
        }
    }

    /// The number for showing, mostly hidden: `…21`.
    pub fn masked(&self) -> String {
        format!("…{}", self.0.chars().skip(self.0.chars().count().saturating_sub(2)).collect::<String>())
    }
}

/// Whether the number exists. For North America's strict plan the data are reliable; elsewhere the data lack ranges
/// that are new or reserved for fiction, so that the right number of digits is enough.
fn is_one(number: &rlibphonenumber::PhoneNumber) -> bool {
    let is_north_american = number.country_code == 1;
    let fits = || matches!(number.is_possible_with_reason(), Ok(NumberLengthType::IsPossible));
    number.is_valid() || (!is_north_american && fits())
}

/// Splits a URI: the number without scheme and parameters, the prefix that it is local to, its extension.
fn without_uri(text: &str) -> (String, Option<String>, Option<String>) {
    let lower = text.to_ascii_lowercase();
    let scheme = ["tel:", "sms:", "callto:"].into_iter().find(|scheme| lower.starts_with(scheme));
    let Some(scheme) = scheme else { return (text.to_owned(), None, None) };
    let mut parts = text.get(scheme.len()..).unwrap_or_default().trim_start_matches('/').split([';', '?']);
    let number = parts.next().unwrap_or_default().trim().to_owned();
    let (mut context, mut extension) = (None, None);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.to_ascii_lowercase().as_str() {
            "ext" => extension = Some(value.to_owned()),
            "phone-context" if value.starts_with('+') => context = Some(value.to_owned()),
            _ => {}
        }
    }
    (number, context, extension)
}

fn digits_in(text: &str) -> usize {
    text.chars().filter(|c| c.is_ascii_digit() || (c.is_numeric() && !c.is_ascii())).count()
}

/// Whether a field holds more than one number.
fn is_several(text: &str) -> bool {
    let folded = text::fold(text);
    let by = |mark: &str| folded.split(mark).filter(|part| digits_in(part) >= NUMBER_FROM).count() > 1;
    let pluses = folded.matches('+').count();
    // E.164 has at most fifteen digits; three more are for dialling out of a country
    BETWEEN.iter().any(|mark| by(mark)) || pluses > 1 || digits_in(&folded) > 18
}

/// The digits and punctuation of a number, without words for its kind; an extension is stored in `extension`.
fn bare(text: &str, extension: &mut Option<String>) -> Result<String, PhoneProblem> {
    let folded = text::fold(text);
    let (mut kept, mut word, mut after_extension) = (String::new(), String::new(), false);
    let end_word = |word: &mut String, kept: &str| -> Result<bool, PhoneProblem> {
        let is_one = EXTENSION.contains(&word.as_str()) && digits_in(kept) >= NUMBER_FROM;
        let fine = word.is_empty() || is_one || LABELS.contains(&word.as_str());
        word.clear();
        if fine { Ok(is_one) } else { Err(PhoneProblem::NotANumber) }
    };
    let mut inner = String::new();
    for c in folded.chars() {
        if c.is_alphabetic() {
            word.push(c);
            continue;
        }
        after_extension |= end_word(&mut word, &kept)?;
        match c {
            '#' if digits_in(&kept) >= NUMBER_FROM => after_extension = true,
            _ if after_extension => inner.extend(c.to_digit(10).map(|_| c)),
            _ if c.is_numeric() || is_punctuation(c) => kept.push(c),
            _ => return Err(PhoneProblem::NotANumber),
        }
    }
    end_word(&mut word, &kept)?;
    if after_extension && !(1..=7).contains(&inner.len()) {
        return Err(PhoneProblem::NotANumber);
    }
    if after_extension {
        *extension = Some(inner);
    }
    // a plus can only begin a number
    if kept.trim_start_matches([' ', '(', ':', '.', '-']).rfind('+').is_some_and(|at| at > 0) {
        return Err(PhoneProblem::NotANumber);
    }
    let kept = kept.trim_matches([' ', ':', '.', ',', ';', '-', '\u{2013}']);
    let kept = kept.replace("()", "").trim().to_owned();
    if kept.chars().any(char::is_numeric) { Ok(kept) } else { Err(PhoneProblem::NotANumber) }
}

fn is_punctuation(c: char) -> bool {
    c.is_whitespace() || "-.()/+:,;'[]#*_".contains(c) || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}')
}
