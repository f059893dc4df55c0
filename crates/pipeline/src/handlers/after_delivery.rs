//! Counts the list's posts (docs/spec/pipeline.md §5).

use super::{Flow, HandlerError, Post};

/// Counts the post and stores its time.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    post.store.count_post(post.list.id, post.now)?;
    post.delivered = true;
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn number_and_time_of_the_last_post_are_remembered() {
        let fixture = Fixture::new(&[]);
        let before = fixture.get("dev");
        fixture.run(run, "From: a@x.example\n\nx\n", |_| {});
        let after = fixture.get("dev");
        assert_eq!(after.post_id, before.post_id + 1);
        assert!(after.last_post_time > before.last_post_time);
    }
}
