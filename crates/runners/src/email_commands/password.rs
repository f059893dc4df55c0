//! `password`: sends a link to sign in, because members have no passwords.

use super::session::CommandSession;
use super::{Command, Next};
use dormouse_pipeline::HandlerError;
use dormouse_words::{msgid, say};

/// The command.
pub const COMMAND: Command = Command {
    words: &["password"],
    help: msgid(
        "password [address=ADDRESS]\n    Sends you, or the address, a link to the options of the \
           membership. There are\n    no passwords any more.\n",
    ),
    run,
};

fn run(session: &mut CommandSession<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    // Mailman's command has the old and the new password as arguments.
    for argument in arguments.iter().filter(|argument| !argument.contains('=')) {
        session.conceal(argument);
    }
    if !session.post.config.has_pages() {
        session.say(say(
            "There are no passwords any more, and this site has no web pages. You can see and change \
             your options by email: \"set help\" explains how.",
        ));
        return Ok(if arguments.is_empty() { Next::Continue } else { Next::Stop });
    }
    let named = arguments
        .iter()
        .find(|argument| argument.to_lowercase().starts_with("address="))
        .map(|argument| argument["address=".len()..].to_owned());
    let address = named.unwrap_or_else(|| session.sender.to_string());
    let sent = session.registry.send_login(&address);
    session.settle_for(&address, sent)?;
    session.say(
        say("There are no passwords any more. If {address} is a member of {list}, a link to the options \
             was sent there; it works once. Nothing was changed.")
        .with_text("address", session.called(&address))
        .with("list", &session.post.list.settings.real_name),
    );
    Ok(if arguments.is_empty() { Next::Continue } else { Next::Stop })
}
