//! Adds the list's header and footer to the text of a post (docs/spec/pipeline.md §7).
//!
//! They are added once, when a post enters `out`. Only if they name the recipient, as on
//! personalized lists, they are added to each copy when it is sent.

use dormouse_mail::decorate::{Decorated, decorate};
use dormouse_mail::{AddressKey, Message};
use dormouse_membership::template::{self, Fields};
use dormouse_spool::Metadata;
use dormouse_store::{Config, List, Member};

/// A list's header and footer, with their fields.
pub struct HeaderAndFooter {
    header: String,
    footer: String,
    dollars: bool,
    fields: Fields,
}

impl HeaderAndFooter {
    /// Returns the texts for an entry's message; `None` if both are blank or its metadata forbids
    /// them.
    pub fn of(list: &List, config: &Config, metadata: &Metadata) -> Option<HeaderAndFooter> {
        let envelope = metadata.envelope();
        let is_exempt = envelope.is_digest() || envelope.no_decoration() || envelope.decorated();
        let settings = &list.settings;
        let (header, footer) = (settings.msg_header.clone(), settings.msg_footer.clone());
        let is_blank = header.trim().is_empty() && footer.trim().is_empty();
        (!is_exempt && !is_blank).then(|| HeaderAndFooter {
            header,
            footer,
            dollars: settings.use_dollar_strings,
            fields: fields(list, config),
        })
    }

    /// Whether they contain fields for the recipient.
    pub fn name_recipient(&self) -> bool {
        [&self.header, &self.footer].iter().any(|text| text.contains(RECIPIENT))
    }

    /// Adds them to the message's text, unless it must stay unchanged, because it is signed for
    /// example.
    pub fn add_to(&self, message: &mut Message, recipient: &Fields) -> Decorated {
        let mut fields = self.fields.clone();
        fields.extend(recipient.iter().cloned());
        let header = template::fill(&self.header, &fields, self.dollars);
        let footer = template::fill(&self.footer, &fields, self.dollars);
        decorate(message, &header, &footer)
    }
}

/// The names of all fields for the recipient begin with this.
const RECIPIENT: &str = "user_";

/// Returns the fields of a copy for all recipients. Those for the recipient have values that are
/// true for everybody, or are empty.
pub fn fields(list: &List, config: &Config) -> Fields {
    let mut fields = template::list_fields(list, config);
    fields.extend([
        ("user_address", String::new()),
        ("user_delivered_to", String::new()),
        ("user_password", String::new()),
        ("user_language", list.settings.preferred_language.clone()),
        ("user_name", String::new()),
        ("user_optionsurl", list.any_options_url(config)),
        ("user_unsubscribeurl", list.leave_url(config)),
    ]);
    fields
}

/// Returns the fields of a copy for one recipient. The password is empty: passwords are never
/// mailed.
pub fn recipient_fields(
    list: &List,
    config: &Config,
    address: &str,
    member: Option<&Member>,
) -> Fields {
    let name = member.map(|member| member.real_name.trim()).filter(|name| !name.is_empty());
    let language = member.map(|member| member.language.as_str()).filter(|code| !code.is_empty());
    let language = language.unwrap_or(&list.settings.preferred_language);
    vec![
        ("user_address", AddressKey::of(address).into()),
        ("user_delivered_to", address.to_owned()),
        ("user_password", String::new()),
        ("user_language", language.to_owned()),
        ("user_name", name.unwrap_or(address).to_owned()),
        ("user_optionsurl", list.options_url(config, address)),
    ]
}
