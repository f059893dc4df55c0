//! The periodic job for what waits for moderators (Mailman's `cron/checkdbs`): reminders, and expiry.

use super::SECRET;
use super::desk::{ModerationDesk, PostDecision};
use crate::Origin;
use crate::Output;
use crate::RunError;
use crate::notices::Notices;
use crate::requests::{self, describe};
use dormouse_clock::Timestamp;
use dormouse_spool::EntryName;
use dormouse_store::{Held, HeldRequest, List, Period};

/// The result of the job, in numbers.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WaitingTally {
    /// Lists whose moderators were reminded.
    pub reminded: u64,
    /// Posts that expired.
    pub expired: u64,
    /// Requests to join or leave that expired.
    pub requests_expired: u64,
}

const DAY: f64 = 86_400.0;

/// Expires posts that waited longer than `max_days_to_hold`, requests that waited longer than
/// `max_days_to_hold_requests`, and unconfirmed requests; and reminds moderators of what waits, once a
/// day and list. `now` is.
pub fn check(
    desk: &ModerationDesk<'_>,
    today: &Period,
    now: Timestamp,
) -> Result<WaitingTally, RunError> {
    let mut tally = WaitingTally::default();
    for list in desk.store.read().iter_lists() {
        let list = list?;
        let waiting = desk.store.read().held_posts(list.id)?;
        let is_over = |since: Timestamp, days: i64| days > 0 && now - since > days as f64 * DAY;
        let days = list.settings.max_days_to_hold.kept();
        let (expired, waiting): (Vec<Held>, Vec<Held>) =
            waiting.into_iter().partition(|held| is_over(held.post.held_at, days));
        let notices = Notices { list: &list, site: desk.site };
        if !expired.is_empty() {
            tally.expired += expired.len() as u64;
            // Told before it is discarded: a crash in between repeats the notice.
            send(desk, &list, now, notices.held_expired(&expired))?;
            for held in &expired {
                desk.decide(&list, held, &PostDecision::Expire)?;
            }
        }
        let days = list.settings.max_days_to_hold_requests.kept();
        let (expired, requests): (Vec<HeldRequest>, Vec<HeldRequest>) = desk
            .store
            .read()
            .held_requests(list.id)?
            .into_iter()
            .partition(|held| is_over(held.held_at, days));
        for held in &expired {
            tally.requests_expired += u64::from(drop_request(desk, &list, held)?);
        }
        if waiting.is_empty() && requests.is_empty() {
            continue;
        }
        tally.reminded += desk.store.write(|tx| -> Result<u64, RunError> {
            let first = tx.mark_done("pending", list.id, today)?;
            if first {
                let key = tx.secret(crate::SECRET)?;
                let requests: Vec<(String, Option<String>)> = requests
                    .iter()
                    .map(|held| {
                        (describe(&held.request).to_string(), notices.request_url(held, &key))
                    })
                    .collect();
                let notice = notices.pending(&waiting, &tx.secret(SECRET)?, &requests);
                send(desk, &list, now, notice)?;
            }
            Ok(u64::from(first))
        })?;
    }
    desk.store.write(|tx| {
        tx.forget_decided(now)?;
        tx.expire_pending(now)
    })?;
    Ok(tally)
}

/// Discards a request. As with posts, the requester is not told: it may be a forged address. Returns
/// false if a decision was faster.
fn drop_request(
    desk: &ModerationDesk<'_>,
    list: &List,
    held: &HeldRequest,
) -> Result<bool, RunError> {
    let decision = requests::RequestDecision::Discard { ban: false };
    let origin = Origin::owner("the clock: it waited too long");
    let done = crate::act(desk.site, desk.spool, desk.store, list, origin, |registry| {
        registry.decide(held, &decision)
    })?;
    let dropped = done.unwrap_or(false);
    if dropped {
        tracing::info!(target: "vette",
            "{}: {} discarded, because it waited too long (max_days_to_hold_requests)",
            list.name,
            describe(&held.request)
        );
    }
    Ok(dropped)
}

fn send(
    desk: &ModerationDesk<'_>,
    list: &List,
    now: Timestamp,
    output: Output,
) -> Result<(), RunError> {
    let name = EntryName::new(now, output.label.as_bytes(), &list.name);
    let mut batch = desk.spool.batch();
    batch.enqueue(output.queue, &name, &output.entry)?;
    Ok(batch.commit()?)
}
