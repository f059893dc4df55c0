//! The headers that make a message a mailing list's (spec/pipeline.md §2.14).

use super::{Flow, HandlerError, Post, deferred, from_munge, reply_to, subject_prefix, to_archive};
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
    deferred::add(post, "X-BeenThere", &address);
    deferred::set_default(post, "X-Mailman-Version", MAILMAN_VERSION);
    deferred::set_default(post, "Precedence", "list");
    if !virgin {
        let poster = from_munge::munge(post)?;
        reply_to::set(post, poster.as_ref());
    }
    if post.list.settings.include_rfc2369_headers {
        list_headers(post);
    }
    Ok(Flow::Next)
}

/// Scripts on the receiving side look at this header; its value names the behaviour that this
/// program takes over.
const MAILMAN_VERSION: &str = "2.1.39";

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
    deferred::change(post, "List-Id", &list_id);
    if post.metadata.flag("reduced_list_headers") {
        deferred::change(post, "X-List-Administrivia", "yes");
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
        deferred::change(post, name, &value);
    }
    // RFC 5064. Another list's, which this post came through, stays beside it.
    if to_archive::is_archived(post)
        && let Some(id) = post.message.text("Message-ID")
    {
        let address = dormouse_archive::archived_at(list, post.config, &id);
        deferred::add(post, "Archived-At", &format!("<{address}>"));
    }
}
