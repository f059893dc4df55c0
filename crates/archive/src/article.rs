//! The data an archive stores about a message (docs/spec/archives.md §4).

use crate::ArchiveError;
use crate::mbox::{self, REMOVED};
use crate::place::ArchivePlace;
use dormouse_mail::scrub::{self, Html, Piece, Scrubbed};
use dormouse_mail::{Message, date, subject};
use dormouse_store::{Attachments, Config, List, ScrubHtml};
use jiff::Timestamp;
use sha1::{Digest, Sha1};

/// A message, parsed for the archive.
#[derive(Debug, Clone, Default)]
pub struct Article {
    /// The Message-ID without angle brackets; empty if there is none.
    pub message_id: String,
    /// The date in seconds since the epoch; `None` if there is no plausible one.
    pub date: Option<i64>,
    /// The Date field as received.
    pub written_date: String,
    /// The subject without reply marks.
    pub subject: String,
    /// The subject without the list's prefix, blanks and case.
    pub stripped: String,
    /// The author's name, or else address.
    pub author: String,
    /// The author's address.
    pub email: String,
    /// The possible parents, the likeliest first.
    pub answers: Vec<String>,
    /// The In-Reply-To and References fields as received.
    pub reference_fields: Vec<(&'static str, String)>,
    /// The text, with references to attachments.
    pub text: String,
    /// The text in pieces.
    pub pieces: Vec<Piece>,
    /// The attachments.
    pub files: Vec<FileLink>,
    /// Whether it was removed from the archive.
    pub is_removed: bool,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLink {
    /// The address below the archive.
    pub path: String,
    /// The name from its sender, or the stored one.
    pub name: String,
    /// The content type.
    pub content_type: String,
    /// The size in bytes.
    pub size: usize,
    /// The content, if it is a patch that people will want to read.
    pub patch: Option<String>,
}

/// How to parse messages of a list.
#[derive(Debug, Clone)]
pub struct Reading<'r> {
    /// The list.
    pub list: &'r List,
    /// The site's settings.
    pub config: &'r Config,
    /// The paths.
    pub place: &'r ArchivePlace,
    /// The attachments.
    pub attachments: &'r Attachments,
    /// Dates after this time are implausible.
    pub latest: i64,
}

/// How far in the future a date may be (Mailman: ARCHIVER_ALLOWABLE_SANE_DATE_SKEW).
pub const SKEW: i64 = 15 * 86_400;
/// The maximum number of references of a message that are used.
const MOST_REFERENCES: usize = 50;
/// Larger patches are only shown as files.
const LARGEST_PATCH: usize = 128 * 1024;
/// The length of the excerpt in characters.
const EXCERPT: usize = 280;

impl Reading<'_> {
    /// Parses an mbox entry, and stores its attachments.
    pub fn read(&self, entry: &[u8]) -> Result<Article, ArchiveError> {
        let raw = mbox::message(entry);
        let message = Message::parse_mail(raw);
        let from_line = from_line(entry);
        let mut article = self.header(&message, from_line);
        if article.is_removed {
            return Ok(article);
        }
        let received = article.date.unwrap_or(0);
        let base_url = self.list.archive_url(self.config);
        let options = scrub::ScrubOptions {
            html: match self.config.scrub_html {
                ScrubHtml::Remove => Html::Remove,
                ScrubHtml::Clean => Html::Clean,
                ScrubHtml::Escape => Html::Escape,
                ScrubHtml::Inline => Html::Inline,
                ScrubHtml::Store => Html::Store,
            },
            keep_names: self.config.scrub_keep_names,
            base_url: &base_url,
            received: dormouse_clock::Timestamp::from_seconds(received as f64),
        };
        let scrubbed = loop {
            let scrubbed = scrub::scrub(&message, &options, |path, content| {
                self.attachments.is_taken(path, content)
            })?;
            if self.keep(&scrubbed)? {
                break scrubbed;
            }
        };
        article.text = scrubbed.text;
        article.pieces = scrubbed.pieces;
        article.files = scrubbed.attachments.into_iter().map(FileLink::of).collect();
        Ok(article)
    }

