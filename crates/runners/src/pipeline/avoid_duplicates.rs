//! Members who are addressed directly do not get a second copy from the list, if they said so
//! (spec/pipeline.md §2.11).

use super::{Flow, HandlerError, Post, deferred};
use crate::outbound::HAS_COPY;
use crate::recipients::Recipients;
use dormouse_mail::address::format_mailbox;
use dormouse_store::MemberOption;
use std::collections::BTreeSet;

const ADDRESSED: [&str; 4] = ["To", "Cc", "Resent-To", "Resent-Cc"];

/// Leaves addressed members out of the recipients and, with `drop_cc`, out of the Cc header. Others
/// who are addressed are noted: their copies may be marked.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let Some(mut recipients) = Recipients::read(&post.metadata) else { return Ok(Flow::Next) };
    let own: Vec<String> = std::iter::once(post.list.address())
        .chain(["bounces", "owner", "request"].map(|part| post.list.sub_address(part)))
        .collect();
    let mut dropped = BTreeSet::new();
    let mut addressed = BTreeSet::new();
    for header in ADDRESSED {
        for mailbox in post.message.mailboxes(header) {
            let address = mailbox.address.to_lowercase();
            if own.contains(&address) || dropped.contains(&address) {
                continue;
            }
            let Some(member) = post.store.member(post.list.id, &address)? else { continue };
            if member.options.has(MemberOption::DontReceiveDuplicates) {
                dropped.insert(address);
            } else {
                addressed.insert(member.address);
            }
        }
    }
    match &mut recipients {
        Recipients::These(these) => {
            these.retain(|address| !dropped.contains(&address.to_lowercase()));
        }
        Recipients::Those(rule) => rule.except.extend(dropped.iter().cloned()),
    }
    if !dropped.is_empty() {
        recipients.write(&mut post.metadata);
    }
    if !addressed.is_empty() {
        let copies = addressed.iter().map(|address| (address.as_str(), "yes"));
        post.metadata.set_table(HAS_COPY, copies);
    }
    if post.list.settings.drop_cc {
        drop_cc(post, &dropped);
    }
    Ok(Flow::Next)
}

fn drop_cc(post: &mut Post<'_>, dropped: &BTreeSet<String>) {
    if !post.message.has("Cc") {
        return;
    }
    let before = post.message.mailboxes("Cc");
    let kept: Vec<_> = before
        .iter()
        .filter(|mailbox| !dropped.contains(&mailbox.address.to_lowercase()))
        .collect();
    if kept.is_empty() {
        post.message.remove("Cc");
    } else if kept.len() < before.len() {
        let text: Vec<String> =
            kept.iter().map(|mailbox| format_mailbox(&mailbox.name, &mailbox.address)).collect();
        deferred::change(post, "Cc", &text.join(",\n "));
    }
}
