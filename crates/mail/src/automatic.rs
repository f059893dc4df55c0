//! Whether a program wrote a message: an automatic responder, a mail system, a list (RFC 3834).
//!
//! Such mail confirms nothing, is not searched for commands, and never gets a reply. All code that
//! must know calls this module, so that it agrees.

mod subject;

pub use subject::{is_answering_machines, is_persons_answer, speaks_of_absence};

use crate::mime;
use crate::{AddressKey, Message};
use std::fmt;

/// Evidence that a program wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Automatic {
    /// It is a receipt: read, deleted, displayed (RFC 8098).
    Receipt,
    /// It is a report of a mail system (RFC 6522), or of a reader's complaint (RFC 5965).
    Report,
    /// An automatic reply: a header field or the subject says so.
    Answer,
    /// A header field says that a program wrote it.
    Generated,
    /// Its sender is a program's address.
    Daemon,
    /// It has the null sender, to which nobody can reply.
    NullSender,
    /// It came through a list.
    List,
    /// Its `Precedence` is that of bulk mail.
    Bulk,
}

impl fmt::Display for Automatic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Automatic::Receipt => "a program wrote it: it is a receipt",
            Automatic::Report => "a program wrote it: it is a mail system's report",
            Automatic::Answer => "a program wrote it: it is an automatic reply",
            Automatic::Generated => "a program wrote it: its header says so",
            Automatic::Daemon => "a program wrote it: its sender is a program's address",
            Automatic::NullSender => "a program wrote it: it has the null sender",
            Automatic::List => "it came through another list",
            Automatic::Bulk => "it is bulk mail (Precedence)",
        })
    }
}

/// Looks for evidence that a program wrote a message, the surest first; `None` for a person's mail.
/// `envelope_sender` comes from the MTA; it is empty for the null sender.
pub fn sign_of(message: &Message, envelope_sender: Option<&str>) -> Option<Automatic> {
    let subject = message.text("Subject").unwrap_or_default();
    if let Some(report) = report(message) {
        return Some(report);
    }
    if is_answer(message, &subject) {
        return Some(Automatic::Answer);
    }
    if subject::is_reports(&subject) {
        return Some(Automatic::Report);
    }
    if is_generated(message) {
        return Some(Automatic::Generated);
    }
    if is_null_sender(message, envelope_sender) {
        return Some(Automatic::NullSender);
    }
    if is_daemon(message, envelope_sender, &subject) {
        return Some(Automatic::Daemon);
    }
    if ["List-Id", "Mailing-List"].iter().any(|name| message.has(name)) {
        return Some(Automatic::List);
    }
    has_value(message, "Precedence", &["bulk", "junk", "list"]).then_some(Automatic::Bulk)
}

/// Whether the sender asks for no automatic replies (Exchange's `X-Auto-Response-Suppress`).
/// People's mail may do so, too, so it says nothing about who wrote the message.
pub fn wants_no_answer(message: &Message) -> bool {
    message
        .fields_named("X-Auto-Response-Suppress")
        .flat_map(|field| {
            let text = field.text().to_ascii_lowercase();
            text.split([',', ';', ' ']).map(str::to_owned).collect::<Vec<_>>()
        })
        .any(|word| matches!(word.as_str(), "all" | "autoreply" | "oof"))
}

/// A receipt or a report by its format.
fn report(message: &Message) -> Option<Automatic> {
    if message.has("Feedback-Type") || message.has("X-Failed-Recipients") {
        return Some(Automatic::Report);
    }
    let kind = message.field("Content-Type").map(|field| field.unfolded().into_owned());
    let kind = mime::Parameterized::parse(&kind.unwrap_or_default()).value;
    if !(kind.starts_with("multipart/") || kind.starts_with("message/")) {
        return None;
    }
    let root = mime::structure(message);
    let parts = root.walk();
    let has = |wanted: &str| parts.iter().any(|part| part.content_type.value == wanted);
    if has("message/disposition-notification") {
        return Some(Automatic::Receipt);
    }
    let report = parts.iter().find(|part| part.content_type.value == "multipart/report");
    match report.and_then(|part| part.content_type.parameter("report-type")) {
        Some(kind) if kind.eq_ignore_ascii_case("disposition-notification") => {
            Some(Automatic::Receipt)
        }
        _ if report.is_some() => Some(Automatic::Report),
        // If it is attached to a letter, it is a person's question.
        _ => matches!(
            root.content_type.value.as_str(),
            "message/delivery-status"
                | "message/global-delivery-status"
                | "message/feedback-report"
        )
        .then_some(Automatic::Report),
    }
}

