//! The meaning of status codes (RFC 3463) and reasons.

mod phrases;

use crate::Kind;
use phrases::Reason;
use std::fmt;

/// An enhanced status code, such as `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// 2 success, 4 temporary, 5 permanent.
    pub class: u8,
    /// The subject: 1 the address, 2 the mailbox, 3 the system, 4 the network, 5 the protocol,
    /// 6 the content, 7 policy.
    pub subject: u16,
    /// The detail.
    pub detail: u16,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl Status {
    /// Whether it is that of a successful delivery.
    pub(crate) const SUCCESS: Status = Status { class: 2, subject: 0, detail: 0 };

    /// Parses one by itself.
    pub fn parse(text: &str) -> Option<Status> {
        let mut parts = text.split('.');
        let class = parts.next().filter(|class| matches!(*class, "2" | "4" | "5"))?;
        let number = |text: &str| {
            let fits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            if fits { text.parse().ok() } else { None }
        };
        let status = Status {
            class: class.parse().ok()?,
            subject: number(parts.next()?)?,
            detail: number(parts.next()?)?,
        };
        parts.next().is_none().then_some(status)
    }

    /// Whether it only says that the failure is temporary or permanent.
    fn is_vague(self) -> bool {
        matches!((self.subject, self.detail), (0, _) | (_, 0))
    }
}

/// All codes in a text. IP addresses have four numbers and are skipped.
fn all(text: &str) -> impl Iterator<Item = Status> {
    text.split(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .filter_map(|word| Status::parse(word.trim_end_matches('.')))
}

/// The first SMTP reply code of a refusal in a text.
pub fn reply_code(text: &str) -> Option<u16> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.')
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.len() == 3 && word.starts_with(['4', '5']))
        .find_map(|word| word.parse().ok())
}

/// A report's information about one failure: its status, the remote server's reply, and the
/// text for people next to the address.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Account<'a> {
    /// The field `Status` (RFC 3464).
    pub stated: Option<Status>,
    /// `Diagnostic-Code`, or another field with the reason.
    pub reason: &'a str,
    /// The text for people; it counts if the rest is vague.
    pub beside: &'a str,
}

/// The conclusion from an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// The most specific status.
    pub status: Option<Status>,
    pub kind: Kind,
}

/// How specific a sign is, and its meaning. The most specific one decides; of two, the first.
#[derive(Debug, Clone, Copy)]
struct Sign {
    weight: u8,
    kind: Kind,
}

/// The sender or the connection was refused: nothing was said about the address.
const SENDER: u8 = 95;
/// Phrases used only for filters and limits.
const FILTER: u8 = 90;
/// Phrases about a full mailbox; some write "not found or over quota".
const FULL: u8 = 85;
/// Phrases about an invalid address.
const ADDRESS: u8 = 80;
/// Phrases about a timeout.
const WAITED: u8 = 75;
/// A specific status in the remote server's reply: the report's own is often derived from the
/// reply's first digit.
const SAID: u8 = 70;
/// Phrases about filters that also occur with other reasons.
const LIKELY_FILTER: u8 = 60;
/// A specific status stated by the report.
const STATED: u8 = 55;
/// Phrases about temporary problems.
const LIKELY_MOMENT: u8 = 50;
/// The content was refused, without a reason.
const CONTENT: u8 = 45;
/// Only the class.
const CLASS: u8 = 10;

