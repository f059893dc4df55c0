//! Acknowledges members' posts, if they want it (docs/spec/pipeline.md §5).

use super::{Flow, HandlerError, Post};
use dormouse_mail::automatic::{self, Automatic};
use dormouse_membership::moderation::vouch;
use dormouse_store::MemberOption;

/// Notifies the poster, if that is a member with the option `ack`.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let sender = match post.metadata.envelope().original_sender() {
        Some(sender) => sender.into_owned(),
        None => post.message.sender().unwrap_or_default().into(),
    };
    if let Some(member) = post.store.read().member(post.list.id, &sender)?
        && member.options.has(MemberOption::AcknowledgePosts)
        && !is_programs(post)
    {
        let subject = match post.metadata.envelope().original_subject() {
            Some(subject) => subject.into_owned(),
            None => post.message.text("Subject").unwrap_or_default(),
        };
        let notice = post.notices().acknowledged(&member, &subject);
        post.outputs.push(notice);
    }
    Ok(Flow::Next)
}

/// Whether a program wrote the post, or its sender wants no replies. `List-Id` and `Precedence` do
/// not count, because the list has set them.
fn is_programs(post: &Post<'_>) -> bool {
    let sign = vouch::sign_of_program(&post.message, &post.metadata);
    sign.is_some_and(|sign| !matches!(sign, Automatic::List | Automatic::Bulk))
        || automatic::wants_no_answer(&post.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn only_a_member_who_wants_it_gets_an_acknowledgement() {
        let fixture = Fixture::new(&[]);
        fixture.member("ack@x.example", &[MemberOption::AcknowledgePosts]);
        fixture.member("quiet@x.example", &[]);
        let outputs = |from: &str| {
            let raw = format!("From: {from}\nSubject: [dev] s\n\nx\n");
            fixture.run(run, &raw, |data| data.set_text("origsubj", "s")).outputs
        };
        assert!(outputs("quiet@x.example").is_empty() && outputs("no@x.example").is_empty());
        let notice = outputs("ack@x.example").remove(0);
        assert_eq!(notice.entry.metadata.texts("recips").unwrap(), ["ack@x.example"]);
        let text = String::from_utf8_lossy(&notice.entry.message).into_owned();
        assert!(text.contains("Subject: Dev post acknowledgement\n"), "{text}");
        assert!(text.contains("    s\n"), "{text}");
    }
}
