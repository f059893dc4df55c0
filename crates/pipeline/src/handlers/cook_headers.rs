//! Sets the headers of a mailing list's message (docs/spec/pipeline.md §2.14).

use super::{
    Flow, HandlerError, Post, deferred, from_munge, reply_to, signatures, subject_prefix,
    to_archive, two_versions,
};
use dormouse_mail::{date, encoded_word};

/// Longer values of List-* headers are split at their commas.
const LONGEST_LINE: usize = 78;

/// Sets the headers; fewer on messages that the list server wrote itself.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    signatures::settle(post)?;
    two_versions::keep(post);
    let virgin = post.is_virgin();
    if !virgin {
        identify(post);
    }
    if post.envelope().no_ack() {
        post.message.set("X-Ack", "no");
    }
    if !virgin && !post.envelope().is_digest() && !post.envelope().no_prefix() {
        subject_prefix::add(post);
    }
    let address = post.list.address();
    deferred::add(post, "X-BeenThere", &address);
    deferred::set_default(post, "X-Mailman-Version", MAILMAN_VERSION);
    deferred::set_default(post, "Precedence", "list");
    if !virgin {
        let poster = from_munge::munge(post)?;
        reply_to::set(post, poster.as_ref());
    }
    if post.list.settings.include_rfc2369_headers {
        list_headers(post);
    }
    if post.list.settings.feedback_headers && !virgin {
        feedback_headers(post);
    }
    Ok(Flow::Next)
}

/// Adds a Message-ID and Date if they are missing, so that all copies, in mail, archive and digest,
/// have the same. They are derived from the entry, so that they are the same after a crash.
pub fn identify(post: &mut Post<'_>) {
    if dormouse_archive::message_id_of(&post.message).is_empty() {
        let host = &post.list.settings.host_name;
        let id = format!("<{}.{}@{host}>", post.entry, post.list.local_part());
        post.message.set_raw("Message-ID", id.as_bytes());
    }
    if post.message.field("Date").is_none_or(|field| field.value().is_empty()) {
        let received = post.envelope().received_time().or_else(|| post.entry.received());
        post.message.set("Date", &date::rfc5322(received.unwrap_or(post.now)));
    }
}

/// Receivers' scripts check this header, so it names the version of Mailman whose behaviour is
/// followed.
const MAILMAN_VERSION: &str = "2.1.39";

/// Adds the address for complaints (RFC 9477), and the label by which receivers count them.
fn feedback_headers(post: &mut Post<'_>) {
    let address = post.list.sub_address("bounces");
    deferred::change(post, "CFBL-Address", &format!("{address}; report=arf"));
    let host = post.list.settings.host_name.clone();
    let id = format!("{}:list:{host}", post.list.local_part());
    deferred::change(post, "CFBL-Feedback-ID", &id);
    deferred::change(post, "Feedback-ID", &id);
}

