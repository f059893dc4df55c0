//! `help`: what can be asked for.

use super::session::Session;
use super::{COMMANDS, Command, Next};
use dormouse_pipeline::HandlerError;

/// The command.
pub const COMMAND: Command =
    Command { words: &["help"], help: "help\n    Sends this text.\n", run };

fn run(session: &mut Session<'_, '_>, _: &[&str]) -> Result<Next, HandlerError> {
    let text = text(session)?;
    session.say(text);
    Ok(Next::Continue)
}

/// The help, with where a sender who is a member finds the own options.
pub fn text(session: &Session<'_, '_>) -> Result<String, HandlerError> {
    let commands: String = COMMANDS.iter().map(|command| command.help).collect();
    let post = session.post;
    let options = match session.registry.member(&session.sender)? {
        Some(member) if post.config.has_pages() => {
            format!("Your options: {}\n", post.list.options_url(post.config, &member.address))
        }
        _ => String::new(),
    };
    let language = post.store.language_of(post.list.id, &session.sender)?;
    Ok(post.notices().help(&commands, &options, &language))
}
