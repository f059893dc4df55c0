//! A notice before it becomes an entry: sender, recipients, text, attachment.

use super::{Notices, templates};
use crate::Output;
use crate::template::{self, Fields};
use dormouse_clock::Timestamp;
use dormouse_mail::notice::Notice;
use dormouse_mail::tree::Node;
use dormouse_mail::{Message, message_id, mime};
use dormouse_spool::{Entry, Metadata, Queue};

/// A notice that is being written.
pub(super) struct Draft<'n> {
    notices: &'n Notices<'n>,
    label: String,
    notice: Notice,
    metadata: Metadata,
    fields: Fields,
    /// The reader's; if empty, the list's.
    language: String,
    /// The code with which a reply's subject confirms.
    code: Option<String>,
}

/// Larger messages are attached only in part, in bytes.
const MOST_ATTACHED: usize = 256 * 1024;
/// The number of characters shown of the text of a larger message.
const PREVIEW: usize = 4000;

/// A message whose content is replaced by the beginning of its text.
fn preview(message: &Message) -> Vec<u8> {
    let size = message.body().len();
    let text = mime::first_text(message).unwrap_or_default();
    let start: String = text.chars().take(PREVIEW).collect();
    let mut node = Node::of(&message.without_body());
    node.set_text(&format!("[The beginning of {size} bytes]\n\n{start}\n"));
    node.into_message().to_bytes()
}

impl<'n> Draft<'n> {
    /// To one person, from the list's owners.
    pub fn to_person(notices: &'n Notices<'n>, label: &str, person: &str) -> Draft<'n> {
        Draft::to_people(notices, label, person, &[person.to_owned()])
    }

    /// To several people, from the list's owners; `to` is the value of the To header.
    pub fn to_people(
        notices: &'n Notices<'n>,
        label: &str,
        to: &str,
        recipients: &[String],
    ) -> Draft<'n> {
        let from = notices.list.sub_address("owner");
        Draft::new(notices, label, from, to.to_owned(), recipients)
    }

    /// To the owners only: for example bounces and passwords.
    pub fn to_owners(notices: &'n Notices<'n>, label: &str) -> Draft<'n> {
        Draft::from_site(notices, label, &notices.list.settings.owner)
    }

    /// To the owners and the moderators: what waits for a decision, and changes of memberships.
    pub fn to_moderators(notices: &'n Notices<'n>, label: &str) -> Draft<'n> {
        let settings = &notices.list.settings;
        let mut people = settings.owner.clone();
        for moderator in &settings.moderator {
            if !people.iter().any(|known| known.eq_ignore_ascii_case(moderator)) {
                people.push(moderator.clone());
            }
        }
        Draft::from_site(notices, label, &people)
    }

    /// Sent by the site, so that a bounce does not return to the list.
    fn from_site(notices: &'n Notices<'n>, label: &str, people: &[String]) -> Draft<'n> {
        let bounces = notices.site_bounces();
        let to = notices.list.sub_address("owner");
        let mut draft = Draft::new(notices, label, bounces.clone(), to, people);
        draft.metadata.edit().envsender(&bounces);
        draft
    }

    fn new(
        notices: &'n Notices<'n>,
        label: &str,
        from: String,
        to: String,
        recipients: &[String],
    ) -> Draft<'n> {
        let mut metadata = Metadata::new();
        metadata.edit().listname(&notices.list.name);
        metadata.edit().no_decoration(true);
        metadata.edit().reduced_list_headers(true);
        metadata.edit().personalize(false);
        metadata.edit().recips(recipients);
        let notice = Notice { from, to, ..Notice::default() };
        Draft {
            notices,
            label: label.to_owned(),
            notice,
            metadata,
            fields: notices.fields(),
            language: String::new(),
            code: None,
        }
    }

    /// Adds a field for the text.
    pub fn field(mut self, name: &'static str, value: impl ToString) -> Draft<'n> {
        self.fields.push((name, value.to_string()));
        self
    }

    /// Adds a field whose value is another text, filled in with the fields added so far.
    pub fn text_field(self, name: &'static str, template: &str) -> Draft<'n> {
        let Notices { list, site } = *self.notices;
        let found = templates::find(site, list, template, &self.language);
        let text = template::fill(&found.body, &self.fields, false);
        self.field(name, text)
    }

    /// The same on a site with pages; without pages the field is empty.
    pub fn page_field(self, name: &'static str, template: &str) -> Draft<'n> {
        if self.has_pages() { self.text_field(name, template) } else { self.field(name, "") }
    }

    /// Adds the instructions for confirming: by a reply and, on a site with pages, there.
    pub fn howto_confirm(self) -> Draft<'n> {
        let has_pages = self.has_pages();
        self.text_field("howto", if has_pages { "howtoconfirm" } else { "howtoconfirmbymail" })
    }

    fn has_pages(&self) -> bool {
        self.notices.site.config().has_pages()
    }

    /// Sets the author, if it is not the list's owners.
    pub fn from(mut self, from: String) -> Draft<'n> {
        self.notice.from = from;
        self
    }

    /// Sets the reader's language, if it is known.
    pub fn language(mut self, language: &str) -> Draft<'n> {
        self.language = language.to_owned();
        self
    }

    /// Adds a header field.
    pub fn header(mut self, name: &str, value: &str) -> Draft<'n> {
        self.notice.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds metadata to the entry.
    pub fn metadata(mut self, key: &str, value: &str) -> Draft<'n> {
        self.metadata.set_text(key, value);
        self
    }

    /// Sets the subject for a text that has none.
    pub fn subject(mut self, subject: String) -> Draft<'n> {
        self.notice.subject = subject;
        self
    }

    /// Adds a field whose value is a phrase of the text `words`, filled in with the fields added so
    /// far.
    pub fn phrase_field(self, name: &'static str, key: &str) -> Draft<'n> {
        let phrase = self.notices.phrase(key, &self.language, &self.fields);
        self.field(name, phrase)
    }

    /// Makes the subject of a reply confirm: like Mailman's, it begins with `confirm CODE`, followed by
    /// the text's own subject in the reader's language.
    pub fn confirms(mut self, code: &str) -> Draft<'n> {
        self.code = Some(code.to_owned());
        self
    }

    /// A reply confirms nothing, or at least not by its subject.
    pub fn confirms_nothing(mut self) -> Draft<'n> {
        self.code = None;
        self
    }

    /// Attaches a message; of a large one only its header and the beginning of its text.
    pub fn attach(mut self, message: &Message) -> Draft<'n> {
        let bytes = message.to_bytes();
        let preview = if bytes.len() > MOST_ATTACHED { preview(message) } else { bytes };
        self.notice.attach.push(preview);
        self
    }

    /// Attaches a message, however large it is.
    pub fn attach_whole(mut self, message: &Message) -> Draft<'n> {
        self.notice.attach.push(message.to_bytes());
        self
    }

    /// Creates the entry with the text of that name.
    pub fn write(mut self, template: &str) -> Output {
        let found = templates::find(self.notices.site, self.notices.list, template, &self.language);
        if let Some(subject) = found.subject {
            self.notice.subject = template::fill(&subject, &self.fields, false);
        }
        if let Some(code) = self.code.take() {
            self.notice.subject = confirming(&code, &self.notice.subject);
        }
        self.write_text(&found.body)
    }

    /// Creates the entry with this text.
    pub fn write_text(mut self, text: &str) -> Output {
        let list = self.notices.list;
        self.notice.text = template::fill(text, &self.fields, false);
        let id = message_id::generate(list.local_part(), &list.settings.host_name);
        let message = self.notice.build(Timestamp::now(), &id);
        Output {
            queue: Queue::Virgin,
            label: self.label,
            entry: Entry::new(message.to_bytes(), self.metadata),
        }
    }
}

