//! An example of a post as it arrives from a list, for owners who change what the list adds.

use crate::decorate::{HeaderAndFooter, recipient_fields};
use dormouse_mail::message::encoded;
use dormouse_mail::{Message, subject};
use dormouse_spool::Metadata;
use dormouse_store::{Config, List};

const READER: &str = "anna@example.org";

/// Returns a short post with the list's prefix, header and footer.
pub fn post(list: &List, config: &Config) -> Message {
    let text = format!(
        "From: Anna Example <{READER}>\nTo: {}\nSubject: Our next meeting\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
         Hello,\n\nshall we meet on Friday?\n\nAnna\n",
        list.address()
    );
    let mut message = Message::parse(text);
    let before = message.field("Subject").map(|field| field.value().to_vec());
    let settings = &list.settings;
    let old_style = config.old_style_prefixing;
    let prefixed =
        subject::prefix(before.as_deref(), &settings.subject_prefix, list.post_id, old_style);
    if let Some(prefixed) = prefixed {
        message.set_raw("Subject", encoded("Subject", &prefixed.new).as_bytes());
    }
    if let Some(texts) = HeaderAndFooter::of(list, config, &Metadata::new()) {
        let reader = match settings.personalize.is_on() {
            true => recipient_fields(list, config, READER, None),
            false => Vec::new(),
        };
        texts.add_to(&mut message, &reader);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_clock::Timestamp;
    use dormouse_mail::mime;
    use dormouse_store::ListSettings;

    #[test]
    fn an_example_has_what_the_list_adds() {
        let settings = ListSettings {
            real_name: "Dev".to_owned(),
            host_name: "l.example".to_owned(),
            subject_prefix: "[Ü %d] ".to_owned(),
            msg_header: "ä".to_owned(),
            msg_footer: "%(real_name)s for %(user_address)s".to_owned(),
            ..ListSettings::default()
        };
        let mut list = List {
            id: dormouse_store::ListId::new(1),
            name: "dev".parse().unwrap(),
            created_at: Timestamp::EPOCH,
            post_id: 7,
            last_post_time: Timestamp::EPOCH,
            settings,
        };
        let shown = post(&list, &Config::default());
        assert_eq!(shown.text("Subject").as_deref(), Some("[Ü 7] Our next meeting"));
        let text = mime::first_text(&shown).unwrap();
        assert!(text.starts_with("ä\n") && text.trim_end().ends_with("Dev for"), "{text}");
        list.settings.put("personalize", "yes").unwrap();
        let text = mime::first_text(&post(&list, &Config::default())).unwrap();
        assert!(text.contains("Dev for anna@example.org"), "{text}");
    }
}