    /// Writes the attachments of a message, without syncing, because they can be recreated from the
    /// mbox. Returns false if another message's attachment has taken a path meanwhile.
    fn keep(&self, scrubbed: &Scrubbed) -> Result<bool, ArchiveError> {
        for scrub::Attachment { path, content, .. } in &scrubbed.attachments {
            if self.place.tree().join(path).exists() {
                continue;
            }
            if let Err(error) = self.attachments.keep_unsynced(path, content) {
                return if self.attachments.is_taken(path, content)? {
                    Ok(false)
                } else {
                    Err(error.into())
                };
            }
        }
        Ok(true)
    }

    fn header(&self, message: &Message, from_line: &[u8]) -> Article {
        let from = message.mailboxes("From").into_iter().next().unwrap_or_default();
        let reply_to = || message.mailboxes("Reply-To").into_iter().next();
        let email = if from.address.is_empty() {
            reply_to().map(|mailbox| mailbox.address).unwrap_or_default()
        } else {
            from.address
        };
        let name = clean(&from.name);
        let whole_subject = clean(&message.text("Subject").unwrap_or_default());
        let prefix = &self.list.settings.subject_prefix;
        let stripped: String = subject::without_prefix(&whole_subject, prefix)
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .flat_map(char::to_lowercase)
            .collect();
        let subject = match subject::without_answers(&whole_subject) {
            "" => "No subject".to_owned(),
            subject => subject.to_owned(),
        };
        let value = |name| message.field(name).map(|field| clean_bytes(&field.unfolded()));
        let mut answers = Vec::new();
        let mut reference_fields = Vec::new();
        if let Some(field) = value("In-Reply-To") {
            answers.extend(message_ids(&field).into_iter().next());
            reference_fields.push(("In-Reply-To", field));
        }
        if let Some(field) = value("References") {
            answers.extend(message_ids(&field).into_iter().rev());
            reference_fields.push(("References", field));
        }
        answers.truncate(MOST_REFERENCES);
        Article {
            message_id: message_id_of(message),
            date: self.date(message, from_line),
            written_date: value("Date").unwrap_or_default(),
            subject,
            stripped,
            author: if name.is_empty() { email.clone() } else { name },
            email,
            answers,
            reference_fields,
            is_removed: message.has(REMOVED),
            ..Article::default()
        }
    }

    /// Returns the first plausible date among Date, X-List-Received-Date, the first Received and
    /// the From line.
    fn date(&self, message: &Message, from_line: &[u8]) -> Option<i64> {
        let field = |name| message.field(name).map(|field| field.unfolded().into_owned());
        let received = field("Received")
            .map(|value| value.rsplit(|&byte| byte == b';').next().unwrap_or_default().to_vec());
        [field("Date"), field("X-List-Received-Date"), received, Some(from_line.to_vec())]
            .into_iter()
            .flatten()
            .filter_map(|value| date::parse(&value))
            .find(|time| (0..=self.latest).contains(time))
    }
}

impl Article {
    /// Returns the first words of the author, without quotes.
    pub fn excerpt(&self) -> String {
        let mut out = String::new();
        let own = self.pieces.iter().filter(|piece| piece.attachment.is_none());
        for line in own.flat_map(|piece| piece.text.lines()) {
            let line = line.trim();
            if line == "--" {
                break;
            }
            let is_attribution = line.ends_with("wrote:") || line.ends_with("schrieb:");
            if line.is_empty() || line.starts_with('>') || is_attribution {
                continue;
            }
            if !out.is_empty() {
                out.push(' ');
            }
            out.extend(line.chars().take(EXCERPT));
            if out.len() >= EXCERPT {
                break;
            }
        }
        if out.chars().count() > EXCERPT {
            out = out.chars().take(EXCERPT - 1).collect::<String>() + "…";
        }
        out
    }
}

