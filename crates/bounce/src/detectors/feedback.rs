//! Feedback reports (RFC 5965, RFC 6652): a reader pressed the spam button.

use crate::{BounceReport, BounceVerdict, Complaint, text};
use dormouse_mail::Message;

/// How many of each are examined; a mail has one.
const MOST: usize = 10;

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let parts = report.parts();
    let part = |wanted: &[&str]| {
        let part = parts.iter().find(|part| wanted.contains(&part.content_type.value.as_str()))?;
        Some(Message::parse(report.text_of(part).into_bytes()))
    };
    let mail = part(&[
        "message/rfc822",
        "text/rfc822-headers",
        "text/rfc822-header",
        "message/rfc822-headers",
    ]);
    let Some(fields) = part(&["message/feedback-report"]) else {
        return of_outlook(report, mail.as_ref());
    };
    let kind = fields.text("Feedback-Type").unwrap_or_default().to_ascii_lowercase();
    // Reports about DMARC failures and the like concern mail systems.
    if !matches!(kind.trim(), "abuse" | "opt-out" | "opt-out-list" | "fraud" | "virus" | "other") {
        return Some(BounceVerdict::Warning);
    }
    let mut complaint = of_mail(mail.as_ref());
    let named = addresses(&fields, &["Original-Rcpt-To", "Removal-Recipient"]).into_iter().next();
    complaint.named = named.or(complaint.named);
    complaint.return_paths.extend(addresses(&fields, &["Original-Mail-From"]));
    Some(BounceVerdict::Complaint(complaint))
}

/// Microsoft's format (JMRP): only the mail, with a Microsoft field added.
fn of_outlook(report: &BounceReport<'_>, mail: Option<&Message>) -> Option<BounceVerdict> {
    let theirs = report.from.iter().any(|from| {
        ["@hotmail.com", "@outlook.com", "@microsoft.com"].iter().any(|host| from.ends_with(host))
    });
    let mail = mail.filter(|mail| mail.has(OUTLOOKS))?;
    let says = report.subject.contains("complaint about message from");
    (theirs && says).then(|| BounceVerdict::Complaint(of_mail(Some(mail))))
}

const OUTLOOKS: &str = "X-HmXmrOriginalRecipient";

/// Returns what the mail itself says about its recipient.
fn of_mail(mail: Option<&Message>) -> Complaint {
    let Some(mail) = mail else { return Complaint::default() };
    let links = mail.fields_named("List-Unsubscribe").take(MOST).map(|field| field.text());
    Complaint {
        named: addresses(mail, &[OUTLOOKS]).into_iter().next(),
        return_paths: addresses(mail, &["Return-Path", "X-Envelope-From", "X-Original-Mail-From"]),
        unsubscribe: links.collect(),
    }
}

/// Returns the addresses in some fields. Redacted ones are skipped.
fn addresses(message: &Message, names: &[&str]) -> Vec<String> {
    names
        .iter()
        .flat_map(|name| message.fields_named(name).take(MOST))
        .filter_map(|field| text::anywhere(&field.text()).map(str::to_owned))
        .filter(|address| !address.to_lowercase().starts_with("redacted"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    fn report(fields: &str, mail: &str) -> Option<BounceVerdict> {
        ask(
            detect,
            &format!(
                "From: fbl@isp.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nAn abuse report.\n--b\nContent-Type: message/feedback-report\n\n{fields}\n\n--b\nContent-Type: message/rfc822\n\n{mail}\n\n--b--\n"
            ),
        )
    }

    #[test]
    fn a_complaint_is_no_bounce() {
        let Some(BounceVerdict::Complaint(complaint)) =
            report("Feedback-Type: abuse\nOriginal-Rcpt-To: <anna@isp.example>", "Subject: x\n")
        else {
            panic!("no complaint")
        };
        assert_eq!(complaint.named.as_deref(), Some("anna@isp.example"));
        assert_eq!(report("Feedback-Type: auth-failure", ""), Some(BounceVerdict::Warning));
    }

    #[test]
    fn a_report_without_the_address_has_the_mails_fields() {
        let mail = "Return-Path: <dev-bounces+anna=isp.example@l.example>\nList-Unsubscribe: <https://l.example/u/1>\n";
        let Some(BounceVerdict::Complaint(complaint)) = report(
            "Feedback-Type: abuse\nOriginal-Rcpt-To: redacted@isp.example\nOriginal-Mail-From: <dev-bounces+x=y.example@l.example>",
            mail,
        ) else {
            panic!("no complaint")
        };
        assert_eq!(complaint.named, None);
        assert_eq!(
            complaint.return_paths,
            ["dev-bounces+anna=isp.example@l.example", "dev-bounces+x=y.example@l.example"]
        );
        assert_eq!(complaint.unsubscribe, ["<https://l.example/u/1>"]);
    }

    #[test]
    fn outlooks_report_is_the_mail_with_an_additional_field() {
        let raw = |from: &str| {
            format!(
                "From: {from}\nSubject: complaint about message from 192.0.2.1\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: anna@hotmail.example\nSubject: x\n\n--b--\n"
            )
        };
        let found = ask(detect, &raw("staff@hotmail.com"));
        assert!(
            matches!(&found, Some(BounceVerdict::Complaint(c)) if c.named.as_deref() == Some("anna@hotmail.example")),
            "{found:?}"
        );
        assert_eq!(ask(detect, &raw("somebody@x.example")), None);
    }
}
