//! Whatever comes, it is read to its end: no panic, and no more work than the size of the message
//! is worth.

use dormouse_bounce::{BounceReport, BounceVerdict, detect};
use dormouse_mail::Message;
use proptest::prelude::*;

/// What detectors look for, in pieces, to be put together in every wrong way.
const PIECES: &[&str] = &[
    "From: MAILER-DAEMON@x.example\n",
    "From: postmaster@aol.com\n",
    "Subject: Undeliverable: \u{130}\u{df}\n",
    "X-Failed-Recipients: a@b.example,\n",
    "X-Mailer: <SMTP32 v8>\n",
    "X-Mailer: Novell\n",
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n",
    "Content-Type: multipart/mixed; boundary=b\n",
    "Content-Type: message/delivery-status\n",
    "Content-Type: message/feedback-report\n",
    "Content-Type: text/html; charset=utf-16\n",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n",
    "\n",
    "--b\n",
    "--b--\n",
    "Reporting-MTA: x\n",
    "Final-Recipient: rfc822; a@b.example\n",
    "Original-Recipient: ;;;<<a@b.example>;\n",
    "Action: failed\n",
    "Action: delayed\n",
    "Status: 5.1.1\n",
    "Status: 5..1.999999999999\n",
    "Diagnostic-Code: smtp; 550 5.7.1 \u{fc}\u{0}\u{1b}[31m\n",
    "Feedback-Type: abuse\n",
    "Hi. This is the qmail-send program\n",
    "The Postfix program\n",
    "your message to \u{130}\u{130}\u{130} a@b.example couldn't be delivered\n",
    "did not reach the following recipient(s):\n",
    "SMTP=a@b.example; on Monday\n",
    "transcript of session follows\n",
    "5\u{fc}50 a@b.example\n",
    "The following addresses had permanent fatal errors\n",
    "--> Error description:\n\u{130}Error-for: a@b.example\n",
    "Your message could not be delivered\nInvalid receiver address: \u{130}a@b.example\n",
    "message not delivered to the following\nname\n",
    "word, a@b.example, word\n",
    "<a@b.example>:\n",
    "<<<>>><@>",
    "=?utf-8?q?=ff?=",
    "\u{feff}\u{202e}",
    "\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn pieces_of_bounces_in_any_order_are_read(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40),
        sender in proptest::option::of("[a-z@.<>]{0,12}"),
    ) {
        let message = Message::parse(pieces.concat());
        if let BounceVerdict::Failed(failures) = detect(&message, sender.as_deref()) {
            prop_assert!(!failures.is_empty());
            for failure in failures {
                let (local, domain) = failure.address.rsplit_once('@').unwrap();
                prop_assert!(!local.is_empty() && domain.contains('.'));
                prop_assert!(!failure.text.contains(char::is_control), "{:?}", failure.text);
            }
        }
    }

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        detect(&Message::parse(bytes), None);
    }
}

/// Each of these would keep a detector busy for hours that looks at all of it again and again.
#[test]
fn huge_messages_are_looked_at_in_part() {
    let head = "From: MAILER-DAEMON@aol.com\nSubject: Returned mail\n";
    let report = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n";
    let status = "--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\n";
    let recipients: String = (0..200_000)
        .map(|number| format!("Final-Recipient: rfc822; a{number}@b.example\nAction: failed\n\n"))
        .collect();
    for text in [
        format!("{head}\n{}", "<a@b.example>:\nno\n".repeat(500_000)),
        format!("{head}\n{}", "delivery failed ".repeat(500_000)),
        format!("{head}\n{}", "<".repeat(5_000_000)),
        format!("{head}\n{}", "a@b.example, ".repeat(500_000)),
        format!("{head}\n{}", "your message to ".repeat(500_000)),
        format!("{head}{}", "X-Failed-Recipients: a@b.example\n".repeat(200_000)),
        format!("Subject: undeliverable {}\n{head}\n", "mail ".repeat(1_000_000)),
        format!("{head}{report}{}", status.repeat(50_000)),
        format!("{head}{report}--b\nContent-Type: message/delivery-status\n\n{recipients}"),
        format!("{head}Content-Type: text/html\n\n{}", "<div>".repeat(1_000_000)),
    ] {
        let message = Message::parse(text);
        if let BounceVerdict::Failed(failures) = detect(&message, Some("")) {
            assert!(failures.len() <= 1_000, "{}", failures.len());
        }
        BounceReport::of(&message, None).is_from_mail_system();
    }
}
