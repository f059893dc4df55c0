//! Decides by the header only, and moderates members who post too much (docs/spec/pipeline.md
//! §2.1).

use super::{Flow, HandlerError, Post, Reason, dmarc};
use dormouse_mail::{Message, mime};
use dormouse_membership::patterns;
use dormouse_pattern::Flags;
use dormouse_store::{DmarcAction, List, MemberOption};
use unicode_normalization::UnicodeNormalization as _;

/// Checks the domain of the author, then how much the sender posts, then the header.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let to_owner = post.envelope().to_owner();
    if !to_owner {
        match dmarc::mitigate(post) {
            Flow::Next => {}
            stopped => return Ok(stopped),
        }
        verbosity(post)?;
    }
    if post.envelope().approved() {
        return Ok(Flow::Next);
    }
    Ok(by_header(post, to_owner))
}

/// Decides without DNS lookups, and without counting the post.
pub(super) fn without_lookups(post: &mut Post<'_>) -> Flow {
    match dmarc::mitigate(post) {
        Flow::Next => by_header(post, false),
        stopped => stopped,
    }
}

/// Decides by the header only.
fn by_header(post: &Post<'_>, to_owner: bool) -> Flow {
    match known_spammer(post) {
        Some(reason) => Flow::Discard(reason),
        None => header_rules(post, to_owner),
    }
}

/// Whether the list's rules or DMARC settings can reject a post during delivery.
pub(super) fn may_reject(list: &List) -> bool {
    let settings = &list.settings;
    if settings.dmarc_moderation_action == DmarcAction::Reject
        && !settings.dmarc_moderation_addresses.is_empty()
    {
        return true;
    }
    let rules = settings.header_filter_rules.0.as_array();
    let number = |rule: &serde_json::Value| rule.get(1).and_then(serde_json::Value::as_i64);
    rules
        .into_iter()
        .flatten()
        .filter_map(number)
        .any(|number| Action::of(number) == Some(Action::Reject))
}

/// Turns on moderation for a member who posts too often within the interval.
fn verbosity(post: &mut Post<'_>) -> Result<(), HandlerError> {
    let settings = &post.list.settings;
    let threshold = settings.member_verbosity_threshold;
    if threshold <= 0 {
        return Ok(());
    }
    let mut found = None;
    for sender in post.senders() {
        if let Some(member) = post.store.read().member(post.list.id, &sender)? {
            found = Some(member);
            break;
        }
    }
    let Some(mut member) = found else { return Ok(()) };
    let until = post.now + settings.member_verbosity_interval.seconds() as f64;
    let entry = post.entry.as_str();
    let count = post.store.count_recent(post.list.id, &member.key, entry, until, post.now)?;
    if count > threshold && !member.options.has(MemberOption::Moderate) {
        tracing::warn!(
            "{}: {} posted {count} times in {} s and is moderated from now on",
            post.list.name,
            member.address,
            settings.member_verbosity_interval
        );
        member.options = member.options.with(MemberOption::Moderate, true);
        post.store.update_member(post.list.id, &member, post.now)?;
    }
    Ok(())
}

/// Applies the site's own rules.
fn known_spammer(post: &Post<'_>) -> Option<Reason> {
    let rules = post.config.known_spammers.iter().filter_map(|rule| rule.split_once(':'));
    for (name, pattern) in rules {
        let hit = post
            .message
            .fields_named(name.trim())
            .any(|field| patterns::search(post, "known_spammers", pattern.trim(), &field.text()));
        if hit {
            return Some(Reason::plain(format!("its {} header is a known spammer's", name.trim())));
        }
    }
    None
}

const SETTING: &str = "header_filter_rules";

/// What a rule does, by Mailman's numbers (docs/spec/pickles.md §3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Defer,
    Reject,
    Discard,
    Accept,
    Hold,
}

