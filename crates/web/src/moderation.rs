//! Everything that waits for a moderator, on all of the visitor's lists: posts and requests. Buttons
//! decide on one, on all of a sender, or on the selected ones.
//!
//! A button names what it decides on (`accept:p3,p7`), so that what arrived in the meantime is not
//! affected.

use crate::desk::{Desk, PageProblem, Sent};
use crate::held::{since, subject};
use crate::page::{self, Frame};
use crate::preview::{Preview, cut};
use crate::seat::{Anybody, Moderates, Room, Seat, list_page, room_page};
use crate::server::App;
use crate::undo::{self, Undoable};
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_mail::address::Address;
use dormouse_mail::{AddressKey, Message, mime};
use dormouse_membership::moderation::desk::{self, PostDecision, Taken};
use dormouse_membership::requests::{self, describe};
use dormouse_spool::{Entry, Spool};
use dormouse_store::{Held, HeldId, HeldRequest, RequestId};
use dormouse_words::say;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The number of posts on the page; further ones follow when these are decided on.
const SHOWN: usize = 100;
/// The length of an excerpt in characters, and the size in bytes from which a post has none.
const EXCERPT: usize = 280;
const MOST_READ: i64 = 256 * 1024;
/// The maximum number of recipients of a forwarded post.
const MOST_FORWARDED: usize = 10;
/// The maximum length of a reason, in bytes.
const REASON: usize = 10_000;

pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(room_page("/moderation", all, Some(decide)))
        .merge(room_page("/moderation/post/{id}", one, None))
        .merge(list_page("/admindb/{list}", of_list, Some(decide_of_list)))
}

#[derive(Template)]
#[template(path = "moderation.html")]
struct ModerationPage {
    frame: Frame,
    action: String,
    /// The list of the page, if it is about one list.
    only: String,
    lists: Vec<Waiting>,
    /// Recent decisions that can be undone.
    decided: Vec<Undoable>,
    /// How many posts are not shown.
    more: usize,
    said: String,
    moderates_none: bool,
    must_show_again: Option<String>,
}

/// What waits on a list.
struct Waiting {
    name: String,
    url: String,
    requests: Vec<Ask>,
    senders: Vec<Sender>,
}

struct Ask {
    key: String,
    text: String,
    address: String,
    since: String,
}

/// What waits from a sender.
struct Sender {
    address: String,
    keys: String,
    posts: Vec<Post>,
}

struct Post {
    key: String,
    url: String,
    subject: String,
    since: String,
    reason: String,
    excerpt: String,
    rejection: String,
}

#[derive(Template)]
#[template(path = "moderation_post.html")]
struct PostPage {
    frame: Frame,
    action: String,
    only: String,
    list: String,
    key: String,
    subject: String,
    sender: String,
    since: String,
    reason: String,
    setting: String,
    rejection: String,
    said: String,
    preview: Preview,
}

