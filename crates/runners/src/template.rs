//! Texts with fields in them, as list owners write them: `%(real_name)s`, or `$real_name` on
//! lists that use dollars (spec/pipeline.md §7).

use dormouse_store::{Config, List};

/// Names and values that a text may use.
pub type Fields = Vec<(&'static str, String)>;

/// The fields every text of a list may use.
pub fn list_fields(list: &List, config: &Config) -> Fields {
    let settings = &list.settings;
    vec![
        ("real_name", settings.real_name.clone()),
        ("list_name", settings.real_name.clone()),
        ("_internal_name", list.local_part().to_owned()),
        ("host_name", settings.host_name.clone()),
        ("web_page_url", list.web_page_url(config)),
        ("description", settings.description.clone()),
        ("info", settings.info.clone()),
        ("cgiext", String::new()),
    ]
}

/// Fills a text in. A field that is not known stays as it is written.
pub fn fill(text: &str, fields: &Fields, dollars: bool) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let sign = if dollars { '$' } else { '%' };
    let mut rest = text;
    while let Some(at) = rest.find(sign) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (taken, value) =
            if dollars { dollar_field(rest, fields) } else { percent_field(rest, fields) };
        out.push_str(&value);
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

/// `%(name)s` or `%%` at the start of `text`: how long it is, and what stands for it.
fn percent_field(text: &str, fields: &Fields) -> (usize, String) {
    if text.starts_with("%%") {
        return (2, "%".to_owned());
    }
    let Some(end) = text.strip_prefix("%(").and_then(|inner| inner.find(")s")) else {
        return (1, "%".to_owned());
    };
    let (name, whole) = (&text[2..end + 2], end + 4);
    (whole, value_of(fields, name).unwrap_or_else(|| text[..whole].to_owned()))
}

/// `$name`, `${name}` or `$$` at the start of `text`.
fn dollar_field(text: &str, fields: &Fields) -> (usize, String) {
    if text.starts_with("$$") {
        return (2, "$".to_owned());
    }
    let (name, whole) = match text.strip_prefix("${") {
        Some(inner) => match inner.find('}') {
            Some(end) => (&inner[..end], end + 3),
            None => return (1, "$".to_owned()),
        },
        None => {
            let end = text[1..]
                .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .map_or(text.len(), |at| at + 1);
            (&text[1..end], end)
        }
    };
    (whole, value_of(fields, name).unwrap_or_else(|| text[..whole].to_owned()))
}

fn value_of(fields: &Fields, name: &str) -> Option<String> {
    fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields() -> Fields {
        vec![("real_name", "Dev".to_owned()), ("host_name", "example.org".to_owned())]
    }

    #[test]
    fn known_fields_are_filled_in_and_unknown_ones_stay() {
        assert_eq!(fill("%(real_name)s at %(host_name)s", &fields(), false), "Dev at example.org");
        assert_eq!(
            fill("100%% of %(nobody)s, 5% off", &fields(), false),
            "100% of %(nobody)s, 5% off"
        );
        assert_eq!(
            fill("$real_name/${host_name} $$5 $x", &fields(), true),
            "Dev/example.org $5 $x"
        );
        assert_eq!(fill("%(real_name", &fields(), false), "%(real_name");
        assert_eq!(fill("${real_name", &fields(), true), "${real_name");
    }

    proptest! {
        #[test]
        fn a_text_without_signs_stays_as_it_is(text in "[^%$]*") {
            prop_assert_eq!(fill(&text, &fields(), false), &*text);
            prop_assert_eq!(fill(&text, &fields(), true), &*text);
        }

        #[test]
        fn any_text_can_be_filled(text: String, dollars: bool) {
            fill(&text, &fields(), dollars);
        }
    }
}
