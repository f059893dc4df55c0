//! What the list server itself writes to people.
//!
//! A notice is an entry for `virgin`. Nothing is ever written in answer to automatic mail
//! (RFC 3834 §2), and nothing to a stranger whose address nobody vouches for.

use crate::pipeline::Output;
use dormouse_mail::notice::Notice;
use dormouse_mail::{Message, message_id};
use dormouse_spool::{Entry, Metadata, Queue};
use dormouse_store::{Config, List};
use std::time::SystemTime;

/// Writes a list's notices.
#[derive(Clone, Copy)]
pub struct Notices<'p> {
    /// The list.
    pub list: &'p List,
    /// The site's settings.
    pub config: &'p Config,
}

impl Notices<'_> {
    /// To the owners and moderators: a post waits for them.
    pub fn held(&self, message: &Message, sender: &str, held_id: i64, reason: &str) -> Output {
        let list = &self.list.settings.real_name;
        let subject = message.text("Subject").unwrap_or_default();
        let text = format!(
            "A post to the mailing list {list} waits for your decision.\n\n\
             From:    {sender}\n\
             Subject: {subject}\n\
             Reason:  {reason}\n\n\
             To let it through:  dormouse held approve {name} {held_id}\n\
             To drop it:         dormouse held discard {name} {held_id}\n\n\
             The post is attached.\n",
            name = self.list.name,
        );
        let subject = format!("{list} post from {sender} requires approval");
        self.owner_notice("held", &subject, &text, Some(message))
    }

    /// To the owners: a stranger's post was dropped, as they asked to be told.
    pub fn auto_discarded(&self, message: &Message, sender: &str) -> Output {
        let list = &self.list.settings.real_name;
        let text = format!(
            "A post to the mailing list {list} from {sender}, who is not a member, was discarded \
             by the list's settings. It is attached.\n"
        );
        self.owner_notice(
            "auto-discard",
            &format!("Auto-discard notification for {list}"),
            &text,
            Some(message),
        )
    }

    /// To a sender whose post was refused.
    pub fn rejected(&self, message: &Message, sender: &str, reason: &str) -> Output {
        let list = self.list.address();
        let subject = message.text("Subject").filter(|subject| !subject.trim().is_empty());
        let subject = subject.unwrap_or_else(|| format!("Your post to {list}"));
        let text = format!(
            "Your message to the mailing list {list} was not accepted.\n\n{reason}\n\n\
             If you think that this is a mistake, write to {owner}. Your message is attached.\n",
            owner = self.list.sub_address("owner"),
        );
        let mut metadata = self.metadata();
        metadata.set_texts("recips", [sender]);
        self.output(
            "reject",
            &self.list.sub_address("owner"),
            sender,
            &subject,
            &text,
            Some(message),
            metadata,
        )
    }

    /// To a member whose post waits for a moderator.
    pub fn post_held(&self, message: &Message, member: &str, reason: &str) -> Output {
        let list = &self.list.settings.real_name;
        let subject = message.text("Subject").unwrap_or_default();
        let text = format!(
            "Your message to the mailing list {list} with the subject\n\n    {subject}\n\n\
             waits until a moderator has looked at it. The reason:\n\n    {reason}\n\n\
             It is sent to the list, or you hear of the moderator's decision.\n"
        );
        let mut metadata = self.metadata();
        metadata.set_texts("recips", [member]);
        let subject = format!("Your message to {list} awaits moderator approval");
        self.output(
            "post-held",
            &self.list.sub_address("owner"),
            member,
            &subject,
            &text,
            None,
            metadata,
        )
    }

    /// An owner notice comes from the site, so that a bounce of it does not come back to the list.
    fn owner_notice(
        &self,
        label: &str,
        subject: &str,
        text: &str,
        attach: Option<&Message>,
    ) -> Output {
        let settings = &self.list.settings;
        let site_bounces = format!("{}-bounces@{}", self.config.site_list, self.config.host);
        let owner = self.list.sub_address("owner");
        let mut metadata = self.metadata();
        metadata.set_text("envsender", &site_bounces);
        let people = settings.owner.iter().chain(&settings.moderator);
        metadata.set_texts("recips", people.map(String::as_str));
        self.output(label, &site_bounces, &owner, subject, text, attach, metadata)
    }

    fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::new();
        metadata.set_text("listname", &self.list.name);
        metadata.set_int("nodecorate", 1);
        metadata.set_int("reduced_list_headers", 1);
        metadata.set_int("personalize", 0);
        metadata
    }

    #[allow(clippy::too_many_arguments)]
    fn output(
        &self,
        label: &str,
        from: &str,
        to: &str,
        subject: &str,
        text: &str,
        attach: Option<&Message>,
        metadata: Metadata,
    ) -> Output {
        let id = message_id::generate(self.list.local_part(), &self.list.settings.host_name);
        let notice = Notice {
            from: from.to_owned(),
            to: to.to_owned(),
            subject: subject.to_owned(),
            text: text.to_owned(),
            attach: attach.map(Message::to_bytes),
            headers: Vec::new(),
        };
        let message = notice.build(SystemTime::now(), &id);
        Output {
            queue: Queue::Virgin,
            label: label.to_owned(),
            entry: Entry::new(message.to_bytes(), metadata),
        }
    }
}

/// Whether a message was sent by a program, so that nothing may answer it (RFC 3834 §2): bounces,
/// vacation notices, list mail, bulk mail.
pub fn is_automatic(message: &Message, metadata: &Metadata) -> bool {
    let null_sender =
        metadata.text("envelope_sender").is_some_and(|sender| matches!(&*sender, "" | "<>"))
            || message.unix_from().is_some_and(|from| {
                from.starts_with(b"From <>") || from.starts_with(b"From MAILER-DAEMON")
            });
    let auto_submitted = message
        .text("Auto-Submitted")
        .is_some_and(|value| !value.trim().to_lowercase().starts_with("no"));
    let bulk = message.text("Precedence").is_some_and(|value| {
        matches!(value.trim().to_lowercase().as_str(), "bulk" | "junk" | "list")
    });
    null_sender || auto_submitted || bulk || message.has("List-Id")
}
