//! Converts a post to an article (docs/spec/queue.md §7).

use dormouse_mail::{Field, Message};
use dormouse_spool::{Entry, EntryName};
use dormouse_store::{List, Site};

/// Headers that news servers accept only once (Mailman: NNTP_REWRITE_DUPLICATE_HEADERS), and the
/// names of the others.
const ONLY_ONCE: [(&str, &str); 4] = [
    ("To", "X-Original-To"),
    ("Cc", "X-Original-Cc"),
    ("Content-Transfer-Encoding", "X-Original-Content-Transfer-Encoding"),
    ("MIME-Version", "X-MIME-Version"),
];

/// Fields that make an article a command to news servers, which a mail must not be (RFC 5537
/// §3.9.2), and fields for which servers refuse an article, because they set them themselves or
/// because they are obsolete (RFC 5536 §3).
const NEVER: [&str; 9] = [
    "Control",
    "Also-Control",
    "Supersedes",
    "Injection-Date",
    "Injection-Info",
    "Relay-Version",
    "See-Also",
    "Article-Names",
    "Article-Updates",
];

/// The longest line of a header without its end (RFC 5536 §2.2).
const LONGEST_LINE: usize = 998;

/// Returns the article for an entry. The same entry always gives the same article.
pub fn prepare(site: &Site, list: &List, name: &EntryName, entry: &Entry) -> Message {
    let mut message = Message::parse(entry.message.clone());
    message.forget_unix_from();
    let settings = &list.settings;
    if settings.news_moderation.number() > 0 {
        message.remove("Approved");
        message.set("Approved", &list.address());
    }
    if !settings.news_prefix_subject_too {
        let envelope = entry.metadata.envelope();
        let plain = envelope.stripped_subject().or_else(|| envelope.original_subject());
        if let Some(subject) = plain {
            message.set("Subject", &subject);
        }
    }
    if message.text("Subject").unwrap_or_default().trim().is_empty() {
        message.set("Subject", "(no subject)");
    }
    message.remove("Newsgroups");
    message.set("Newsgroups", &settings.linked_newsgroup);
    if !is_our_own(list, &message.text("Message-ID").unwrap_or_default()) {
        new_message_id(list, name, &mut message);
    }
    let lines = message.body().iter().filter(|&&byte| byte == b'\n').count();
    message.set("Lines", &lines.to_string());
    let unwanted = &site.config().news_remove_headers;
    let is_wanted = |field: &Field<'_>| {
        !NEVER.iter().any(|name| field.is(name)) && !unwanted.iter().any(|name| field.is(name))
    };
    message.retain(is_wanted);
    rename_repeated(&mut message);
    fit_fields(&mut message);
    message
}

/// Whether a Message-ID was created for this list: `<mailman.N.SECONDS.PID.LIST@HOST>`.
fn is_our_own(list: &List, id: &str) -> bool {
    let end = format!(".{}@{}>", list.local_part(), list.settings.host_name);
    let inside = id.strip_prefix("<mailman.").and_then(|rest| rest.strip_suffix(&end));
    inside.is_some_and(|inside| {
        let numbers: Vec<_> = inside.split('.').collect();
        numbers.len() == 3 && numbers.iter().all(|one| one.parse::<u64>().is_ok())
    })
}

/// Gives the article a Message-ID of the list: servers identify articles by it, and a post to two
/// lists becomes two articles. The References keep threads together.
fn new_message_id(list: &List, name: &EntryName, message: &mut Message) {
    let old = message.text("Message-ID").unwrap_or_default();
    if !old.is_empty() {
        message.set("X-Mailman-Original-Message-ID", &old);
    }
    let references = message.text("References").filter(|text| !text.trim().is_empty());
    if let Some(references) = &references {
        message.set("X-Mailman-Original-References", references);
    }
    let before = references.or_else(|| message.text("In-Reply-To")).unwrap_or_default();
    let references = format!("{before} {old}");
    if !references.trim().is_empty() {
        message.set("References", references.trim());
    }
    let seconds = name.received().unwrap_or_default().seconds() as u64;
    let [one, two] = numbers(name);
    let host = &list.settings.host_name;
    let id = format!("<mailman.{one}.{seconds}.{two}.{}@{host}>", list.local_part());
    message.set("Message-ID", &id);
}

