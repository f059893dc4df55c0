//! Reverts recent decisions.

use crate::desk::PageProblem;
use crate::held::subject;
use crate::page::Frame;
use crate::seat::{Anybody, Moderates, Room, Seat};
use dormouse_clock::Timestamp;
use dormouse_membership::moderation::desk;
use dormouse_membership::requests::describe;
use dormouse_membership::{Origin, undo};
use dormouse_spool::Spool;
use dormouse_store::{HeldId, RequestId};
use dormouse_words::msgid;

/// A decision that can be undone.
pub struct Undoable {
    pub key: String,
    pub list: String,
    pub subject: String,
    pub what: String,
}

/// Recent decisions on a list that can be undone.
pub fn undoable(seat: &Seat<Moderates>, frame: &Frame) -> Result<Vec<Undoable>, PageProblem> {
    let spool = Spool::new(seat.app.site.qfiles());
    let moderators =
        desk::ModerationDesk { site: &seat.app.site, spool: &spool, store: &seat.store };
    let posts = moderators.undoable(&seat.list)?.into_iter().map(|kept| Undoable {
        key: format!("p{}", kept.held.id),
        list: seat.name(),
        subject: subject(frame, &kept.held),
        what: frame.say(outcome(&kept.what)).to_string(),
    });
    let requests = undo::undoable(&spool, seat.store.read(), &seat.list)?;
    let requests = requests.into_iter().map(|kept| Undoable {
        key: format!("r{}", kept.held.id),
        list: seat.name(),
        subject: frame.tell(&describe(&kept.held.request)).to_string(),
        what: frame.say(outcome(&kept.what)).to_string(),
    });
    Ok(posts.chain(requests).collect())
}

/// The decision in a word.
fn outcome(what: &str) -> &'static str {
    match what {
        "approved" => msgid("accepted"),
        "rejected" => msgid("rejected"),
        _ => msgid("discarded"),
    }
}

/// Reverts a decision on a request.
pub fn request(room: &Room<Anybody>, id: RequestId) -> Result<bool, PageProblem> {
    let spool = Spool::new(room.app.site.qfiles());
    let since = Timestamp::now() - dormouse_store::decided::UNDO;
    let Some(kept) = room.store.read().decided_request(id, since)? else {
        return Ok(false);
    };
    let list = room.store.read().list_by_id(kept.held.list_id)?.ok_or(PageProblem::NoSuchList)?;
    let origin = Origin::web(&room.visitor.address, &room.visitor.network);
    let is_undone = match room.seat::<Moderates>(list) {
        Ok(seat) => undo::undo(&spool, &seat.store, &seat.list, &kept, &origin)?,
        Err(PageProblem::NotYours) => false,
        Err(problem) => return Err(problem),
    };
    tracing::info!("request {id}: undo by {}: {is_undone}", room.account.name());
    Ok(is_undone)
}

/// Reverts a decision on a post.
pub fn post(room: &Room<Anybody>, id: HeldId) -> Result<bool, PageProblem> {
    let spool = Spool::new(room.app.site.qfiles());
    let moderators =
        desk::ModerationDesk { site: &room.app.site, spool: &spool, store: &room.store };
    let since = Timestamp::now() - dormouse_store::decided::UNDO;
    let Some(kept) = room.store.read().decided_post(id, since)? else {
        return Ok(false);
    };
    let list =
        room.store.read().list_by_id(kept.held.post.list_id)?.ok_or(PageProblem::NoSuchList)?;
    let is_undone = match room.seat::<Moderates>(list) {
        Ok(seat) => moderators.undo(&seat.list, &kept)?,
        // The response does not show whether it is too late or not the visitor's list.
        Err(PageProblem::NotYours) => false,
        Err(problem) => return Err(problem),
    };
    tracing::info!("held post {id}: undo by {}: {is_undone}", room.account.name());
    Ok(is_undone)
}
