//! The characters of a text message that cost one septet or two (3GPP TS 23.038, default alphabet and extension).

/// The default alphabet, in the order of the standard's table without its escape.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension: an escape and a second septet.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Whether a text goes in the seven-bit alphabet; any other character makes the whole a UCS-2 text.
pub fn is_gsm7(text: &str) -> bool {
    text.chars().all(|c| BASIC.contains(c) || EXTENSION.contains(c))
}
