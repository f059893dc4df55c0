//! Reverts a moderator's decision on a request to join or leave, for a minute and as long as nothing
//! that it sent has left its queue.

use crate::moderation::named::take_from;
use crate::requests::describe;
use crate::{Means, Origin, RunError};
use dormouse_clock::Timestamp;
use dormouse_spool::{Claim, EntryName, Queue, Spool, fault};
use dormouse_store::decided::UNDO;
use dormouse_store::{Changed, DecidedRequest, List, Read, Store};

/// The source that is noted in an address's history.
fn how(origin: &Origin) -> String {
    let by = match origin.means {
        Means::Web => "on the web",
        Means::Mail => "by mail",
        Means::Owner => "on the server",
    };
    format!("a moderator took the decision back, {by}")
}

/// The entries that a decision sent; `None` if one of them is not an entry's name.
fn sent(kept: &DecidedRequest) -> Option<Vec<(Queue, EntryName)>> {
    let entry = |(queue, name): &(String, String)| {
        Some((queue.parse::<Queue>().ok()?, EntryName::from_base(name)))
    };
    kept.sent.iter().map(entry).collect()
}

/// Returns the decisions of the last minute on a list's requests that can be undone, because nothing that
/// they sent has left its queue.
///
/// # Errors
/// If the database fails.
pub fn undoable(spool: &Spool, store: &Read, list: &List) -> Result<Vec<DecidedRequest>, RunError> {
    let mut kept = store.decided_requests(list.id, Timestamp::now() - UNDO)?;
    kept.retain(|kept| {
        sent(kept).is_some_and(|sent| sent.iter().all(|(queue, name)| spool.is_ready(*queue, name)))
    });
    Ok(kept)
}

/// Reverts a decision, and the request waits again. Returns false if it is too late: a minute is over, what
/// was sent has left its queue, or the membership has changed since.
///
/// The sent entries are claimed before the request waits again, and removed after that: after a crash in
/// between they may still be sent, and nothing is lost.
///
/// # Errors
/// If the database or a queue fails.
pub fn undo(
    spool: &Spool,
    store: &Store,
    list: &List,
    kept: &DecidedRequest,
    origin: &Origin,
) -> Result<bool, RunError> {
    let now = Timestamp::now();
    let Some(sent) = sent(kept).filter(|_| kept.at > now - UNDO) else { return Ok(false) };
    let mut claims = Vec::new();
    for (queue, name) in &sent {
        match spool.claim(*queue, name)? {
            Some(claim) => claims.push(claim),
            None => return give_back(claims).map(|()| false),
        }
    }
    let is_undone = revert(store, list, kept, &how(origin), now)?;
    fault::point("undo.reverted");
    if !is_undone {
        return give_back(claims).map(|()| false);
    }
    for claim in claims {
        claim.finish()?;
    }
    tracing::info!(target: "vette",
        "{}: waits again, because a moderator took back that it was {}: {}",
        list.name, kept.what, describe(&kept.held.request)
    );
    Ok(true)
}

fn give_back(claims: Vec<Claim>) -> Result<(), RunError> {
    for claim in claims {
        claim.release()?;
    }
    Ok(())
}

fn revert(
    store: &Store,
    list: &List,
    kept: &DecidedRequest,
    how: &str,
    now: Timestamp,
) -> Result<bool, RunError> {
    let (id, address) = (kept.held.id, kept.held.request.address());
    store.write(|tx| -> Result<bool, RunError> {
        // Another moderator may have been faster.
        if tx.read().decided_request(id, now - UNDO)?.is_none() {
            return Ok(false);
        }
        let is_reverted = match kept.changed {
            Changed::Nothing => true,
            Changed::Joined => tx.remove_member(list.id, address, how, now)?,
            Changed::Left => tx.member_again(id, how, now)?,
            Changed::Banned => {
                take_from(tx, list, "ban_list", address)?;
                true
            }
        };
        Ok(is_reverted && tx.hold_request_again(&kept.held)?)
    })
}
