//! The PDF of a chart item in the writing systems that the clinic's patients read.

use super::document::{document, item, poppler};
use postern::chart::Block;
use postern::chart::document::{Part, not_drawn};

/// A line in each writing system.
const LINES: [&str; 20] = [
    "Huyết áp cao, uống thuốc mỗi ngày: ặ ễ ộ ữ",
    "Ёлка, кров’яний тиск, αίμα",
    "ضغط الدم مرتفع جدا",
    "לחץ דם גבוה",
    "आपका रक्तचाप ठीक है",
    "আপনার রক্তচাপ ঠিক আছে",
    "ਤੁਹਾਡਾ ਬਲੱਡ ਪ੍ਰੈਸ਼ਰ ਠੀਕ ਹੈ",
    "તમારું બ્લડ પ્રેશર બરાબર છે",
    "உங்கள் இரத்த அழுத்தம் சரியாக உள்ளது",
    "మీ రక్తపోటు సరిగ్గా ఉంది",
    "ನಿಮ್ಮ ರಕ್ತದೊತ್ತಡ ಸರಿಯಾಗಿದೆ",
    "നിങ്ങളുടെ രക്തസമ്മർദ്ദം",
    "ඔබේ රුධිර පීඩනය",
    "ความดันโลหิตของคุณปกติ",
    "ຄວາມດັນເລືອດ",
    "ሰላም የደም ግፊት",
    "ᐃᓄᒃᑎᑐᑦ ᓀᐦᐃᔭᐍᐏᐣ",
    "您的血压很高 糖尿病",
    "血圧が高いです テスト",
    "혈압이 높습니다",
];

fn pdf_of(lines: &[&str]) -> Vec<u8> {
    let blocks = lines.iter().map(|line| Block::Paragraph { text: (*line).into() }).collect();
    document(&item("Scripts", blocks), "en").pdf().unwrap()
}

#[test]
fn each_script_has_letters_and_its_text_is_text() {
    assert_eq!(not_drawn("Scripts", &LINES.map(|line| Part::Paragraph(line.into()))), "");
    let pdf = pdf_of(&LINES);
    let text: String = poppler("pdftotext", &["-raw"], &pdf).split_whitespace().collect();
    // a PDF reader may give a vowel before or after its letter, so only the letters are compared, not their order
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
        letters.sort_unstable();
        letters.dedup();
        letters
    };
    let found = letters(&text);
    for line in LINES {
        let missing: Vec<char> = letters(line).into_iter().filter(|c| !found.contains(c)).collect();
        assert!(missing.is_empty(), "{line}: without {missing:?} in {text}");
    }
    for line in &LINES[17..] {
        let line: String = line.split_whitespace().collect();
        assert!(text.contains(&line), "{line} in {text}");
    }
    let fonts = poppler("pdffonts", &[], &pdf);
    assert!(fonts.lines().count() > 15 && fonts.lines().skip(2).all(|line| line.contains("yes yes yes")), "{fonts}");
}

#[test]
fn numbers_in_lines_from_right_to_left_keep_their_digits() {
    for line in ["לחץ דם 120/80 ביום 2026-11-28", "ضغط الدم 120/80 يوم 28", "ferritin 12 בדיקה 5.4"]
    {
        let pdf = pdf_of(&[line]);
        let text = poppler("pdftotext", &["-raw"], &pdf);
        let numbers = line.split_whitespace().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        for number in numbers {
            assert!(text.contains(number), "{number} of {line} in {text}");
        }
        for word in line.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)) {
            assert!(text.contains(word), "{word} of {line} in {text}");
        }
    }
    // text that is read from right to left begins at the right of the page
    let begins_at = |line: &str| {
        let boxes = poppler("pdftotext", &["-bbox"], &pdf_of(&[line]));
        // in this output the reader gives the letters of a word in their order on the page
        let stands = |word: &str| [word.to_owned(), word.chars().rev().collect()];
        let is_there = |found: &str, word: &str| stands(word).iter().any(|word| found.contains(&format!(">{word}<")));
        let words = boxes.lines().filter(|found| line.split(' ').any(|word| is_there(found, word)));
        let edge = |found: &str| found.split("xMax=\"").nth(1)?.split('"').next()?.parse::<f32>().ok();
        words.filter_map(edge).fold(0.0, f32::max)
    };
    assert!(begins_at("לחץ דם") > 540.0, "{}", begins_at("לחץ דם"));
    assert!(begins_at("Blood pressure") < 200.0);
}

#[test]
fn long_lines_without_spaces_are_broken_within_the_page() {
    let lines = ["血压很高".repeat(60), "ความดันโลหิต".repeat(40), "혈압이 ".repeat(60), "ضغط ".repeat(80)];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let pdf = pdf_of(&lines);
    let boxes = poppler("pdftotext", &["-bbox"], &pdf);
    let edges = |name: &str| -> Vec<f32> {
        let name = format!("{name}=\"");
        boxes
            .lines()
            .filter(|line| line.contains("<word"))
            .map(|line| line.split(&name).nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect()
    };
    let (left, right) = (edges("xMin"), edges("xMax"));
    assert!(left.len() > 20 && left.iter().all(|x| *x > 50.0) && right.iter().all(|x| *x < 562.0), "{boxes}");
    let text: String = poppler("pdftotext", &["-raw"], &pdf).split_whitespace().collect();
    assert_eq!(text.matches("血压很高").count(), 60);
}

#[test]
fn what_no_font_has_is_named() {
    assert_eq!(not_drawn("𐎀 ok", &[Part::List(vec!["𐎀\u{10ffff}".into()]), Part::Facts(vec![])]), "𐎀\u{10ffff}");
    assert_eq!(not_drawn("👍 ❤ ≥ µg → β é ½", &[]), "");
    let pdf = pdf_of(&["👍 and 𐎀"]);
    let text = poppler("pdftotext", &["-raw"], &pdf);
    assert!(text.contains('👍') && text.contains('𐎀'), "{text}");
}