/// Whether a header field or the subject is that of an automatic reply.
fn is_answer(message: &Message, subject: &str) -> bool {
    has_answering_mark(message)
        || auto_submitted(message).any(|value| value == "auto-replied")
        || subject::is_answering_machines(subject)
}

/// Whether automatic responders write this header field. `Auto-Submitted` is not included:
/// mail systems call their reports replies, too.
pub fn has_answering_mark(message: &Message) -> bool {
    const FIELDS: &[&str] = &[
        "X-Autoreply",
        "X-Auto-Reply",
        "X-Autoreply-From",
        "X-Auto-Reply-From",
        "X-Autorespond",
        "X-Auto-Respond",
        "X-Autoresponse",
        "X-Autoresponder",
        "X-Auto-Responder",
        "X-Mail-Autoreply",
        "X-Mail-Autorespond",
        "X-Vacation",
        "X-Vacation-Message",
        "X-Out-Of-Office",
        "X-Oof",
    ];
    let replies = ["auto_reply", "auto-reply", "autoreply", "auto_replied", "autoresponse"];
    FIELDS.iter().any(|name| says_yes(message, name))
        // The second spelling is a common mistake.
        || ["Precedence", "Preference", "X-Precedence"]
            .iter()
            .any(|name| has_value(message, name, &replies))
        || starts(message, "Delivered-To", &["autoresponder", "autorespond", "autoreply"])
        || ["X-POST-MessageClass", "X-Mailer", "User-Agent"].iter().any(|name| {
            let text = message.text(name).unwrap_or_default().to_lowercase();
            ["autoresponder", "autoresponse", "autorespond", "vacation"]
                .iter()
                .any(|word| text.contains(word))
        })
}

/// Whether a header field says that a program wrote it.
fn is_generated(message: &Message) -> bool {
    const FIELDS: &[&str] = &[
        "X-FC-MachineGenerated",
        "X-Autogenerated",
        "X-Auto-Generated",
        "X-Loop",
        "X-OTRS-Loop",
        "X-RT-Loop-Prevention",
        "X-MS-Exchange-Generated-Message-Source",
        "X-Cron-Env",
    ];
    FIELDS.iter().any(|name| says_yes(message, name))
        || auto_submitted(message).any(|value| value != "no")
        || has_value(message, "X-Precedence", &["bulk", "junk", "list"])
}

/// Whether it has the null sender, according to the MTA or to the message itself.
pub fn is_null_sender(message: &Message, envelope_sender: Option<&str>) -> bool {
    let is_null = |sender: &str| matches!(sender.trim(), "" | "<>" | "<\"\">" | "\"\"");
    envelope_sender.is_some_and(is_null)
        || message.fields_named("Return-Path").any(|field| {
            let text = field.text();
            // A field without a value does not count.
            !text.trim().is_empty() && is_null(&text)
        })
        || message.unix_from().is_some_and(|line| line.starts_with(b"From <>"))
}

/// Whether From, Sender or the envelope sender is an address from which programs write.
fn is_daemon(message: &Message, envelope_sender: Option<&str>, subject: &str) -> bool {
    let header = ["From", "Sender", "Return-Path"]
        .into_iter()
        .flat_map(|name| message.mailboxes(name))
        .map(|mailbox| mailbox.address);
    let line = message.unix_from().and_then(|line| line.split(|&byte| byte == b' ').nth(1));
    let line = line.map(|word| String::from_utf8_lossy(word).into_owned());
    let senders: Vec<AddressKey> = header
        .chain(envelope_sender.map(str::to_owned))
        .chain(line)
        .map(|address| AddressKey::of(&address))
        .collect();
    // `MAILER-DAEMON <>` has no address.
    let named = message.fields_named("From").any(|field| {
        let text = field.text().to_lowercase();
        text.contains("mailer-daemon") || text.contains("mail delivery s")
    });
    named
        || senders.iter().any(|address| is_programs_address(address))
        // A postmaster may be a person who replies.
        || senders.iter().any(|address| local_part(address) == "postmaster")
            && !subject::is_persons_answer(subject)
}

