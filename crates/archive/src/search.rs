//! Searching messages by content, author, and date.

use crate::{ArchiveError, ArchivePlace, mbox, pages};
use dormouse_mail::{Message, mime};
use dormouse_store::archive_index::{ArchiveIndex, Search};
use dormouse_store::{List, Site};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// A search result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SearchHit {
    /// The list.
    pub list: String,
    /// The message's number.
    pub number: i64,
    /// Its Message-ID without angle brackets.
    pub message_id: String,
    /// Its date (RFC 3339).
    pub date: String,
    /// Its date in seconds since the epoch.
    pub time: i64,
    /// Its subject.
    pub subject: String,
    /// Its author's name.
    pub author: String,
    /// Its author's address.
    pub email: String,
    /// Its URL.
    pub url: String,
    /// The text around the first match, or the first words.
    pub excerpt: String,
}

/// Searches messages of lists, and returns up to `limit` results, the newest first.
///
/// All words must occur. `"…"` is a phrase, `word*` a prefix, `-word` must not occur;
/// `from:` and `subject:` search only there; `after:2024-03-01` (that day or later) and
/// `before:2024` take days, months and years.
pub fn search(
    site: &Site,
    lists: &[List],
    query: &str,
    limit: u64,
) -> Result<Vec<SearchHit>, ArchiveError> {
    let search = parse(query, limit)?;
    let terms = terms(query);
    let mut found = Vec::new();
    for list in lists {
        let Some(index) =
            ArchiveIndex::open_read_only(&ArchivePlace::of(site, &list.name).index())?
        else {
            continue;
        };
        let url = list.archive_url(site.config());
        let mbox = ArchivePlace::of(site, &list.name).mbox();
        found.extend(index.search(&search)?.into_iter().map(|hit| {
            let place = (hit.message.mbox_start, hit.message.mbox_length);
            let found = SearchHit {
                list: list.name.to_string(),
                number: hit.message.number,
                date: Timestamp::from_second(hit.message.date)
                    .unwrap_or(Timestamp::UNIX_EPOCH)
                    .to_string(),
                time: hit.message.date,
                url: format!("{url}{}/{}", hit.volume, pages::file_name(hit.message.number)),
                message_id: hit.message.message_id,
                subject: hit.message.subject,
                author: hit.message.author,
                email: hit.message.email,
                excerpt: hit.message.excerpt,
            };
            (found, mbox.clone(), place)
        }));
    }
    found.sort_by(|(a, ..), (b, ..)| b.time.cmp(&a.time).then_with(|| b.number.cmp(&a.number)));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let shown = found.into_iter().map(|(found, mbox, (start, length))| {
        let excerpt = unquoted(&found.excerpt);
        let found = SearchHit { excerpt, ..found };
        if around(&found.excerpt, &terms).is_some() {
            return found;
        }
        // Without the text, use its beginning.
        let text = read_text(&mbox, start, length).unwrap_or_default();
        match around(&text, &terms) {
            Some(excerpt) => SearchHit { excerpt, ..found },
            None => found,
        }
    });
    Ok(shown.collect())
}

/// How much of a message is searched for an excerpt, in bytes.
const MOST_READ: u64 = 1 << 20;

/// Returns the first text of a message in an mbox.
fn read_text(mbox: &Path, start: i64, length: i64) -> Option<String> {
    let length = u64::try_from(length).ok()?.min(MOST_READ);
    let mut entry = vec![0; usize::try_from(length).ok()?];
    let file = File::open(mbox).ok()?;
    file.read_exact_at(&mut entry, u64::try_from(start).ok()?).ok()?;
    mime::first_text(&Message::parse_mail(mbox::message(&entry)))
}

/// Returns the words that must occur in a text, in lower case.
fn terms(query: &str) -> Vec<String> {
    let is_elsewhere = |word: &str| {
        ["before:", "after:", "from:", "subject:"].iter().any(|field| word.starts_with(field))
    };
    let words = split(query).into_iter().map(|word| word.to_lowercase());
    let words = words.filter(|word| !word.starts_with('-') && !is_elsewhere(word));
    let words = words.map(|word| word.trim_end_matches('*').to_owned());
    words.filter(|word| word.chars().any(char::is_alphanumeric)).collect()
}

/// Splits a text into pieces, each with whether it matches the query.
pub fn marked(text: &str, query: &str) -> Vec<(String, bool)> {
    let terms: Vec<Vec<char>> = terms(query).iter().map(|term| term.chars().collect()).collect();
    let letters: Vec<char> = text.chars().collect();
    let lower = lower(&letters);
    let mut pieces: Vec<(String, bool)> = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let is_start = at == 0 || !lower[at - 1].is_alphanumeric();
        let found = terms.iter().filter(|term| is_start && lower[at..].starts_with(term));
        let (length, is_found) = match found.map(Vec::len).max() {
            Some(length) => (length, true),
            None => (1, false),
        };
        let piece = &letters[at..at + length];
        match pieces.last_mut() {
            Some((last, was_found)) if *was_found == is_found => last.extend(piece),
            _ => pieces.push((piece.iter().collect(), is_found)),
        }
        at += length;
    }
    pieces
}

