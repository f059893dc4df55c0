//! The meaning of status codes (RFC 3463) and reasons.

mod phrases;

use crate::FailureKind;
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
    /// The status of a successful delivery.
    pub(crate) const SUCCESS: Status = Status { class: 2, subject: 0, detail: 0 };

    /// Parses a text that consists of a status code.
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

    /// Returns whether it only says that the failure is temporary or permanent.
    fn is_vague(self) -> bool {
        matches!((self.subject, self.detail), (0, _) | (_, 0))
    }
}

/// Returns all codes in a text. IP addresses have four numbers and are skipped.
fn all(text: &str) -> impl Iterator<Item = Status> {
    text.split(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .filter_map(|word| Status::parse(word.trim_end_matches('.')))
}

/// Returns the first SMTP reply code of a refusal in a text.
pub fn reply_code(text: &str) -> Option<u16> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.')
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.len() == 3 && word.starts_with(['4', '5']))
        .find_map(|word| word.parse().ok())
}

/// A report's information about one failure: its status, the remote server's reply, and the
/// text for people next to the address.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct FailureDetails<'a> {
    /// The field `Status` (RFC 3464).
    pub stated: Option<Status>,
    /// `Diagnostic-Code`, or another field with the reason.
    pub reason: &'a str,
    /// The text for people, which counts only if the rest is vague.
    pub beside: &'a str,
}

/// The conclusion from an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// The most specific status.
    pub status: Option<Status>,
    pub kind: FailureKind,
}

/// How specific a sign is, and its meaning. The most specific one decides; of two, the first.
#[derive(Debug, Clone, Copy)]
struct Sign {
    weight: u8,
    kind: FailureKind,
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

impl FailureDetails<'_> {
    /// Returns whether the most specific information is a success. Class 2 never counts against
    /// anybody, but a report may contradict itself.
    fn is_success(&self, said: Option<Status>, class: Option<u8>) -> bool {
        let is_specific = |status: Option<Status>| status.is_some_and(|status| !status.is_vague());
        let stated = self.stated.filter(|status| status.class == 2);
        let refusal = self.stated.filter(|status| status.class != 2);
        match (stated, Acceptance::of(self.reason)) {
            (None, None) => class == Some(2),
            (None, Some(accepted)) => accepted.is_specific || !is_specific(refusal),
            (Some(_), Some(_)) => true,
            (Some(status), None) => {
                let refused = said.is_some() || reply_code(self.reason).is_some();
                let by_words = || signs(&words(self.reason), false);
                let says_why = is_specific(said) || by_words().iter().any(|s| s.weight >= SAID);
                let says_more =
                    if status.is_vague() { says_why } else { is_specific(said) && says_why };
                !(refused && says_more)
            }
        }
    }

    /// Weighs all information. `None` for a success (class 2), no matter what the report calls it.
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
        if self.is_success(said, class) {
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
            signs.push(Sign { weight: SENDER, kind: FailureKind::Policy });
        }
        let kind = if for_now { FailureKind::Temporary } else { FailureKind::Permanent };
        signs.insert(0, Sign { weight: CLASS, kind });
        // `max_by_key` returns the last of several equal maxima; the first is wanted.
        let kind = signs.iter().rev().max_by_key(|sign| sign.weight).map_or(kind, |sign| sign.kind);
        Some(Judgement { status, kind })
    }
}

/// The reply of a server that accepted: its code, and a status that says more than that.
struct Acceptance {
    is_specific: bool,
}

impl Acceptance {
    /// Parses the reply. `None` if it contains a refusal as well, or no acceptance.
    fn of(reason: &str) -> Option<Acceptance> {
        let separates = |letter: char| letter.is_whitespace() || letter == '-';
        let mut words = reason.split(separates).filter(|word| !word.is_empty());
        let first = words.next()?;
        let is_digits = first.len() == 3 && first.bytes().all(|byte| byte.is_ascii_digit());
        let is_code = is_digits && first.starts_with('2');
        let status =
            if is_code { words.next().and_then(Status::parse) } else { Status::parse(first) };
        let status = status.filter(|status| status.class == 2);
        let refuses = said(reason).is_some() || reply_code(reason).is_some();
        let accepts = (is_code || status.is_some()) && !refuses;
        accepts.then(|| Acceptance { is_specific: status.is_some_and(|status| !status.is_vague()) })
    }
}

/// Returns the most specific status of a refusal in a text.
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

/// Returns a reason in lower case, without the codes at the start of each line of a reply.
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

/// Returns the meaning of a reason's words. `for_now` means that the refusal was temporary.
fn signs(words: &str, for_now: bool) -> Vec<Sign> {
    let found = phrases::find(words);
    let sign = |reason: &Reason| {
        let (weight, kind) = match reason {
            // A temporary refusal means neither that the address is gone, nor that the connection was
            // refused permanently.
            Reason::BeforeTheAddress | Reason::Address | Reason::BehindTheMessage if for_now => {
                return None;
            }
            Reason::Sender | Reason::BeforeTheAddress => (SENDER, FailureKind::Policy),
            Reason::Filter => (FILTER, FailureKind::Policy),
            Reason::Full => (FULL, FailureKind::Temporary),
            Reason::Address => (ADDRESS, FailureKind::Permanent),
            Reason::Waited => (WAITED, FailureKind::Temporary),
            Reason::LikelyFilter => (LIKELY_FILTER, FailureKind::Policy),
            Reason::ForNow => (LIKELY_MOMENT, FailureKind::Temporary),
            Reason::BehindTheMessage => (CONTENT, FailureKind::Policy),
        };
        Some(Sign { weight, kind })
    };
    found.iter().filter_map(sign).collect()
}

impl Status {
    /// Returns the meaning of a status; `None` for a vague one.
    fn sign(self, weight: u8, for_now: bool) -> Option<Sign> {
        let kind = match (self.subject, self.detail) {
            _ if self.class == 2 => return None,
            // Mailboxes and domains with a new owner (RFC 7293), disabled accounts (RFC 5248).
            (7, 13 | 17 | 18) if !for_now => FailureKind::Permanent,
            // The sender's addresses (RFC 3463 §3.2), the message's size, content, and policy.
            (1, 7 | 8) | (3, 4) | (6, _) | (7, _) | (2, 3 | 121 | 122) => FailureKind::Policy,
            // The mailbox or the system is full; a timeout; a loop.
            (2, 2) | (3, 1 | 5) | (4, 3 | 5 | 6 | 7 | 14) => FailureKind::Temporary,
            // Microsoft's: expired, for many possible reasons, but not because of a missing domain.
            (4, 300..=399) if self.detail != 310 => FailureKind::Temporary,
            _ if self.is_vague() => return None,
            _ if for_now || self.class == 4 => FailureKind::Temporary,
            _ => FailureKind::Permanent,
        };
        Some(Sign { weight, kind })
    }
}

#[cfg(test)]
mod tests;
