//! `password`: there are none any more; a member gets a link instead.

use super::session::Session;
use super::{Command, Next};
use dormouse_pipeline::HandlerError;

/// The command.
pub const COMMAND: Command = Command {
    words: &["password"],
    help: "password [address=ADDRESS]\n    Sends you, or the address, a link to the options of the \
           membership. There are\n    no passwords any more.\n",
    run,
};

fn run(session: &mut Session<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    // Mailman took the old one and a new one.
    for argument in arguments.iter().filter(|argument| !argument.contains('=')) {
        session.conceal(argument);
    }
    if !session.post.config.has_pages() {
        session.say(
            "There are no passwords any more, and this site has no web pages. Your options are shown\n\
             and changed by mail: \"set help\" says how.",
        );
        return Ok(if arguments.is_empty() { Next::Continue } else { Next::Stop });
    }
    let named = arguments
        .iter()
        .find(|argument| argument.to_lowercase().starts_with("address="))
        .map(|argument| argument["address=".len()..].to_owned());
    let address = named.unwrap_or_else(|| session.sender.clone());
    let sent = session.registry.send_login(&address);
    session.settle_for(&address, sent)?;
    session.say(format!(
        "There are no passwords any more. If {address}\nis a member of {}, a link to the options of \
         the membership\nwas sent there; it works once. Nothing else was changed.",
        session.post.list.settings.real_name,
        address = session.called(&address),
    ));
    Ok(if arguments.is_empty() { Next::Continue } else { Next::Stop })
}
