//! `set`: shows and changes a member's options. Without a proof of who asks, the member must
//! confirm all changes of one mail.

use super::session::{CommandSession, is_moderators};
use super::{Command, Next};
use dormouse_membership::options::{OptionChange, table};
use dormouse_membership::role;
use dormouse_pipeline::HandlerError;
use dormouse_words::{msgid, say, verbatim};

/// The command.
pub const COMMAND: Command = Command {
    words: &["set"],
    help: msgid("set ...\n    Shows and changes your options; \"set help\" says how.\n"),
    run,
};

const HELP: &str = msgid(
    "\
set show [address=ADDRESS]
    Shows your options, or sends those of the address to it.
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
",
);

/// The state of `set` within one mail (docs/spec/commands.md §2).
#[derive(Debug, Default)]
pub struct State {
    /// The member, if it is not the sender.
    address: Option<String>,
    is_authenticated: bool,
    /// The changes that wait for a confirmation.
    changes: Vec<String>,
}

fn run(session: &mut CommandSession<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
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
        _ => session.say(say(HELP)),
    }
    Ok(Next::Continue)
}

fn address(session: &CommandSession<'_, '_>) -> String {
    session.set.address.clone().unwrap_or_else(|| session.sender.to_string())
}

fn show(session: &mut CommandSession<'_, '_>, named: Option<&str>) -> Result<(), HandlerError> {
    let of_state = address(session);
    let address = named.unwrap_or(&of_state);
    let is_proved = session.set.is_authenticated && address.eq_ignore_ascii_case(&of_state);
    let name = &session.post.list.settings.real_name;
    if !session.is_sender(address) && !is_proved {
        // The options are sent to the member, in a separate mail.
        let sent = session.registry.send_options(address);
        session.settle_for(address, sent)?;
        let address = session.called(address);
        session.say(
            say("If {address} is a member of {list}, the options were sent there.")
                .with_text("address", address)
                .with("list", name),
        );
        return Ok(());
    }
    match session.registry.member(address)? {
        Some(member) => {
            session.say(
                say("The options of {address} on {list}:")
                    .with("address", &member.address)
                    .with("list", name),
            );
            session.say(verbatim(table(&member)));
        }
        None => session.say(
            say("{address} is not a member of {list}.").with("address", address).with("list", name),
        ),
    }
    Ok(())
}

fn authenticate(
    session: &mut CommandSession<'_, '_>,
    given: &str,
    named: Option<&str>,
) -> Result<(), HandlerError> {
    if let Some(named) = named {
        session.set.address = Some(named.to_owned());
    }
    let member = session.registry.member(&address(session))?;
    session.set.is_authenticated = session.try_password(given, |store, list| {
        let own = match &member {
            Some(member) => role::is_members(store, list, &member.address, given)?,
            None => false,
        };
        Ok(own || is_moderators(store, list, given)?)
    })?;
    if !session.set.is_authenticated {
        session.say(say(
            "This password is not correct. You do not need one: the member is asked by email to \
             confirm your changes.",
        ));
    }
    Ok(())
}

fn change(
    session: &mut CommandSession<'_, '_>,
    option: &str,
    value: &str,
) -> Result<(), HandlerError> {
    let change = match OptionChange::parse(option, value) {
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
        None => Err(dormouse_membership::Refusal::NotMember.into()),
    };
    if session.settle(done)?.is_some() {
        session.say(
            say("{option} is now {value} for {address}.")
                .with("option", option)
                .with("value", value)
                .with("address", address),
        );
    }
    Ok(())
}

/// At the end of the mail, asks the member to confirm all changes.
pub fn finish(session: &mut CommandSession<'_, '_>) -> Result<(), HandlerError> {
    let changes = std::mem::take(&mut session.set.changes);
    if changes.is_empty() {
        return Ok(());
    }
    let address = address(session);
    let asked = session.registry.ask_options(&address, &changes);
    let asked = session.settle_for(&address, asked)?;
    if asked.is_some() || !session.is_sender(&address) {
        session.say(
            say("If {address} is a member, an email was sent there to confirm: {changes}")
                .with_text("address", session.called(&address))
                .with("changes", changes.join(", ")),
        );
    }
    Ok(())
}