/// Sets the headers of RFC 2369 and RFC 2919.
fn list_headers(post: &mut Post<'_>) {
    let list = post.list;
    let settings = &list.settings;
    let id = format!("<{}.{}>", list.local_part(), settings.host_name);
    let description = settings.description.trim();
    let list_id = if description.is_empty() {
        id
    } else {
        // Some receivers do not unfold it, so it is on one line.
        format!("{} {id}", encoded_word::encode(description, usize::MAX).replace("\n ", " "))
    };
    deferred::change(post, "List-Id", &list_id);
    if post.envelope().reduced_list_headers() {
        deferred::change(post, "X-List-Administrivia", "yes");
        return;
    }
    let request = list.sub_address("request");
    // If there are pages, they come before the mail addresses.
    let page = |name: &str| {
        let url = || format!("<{}>, ", list.web_url(post.config, name));
        post.config.has_pages().then(url).unwrap_or_default()
    };
    let (options, info) = (page("options"), page("listinfo"));
    let mut headers = vec![
        ("List-Unsubscribe", format!("{options}<mailto:{request}?subject=unsubscribe>")),
        ("List-Help", format!("<mailto:{request}?subject=help>")),
        ("List-Subscribe", format!("{info}<mailto:{request}?subject=subscribe>")),
    ];
    if settings.include_list_post_header {
        headers.push(("List-Post", format!("<mailto:{}>", list.address())));
    }
    if list.shows_archive(post.config) {
        headers.push(("List-Archive", format!("<{}>", list.archive_url(post.config))));
    }
    for (name, value) in headers {
        let too_long = name.len() + 2 + value.len() > LONGEST_LINE;
        let value = if too_long { value.replace(", ", ",\n ") } else { value };
        deferred::change(post, name, &value);
    }
    // RFC 5064: the field of another list, through which the post came, stays.
    if list.shows_archive(post.config) && to_archive::is_archived(post) {
        let address = dormouse_archive::archived_at(list, post.config, &post.message);
        deferred::add(post, "Archived-At", &format!("<{address}>"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, Outcome};
    use dormouse_clock::Timestamp;
    use dormouse_spool::Metadata;

    const RAW: &str = "From: a@x.example\nMessage-ID: <0@x>\nDate: Mon, 4 Mar 2024 10:00:00 +0100\nSubject: hello\nX-BeenThere: other@lists.example\n\nx\n";

    fn cooked(settings: &[(&str, &str)], raw: &str, edit: fn(&mut Metadata)) -> Outcome {
        Fixture::new(settings).run(run, raw, edit)
    }

    fn value(outcome: &Outcome, name: &str) -> Option<String> {
        outcome.message.text(name)
    }

    #[test]
    fn a_post_without_message_id_or_date_gets_one_from_its_entry() {
        let fixture = Fixture::new(&[]);
        let of = |fields: &str| {
            let raw = format!("From: a@x.example\n{fields}\nx\n");
            fixture
                .run(run, &raw, |data| data.set_time("received_time", Timestamp::from_seconds(1e9)))
        };
        for fields in ["", "Message-ID:\nDate: \n", "Message-ID: <>\n"] {
            let outcome = of(fields);
            let id = value(&outcome, "Message-ID").unwrap();
            assert!(id.starts_with("<1000000000.0+"), "{id}");
            assert!(id.ends_with(".dev@lists.example>"), "{id}");
            let date = value(&outcome, "Date").unwrap();
            assert_eq!(dormouse_mail::date::parse(date.as_bytes()), Some(1_000_000_000));
        }
        let kept = of("Message-ID: odd one\nDate: yesterday\n");
        assert_eq!(value(&kept, "Message-ID").as_deref(), Some("odd one"));
        assert_eq!(value(&kept, "Date").as_deref(), Some("yesterday"));
    }

    #[test]
    fn a_post_says_where_complaints_go_if_the_list_wants_them() {
        let outcome = cooked(&[("feedback_headers", "yes")], RAW, |_| {});
        assert_eq!(
            value(&outcome, "CFBL-Address").unwrap(),
            "dev-bounces@lists.example; report=arf"
        );
        assert_eq!(value(&outcome, "Feedback-ID").unwrap(), "dev:list:lists.example");
        assert_eq!(value(&cooked(&[], RAW, |_| {}), "CFBL-Address"), None);
    }

    /// docs/spec/pipeline.md §2.14, points 3 and 7.
    #[test]
    fn a_post_carries_the_headers_of_its_list() {
        let outcome = cooked(&[("description", "All of us")], RAW, |_| {});
        let request = "mailto:dev-request@lists.example?subject=";
        for (name, expected) in [
            ("List-Id", "All of us <dev.lists.example>".to_owned()),
            (
                "List-Unsubscribe",
                format!("<https://lists.example/mailman/options/dev>, <{request}unsubscribe>"),
            ),
            ("List-Help", format!("<{request}help>")),
            (
                "List-Subscribe",
                format!("<https://lists.example/mailman/listinfo/dev>, <{request}subscribe>"),
            ),
            ("List-Post", "<mailto:dev@lists.example>".to_owned()),
            ("List-Archive", "<https://lists.example/pipermail/dev/>".to_owned()),
            ("Precedence", "list".to_owned()),
            ("X-Mailman-Version", MAILMAN_VERSION.to_owned()),
            ("Subject", "[Dev] hello".to_owned()),
        ] {
            assert_eq!(value(&outcome, name), Some(expected), "{name}");
        }
        let been: Vec<_> = outcome.message.fields_named("X-BeenThere").map(|f| f.text()).collect();
        assert_eq!(been, ["other@lists.example", "dev@lists.example"]);
        assert!(!outcome.message.has("X-List-Administrivia") && !outcome.message.has("X-Ack"));
        let long = "List-Unsubscribe: <https://lists.example/mailman/options/dev>,\n <mailto:";
        assert!(outcome.text().contains(long), "{}", outcome.text());
    }

    #[test]
    fn a_site_without_pages_is_reached_by_mail_alone() {
        let without = |settings: &[(&str, &str)], archive_url: &str| {
            let mut fixture = Fixture::new(settings);
            fixture.config("web.listen", "");
            // Where pages would be says nothing about whether there are any.
            fixture.config("web_url", "https://lists.example/mailman/");
            fixture.config("archive_url", archive_url);
            fixture.run(run, RAW, |_| {})
        };
        let bare = without(&[], "");
        assert!(!bare.message.has("List-Archive") && !bare.message.has("Archived-At"));
        const ARCHIVES: &str = "https://lists.example/pipermail/";
        let open = without(&[], ARCHIVES);
        let request = "<mailto:dev-request@lists.example?subject=";
        for (name, word) in [("List-Unsubscribe", "unsubscribe"), ("List-Subscribe", "subscribe")] {
            assert_eq!(value(&open, name), Some(format!("{request}{word}>")), "{name}");
        }
        assert!(open.message.has("List-Archive") && open.message.has("Archived-At"));
        let private = without(&[("archive_private", "yes")], ARCHIVES);
        assert!(!private.message.has("List-Archive") && !private.message.has("Archived-At"));
        assert!(!private.text().contains("https://"), "{}", private.text());
    }

    #[test]
    fn each_setting_takes_its_header_away() {
        type Settings = &'static [(&'static str, &'static str)];
        let cases: &[(Settings, &[&str])] = &[
            (&[("include_list_post_header", "no")], &["List-Post"]),
            (&[("archive", "no")], &["List-Archive"]),
            (
                &[("include_rfc2369_headers", "no")],
                &[
                    "List-Id",
                    "List-Unsubscribe",
                    "List-Help",
                    "List-Subscribe",
                    "List-Post",
                    "List-Archive",
                ],
            ),
        ];
        for (settings, gone) in cases {
            let outcome = cooked(settings, RAW, |_| {});
            for name in [
                "List-Id",
                "List-Unsubscribe",
                "List-Help",
                "List-Subscribe",
                "List-Post",
                "List-Archive",
            ] {
                assert_eq!(!outcome.message.has(name), gone.contains(&name), "{settings:?} {name}");
            }
        }
        let private = cooked(&[("archive_private", "yes")], RAW, |_| {});
        assert_eq!(
            value(&private, "List-Archive").unwrap(),
            "<https://lists.example/mailman/private/dev/>"
        );
        let bare = cooked(&[("description", " ")], RAW, |_| {});
        assert_eq!(value(&bare, "List-Id").unwrap(), "<dev.lists.example>");
        let encoded = cooked(&[("description", "Grüße")], RAW, |_| {});
        assert_eq!(value(&encoded, "List-Id").unwrap(), "Grüße <dev.lists.example>");
        assert!(!encoded.text().contains("Grüße"), "{}", encoded.text());
    }

    #[test]
    fn what_is_there_already_stays_where_it_says_so() {
        let raw = "From: a@x.example\nPrecedence: bulk\nX-Mailman-Version: 2.0\nList-Id: <old>\nList-Post: <old>\nSubject: [Dev] hello\n\nx\n";
        let outcome = cooked(&[], raw, |_| {});
        assert_eq!(value(&outcome, "Precedence").unwrap(), "bulk");
        assert_eq!(value(&outcome, "X-Mailman-Version").unwrap(), "2.0");
        for name in ["List-Id", "List-Post"] {
            assert_eq!(outcome.message.fields_named(name).count(), 1);
            assert!(!value(&outcome, name).unwrap().contains("old"));
        }
        assert_eq!(value(&outcome, "Subject").unwrap(), "[Dev] hello");
    }

    #[test]
    fn notices_and_digests_get_less() {
        let notice = cooked(&[], RAW, |data| {
            data.set_int("_fasttrack", 1);
            data.set_int("reduced_list_headers", 1);
        });
        assert_eq!(value(&notice, "Subject").unwrap(), "hello");
        assert_eq!(value(&notice, "X-List-Administrivia").unwrap(), "yes");
        assert!(notice.message.has("List-Id") && !notice.message.has("List-Post"));
        let digest = cooked(&[], RAW, |data| data.set_int("isdigest", 1));
        assert_eq!(value(&digest, "Subject").unwrap(), "hello");
        assert!(digest.message.has("List-Post"));
        let silent = cooked(&[], RAW, |data| data.set_int("noack", 1));
        assert_eq!(value(&silent, "X-Ack").unwrap(), "no");
    }

    #[test]
    fn archive_and_digest_see_the_prefix_but_not_the_changed_from() {
        let munged = cooked(&[("from_is_list", "munge")], RAW, |_| {});
        assert_eq!(value(&munged, "From").unwrap(), "a@x.example");
        assert!(
            munged.message.has("List-Id") && value(&munged, "Subject").unwrap() == "[Dev] hello"
        );
        // A wrapped post stays as it came; everything goes outside.
        let wrapped = cooked(&[("from_is_list", "wrap")], RAW, |_| {});
        assert_eq!(wrapped.text(), RAW);
        let outside: Vec<String> =
            wrapped.metadata.table("add_header").into_iter().map(|(name, _)| name).collect();
        for name in ["Subject", "X-BeenThere", "List-Id", "From", "Reply-To", "Precedence"] {
            assert!(outside.iter().any(|known| known == name), "{name} in {outside:?}");
        }
    }

    /// docs/spec/pipeline.md §3.
    #[test]
    fn the_prefix_has_its_place_number_and_style() {
        let numbered = ("subject_prefix", "[Dev %03d] ");
        let cases: [(&str, &str, &str, &str); 8] = [
            ("[Dev] ", "yes", "hello", "[Dev] hello"),
            ("[Dev] ", "yes", "Re: [Dev] hello", "Re: [Dev] hello"),
            ("[Dev] ", "no", "Re: [Dev] hello", "[Dev] Re: hello"),
            ("[Dev] ", "yes", "AW: Re[2]: hello", "Re: [Dev] hello"),
            ("", "yes", "hello", "hello"),
            ("[Dev] ", "yes", "", "[Dev] (no subject)"),
            ("[Dev] ", "yes", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "[Dev] Grüße"),
            (numbered.1, "yes", "Re: [Dev 007] hello", "[Dev 001] Re: hello"),
        ];
        for (prefix, old_style, subject, expected) in cases {
            let mut fixture = Fixture::new(&[("subject_prefix", prefix)]);
            fixture.config("old_style_prefixing", old_style);
            let outcome =
                fixture.run(run, &format!("From: a@x.example\nSubject: {subject}\n\nx\n"), |_| {});
            assert_eq!(value(&outcome, "Subject").unwrap(), expected, "{prefix} {subject}");
            let kept = outcome.metadata.text("origsubj");
            assert_eq!(kept.is_some(), !prefix.is_empty(), "{prefix}");
        }
    }
}
