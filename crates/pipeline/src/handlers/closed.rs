//! Rejects posts to a closed list, whatever its pipeline is.

use super::{Post, Reason};

/// Its name in the trace.
pub const NAME: &str = "Closed";

/// Returns why a post is rejected. Moderators can still approve one that was held when the list was
/// closed.
pub fn refusal(post: &Post<'_>) -> Option<Reason> {
    let is_closed = post.list.settings.closed && !post.metadata.flag("adminapproved");
    is_closed.then(|| Reason::new("closed", "This mailing list is closed and accepts no posts."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Flow;
    use crate::testing::Fixture;

    #[test]
    fn nothing_passes_but_what_waited_and_is_let_through() {
        let run = |post: &mut Post<'_>| Ok(refusal(post).map_or(Flow::Next, Flow::Reject));
        let raw = "From: a@x.example\n\nhello\n";
        let fixture = Fixture::new(&[("closed", "yes")]);
        let outcome = fixture.run(run, raw, |_| {});
        assert_eq!(outcome.stopped(), Some(("reject", Some("closed"))));
        let approved = fixture.run(run, raw, |data| data.set_int("adminapproved", 1));
        assert_eq!(approved.flow, Flow::Next);
        assert_eq!(Fixture::new(&[]).run(run, raw, |_| {}).flow, Flow::Next);
    }
}
