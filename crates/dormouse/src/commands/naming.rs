//! Finds the files of a site that still contain an address: as it is, as written in mail, pages and
//! documents, and within gzip and zip files, including office documents. Files that cannot be
//! searched are listed, too, because a person must decide about them.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use dormouse_store::Site;
use flate2::read::MultiGzDecoder;
use memchr::memmem;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Files that contain an address or may do so, by their paths below the site's directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Files that contain it.
    pub naming: Vec<String>,
    /// Files that are compressed or encrypted in a way that this program cannot read.
    pub unread: Vec<String>,
}

/// Searches all files except the database, which contains it only in settings.
pub fn files(site: &Site, address: &str) -> Files {
    let mut found = Files::default();
    let mut waiting = vec![site.dir().to_owned()];
    let needles = spellings(address);
    while let Some(dir) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() && !is_database(site, &path) {
                let names = match search_file(&path, &needles) {
                    Sight::Clear => continue,
                    Sight::Named => &mut found.naming,
                    Sight::Unread => &mut found.unread,
                };
                let below = path.strip_prefix(site.dir()).unwrap_or(&path);
                names.push(below.display().to_string());
            }
        }
    }
    found.naming.sort();
    found.unread.sort();
    found
}

fn is_database(site: &Site, path: &Path) -> bool {
    let database: PathBuf = site.database();
    path.as_os_str().as_encoded_bytes().starts_with(database.as_os_str().as_encoded_bytes())
}

/// The result of searching some bytes. Later ones outweigh earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sight {
    Clear,
    Unread,
    Named,
}

/// The maximum depth of containers within containers.
const DEEPEST: u32 = 4;
/// The maximum size of a file's unpacked content, in bytes.
const MOST: u64 = 256 * 1024 * 1024;

/// Returns how an address is written in mail, in links and on pages, in lower case.
fn spellings(address: &str) -> Vec<Vec<u8>> {
    let mut spellings = vec![address.as_bytes().to_vec()];
    if let Some((local, domain)) = address.rsplit_once('@') {
        for at in ["%40", "&#64;", "&#x40;", "=40", " at ", "--at--", "_at_"] {
            spellings.push(format!("{local}{at}{domain}").into_bytes());
        }
    }
    spellings
}

fn search_file(path: &Path, needles: &[Vec<u8>]) -> Sight {
    let mut budget = MOST;
    let read = File::open(path).and_then(|file| bounded(file, &mut budget));
    match read {
        Ok(Some(bytes)) => search(&bytes, needles, 0, &mut budget),
        Ok(None) | Err(_) => Sight::Unread,
    }
}

/// Reads all of it; `None` if that is more than the budget.
fn bounded(from: impl Read, budget: &mut u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(*budget + 1).read_to_end(&mut bytes)?;
    let left = budget.checked_sub(bytes.len() as u64);
    *budget = left.unwrap_or_default();
    Ok(left.is_some().then_some(bytes))
}

fn search(bytes: &[u8], needles: &[Vec<u8>], depth: u32, budget: &mut u64) -> Sight {
    if names(bytes, needles) {
        return Sight::Named;
    }
    if depth == DEEPEST {
        return if is_container(bytes) { Sight::Unread } else { Sight::Clear };
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return match bounded(MultiGzDecoder::new(bytes), budget) {
            Ok(Some(inner)) => search(&inner, needles, depth + 1, budget),
            Ok(None) | Err(_) => Sight::Unread,
        };
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return search_zip(bytes, needles, depth, budget);
    }
    if is_container(bytes) {
        return Sight::Unread;
    }
    // Mail, alone or in a mailbox: attachments and texts in base64.
    let attached = encoded(bytes).map(|inner| search(&inner, needles, depth + 1, budget));
    attached.max().unwrap_or(Sight::Clear)
}

fn search_zip(bytes: &[u8], needles: &[Vec<u8>], depth: u32, budget: &mut u64) -> Sight {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else { return Sight::Unread };
    let mut sight = Sight::Clear;
    for number in 0..archive.len() {
        let read = archive.by_index(number).map_err(io::Error::from);
        let read = read.and_then(|entry| bounded(entry, budget));
        sight = sight.max(match read {
            Ok(Some(inner)) => search(&inner, needles, depth + 1, budget),
            Ok(None) | Err(_) => Sight::Unread,
        });
        if sight == Sight::Named || *budget == 0 {
            break;
        }
    }
    sight
}

/// Whether these bytes contain others in a format that cannot be read here.
fn is_container(bytes: &[u8]) -> bool {
    const MAGIC: [&[u8]; 9] = [
        b"\x1f\x8b",
        b"PK\x03\x04",
        b"BZh",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07",
        // Office documents before 2007, and their encrypted successors.
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"-----BEGIN PGP MESSAGE",
    ];
    let is_packed_pdf =
        || bytes.starts_with(b"%PDF-") && memmem::find(bytes, b"/FlateDecode").is_some();
    MAGIC.iter().any(|magic| bytes.starts_with(magic)) || is_packed_pdf()
}

