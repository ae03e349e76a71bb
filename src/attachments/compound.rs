//! Compound files ([MS-CFB]): which program wrote one, by the list of streams in it, without reading all of it.

/// The program that a compound file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Word
    Word,
    /// Excel
    Excel,
    /// PowerPoint
    PowerPoint,
    /// a mail saved by Outlook
    Mail,
    /// a newer Office file that is locked with a password
    Locked,
}

const MARK: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
/// Bytes of one entry of the directory.
const ENTRY: usize = 128;
/// Streams that only one program's files have.
const STREAMS: [(&str, Family); 7] = [
    ("EncryptedPackage", Family::Locked),
    ("WordDocument", Family::Word),
    ("Workbook", Family::Excel),
    ("Book", Family::Excel),
    ("PowerPoint Document", Family::PowerPoint),
    ("__properties_version1.0", Family::Mail),
    ("__nameid_version1.0", Family::Mail),
];

/// Whether a file with this beginning is a compound file.
pub fn is(head: &[u8]) -> bool {
    head.starts_with(MARK)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Where the directory begins, in bytes, as the file's header says.
pub fn directory_at(head: &[u8]) -> Option<u64> {
    if !is(head) {
        return None;
    }
    // sectors are of 512 or 4096 bytes, counted after the header
    let shift = u16::from_le_bytes(number(head, 30)?);
    let sector = u32::from_le_bytes(number(head, 48)?);
    (9..=12).contains(&shift).then(|| (u64::from(sector) + 1) << shift)
}

/// The program, from the beginning of the file's directory; `None` where no known stream is listed.
pub fn family(directory: &[u8]) -> Option<Family> {
    let names: Vec<String> = directory.chunks_exact(ENTRY).filter_map(name).collect();
    STREAMS.iter().find(|(stream, _)| names.iter().any(|name| name == stream)).map(|(_, family)| *family)
}

/// The name of an entry: UTF-16 with a zero at its end, and its length in bytes at offset 64.
fn name(entry: &[u8]) -> Option<String> {
    let length = usize::from(u16::from_le_bytes(number(entry, 64)?));
    let units: Vec<u16> =
        entry.get(..length.checked_sub(2)?)?.as_chunks().0.iter().copied().map(u16::from_le_bytes).collect();
    String::from_utf16(&units).ok()
}

/// Whether the file opens only with a password. The older kinds say so where their first stream begins, which programs
/// put right behind the header.
pub fn is_locked(head: &[u8], directory: &[u8]) -> bool {
    let at = |at: usize| number(head, at).map(u16::from_le_bytes);
    match family(directory) {
        Some(Family::Locked) => true,
        // FibBase: wIdent, and the flag fEncrypted ([MS-DOC] 2.5.2)
        Some(Family::Word) => at(512) == Some(0xa5ec) && at(522).is_some_and(|flags| flags & 0x0100 != 0),
        // the record FilePass behind the first, BOF ([MS-XLS] 2.1.7.20.1)
        Some(Family::Excel) => {
            at(512) == Some(0x0809) && at(514).and_then(|length| at(516 + usize::from(length))) == Some(0x002f)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Vec<u8> {
        let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = entry.len() as u16 + 2;
        entry.resize(ENTRY, 0);
        entry[64..66].copy_from_slice(&length.to_le_bytes());
        entry
    }

    #[test]
    fn a_directory_says_whose_it_is() {
        let of = |name: &str| family(&[entry("Root Entry"), entry("\u{5}SummaryInformation"), entry(name)].concat());
        assert_eq!(of("WordDocument"), Some(Family::Word));
        assert_eq!(of("Book"), Some(Family::Excel));
        assert_eq!(of("__properties_version1.0"), Some(Family::Mail));
        assert_eq!((of("Else"), family(&[]), family(&[0; 700])), (None, None, None));
        let odd = [entry("Workbook"), vec![0xff; ENTRY], vec![1; 9]].concat();
        assert_eq!(family(&odd), Some(Family::Excel));
    }
}
