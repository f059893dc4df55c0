//! One post of a digest, in both forms. A post that cannot be processed is replaced by a note, so
//! that the others can be sent.

use super::Words;
use super::layout;
use dormouse_clock::Timestamp;
use dormouse_mail::compose::Composed;
use dormouse_mail::enclose::enclosed;
use dormouse_mail::{Message, subject};
use dormouse_pipeline::scrubbing;
use dormouse_store::{Attachments, List, Site, StoreError, WaitingPost};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A post as it appears in a digest.
pub struct DigestArticle {
    /// Its subject, without the list's prefix.
    pub subject: String,
    /// Its author's name, or address.
    pub author: String,
    /// The message for a MIME digest.
    pub enclosed: Message,
    /// Fields and text for a plain digest.
    pub plain: String,
    /// The problem, if it was replaced by a note.
    pub problem: Option<String>,
}

/// Creates articles from a list's posts.
pub struct Maker<'m> {
    /// The site.
    pub site: &'m Site,
    /// The list.
    pub list: &'m List,
    /// The list's phrases for digests.
    pub words: &'m Words,
    /// Whether the plain form has readers: then the attachments removed from it are stored.
    pub is_plain_wanted: bool,
}

impl Maker<'_> {
    /// Creates the article of a post that is the `number`th of the digest.
    pub fn make(&self, post: &WaitingPost, number: usize) -> DigestArticle {
        self.isolated(post, number, |message| self.article(&message, post.posted_at, number))
    }

    /// Runs `work` on a post's message; if it fails or panics, the result is a note.
    fn isolated(
        &self,
        post: &WaitingPost,
        number: usize,
        work: impl FnOnce(Message) -> Result<DigestArticle, StoreError>,
    ) -> DigestArticle {
        let work = || work(Message::parse(post.content.as_slice()));
        let problem = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(article)) => return article,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("a bug in this program: {}", crate::queue::panic_text(&*panic)),
        };
        tracing::error!(
            "{}: message {number} of the digest is left out: {problem}",
            self.list.name
        );
        self.note(number, problem)
    }

    fn article(
        &self,
        message: &Message,
        received: Timestamp,
        number: usize,
    ) -> Result<DigestArticle, StoreError> {
        let config = self.site.config();
        let attachments = Attachments::of(self.site, &self.list.name);
        let scrubbed = scrubbing::scrub(message, self.list, config, received, &attachments)?;
        if self.is_plain_wanted {
            for attachment in &scrubbed.attachments {
                attachments.keep(&attachment.path, &attachment.content)?;
            }
        }
        let numbered = numbered(message, number);
        let mut plain = String::new();
        for name in &config.digest_plain_headers {
            for field in numbered.fields_named(name) {
                plain.push_str(&layout::field(&printed(name), &field.text()));
            }
        }
        plain.push('\n');
        plain.push_str(&layout::body(&scrubbed.text));
        let mut keep = config.digest_mime_headers.clone();
        keep.extend_from_slice(&config.digest_plain_headers);
        Ok(DigestArticle {
            subject: self.subject(message),
            author: author(message),
            enclosed: enclosed(&numbered, &keep, &scrubbed.text),
            plain,
            problem: None,
        })
    }

    fn subject(&self, message: &Message) -> String {
        let subject = message.text("Subject").unwrap_or_default();
        let subject = subject::remove_prefix(&subject, &self.list.settings.subject_prefix);
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        if subject.is_empty() { "(no subject)".to_owned() } else { subject }
    }

    /// Returns the note that replaces a post.
    fn note(&self, number: usize, problem: String) -> DigestArticle {
        let text = format!("{}\n", self.words.broken);
        let mut message = Message::parse(Vec::new());
        message.append("From", &self.list.sub_address("owner"));
        message.append("Subject", "(no subject)");
        message.append("Message", &number.to_string());
        message.append_raw("MIME-Version", b"1.0");
        Composed::text(&text, b"\n").write_to(&mut message);
        DigestArticle {
            subject: "(no subject)".to_owned(),
            author: String::new(),
            enclosed: message,
            plain: format!("{}\n{text}", layout::field("Message", &number.to_string())),
            problem: Some(problem),
        }
    }
}

/// Returns the message with its number in the digest, replacing an earlier one.
fn numbered(message: &Message, number: usize) -> Message {
    let mut message = message.clone();
    message.set("Message", &number.to_string());
    message
}

/// Returns a field's name as RFC 1153 writes it, whatever its case in the site's setting.
fn printed(name: &str) -> String {
    let mut printed = name.trim().to_owned();
    if let Some(first) = printed.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    printed
}

