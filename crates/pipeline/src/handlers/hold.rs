//! Holds posts that a moderator should see first (docs/spec/pipeline.md §2.5).

use super::{Flow, HandlerError, Post, Reason, administrivia, destination};
use dormouse_membership::patterns;
use dormouse_store::StoreError;

type Test = fn(&Post<'_>) -> Result<Option<Reason>, StoreError>;

/// Holds the post if a test matches, with the reason of the first one. Approved posts pass.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if post.envelope().approved() {
        return Ok(Flow::Next);
    }
    let tests: [Test; 6] = [
        |post| Ok(commands(post)),
        |post| Ok(too_many_recipients(post)),
        implicit_destination,
        |post| Ok(suspicious_header(post)),
        |post| Ok(too_big(post)),
        |post| Ok(moderated_group(post)),
    ];
    for test in tests {
        if let Some(reason) = test(post)? {
            return Ok(Flow::Hold(reason));
        }
    }
    Ok(Flow::Next)
}

fn commands(post: &Post<'_>) -> Option<Reason> {
    (post.list.settings.administrivia && administrivia::is_command(&post.message))
        .then(|| Reason::new("administrivia", "Message may contain administrivia"))
}

fn too_many_recipients(post: &Post<'_>) -> Option<Reason> {
    let most = post.list.settings.max_num_recipients;
    let count = post.message.mailboxes("To").len() + post.message.mailboxes("Cc").len();
    (most > 0 && count as i64 >= most)
        .then(|| Reason::new("max_num_recipients", "Too many recipients to the message"))
}

fn implicit_destination(post: &Post<'_>) -> Result<Option<Reason>, StoreError> {
    let is_implicit = post.list.settings.require_explicit_destination
        && !post.envelope().from_usenet()
        && !destination::is_explicit(post)?;
    let reason = || Reason::new("require_explicit_destination", "Message has implicit destination");
    Ok(is_implicit.then(reason))
}

fn suspicious_header(post: &Post<'_>) -> Option<Reason> {
    const SETTING: &str = "bounce_matching_headers";
    let rules = &post.list.settings.bounce_matching_headers;
    rules
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .any(|(name, pattern)| {
            post.message
                .fields_named(name.trim())
                .any(|field| patterns::search(post, SETTING, pattern.trim(), &field.text()))
        })
        .then(|| Reason::new(SETTING, "Message has a suspicious header"))
}

fn too_big(post: &Post<'_>) -> Option<Reason> {
    let limit = post.list.settings.max_message_size;
    let size = post.message.body().len() as i64;
    (limit > 0 && size > limit.saturating_mul(1024)).then(|| {
        Reason::new(
            "max_message_size",
            format!("Message body is too big: {size} bytes with a limit of {limit} KB"),
        )
    })
}

fn moderated_group(post: &Post<'_>) -> Option<Reason> {
    let settings = &post.list.settings;
    (settings.gateway_to_news && settings.news_moderation.is_moderated())
        .then(|| Reason::new("news_moderation", "Posting to a moderated newsgroup"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    const TO: &str = "From: a@x.example\nTo: dev@lists.example\n";

    /// docs/spec/pipeline.md §2.5, with the reasons it gives.
    #[test]
    fn each_test_holds_for_its_reason_and_can_be_turned_off() {
        let many: Vec<String> = (0..9).map(|number| format!("m{number}@x.example")).collect();
        let many = format!("{TO}Cc: {}\n\nx\n", many.join(", "));
        let big = format!("{TO}\n{}", "x\n".repeat(21_000));
        let hidden = "From: a@x.example\nTo: b@x.example\n\nx\n".to_owned();
        let spam = format!("{TO}X-Spam: YES\n\nx\n");
        let command = format!("{TO}Subject: unsubscribe\n\nx\n");
        let plain = format!("{TO}\nx\n");
        let rule = ("bounce_matching_headers", "# a comment\nx-spam: ^yes");
        let news = [("gateway_to_news", "yes"), ("news_moderation", "2")];
        type Settings<'s> = Vec<(&'s str, &'s str)>;
        let cases: Vec<(&str, &str, &str, Settings<'_>, Settings<'_>)> = vec![
            (
                "administrivia",
                "Message may contain administrivia",
                &command,
                vec![],
                vec![("administrivia", "no")],
            ),
            (
                "max_num_recipients",
                "Too many recipients to the message",
                &many,
                vec![],
                vec![("max_num_recipients", "11")],
            ),
            (
                "require_explicit_destination",
                "Message has implicit destination",
                &hidden,
                vec![],
                vec![("require_explicit_destination", "no")],
            ),
            (
                "bounce_matching_headers",
                "Message has a suspicious header",
                &spam,
                vec![rule],
                vec![],
            ),
            (
                "max_message_size",
                "Message body is too big: 42000 bytes with a limit of 40 KB",
                &big,
                vec![],
                vec![("max_message_size", "42")],
            ),
            (
                "news_moderation",
                "Posting to a moderated newsgroup",
                &plain,
                news.to_vec(),
                vec![("news_moderation", "2")],
            ),
        ];
        for (setting, text, raw, on, off) in cases {
            let held = Fixture::new(&on).run(run, raw, |_| {});
            assert_eq!(held.flow, Flow::Hold(Reason::new(setting, text)), "{setting}");
            assert_eq!(Fixture::new(&off).run(run, raw, |_| {}).flow, Flow::Next, "{setting}");
            let approved = Fixture::new(&on).run(run, raw, |data| data.set_int("approved", 1));
            assert_eq!(approved.flow, Flow::Next, "{setting}");
        }
    }

    #[test]
    fn what_names_the_list_has_an_explicit_destination() {
        let cases = [
            ("To: DEV@lists.example", "", true),
            ("Cc: dev@other.example", "", true),
            ("Resent-To: dev@lists.example", "", true),
            ("Resent-Cc: x@y.example, dev@lists.example", "", true),
            ("To: devs@lists.example", "", false),
            ("To: old@lists.example", "old", true),
            ("To: old@lists.example", "^old@lists", true),
            ("To: old@lists.example", "^old@other", false),
            ("To: veryold@lists.example", "old", false),
            ("To: (x@lists.example", "(x", false),
        ];
        for (header, aliases, explicit) in cases {
            let fixture = Fixture::new(&[("acceptable_aliases", aliases)]);
            let outcome = fixture.run(run, &format!("From: a@x.example\n{header}\n\nx\n"), |_| {});
            assert_eq!(outcome.flow == Flow::Next, explicit, "{header} {aliases}");
        }
        let news = Fixture::new(&[]).run(run, "\nx\n", |data| data.set_int("fromusenet", 1));
        assert_eq!(news.flow, Flow::Next);
    }
}
