//! Where answers go (spec/pipeline.md §2.14, point 5).

use super::Post;
use dormouse_mail::address::{Mailbox, format_mailbox};
use dormouse_store::ReplyGoesTo;

/// Sets the Reply-To header that the list's settings ask for.
pub fn set(post: &mut Post<'_>) {
    let settings = &post.list.settings;
    let mut answers: Vec<Mailbox> = Vec::new();
    let mut add = |mailbox: Mailbox| {
        if !answers.iter().any(|known| known.address.eq_ignore_ascii_case(&mailbox.address)) {
            answers.push(mailbox);
        }
    };
    if settings.reply_goes_to_list == ReplyGoesTo::Explicit {
        add(Mailbox { name: String::new(), address: settings.reply_to_address.clone() });
    }
    if !settings.first_strip_reply_to {
        post.message.mailboxes("Reply-To").into_iter().for_each(&mut add);
    }
    if settings.reply_goes_to_list == ReplyGoesTo::List {
        add(Mailbox { name: settings.description.clone(), address: post.list.address() });
    }
    if settings.reply_goes_to_list == ReplyGoesTo::Poster && !settings.first_strip_reply_to {
        // Nothing was added or removed: the header stays as it came.
        return;
    }
    if answers.is_empty() {
        post.message.remove("Reply-To");
    } else {
        let text: Vec<String> =
            answers.iter().map(|mailbox| format_mailbox(&mailbox.name, &mailbox.address)).collect();
        post.message.set_raw("Reply-To", text.join(",\n ").as_bytes());
    }
}