impl Action {
    fn of(number: i64) -> Option<Action> {
        Some(match number {
            0 => Action::Defer,
            2 => Action::Reject,
            3 => Action::Discard,
            6 => Action::Accept,
            7 => Action::Hold,
            _ => return None,
        })
    }
}

/// Applies the list's rules in their order; the first pattern that matches decides.
fn header_rules(post: &Post<'_>, to_owner: bool) -> Flow {
    let rules = post.list.settings.header_filter_rules.0.as_array();
    let Some(rules) = rules.filter(|rules| !rules.is_empty()) else { return Flow::Next };
    let text = header_text(&post.message);
    for rule in rules {
        let patterns = rule.get(0).and_then(serde_json::Value::as_str).unwrap_or_default();
        let number = rule.get(1).and_then(serde_json::Value::as_i64).unwrap_or(0);
        let Some(action) = Action::of(number) else {
            tracing::warn!("{}: {SETTING}: {number} is not an action", post.list.name);
            continue;
        };
        if action == Action::Defer {
            continue;
        }
        let Some(pattern) =
            patterns.lines().map(str::trim_end).find(|line| hits(post, line, &text))
        else {
            continue;
        };
        let reason = |text: String| Reason::new(SETTING, text);
        let matched = format!("Header matched regexp: {pattern}");
        return match action {
            Action::Accept | Action::Defer => Flow::Next,
            Action::Discard => Flow::Discard(reason(matched)),
            // Mail to owners is never rejected.
            Action::Reject if to_owner => Flow::Discard(reason(matched)),
            Action::Reject => {
                Flow::Reject(reason("Your message was rejected by a filter rule.".to_owned()))
            }
            Action::Hold if to_owner => Flow::Next,
            Action::Hold => Flow::Hold(reason(matched)),
        };
    }
    Flow::Next
}

fn hits(post: &Post<'_>, line: &str, text: &str) -> bool {
    if line.trim().is_empty() || line.starts_with('#') {
        return false;
    }
    let flags = Flags { ignore_case: true, multiline: true, unicode: true, ..Flags::default() };
    let pattern: String = unescape(line).nfkc().collect();
    patterns::search_with(post, SETTING, &pattern, text, flags)
}

/// Returns the headers of the message and all its parts, one on each line, decoded and in NFKC.
fn header_text(message: &Message) -> String {
    let mut text = String::new();
    write_header(message, &mut text);
    let root = mime::structure(message);
    if !root.parts.is_empty() {
        for part in root.walk().into_iter().skip(1) {
            write_header(&part.header(message.body()), &mut text);
        }
    }
    if text.is_ascii() { text } else { text.nfkc().collect() }
}

fn write_header(message: &Message, text: &mut String) {
    for field in message.fields() {
        text.push_str(&String::from_utf8_lossy(field.name()));
        text.push_str(": ");
        text.push_str(&field.text());
        text.push('\n');
    }
}

