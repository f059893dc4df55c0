//! A post becomes an article (spec/queue.md §7).

use dormouse_mail::Message;
use dormouse_spool::{Entry, EntryName};
use dormouse_store::{List, Site};

/// Headers of which news servers take only one (Mailman: NNTP_REWRITE_DUPLICATE_HEADERS), and what
/// the others are called then.
const ONLY_ONCE: [(&str, &str); 4] = [
    ("To", "X-Original-To"),
    ("Cc", "X-Original-Cc"),
    ("Content-Transfer-Encoding", "X-Original-Content-Transfer-Encoding"),
    ("MIME-Version", "X-MIME-Version"),
];

/// The article that an entry becomes. The same entry always becomes the same article.
pub fn prepare(site: &Site, list: &List, name: &EntryName, entry: &Entry) -> Message {
    let mut message = Message::parse(entry.message.clone());
    message.forget_unix_from();
    let settings = &list.settings;
    if settings.news_moderation.number() > 0 {
        message.remove("Approved");
        message.set("Approved", &list.address());
    }
    if !settings.news_prefix_subject_too {
        let plain = ["stripped_subject", "origsubj"];
        if let Some(subject) = plain.iter().find_map(|key| entry.metadata.text(key)) {
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
    message.retain(|field| !unwanted.iter().any(|name| field.is(name)));
    rename_repeated(&mut message);
    message
}

/// Whether a Message-ID is one that this list has made: `<mailman.N.SECONDS.PID.LIST@HOST>`.
fn is_our_own(list: &List, id: &str) -> bool {
    let end = format!(".{}@{}>", list.local_part(), list.settings.host_name);
    let inside = id.strip_prefix("<mailman.").and_then(|rest| rest.strip_suffix(&end));
    inside.is_some_and(|inside| {
        let numbers: Vec<_> = inside.split('.').collect();
        numbers.len() == 3 && numbers.iter().all(|one| one.parse::<u64>().is_ok())
    })
}

/// News servers know an article by its Message-ID, and a post that is sent to two lists is two
/// articles; so it gets one of the list's own. Threads stay together by the references.
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
    let seconds = name.received().unwrap_or(0.0).max(0.0) as u64;
    let [one, two] = numbers(name);
    let host = &list.settings.host_name;
    let id = format!("<mailman.{one}.{seconds}.{two}.{}@{host}>", list.local_part());
    message.set("Message-ID", &id);
}

/// Two numbers out of an entry's digest.
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

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_spool::Metadata;
    use dormouse_store::Store;

    fn prepared(settings: &[(&str, &str)], metadata: &[(&str, &str)], raw: &str) -> String {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(&home.path().join("site"), "lists.example.org").unwrap();
        let store = Store::open(&site).unwrap();
        let list = store
            .write(|tx| -> Result<List, dormouse_store::StoreError> {
                tx.create_list("dev", "lists.example.org", &["o@x.example".to_owned()])?;
                for (name, value) in [("linked_newsgroup", "a.b")].iter().chain(settings) {
                    tx.set_setting("dev", name, value)?;
                }
                Ok(tx.list("dev")?.unwrap())
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
