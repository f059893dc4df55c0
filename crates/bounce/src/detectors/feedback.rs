//! Feedback reports (RFC 5965): a reader pressed the button against spam.

use crate::{Report, Verdict, text};
use dormouse_mail::Message;

pub fn detect(report: &Report<'_>) -> Option<Verdict> {
    let parts = report.parts();
    let fields = parts.iter().find(|part| part.content_type.value == "message/feedback-report")?;
    let fields = Message::parse(report.text_of(fields).into_bytes());
    let kind = fields.text("Feedback-Type").unwrap_or_default().to_ascii_lowercase();
    // Reports on DMARC failures and the like are about mail systems.
    if !matches!(kind.trim(), "abuse" | "opt-out" | "opt-out-list" | "fraud" | "virus" | "other") {
        return Some(Verdict::Warning);
    }
    let named = ["Original-Rcpt-To", "Removal-Recipient"]
        .iter()
        .find_map(|name| text::anywhere(&fields.text(name)?).map(str::to_owned));
    Some(Verdict::Complaint(named))
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    #[test]
    fn a_complaint_is_no_bounce() {
        let raw = |kind: &str| {
            format!(
                "From: fbl@isp.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nAn abuse report.\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nOriginal-Rcpt-To: <anna@isp.example>\n\n--b--\n"
            )
        };
        let anna = Some("anna@isp.example".to_owned());
        assert_eq!(ask(detect, &raw("abuse")), Some(Verdict::Complaint(anna)));
        assert_eq!(ask(detect, &raw("auth-failure")), Some(Verdict::Warning));
    }
}