/// Decodes `&#228;` and `\u00e4`: web forms sent letters outside of their page's charset in this
/// way.
fn unescape(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find(['&', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(rest) {
            Some((letter, length)) => {
                out.push(letter);
                rest = &rest[length..];
            }
            None => {
                // The second backslash of `\\` does not begin an escape.
                let length = if rest.starts_with("\\\\") { 2 } else { 1 };
                out.push_str(&rest[..length]);
                rest = &rest[length..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Returns the letter that is escaped at the start of a text, and the length of the escape.
fn reference(text: &str) -> Option<(char, usize)> {
    if let Some(digits) = text.strip_prefix("\\u") {
        let digits = digits.get(..4)?;
        return Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, 6));
    }
    let end = text.find(';').filter(|end| *end < 12)?;
    let inner = text.strip_prefix("&#")?.get(..end - 2)?;
    let number = match inner.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => inner.parse().ok()?,
    };
    Some((char::from_u32(number)?, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    const RAW: &str = "From: a@x.example\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= cheap\n\nx\n";

    fn rule(pattern: &str, action: i64) -> String {
        serde_json::json!([[pattern, action, 0]]).to_string()
    }

    #[test]
    fn each_action_in_both_pipelines() {
        // number, what happens to a post, what happens to mail for the owners
        let cases = [
            (0, None, None),
            (2, Some("reject"), Some("discard")),
            (3, Some("discard"), Some("discard")),
            (6, None, None),
            (7, Some("hold"), None),
            (99, None, None),
        ];
        for (action, post, owner) in cases {
            let fixture = Fixture::new(&[(SETTING, &rule("^subject:.*CHEAP", action))]);
            for (flag, expected) in [(0, post), (1, owner)] {
                let outcome = fixture.run(run, RAW, |data| data.set_int("toowner", flag));
                let expected = expected.map(|verdict| (verdict, Some(SETTING)));
                assert_eq!(outcome.stopped(), expected, "{action} {flag}");
            }
            let approved = fixture.run(run, RAW, |data| data.set_int("approved", 1));
            assert_eq!(approved.flow, Flow::Next);
        }
    }

    #[test]
    fn patterns_see_the_decoded_headers_of_all_parts() {
        let multi = "From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment;\n filename=evil.exe\n\nsubject: cheap\n--b--\n";
        let cases = [
            ("^subject: grüße", RAW, true),
            (r"^subject: gr\u00fc", RAW, true),
            ("^subject: gr&#252;", RAW, true),
            ("^subject: gr&#xfc;", RAW, true),
            ("# a comment\n\n^subject: ", RAW, true),
            ("# ^subject: ", RAW, false),
            ("^content-disposition:.*filename=evil", multi, true),
            ("^subject: cheap", multi, false),
            ("^From: a@x", "From: =?utf-8?b?77yhQHg=?=\n\nx\n", true),
            ("(", RAW, false),
        ];
        for (pattern, raw, expected) in cases {
            let fixture = Fixture::new(&[(SETTING, &rule(pattern, 3))]);
            let outcome = fixture.run(run, raw, |_| {});
            assert_eq!(outcome.stopped().is_some(), expected, "{pattern}");
        }
    }

    #[test]
    fn the_first_rule_that_hits_decides() {
        let rules =
            serde_json::json!([["nothing", 3, 0], ["cheap", 6, 0], ["cheap", 3, 0]]).to_string();
        let fixture = Fixture::new(&[(SETTING, &rules)]);
        assert_eq!(fixture.run(run, RAW, |_| {}).flow, Flow::Next);
    }

    #[test]
    fn known_spammers_are_dropped_on_every_list() {
        let mut fixture = Fixture::new(&[]);
        fixture.config("known_spammers", "From: ^a@X\\.");
        assert!(matches!(fixture.run(run, RAW, |_| {}).flow, Flow::Discard(_)));
        let approved = fixture.run(run, RAW, |data| data.set_int("approved", 1));
        assert_eq!(approved.flow, Flow::Next);
        let other = RAW.replace("a@x", "b@x");
        assert_eq!(fixture.run(run, &other, |_| {}).flow, Flow::Next);
    }

    #[test]
    fn a_member_who_writes_too_much_is_moderated() {
        let fixture = Fixture::new(&[("member_verbosity_threshold", "2")]);
        fixture.member("a@x.example", &[]);
        let list = fixture.get("dev");
        let moderated = || {
            let member = fixture.store.read().member(list.id, "a@x.example").unwrap().unwrap();
            member.options.has(MemberOption::Moderate)
        };
        for expected in [false, false, true] {
            fixture.run(run, RAW, |_| {});
            assert_eq!(moderated(), expected);
        }
        let off = Fixture::new(&[]);
        off.member("a@x.example", &[]);
        for _ in 0..5 {
            off.run(run, RAW, |_| {});
        }
        let member = off.store.read().member(off.get("dev").id, "a@x.example").unwrap().unwrap();
        assert!(!member.options.has(MemberOption::Moderate));
    }
}