/// Converts characters to lower case without changing their number.
fn lower(letters: &[char]) -> Vec<char> {
    letters.iter().map(|letter| letter.to_lowercase().next().unwrap_or(*letter)).collect()
}

/// Returns a text on one line, without quote marks.
fn unquoted(text: &str) -> String {
    let words = text.split_whitespace().filter_map(|word| {
        let rest = word.trim_start_matches('>');
        match rest.chars().next() {
            None => None,
            Some(first) if first.is_alphanumeric() || "\"'“„(*_".contains(first) => Some(rest),
            Some(_) => Some(word),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The number of characters before and after the first match.
const BEFORE: usize = 60;
const BEHIND: usize = 160;

/// Returns the text around the first match, on one line.
fn around(text: &str, terms: &[String]) -> Option<String> {
    let letters: Vec<char> = unquoted(text).chars().collect();
    let lower = lower(&letters);
    let first = |term: &String| {
        let term: Vec<char> = term.chars().collect();
        let is_start = |at: usize| at == 0 || !lower[at - 1].is_alphanumeric();
        let mut places = lower.windows(term.len().max(1)).enumerate();
        places.find(|(at, window)| is_start(*at) && *window == term.as_slice()).map(|(at, _)| at)
    };
    let at = terms.iter().filter_map(first).min()?;
    let start = match at.checked_sub(BEFORE) {
        // At the beginning of a word.
        Some(start) if start > 0 => {
            (start..at).find(|&place| letters[place - 1] == ' ').unwrap_or(at)
        }
        _ => 0,
    };
    let end = (at + BEHIND).min(letters.len());
    let mut out = String::new();
    out.extend((start > 0).then_some('…'));
    out.extend(&letters[start..end]);
    out.extend((end < letters.len()).then_some('…'));
    Some(out)
}

/// The maximum number of words and characters of a query, for the index.
const MOST_WORDS: usize = 50;
const MOST_LETTERS: usize = 1000;

/// Converts a query to the syntax of the index.
fn parse(query: &str, limit: u64) -> Result<Search, ArchiveError> {
    let mut search = Search { limit, ..Search::default() };
    let mut wanted = Vec::new();
    let mut unwanted = Vec::new();
    let words = split(query);
    if words.len() > MOST_WORDS || query.chars().count() > MOST_LETTERS {
        return Err(ArchiveError::Query(format!(
            "a search can have at most {MOST_WORDS} words and {MOST_LETTERS} characters; this one is longer"
        )));
    }
    for word in words {
        let (is_unwanted, word) = match word.strip_prefix('-') {
            Some(rest) => (true, rest.to_owned()),
            None => (false, word),
        };
        let field = word.split_once(':').map(|(name, rest)| (name.to_lowercase(), rest.to_owned()));
        let (column, text) = match field {
            Some((name, rest)) if name == "before" => {
                search.until = Some(first_second(&rest)?);
                continue;
            }
            Some((name, rest)) if name == "after" => {
                search.from = Some(first_second(&rest)?);
                continue;
            }
            Some((name, rest)) if name == "from" => ("author : ", rest),
            Some((name, rest)) if name == "subject" => ("subject : ", rest),
            _ => ("", word),
        };
        // The index does not contain text without letters.
        if !text.chars().any(char::is_alphanumeric) {
            continue;
        }
        let (text, star) = match text.strip_suffix('*') {
            Some(text) => (text, " *"),
            None => (text.as_str(), ""),
        };
        let term = format!("{column}\"{}\"{star}", text.replace('"', ""));
        if is_unwanted { &mut unwanted } else { &mut wanted }.push(term);
    }
    if wanted.is_empty() && !unwanted.is_empty() {
        return Err(ArchiveError::Query(
            "a search needs a word that must occur, in addition to those that must not".to_owned(),
        ));
    }
    let empty = wanted.is_empty() && search.from.is_none() && search.until.is_none();
    if empty {
        return Err(ArchiveError::Query("there is nothing to search for".to_owned()));
    }
    search.words = wanted.join(" AND ");
    for term in unwanted {
        search.words = format!("({}) NOT {term}", search.words);
    }
    Ok(search)
}

/// Splits at blanks outside of quotes, and removes the quotes.
fn split(query: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in query.chars() {
        let last = words.len() - 1;
        match letter {
            '"' => is_quoted = !is_quoted,
            letter if letter.is_whitespace() && !is_quoted => words.push(String::new()),
            // NUL would end the text for the index.
            '\0' => {}
            letter => words[last].push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns the first second of `2024`, `2024-03` or `2024-03-01`, in this machine's time zone.
fn first_second(text: &str) -> Result<i64, ArchiveError> {
    let wrong = || {
        ArchiveError::Query(format!("{text:?} is not a date such as 2024-03-01, 2024-03 or 2024"))
    };
    let numbers: Vec<i16> =
        text.split('-').map(|part| part.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    let part = |index: usize| numbers.get(index).copied().unwrap_or(1);
    let (month, day) = (i8::try_from(part(1)), i8::try_from(part(2)));
    let (Ok(month), Ok(day), 1..=3) = (month, day, numbers.len()) else { return Err(wrong()) };
    let first = Date::new(part(0), month, day).map_err(|_| wrong())?;
    // Earlier dates are certainly mistakes.
    if first < date(1, 1, 1) + 0.days() {
        return Err(wrong());
    }
    let zoned = first.to_zoned(TimeZone::system()).map_err(|_| wrong())?;
    Ok(zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_searched_for_is_marked_and_quote_marks_go() {
        assert_eq!(
            unquoted("Hi\n> > green tea\n>black\n-> x >= y"),
            "Hi green tea black -> x >= y"
        );
        let marked = marked("Green tea, greenery and beans", "green* \"tea\" from:anna -x");
        let found: Vec<&str> = marked
            .iter()
            .filter(|(_, is_found)| *is_found)
            .map(|(piece, _)| piece.as_str())
            .collect();
        assert_eq!(found, ["Green", "tea", "green"]);
        let whole: String = marked.iter().map(|(piece, _)| piece.as_str()).collect();
        assert_eq!(whole, "Green tea, greenery and beans");
    }

    #[test]
    fn a_search_that_is_too_long_says_so() {
        for query in ["w ".repeat(51), "w".repeat(1001), "-x ".repeat(400), "é".repeat(1001)] {
            let error = parse(&query, 1).unwrap_err().to_string();
            assert!(error.contains("50 words and 1000 characters"), "{error}");
        }
        assert!(parse(&"w ".repeat(50), 1).is_ok() && parse(&"é".repeat(1000), 1).is_ok());
    }
    use proptest::prelude::*;

    #[test]
    fn queries_are_words_phrases_and_fields() {
        for (query, words) in [
            ("one two", "\"one\" AND \"two\""),
            ("\"one two\" -three", "(\"one two\") NOT \"three\""),
            (
                "from:anna@x.example subject:\"a b\" c*",
                "author : \"anna@x.example\" AND subject : \"a b\" AND \"c\" *",
            ),
            ("a:b --- NEAR(", "\"a:b\" AND \"NEAR(\""),
        ] {
            assert_eq!(parse(query, 1).unwrap().words, words, "{query}");
        }
        for query in ["", "-a", "before:yesterday x", "after:2024-13", "---"] {
            assert!(parse(query, 1).is_err(), "{query}");
        }
        let dated = parse("after:2024-03 before:2025", 1).unwrap();
        assert!(dated.words.is_empty() && dated.from < dated.until);
    }

    #[test]
    fn an_excerpt_shows_the_word_that_was_found() {
        let text =
            format!("{}and then\nthe GREEN\ntea came{}", "word ".repeat(40), " x".repeat(200));
        let terms = terms("\"green tea\" -black from:anna bisc*");
        assert_eq!(terms, ["green tea", "bisc"]);
        let shown = around(&text, &terms).unwrap();
        assert!(shown.starts_with("…word ") && shown.ends_with('…'), "{shown}");
        assert!(shown.contains("and then the GREEN tea came x"), "{shown}");
        assert_eq!(around("Tea.", &["tea".to_owned()]).unwrap(), "Tea.");
        assert_eq!(around("instead", &["tea".to_owned()]), None);
        assert_eq!(around("", &["tea".to_owned()]), None);
    }

    proptest! {
        #[test]
        fn an_excerpt_is_of_any_text(text in "[a-cA-C İßé \n]{0,400}", term in "[a-cß ]{1,4}") {
            if let Some(shown) = around(&text, std::slice::from_ref(&term)) {
                prop_assert!(shown.chars().count() <= BEFORE + BEHIND + 2);
            }
        }

        #[test]
        fn any_query_is_answered_or_refused(query in "([a-z\"*:()^{}+-]|from:|subject:|NOT|AND| |\0|é){0,16}") {
            let home = tempfile::tempdir().unwrap();
            let index = ArchiveIndex::open(&home.path().join("x.db")).unwrap();
            if let Ok(search) = parse(&query, 3) {
                prop_assert!(index.search(&search).is_ok(), "{}", search.words);
            }
        }
    }
}
