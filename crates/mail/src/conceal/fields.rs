//! Removing secrets from header fields, of which as much as possible stays: other parameters, other
//! mailboxes, the rest of a text.

use super::seen::Seen;
use super::{Concealed, Secret, is_in, without};
use crate::address::format_mailbox;
use crate::mime::Parameterized;
use crate::{Field, Message, message};

/// Removes secrets from the fields of a header.
pub(super) fn conceal_fields(header: &mut Message, secrets: &[Secret]) -> Concealed {
    let is_in_text = |text: &str| {
        is_in(&Seen::plain(text), secrets)
            || text.contains(['%', '&']) && is_in(&Seen::unescaped(text), secrets)
    };
    let mut done = Concealed::CLEAN;
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let eol = header.eol();
    for field in header.fields() {
        let raw = String::from_utf8_lossy(&field.unfolded()).into_owned();
        let parameters = Parameterized::parse(&field.unfolded());
        let is_there = is_in_text(&field.text())
            || is_in_text(&raw)
            || parameters.parameters.values().any(|value| is_in_text(value));
        if !is_there {
            fields.push(field.raw.to_vec());
            continue;
        }
        done.and(Concealed::CHANGED);
        let name = String::from_utf8_lossy(field.name()).into_owned();
        match field_without(&field, &name, &parameters, secrets, &is_in_text) {
            Some(value) => fields.push([name.as_bytes(), b": ", value.as_bytes(), eol].concat()),
            None => done.and(Concealed::DAMAGED),
        }
    }
    if done.is_changed {
        let mut raw = fields.concat();
        raw.extend_from_slice(if header.ends_header() { eol } else { b"" });
        raw.extend_from_slice(header.body());
        let from = header.unix_from().map(|line| [line, eol].concat());
        *header = match from {
            Some(from) => Message::parse([from, raw].concat()),
            None => Message::parse_part(&raw),
        };
    }
    done
}

/// A field's value without the secrets; `None` if nothing useful is left.
fn field_without(
    field: &Field<'_>,
    name: &str,
    parameters: &Parameterized,
    secrets: &[Secret],
    is_in_text: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let value = match name.to_ascii_lowercase().as_str() {
        "content-type" | "content-disposition" => {
            let mut value = parameters.value.clone();
            for (key, text) in &parameters.parameters {
                if !is_in_text(text) && text.is_ascii() {
                    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
                    value.push_str(&format!("; {key}=\"{quoted}\""));
                }
            }
            value
        }
        "from" | "sender" | "reply-to" | "to" | "cc" | "bcc" | "resent-from" | "resent-to" => {
            let mailboxes = crate::address::parse_list(&field.unfolded());
            let kept = mailboxes.into_iter().filter(|mailbox| !is_in_text(&mailbox.address));
            kept.map(|mailbox| {
                let name = if is_in_text(&mailbox.name) { "" } else { &mailbox.name };
                format_mailbox(name, &mailbox.address)
            })
            .collect::<Vec<_>>()
            .join(", ")
        }
        _ => {
            let text = field.text();
            let left =
                without(&text, &[Seen::plain(&text), Seen::unescaped(&text)], secrets, false)?;
            message::encoded(name, left.trim())
        }
    };
    let is_clean = !value.trim().is_empty()
        && !is_in_text(&value)
        && !is_in_text(&crate::encoded_word::decode(value.as_bytes()));
    is_clean.then_some(value)
}
