//! Checks of settings beyond their types. The tables of [`crate::settings`] and [`crate::config`]
//! name each setting's check next to its default. Every change must pass it; an import keeps values
//! that fail, and reports them.

mod site;

use crate::options::MemberOption;
use crate::settings::ListSettings;
use crate::value::{Json, SettingValue, nearest};
use dormouse_mail::address::Address;
use dormouse_pattern::{Flags, Pattern};

pub(crate) use site::*;

/// Why a value is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Part of the value is not an address.
    #[error("{0:?} is not a full address such as anna@example.org")]
    Address(String),
    /// Another problem, in words.
    #[error("{0}")]
    Value(String),
}

impl From<String> for Wrong {
    fn from(problem: String) -> Wrong {
        Wrong::Value(problem)
    }
}

type Checked = Result<(), Wrong>;

/// The list whose setting is checked.
#[derive(Clone, Copy)]
pub struct Subject<'s> {
    /// The list's name on the site.
    pub name: &'s str,
    /// The list's settings, including the one that is checked.
    pub settings: &'s ListSettings,
    /// Whether there is a list with this name.
    pub is_list: &'s dyn Fn(&str) -> bool,
}

impl Subject<'_> {
    fn local_part(&self) -> &str {
        self.name.split_once('@').map_or(self.name, |(local, _)| local)
    }
}

/// The handlers for posts, in Mailman's order (docs/spec/pipeline.md §1).
pub const POSTING: [&str; 21] = [
    "SpamDetect",
    "Approve",
    "Replybot",
    "Moderate",
    "Hold",
    "MimeDel",
    "Scrubber",
    "Emergency",
    "Tagger",
    "CalcRecips",
    "AvoidDuplicates",
    "Cleanse",
    "CleanseDKIM",
    "CookHeaders",
    "ToDigest",
    "ToArchive",
    "ToUsenet",
    "AfterDelivery",
    "Acknowledge",
    "WrapMessage",
    "ToOutgoing",
];

/// The handlers for mail to a list's owners.
pub const OWNER: [&str; 4] = ["SpamDetect", "Replybot", "OwnerRecips", "ToOutgoing"];

/// The languages that Mailman 2.1.39 knows. Texts without a translation are in English.
pub const LANGUAGES: [&str; 40] = [
    "ar", "ast", "ca", "cs", "da", "de", "el", "en", "eo", "es", "et", "eu", "fa", "fi", "fr",
    "gl", "he", "hr", "hu", "ia", "it", "ja", "ko", "lt", "nl", "no", "pl", "pt", "pt_BR", "ro",
    "ru", "sk", "sl", "sr", "sv", "tr", "uk", "vi", "zh_CN", "zh_TW",
];

/// The maximum of any count, size or time of a list. A larger one is certainly a mistake, and might
/// overflow when it is multiplied.
const MOST: f64 = 1e9;

fn within<T: SettingValue>(number: &T, least: f64) -> Checked {
    let written = number.write_kept();
    // Only numbers have this check.
    match written.parse::<f64>().unwrap_or(f64::NAN) {
        number if number < least => Err(Wrong::Value(format!("{written} is below {least}"))),
        number if number <= MOST => Ok(()),
        _ => Err(Wrong::Value(format!("{written} is above {MOST}"))),
    }
}

/// 0 or more.
pub(crate) fn from_zero<T: SettingValue>(number: &T, _: Subject<'_>) -> Checked {
    within(number, 0.0)
}

/// 1 or more.
pub(crate) fn from_one(number: &i64, _: Subject<'_>) -> Checked {
    within(number, 1.0)
}

/// -1, which means everything, or more.
pub(crate) fn from_minus_one(number: &i64, _: Subject<'_>) -> Checked {
    within(number, -1.0)
}

/// A sum of Mailman's numbers for member options.
pub(crate) fn member_options(bits: &i64, _: Subject<'_>) -> Checked {
    // In early versions 1 meant digests.
    let known = MemberOption::ALL.iter().fold(1, |sum, (option, _)| sum | *option as i64);
    if bits & !known == 0 {
        return Ok(());
    }
    let words = MemberOption::ALL.map(|(option, word)| format!("{} ({word})", option as i64));
    Err(Wrong::Value(format!("{bits} is not a sum of {}", words.join(", "))))
}

