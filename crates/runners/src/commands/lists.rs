//! `lists`: the lists of this host that are no secret.

use super::session::Session;
use super::{Command, Next, help};
use dormouse_pipeline::HandlerError;

/// The command.
pub const COMMAND: Command = Command {
    words: &["lists"],
    help: "lists\n    Names the public mailing lists of this host.\n",
    run,
};

fn run(session: &mut Session<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    if !arguments.is_empty() {
        let text = help::text(session)?;
        session.say(text);
        return Ok(Next::Stop);
    }
    let own = session.post.list;
    let mut text = format!("Public mailing lists at {}:\n", own.settings.host_name);
    let lists = session.post.store.lists()?;
    let shown = lists.iter().filter(|list| {
        list.id == own.id
            || list.settings.advertised && list.settings.host_name == own.settings.host_name
    });
    for (number, list) in shown.enumerate() {
        let description = list.settings.description.trim();
        let description = if description.is_empty() { "no description" } else { description };
        text.push_str(&format!(
            "\n{:>3}. {}\n     {}\n     {description}\n",
            number + 1,
            list.settings.real_name,
            list.sub_address("request"),
        ));
    }
    session.say(text);
    Ok(Next::Continue)
}
