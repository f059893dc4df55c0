//! An issue of a digest, in both forms: MIME (RFC 2046 §5.1.5) and plain (RFC 1153).

use super::article::DigestArticle;
use super::{Words, layout};
use dormouse_clock::Timestamp;
use dormouse_mail::compose::Composed;
use dormouse_mail::{Message, date, message_id};
use dormouse_membership::notices::{Notices, templates};
use dormouse_membership::template;
use dormouse_store::{List, Site};

/// An issue that is being created.
pub struct Issue<'i> {
    /// The list.
    pub list: &'i List,
    /// The site.
    pub site: &'i Site,
    /// The language of the texts around the posts; the list's if it is empty.
    pub language: &'i str,
    /// The phrases in this language.
    pub words: &'i Words,
    /// Its name: list, volume and number.
    pub title: String,
    /// Its date.
    pub now: Timestamp,
    /// Its posts.
    pub articles: &'i [DigestArticle],
}

impl Issue<'_> {
    /// Returns the MIME form.
    pub fn mime(&self) -> Message {
        let digest = self.digest_part();
        let mut parts = vec![text_part(&self.title, &self.masthead())];
        if let Some(header) = self.filled(&self.list.settings.digest_header) {
            parts.push(text_part(&self.words.header, &header));
        }
        let count = self.articles.len().to_string();
        let messages = template::fill(&self.words.messages, &vec![("count", count)], false);
        parts.push(text_part(&messages, &self.contents()));
        parts.push(digest);
        if let Some(footer) = self.filled(&self.list.settings.digest_footer) {
            parts.push(text_part(&self.words.footer, &footer));
        }
        parts.push(text_part(&self.end(), &self.trailer()));
        let mut message = self.head();
        Composed::mixed(&parts, b"\n").write_to(&mut message);
        message
    }

    /// Returns the plain form.
    pub fn plain(&self) -> Message {
        let mut text = self.masthead();
        if let Some(header) = self.filled(&self.list.settings.digest_header) {
            text.push_str(&format!("\n{header}"));
        }
        text.push_str(&format!("\n{}\n{}\n\n", self.contents(), layout::rule()));
        for article in self.articles {
            text.push_str(&format!("{}\n{}\n\n", article.plain, layout::SEPARATOR));
        }
        if let Some(footer) = self.filled(&self.list.settings.digest_footer) {
            let field = layout::field("Subject", &self.words.footer);
            let footer = layout::body(&footer);
            text.push_str(&format!("{field}\n{footer}\n{}\n\n", layout::SEPARATOR));
        }
        text.push_str(&self.trailer());
        let mut message = self.head();
        Composed::text(&text, b"\n").write_to(&mut message);
        message
    }

    fn head(&self) -> Message {
        let list = self.list;
        let mut message = Message::parse(Vec::new());
        message.append("From", &list.sub_address("request"));
        message.append("To", &list.address());
        message.append("Reply-To", &list.address());
        message.append("Subject", &self.title);
        message.append("Date", &date::rfc5322(self.now));
        let id = message_id::generate(list.local_part(), &list.settings.host_name);
        message.append_raw("Message-ID", id.as_bytes());
        message.append("MIME-Version", "1.0");
        message
    }

    /// Returns the multipart/digest with the posts.
    fn digest_part(&self) -> Vec<u8> {
        let posts: Vec<Vec<u8>> = self
            .articles
            .iter()
            .map(|article| {
                let bytes = article.enclosed.to_bytes();
                Composed::message(bytes).to_part(
                    b"
",
                )
            })
            .collect();
        Composed::multipart("digest", &posts, b"\n").to_part(b"\n")
    }

    fn masthead(&self) -> String {
        let list = self.list;
        let config = self.site.config();
        let mut fields = Notices { list, site: self.site }.fields();
        fields.extend([
            ("got_list_email", list.address()),
            ("got_listinfo_url", list.info_url(config)),
            ("got_request_email", list.sub_address("request")),
            ("got_owner_email", list.sub_address("owner")),
        ]);
        let text = templates::find(self.site, list, "masthead", self.language).body;
        ended(template::fill(&text, &fields, false))
    }

    fn contents(&self) -> String {
        let articles = self.articles.iter().map(|article| (&*article.subject, &*article.author));
        format!("{}:\n\n{}", self.words.topics, layout::topics(articles))
    }

    fn end(&self) -> String {
        template::fill(&self.words.end, &vec![("title", self.title.clone())], false)
    }

    fn trailer(&self) -> String {
        let end = self.end();
        format!("{end}\n{}\n", layout::underline(&end))
    }

    /// Returns a text of the list with its fields filled in; `None` if it is blank.
    fn filled(&self, text: &str) -> Option<String> {
        let settings = &self.list.settings;
        let fields = dormouse_pipeline::decorate::fields(self.list, self.site.config());
        let text = template::fill(text, &fields, settings.use_dollar_strings);
        (!text.trim().is_empty()).then(|| ended(text.replace("\r\n", "\n")))
    }
}

fn ended(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Returns a text with a description, as a part.
fn text_part(description: &str, text: &str) -> Vec<u8> {
    let mut part = Message::parse(Vec::new());
    Composed::text(text, b"\n").write_to(&mut part);
    part.append("Content-Description", description);
    part.to_bytes()
}
