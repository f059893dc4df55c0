//! `end`: ends the commands of a mail.

use super::session::CommandSession;
use super::{Command, Next};
use dormouse_pipeline::HandlerError;
use dormouse_words::msgid;

/// The command.
pub const COMMAND: Command = Command {
    words: &["end", "stop"],
    help: msgid(
        "end\n    Ends the commands, for mail programs that put a signature below. Also: stop\n",
    ),
    run,
};

fn run(_: &mut CommandSession<'_, '_>, _: &[&str]) -> Result<Next, HandlerError> {
    Ok(Next::Stop)
}
