//! `echo`: the words come back, to one who is known.

use super::session::Session;
use super::{Command, Next};
use dormouse_pipeline::HandlerError;

/// The command.
pub const COMMAND: Command = Command {
    words: &["echo"],
    help: "echo [words]\n    Sends the words back; nothing else is done with your mail.\n",
    run,
};

fn run(session: &mut Session<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    let words = if session.is_known { arguments.join(" ") } else { String::new() };
    session.say(format!("echo {words}").trim_end());
    Ok(Next::Stop)
}
