//! `set`: a member's options. Without a proof of who asks, a mail asks the member whether all that
//! one mail wanted to set is right.

use super::session::Session;
use super::{Command, Next};
use crate::membership::options::{Change, shown};
use crate::pipeline::HandlerError;
use crate::role;

/// The command.
pub const COMMAND: Command = Command {
    words: &["set"],
    help: "set ...\n    Shows and changes your options; \"set help\" says how.\n",
    run,
};

const HELP: &str = "\
set show [address=ADDRESS]
    Sends the options to the member.
set OPTION VALUE
    Changes an option. A mail asks the member for a confirmation of all
    changes together. The options:
        ack on|off          a notice for each own post
        digest plain|mime|off
                            posts collected in one mail
        delivery on|off     off stops the mail for a while
        myposts on|off      own posts come back
        hide on|off         not shown among the members
        duplicates on|off   posts that came directly come again
set authenticate PASSWORD [address=ADDRESS]
    With the password of the list's owners, or one from before there were
    links: what follows is changed at once.
";

/// What `set` knows within one mail (spec/commands.md §2).
#[derive(Debug, Default)]
pub struct State {
    /// Whose options these are, if not the sender's.
    address: Option<String>,
    is_authenticated: bool,
    /// A wrong password was given: no other is tried for this mail, as trying costs time.
    was_wrong: bool,
    /// What waits for a confirmation.
    changes: Vec<String>,
}

fn run(session: &mut Session<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    let lower: Vec<String> = arguments.iter().map(|argument| argument.to_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["show"] => show(session, None)?,
        ["show", named] if named.starts_with("address=") => {
            show(session, Some(&arguments[1]["address=".len()..]))?;
        }
        ["authenticate", _] => authenticate(session, arguments[1], None)?,
        ["authenticate", _, named] if named.starts_with("address=") => {
            authenticate(session, arguments[1], Some(&arguments[2]["address=".len()..]))?;
        }
        [option, value] => change(session, option, value)?,
        _ => session.say(HELP),
    }
    Ok(Next::Continue)
}

fn address(session: &Session<'_, '_>) -> String {
    session.set.address.clone().unwrap_or_else(|| session.sender.clone())
}

fn show(session: &mut Session<'_, '_>, named: Option<&str>) -> Result<(), HandlerError> {
    let address = named.map_or_else(|| address(session), str::to_owned);
    if !session.is_sender(&address) && !session.set.is_authenticated {
        // The member reads it, not the one who asks.
        session.reply_to = Some(address.clone());
    }
    let name = &session.post.list.settings.real_name;
    match session.registry.member(&address)? {
        Some(member) => {
            let mut text = format!("The options of {} on {name}:\n", member.address);
            for (option, value) in shown(&member) {
                text.push_str(&format!("    {option:<11} {value}\n"));
            }
            session.say(text);
        }
        None => session.say(format!("{address} is no member of {name}.")),
    }
    Ok(())
}

fn authenticate(
    session: &mut Session<'_, '_>,
    given: &str,
    named: Option<&str>,
) -> Result<(), HandlerError> {
    if let Some(named) = named {
        session.set.address = Some(named.to_owned());
    }
    if session.set.was_wrong {
        return Ok(());
    }
    let address = address(session);
    let own = match session.registry.member(&address)? {
        Some(member) => {
            role::is_members(session.post.store, session.post.list, &member.address, given)?
        }
        None => false,
    };
    session.set.is_authenticated = own || session.is_moderators(given)?;
    session.set.was_wrong = !session.set.is_authenticated;
    if session.set.was_wrong {
        session.say(
            "This is no password here. You need none: what you change is asked of the member by mail.",
        );
    }
    Ok(())
}

fn change(session: &mut Session<'_, '_>, option: &str, value: &str) -> Result<(), HandlerError> {
    let change = match Change::parse(option, value) {
        Ok(change) => change,
        Err(problem) => {
            session.say(problem);
            return Ok(());
        }
    };
    if !session.set.is_authenticated {
        session.set.changes.push(format!("{option} {value}"));
        return Ok(());
    }
    let address = address(session);
    let done = match session.registry.member(&address)? {
        Some(member) => session.registry.set_options(&member.address, &[change]).map(drop),
        None => Err(crate::membership::Refusal::NotMember.into()),
    };
    if session.settle(done)?.is_some() {
        session.say(format!("{option} is {value} for {address} now."));
    }
    Ok(())
}

/// At the end of the mail: the member is asked for all that was wanted.
pub fn finish(session: &mut Session<'_, '_>) -> Result<(), HandlerError> {
    let changes = std::mem::take(&mut session.set.changes);
    if changes.is_empty() {
        return Ok(());
    }
    let address = address(session);
    let asked = session.registry.ask_options(&address, &changes);
    let asked = session.settle_for(&address, asked)?;
    if asked.is_some() || !session.is_sender(&address) {
        session.say(format!(
            "If {address} is a member, a mail asks there for a confirmation of: {}.",
            changes.join(", ")
        ));
    }
    Ok(())
}
