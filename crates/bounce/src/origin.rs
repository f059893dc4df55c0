//! Who wrote a message: a mail system, an answering machine, or a person.
//!
//! Texts of bounces are quoted in discussions, so only what a mail system wrote is looked through
//! for addresses.

use crate::Report;
use dormouse_mail::Message;

/// Whether a message came with the null sender, by the MTA's word or by its header; nothing when
/// neither tells.
pub(crate) fn null_sender(message: &Message, envelope_sender: Option<&str>) -> Option<bool> {
    let is_null = |sender: &str| matches!(sender.trim(), "" | "<>");
    let by_header = || message.text("Return-Path");
    envelope_sender
        .map(str::to_owned)
        .or_else(by_header)
        // Some write their name where nothing should stand.
        .map(|sender| is_null(&sender) || is_among(&sender.to_lowercase(), DAEMONS))
}

/// Whether a mail system wrote it, to tell of trouble with a message.
pub(crate) fn is_from_mail_system(report: &Report<'_>) -> bool {
    if is_delivery_report(report) || report.message.has("X-Failed-Recipients") {
        return true;
    }
    let fails = fails(&report.subject);
    let is_away = AWAY.iter().any(|words| report.subject.trim_start().starts_with(words));
    if is_answer(&report.subject) || is_away || answers_by_itself(report) && !fails {
        return false;
    }
    let is_from = |names: &[&str]| report.from.iter().any(|address| is_among(address, names));
    if is_from(DAEMONS) || DAEMON_NAMES.iter().any(|name| report.from_names.contains(name)) {
        return true;
    }
    // A postmaster may be a person.
    let role = is_from(ROLES) || report.from_names.contains("postmaster");
    role && (fails || report.null_sender != Some(false))
        || fails && report.null_sender == Some(true)
}

/// A report by the book (RFC 6522).
pub(crate) fn is_delivery_report(report: &Report<'_>) -> bool {
    report.parts().iter().any(|part| {
        part.content_type.value == "multipart/report"
            && part
                .content_type
                .parameter("report-type")
                .is_none_or(|kind| kind.to_ascii_lowercase().contains("delivery-status"))
    })
}

/// Whether an answering machine wrote it (RFC 3834, and what was before it), or it is a receipt
/// (RFC 8098).
pub(crate) fn is_auto_reply(report: &Report<'_>) -> bool {
    let is_receipt = report
        .parts()
        .iter()
        .any(|part| part.content_type.value == "message/disposition-notification");
    is_receipt
        || !is_delivery_report(report)
            && (report.header_starts("Auto-Submitted", &["auto-replied"])
                || answers_by_itself(report)
                || AWAY.iter().any(|words| report.subject.contains(words)))
}

fn answers_by_itself(report: &Report<'_>) -> bool {
    ["X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Vacation", "X-Auto-Reply-From"]
        .iter()
        .any(|name| report.message.has(name))
        || report.header_starts("Precedence", &["auto_reply", "auto-reply"])
        || report.header_starts("X-Precedence", &["auto_reply"])
        || report.header_starts("Delivered-To", &["autoresponder"])
}

/// Whether an address has one of these local parts.
fn is_among(address: &str, names: &[&str]) -> bool {
    let address = address.trim_matches(['<', '>', ' ']);
    let local = address.split_once('@').map_or(address, |(local, _)| local);
    // Exchange adds a number of its own.
    names.contains(&local.strip_prefix("microsoftexchange").map_or(local, |_| "microsoftexchange"))
}

/// Local parts that only mail systems write from.
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

/// Local parts of mail systems and of those who run them.
const ROLES: &[&str] = &["postmaster", "mmdf", "daemon", "smtp", "uucp"];

/// Names that mail systems write under.
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

/// Whether a subject speaks of trouble with a message.
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
    "配信不能",
    "配信できません",
    "退信",
    "无法投递",
];

/// Whether a subject is an answer's, or of a message that was sent on.
fn is_answer(subject: &str) -> bool {
    let subject = subject.trim_start();
    ANSWERS.iter().any(|prefix| {
        subject.strip_prefix(prefix).is_some_and(|rest| {
            let rest = rest.trim_start_matches(|letter: char| {
                letter.is_ascii_digit() || "[](){}^".contains(letter)
            });
            rest.trim_start().starts_with([':', '：'])
        })
    })
}

const ANSWERS: &[&str] = &[
    "re", "aw", "antw", "sv", "vs", "rif", "ris", "odp", "res", "ref", "fwd", "fw", "wg", "tr",
    "rv", "enc", "i", "doorst", "vb", "ynt", "回复", "答复", "转发", "отв",
];

/// Subjects of those who are away.
const AWAY: &[&str] = &[
    "out of office",
    "out of the office",
    "out-of-office",
    "automatic reply",
    "automatic response",
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "autoresponse",
    "auto:",
    "on vacation",
    "vacation",
    "away from",
    "abwesen",
    "automatische antwort",
    "nicht im büro",
    "im urlaub",
    "réponse automatique",
    "absence",
    "absent",
    "respuesta automática",
    "fuera de la oficina",
    "ausente",
    "risposta automatica",
    "fuori sede",
    "resposta automática",
    "ausência",
    "automatisch antwoord",
    "afwezig",
    "autosvar",
    "frånvaro",
    "fravær",
    "automatische beantwortung",
    "autoodpowiedź",
    "automatyczna odpowiedź",
    "nieobecn",
    "автоответ",
    "automatická odpověď",
    "automatikus válasz",
    "otomatik yanıt",
    "poissa",
    "自動応答",
    "自动回复",
    "自動返信",
    "不在",
];