impl FileLink {
    fn of(file: scrub::Attachment) -> FileLink {
        let kept = file.path.rsplit('/').next().unwrap_or_default().to_owned();
        let is_patch = ["text/x-patch", "text/x-diff"].contains(&file.content_type.as_str())
            || [".patch", ".diff"].iter().any(|ending| file.name.ends_with(ending));
        let is_read = is_patch && file.content.len() <= LARGEST_PATCH;
        FileLink {
            patch: is_read.then(|| dormouse_mail::charset::decode_raw(&file.content).into_owned()),
            name: if file.name.is_empty() { kept } else { file.name },
            content_type: file.content_type,
            size: file.content.len(),
            path: file.path,
        }
    }
}

/// Returns the Message-ID of a message without angle brackets; empty if there is none.
pub fn message_id_of(message: &Message) -> String {
    let value = message.field("Message-ID").map(|field| clean_bytes(&field.unfolded()));
    value.map(|value| bare_id(&value)).unwrap_or_default()
}

/// Returns a Message-ID without angle brackets and quotes.
pub fn bare_id(text: &str) -> String {
    let text = text.trim();
    let inner = match (text.find('<'), text.rfind('>')) {
        (Some(open), Some(close)) if open < close => &text[open + 1..close],
        _ => text,
    };
    inner.trim_matches(['<', '>', '"', '\'', ' ']).to_owned()
}

/// Returns the last component of an archive URL for a Message-ID, like Mailman 3's
/// X-Message-ID-Hash: the SHA-1 digest in base 32. The Message-ID must have no angle brackets, as
/// from [`message_id_of`].
pub fn id_hash(message_id: &str) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha1::digest(message_id);
    let mut out = String::with_capacity(32);
    for chunk in digest.chunks(5) {
        let bits = chunk.iter().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        for digit in (0..8).rev() {
            out.push(char::from(DIGITS[(bits >> (digit * 5) & 31) as usize]));
        }
    }
    out
}

/// Returns the ids between angle brackets.
fn message_ids(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(open) = rest.find('<') {
        let Some(close) = rest[open..].find('>') else { break };
        found.push(bare_id(&rest[open..=open + close]));
        rest = &rest[open + close + 1..];
    }
    found
}

fn from_line(entry: &[u8]) -> &[u8] {
    if !entry.starts_with(b"From ") {
        return b"";
    }
    entry.split(|&byte| byte == b'\n').next().unwrap_or_default()
}

