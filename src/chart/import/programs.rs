//! Recognises programs, by name, type or content: they have no place in a chart.

/// Endings of files that a system runs, or that start something that it runs.
const ENDINGS: [&str; 48] = [
    "apk", "app", "appimage", "bash", "bat", "class", "cmd", "com", "command", "cpl", "csh", "deb", "desktop", "dll",
    "dmg", "exe", "hta", "inf", "jar", "js", "jse", "lnk", "mjs", "msc", "msi", "msp", "pif", "pkg", "pl", "ps1",
    "psm1", "py", "reg", "rpm", "scf", "scr", "sh", "so", "sys", "url", "vb", "vbe", "vbs", "wasm", "ws", "wsf", "wsh",
    "xll",
];

/// Media types of programs.
const TYPES: [&str; 24] = [
    "application/hta",
    "application/java-archive",
    "application/java-vm",
    "application/javascript",
    "application/vnd.android.package-archive",
    "application/vnd.microsoft.portable-executable",
    "application/wasm",
    "application/x-apple-diskimage",
    "application/x-bat",
    "application/x-dosexec",
    "application/x-elf",
    "application/x-executable",
    "application/x-javascript",
    "application/x-mach-binary",
    "application/x-ms-installer",
    "application/x-msdos-program",
    "application/x-msdownload",
    "application/x-msi",
    "application/x-python-code",
    "application/x-sh",
    "application/x-sharedlib",
    "application/x-shellscript",
    "text/javascript",
    "text/x-shellscript",
];

/// The first bytes of programs for Windows, Linux, macOS, Java and WebAssembly.
const BEGINNINGS: [&[u8]; 9] = [
    b"MZ",
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\x00asm",
    // a shortcut of Windows (MS-SHLLINK §2.1)
    b"\x4c\x00\x00\x00\x01\x14\x02\x00",
];

/// The class of a Windows Installer package, in the root of its compound file (MS-CFB §2.6.1).
const INSTALLER: [u8; 16] = [0x84, 0x10, 0x0c, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];

/// Whether a file of this name is run when it is opened. An email or web address is not a file's name, whatever it ends
/// in.
pub fn is_named_as_program(name: &str) -> bool {
    if name.contains('@') || name.contains("://") || name.to_ascii_lowercase().contains("www.") {
        return false;
    }
    let ending = name.trim().rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Whether a media type is one of programs.
pub fn is_typed_as_program(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    TYPES.contains(&essence.as_str())
}

/// Whether a content is a program, whatever it is called.
pub fn is_program(content: &[u8]) -> bool {
    let head = content.get(..512).unwrap_or(content);
    // the same letters may begin a text, which has no zero bytes
    let begins = BEGINNINGS.iter().any(|begin| head.starts_with(begin)) && head.contains(&0);
    let is_script = head.starts_with(b"#!/") || head.starts_with(b"#! /");
    begins || is_script || is_installer(content) || is_packed_program(content)
}

fn is_installer(content: &[u8]) -> bool {
    let word = |at: usize| content.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    if !content.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return false;
    }
    let root = word(0x30).and_then(|sector| usize::try_from(sector).ok()?.checked_add(1)?.checked_mul(512));
    let class = root.and_then(|root| root.checked_add(0x50)).and_then(|at| content.get(at..)?.get(..16));
    class == Some(&INSTALLER)
}

/// Whether this is a program for Java or Android: a ZIP archive with one of these files.
fn is_packed_program(content: &[u8]) -> bool {
    let names: [&[u8]; 2] = [b"META-INF/MANIFEST.MF", b"AndroidManifest.xml"];
    content.starts_with(b"PK\x03\x04") && names.iter().any(|name| content.windows(name.len()).any(|part| part == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_content_type_and_name() {
        let mut installer = vec![0_u8; 1536];
        installer[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
        installer[0x30] = 1;
        installer[1024 + 0x50..1024 + 0x60].copy_from_slice(&INSTALLER);
        for content in [
            &b"MZ\x90\0"[..],
            b"\x7fELF\x02\0",
            b"#!/bin/sh\n",
            b"PK\x03\x04......META-INF/MANIFEST.MF",
            b"\x4c\0\0\0\x01\x14\x02\0",
            &installer,
        ] {
            assert!(is_program(content), "{content:?}");
        }
        for content in
            [&b"MZ is a country code"[..], b"# Title", b"%PDF-1.7", b"PK\x03\x04......META-INF/manifest.xml", b""]
        {
            assert!(!is_program(content), "{content:?}");
        }
        assert!(is_named_as_program("Setup.EXE") && is_named_as_program("a.pdf.js") && !is_named_as_program("exe"));
        assert!(!is_named_as_program("letter.pdf") && !is_named_as_program(""));
        assert!(!is_named_as_program("From ann@example.com") && !is_named_as_program("See www.example.com"));
        assert!(is_typed_as_program("Application/X-MSDownload; x=y") && !is_typed_as_program("application/pdf"));
    }
}
