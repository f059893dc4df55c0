//! `who`: names the members, as `private_roster` allows.

use super::session::CommandSession;
use super::{Command, Next};
use dormouse_pipeline::HandlerError;
use dormouse_store::{Member, MemberOption, Roster};
use dormouse_words::{msgid, say, verbatim};

/// The command.
pub const COMMAND: Command = Command {
    words: &["who"],
    help: msgid(
        "who [password]\n    Lists the members, for those who may see them. The password is that of the\n    \
           list's owners or moderators.\n",
    ),
    run,
};

fn run(session: &mut CommandSession<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    let list = session.post.list;
    if arguments.len() > 1 || arguments.iter().any(|word| word.contains('=')) {
        session.say(say(
            "who takes a password and nothing else. Members send it from the address of their \
             membership.",
        ));
        return Ok(Next::Stop);
    }
    let is_owner = match arguments.first() {
        Some(password) => session.is_moderators(password)?,
        None => false,
    };
    let may_know = is_owner
        || match list.settings.private_roster {
            Roster::Anyone => true,
            // The reply is sent to the member, even if somebody else asked in the member's name.
            Roster::Members => session.registry.member(&session.sender)?.is_some(),
            Roster::Owners => false,
        };
    if !may_know {
        session.say(say("You may not see the members of this list."));
        return Ok(Next::Stop);
    }
    let (mut regular, mut digests) = (String::new(), String::new());
    let mut shown = 0;
    session.post.store.read().members(list.id, |member| {
        if shown == MOST {
            return Ok(());
        }
        if is_owner || !member.options.has(MemberOption::ConcealSubscription) {
            let into = if member.digest { &mut digests } else { &mut regular };
            into.push_str(&line(&member));
            shown += 1;
        }
        Ok(())
    })?;
    let none = || format!("    {}\n", say("nobody").to(session.language));
    let or_none = |text: String| if text.is_empty() { none() } else { text };
    let (regular, digests) = (or_none(regular), or_none(digests));
    session.say(say("Members who receive individual posts:"));
    session.say(verbatim(regular + "\n"));
    session.say(say("Members who receive digests:"));
    session.say(verbatim(digests));
    if shown == MOST {
        session.say(say("An email lists at most {number} members.").with("number", MOST));
    }
    Ok(Next::Continue)
}

/// The maximum number of members in one mail.
const MOST: usize = 5000;

fn line(member: &Member) -> String {
    if member.real_name.is_empty() {
        format!("    {}\n", member.address)
    } else {
        format!("    {} ({})\n", member.address, member.real_name)
    }
}
