//! `confirm`: what a cookie stands for happens (docs/spec/commands.md §3). The cookie of a held post
//! takes a moderator's password beside it.

use super::session::Session;
use super::{Command, Next};
use dormouse_mail::conceal;
use dormouse_membership::confirm::{Choice, Confirmed};
use dormouse_membership::moderation::desk::{self, Decision};
use dormouse_pipeline::HandlerError;
use dormouse_store::Held;

/// The command.
pub const COMMAND: Command = Command {
    words: &["confirm"],
    help: "confirm CODE\n    Confirms what was asked for. The code is in the mail that asks you.\n",
    run,
};

fn run(session: &mut Session<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    // What else stands in the mail is what it answers.
    session.is_answer = true;
    let [cookie] = arguments else {
        session
            .say("confirm takes the code that stands in the mail that asks you, and nothing else.");
        return Ok(Next::Stop);
    };
    let cookie = cookie.to_lowercase();
    let held = session.post.store.held_by_cookie(&cookie)?;
    if let Some(held) = held.filter(|held| held.post.list_id == session.post.list.id) {
        decide(session, &held)?;
        return Ok(Next::Stop);
    }
    let confirmed = session.registry.confirm(&cookie, &Choice::default());
    let Some(confirmed) = session.settle(confirmed)? else { return Ok(Next::Stop) };
    let settings = &session.post.list.settings;
    let name = &settings.real_name;
    let said = match confirmed {
        Confirmed::Joined(_) if settings.send_welcome_msg => None,
        Confirmed::Joined(address) => Some(format!("{address} is a member of {name} now.")),
        Confirmed::Left(_) if settings.send_goodbye_msg => None,
        Confirmed::Left(address) => Some(format!("{address} is no member of {name} any more.")),
        Confirmed::Held(_) => Some(format!(
            "Your address is confirmed. Now your request waits for those who run\n{name}; you hear of \
             their decision."
        )),
        // Both addresses hear of it.
        Confirmed::Moved { .. } => None,
        Confirmed::ReEnabled(address) => Some(format!("{address} gets the mail of {name} again.")),
        Confirmed::OptionsSet(address) => Some(format!("The options of {address} are set.")),
        // Not by mail.
        Confirmed::LoggedIn(_) => None,
    };
    match said {
        Some(text) => session.say(text),
        None => session.is_silent = true,
    }
    Ok(Next::Stop)
}

/// A held post goes out if there is a right password. Without one nothing is decided: an answer may
/// have been written by a program, or by somebody who wants to ask something.
fn decide(session: &mut Session<'_, '_>, held: &Held) -> Result<(), HandlerError> {
    let post = session.post;
    let attempts = conceal::attempts(&post.message);
    match attempts.in_header.or(attempts.in_text) {
        Some(password) if session.is_moderators(password.trim())? => {
            let decision = Decision::Approve { remember: false };
            if let Some(decided) = desk::decide(post.site, post.store, post.list, held, &decision)?
            {
                session.decided.push(decided);
            }
            session.say(format!("The post from {} goes to the list.", held.post.sender));
        }
        Some(_) => session.say("The password is not right. The post goes on waiting."),
        None => session.say(
            "There is no password in your answer, so the post goes on waiting. To let\nit through, \
             write \"Approved:\" and the list's password as the first line. To\ndrop it or send it \
             back, use the link in the notice.",
        ),
    }
    Ok(())
}