/// A text that can follow the list's local part in an address.
pub(crate) fn suffix(text: &str, list: Subject<'_>) -> Checked {
    an_address(&format!("{}{text}@example.org", list.local_part()))
        .map_err(|_| Wrong::Value(format!("anna{text} could stand in no address")))
}

/// The fields that every text of a list may contain, as `%(name)s`.
pub const LIST_FIELDS: [&str; 8] = [
    "real_name",
    "list_name",
    "_internal_name",
    "host_name",
    "web_page_url",
    "description",
    "info",
    "cgiext",
];

/// Fields about one reader, for texts around posts. Without `personalize` they are filled in with
/// what is true for all readers, or with nothing.
pub const READER_FIELDS: [&str; 7] = [
    "user_address",
    "user_delivered_to",
    "user_password",
    "user_language",
    "user_name",
    "user_optionsurl",
    "user_unsubscribeurl",
];

/// Further fields of notices.
pub const NOTICE_FIELDS: [&str; 15] = [
    "listname",
    "internal_name",
    "hostname",
    "adminaddr",
    "listadmin",
    "listowner",
    "owneraddr",
    "siteowner",
    "listaddr",
    "emailaddr",
    "requestaddr",
    "listinfo_url",
    "optionsurl",
    "password",
    "umbrella",
];

/// Further fields of automatic replies, in addition to those of notices.
pub const ANSWER_FIELDS: [&str; 4] = ["listurl", "requestemail", "adminemail", "owneremail"];

/// A header or footer of single posts.
pub(crate) fn around_posts(text: &str, list: Subject<'_>) -> Checked {
    names_known(text, list.settings.use_dollar_strings, &[&LIST_FIELDS, &READER_FIELDS])
}

/// Returns the first field of a text whose value depends on the reader.
pub fn reader_field(text: &str, dollars: bool) -> Option<&str> {
    let mut named = named_in(text, dollars).into_iter().flatten();
    named.find(|field| READER_FIELDS.contains(field))
}

/// A header or footer of digests.
pub(crate) fn around_digests(text: &str, list: Subject<'_>) -> Checked {
    names_known(text, list.settings.use_dollar_strings, &[&LIST_FIELDS])
}

/// An automatic reply.
pub(crate) fn answer(text: &str, _: Subject<'_>) -> Checked {
    names_known(text, false, &[&LIST_FIELDS, &NOTICE_FIELDS, &ANSWER_FIELDS])
}

/// The text of a rejection of non-members' posts.
pub(crate) fn rejection(text: &str, _: Subject<'_>) -> Checked {
    names_known(text, false, &[&["listowner"]])
}

/// The prefix of subjects: one line whose only field is the post's number.
pub(crate) fn subject_prefix(text: &str, _: Subject<'_>) -> Checked {
    if let Some(Ok(field)) = named_in(text, false).first() {
        return Err(Wrong::Value(format!("%({field})s: only %d is filled in here")));
    }
    for rest in text.split('%').skip(1) {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if rest[digits..].starts_with('d')
            && rest[..digits].parse::<u64>().is_ok_and(|width| width > 20)
        {
            return Err(Wrong::Value(format!("%{}d: no number is that long", &rest[..digits])));
        }
    }
    if text.contains(['\r', '\n']) {
        return Err(Wrong::Value("it must be one line".to_owned()));
    }
    Ok(())
}