impl Account<'_> {
    /// Weighs all information. `None` for a success (class 2), whatever the report calls it.
    pub fn judge(&self) -> Option<Judgement> {
        let (said, beside) = (said(self.reason), said(self.beside));
        let particular = |status: &Option<Status>| status.is_some_and(|status| !status.is_vague());
        // Text next to it may concern another attempt, or another address.
        let same = |status: &Status| self.stated.or(said).is_none_or(|s| s.class == status.class);
        let status = [said, self.stated, beside.filter(same)]
            .into_iter()
            .find(particular)
            .unwrap_or_else(|| self.stated.or(said).or(beside));
        let of_code = |text| reply_code(text).map(|code| (code / 100) as u8);
        let refused = said.map(|status| status.class).or_else(|| of_code(self.reason));
        let class = refused
            .or_else(|| self.stated.map(|status| status.class))
            .or_else(|| beside.map(|status| status.class))
            .or_else(|| of_code(self.beside));
        if class == Some(2) || class.is_none() && self.reason.trim_start().starts_with("250") {
            return None;
        }
        let for_now = class == Some(4);
        let words = words(self.reason);
        let mut signs = signs(&words, for_now);
        signs.extend(said.and_then(|status| status.sign(SAID, for_now)));
        signs.extend(self.stated.and_then(|status| status.sign(STATED, for_now)));
        if signs.iter().all(|sign| sign.weight < SAID) {
            let mut others = self::signs(&self::words(self.beside), for_now);
            others.extend(beside.and_then(|status| status.sign(SAID, for_now)));
            // Texts for people mention many things: only unambiguous phrases count.
            signs.extend(others.into_iter().filter(|sign| sign.weight >= SAID));
        }
        // An unknown user reported after the message was transferred is a filter's decision.
        let by_filter = |text: &str| {
            let text = self::words(text);
            text.contains("docomo") && phrases::find(&text).contains(&Reason::BehindTheMessage)
        };
        if by_filter(self.reason) || by_filter(self.beside) {
            signs.push(Sign { weight: SENDER, kind: Kind::Policy });
        }
        let kind = if for_now { Kind::Temporary } else { Kind::Permanent };
        signs.insert(0, Sign { weight: CLASS, kind });
        // `max_by_key` returns the last of several equal maxima; the first is wanted.
        let kind = signs.iter().rev().max_by_key(|sign| sign.weight).map_or(kind, |sign| sign.kind);
        Some(Judgement { status, kind })
    }
}

/// The most specific status of a refusal in a text.
fn said(text: &str) -> Option<Status> {
    let mut found = all(text).filter(|status| status.class != 2);
    let first = found.next()?;
    if !first.is_vague() {
        return Some(first);
    }
    Some(found.find(|status| !status.is_vague()).unwrap_or(first))
}

/// Longer texts are not reasons.
const MOST_REASON: usize = 4_000;

/// A reason in lower case, without the codes at the start of each line of a reply.
fn words(reason: &str) -> String {
    let is_code = |word: &str| {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (code, rest) = word.split_at_checked(3).unwrap_or((word, ""));
        let code = code.starts_with(['2', '4', '5']) && code.len() == 3 && digits(code);
        let status = rest.trim_start_matches('-');
        Status::parse(word.trim_end_matches(':')).is_some()
            || code && (status.is_empty() || Status::parse(status).is_some())
    };
    let text: String = reason.chars().take(MOST_REASON).flat_map(char::to_lowercase).collect();
    let text = text.replace(['’', '‘', '`'], "'").replace('_', " ");
    let words = text.split_whitespace().filter(|word| !is_code(word)).collect::<Vec<_>>().join(" ");
    phrases::NOISE.iter().fold(words, |words, noise| words.replace(noise, " "))
}

/// The meaning of a reason's words. `for_now` means that the refusal was temporary.
fn signs(words: &str, for_now: bool) -> Vec<Sign> {
    let found = phrases::find(words);
    let sign = |reason: &Reason| {
        let (weight, kind) = match reason {
            // A temporary refusal means neither that the address is gone, nor that the connection was
            // refused permanently.
            Reason::BeforeTheAddress | Reason::Address | Reason::BehindTheMessage if for_now => {
                return None;
            }
            Reason::Sender | Reason::BeforeTheAddress => (SENDER, Kind::Policy),
            Reason::Filter => (FILTER, Kind::Policy),
            Reason::Full => (FULL, Kind::Temporary),
            Reason::Address => (ADDRESS, Kind::Permanent),
            Reason::Waited => (WAITED, Kind::Temporary),
            Reason::LikelyFilter => (LIKELY_FILTER, Kind::Policy),
            Reason::ForNow => (LIKELY_MOMENT, Kind::Temporary),
            Reason::BehindTheMessage => (CONTENT, Kind::Policy),
        };
        Some(Sign { weight, kind })
    };
    found.iter().filter_map(sign).collect()
}

