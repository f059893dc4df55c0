//! Sets where replies go, and keeps the poster visible if From names the list
//! (docs/spec/pipeline.md §2.14, points 5 and 6).

use super::{Post, deferred};
use dormouse_mail::address::{Mailbox, format_mailbox};
use dormouse_store::ReplyGoesTo;
use std::collections::HashSet;

/// Sets Reply-To and Cc as the list's settings say. `poster` is the former From, if From names the
/// list now.
pub fn set(post: &mut Post<'_>, poster: Option<&Mailbox>) {
    let settings = &post.list.settings;
    let list = Mailbox { name: settings.description.clone(), address: post.list.address() };
    let kept =
        if settings.first_strip_reply_to { Vec::new() } else { post.message.mailboxes("Reply-To") };
    let nothing_kept = kept.is_empty();
    let mode = settings.reply_goes_to_list;
    let mut answers = Mailboxes::default();
    if mode == ReplyGoesTo::Explicit {
        answers.add(Mailbox { name: String::new(), address: settings.reply_to_address.clone() });
    }
    kept.into_iter().for_each(|mailbox| answers.add(mailbox));
    if let Some(poster) = poster
        && mode == ReplyGoesTo::Poster
        && nothing_kept
    {
        answers.add(poster.clone());
    }
    let poster_gets_answers =
        mode == ReplyGoesTo::Poster && poster.is_some_and(|poster| answers.has(&poster.address));
    if mode == ReplyGoesTo::List {
        answers.add(list.clone());
    }
    let untouched =
        mode == ReplyGoesTo::Poster && !settings.first_strip_reply_to && poster.is_none();
    if !untouched {
        if answers.mailboxes.is_empty() {
            post.message.remove("Reply-To");
        } else {
            deferred::change(post, "Reply-To", &answers.to_header());
        }
    }
    let shows_list =
        settings.personalize.is_full() && mode != ReplyGoesTo::List && !settings.anonymous_list;
    let poster = poster.filter(|_| !poster_gets_answers);
    if shows_list || poster.is_some() {
        set_cc(post, poster, shows_list.then_some(list));
    }
}

fn set_cc(post: &mut Post<'_>, poster: Option<&Mailbox>, list: Option<Mailbox>) {
    let mut copies = Mailboxes::default();
    if let Some(poster) = poster {
        copies.add(poster.clone());
    }
    let present = match deferred::get(post, "Cc") {
        Some(deferred) => dormouse_mail::address::parse_list(deferred.as_bytes()),
        None => post.message.mailboxes("Cc"),
    };
    present.into_iter().for_each(|mailbox| copies.add(mailbox));
    if let Some(list) = list {
        copies.remove(&list.address);
        copies.add(list);
    }
    deferred::change(post, "Cc", &copies.to_header());
}

/// Addresses in order, each once.
#[derive(Default)]
struct Mailboxes {
    mailboxes: Vec<Mailbox>,
    /// Their addresses in lower case.
    known: HashSet<String>,
}

impl Mailboxes {
    fn has(&self, address: &str) -> bool {
        self.known.contains(&address.to_ascii_lowercase())
    }

    fn add(&mut self, mailbox: Mailbox) {
        if !mailbox.address.is_empty() && self.known.insert(mailbox.address.to_ascii_lowercase()) {
            self.mailboxes.push(mailbox);
        }
    }

    fn remove(&mut self, address: &str) {
        if self.known.remove(&address.to_ascii_lowercase()) {
            self.mailboxes.retain(|known| !known.address.eq_ignore_ascii_case(address));
        }
    }