/// Whether only programs write from an address (in lower case): `MAILER-DAEMON`,
/// `no-reply` and the like, and addresses of lists (RFC 3834 §2).
pub fn is_programs_address(address: &str) -> bool {
    const NAMES: &[&str] = &[
        "mailerdaemon",
        "maildaemon",
        "maildelivery",
        "mdaemon",
        "daemon",
        "uucp",
        "mmdf",
        "noreply",
        "donotreply",
        "dontreply",
        "nepasrepondre",
        "nichtantworten",
        "noresponder",
        "nobody",
        "autoreply",
        "autoresponder",
        "autoresponse",
        "autorespond",
        "autoanswer",
        "vacation",
        "listserv",
        "majordomo",
        "orphanage",
        "postoffice",
        "nullmailer",
    ];
    let local = local_part(address);
    let plain: String = local.chars().filter(|letter| !"-_.".contains(*letter)).collect();
    // A number or a host name may follow.
    let stem = plain.split('+').next().unwrap_or_default();
    let stem = stem.trim_end_matches(|letter: char| letter.is_ascii_digit());
    NAMES.contains(&stem)
        || stem.starts_with("microsoftexchange")
        || local.starts_with("owner-")
        || ["-request", "-bounces", "-bounce", "-noreply", "-no-reply"]
            .iter()
            .any(|end| local.ends_with(end))
}

fn local_part(address: &str) -> &str {
    let address = address.trim_matches(['<', '>', ' ', '"']);
    address.rsplit_once('@').map_or(address, |(local, _)| local.trim_matches('"'))
}

/// The keywords of `Auto-Submitted` (RFC 3834 §5), without comments and parameters.
fn auto_submitted(message: &Message) -> impl Iterator<Item = String> {
    ["Auto-Submitted", "X-Auto-Submitted"]
        .into_iter()
        .flat_map(|name| message.fields_named(name))
        .map(|field| keyword(&field.text()))
        .filter(|value| !value.is_empty())
}

/// The first word of a value, without comments (RFC 5322 §3.2.2) and in lower case.
fn keyword(text: &str) -> String {
    let plain = without_comments(text);
    let word = plain.split([';', ',', ' ', '\t']).find(|word| !word.is_empty());
    word.unwrap_or_default().to_owned()
}