fn all(room: &Room<Anybody>) -> Result<Response, PageProblem> {
    let (seats, must_show_again) = room.seats::<Moderates>()?;
    if seats.is_empty() && must_show_again {
        return Err(crate::session::sign_in(&room.visitor, true));
    }
    let again = must_show_again.then(|| match crate::session::sign_in(&room.visitor, true) {
        PageProblem::SignIn(place) => place,
        _ => room.place("signin"),
    });
    let page = ModerationPage {
        must_show_again: again,
        moderates_none: seats.is_empty(),
        ..overview(
            room.frame(),
            &room.place(""),
            &seats,
            "",
            said(&room.frame(), &room.asked.query),
        )?
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// Mailman's page of one list, also with the address in its notices for one post.
fn of_list(seat: &Seat<Moderates>) -> Result<Response, PageProblem> {
    let place = &seat.visitor.base;
    if let Ok(id) = seat.asked.query.get("msgid").parse::<i64>() {
        return Ok(page::see_other(&format!("{place}moderation/post/{id}")));
    }
    let name = seat.list.name.clone();
    let said = said(&seat.frame(), &seat.asked.query);
    let page = overview(seat.frame(), place, std::slice::from_ref(seat), &name, said)?;
    Ok(page::page(StatusCode::OK, &page))
}

/// The result, as the page's own address says.
fn said(frame: &Frame, query: &crate::desk::Fields) -> String {
    let number = |name: &str| query.get(name).parse::<u64>().unwrap_or(0);
    let mut said = Vec::new();
    match number("done") {
        0 => {}
        done => said.push(frame.count("Done.", "{count} decisions were carried out.", done)),
    }
    match number("late") {
        0 => {}
        late => said.push(frame.count(
            "{count} was no longer waiting: somebody else has decided on it.",
            "{count} were no longer waiting: somebody else has decided on them.",
            late,
        )),
    }
    match number("undone") {
        0 => {}
        undone => said.push(frame.count(
            "The decision is undone. It can be made again.",
            "{count} decisions are undone. They can be made again.",
            undone,
        )),
    }
    if number("left") > 0 {
        said.push(
            frame.say("It is too late to undo this: it has already been sent, or more than a minute has passed."),
        );
    }
    if number("once") > 0 {
        said.push(frame.say("The sender is not an address and could not be remembered."));
    }
    said.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn overview(
    frame: Frame,
    base: &str,
    seats: &[Seat<Moderates>],
    only: &str,
    said: String,
) -> Result<ModerationPage, PageProblem> {
    let (mut lists, mut left, mut more) = (Vec::new(), SHOWN, 0);
    let mut decided = Vec::new();
    for seat in seats {
        decided.extend(undo::undoable(seat, &frame)?);
        let requests = seat.store.read().held_requests(seat.list.id)?;
        let requests: Vec<Ask> = requests.iter().map(|held| ask(&frame, held)).collect();
        let held = seat.store.read().held_posts(seat.list.id)?;
        more += held.len().saturating_sub(left);
        let mut senders: BTreeMap<AddressKey, Vec<Post>> = BTreeMap::new();
        let mut order = Vec::new();
        for held in held.iter().take(left) {
            let posts = senders.entry(AddressKey::of(&held.post.sender)).or_insert_with(|| {
                order.push(AddressKey::of(&held.post.sender));
                Vec::new()
            });
            posts.push(post(&frame, seat, base, held)?);
        }
        left -= held.len().min(left);
        if requests.is_empty() && order.is_empty() {
            continue;
        }
        let senders = order.into_iter().map(|address| {
            let posts = senders.remove(&address).unwrap_or_default();
            let keys: Vec<&str> = posts.iter().map(|post| post.key.as_str()).collect();
            Sender { keys: keys.join(","), address: address.into(), posts }
        });
        lists.push(Waiting {
            name: seat.name(),
            url: seat.place("listinfo"),
            requests,
            senders: senders.collect(),
        });
    }
    Ok(ModerationPage {
        frame,
        action: format!("{base}moderation"),
        only: only.to_owned(),
        lists,
        decided,
        more,
        said,
        moderates_none: false,
        must_show_again: None,
    })
}

fn ask(frame: &Frame, held: &HeldRequest) -> Ask {
    Ask {
        key: format!("r{}", held.id),
        text: frame.tell(&describe(&held.request)).to_string(),
        address: held.request.address().to_owned(),
        since: since(frame, held.held_at),
    }
}

fn post(frame: &Frame, desk: &Desk, base: &str, held: &Held) -> Result<Post, PageProblem> {
    let entry = match desk.store.read().held_content_up_to(held.id, MOST_READ)? {
        // A post that cannot be read is shown without its text.
        Some(content) => Entry::from_bytes(&content, Path::new("a held post")).ok(),
        None => None,
    };
    let rejection = entry.as_ref().and_then(desk::rejection_notice).unwrap_or_default();
    let text = entry.and_then(|entry| mime::first_text(&Message::parse(entry.message)));
    let text = text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut excerpt, is_cut) = cut(&text, EXCERPT);
    excerpt.extend(is_cut.then_some('…'));
    Ok(Post {
        key: format!("p{}", held.id),
        url: format!("{base}moderation/post/{}", held.id),
        subject: subject(frame, held),
        since: since(frame, held.post.held_at),
        reason: desk.reason(&held.post.reason),
        excerpt,
        rejection,
    })
}

/// The post of that number, if the visitor moderates its list.
fn find(room: &Room<Anybody>, id: HeldId) -> Result<Option<(Seat<Moderates>, Held)>, PageProblem> {
    let Some(held) = room.store.read().held(id)? else { return Ok(None) };
    let Some(list) = room.store.read().list_by_id(held.post.list_id)? else { return Ok(None) };
    match room.seat(list) {
        Ok(seat) => Ok(Some((seat, held))),
        Err(PageProblem::NotYours) => Ok(None),
        Err(problem) => Err(problem),
    }
}

fn one(room: &Room<Anybody>) -> Result<Response, PageProblem> {
    let Ok(id) = room.asked.part("id").parse() else { return Ok(page::not_found()) };
    let Some((seat, held)) = find(room, id)? else { return Ok(nothing_to_decide()) };
    let spool = Spool::new(room.app.site.qfiles());
    let moderators =
        desk::ModerationDesk { site: &room.app.site, spool: &spool, store: &room.store };
    let entry = moderators.entry(&held)?;
    let rejection = desk::rejection_notice(&entry).unwrap_or_default();
    let frame = seat.frame();
    let page = PostPage {
        action: room.place("moderation"),
        only: seat.list.name.to_string(),
        list: seat.name(),
        key: format!("p{}", held.id),
        subject: subject(&frame, &held),
        sender: held.post.sender.clone(),
        since: since(&frame, held.post.held_at),
        reason: seat.reason(&held.post.reason),
        setting: held.post.setting.clone(),
        rejection,
        said: match room.asked.query.get("forwarded") {
            "" => String::new(),
            "no" => frame.say("This is not an address, so nothing was sent.").to_string(),
            _ => frame.say("A copy is on its way. The post is still waiting.").to_string(),
        },
        preview: Preview::of(&Message::parse(entry.message), &frame),
        frame,
    };
    Ok(page::page(StatusCode::OK, &page))
}

fn nothing_to_decide() -> Response {
    page::message(
        StatusCode::GONE,
        say("Nothing to decide"),
        say("This post is no longer waiting, or you may not decide on it."),
    )
}

/// Mailman's page handled decisions, too.
fn decide_of_list(seat: &Seat<Moderates>, sent: &Sent) -> Result<Response, PageProblem> {
    decide(&seat.room()?, sent)
}

/// The results of decisions.
#[derive(Default)]
struct Tally {
    done: usize,
    late: usize,
    once: usize,
    undone: usize,
    left: usize,
}

/// What a key on the page means: `p7` a held post, `r7` a request.
enum Named {
    Post(HeldId),
    Request(RequestId),
}

impl Named {
    fn parse(key: &str) -> Option<Named> {
        match key.strip_prefix('p') {
            Some(id) => id.parse().ok().map(Named::Post),
            None => key.strip_prefix('r')?.parse().ok().map(Named::Request),
        }
    }
}

impl Tally {
    fn count_undone(&mut self, is_undone: bool) {
        match is_undone {
            true => self.undone += 1,
            false => self.left += 1,
        }
    }
}

fn decide(room: &Room<Anybody>, sent: &Sent) -> Result<Response, PageProblem> {
    let (verb, named) = sent.get("do").split_once(':').unwrap_or((sent.get("do"), ""));
    let keys: Vec<&str> = match named {
        "" => sent.all("item").collect(),
        named => named.split(',').collect(),
    };
    let mut tally = Tally::default();
    for key in keys {
        let reason = match sent.get(&format!("reason-{key}")) {
            "" => sent.get("reason"),
            reason => reason,
        };
        let reason = cut(&reason.replace("\r\n", "\n"), REASON).0;
        match Named::parse(key) {
            Some(Named::Post(id)) if verb == "undo" => tally.count_undone(undo::post(room, id)?),
            Some(Named::Request(id)) if verb == "undo" => {
                tally.count_undone(undo::request(room, id)?);
            }
            Some(Named::Post(id)) if verb == "forward" => {
                return forward(room, id, sent.get("forward-to"));
            }
            Some(Named::Post(id)) => decide_post(room, id, verb, reason, &mut tally)?,
            Some(Named::Request(id)) => {
                let Some(held) = room.store.read().held_request(id)? else {
                    tally.late += 1;
                    continue;
                };
                let list =
                    room.store.read().list_by_id(held.list_id)?.ok_or(PageProblem::NoSuchList)?;
                decide_request(&room.seat(list)?, &held, verb, reason, &mut tally)?;
            }
            None => return Ok(not_understood()),
        }
    }
    let place = match sent.get("list") {
        "" => room.place("moderation"),
        list => room.place(&format!("admindb/{}", dormouse_archive::percent(list))),
    };
    let Tally { done, late, once, undone, left } = tally;
    Ok(page::see_other(&format!(
        "{place}?done={done}&late={late}&once={once}&undone={undone}&left={left}"
    )))
}

/// Sends a copy of a post to an address that the moderator entered; the post still waits.
fn forward(room: &Room<Anybody>, id: HeldId, to: &str) -> Result<Response, PageProblem> {
    let Some((seat, held)) = find(room, id)? else { return Ok(nothing_to_decide()) };
    let place = room.place(&format!("moderation/post/{id}"));
    let to: Vec<String> =
        to.split([',', ' ']).filter(|address| !address.is_empty()).map(str::to_owned).collect();
    let is_good = (1..=MOST_FORWARDED).contains(&to.len())
        && to.iter().all(|address| Address::parse(address).is_ok());
    if !is_good {
        return Ok(page::see_other(&format!("{place}?forwarded=no")));
    }
    let spool = Spool::new(room.app.site.qfiles());
    let moderators =
        desk::ModerationDesk { site: &room.app.site, spool: &spool, store: &room.store };
    moderators.forward(&seat.list, &held, &to)?;
    tracing::info!(
        "{}: held post {id}: forwarded to {} by {}",
        seat.list.name,
        to.join(", "),
        room.account.name()
    );
    Ok(page::see_other(&format!("{place}?forwarded=yes")))
}

fn decide_post(
    room: &Room<Anybody>,
    id: HeldId,
    verb: &str,
    reason: String,
    tally: &mut Tally,
) -> Result<(), PageProblem> {
    let decision = match verb {
        "accept" => PostDecision::Approve { remember: false },
        "remember" => PostDecision::Approve { remember: true },
        "reject" => {
            PostDecision::Reject { reason: Some(reason).filter(|reason| !reason.trim().is_empty()) }
        }
        "discard" => PostDecision::Discard { ban: false },
        "ban" => PostDecision::Discard { ban: true },
        _ => return Err(PageProblem::StaleForm),
    };
    // A post that does not exist and one that the visitor may not see look the same.
    let Some((seat, held)) = find(room, id)? else {
        tally.late += 1;
        return Ok(());
    };
    let spool = Spool::new(room.app.site.qfiles());
    let moderators =
        desk::ModerationDesk { site: &room.app.site, spool: &spool, store: &room.store };
    match moderators.decide(&seat.list, &held, &decision)? {
        Taken::Done => tally.done += 1,
        Taken::NotRemembered => {
            tally.done += 1;
            tally.once += 1;
        }
        Taken::TooLate => tally.late += 1,
    }
    tracing::info!(
        "{}: held post {id}: {verb} by {} from {}",
        seat.list.name,
        room.account.name(),
        room.visitor.address
    );
    Ok(())
}

fn decide_request(
    seat: &Seat<Moderates>,
    held: &HeldRequest,
    verb: &str,
    reason: String,
    tally: &mut Tally,
) -> Result<(), PageProblem> {
    let decision = match verb {
        "accept" | "remember" => requests::RequestDecision::Approve,
        "reject" => requests::RequestDecision::Reject {
            reason: match reason.trim() {
                "" => seat.frame().say("No reason was given.").to_string(),
                _ => reason,
            },
        },
        "discard" => requests::RequestDecision::Discard { ban: false },
        "ban" => requests::RequestDecision::Discard { ban: true },
        _ => return Err(PageProblem::StaleForm),
    };
    match seat.act(|registry| registry.decide(held, &decision))?? {
        true => tally.done += 1,
        false => tally.late += 1,
    }
    Ok(())
}

fn not_understood() -> Response {
    page::message(
        StatusCode::BAD_REQUEST,
        say("Not understood"),
        say("This decision is not possible here. Please go back and choose again."),
    )
}
