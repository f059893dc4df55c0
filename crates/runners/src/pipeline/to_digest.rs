//! A copy for the next digest (spec/pipeline.md §4).

use super::{Flow, HandlerError, Post};

/// Keeps it in the store, where the digest is made from.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if post.list.settings.digestable && !post.metadata.flag("isdigest") {
        let content = post.message.to_bytes();
        post.store.add_to_digest(post.list.id, post.entry.as_str(), post.now, &content)?;
    }
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::testing::Fixture;

    #[test]
    fn lists_with_digests_keep_posts_but_no_digests() {
        let raw = "From: a@x.example\n\nx\n";
        for (digestable, flag, kept) in [("yes", 0, 1), ("no", 0, 0), ("yes", 1, 0)] {
            let fixture = Fixture::new(&[("digestable", digestable)]);
            fixture.run(run, raw, |data| data.set_int("isdigest", flag));
            let (number, _) = fixture.store.digest_size(fixture.get("dev").id).unwrap();
            assert_eq!(number, kept, "{digestable} {flag}");
        }
    }
}
