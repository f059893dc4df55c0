//! `echo`: sends the words back, to a sender for whom somebody vouches.

use super::session::CommandSession;
use super::{Command, Next};
use dormouse_pipeline::HandlerError;
use dormouse_words::{msgid, verbatim};

/// The command.
pub const COMMAND: Command = Command {
    words: &["echo"],
    help: msgid("echo [words]\n    Sends the words back; nothing else is done with your mail.\n"),
    run,
};

fn run(session: &mut CommandSession<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    let words = if session.is_known { arguments.join(" ") } else { String::new() };
    session.say(verbatim(format!("echo {words}").trim_end()));
    Ok(Next::Stop)
}
