//! Adds the post to the next digest (docs/spec/pipeline.md §4).
//!
//! A digest that is large enough is not sent from here, because a post that is processed twice
//! after a crash must not be in two digests. The drain sends it as soon as the post is handed over.

use super::{Flow, HandlerError, Post};

/// Stores the post for the digest.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if takes(post) {
        let content = post.message.to_bytes();
        post.store.add_to_digest(post.list, post.entry.as_str(), post.now, &content)?;
        let limit = post.list.settings.digest_size_threshhold;
        if limit > 0.0 {
            post.store.digest_is_due_from(post.list.id, limit * 1024.0);
        }
    }
    Ok(Flow::Next)
}

/// Whether a post will be in the next digest.
pub(super) fn takes(post: &Post<'_>) -> bool {
    post.list.settings.digestable && !post.envelope().is_digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn lists_with_digests_keep_posts_but_no_digests() {
        let raw = "From: a@x.example\n\nx\n";
        for (digestable, flag, kept) in [("yes", 0, 1), ("no", 0, 0), ("yes", 1, 0)] {
            let fixture = Fixture::new(&[("digestable", digestable)]);
            fixture.run(run, raw, |data| data.set_int("isdigest", flag));
            let (number, _) = fixture.store.read().digest_size(fixture.get("dev").id).unwrap();
            assert_eq!(number, kept, "{digestable} {flag}");
        }
    }
}
