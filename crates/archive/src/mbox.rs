//! The list's mbox: the source of truth (docs/spec/archives.md §6).
//!
//! An append takes effect with its first byte. It is written with a NUL in its place and synced;
//! then the byte is set and synced. If a process dies before that, the mbox ends with data that
//! begins with a NUL, which the next process removes; if it dies after, the post is archived.

use crate::ArchiveError;
use crate::place::open_private;
use dormouse_spool::fault;
use sha1::{Digest, Sha1};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The maximum part of a message that is kept in memory, in bytes; the rest is only counted.
const LARGEST: usize = 64 * 1024 * 1024;
/// The beginning of a From line, and the same before it takes effect.
const FROM: &[u8] = b"From ";
const UNFINISHED: &[u8] = b"\0rom ";

/// A message in an mbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Where its From line begins.
    pub start: u64,
    /// Its length, including the From line and the empty line after it.
    pub length: u64,
    /// Its bytes, or the first of them if it is huge.
    pub bytes: Vec<u8>,
}

impl Stored {
    /// Returns the digest that identifies the message.
    pub fn digest(&self) -> Vec<u8> {
        Sha1::digest(&self.bytes).to_vec()
    }
}

/// Reads an mbox message by message.
///
/// A message begins with a line that begins with `From ` and has the form of a delivery agent's,
/// after an empty line, so that prose beginning with `From ` does not split a message.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    path: PathBuf,
    at: u64,
    line: Vec<u8>,
}

