//! Lists of addresses as Mailman's settings hold them (spec/commands.md §5): plain addresses,
//! `^regular expressions` and `@other-list`.

use super::Post;
use dormouse_store::StoreError;
use fancy_regex::{Regex, RegexBuilder};

/// Steps after which a pattern gives up on a text: no pattern and no mail may hang a run.
const MOST_STEPS: usize = 1_000_000;

/// The entry of `list` that matches `address`, if one does: plain addresses first, then patterns
/// and other lists' members in the order given.
pub fn matching<'l>(
    post: &Post<'_>,
    setting: &str,
    list: &'l [String],
    address: &str,
) -> Result<Option<&'l str>, StoreError> {
    let is_plain = |entry: &&String| !entry.starts_with(['^', '@']);
    if let Some(entry) =
        list.iter().filter(is_plain).find(|entry| entry.trim().eq_ignore_ascii_case(address))
    {
        return Ok(Some(entry));
    }
    for entry in list {
        let hit = if entry.starts_with('^') {
            search(post, setting, entry, address)
        } else if let Some(other) = entry.strip_prefix('@') {
            is_member_of(post, setting, other, address)?
        } else {
            false
        };
        if hit {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn is_member_of(
    post: &Post<'_>,
    setting: &str,
    other: &str,
    address: &str,
) -> Result<bool, StoreError> {
    let other = other.trim().to_lowercase();
    match post.store.list(&other)? {
        Some(list) if list.id != post.list.id => post.store.is_member(list.id, address),
        _ => {
            tracing::warn!("{}: {setting}: @{other} names no other list here", post.list.name);
            Ok(false)
        }
    }
}

/// Whether a pattern is found in a text, case ignored. A pattern that cannot be used matches
/// nothing, and the log says so.
pub fn search(post: &Post<'_>, setting: &str, pattern: &str, text: &str) -> bool {
    compile(post, setting, pattern).is_some_and(|regex| try_match(post, setting, &regex, text))
}

/// Whether a pattern matches at the very start of a text, case ignored, as Python's `match` does.
/// A malformed pattern is taken literally.
pub fn matches_start(post: &Post<'_>, setting: &str, pattern: &str, text: &str) -> bool {
    match compile(post, setting, &format!("\\A(?:{pattern})")) {
        Some(regex) => try_match(post, setting, &regex, text),
        None => text.to_lowercase().starts_with(&pattern.to_lowercase()),
    }
}

fn compile(post: &Post<'_>, setting: &str, pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .backtrack_limit(MOST_STEPS)
        .build()
        .inspect_err(|error| {
            tracing::warn!(
                "{}: {setting}: {pattern:?} is no usable pattern: {error}",
                post.list.name
            );
        })
        .ok()
}

fn try_match(post: &Post<'_>, setting: &str, regex: &Regex, text: &str) -> bool {
    regex.is_match(text).unwrap_or_else(|error| {
        tracing::warn!("{}: {setting}: {regex} gave up: {error}", post.list.name);
        false
    })
}
