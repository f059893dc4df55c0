//! Who wrote a message: a mail system, an automatic responder, or a person.
//!
//! Texts of bounces are quoted in discussions, so only messages by mail systems are searched
//! for addresses.

use crate::BounceReport;
use dormouse_mail::Message;
use dormouse_mail::automatic::{self, Automatic};

/// Returns whether a message has the null sender, according to the MTA or its header. `None` if
/// neither says.
pub(crate) fn null_sender(message: &Message, envelope_sender: Option<&str>) -> Option<bool> {
    let is_null = |sender: &str| matches!(sender.trim(), "" | "<>");
    let by_header = || message.text("Return-Path");
    envelope_sender
        .map(str::to_owned)
        .or_else(by_header)
        // Some systems write the null sender into From.
        .or_else(|| message.text("From").filter(|from| from.trim() == "<>"))
        // Some systems write their name where nothing should be.
        .map(|sender| is_null(&sender) || is_among(&sender.to_lowercase(), DAEMONS))
}

/// Returns whether a mail system wrote it to report a problem.
pub(crate) fn is_from_mail_system(report: &BounceReport<'_>) -> bool {
    if is_delivery_report(report) || report.message.has("X-Failed-Recipients") {
        return true;
    }
    let fails = fails(&report.subject);
    if automatic::is_persons_answer(&report.subject)
        || automatic::is_answering_machines(&report.subject)
        || automatic::has_answering_mark(report.message) && !fails
    {
        return false;
    }
    let is_from = |names: &[&str]| report.from.iter().any(|address| is_among(address, names));
    if is_from(DAEMONS) || DAEMON_NAMES.iter().any(|name| report.from_names.contains(name)) {
        return true;
    }
    // Nobody reads replies to these, but shops use them, too.
    if is_from(NO_REPLY) && MAIL_ERRORS.iter().any(|words| report.subject.contains(words))
        || is_kddis(report)
    {
        return true;
    }
    // A postmaster may be a person.
    let role = is_from(ROLES) || report.from_names.contains("postmaster");
    role && (fails || report.null_sender != Some(false))
        || fails && report.null_sender == Some(true)
}

/// Returns whether it is a standard report (RFC 6522).
pub(crate) fn is_delivery_report(report: &BounceReport<'_>) -> bool {
    report.parts().iter().any(|part| {
        part.content_type.value == "multipart/report"
            && part
                .content_type
                .parameter("report-type")
                .is_none_or(|kind| kind.to_ascii_lowercase().contains("delivery-status"))
    })
}

/// Returns whether an automatic responder wrote it (RFC 3834 and its predecessors), or it is a
/// receipt (RFC 8098).
pub(crate) fn is_auto_reply(report: &BounceReport<'_>) -> bool {
    match automatic::sign_of(report.message, None) {
        Some(Automatic::Receipt | Automatic::Answer) => true,
        _ => !is_delivery_report(report) && automatic::speaks_of_absence(&report.subject),
    }
}

/// Returns whether an address has one of these local parts.
fn is_among(address: &str, names: &[&str]) -> bool {
    let address = address.trim_matches(['<', '>', ' ']);
    let local = address.split_once('@').map_or(address, |(local, _)| local);
    // Exchange adds a number.
    names.contains(&local.strip_prefix("microsoftexchange").map_or(local, |_| "microsoftexchange"))
}

/// Local parts used only by mail systems.
const DAEMONS: &[&str] = &[
    "mailer-daemon",
    "mailerdaemon",
    "mailer_daemon",
    "mail-daemon",
    "maildaemon",
    "mail-delivery",
    "maildelivery",
    "mdaemon",
    "microsoftexchange",
];

/// Local parts of mail systems and their administrators.
const ROLES: &[&str] = &["postmaster", "mmdf", "daemon", "smtp", "uucp"];

/// Names of mail systems.
const DAEMON_NAMES: &[&str] = &[
    "mailer-daemon",
    "mail delivery s",
    "mail delivery sub",
    "mail deliver",
    "mail daemon",
    "mail system",
    "delivery subsystem",
    "courier mail server",
    "internet mail delivery",
    "microsoft outlook <",
];

/// Local parts of senders who want no reply.
const NO_REPLY: &[&str] = &["no-reply", "noreply", "donotreply", "do-not-reply"];

/// Subjects that no shop uses.
const MAIL_ERRORS: &[&str] = &[
    "メールエラー",
    "mail system error",
    "returned mail",
    "undelivered mail",
    "undeliverable mail",
    "mail delivery failed",
    "mail delivery failure",
];

/// KDDI's gateways write from `no-reply`, with meaningless subjects.
fn is_kddis(report: &BounceReport<'_>) -> bool {
    let domains = [".dion.ne.jp", ".auone-net.jp", "@auone-net.jp", "@ezweb.ne.jp", "@au.com"];
    report.from.iter().any(|from| domains.iter().any(|domain| from.ends_with(domain)))
        && report.lines.iter().any(|line| line.starts("could not be delivered to: <"))
}

/// Returns whether a subject is about a delivery problem.
fn fails(subject: &str) -> bool {
    FAILURES.iter().any(|words| subject.contains(words))
}

const FAILURES: &[&str] = &[
    "undeliver",
    "undelivrable",
    "delivery status",
    "delivery fail",
    "delivery error",
    "delivery problem",
    "delivery notification",
    "delivery has failed",
    "failure delivery",
    "failure notice",
    "failure notification",
    "failed delivery",
    "mail failed",
    "failed mail",
    "mail failure",
    "message delivery",
    "returned mail",
    "mail delivery",
    "mail system error",
    "could not be delivered",
    "couldn't be delivered",
    "cannot be delivered",
    "not delivered",
    "non-deliver",
    "nondeliver",
    "non delivery",
    "unable to deliver",
    "user unknown",
    "unknown user",
    "unknown address",
    "no such user",
    "bounced",
    "automatically rejected",
    "invalid recipient",
    "quota exceed",
    "unzustellbar",
    "nicht zugestellt",
    "non remis",
    "non remise",
    "échec de la remise",
    "echec de",
    "no se puede entregar",
    "no se pudo entregar",
    "mensaje no entregado",
    "impossibile recapitare",
    "mancato recapito",
    "não entreg",
    "onbestelbaar",
    "niet bezorgd",
    "niedostarcz",
    "не доставлен",
    "недоставленн",
    "kézbesíthetetlen",
    "kan inte levereras",
    "error sending your mail",
    "メールエラー",
    "配信不能",
    "配信できません",
    "退信",
    "无法投递",
];