impl Reader<BufReader<File>> {
    /// Reads a file from a position on.
    pub fn open(path: &Path, start: u64) -> Result<Self, ArchiveError> {
        let mut file = File::open(path).map_err(ArchiveError::io("open", path))?;
        file.seek(SeekFrom::Start(start)).map_err(ArchiveError::io("read", path))?;
        Reader::new(BufReader::with_capacity(256 * 1024, file), path, start)
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`, whose first byte is at position `start`.
    pub fn new(input: R, path: &Path, start: u64) -> Result<Reader<R>, ArchiveError> {
        let mut reader = Reader { input, path: path.to_owned(), at: start, line: Vec::new() };
        reader.read_line()?;
        Ok(reader)
    }

    fn read_line(&mut self) -> Result<(), ArchiveError> {
        self.line.clear();
        self.input
            .read_until(b'\n', &mut self.line)
            .map(|_| ())
            .map_err(ArchiveError::io("read", &self.path))
    }

    fn advance(&mut self) -> Result<(), ArchiveError> {
        self.at += self.line.len() as u64;
        self.read_line()
    }

    /// Whether an unfinished append follows.
    pub fn is_unfinished(&self) -> bool {
        self.line.first() == Some(&0)
    }

    /// Moves to the next message, and returns whether an unfinished append follows.
    fn skip_blanks(&mut self) -> Result<bool, ArchiveError> {
        while matches!(self.line.as_slice(), b"\n" | b"\r\n") {
            self.advance()?;
        }
        Ok(self.is_unfinished())
    }

    /// Returns the position of the next message.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Reads the next message; `None` at the end, and before an unfinished append.
    pub fn next_message(&mut self) -> Result<Option<Stored>, ArchiveError> {
        if self.skip_blanks()? || self.line.is_empty() {
            return Ok(None);
        }
        let start = self.at;
        let mut bytes = Vec::new();
        loop {
            if bytes.len() + self.line.len() <= LARGEST {
                bytes.extend_from_slice(&self.line);
            }
            let is_blank = matches!(self.line.as_slice(), b"\n" | b"\r\n");
            self.advance()?;
            if self.line.is_empty() || is_blank && is_from_line(&self.line) {
                return Ok(Some(Stored { start, length: self.at - start, bytes }));
            }
        }
    }
}

/// Whether a line is a delivery agent's line before a message: `From ADDRESS DATE`.
fn is_from_line(line: &[u8]) -> bool {
    if !(line.starts_with(FROM) || line.starts_with(UNFINISHED)) {
        return false;
    }
    let words =
        || line[FROM.len()..].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let is_time = |word: &[u8]| {
        matches!(word, [_, _, b':', _, _] | [_, _, b':', _, _, b':', _, _] | [_, b':', _, _, ..])
            && word.iter().all(|byte| byte.is_ascii_digit() || *byte == b':')
    };
    let is_year = |word: &[u8]| word.len() == 4 && word.iter().all(u8::is_ascii_digit);
    words().any(is_time) && words().any(is_year)
}

/// Formats a message for an mbox: with a From line, `>` before lines that look like one, and an
/// empty line at the end.
pub fn entry(envelope: &str, date: &str, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 128);
    let envelope: String = envelope.chars().filter(|letter| !letter.is_whitespace()).collect();
    let envelope = if envelope.is_empty() { "nobody" } else { &envelope };
    out.extend_from_slice(format!("From {envelope} {date}\n").as_bytes());
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        if is_quotable(line) {
            out.push(b'>');
        }
        // The mbox has Unix line ends.
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    if !out.ends_with(b"\n") {
        out.push(b'\n');
    }
    out.push(b'\n');
    out
}

/// Whether a line begins with `From ` after any number of `>`.
fn is_quotable(line: &[u8]) -> bool {
    let rest = &line[line.iter().take_while(|&&byte| byte == b'>').count()..];
    rest.starts_with(FROM) || rest.starts_with(UNFINISHED)
}

/// Returns the message of an mbox entry, without From line and quoting.
pub fn message(entry: &[u8]) -> Vec<u8> {
    let body = if is_quotable(entry) {
        memchr::memchr(b'\n', entry).map_or(&[][..], |end| &entry[end + 1..])
    } else {
        entry
    };
    let body = if body.ends_with(b"\n\n") { &body[..body.len() - 1] } else { body };
    let finds = |needle: &[u8]| memchr::memmem::find(body, needle).is_some();
    if !finds(b">From ") && !finds(b">\0rom ") {
        return body.to_vec();
    }
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let quoted = line.first() == Some(&b'>') && is_quotable(line);
        out.extend_from_slice(&line[usize::from(quoted)..]);
    }
    out
}

/// An mbox open for writing. Its holder has the archive's lock.
#[derive(Debug)]
pub struct Mbox {
    path: PathBuf,
    file: File,
}

impl Mbox {
    /// Opens it, and creates it if necessary.
    pub fn open(path: &Path) -> Result<Mbox, ArchiveError> {
        Ok(Mbox { path: path.to_owned(), file: open_private(path)? })
    }

    /// Returns the size in bytes.
    pub fn length(&self) -> Result<u64, ArchiveError> {
        Ok(self.file.metadata().map_err(ArchiveError::io("look at", &self.path))?.len())
    }

    /// Removes the unfinished append of a dead process at `start`. It is saved in `unfinished` next
    /// to the mbox, although the post's queue entry still exists.
    pub fn cut(&self, start: u64) -> Result<(), ArchiveError> {
        let failed = |action| ArchiveError::io(action, &self.path);
        let mut rest = vec![0; usize::try_from(self.length()? - start).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut rest, start).map_err(failed("read"))?;
        let kept = self.path.with_file_name("unfinished");
        std::fs::write(&kept, rest).map_err(ArchiveError::io("write", &kept))?;
        self.file.set_len(start).and_then(|()| self.file.sync_all()).map_err(failed("shorten"))?;
        tracing::warn!("{}: removed an unfinished append", self.path.display());
        Ok(())
    }

    /// Appends entries and waits until they are durable: all of them, or none. Returns their
    /// positions.
    pub fn append(&self, entries: Vec<Vec<u8>>) -> Result<Vec<Stored>, ArchiveError> {
        let failed = |action| ArchiveError::io(action, &self.path);
        let end = self.length()?;
        let mut bytes = self.missing_line_ends(end).map_err(failed("read"))?;
        let first = end + bytes.len() as u64;
        let mut stored = Vec::with_capacity(entries.len());
        for entry in entries {
            let start = end + bytes.len() as u64;
            bytes.extend_from_slice(&entry);
            stored.push(Stored { start, length: entry.len() as u64, bytes: entry });
        }
        if stored.is_empty() {
            return Ok(stored);
        }
        let commit = (first - end) as usize;
        bytes[commit] = 0;
        let written = self.file.write_all_at(&bytes, end).and_then(|()| {
            fault::point("archive.written");
            self.file.sync_all()
        });
        if let Err(error) = written {
            // If the disk is full, no part of it may remain.
            self.file.set_len(end).map_err(failed("shorten"))?;
            return Err(failed("append to")(error));
        }
        fault::point("archive.synced");
        self.file
            .write_all_at(&FROM[..1], first)
            .and_then(|()| self.file.sync_data())
            .map_err(failed("append to"))?;
        fault::point("archive.appended");
        Ok(stored)
    }

    /// Returns the line ends that are missing for the next From line to follow an empty line.
    fn missing_line_ends(&self, end: u64) -> io::Result<Vec<u8>> {
        let mut last = [b'\n'; 2];
        let known = end.min(2) as usize;
        self.file.read_exact_at(&mut last[2 - known..], end - known as u64)?;
        Ok(match last {
            [b'\n', b'\n'] => Vec::new(),
            [_, b'\n'] => b"\n".to_vec(),
            _ => b"\n\n".to_vec(),
        })
    }

    /// Reads the entry at a position.
    pub fn read(&self, start: u64, length: u64) -> Result<Vec<u8>, ArchiveError> {
        read_entry(&self.file, &self.path, start, length)
    }

    /// Overwrites a message with a stub that contains only its Message-ID, so that positions stay
    /// the same.
    /// Returns the new bytes.
    pub fn blank(&self, start: u64, length: u64) -> Result<Vec<u8>, ArchiveError> {
        let old = self.read(start, length)?;
        let message = dormouse_mail::Message::parse_header_of(&old);
        let line = memchr::memchr(b'\n', &old).map_or(old.len(), |end| end + 1);
        let mut new = old[..line].to_vec();
        // The sender is replaced by as many characters, too.
        let name = b"From ".len();
        if new.starts_with(b"From ")
            && let Some(end) = memchr::memchr(b' ', &new[name..line])
        {
            new[name..name + end].fill(b'-');
        }
        let mut add = |text: &[u8]| {
            // The last two bytes are reserved for the empty line after it.
            if new.len() + text.len() + 2 <= old.len() {
                new.extend_from_slice(text);
            }
        };
        add(format!("{REMOVED}: yes\n").as_bytes());
        if let Some(id) = message.field("Message-ID") {
            add(&[b"Message-ID: ", id.unfolded().as_ref(), b"\n"].concat());
        }
        new.push(b'\n');
        // Lines of blanks: an empty line followed by a From line would be the next message.
        while new.len() + 1 < old.len() {
            let width = (old.len() - 1 - new.len()).min(73);
            new.extend(std::iter::repeat_n(b' ', width - 1));
            new.push(b'\n');
        }
        new.resize(old.len(), b'\n');
        self.overwrite(start, &new)?;
        Ok(new)
    }

    /// Overwrites a message with one of the same length.
    pub fn overwrite(&self, start: u64, new: &[u8]) -> Result<(), ArchiveError> {
        self.file
            .write_all_at(new, start)
            .and_then(|()| self.file.sync_data())
            .map_err(ArchiveError::io("overwrite a message in", &self.path))
    }
}

/// Reads the entry at a position in an mbox.
pub fn read_entry(
    file: &File,
    path: &Path,
    start: u64,
    length: u64,
) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(LARGEST).min(LARGEST)];
    file.read_exact_at(&mut bytes, start).map_err(ArchiveError::io("read", path))?;
    // Text before the first From line is a message, too.
    if start > 0 && !bytes.starts_with(FROM) {
        return Err(ArchiveError::NoMessage { path: path.to_owned(), start });
    }
    Ok(bytes)
}

/// The header that marks a removed message.
pub const REMOVED: &str = "X-Removed";

/// Copies an mbox to a writer.
pub fn copy(path: &Path, out: &mut impl io::Write) -> Result<u64, ArchiveError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(ArchiveError::io("open", path)(error)),
    };
    let size = file.metadata().map_err(ArchiveError::io("look at", path))?.len();
    io::copy(&mut file.take(size), out).map_err(ArchiveError::io("copy", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DATE: &str = "Mon Nov 23 15:07:32 2026";

    fn read_all(bytes: &[u8]) -> Vec<Stored> {
        let mut reader = Reader::new(bytes, Path::new("test"), 0).unwrap();
        let mut all = Vec::new();
        while let Some(stored) = reader.next_message().unwrap() {
            all.push(stored);
        }
        all
    }

    fn temporary() -> (tempfile::TempDir, Mbox) {
        let home = tempfile::tempdir().unwrap();
        let mbox = Mbox::open(&home.path().join("l.mbox")).unwrap();
        (home, mbox)
    }

    #[test]
    fn text_that_begins_with_from_does_not_split_a_message() {
        let text = "From a@x Mon Nov 23 15:07:32 2026\nSubject: x\n\nFrom here on\n\nFrom me at 10:00 to you\n\nFrom b@x Tue Nov 24 01:02:03 2026\nSubject: y\n\n";
        let found = read_all(text.as_bytes());
        assert_eq!(found.len(), 2);
        assert!(found[0].bytes.ends_with(b"to you\n\n"));
        assert_eq!(found[1].start + found[1].length, text.len() as u64);
    }

    #[test]
    fn an_append_that_was_cut_short_is_taken_back() {
        let (home, mbox) = temporary();
        mbox.append(vec![entry("", DATE, b"Subject: one\n\n1\n")]).unwrap();
        let length = mbox.length().unwrap();
        let path = home.path().join("l.mbox");
        for rest in ["\0rom nobody Mon Nov 23 15:07:32 2026\nSubject: tw", "\0", "\0\0\0\0\0\0\0"] {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.extend_from_slice(rest.as_bytes());
            std::fs::write(&path, bytes).unwrap();
            let mbox = Mbox::open(&path).unwrap();
            let mut reader = Reader::open(&path, length).unwrap();
            assert_eq!(reader.next_message().unwrap(), None);
            assert!(reader.is_unfinished());
            mbox.cut(reader.position()).unwrap();
            assert_eq!(mbox.length().unwrap(), length);
        }
        // Also after messages that have not been read.
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"\0rom nobody Mon Nov 23 15:07:32 2026\nSubject: tw");
        let mut reader = Reader::new(bytes.as_slice(), &path, 0).unwrap();
        assert!(reader.next_message().unwrap().is_some());
        assert!(reader.next_message().unwrap().is_none() && reader.is_unfinished());
        assert_eq!(reader.position(), length);
    }

    #[test]
    fn a_file_without_a_last_line_end_gets_one() {
        let (home, mbox) = temporary();
        let path = home.path().join("l.mbox");
        std::fs::write(&path, "From a Mon Nov 23 15:07:32 2026\n\nopen").unwrap();
        mbox.append(vec![entry("", DATE, b"Subject: two\n\n2")]).unwrap();
        assert_eq!(read_all(&std::fs::read(&path).unwrap()).len(), 2);
    }

    #[test]
    fn a_removed_message_leaves_its_place_and_its_message_id() {
        let (_home, mbox) = temporary();
        let secret = entry("", DATE, b"Subject: secret\nMessage-ID: <1@x>\n\nsecret\n\nsecret\n");
        let next = entry("", DATE, b"Subject: next\n\n2\n");
        let tiny = entry("", DATE, b"a: b\n");
        let stored = mbox.append(vec![secret, next, tiny]).unwrap();
        for one in [&stored[0], &stored[2]] {
            mbox.blank(one.start, one.length).unwrap();
        }
        let mut bytes = Vec::new();
        copy(&mbox.path, &mut bytes).unwrap();
        let found = read_all(&bytes);
        let places =
            |all: &[Stored]| all.iter().map(|one| (one.start, one.length)).collect::<Vec<_>>();
        assert_eq!(places(&found), places(&stored));
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("secret") && text.contains("Message-ID: <1@x>"), "{text}");
        assert!(text.contains("X-Removed: yes") && text.contains("Subject: next"));
    }

    proptest! {
        #[test]
        fn what_is_appended_is_read_back(messages in prop::collection::vec("(From [a-z]{0,3} 10:00 2026\n|>?\0?rom x 10:00 2026\n|[a-z>]{0,5}\n|\n|x: y\n){1,9}", 1..5)) {
            let (_home, mbox) = temporary();
            let entries: Vec<Vec<u8>> =
                messages.iter().map(|message| entry("a@x", DATE, message.as_bytes())).collect();
            let stored = mbox.append(entries).unwrap();
            let mut bytes = Vec::new();
            copy(&mbox.path, &mut bytes).unwrap();
            prop_assert_eq!(&read_all(&bytes), &stored);
            for (one, text) in stored.iter().zip(&messages) {
                let read = message(&one.bytes);
                prop_assert_eq!(String::from_utf8_lossy(&read), text.as_str());
            }
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in "(From x 10:00 2026\n|\0rom x 10:00 2026\n|[a-z\0]{0,4}\n|\n|\r\n){0,12}") {
            let mut reader = Reader::new(bytes.as_bytes(), Path::new("x"), 0).unwrap();
            let mut at = 0;
            while let Some(stored) = reader.next_message().unwrap() {
                prop_assert!(stored.start >= at && stored.length > 0);
                at = stored.start + stored.length;
            }
            prop_assert!(reader.is_unfinished() || reader.position() == bytes.len() as u64);
        }
    }
}
