//! What the beginning of a file says of its format, for formats that programs write in more than one way.

use std::io::Read;

/// The brands of a file of the ISO base media format (ISO/IEC 14496-12, 4.3): its own and those it is compatible with.
pub fn brands(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let size = head.first_chunk().map_or(0, |size| u32::from_be_bytes(*size) as usize);
    let all = head.get(8..size.min(head.len())).filter(|_| head.get(4..8) == Some(b"ftyp")).unwrap_or_default();
    // a version stands between the first brand and the others
    all.chunks_exact(4).enumerate().filter(|(at, _)| *at != 1).map(|(_, brand)| brand)
}

/// Whether the file begins with an ID3 tag, or with a frame of MPEG audio layer III of any sampling rate (ISO/IEC
/// 11172-3 and 13818-3, and the unofficial 2.5 for low rates).
pub fn is_mp3(head: &[u8]) -> bool {
    if head.starts_with(b"ID3") {
        return true;
    }
    let Some(length) = frame(head) else { return false };
    // a text can begin like one frame by chance, but not like two
    match head.get(length..) {
        Some(rest) if rest.len() >= 4 => frame(rest).is_some(),
        _ => true,
    }
}

/// The length in bytes of the frame that begins here.
fn frame(bytes: &[u8]) -> Option<usize> {
    const FIRST: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const LATER: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let [one, two, three, _] = *bytes.first_chunk()?;
    let (version, layer) = ((two >> 3) & 3, (two >> 1) & 3);
    if one != 0xff || two < 0xe0 || version == 1 || layer != 1 {
        return None;
    }
    let (rate, padding) = ([44_100, 48_000, 32_000].get(usize::from((three >> 2) & 3))?, usize::from((three >> 1) & 1));
    let at = usize::from(three >> 4);
    let (bits, rate, samples) = match version {
        3 => (FIRST.get(at)?, *rate, 144),
        2 => (LATER.get(at)?, rate / 2, 72),
        _ => (LATER.get(at)?, rate / 4, 72),
    };
    // a frame without a bit rate has no fixed length
    (*bits > 0).then(|| samples * bits * 1000 / rate + padding)
}

/// The type that an OpenDocument package declares in its part `mimetype`, wherever in this piece of the archive the
/// part stands and however it is packed.
pub fn package_type(part: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 30;
    let found =
        part.windows(HEADER + 8).position(|window| window.starts_with(b"PK\x03\x04") && window.ends_with(b"mimetype"));
    let entry = part.get(found?..)?;
    let number = |at: usize| Some(u16::from_le_bytes(entry.get(at..at + 2)?.try_into().ok()?));
    let (method, name, extra) = (number(8)?, usize::from(number(26)?), usize::from(number(28)?));
    if name != 8 {
        return None;
    }
    let data = entry.get(HEADER + name + extra..)?;
    let mut out = Vec::new();
    match method {
        0 => {
            let size = usize::from(number(18)?);
            out.extend(data.get(..size.min(200))?);
        }
        8 => {
            // what follows is no part of it: the packed data say where they end
            let _ = flate2::read::DeflateDecoder::new(data).take(200).read_to_end(&mut out);
        }
        _ => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_rate() {
        for (second, third) in [(0xfb, 0x90), (0xfa, 0x94), (0xf3, 0x64), (0xf2, 0x68), (0xe3, 0x44)] {
            let head = [0xff, second, third, 0];
            let length = frame(&head).unwrap();
            let mut two = head.to_vec();
            two.resize(length, 0);
            assert!(is_mp3(&[&two[..], &head].concat()), "{second:x} {third:x}");
            assert!(!is_mp3(&[&two[..], b"text"].concat()), "{second:x} {third:x}");
        }
        assert!(
            !is_mp3(&[0xff, 0xf1, 0x50, 0x80]) && !is_mp3(&[0xff, 0xd8, 0xff, 0xe0]) && !is_mp3(&[0xff, 0xfe, b'x', 0])
        );
    }
}
