//! Texts with fields in them, as list owners write them: `%(real_name)s`, or `$real_name` on
//! lists that use dollars (docs/spec/pipeline.md §7).

use dormouse_store::{Config, List};

/// Names and values for a text. Of two with one name the later counts.
pub type Fields = Vec<(&'static str, String)>;

/// The field for the base address of all pages. What follows it in a text is a page's name.
const PAGES: &str = "web_page_url";

/// The fields of every text of a list. On a site without pages, a mail address replaces each page.
pub fn list_fields(list: &List, config: &Config) -> Fields {
    let settings = &list.settings;
    vec![
        ("real_name", settings.real_name.clone()),
        ("list_name", list.local_part().to_owned()),
        ("_internal_name", list.local_part().to_owned()),
        ("host_name", settings.host_name.clone()),
        (PAGES, if config.has_pages() { list.web_page_url(config) } else { list.mail_url("help") }),
        ("description", settings.description.clone()),
        ("info", settings.info.clone()),
        ("cgiext", String::new()),
    ]
}

/// Fills in a text. Unknown fields stay as they are written.
pub fn fill(text: &str, fields: &Fields, dollars: bool) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let sign = if dollars { '$' } else { '%' };
    let mut rest = text;
    while let Some(at) = rest.find(sign) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (taken, name, value) =
            if dollars { dollar_field(rest, fields) } else { percent_field(rest, fields) };
        out.push_str(&value);
        rest = &rest[taken..];
        if name == PAGES && value.starts_with("mailto:") {
            rest = &rest[page_name(rest)..];
        }
    }
    out.push_str(rest);
    out
}

/// The values with which a template would give `text`, if it can.
pub fn values(template: &'static str, text: &str) -> Option<Fields> {
    let mut fields = Fields::new();
    let mut parts = template.split("%(");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let (name, literal) = part.split_once(")s")?;
        let at = match literal {
            "" if parts.peek().is_none() => rest.len(),
            "" => return None,
            literal => rest.find(literal)?,
        };
        fields.push((name, rest[..at].to_owned()));
        rest = &rest[at + literal.len()..];
    }
    rest.is_empty().then_some(fields)
}

/// The length of a page's name at the start of `text`; it may contain fields.
fn page_name(text: &str) -> usize {
    let mut end = 0;
    while let Some(letter) = text[end..].chars().next() {
        end += match letter {
            _ if letter.is_whitespace() || "<>\"')]".contains(letter) => break,
            '%' if text[end..].starts_with("%(") => {
                text[end..].find(")s").map_or(1, |field| field + 2)
            }
            letter => letter.len_utf8(),
        };
    }
    text[..end].trim_end_matches(['.', ',', ';', ':', '!', '?']).len()
}

/// `%(name)s` or `%%` at the start of `text`: its length, name and value.
fn percent_field<'t>(text: &'t str, fields: &Fields) -> (usize, &'t str, String) {
    if text.starts_with("%%") {
        return (2, "", "%".to_owned());
    }
    let Some(end) = text.strip_prefix("%(").and_then(|inner| inner.find(")s")) else {
        return (1, "", "%".to_owned());
    };
    let (name, whole) = (&text[2..end + 2], end + 4);
    (whole, name, value_of(fields, name).unwrap_or_else(|| text[..whole].to_owned()))
}

/// `$name`, `${name}` or `$$` at the start of `text`.
fn dollar_field<'t>(text: &'t str, fields: &Fields) -> (usize, &'t str, String) {
    if text.starts_with("$$") {
        return (2, "", "$".to_owned());
    }
    let (name, whole) = match text.strip_prefix("${") {
        Some(inner) => match inner.find('}') {
            Some(end) => (&inner[..end], end + 3),
            None => return (1, "", "$".to_owned()),
        },
        None => {
            let end = text[1..]
                .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .map_or(text.len(), |at| at + 1);
            (&text[1..end], end)
        }
    };
    (whole, name, value_of(fields, name).unwrap_or_else(|| text[..whole].to_owned()))
}

fn value_of(fields: &Fields, name: &str) -> Option<String> {
    fields.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_clock::Timestamp;
    use proptest::prelude::*;

    fn fields() -> Fields {
        vec![("real_name", "Dev".to_owned()), ("host_name", "example.org".to_owned())]
    }

    #[test]
    fn a_list_is_named_as_in_its_addresses_and_as_its_owner_writes_it() {
        let settings = dormouse_store::ListSettings {
            real_name: "Dev".to_owned(),
            ..dormouse_store::ListSettings::default()
        };
        let list = List {
            id: dormouse_store::ListId::new(1),
            name: "dev@b.example".parse().unwrap(),
            created_at: Timestamp::EPOCH,
            post_id: 1,
            last_post_time: Timestamp::EPOCH,
            settings,
        };
        let fields = list_fields(&list, &Config::default());
        let said = fill("%(real_name)s %(list_name)s %(_internal_name)s", &fields, false);
        assert_eq!(said, "Dev dev dev");
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

    #[test]
    fn what_a_text_was_filled_in_with_is_found_again() {
        let template = "too big: %(size)s bytes with a limit of %(limit)s KB";
        let found = values(template, "too big: 7 bytes with a limit of 40 KB").unwrap();
        assert_eq!(found, [("size", "7".to_owned()), ("limit", "40".to_owned())]);
        assert_eq!(values("matched: %(pattern)s", "matched: ^a").unwrap()[0].1, "^a");
        assert_eq!(values("plain", "plain"), Some(Fields::new()));
        for other in ["too big: 7 bytes", "plain", "x too big: 7 bytes with a limit of 40 KB", ""] {
            assert_eq!(values(template, other), None, "{other}");
        }
    }

    #[test]
    fn where_there_are_no_pages_a_mail_stands_for_each() {
        let fields = vec![
            ("web_page_url", "mailto:dev-request@l.example?subject=help".to_owned()),
            ("_internal_name", "dev".to_owned()),
        ];
        let mail = "mailto:dev-request@l.example?subject=help";
        for (text, dollars, filled) in [
            ("%(web_page_url)slistinfo%(cgiext)s/%(_internal_name)s\nx", false, "{}\nx"),
            ("See <%(web_page_url)slistinfo/dev>.", false, "See <{}>."),
            ("See %(web_page_url)soptions/%(_internal_name)s.", false, "See {}."),
            ("${web_page_url}listinfo/${_internal_name} x", true, "{} x"),
            ("$web_page_url", true, "{}"),
            ("%(web_page_url)slistinfo/%(", false, "{}"),
        ] {
            assert_eq!(fill(text, &fields, dollars), filled.replace("{}", mail), "{text}");
        }
        let pages = vec![("web_page_url", "https://l.example/".to_owned())];
        assert_eq!(
            fill("%(web_page_url)slistinfo x", &pages, false),
            "https://l.example/listinfo x"
        );
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
            let pages = if dollars { "$web_page_url" } else { "%(web_page_url)s" };
            let mail = vec![(PAGES, "mailto:x".to_owned())];
            fill(&format!("{pages}{text}"), &mail, dollars);
        }
    }
}
