//! A notice before it is an entry: who writes to whom, which text, what is attached.

use super::{Notices, templates};
use crate::pipeline::Output;
use crate::template::{self, Fields};
use dormouse_mail::notice::Notice;
use dormouse_mail::{Message, message_id};
use dormouse_spool::{Entry, Metadata, Queue, clock};

/// A notice that is being written.
pub(super) struct Draft<'n> {
    notices: &'n Notices<'n>,
    label: String,
    notice: Notice,
    metadata: Metadata,
    fields: Fields,
    /// The subject, whatever the text says.
    fixed_subject: Option<String>,
}

impl<'n> Draft<'n> {
    /// To one person, from the list's owners.
    pub fn to_person(notices: &'n Notices<'n>, label: &str, person: &str) -> Draft<'n> {
        Draft::to_people(notices, label, person, &[person.to_owned()])
    }

    /// To several, from the list's owners; `to` is what the header says.
    pub fn to_people(
        notices: &'n Notices<'n>,
        label: &str,
        to: &str,
        recipients: &[String],
    ) -> Draft<'n> {
        let from = notices.list.sub_address("owner");
        Draft::new(notices, label, from, to.to_owned(), recipients)
    }

    /// To the owners and moderators. It comes from the site, so that a bounce of it does not come
    /// back to the list.
    pub fn to_owners(notices: &'n Notices<'n>, label: &str) -> Draft<'n> {
        let bounces = notices.site_bounces();
        let to = notices.list.sub_address("owner");
        let mut draft = Draft::new(notices, label, bounces.clone(), to, &notices.owners());
        draft.metadata.set_text("envsender", &bounces);
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
        metadata.set_text("listname", &notices.list.name);
        metadata.set_int("nodecorate", 1);
        metadata.set_int("reduced_list_headers", 1);
        metadata.set_int("personalize", 0);
        metadata.set_texts("recips", recipients.iter().map(String::as_str));
        let list = notices.list;
        let mut fields = template::list_fields(list, notices.site.config());
        fields.extend([
            ("listname", list.settings.real_name.clone()),
            ("internal_name", list.name.clone()),
            ("hostname", list.settings.host_name.clone()),
            ("adminaddr", list.sub_address("owner")),
            ("listinfo_url", list.web_url(notices.site.config(), "listinfo")),
        ]);
        let notice = Notice { from, to, ..Notice::default() };
        Draft { notices, label: label.to_owned(), notice, metadata, fields, fixed_subject: None }
    }

    /// What the text may name.
    pub fn field(mut self, name: &'static str, value: impl ToString) -> Draft<'n> {
        self.fields.push((name, value.to_string()));
        self
    }

    /// What the text may name: another text, with the fields until now.
    pub fn text_field(self, name: &'static str, template: &str) -> Draft<'n> {
        let found = templates::find(self.notices.site, self.notices.list, template);
        let text = template::fill(&found.body, &self.fields, false);
        self.field(name, text)
    }

    /// Who it is from, if not the list's owners.
    pub fn from(mut self, from: String) -> Draft<'n> {
        self.notice.from = from;
        self
    }

    /// A header field.
    pub fn header(mut self, name: &str, value: &str) -> Draft<'n> {
        self.notice.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A subject for a text that brings none.
    pub fn subject(mut self, subject: String) -> Draft<'n> {
        self.notice.subject = subject;
        self
    }

    /// A subject that stays, whatever the text brings.
    pub fn fixed_subject(mut self, subject: String) -> Draft<'n> {
        self.fixed_subject = Some(subject);
        self
    }

    /// Attaches a message.
    pub fn attach(mut self, message: &Message) -> Draft<'n> {
        self.notice.attach.push(message.to_bytes());
        self
    }

    /// Writes it with the text of that name.
    pub fn write(mut self, template: &str) -> Output {
        let found = templates::find(self.notices.site, self.notices.list, template);
        if let Some(subject) = found.subject {
            self.notice.subject = template::fill(&subject, &self.fields, false);
        }
        if let Some(subject) = self.fixed_subject.take() {
            self.notice.subject = subject;
        }
        self.write_text(&found.body)
    }

    /// Writes it with this text.
    pub fn write_text(mut self, text: &str) -> Output {
        let list = self.notices.list;
        self.notice.text = template::fill(text, &self.fields, false);
        let id = message_id::generate(list.local_part(), &list.settings.host_name);
        let message = self.notice.build(clock::now(), &id);
        Output {
            queue: Queue::Virgin,
            label: self.label,
            entry: Entry::new(message.to_bytes(), self.metadata),
        }
    }
}
