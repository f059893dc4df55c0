//! Headers that are set at the end of the pipeline, so that the archive, the digest and the
//! newsgroup get the message without them. If a message is wrapped, they are on the outer message
//! (docs/spec/pipeline.md §2.14).

use super::{Post, from_munge};
use dormouse_spool::KEY;
use dormouse_store::FromIsList;

/// These are always deferred: in them the list may replace the poster.
const ALWAYS: [&str; 3] = ["From", "Reply-To", "Cc"];

/// Sets a header, now or at the end. The value must be encoded and folded.
pub fn change(post: &mut Post<'_>, name: &str, value: &str) {
    if ALWAYS.contains(&name) || from_munge::mode(post) == FromIsList::Wrap {
        put(post, name, value);
    } else {
        post.message.set_raw(name, value.as_bytes());
    }
}

/// Adds a header next to others of the same name, now or at the end.
pub fn add(post: &mut Post<'_>, name: &str, value: &str) {
    if from_munge::mode(post) == FromIsList::Wrap {
        put(post, name, value);
    } else {
        post.message.append_raw(name, value.as_bytes());
    }
}

/// Sets a header unless the message has it.
pub fn set_default(post: &mut Post<'_>, name: &str, value: &str) {
    if !post.message.has(name) {
        change(post, name, value);
    }
}

/// Returns the value of a deferred header.
pub fn get(post: &Post<'_>, name: &str) -> Option<String> {
    all(post).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// Returns all deferred headers, as names and values.
pub fn all(post: &Post<'_>) -> Vec<(String, String)> {
    post.envelope().add_header()
}

/// Removes them from the metadata, after they were set.
pub fn clear(post: &mut Post<'_>) {
    post.metadata.remove(KEY.add_header);
}

fn put(post: &mut Post<'_>, name: &str, value: &str) {
    let mut headers = all(post);
    headers.retain(|(known, _)| known != name);
    headers.push((name.to_owned(), value.to_owned()));
    post.metadata.edit().add_header(&headers);
}
