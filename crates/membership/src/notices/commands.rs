//! Replies to commands by mail.

use super::draft::Draft;
use super::{Notices, templates};
use crate::Output;
use crate::template;
use dormouse_mail::Message;

impl Notices<'_> {
    /// The results of a person's commands; `original` is attached.
    pub fn command_results(
        &self,
        to: &str,
        results: &str,
        original: Option<&Message>,
        language: &str,
    ) -> Output {
        let mut draft = Draft::to_person(self, "results", to)
            .language(language)
            .header("Auto-Submitted", "auto-replied")
            .field("results", results);
        if let Some(original) = original {
            if let Some(id) = original.text("Message-ID") {
                draft = draft.header("In-Reply-To", &id).header("References", &id);
            }
            draft = draft.attach(original);
        }
        draft.write("commands")
    }

    /// The list of commands; `options` is the address of a member's options.
    pub fn help(&self, commands: &str, options: &str, language: &str) -> String {
        let mut fields = self.fields();
        fields.extend([
            ("joinaddr", self.list.sub_address("join")),
            ("leaveaddr", self.list.sub_address("leave")),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("commands", commands.to_owned()),
            ("options", options.to_owned()),
        ]);
        let found = templates::find(self.site, self.list, "help", language);
        template::fill(&found.body, &fields, false)
    }
}
