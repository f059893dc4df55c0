//! `unsubscribe`: ends a membership.

use super::session::CommandSession;
use super::{Command, Next};
use dormouse_membership::Asked;
use dormouse_membership::role;
use dormouse_pipeline::HandlerError;
use dormouse_words::{msgid, say};

/// The command.
pub const COMMAND: Command = Command {
    words: &["unsubscribe", "leave", "remove"],
    help: msgid(
        "unsubscribe [address=ADDRESS]\n    Ends your membership, or that of the address, to which \
           a mail is sent\n    to confirm it. Also: leave, remove\n",
    ),
    run,
};

fn run(session: &mut CommandSession<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    let (mut given, mut other) = (None, None);
    for (place, argument) in arguments.iter().enumerate() {
        match argument.to_lowercase().strip_prefix("address=") {
            Some(_) => other = Some(&argument["address=".len()..]),
            None if place == 0 => {
                session.conceal(argument);
                given = Some(*argument);
            }
            None => {
                session.say(say("unsubscribe takes address=ADDRESS and nothing else."));
                return Ok(Next::Stop);
            }
        }
    }
    let address = other.unwrap_or(&session.sender).to_owned();
    // An imported password proves who asks; with a wrong one the member must confirm by mail.
    let is_proved = match (given, session.registry.member(&address)?) {
        (Some(given), Some(member)) => session.try_password(given, |store, list| {
            role::is_members(store, list, &member.address, given)
        })?,
        _ => false,
    };
    let asked = session.registry.leave(&address, is_proved);
    let asked = session.settle_for(&address, asked)?;
    let name = &session.post.list.settings.real_name;
    let is_sender = session.is_sender(&address);
    match asked {
        Some(Asked::Done) => session.say(
            say("{address} is no longer a member of {list}.")
                .with("address", address)
                .with("list", name),
        ),
        Some(Asked::Confirm) if is_sender => session.is_silent = true,
        Some(Asked::Held) if is_sender => {
            session.say(
                say("The moderators of {list} decide on your request and let you know.")
                    .with("list", name),
            );
        }
        None if is_sender => {}
        _ => session.say(
            say("If {address} is a member of {list}, an email was sent there, or the moderators decide.")
                .with_text("address", session.called(&address))
                .with("list", name),
        ),
    }
    Ok(Next::Continue)
}