/// Returns the names of the fields in a text. A field without its end is an error, with the correct
/// form.
fn named_in(text: &str, dollars: bool) -> Vec<Result<&str, String>> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut fields = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(if dollars { '$' } else { '%' }) {
        let sign = &rest[at..at + 1];
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix(sign) {
            rest = behind;
            continue;
        }
        let (open, close) = if dollars { ('{', "}") } else { ('(', ")s") };
        match rest.strip_prefix(open) {
            Some(inner) => {
                let end = inner.find(|letter| !is_name(letter)).unwrap_or(inner.len());
                let (name, behind) = inner.split_at(end);
                fields.push(match behind.starts_with(close) {
                    true => Ok(name),
                    false => Err(format!("{sign}{open}{name}{close}")),
                });
            }
            None if dollars
                && rest.starts_with(|letter: char| is_name(letter) && !letter.is_ascii_digit()) =>
            {
                let end = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
                fields.push(Ok(&rest[..end]));
            }
            None => {}
        }
    }
    fields
}

/// Checks that all fields are known: an unknown one would be sent as it is written.
fn names_known(text: &str, dollars: bool, known: &[&[&str]]) -> Checked {
    for field in named_in(text, dollars) {
        let field = field.map_err(|whole| Wrong::Value(format!("a field is written {whole}")))?;
        if known.iter().all(|known| !known.contains(&field)) {
            let all: Vec<&str> = known.iter().flat_map(|known| known.iter().copied()).collect();
            let near = nearest(field, all.iter().copied());
            let near =
                near.map_or_else(|| ".".to_owned(), |near| format!("; did you mean {near}?"));
            return Err(Wrong::Value(format!(
                "nothing is filled in for {field}{near} There are {}",
                all.join(", ")
            )));
        }
    }
    Ok(())
}

fn an_address(address: &str) -> Checked {
    Address::parse(address).map(drop).map_err(|_| Wrong::Address(address.to_owned()))
}

/// The list's name, perhaps with other capitalization.
pub(crate) fn real_name(text: &str, list: Subject<'_>) -> Checked {
    if text.eq_ignore_ascii_case(list.local_part()) {
        return Ok(());
    }
    let name = list.local_part();
    Err(Wrong::Value(format!(
        "{text:?} differs from the list's name, {name}, by more than capitalization"
    )))
}

/// One address or more.
pub(crate) fn owners(items: &[String], list: Subject<'_>) -> Checked {
    if items.is_empty() {
        return Err(Wrong::Value("a list must have at least one owner".to_owned()));
    }
    addresses(items, list)
}

/// Addresses.
pub(crate) fn addresses(items: &[String], _: Subject<'_>) -> Checked {
    items.iter().try_for_each(|item| an_address(item))
}

/// An address or nothing.
pub(crate) fn address_or_none(text: &str, _: Subject<'_>) -> Checked {
    if text.is_empty() { Ok(()) } else { an_address(text) }
}

/// A pattern, which settings match without regard to case.
fn a_pattern(pattern: &str) -> Result<(), String> {
    let flags = Flags { ignore_case: true, ..Flags::default() };
    Pattern::new(pattern, flags).map(drop).map_err(|error| format!("{pattern}: {error}"))
}

fn address_or_pattern(item: &str) -> Checked {
    if item.starts_with('^') { Ok(a_pattern(item)?) } else { an_address(item) }
}

/// Addresses and `^patterns`.
pub(crate) fn patterns(items: &[String], _: Subject<'_>) -> Checked {
    items.iter().try_for_each(|item| address_or_pattern(item))
}

/// Addresses, `^patterns`, and `@list` for the members of another list.
pub(crate) fn patterns_and_lists(items: &[String], list: Subject<'_>) -> Checked {
    items.iter().try_for_each(|item| match item.strip_prefix('@') {
        None => address_or_pattern(item),
        Some(other) if other.eq_ignore_ascii_case(list.name) => {
            Err(Wrong::Value(format!("{item} is the list itself")))
        }
        Some(other) if !(list.is_list)(&other.to_lowercase()) => {
            Err(Wrong::Value(format!("{item}: no mailing list here is called {other}")))
        }
        Some(_) => Ok(()),
    })
}

