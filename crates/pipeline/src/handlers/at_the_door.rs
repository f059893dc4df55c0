//! Refuses posts during delivery that the pipeline would reject because of the envelope, the header
//! and the list's settings. Then the sender's own MTA tells the sender, and nobody gets mail
//! because somebody forged their address.

use super::{
    Flow, HandlerError, POSTING, Post, Reason, approve, closed, moderate, order, spam_detect,
};
use dormouse_spool::{Entry, EntryName, Metadata};
use dormouse_store::{List, Site, Store};

/// Whether a list's settings may refuse a post by its envelope and header.
pub fn may_refuse(list: &List) -> bool {
    list.settings.closed || spam_detect::may_reject(list) || moderate::may_reject(list)
}

/// Returns why a post is refused, and by which handler; `None` if it is to be accepted. Rules that
/// need the body or the network are applied after it was accepted.
pub fn refusal(
    site: &Site,
    store: &Store,
    list: &List,
    name: &EntryName,
    message: &[u8],
    metadata: &Metadata,
) -> Result<Option<(&'static str, Reason)>, HandlerError> {
    if !may_refuse(list) {
        return Ok(None);
    }
    store.look(|tx| {
        let entry = Entry::new(message.to_vec(), metadata.clone());
        let mut post = Post::new(site, tx, list, name, entry);
        post.is_rehearsal = true;
        if let Some(reason) = closed::refusal(&post) {
            return Ok(Some((closed::NAME, reason)));
        }
        for handler in order(list, metadata, POSTING) {
            let (handler, flow) = match handler.as_str() {
                "SpamDetect" => ("SpamDetect", spam_detect::without_lookups(&mut post)),
                "Approve" => ("Approve", approve::run(&mut post)?),
                "Moderate" => ("Moderate", moderate::run(&mut post)?),
                // It only writes replies, which are sent if the post is accepted.
                "Replybot" => continue,
                // The handlers after these read the body, or change the post.
                _ => break,
            };
            match flow {
                Flow::Next => {}
                Flow::Reject(reason) => return Ok(Some((handler, reason))),
                Flow::Hold(_) | Flow::Discard(_) | Flow::Wait { .. } => break,
            }
        }
        Ok(None)
    })
}
