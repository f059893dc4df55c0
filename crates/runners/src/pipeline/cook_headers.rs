//! The headers that make a message a mailing list's (spec/pipeline.md §2.14).

use super::{Flow, HandlerError, Post, reply_to, subject_prefix};
use dormouse_mail::address::format_mailbox;
use dormouse_mail::encoded_word;

/// Longer values of List-* headers are split at their commas.
const LONGEST_LINE: usize = 78;

/// Sets them. What the list server wrote itself gets fewer.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let virgin = post.is_virgin();
    if post.metadata.flag("noack") {
        post.message.set("X-Ack", "no");
    }
    if !virgin && !post.metadata.flag("isdigest") {
        subject_prefix::add(post);
    }
    let address = post.list.address();
    post.message.append("X-BeenThere", &address);
    if !post.message.has("X-Mailman-Version") {
        post.message.append("X-Mailman-Version", MAILMAN_VERSION);
    }
    if !post.message.has("Precedence") {
        post.message.append("Precedence", "list");
    }
    if !virgin {
        reply_to::set(post);
        if post.list.settings.personalize.is_full() {
            add_list_to_cc(post, &address);
        }
    }
    if post.list.settings.include_rfc2369_headers {
        list_headers(post);
    }
    Ok(Flow::Next)
}

/// Scripts on the receiving side look at this header; its value names the behaviour that this
/// program takes over.
const MAILMAN_VERSION: &str = "2.1.39";

/// A post whose To is rewritten for each recipient still shows where it came from.
fn add_list_to_cc(post: &mut Post<'_>, address: &str) {
    let settings = &post.list.settings;
    if settings.reply_goes_to_list == dormouse_store::ReplyGoesTo::List || settings.anonymous_list {
        return;
    }
    let mut names: Vec<String> = post
        .message
        .mailboxes("Cc")
        .iter()
        .filter(|mailbox| !mailbox.address.eq_ignore_ascii_case(address))
        .map(|mailbox| format_mailbox(&mailbox.name, &mailbox.address))
        .collect();
    names.push(format_mailbox(&settings.description, address));
    post.message.set_raw("Cc", names.join(",\n ").as_bytes());
}

/// RFC 2369 and RFC 2919.
fn list_headers(post: &mut Post<'_>) {
    let list = post.list;
    let settings = &list.settings;
    let id = format!("<{}.{}>", list.local_part(), settings.host_name);
    let description = settings.description.trim();
    let list_id = if description.is_empty() {
        id
    } else {
        // On one line: some receivers do not unfold it.
        format!("{} {id}", encoded_word::encode(description, usize::MAX).replace("\n ", " "))
    };
    post.message.set_raw("List-Id", list_id.as_bytes());
    if post.metadata.flag("reduced_list_headers") {
        post.message.set("X-List-Administrivia", "yes");
        return;
    }
    let request = list.sub_address("request");
    let options = list.web_url(post.config, "options");
    let info = list.web_url(post.config, "listinfo");
    let mut headers = vec![
        ("List-Unsubscribe", format!("<{options}>, <mailto:{request}?subject=unsubscribe>")),
        ("List-Help", format!("<mailto:{request}?subject=help>")),
        ("List-Subscribe", format!("<{info}>, <mailto:{request}?subject=subscribe>")),
    ];
    if settings.include_list_post_header {
        headers.push(("List-Post", format!("<mailto:{}>", list.address())));
    }
    if settings.archive {
        headers.push(("List-Archive", format!("<{}>", list.archive_url(post.config))));
    }
    for (name, value) in headers {
        let too_long = name.len() + 2 + value.len() > LONGEST_LINE;
        let value = if too_long { value.replace(", ", ",\n ") } else { value };
        post.message.set_raw(name, value.as_bytes());
    }
}
