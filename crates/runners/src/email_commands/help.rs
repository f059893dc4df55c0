//! `help`: explains the commands.

use super::session::CommandSession;
use super::{COMMANDS, Command, Next};
use dormouse_pipeline::HandlerError;
use dormouse_words::{Text, msgid, say, verbatim};

/// The command.
pub const COMMAND: Command =
    Command { words: &["help"], help: msgid("help\n    Sends this text.\n"), run };

fn run(session: &mut CommandSession<'_, '_>, _: &[&str]) -> Result<Next, HandlerError> {
    let text = text(session)?;
    session.say(verbatim(text));
    Ok(Next::Continue)
}

/// Returns the help text, with the address of the options page if the sender is a member.
pub fn text(session: &CommandSession<'_, '_>) -> Result<String, HandlerError> {
    let tell = |text: Text| text.to(session.language).to_string();
    let commands: String = COMMANDS.iter().map(|command| tell(say(command.help))).collect();
    let post = session.post;
    let options = match session.registry.member(&session.sender)? {
        Some(member) if post.config.has_pages() => {
            let url = post.list.options_url(post.config, &member.address);
            tell(say("Your options: {url}").with("url", url)) + "\n"
        }
        _ => String::new(),
    };
    Ok(post.notices().help(&commands, &options, session.language.code()))
}