/// Returns a text on one line, without control characters.
fn clean(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn clean_bytes(bytes: &[u8]) -> String {
    clean(&dormouse_mail::charset::decode_raw(bytes))
}

/// Prepares a message for the archive: replaces an implausible date, and adds the time of receipt
/// (docs/spec/queue.md §7). `received` is in seconds since the epoch.
pub fn prepare(message: &mut Message, received: i64) {
    let came = rfc5322_utc(received);
    let written = message.field("Date").map(|field| field.unfolded().into_owned());
    let time = written.as_deref().and_then(date::parse);
    if time.is_none_or(|time| (received - time).abs() > SKEW) {
        message.remove("X-Original-Date");
        message.set_raw("Date", came.as_bytes());
        if let Some(written) = written {
            message.append_raw("X-Original-Date", &written);
        }
    }
    message.set_raw("X-List-Received-Date", came.as_bytes());
}

/// `Tue, 13 May 2014 16:53:20 -0000`
fn rfc5322_utc(time: i64) -> String {
    let timestamp = Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.strftime("%a, %d %b %Y %H:%M:%S -0000").to_string()
}

/// Formats the date of a From line.
pub fn from_line_date(time: i64) -> String {
    let timestamp = Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 5 March 2024, noon.
    const NOW: i64 = 1_709_640_000;

    fn read(text: &str) -> Article {
        let home = tempfile::tempdir().unwrap();
        let site = dormouse_store::Site::init(home.path(), "lists.example").unwrap();
        let store = dormouse_store::Store::open(&site).unwrap();
        let owners = ["o@x.example".to_owned()];
        let list = store
            .write(|tx| tx.create_list(&"dev".parse().unwrap(), "lists.example", &owners))
            .unwrap();
        let place = ArchivePlace::of(&site, &"dev".parse().unwrap());
        let reading = Reading {
            list: &list,
            config: site.config(),
            place: &place,
            attachments: &Attachments::of(&site, &"dev".parse().unwrap()),
            latest: NOW + SKEW,
        };
        reading.read(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_header_says_what_pipermail_reads_there() {
        let article = read(
            "From a@x Mon Mar  4 10:00:00 2024\nFrom: =?utf-8?q?J=C3=B6rg?= <joerg@x.example>\nSubject: Re: [Dev] AW: =?utf-8?q?Caf=C3=A9?= and\n more\nMessage-ID: <1@x.example>\nDate: Mon, 4 Mar 2024 10:00:00 +0100\nIn-Reply-To: your mail <2@x> of <3@x>\nReferences: <4@x>\n <5@x>\n\nhi\n",
        );
        assert_eq!(article.author, "Jörg");
        assert_eq!(article.email, "joerg@x.example");
        assert_eq!(article.subject, "[Dev] AW: Café and more");
        assert_eq!(article.stripped, "caféandmore");
        assert_eq!(article.message_id, "1@x.example");
        assert_eq!(article.date, Some(1_709_542_800));
        assert_eq!(article.answers, ["2@x", "5@x", "4@x"]);
        assert_eq!((article.text.as_str(), article.excerpt().as_str()), ("hi\n", "hi"));
    }

    #[test]
    fn a_date_that_cannot_be_is_left_for_the_next_one() {
        let from = "From a@x Mon Mar  4 10:00:00 2024\n";
        let received = "Received: by x; Mon, 4 Mar 2024 09:00:00 +0000\n";
        let archived = "X-List-Received-Date: Mon, 4 Mar 2024 08:00:00 -0000\n";
        for (header, time) in [
            (format!("{archived}{received}Date: Mon, 4 Mar 2034 10:00:00 +0100\n"), 1_709_539_200),
            (format!("{received}Date: yesterday\n"), 1_709_542_800),
            ("Date: Mon, 4 Mar 1950 10:00:00 +0100\n".to_owned(), 1_709_546_400),
        ] {
            assert_eq!(read(&format!("{from}{header}\nx\n")).date, Some(time), "{header}");
        }
        assert_eq!(read("From nobody nowhere\nA: b\n\nx\n").date, None);
    }

    #[test]
    fn a_date_far_off_gives_way_to_when_it_came() {
        let mut message = Message::parse("Date: Mon, 4 Mar 2014 10:00:00 +0100\n\nx");
        for _ in 0..2 {
            prepare(&mut message, NOW);
            let text = String::from_utf8(message.to_bytes()).unwrap();
            assert_eq!(
                text,
                "Date: Tue, 05 Mar 2024 12:00:00 -0000\nX-Original-Date: Mon, 4 Mar 2014 10:00:00 +0100\nX-List-Received-Date: Tue, 05 Mar 2024 12:00:00 -0000\n\nx"
            );
        }
        let mut message = Message::parse("Date: Mon, 4 Mar 2024 10:00:00 +0100\n\nx");
        prepare(&mut message, NOW);
        assert!(!message.has("X-Original-Date"));
    }

    #[test]
    fn the_hash_of_a_message_id_is_mailman_3s() {
        assert_eq!(
            id_hash("87myycy5eh.fsf@uwakimon.sk.tsukuba.ac.jp"),
            "JJIGKPKB6CVDX6B2CUG4IHAJRIQIOUTP"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_bytes_are_an_article(text in "(From|Subject|Date|References|Message-ID|Content-Type)?[: <>@a=?]{0,12}(text/html|multipart/x; boundary=b)?\n?(\n|--b\n|[a<>]{0,4}\n){0,6}") {
            let _article = read(&format!("From x Mon Mar  4 10:00:00 2024\n{text}"));
        }
    }
}