impl Status {
    /// The meaning of a status; `None` for a vague one.
    fn sign(self, weight: u8, for_now: bool) -> Option<Sign> {
        let kind = match (self.subject, self.detail) {
            _ if self.class == 2 => return None,
            // Mailboxes and domains with a new owner (RFC 7293), disabled accounts (RFC 5248).
            (7, 13 | 17 | 18) if !for_now => Kind::Permanent,
            // The sender's addresses (RFC 3463 §3.2), the message's size, content, and policy.
            (1, 7 | 8) | (3, 4) | (6, _) | (7, _) | (2, 3 | 121 | 122) => Kind::Policy,
            // The mailbox or the system is full; a timeout; a loop.
            (2, 2) | (3, 1 | 5) | (4, 3 | 5 | 6 | 7 | 14) => Kind::Temporary,
            // Microsoft's: expired, for many possible reasons, but not because of a missing domain.
            (4, 300..=399) if self.detail != 310 => Kind::Temporary,
            _ if self.is_vague() => return None,
            _ if for_now || self.class == 4 => Kind::Temporary,
            _ => Kind::Permanent,
        };
        Some(Sign { weight, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    fn kind(status: &str, reason: &str) -> Kind {
        Failure::new("a@b.example", Status::parse(status), reason).kind
    }

    #[test]
    fn codes_are_found_and_machines_addresses_are_not() {
        let find = |text| said(text).map(|status| status.to_string());
        assert_eq!(find("550 5.1.1 <a@b>: no"), Some("5.1.1".to_owned()));
        assert_eq!(find("from 5.1.1.4 said (#5.1.1)."), Some("5.1.1".to_owned()));
        assert_eq!(find("version 6.5.4, 5.1, 10.5.1.1, 5.1234.1"), None);
        assert_eq!(find("said 550-5.7.26 This"), Some("5.7.26".to_owned()));
        assert_eq!(reply_code("said: 550-5.1.1 no"), Some(550));
        assert_eq!(reply_code("host mx4.x.example[192.0.2.55]: 452 4.2.2 full"), Some(452));
        assert_eq!(reply_code("5.1.1"), None);
    }

    #[test]
    fn the_address_the_moment_and_the_message_are_told_apart() {
        for (status, reason, expected) in [
            ("5.1.1", "", Kind::Permanent),
            ("5.4.4", "", Kind::Permanent),
            ("4.4.1", "", Kind::Temporary),
            ("5.2.2", "", Kind::Temporary),
            ("5.4.7", "", Kind::Temporary),
            ("5.7.26", "", Kind::Policy),
            ("4.7.0", "", Kind::Policy),
            ("5.6.1", "", Kind::Policy),
            ("5.1.8", "", Kind::Policy),
            ("5.0.0", "550 5.1.1 unknown", Kind::Permanent),
            ("5.0.0", "554 5.7.1 spam", Kind::Policy),
            ("5.0.0", "554 rejected by DMARC policy of x.example", Kind::Policy),
            ("5.0.0", "550 User unknown; see our spam policy", Kind::Permanent),
            ("5.0.0", "smtp; 552 mailbox full", Kind::Temporary),
            ("", "Listed at zen.spamhaus.org", Kind::Policy),
            ("", "research@x.example is unknown", Kind::Permanent),
            ("", "421 please wait", Kind::Temporary),
            ("", "", Kind::Permanent),
        ] {
            assert_eq!(kind(status, reason), expected, "{status} {reason}");
        }
    }

    /// Texts of large providers, with other names.
    #[test]
    fn the_most_particular_of_status_and_words_decides() {
        for (status, reason, expected) in [
            // Full mailboxes, whatever the status
            ("5.1.1", "552 5.2.2 Over quota", Kind::Temporary),
            ("5.1.1", "550 sorry, mailbox anna@x.example is over quota (#5.1.1)", Kind::Temporary),
            (
                "5.0.0",
                "550-5.2.2 The email account that you tried to reach is 550-5.2.2 over quota. Please direct 550 5.2.2 the recipient",
                Kind::Temporary,
            ),
            ("5.7.0", "The recipient mailbox has exceeded its disk space limit.", Kind::Temporary),
            ("5.0.0", "552-5.2.2 The recipient's inbox is out of storage space", Kind::Temporary),
            (
                "5.1.1",
                "552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]",
                Kind::Temporary,
            ),
            (
                "",
                "552 1 Requested mail action aborted, mailbox not found or over quota",
                Kind::Temporary,
            ),
            ("5.0.0", "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception", Kind::Temporary),
            ("5.1.1", "550 Postfach ist voll", Kind::Temporary),
            ("5.0.0", "550 Casella piena (Msgs:900)", Kind::Temporary),
            ("5.0.0", "550 邮箱已满", Kind::Temporary),
            // Timeouts
            (
                "5.4.316",
                "550 5.4.316 Message expired, connection refused(Socket error code 10061)",
                Kind::Temporary,
            ),
            (
                "5.4.300",
                "550 5.4.300 Message expired -> 421 4.4.1 Connection timed out",
                Kind::Temporary,
            ),
            (
                "5.0.0",
                "delivery temporarily suspended: connect to mx.x.example: Connection refused",
                Kind::Temporary,
            ),
            ("5.1.2", "retry timeout exceeded", Kind::Temporary),
            (
                "5.0.0",
                "Unable to deliver message after multiple retries, giving up.",
                Kind::Temporary,
            ),
            // Loops and broken systems on their side
            ("5.4.6", "554 5.4.6 Too many hops", Kind::Temporary),
            ("5.1.1", "554 5.4.14 Hop count exceeded - possible mail loop ATTR1", Kind::Temporary),
            ("5.0.0", "mail for x.example loops back to myself", Kind::Temporary),
            (
                "",
                "This message is looping: it already has my Delivered-To line. (#5.4.6)",
                Kind::Temporary,
            ),
            // Block lists and reputation
            ("5.1.1", "550 5.7.1 IP address blacklisted by recipient", Kind::Policy),
            ("5.1.3", "553 http://www.spamhaus.org/query/bl?ip=192.0.2.222", Kind::Policy),
            (
                "5.3.0",
                "553 5.3.0 flpd - DNSBL:ATTRBL 521< 192.0.2.7 >_is_blocked. For assistance forward this error to abuse_rbl@x.example",
                Kind::Policy,
            ),
            (
                "5.0.0",
                "554 IP=192.0.2.7 - A problem occurred. (Ask your postmaster for help or to contact tosa@x.example to clarify.) (BL)",
                Kind::Policy,
            ),
            (
                "5.0.0",
                "554 IP=192.0.2.7 - None/bad reputation. Ask your postmaster for help. (NOWL)",
                Kind::Policy,
            ),
            (
                "5.0.0",
                "554-x.example (mx004) Nemesis ESMTP Service not available 554-No SMTP service 554-IP address is black listed. 554 For explanation visit",
                Kind::Policy,
            ),
            (
                "5.0.0",
                "550-Requested action not taken: mailbox unavailable 550-Sorry, your helo has been denied.",
                Kind::Policy,
            ),
            (
                "5.1.0",
                "550 5.1.0 <l-bounces@y.example> sender rejected. Please see https://x.example/codes for more information. AUP#In-1310",
                Kind::Policy,
            ),
            ("5.0.0", "554 pamx1.x.example ESMTP server not available AUP#Out-1500", Kind::Policy),
            (
                "5.0.0",
                "554 smtp-16.x.example IP blacklisted by CSI. For remediation please use",
                Kind::Policy,
            ),
            ("5.0.0", "550 5.7.606 Access denied, banned sending IP [192.0.2.225]", Kind::Policy),
            (
                "5.0.0",
                "550 SC-001 (COL004) Unfortunately, messages from 192.0.2.7 weren't sent. Please contact your provider since part of their network is on our block list",
                Kind::Policy,
            ),
            (
                "4.0.0",
                "553 5.7.2 [TSS09] All messages from 192.0.2.7 will be permanently deferred; Retrying will NOT succeed.",
                Kind::Policy,
            ),
            // Limits
            (
                "5.2.1",
                "550-5.2.1 The user you are trying to contact is receiving mail at a rate that 550-5.2.1 prevents additional messages from being delivered.",
                Kind::Policy,
            ),
            (
                "5.2.1",
                "450-4.2.1 The user you are trying to contact is receiving mail too quickly.",
                Kind::Policy,
            ),
            (
                "5.2.121",
                "550 5.2.121 Recipient's per hour message receive rate limit exceeded",
                Kind::Policy,
            ),
            ("5.0.0", "550 Ip frequency limited [V2Vk Blocked IP 192.0.2.22].", Kind::Policy),
            ("5.0.0", "550 Connection frequency limited", Kind::Policy),
            ("5.0.0", "550 Domain frequency limited [x.example]", Kind::Policy),
            ("5.4.5", "550 5.4.5 Daily sending quota exceeded.", Kind::Policy),
            (
                "4.7.0",
                "421 4.7.0 [TSS04] Messages from 192.0.2.7 temporarily deferred due to unexpected volume or user complaints",
                Kind::Policy,
            ),
            (
                "5.0.0",
                "421 smtp.x.example Service refuse. Veuillez essayer plus tard. OFR004_104",
                Kind::Policy,
            ),
            ("5.0.0", "451 RP:TRC 192.0.2.7", Kind::Policy),
            // Senders that could not be verified
            (
                "5.1.1",
                "550-Verification failed for <l-bounces@y.example> 550-The mail server could not deliver mail 550 Sender verify failed",
                Kind::Policy,
            ),
            (
                "5.1.1",
                "550 5.1.1 <l-bounces@y.example>: Sender address rejected: User unknown in virtual mailbox table",
                Kind::Policy,
            ),
            (
                "5.1.8",
                "553 5.1.8 <l-bounces@y.example>... Domain of sender address does not exist",
                Kind::Policy,
            ),
            ("5.0.0", "550 Could not verify sender address: no such user", Kind::Policy),
            (
                "5.0.0",
                "host mx.x.example[192.0.2.1] said: 550 no such user (in reply to MAIL FROM command)",
                Kind::Policy,
            ),
            (
                "5.0.0",
                "host mx.x.example[192.0.2.1] refused to talk to me: 554 go away",
                Kind::Policy,
            ),
            ("5.0.0", "553 Requested action not taken: NULL sender is not allowed", Kind::Policy),
            // Content, viruses, rules
            ("5.1.1", "554 5.7.1 Virus found", Kind::Policy),
            ("5.0.0", "550 This message contains malware (Eicar-Test-Signature)", Kind::Policy),
            ("5.0.0", "550 Mail content denied", Kind::Policy),
            (
                "5.0.0",
                "554 DT:SPM 163 mx12,x 1417680000,http://mail.x.example/help/help_spam_16.htm",
                Kind::Policy,
            ),
            (
                "5.0.0",
                "550 spam message rejected. Please visit http://help.x.example/notspam-support/id",
                Kind::Policy,
            ),
            ("5.7.1", "554 5.7.1 [1] Message rejected under suspicion of SPAM", Kind::Policy),
            ("5.2.0", "550 5.2.0 Mail rejete. Mail rejected. OFR_506 [506]", Kind::Policy),
            ("5.0.0", "550 administrative prohibition", Kind::Policy),
            ("5.1.1", "554 5.7.9 Message not accepted for policy reasons.", Kind::Policy),
            (
                "5.0.0",
                "SMTP error from remote mail server after end of data: 550 Rejected",
                Kind::Policy,
            ),
            ("5.0.0", "552 Message size exceeds fixed limit", Kind::Policy),
            (
                "5.0.0",
                "450 4.7.1 <a@x.example>: Recipient address rejected: Greylisted",
                Kind::Policy,
            ),
            // The address, whatever else is said
            ("5.7.1", "550 5.7.1 550 User Unknown: anna@x.example", Kind::Permanent),
            (
                "5.0.0",
                "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]",
                Kind::Permanent,
            ),
            (
                "5.0.0",
                "554 delivery error: dd This user doesn't have a x.example account (anna@x.example) [0]",
                Kind::Permanent,
            ),
            (
                "5.0.0",
                "554 30 Sorry, your message to anna@x.example cannot be delivered. This mailbox is disabled (554.30).",
                Kind::Permanent,
            ),
            (
                "5.2.1",
                "550 5.2.1 The email account that you tried to reach is disabled.",
                Kind::Permanent,
            ),
            (
                "5.5.0",
                "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
                Kind::Permanent,
            ),
            ("5.4.310", "550 5.4.310 DNS domain x.example does not exist", Kind::Permanent),
            ("5.7.13", "525 5.7.13 Disabled recipient address", Kind::Permanent),
            (
                "5.0.0",
                "550 Message was not accepted -- invalid mailbox. Local mailbox anna@x.example is unavailable: user not found",
                Kind::Permanent,
            ),
            (
                "5.4.1",
                "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
                Kind::Permanent,
            ),
        ] {
            assert_eq!(kind(status, reason), expected, "{status} {reason}");
        }
    }

    #[test]
    fn a_success_is_no_failure_whatever_it_is_called() {
        let judge =
            |status, reason| Account { stated: Status::parse(status), reason, beside: "" }.judge();
        assert_eq!(judge("2.1.5", "250 2.1.5 Ok"), None);
        assert_eq!(judge("2.0.0", ""), None);
        assert_eq!(judge("", "250 queued"), None);
        // A version is not a status.
        assert!(judge("5.0.0", "mailer 2.8.1 said no").is_some());
        assert!(judge("2.0.0", "550 5.1.1 unknown").is_some());
    }

    #[test]
    fn the_text_for_people_tells_where_the_rest_is_vague() {
        let judge = |status, reason, beside| {
            Account { stated: Status::parse(status), reason, beside }.judge().unwrap().kind
        };
        let full = "anna@x.example: 550 5.2.2 mailbox full";
        assert_eq!(judge("5.0.0", "", full), Kind::Temporary);
        assert_eq!(judge("5.1.1", "", "554 listed at zen.spamhaus.org"), Kind::Policy);
        assert_eq!(judge("5.0.0", "550 user unknown", full), Kind::Permanent);
        // Incidental remarks are not a reason.
        assert_eq!(
            judge("5.1.1", "", "Please see our policy on spam, and try later."),
            Kind::Permanent
        );
    }
}
