//! What a received text says: the words that carriers agree on, in English and French, as people write them.

use crate::text;
use crate::text_enum;

text_enum! {
    /// What a received text says.
    pub enum Word {
        /// no more texts to this number
        Stop = "stop",
        /// texts to this number again
        Start = "start",
        /// who are you?
        Help = "help",
        /// anything else
        Other = "other",
    }
}

/// Words that may stand beside the keyword: politeness, or what is to stop.
const BESIDE: &[&str] = &[
    "please",
    "pls",
    "plz",
    "thanks",
    "thank",
    "you",
    "thx",
    "kindly",
    "now",
    "all",
    "sending",
    "send",
    "texting",
    "text",
    "texts",
    "messaging",
    "message",
    "messages",
    "sms",
    "me",
    "us",
    "these",
    "this",
    "the",
    "to",
    "no",
    "more",
    "svp",
    "stp",
    "merci",
    "s",
    "il",
    "vous",
    "te",
    "plait",
    "plaît",
    "veuillez",
    "de",
    "d",
    "m",
    "me",
    "mes",
    "les",
    "des",
    "ces",
    "ce",
    "envoyer",
    "envois",
    "textos",
    "texto",
    "tout",
    "tous",
    "maintenant",
    "moi",
    "ecrire",
];
/// Words that mean something else as soon as other words stand beside them: "the end", "cancel this".
const ALONE: &[&str] = &["end", "cancel", "quit", "revoke"];
/// At most this many words after a pause, or after a keyword in capitals, are taken for a signature.
const NAME: usize = 4;

impl Word {
    /// Reads a whole text. The keyword may stand between words of politeness, and a name may follow it after a comma, a
    /// dash or a new line: "STOP please", "ARRÊTEZ", "Stop - Maria". "Stop by tomorrow" is `Other`.
    pub fn parse(body: &str) -> Word {
        let whole = Word::recognise(&text::words(body));
        if whole != Word::Other || body.contains('?') {
            return whole;
        }
        let body = body.trim();
        let pause = body.find(['\n', '\r', '.', ',', ';', ':', '!', '–', '—']).or_else(|| body.find(" -"));
        let split = pause.and_then(|at| Some((body.get(..at)?, body.get(at..)?)));
        let capital = || {
            let (first, rest) = body.split_once(char::is_whitespace)?;
            (first.chars().any(char::is_alphabetic) && !first.chars().any(char::is_lowercase)).then_some((first, rest))
        };
        let signed = split.or_else(capital).filter(|(_, name)| text::words(name).len() <= NAME);
        signed.map_or(Word::Other, |(word, _)| Word::recognise(&text::words(word)))
    }

    fn recognise(words: &[String]) -> Word {
        let one = |words: &[&str]| match words.concat().as_str() {
            "stop" | "stopall" | "unsubscribe" | "cancel" | "end" | "quit" | "optout" | "revoke" | "arret"
            | "arrets" | "arrete" | "arreter" | "arretez" | "desabonner" | "desabonnement" => Word::Stop,
            "start" | "unstop" => Word::Start,
            "help" | "info" | "aide" => Word::Help,
            _ => Word::Other,
        };
        let all: Vec<&str> = words.iter().map(String::as_str).collect();
        let plain: Vec<&str> = all.iter().copied().filter(|word| !BESIDE.contains(word)).collect();
        match one(&all) {
            Word::Other if !plain.is_empty() && !ALONE.contains(&plain.concat().as_str()) => one(&plain),
            word => word,
        }
    }

    /// Whether the keyword is French, for a number whose holders' language is not known.
    pub(super) fn is_french(body: &str) -> bool {
        let french = ["arret", "arreter", "arretez", "arrete", "aide", "svp", "desabonner", "merci"];
        text::words(body).iter().any(|word| french.contains(&word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_obeyed_however_it_is_wrapped() {
        for body in [
            "STOP",
            // carriers obey the word alone too, whatever sign follows it
            "STOP?",
            "stop.",
            "Stop!",
            "STOP please",
            "Please stop",
            "STOP PLEASE THANK YOU",
            "ARRÊTEZ",
            "Arrêtez svp",
            "ARRET",
            "arrêter s'il vous plaît",
            "STOP\nMaria Mejía",
            "Stop - Maria",
            "stop, Jean Tremblay",
            "STOP Maria",
            "Stop sending me texts",
            "stop texting me",
            "Arrêtez de m'envoyer des textos",
            "opt-out",
            "Opt out",
            "STOPALL",
            "« STOP »",
            "Unsubscribe please",
            "STOP -- Jean-Pierre Côté",
        ] {
            assert_eq!(Word::parse(body), Word::Stop, "{body}");
        }
        for body in [
            "Stop by tomorrow",
            "can I stop the pills",
            "Should I stop?",
            "stop taking the blue pills",
            "Cancel my appointment please",
            "the end",
            "I want to quit smoking",
            "Stop, I have a question about my pills",
            "",
            "please",
            "thank you",
            "1",
            "?!",
            "STOP I will not be there at nine tomorrow",
        ] {
            assert_ne!(Word::parse(body), Word::Stop, "{body}");
        }
        for (body, word) in [
            ("start please", Word::Start),
            ("UNSTOP", Word::Start),
            ("Help!", Word::Help),
            ("AIDE svp", Word::Help),
            ("hello", Word::Other),
        ] {
            assert_eq!(Word::parse(body), word, "{body}");
        }
    }
}
