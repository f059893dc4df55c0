//! From names the list, so that the poster's domain has no say in whether members get the post
//! (spec/pipeline.md §2.14, point 4).

use super::{HandlerError, Post, deferred};
use dormouse_mail::Mailbox;
use dormouse_mail::address::format_mailbox;
use dormouse_store::FromIsList;

/// What is done to From: what the message's own way says (DMARC), else what the list says. Notices
/// come from the list anyway, and so do the posts of an anonymous one.
pub fn mode(post: &Post<'_>) -> FromIsList {
    if post.is_virgin() || post.list.settings.anonymous_list {
        return FromIsList::No;
    }
    match post.metadata.int("from_is_list") {
        Some(1) => FromIsList::Munge,
        Some(2) => FromIsList::Wrap,
        _ => post.list.settings.from_is_list,
    }
}

/// Lets From name the list, and returns whom it named before.
pub fn munge(post: &mut Post<'_>) -> Result<Option<Mailbox>, HandlerError> {
    if mode(post) == FromIsList::No {
        return Ok(None);
    }
    let mut from = post.message.mailboxes("From");
    let poster = if from.len() == 1 && from[0].address.contains('@') {
        from.remove(0)
    } else {
        let address = post.metadata.text("original_sender").unwrap_or_default().into_owned();
        Mailbox { name: String::new(), address }
    };
    let mut name = poster.name.trim().to_owned();
    if name.is_empty()
        && let Some(member) = post.store.member(post.list.id, &poster.address)?
    {
        name = member.real_name;
    }
    if name.trim().is_empty() {
        name.clone_from(&poster.address);
    }
    let name = format!("{} via {}", without_domain(&name), post.list.settings.real_name);
    let value = format_mailbox(&name, &post.list.address());
    deferred::change(post, "From", &value);
    Ok(Some(poster))
}

/// An address for a name would be somebody else's address in From.
fn without_domain(name: &str) -> String {
    match name.rsplit_once('@') {
        Some((local, domain)) if domain.contains('.') && !domain.contains(' ') => {
            format!("{local}---")
        }
        _ => name.to_owned(),
    }
}
