//! Determines the recipients of mail for the list's owners (docs/spec/pipeline.md §5).

use super::{Flow, HandlerError, Post};
use crate::recipients::Recipients;

/// Sends the mail unchanged to owners and moderators, once to each.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let settings = &post.list.settings;
    let mut people: Vec<String> = Vec::new();
    for address in settings.owner.iter().chain(&settings.moderator) {
        if !people.iter().any(|known| known.eq_ignore_ascii_case(address)) {
            people.push(address.clone());
        }
    }
    Recipients::These(people).write(&mut post.metadata);
    post.metadata.edit().no_decoration(true).personalize(false);
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn owners_and_moderators_get_it_once_and_as_it_is() {
        let fixture = Fixture::new(&[
            ("owner", "o@x.example\nboth@x.example"),
            ("moderator", "Both@x.example\nm@x.example"),
            ("personalize", "full"),
        ]);
        let raw = "From: a@x.example\n\nx\n";
        let outcome = fixture.run(run, raw, |_| {});
        assert_eq!(outcome.recipients(), ["both@x.example", "m@x.example", "o@x.example"]);
        assert!(outcome.metadata.flag("nodecorate"));
        assert_eq!(outcome.metadata.int("personalize"), Some(0));
        assert_eq!(outcome.text(), raw);
    }
}
