//! Queues a copy for the archive (docs/spec/pipeline.md §5).

use super::{Flow, HandlerError, Post};
use dormouse_membership::Output;
use dormouse_spool::{Entry, Queue};

/// Queues the copy, unless the list has no archive or the poster forbids it.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if is_archived(post) {
        let entry = Entry::new(post.message.to_bytes(), post.metadata.clone());
        post.outputs.push(Output { queue: Queue::Archive, label: "archive".to_owned(), entry });
    }
    Ok(Flow::Next)
}

/// Whether the post will be archived.
pub fn is_archived(post: &Post<'_>) -> bool {
    let refused = post.message.has("X-No-Archive")
        || post
            .message
            .text("X-Archive")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("no"));
    post.list.settings.archive && !post.envelope().is_digest() && !refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn list_and_poster_decide() {
        let cases = [
            ("yes", "", 1),
            ("no", "", 0),
            ("yes", "X-No-Archive: anything\n", 0),
            ("yes", "X-Archive: No\n", 0),
            ("yes", "X-Archive: yes\n", 1),
        ];
        for (archive, header, copies) in cases {
            let fixture = Fixture::new(&[("archive", archive)]);
            let outcome = fixture.run(run, &format!("{header}From: a@x.example\n\nx\n"), |_| {});
            assert_eq!(outcome.outputs.len(), copies, "{archive} {header}");
        }
        let digest = Fixture::new(&[]).run(run, "\nx\n", |data| data.set_int("isdigest", 1));
        assert!(digest.outputs.is_empty());
    }
}
