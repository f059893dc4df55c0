//! `confirm`: executes the request of a cookie (docs/spec/commands.md §3). For the cookie of a held
//! post, a moderator's password is required, too.

use super::session::CommandSession;
use super::{Command, Next};
use dormouse_mail::conceal;
use dormouse_membership::confirm::{ConfirmChoice, Confirmed};
use dormouse_membership::moderation::desk::{self, PostDecision};
use dormouse_pipeline::HandlerError;
use dormouse_store::Held;
use dormouse_words::{msgid, say};

/// The command.
pub const COMMAND: Command = Command {
    words: &["confirm"],
    help: msgid(
        "confirm CODE\n    Confirms what was asked for. The code is in the mail that asks you.\n",
    ),
    run,
};

fn run(session: &mut CommandSession<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    // The rest of the mail is a quotation of the mail that it replies to.
    session.is_answer = true;
    let [cookie] = arguments else {
        session
            .say(say("confirm takes the code from the email that you received, and nothing else."));
        return Ok(Next::Stop);
    };
    let cookie = cookie.to_lowercase();
    let held = session.post.store.read().held_by_cookie(&cookie)?;
    if let Some(held) = held.filter(|held| held.post.list_id == session.post.list.id) {
        decide(session, &held)?;
        return Ok(Next::Stop);
    }
    let confirmed = session.registry.confirm(&cookie, &ConfirmChoice::default());
    let Some(confirmed) = session.settle(confirmed)? else { return Ok(Next::Stop) };
    let settings = &session.post.list.settings;
    let name = &settings.real_name;
    let said = match confirmed {
        Confirmed::Joined(_) if settings.send_welcome_msg => None,
        Confirmed::Joined(address) => Some(
            say("{address} is now a member of {list}.").with("address", address).with("list", name),
        ),
        Confirmed::Left(_) if settings.send_goodbye_msg => None,
        Confirmed::Left(address) => Some(
            say("{address} is no longer a member of {list}.")
                .with("address", address)
                .with("list", name),
        ),
        Confirmed::Held(_) => Some(
            say("Your address is confirmed. The moderators of {list} decide on your request and let you know.")
                .with("list", name),
        ),
        // Both addresses get a mail about it.
        Confirmed::Moved { .. } => None,
        Confirmed::ReEnabled(address) => Some(
            say("{address} receives the mail of {list} again.")
                .with("address", address)
                .with("list", name),
        ),
        Confirmed::OptionsSet(address) => Some(say("The options of {address} are saved.").with("address", address)),
        // Not by mail.
        Confirmed::LoggedIn(_) => None,
    };
    match said {
        Some(text) => session.say(text),
        None => session.is_silent = true,
    }
    Ok(Next::Stop)
}

/// Approves a held post if there is a right password. Without one nothing is decided: the reply may
/// be automatic, or from somebody who asks something.
fn decide(session: &mut CommandSession<'_, '_>, held: &Held) -> Result<(), HandlerError> {
    let post = session.post;
    let attempts = conceal::attempts(&post.message);
    match attempts.in_header.or(attempts.in_text) {
        Some(password) if session.is_moderators(password.trim())? => {
            let decision = PostDecision::Approve { remember: false };
            if let Some(decided) = desk::decide(post.site, post.store, post.list, held, &decision)?
            {
                session.decided.push(decided);
            }
            session.say(
                say("The post from {address} goes to the list.").with("address", &held.post.sender),
            );
        }
        Some(_) => session.say(say("The password is not correct. The post is still waiting.")),
        None => session.say(say(
            "There is no password in your reply, so the post is still waiting. To accept it, write \
             \"Approved:\" and the list's password as the first line. To discard or reject it, use \
             the link in the notice.",
        )),
    }
    Ok(())
}