/// Handlers that this program has.
pub(crate) fn handlers(items: &[String], _: Subject<'_>) -> Checked {
    let mut known: Vec<&str> = POSTING.to_vec();
    known.extend(OWNER.iter().filter(|name| !POSTING.contains(name)));
    match items.iter().find(|item| !known.contains(&item.as_str())) {
        Some(item) => Err(Wrong::Value(format!(
            "{item} is not a handler here; there are {}",
            known.join(", ")
        ))),
        None => Ok(()),
    }
}

/// A domain of a list's addresses.
pub(crate) fn domain(host: &str, _: Subject<'_>) -> Checked {
    match Address::parse(&format!("x@{host}")) {
        Ok(address) if address.domain() == host => Ok(()),
        Ok(address) => Err(Wrong::Value(format!("{host:?} is written {}", address.domain()))),
        Err(_) => Err(Wrong::Value(format!("{host:?} is not a domain such as lists.example.org"))),
    }
}

/// A language that is known.
pub(crate) fn language(code: &str, _: Subject<'_>) -> Checked {
    if LANGUAGES.contains(&code) {
        return Ok(());
    }
    Err(Wrong::Value(format!("{code:?} is not a language; there are {}", LANGUAGES.join(" "))))
}

/// Languages that are known.
pub(crate) fn languages(codes: &[String], list: Subject<'_>) -> Checked {
    codes.iter().try_for_each(|code| language(code, list))
}

/// The URL of web pages, or nothing.
pub(crate) fn page(url: &str, _: Subject<'_>) -> Checked {
    Ok(web_place(url)?)
}

/// A password's hash, or nothing. A password in the clear would be readable, and would never match.
pub(crate) fn hash(text: &str, list: Subject<'_>) -> Checked {
    let is_sha1 = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_marked = ["$argon2", "{SSHA256}", "{MD5}"].iter().any(|mark| text.starts_with(mark));
    if text.is_empty() || is_sha1 || is_marked {
        return Ok(());
    }
    Err(Wrong::Value(format!(
        "passwords are stored as hashes, and this is not one; `dormouse list password {}` asks for \
         a password",
        list.name
    )))
}

/// Rules on headers, one a line: `Name: pattern`. Lines that begin with # are comments.
pub(crate) fn matching_headers(text: &str, _: Subject<'_>) -> Checked {
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (_, pattern) =
            line.split_once(':').ok_or_else(|| format!("{line:?} is not `Name: pattern`"))?;
        a_pattern(pattern.trim_start())?;
    }
    Ok(())
}

/// The actions on a matching header, as Mailman's numbers (docs/spec/pickles.md §3).
const ACTIONS: [i64; 5] = [0, 2, 3, 6, 7];

/// `[patterns, action, empty]` each.
pub(crate) fn header_rules(rows: &Json, _: Subject<'_>) -> Checked {
    for row in rows.0.as_array().into_iter().flatten() {
        let Some([serde_json::Value::String(patterns), action, _]) =
            row.as_array().map(Vec::as_slice)
        else {
            return Err(Wrong::Value(format!("{row} is not [patterns, action, empty]")));
        };
        if !action.as_i64().is_some_and(|action| ACTIONS.contains(&action)) {
            return Err(Wrong::Value(format!(
                "{action} in {row} is not an action: 0, 2, 3, 6 or 7"
            )));
        }
        let patterns = patterns.lines().filter(|line| !line.starts_with('#'));
        patterns.filter(|line| !line.trim().is_empty()).try_for_each(a_pattern)?;
    }
    Ok(())
}

/// `[name, pattern, description, empty]` each.
pub(crate) fn topics(rows: &Json, _: Subject<'_>) -> Checked {
    use serde_json::Value::String as Text;
    for row in rows.0.as_array().into_iter().flatten() {
        let Some([Text(name), Text(pattern), Text(_), _]) = row.as_array().map(Vec::as_slice)
        else {
            return Err(Wrong::Value(format!("{row} is not [name, pattern, description, empty]")));
        };
        if name.trim().is_empty() || pattern.trim().is_empty() {
            return Err(Wrong::Value(format!("{row} has no name or no pattern")));
        }
        pattern.lines().filter(|line| !line.trim().is_empty()).try_for_each(a_pattern)?;
    }
    Ok(())
}