/// Removes comments in parentheses (RFC 5322 §3.2.2), and converts to lower case.
pub fn without_comments(text: &str) -> String {
    let mut depth = 0usize;
    text.chars()
        .filter(|letter| match letter {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect::<String>()
        .to_lowercase()
}

fn has_value(message: &Message, name: &str, values: &[&str]) -> bool {
    message.fields_named(name).any(|field| values.contains(&keyword(&field.text()).as_str()))
}

fn starts(message: &Message, name: &str, starts: &[&str]) -> bool {
    message.fields_named(name).any(|field| {
        let text = field.text().to_lowercase();
        starts.iter().any(|start| text.trim_start().starts_with(start))
    })
}

/// Whether there is such a field with a value other than `no`.
fn says_yes(message: &Message, name: &str) -> bool {
    message.fields_named(name).any(|field| {
        let value = keyword(&field.text());
        !matches!(value.as_str(), "no" | "none" | "false" | "0" | "off")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(header: &str) -> Option<Automatic> {
        sign_of(&Message::parse(format!("{header}\n\nx\n")), Some("anna@x.example"))
    }

    #[test]
    fn every_mark_of_a_program_is_known() {
        use Automatic::{Answer, Bulk, Daemon, Generated, List, NullSender, Report};
        for (header, expected) in [
            ("Auto-Submitted: auto-replied", Answer),
            ("Auto-Submitted: (vacation) Auto-Replied; owner-email=a@x.example", Answer),
            ("Auto-Submitted: auto-generated", Generated),
            ("AUTO-SUBMITTED: auto-notified (sieve)", Generated),
            ("Auto-Submitted: no\nAuto-Submitted: auto-replied", Answer),
            ("X-Autoreply: yes", Answer),
            ("x-autorespond: Out of office", Answer),
            ("X-Mail-Autoreply: true", Answer),
            ("X-Vacation: 7", Answer),
            ("X-AutoReply-From: anna@x.example", Answer),
            ("Precedence: auto_reply", Answer),
            ("Preference: auto_reply", Answer),
            ("X-Precedence: auto-reply", Answer),
            ("Delivered-To: Autoresponder", Answer),
            ("X-POST-MessageClass: 9; Autoresponder", Answer),
            ("X-Mailer: PHP vacation 2.1", Answer),
            ("X-FC-MachineGenerated: true", Generated),
            ("X-Loop: l@lists.x.example", Generated),
            ("X-Autogenerated: Reply", Generated),
            ("Return-Path: <>", NullSender),
            ("From: MAILER-DAEMON", Daemon),
            ("From: MAILER-DAEMON <>", Daemon),
            ("From: Mail Delivery Subsystem <mds@x.example>", Daemon),
            ("From: Mail Delivery System <Mailer-Daemon@x.example>", Daemon),
            ("From: <no-reply@x.example>", Daemon),
            ("From: do_not.reply@x.example", Daemon),
            ("From: anna@x.example\nSender: noreply+17@x.example", Daemon),
            ("From: postmaster@x.example", Daemon),
            ("From: MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@x.example", Daemon),
            ("From: owner-dev@x.example", Daemon),
            ("From: dev-request@x.example", Daemon),
            ("From MAILER-DAEMON Thu Nov 26 10:00:00 2026\nFrom: a@x.example", Daemon),
            ("From <> Thu Nov 26 10:00:00 2026\nFrom: a@x.example", NullSender),
            ("List-Id: <other.x.example>", List),
            ("Precedence: bulk", Bulk),
            ("Precedence: Junk", Bulk),
            ("Precedence: list", Bulk),
            ("Content-Type: message/delivery-status", Report),
            ("Feedback-Type: abuse", Report),
            ("X-Failed-Recipients: a@x.example", Report),
        ] {
            assert_eq!(sign(header), Some(expected), "{header}");
        }
        let person = Message::parse("From: anna@x.example\nSubject: confirm\n\n");
        assert_eq!(sign_of(&person, Some("")), Some(NullSender));
        assert_eq!(sign_of(&person, Some("<>")), Some(NullSender));
        assert_eq!(sign_of(&person, Some("MAILER-DAEMON")), Some(Daemon));
        assert_eq!(sign_of(&person, Some("mailer-daemon@mx.example")), Some(Daemon));
    }

    #[test]
    fn what_a_person_sends_has_none_of_them() {
        for header in [
            "From: anna@x.example\nSubject: confirm",
            "Auto-Submitted: no",
            "Auto-Submitted: No (a person wrote it)",
            "Auto-Submitted:",
            "X-Autoreply: no",
            "X-FC-MachineGenerated: false",
            "X-Loop: none",
            "Precedence: normal",
            "Precedence: first-class",
            "Return-Path:",
            "Return-Path: <anna@x.example>",
            "X-Auto-Response-Suppress: DR, OOF, AutoReply",
            "From: Postmaster <postmaster@x.example>\nSubject: Re: confirm 0123",
            "From: Noreen <noreen@x.example>",
            "From: Nobel <reply@x.example>",
            "From: daemonic@x.example",
            "Disposition-Notification-To: anna@x.example",
            "Content-Type: multipart/mixed; boundary=b",
        ] {
            assert_eq!(sign(header), None, "{header}");
        }
        let person = Message::parse("From: anna@x.example\n\n");
        assert_eq!(sign_of(&person, None), None);
    }

    #[test]
    fn reports_are_known_by_their_form_and_not_when_a_person_attaches_them() {
        let whole = |kind: &str, inner: &str| {
            let text = format!(
                "From: anna@x.example\nContent-Type: {kind}; boundary=b\n\n--b\n\nread\n--b\nContent-Type: {inner}\n\nFinal-Recipient: rfc822; a@x.example\n--b--\n"
            );
            sign_of(&Message::parse(text), None)
        };
        let receipt = "message/disposition-notification";
        assert_eq!(
            whole("multipart/report; report-type=disposition-notification", receipt),
            Some(Automatic::Receipt)
        );
        assert_eq!(
            whole("Multipart/Report; Report-Type=\"Disposition-Notification\"", "text/plain"),
            Some(Automatic::Receipt)
        );
        assert_eq!(whole("multipart/mixed", receipt), Some(Automatic::Receipt));
        let status = "message/delivery-status";
        assert_eq!(
            whole("multipart/report; report-type=delivery-status", status),
            Some(Automatic::Report)
        );
        assert_eq!(
            whole("multipart/report; report-type=feedback-report", "message/feedback-report"),
            Some(Automatic::Report)
        );
        assert_eq!(whole("multipart/report", "text/plain"), Some(Automatic::Report));
        assert_eq!(whole("multipart/mixed", status), None);
        assert_eq!(whole("multipart/mixed", "text/plain"), None);
        // The content of a forwarded message does not count.
        let nested = "From: anna@x.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nwhat is this?\n--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/report; report-type=delivery-status; boundary=c\n\n--c\n\n--c--\n--b--\n";
        assert_eq!(sign_of(&Message::parse(nested), None), None);
    }

    #[test]
    fn who_asks_for_no_answer_is_no_program() {
        let asks = |value: &str| {
            let raw = format!("X-Auto-Response-Suppress: {value}\n\n");
            wants_no_answer(&Message::parse(raw))
        };
        assert!(asks("All"));
        assert!(asks("DR, RN, NRN, OOF, AutoReply"));
        assert!(asks("OOF"));
        assert!(!asks("DR, RN, NRN"));
        assert!(!asks("None"));
    }
}