/// A subject that confirms; a site's own text may contain the code itself.
fn confirming(code: &str, subject: &str) -> String {
    let command = format!("confirm {code}");
    match subject.trim() {
        "" => command,
        subject if subject.contains(&command) => command,
        subject => format!("{command} ({subject})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_that_confirms_begins_with_its_code_and_is_read_back() {
        let code = "0123456789abcdef0123456789abcdef01234567";
        let command = format!("confirm {code}");
        let languages =
            ["Please confirm", "Bitte bestätigen", "确认加入 Dev", "Подтвердите", "", "a (b) c"];
        for words in languages {
            let subject = confirming(code, words);
            let notice = Notice { subject: subject.clone(), ..Notice::default() };
            let bytes = notice.build(Timestamp::now(), "<1@x>").to_bytes();
            let raw = String::from_utf8(bytes.clone()).unwrap();
            assert!(raw.contains(&format!("\nSubject: {command}")), "{raw}");
            let read = Message::parse(bytes).text("Subject").unwrap();
            assert_eq!(read, subject);
            assert_eq!(dormouse_mail::subject::confirmation(&read), Some(&*command));
        }
        assert_eq!(confirming(code, &command), command);
    }

    #[test]
    fn of_a_large_message_only_the_beginning_is_shown() {
        let body = format!("Grüße\n{}", "line\n".repeat(100_000));
        let raw = format!(
            "Subject: large\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n{body}--b--\n"
        );
        let shown = Message::parse(preview(&Message::parse(raw)));
        assert_eq!(shown.text("Subject").as_deref(), Some("large"));
        let text = mime::first_text(&shown).unwrap();
        assert!(text.starts_with("[The beginning of 500"), "{text}");
        assert!(text.contains("Grüße\nline\n") && text.len() < PREVIEW + 100, "{text}");
    }
}
