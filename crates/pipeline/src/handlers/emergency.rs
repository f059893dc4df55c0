//! Holds all posts while the list is in emergency moderation (docs/spec/pipeline.md §2.8).

use super::{Flow, HandlerError, Post, Reason};

/// Holds every post that no moderator has approved. Nobody is notified: the owners turned it on,
/// probably against a flood.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if !post.list.settings.emergency || post.envelope().admin_approved() {
        return Ok(Flow::Next);
    }
    let reason = Reason::new("emergency", "Emergency hold on all list traffic is in effect");
    Ok(Flow::Hold(Reason { is_quiet: true, ..reason }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn everything_waits_quietly_but_what_was_approved() {
        let fixture = Fixture::new(&[("emergency", "yes")]);
        let raw = "From: a@x.example\n\nhello\n";
        let outcome = fixture.run(run, raw, |_| {});
        assert_eq!(outcome.stopped(), Some(("hold", Some("emergency"))));
        assert!(matches!(outcome.flow, Flow::Hold(Reason { is_quiet: true, .. })));
        let approved = fixture.run(run, raw, |data| data.set_int("adminapproved", 1));
        assert_eq!(approved.flow, Flow::Next);
        assert_eq!(Fixture::new(&[]).run(run, raw, |_| {}).flow, Flow::Next);
    }
}
