//! Queues a copy for the newsgroup (docs/spec/pipeline.md §5).

use super::{Flow, HandlerError, Post};
use dormouse_membership::Output;
use dormouse_spool::{Entry, Queue};

/// Queues the copy, unless the post came from the newsgroup.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let settings = &post.list.settings;
    let wanted =
        settings.gateway_to_news && !post.envelope().is_digest() && !post.envelope().from_usenet();
    if !wanted {
        return Ok(Flow::Next);
    }
    if settings.linked_newsgroup.is_empty() || settings.nntp_host.is_empty() {
        tracing::warn!(
            "{}: gateway_to_news is on without linked_newsgroup and nntp_host",
            post.list.name
        );
        return Ok(Flow::Next);
    }
    let entry = Entry::new(post.message.to_bytes(), post.metadata.clone());
    post.outputs.push(Output { queue: Queue::News, label: "news".to_owned(), entry });
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn a_gateway_with_group_and_host_gets_what_did_not_come_from_there() {
        let on = [
            ("gateway_to_news", "yes"),
            ("linked_newsgroup", "comp.lang.rust"),
            ("nntp_host", "news.example"),
        ];
        let raw = "From: a@x.example\n\nx\n";
        assert_eq!(Fixture::new(&on).run(run, raw, |_| {}).outputs.len(), 1);
        for flag in ["isdigest", "fromusenet"] {
            let outcome = Fixture::new(&on).run(run, raw, |data| data.set_int(flag, 1));
            assert!(outcome.outputs.is_empty(), "{flag}");
        }
        for missing in 0..3 {
            let mut settings = on.to_vec();
            settings.remove(missing);
            assert!(Fixture::new(&settings).run(run, raw, |_| {}).outputs.is_empty(), "{missing}");
        }
    }
}