/// Derives two numbers from an entry's name.
fn numbers(name: &EntryName) -> [u32; 2] {
    let digest = name.derive("article");
    let hex = digest.as_str().rsplit('+').next().unwrap_or_default();
    [0..8, 8..16].map(|part| {
        hex.get(part).and_then(|part| u32::from_str_radix(part, 16).ok()).unwrap_or_default()
    })
}

fn rename_repeated(message: &mut Message) {
    for (name, other) in ONLY_ONCE {
        let values: Vec<Vec<u8>> =
            message.fields_named(name).skip(1).map(|field| field.value().to_vec()).collect();
        if values.is_empty() {
            continue;
        }
        let mut seen = false;
        message.retain(|field| {
            let is_it = field.is(name);
            let keep = !is_it || !seen;
            seen |= is_it;
            keep
        });
        values.iter().for_each(|value| message.append_raw(other, value));
    }
}

/// Corrects fields that mail may have but for which news servers refuse an article: without a
/// value, without a blank after the colon, with a blank line, invalid UTF-8, control characters, or
/// a line that is too long (RFC 5536 §2.2). A field that cannot be corrected is removed.
fn fit_fields(message: &mut Message) {
    let fields: Vec<(String, String)> = message
        .fields()
        .filter_map(|field| {
            let name = std::str::from_utf8(field.name()).ok().filter(|name| !name.is_empty())?;
            Some((name.to_owned(), fitting(name, field.value())?))
        })
        .collect();
    message.retain(|_| false);
    for (name, value) in fields {
        message.append_raw(&name, value.as_bytes());
    }
}

/// Returns a value in a form that news servers accept; `None` if there is none.
fn fitting(name: &str, value: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|&byte| char::from(byte)).collect(),
    };
    let text = text.replace(|c: char| c.is_control() && !matches!(c, '\t' | '\n'), " ");
    let mut room = LONGEST_LINE.checked_sub(name.len() + ": ".len())?;
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        // Without a blank before it, the line would be another field.
        let is_folded = lines.is_empty() || line.starts_with([' ', '\t']);
        let line = if is_folded { line.to_owned() } else { format!(" {line}") };
        if line.len() <= room {
            // A blank at the start of a further line continues the field.
            let blank = if line.starts_with([' ', '\t']) { "" } else { " " };
            lines.push(format!("{blank}{}", line.trim_end()));
        } else {
            lines.extend(wrapped(&line, room)?);
        }
        room = LONGEST_LINE - 1;
    }
    let first = lines.first_mut()?;
    *first = first.trim_start().to_owned();
    Some(lines.join("\n"))
}