/// Whether some bytes contain an address, also without the line ends of quoted-printable and
/// without tags: a word processor may split an address.
fn names(bytes: &[u8], needles: &[Vec<u8>]) -> bool {
    let lower = bytes.to_ascii_lowercase();
    let is_in = |text: &[u8]| needles.iter().any(|needle| memmem::find(text, needle).is_some());
    if is_in(&lower) {
        return true;
    }
    // UTF-16, as old office programs write it.
    let wide = needles
        .first()
        .map(|needle| needle.iter().flat_map(|&byte| [byte, 0]).collect::<Vec<u8>>());
    if wide.is_some_and(|wide| memmem::find(&lower, &wide).is_some()) {
        return true;
    }
    let joined = [&b"=\r\n"[..], b"=\n"].iter().any(|end| memmem::find(&lower, end).is_some());
    if joined && is_in(&without_soft_breaks(&lower)) {
        return true;
    }
    memchr::memchr(b'<', &lower).is_some() && is_in(&without_tags(&lower))
}

fn without_soft_breaks(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'=', rest) {
        let behind = &rest[at + 1..];
        let skipped = [&b"\r\n"[..], b"\n"].into_iter().find(|end| behind.starts_with(end));
        out.extend_from_slice(&rest[..at + usize::from(skipped.is_none())]);
        rest = &behind[skipped.map_or(0, <[u8]>::len)..];
    }
    out.extend_from_slice(rest);
    out
}

fn without_tags(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'<', rest) {
        out.extend_from_slice(&rest[..at]);
        let Some(end) = memchr::memchr(b'>', &rest[at..]) else { return out };
        rest = &rest[at + end + 1..];
    }
    out.extend_from_slice(rest);
    out
}

/// Decodes the runs of lines in base64.
fn encoded(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    /// Shorter lines cannot contain an address.
    const LEAST: usize = 8;
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let is_code = |line: &[u8]| {
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        !line.is_empty() && line.iter().all(is_letter)
    };
    let mut lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    std::iter::from_fn(move || {
        let first = lines.by_ref().find(|line| is_code(line) && line.len() >= LEAST)?;
        let mut run = first.to_vec();
        // Padding ends a text; another one follows.
        while !run.ends_with(b"=")
            && let Some(line) = lines.next().filter(|line| is_code(line))
        {
            run.extend_from_slice(line);
        }
        // An incomplete last group is left out.
        run.truncate(run.len() / 4 * 4);
        Some(engine.decode(&run).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;
    use zip::write::SimpleFileOptions;

    const WHO: &str = "bert@example.net";

    fn sight(bytes: &[u8]) -> Sight {
        search(bytes, &spellings(WHO), 0, &mut MOST.clone())
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zipped(name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("other.txt", SimpleFileOptions::default()).unwrap();
        writer.write_all(b"nothing").unwrap();
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap().into_inner()
    }

    fn mail(bytes: &[u8]) -> Vec<u8> {
        let code = STANDARD.encode(bytes);
        let lines: Vec<&str> =
            code.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("Content-Transfer-Encoding: base64\n\n{}\n\n--b--\n", lines.join("\n")).into_bytes()
    }

    #[test]
    fn an_address_is_found_however_it_is_written_and_packed() {
        let text = b"Dear Bert@Example.net, hello. ".repeat(9);
        let word = b"<w:t>bert@</w:t></w:r><w:r><w:t>example.net</w:t>".to_vec();
        for (what, bytes) in [
            ("text", text.clone()),
            ("gzip", gz(&text)),
            ("gzip of two members", [gz(b"x"), gz(&text)].concat()),
            ("zip", zipped("a.txt", &text)),
            ("an office document", zipped("word/document.xml", &word)),
            ("zip in gzip in zip", zipped("a", &gz(&zipped("b", &text)))),
            ("base64", mail(&text)),
            ("zip in a mail", mail(&zipped("a.txt", &text))),
            ("a mail in a gzipped mailbox", gz(&mail(&gz(&text)))),
            ("quoted-printable", b"bert=40example.net".to_vec()),
            ("a soft break", b"is bert@exam=\r\nple.net here".to_vec()),
            ("a link", b"mailto:bert%40example.net".to_vec()),
            ("a page of Mailman's", b"<i>bert at example.net</i>".to_vec()),
            ("utf-16", "bert@example.net".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ] {
            assert_eq!(sight(&bytes), Sight::Named, "{what}");
        }
    }

    #[test]
    fn what_does_not_name_it_is_clear_and_what_cannot_be_read_is_said() {
        for (what, bytes) in [
            ("text", b"Albert@example.nets".repeat(2)),
            ("gzip", gz(b"nobody")),
            ("zip", zipped("a.txt", b"nobody")),
            ("base64", mail(b"nobody is named here")),
            ("a picture", b"\x89PNG\r\n\x1a\n".to_vec()),
        ] {
            let expected = if what == "text" { Sight::Named } else { Sight::Clear };
            assert_eq!(sight(&bytes), expected, "{what}");
        }
        let broken = &gz(&b"nobody ".repeat(99))[..20];
        for (what, bytes) in [
            ("broken gzip", broken.to_vec()),
            ("broken zip", b"PK\x03\x04nonsense".to_vec()),
            ("bzip2", b"BZh91AY".to_vec()),
            ("xz in a mail", mail(b"\xfd7zXZ\0.........")),
            ("pdf", b"%PDF-1.7 << /Filter /FlateDecode >>".to_vec()),
            ("too deep", gz(&gz(&gz(&gz(&gz(b"x")))))),
        ] {
            assert_eq!(sight(&bytes), Sight::Unread, "{what}");
        }
        // A file that unpacks to more than the budget.
        let mut little = 1000;
        let bomb = gz(&vec![0; 100_000]);
        assert_eq!(search(&bomb, &spellings(WHO), 0, &mut little), Sight::Unread);
    }
}
