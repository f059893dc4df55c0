//! Delivery status notifications (RFC 3464), and their variants for international mail (RFC 6533).

use super::{failure_at, text_names_address};
use crate::status::FailureDetails;
use crate::verdict::MOST_FAILURES;
use crate::{BounceReport, BounceVerdict, FailedAddress, Status, origin, text};

/// A report has one such part, and a message that wraps several has few.
const MOST_PARTS: usize = 50;

/// The report's fields about one recipient.
#[derive(Default)]
struct Recipient {
    original: Option<String>,
    last: Option<String>,
    action: String,
    status: String,
    diagnostic: String,
}

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let parts = report.parts();
    let by_the_book = origin::is_delivery_report(report) || report.is_from_mail_system();
    let statuses = parts.iter().filter(|part| {
        matches!(
            part.content_type.value.as_str(),
            "message/delivery-status" | "message/global-delivery-status"
        )
    });
    // The same part attached to a letter is somebody's question about a bounce.
    if !by_the_book {
        return None;
    }
    let recipients: Vec<Recipient> =
        statuses.take(MOST_PARTS).flat_map(|part| recipients(&report.text_of(part))).collect();
    verdict(report, &recipients)
}

/// The same fields in a text instead of a separate part: boundary lines may be missing,
/// and some systems write the fields for people.
pub fn detect_in_text(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let names = ["original-recipient:", "final-recipient:", "action:"];
    let is_field = |line: &crate::report::Line| names.iter().any(|name| line.starts(name));
    let begin = report.lines.iter().position(is_field)?;
    let text: Vec<&str> = report.lines[begin..].iter().map(|line| line.text.as_str()).collect();
    verdict(report, &recipients(&text.join("\n")))
}

fn verdict(report: &BounceReport<'_>, recipients: &[Recipient]) -> Option<BounceVerdict> {
    let mut failures = Vec::new();
    let mut others = false;
    // The maximum number of recipients in a report.
    for recipient in recipients.iter().take(MOST_FAILURES) {
        if ["fail", "error", "expired"].iter().any(|action| recipient.action.starts_with(action)) {
            failures.extend(failure(report, recipient));
        } else if ["delayed", "deliver", "relayed", "expanded"]
            .iter()
            .any(|action| recipient.action.starts_with(action))
        {
            others = true;
        }
    }
    BounceVerdict::failed(failures).or(others.then_some(BounceVerdict::Warning))
}

fn failure(report: &BounceReport<'_>, recipient: &Recipient) -> Option<FailedAddress> {
    let addresses = [&recipient.original, &recipient.last];
    let address = addresses.into_iter().flatten().find_map(|field| typed_address(field))?;
    let status = recipient.status.split_whitespace().next().and_then(Status::parse);
    let (_, reason) = recipient.diagnostic.split_once(';').unwrap_or(("", &recipient.diagnostic));
    let key = address.to_lowercase();
    let at = report.lines.iter().position(|line| line.has(&key));
    let beside = at.map(|at| failure_at(&address, &report.lines, at, text_names_address).text);
    let expired = if recipient.action.starts_with("expired") { "message expired" } else { "" };
    let beside = format!("{expired} {}", beside.unwrap_or_default());
    Some(FailedAddress::of(&address, FailureDetails { stated: status, reason, beside: &beside }))
}

/// Returns the address in `rfc822; a@b`: after the type, if it is a mail address, or in angle
/// brackets.
fn typed_address(field: &str) -> Option<String> {
    let mut pieces = field.split(';').map(str::trim);
    let first = pieces.next()?.to_ascii_lowercase();
    let rest: Vec<&str> = pieces.collect();
    // Some systems omit the type.
    if rest.is_empty() {
        return text::address(field).map(str::to_owned);
    }
    let of_mail = ["rfc822", "utf-8", "smtp", "internet"].contains(&first.as_str());
    rest.into_iter()
        .find_map(|piece| if of_mail { text::anywhere(piece) } else { text::in_angles(piece) })
        .map(str::to_owned)
}

/// Parses the groups of fields. A group ends with an empty line, or where a field is repeated.
fn recipients(text: &str) -> Vec<Recipient> {
    let mut found = Vec::new();
    let mut current = Recipient::default();
    for (name, value) in fields(text) {
        let again = match name.as_str() {
            "" => true,
            "original-recipient" => current.original.is_some(),
            "final-recipient" => current.last.is_some(),
            "action" => !current.action.is_empty(),
            _ => false,
        };
        if again {
            found.push(std::mem::take(&mut current));
        }
        match name.as_str() {
            "original-recipient" => current.original = Some(value),
            "final-recipient" => current.last = Some(value),
            "action" => current.action = value.to_ascii_lowercase(),
            "status" => current.status = value,
            "diagnostic-code" => current.diagnostic = value,
            _ => {}
        }
    }
    found.push(current);
    found
}

/// Returns the fields: names in lower case, values on one line. An empty line is a field without a
/// name.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            fields.push((String::new(), String::new()));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ask, failures};
    use super::*;

    fn dsn(status: &str) -> String {
        format!(
            "From: MAILER-DAEMON@mx.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n{status}\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\n--b--\n"
        )
    }

    #[test]
    fn the_original_recipient_comes_before_the_final_one() {
        let both = dsn(
            "Original-Recipient: rfc822;anna@alumni.example\nFinal-Recipient: rfc822; a17@box.example\nAction: failed\nStatus: 5.1.1\n",
        );
        assert_eq!(failures(detect, &both), ["anna@alumni.example permanent"]);
        let local = dsn(
            "Original-Recipient: rfc822;\nFinal-Recipient: LOCAL;<a17@box.example>\nAction: Failed (bad)\nStatus: 4.2.2 (full)\n",
        );
        assert_eq!(failures(detect, &local), ["a17@box.example temporary"]);
    }

    #[test]
    fn several_recipients_are_distinguished() {
        let text = "Final-Recipient: rfc822;a@x.example\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822;b@x.example\nAction: delayed\nStatus: 4.4.1\n\nFinal-Recipient: rfc822;c@x.example\nAction: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 550\n  5.7.1 spam\n";
        assert_eq!(failures(detect, &dsn(text)), ["a@x.example permanent", "c@x.example policy"]);
        let unseparated = text.replace("\n\n", "\n");
        assert_eq!(failures(detect, &dsn(&unseparated)).len(), 2);
    }

    #[test]
    fn delays_and_successes_are_not_failures() {
        for action in ["delayed", "delivered", "relayed", "expanded"] {
            let text = format!("Final-Recipient: rfc822;a@x.example\nAction: {action}\n");
            assert_eq!(ask(detect, &dsn(&text)), Some(BounceVerdict::Warning), "{action}");
        }
        assert_eq!(ask(detect, &dsn("Final-Recipient: rfc822;a@x.example\n")), None);
    }

    #[test]
    fn a_report_attached_by_a_person_is_not_a_bounce() {
        let letter = "From: anna@x.example\nSubject: what is this?\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHelp!\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nFinal-Recipient: rfc822;a@x.example\nAction: failed\n--b--\n";
        assert_eq!(ask(detect, letter), None);
    }
}