/// Returns the author's name, or the address if there is none.
fn author(message: &Message) -> String {
    let Some(from) = message.mailboxes("From").into_iter().next() else { return String::new() };
    let name = from.name.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() { from.address } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_mail::mime;
    use dormouse_testkit::fixture::Fixture;
    use proptest::prelude::*;

    fn post(raw: &[u8]) -> WaitingPost {
        WaitingPost { id: 1, posted_at: Timestamp::from_seconds(1e9), content: raw.to_vec() }
    }

    fn with<T>(fixture: &Fixture, work: impl FnOnce(&Maker<'_>) -> T) -> T {
        let list = fixture.get("dev");
        let words = Words::of(&fixture.site, &list, "");
        work(&Maker { site: &fixture.site, list: &list, words: &words, is_plain_wanted: true })
    }

    fn text(message: &Message) -> String {
        String::from_utf8_lossy(&message.to_bytes()).into_owned()
    }

    #[test]
    fn fields_are_kept_by_name_and_in_the_order_of_rfc_1153() {
        let raw = "Received: x\nSubject: [Dev] =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nMessage-ID: <1@x>\nTo: dev@x\nFrom: Anna A <a@x.example>\nDate: today\nMessage: 99\nX-Spam: y\nReferences: <0@x>\n\n\nhello\n\n";
        let article = with(&Fixture::new(&[]), |maker| maker.make(&post(raw.as_bytes()), 3));
        assert_eq!((article.subject.as_str(), article.author.as_str()), ("Grüße", "Anna A"));
        assert_eq!(
            article.plain,
            "Message: 3\nDate: today\nFrom: Anna A <a@x.example>\nTo: dev@x\nSubject: [Dev] Grüße\nMessage-ID: <1@x>\n\nhello\n"
        );
        assert_eq!(
            text(&article.enclosed),
            "Subject: [Dev] =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nMessage-ID: <1@x>\nTo: dev@x\nFrom: Anna A <a@x.example>\nDate: today\nMessage: 3\nReferences: <0@x>\n\n\nhello\n\n"
        );
    }

    #[test]
    fn attachments_of_the_plain_form_are_kept_on_the_server() {
        let raw = "From: a@x.example\nMessage-ID: <1@x>\nDate: Mon, 4 Mar 2024 10:00:00 +0100\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: image/png; name=a.png\n\nPNG\n--b--\n";
        let fixture = Fixture::new(&[]);
        let article = with(&fixture, |maker| maker.make(&post(raw.as_bytes()), 1));
        let (_, path) = article.plain.split_once("pipermail/dev/").unwrap();
        let (path, _) = path.split_once('>').unwrap();
        let file = fixture.site.archive_dir(&"dev".parse().unwrap()).join(path);
        assert_eq!(std::fs::read(file).unwrap(), b"PNG");
        assert!(text(&article.enclosed).contains("\nPNG\n"));
    }

    #[test]
    fn a_post_that_makes_trouble_is_replaced_by_a_note() {
        let fixture = Fixture::new(&[]);
        let post = post(b"Subject: x\n\nhello\n");
        let failed = with(&fixture, |maker| {
            maker.isolated(&post, 7, |_| Err(StoreError::Setting("no".to_owned())))
        });
        let died = with(&fixture, |maker| maker.isolated(&post, 7, |_| panic!("ouch")));
        assert_eq!(failed.problem.as_deref(), Some("no"));
        assert!(died.problem.unwrap().contains("ouch"));
        assert!(
            failed.plain.starts_with("Message: 7\n\nThis message could not"),
            "{}",
            failed.plain
        );
        assert!(mime::first_text(&failed.enclosed).unwrap().starts_with("This message could not"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_message_becomes_an_article(
            raw in "((Subject|From|Message|Content-Type|Date): (=\\?utf-8\\?q\\?|multipart/mixed; boundary=b|text/html|[a-zä<@.\0]{0,20})\r?\n){0,5}\n(--b\n|--b--\n|[a-zä \0]{0,20}\r?\n|-{30}\n){0,8}",
        ) {
            let fixture = fixture();
            let article = with(fixture, |maker| maker.make(&post(raw.as_bytes()), 1));
            prop_assert_eq!(article.problem, None);
            prop_assert!(!article.subject.is_empty());
            prop_assert!(article.plain.lines().all(|line| line != layout::SEPARATOR));
            let number = article.enclosed.text("Message");
            prop_assert_eq!(number.as_deref(), Some("1"));
        }
    }

    /// One site for all cases, because creating one is slow.
    fn fixture() -> &'static Fixture {
        thread_local! {
            static FIXTURE: &'static Fixture = Box::leak(Box::new(Fixture::new(&[])));
        }
        FIXTURE.with(|fixture| *fixture)
    }
}
