//! What a moderator decided on a request to join or leave is taken back, for a minute and as long as
//! nothing of it was sent.

use crate::moderation::named::take_from;
use crate::requests::describe;
use crate::{Means, Origin, RunError};
use dormouse_spool::{Claim, EntryName, Queue, Spool, clock, fault};
use dormouse_store::decided::UNDO;
use dormouse_store::{Changed, DecidedRequest, List, Store};

/// How it is noted in the history of an address.
fn how(origin: &Origin) -> String {
    let by = match origin.means {
        Means::Web => "on the web",
        Means::Mail => "by mail",
        Means::Owner => "on the server",
    };
    format!("a moderator took the decision back, {by}")
}

/// The entries that a decision sent; nothing if one of them can be no entry of ours.
fn sent(kept: &DecidedRequest) -> Option<Vec<(Queue, EntryName)>> {
    let entry = |(queue, name): &(String, String)| {
        Some((queue.parse::<Queue>().ok()?, EntryName::from_base(name)))
    };
    kept.sent.iter().map(entry).collect()
}

/// What was decided on a list's requests in the last minute and can be taken back: nothing of it has
/// left its queue.
///
/// # Errors
/// When the database fails.
pub fn undoable(
    spool: &Spool,
    store: &Store,
    list: &List,
) -> Result<Vec<DecidedRequest>, RunError> {
    let mut kept = store.decided_requests(list.id, clock::seconds() - UNDO)?;
    kept.retain(|kept| {
        sent(kept).is_some_and(|sent| sent.iter().all(|(queue, name)| spool.is_ready(*queue, name)))
    });
    Ok(kept)
}

/// Takes a decision back, and the request waits again. False if it is too late: a minute is over, what
/// was sent has left its queue, or the membership has changed since.
///
/// What was sent is claimed before, and removed after: a crash in between may let it go on its way all
/// the same, and loses nothing.
///
/// # Errors
/// When the database or a queue fails.
pub fn undo(
    spool: &Spool,
    store: &Store,
    list: &List,
    kept: &DecidedRequest,
    origin: &Origin,
) -> Result<bool, RunError> {
    let now = clock::seconds();
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
    now: f64,
) -> Result<bool, RunError> {
    let (id, address) = (kept.held.id, kept.held.request.address());
    store.write(|tx| -> Result<bool, RunError> {
        // Another moderator may have been faster.
        if tx.decided_request(id, now - UNDO)?.is_none() {
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