    fn to_header(&self) -> String {
        let mailboxes = self.mailboxes.iter();
        let text: Vec<String> =
            mailboxes.map(|mailbox| format_mailbox(&mailbox.name, &mailbox.address)).collect();
        text.join(",\n ")
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const LIST: &str = "dev@lists.example";
    const POSTER: &str = "Anna <anna@x.example>";
    const MUNGED: &str = "Anna via Dev <dev@lists.example>";

    /// From, Reply-To and Cc as they leave.
    fn headers(settings: &[(&str, &str)], reply_to: &str) -> (String, String, String) {
        let fixture = Fixture::new(
            &[&[("generic_nonmember_action", "accept"), ("archive", "no")], settings].concat(),
        );
        let reply_to =
            if reply_to.is_empty() { String::new() } else { format!("Reply-To: {reply_to}\n") };
        let raw = format!(
            "From: {POSTER}\nTo: {LIST}\nSubject: x\nMessage-ID: <1@x.example>\n{reply_to}\nhello\n"
        );
        let sent = dormouse_mail::Message::parse(fixture.sent(&raw));
        let of = |name: &str| sent.text(name).unwrap_or_default().replace('"', "");
        (of("From"), of("Reply-To"), of("Cc"))
    }

    /// Computed by hand from docs/spec/pipeline.md §2.14 points 4 to 6. R is a Reply-To of the poster's
    /// own choice.
    /// As many as make a difference between looking at each once and looking at all for each.
    #[test]
    fn any_number_of_addresses_is_looked_at_once_each() {
        let mut answers = super::Mailboxes::default();
        let mailbox = |number: usize| super::Mailbox {
            name: String::new(),
            address: format!("A{}@x.example", number % 100_000),
        };
        (0..200_000).for_each(|number| answers.add(mailbox(number)));
        assert_eq!(answers.mailboxes.len(), 100_000);
        assert!(answers.has("a7@X.example"));
        answers.remove("a7@x.example");
        assert!(!answers.has("a7@x.example") && answers.mailboxes.len() == 99_999);
    }

    #[test]
    fn from_reply_to_and_cc_for_every_combination() {
        const R: &str = "r@other.example";
        let explicit = "answers@x.example";
        // reply_goes_to_list, munge, Reply-To present, first_strip: From, Reply-To, Cc
        let cases: &[(&str, &str, &str, &str, &str, String, &str)] = &[
            ("poster", "no", "", "no", POSTER, String::new(), ""),
            ("poster", "no", R, "no", POSTER, R.to_owned(), ""),
            ("poster", "no", R, "yes", POSTER, String::new(), ""),
            ("list", "no", "", "no", POSTER, LIST.to_owned(), ""),
            ("list", "no", R, "no", POSTER, format!("{R}, {LIST}"), ""),
            ("list", "no", R, "yes", POSTER, LIST.to_owned(), ""),
            ("explicit", "no", "", "no", POSTER, explicit.to_owned(), ""),
            ("explicit", "no", R, "no", POSTER, format!("{explicit}, {R}"), ""),
            ("explicit", "no", R, "yes", POSTER, explicit.to_owned(), ""),
            ("poster", "munge", "", "no", MUNGED, POSTER.to_owned(), ""),
            ("poster", "munge", R, "no", MUNGED, R.to_owned(), POSTER),
            ("poster", "munge", "anna@x.example", "no", MUNGED, "anna@x.example".to_owned(), ""),
            ("poster", "munge", R, "yes", MUNGED, POSTER.to_owned(), ""),
            ("list", "munge", "", "no", MUNGED, LIST.to_owned(), POSTER),
            ("list", "munge", R, "no", MUNGED, format!("{R}, {LIST}"), POSTER),
            ("list", "munge", R, "yes", MUNGED, LIST.to_owned(), POSTER),
            ("explicit", "munge", "", "no", MUNGED, explicit.to_owned(), POSTER),
            ("explicit", "munge", R, "no", MUNGED, format!("{explicit}, {R}"), POSTER),
            ("explicit", "munge", R, "yes", MUNGED, explicit.to_owned(), POSTER),
        ];
        for (mode, from_is_list, present, strip, from, reply_to, cc) in cases {
            let settings = [
                ("reply_goes_to_list", *mode),
                ("from_is_list", *from_is_list),
                ("first_strip_reply_to", *strip),
                ("reply_to_address", explicit),
            ];
            let what = format!("{mode} {from_is_list} {present:?} {strip}");
            let found = headers(&settings, present);
            assert_eq!(found, ((*from).to_owned(), reply_to.clone(), (*cc).to_owned()), "{what}");
        }
    }

    #[test]
    fn a_fully_personalized_list_shows_itself_in_cc() {
        let (_, _, cc) = headers(&[("personalize", "full"), ("from_is_list", "no")], "");
        assert_eq!(cc, LIST);
        let with_list =
            [("personalize", "full"), ("from_is_list", "no"), ("reply_goes_to_list", "list")];
        assert_eq!(headers(&with_list, "").2, "");
        let munged = [
            ("personalize", "full"),
            ("from_is_list", "munge"),
            ("reply_goes_to_list", "explicit"),
        ];
        let munged = [&munged[..], &[("reply_to_address", "answers@x.example")]].concat();
        assert_eq!(headers(&munged, "").2, format!("{POSTER}, {LIST}"));
    }
}
