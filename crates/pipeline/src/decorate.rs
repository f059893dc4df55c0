//! The list's header and footer texts around a post's own (docs/spec/pipeline.md §7).
//!
//! They are added once, when a post enters `out`; only where they name the recipient, as on
//! personalised lists, each copy gets its own when it is sent.

use dormouse_mail::decorate::{Decorated, decorate};
use dormouse_mail::{AddressKey, Message};
use dormouse_membership::template::{self, Fields};
use dormouse_spool::Metadata;
use dormouse_store::{Config, List, Member};

/// A list's header and footer, to be filled in.
pub struct Texts {
    header: String,
    footer: String,
    dollars: bool,
    fields: Fields,
}

impl Texts {
    /// Those that an entry's message is to get; `None` when it gets none.
    pub fn of(list: &List, config: &Config, metadata: &Metadata) -> Option<Texts> {
        let envelope = metadata.envelope();
        let is_exempt = envelope.is_digest() || envelope.no_decoration() || envelope.decorated();
        let settings = &list.settings;
        let (header, footer) = (settings.msg_header.clone(), settings.msg_footer.clone());
        let is_blank = header.trim().is_empty() && footer.trim().is_empty();
        (!is_exempt && !is_blank).then(|| Texts {
            header,
            footer,
            dollars: settings.use_dollar_strings,
            fields: fields(list, config),
        })
    }

    /// Whether they may name a recipient.
    pub fn name_recipient(&self) -> bool {
        [&self.header, &self.footer].iter().any(|text| text.contains(RECIPIENT))
    }

    /// Puts them around the message's text, unless the message must stay as it is.
    pub fn add_to(&self, message: &mut Message, recipient: &Fields) -> Decorated {
        let mut fields = self.fields.clone();
        fields.extend(recipient.iter().cloned());
        let header = template::fill(&self.header, &fields, self.dollars);
        let footer = template::fill(&self.footer, &fields, self.dollars);
        decorate(message, &header, &footer)
    }
}

/// With this the names of all fields of a recipient begin.
const RECIPIENT: &str = "user_";

/// What a text may say where all get the same copy: what it says of a reader is then true of any.
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

/// What a text may say of its one recipient. There are no passwords to tell any more.
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