/// Wraps a long line; `None` if a word is too long.
fn wrapped(line: &str, room: usize) -> Option<Vec<String>> {
    let mut lines = vec![String::new()];
    for word in line.split_ascii_whitespace() {
        let last = lines.last_mut()?;
        if last.len() + 1 + word.len() <= room.min(LONGEST_LINE / 2) {
            last.push(' ');
            last.push_str(word);
        } else if word.len() < room {
            lines.push(format!(" {word}"));
        } else {
            return None;
        }
    }
    lines.retain(|line| !line.is_empty());
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_spool::Metadata;
    use dormouse_store::Store;
    use proptest::prelude::*;

    fn prepared(settings: &[(&str, &str)], metadata: &[(&str, &str)], raw: &str) -> String {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(&home.path().join("site"), "lists.example.org").unwrap();
        let store = Store::open(&site).unwrap();
        let list = store
            .write(|tx| -> Result<List, dormouse_store::StoreError> {
                tx.create_list(
                    &"dev".parse().unwrap(),
                    "lists.example.org",
                    &["o@x.example".to_owned()],
                )?;
                for (name, value) in [("linked_newsgroup", "a.b")].iter().chain(settings) {
                    tx.set_setting("dev", name, value)?;
                }
                Ok(tx.read().list("dev")?.unwrap())
            })
            .unwrap();
        let mut data = Metadata::new();
        metadata.iter().for_each(|(key, value)| data.set_text(key, value));
        let entry = Entry::new(raw.as_bytes().to_vec(), data);
        let name = EntryName::from_base("1795446454.5+04341f");
        let article = prepare(&site, &list, &name, &entry).to_bytes();
        let again = prepare(&site, &list, &name, &entry).to_bytes();
        assert_eq!(article, again, "the same entry is the same article");
        String::from_utf8(article).unwrap()
    }

    const POST: &str = "From: a@x.example\nSubject: [Dev] hello\nMessage-ID: <1@x.example>\n";

    #[test]
    fn an_article_has_a_message_id_of_the_list_and_keeps_its_thread() {
        let article =
            prepared(&[], &[], &format!("{POST}In-Reply-To: <0@x.example>\n\none\ntwo\n"));
        for line in [
            "Newsgroups: a.b\n",
            "X-Mailman-Original-Message-ID: <1@x.example>\n",
            "References: <0@x.example> <1@x.example>\n",
            "Lines: 2\n",
            ".1795446454.",
        ] {
            assert!(article.contains(line), "{line} in {article}");
        }
        assert!(article.contains("\nMessage-ID: <mailman."), "{article}");
        let article = prepared(&[], &[], &format!("{POST}References: <a@b> <0@b>\n\nx\n"));
        assert!(article.contains("References: <a@b> <0@b> <1@x.example>\n"), "{article}");
        assert!(article.contains("X-Mailman-Original-References: <a@b> <0@b>\n"), "{article}");
        let own = "<mailman.3.1795446454.77.dev@lists.example.org>";
        let article = prepared(&[], &[], &format!("Message-ID: {own}\n\nx\n"));
        assert!(article.contains(own) && !article.contains("Original"), "{article}");
    }

    #[test]
    fn what_news_servers_refuse_is_renamed_or_left_out() {
        let article = prepared(
            &[],
            &[],
            &format!(
                "{POST}To: one@x\nReceived: by x\nto: two@x\nTo: three@x\nXref: x\nX-Trace: x\n\nx\n"
            ),
        );
        assert!(article.contains("\nTo: one@x\n"), "{article}");
        assert!(article.contains("X-Original-To: two@x\nX-Original-To: three@x\n"), "{article}");
        for gone in ["\nto:", "Received", "Xref", "X-Trace"] {
            assert!(!article.contains(gone), "{gone} in {article}");
        }
    }

    #[test]
    fn header_fields_are_converted_from_mail_to_articles() {
        let article = prepared(
            &[],
            &[],
            &format!(
                "{POST}Empty:\nTight:value\nBlank: one\n \n\ttwo\nControl: cancel <a@b>\nOdd: a\u{1}b\n\nx\n"
            ),
        );
        for line in ["\nTight: value\n", "\nBlank: one\n\ttwo\n", "\nOdd: a b\n"] {
            assert!(article.contains(line), "{line} in {article}");
        }
        assert!(!article.contains("Empty") && !article.contains("Control"), "{article}");
        assert_eq!(fitting("X", b"caf\xe9").as_deref(), Some("café"));
        assert_eq!(fitting("X", "x".repeat(1000).as_bytes()), None);
        assert_eq!(fitting("X", b" \n \n"), None);
        assert_eq!(fitting(&"X".repeat(LONGEST_LINE), b"x"), None);
        assert_eq!(fitting("X", b"a\nb\n\xa0c").as_deref(), Some("a\n b\n \u{a0}c"));
    }

    proptest! {
        #[test]
        fn any_value_becomes_lines_that_fit_or_nothing(value: Vec<u8>, words in 0..600usize) {
            let value = [value, b" <some@where.example>".repeat(words)].concat();
            if let Some(fitting) = fitting("References", &value) {
                for (index, line) in fitting.split('\n').enumerate() {
                    let name = if index == 0 { "References: ".len() } else { 0 };
                    prop_assert!(name + line.len() <= LONGEST_LINE);
                    prop_assert!(!line.trim().is_empty());
                    prop_assert_eq!(index > 0, line.starts_with([' ', '\t']));
                    prop_assert!(!line.chars().any(|c| c.is_control() && c != '\t'));
                }
            }
        }
    }

    #[test]
    fn moderation_and_the_subject_follow_the_settings() {
        let article =
            prepared(&[("news_moderation", "2")], &[], &format!("{POST}Approved: secret\n\nx\n"));
        assert!(
            article.contains("Approved: dev@lists.example.org\n") && !article.contains("secret")
        );
        let plain = [("stripped_subject", "hello")];
        let article =
            prepared(&[("news_prefix_subject_too", "no")], &plain, &format!("{POST}\nx\n"));
        assert!(article.contains("Subject: hello\n"), "{article}");
        let article = prepared(&[], &plain, &format!("{POST}\nx\n"));
        assert!(article.contains("Subject: [Dev] hello\n"), "{article}");
        assert!(prepared(&[], &[], "From: a@x\n\nx\n").contains("Subject: (no subject)\n"));
    }
}
