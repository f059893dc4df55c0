//! `subscribe`: requests a membership.

use super::session::CommandSession;
use super::{Command, Next};
use dormouse_membership::Asked;
use dormouse_membership::join::{Wish, hides_members};
use dormouse_pipeline::HandlerError;
use dormouse_words::{Text, msgid, say, verbatim};

/// The command.
pub const COMMAND: Command = Command {
    words: &["subscribe", "join"],
    help: msgid(
        "subscribe [digest|nodigest] [address=ADDRESS]\n    Makes you a member, or the address, to \
           which a mail is sent to confirm it.\n    Also: join\n",
    ),
    run,
};

/// Parses the arguments. An old password is ignored.
fn parse<'a>(arguments: &[&'a str]) -> Result<(Option<bool>, Option<&'a str>), Text> {
    let (mut digest, mut address) = (None, None);
    let mut rest = arguments.iter();
    let mut first = true;
    for argument in rest.by_ref() {
        let lower = argument.to_lowercase();
        match lower.as_str() {
            "digest" if digest.is_none() && address.is_none() => digest = Some(true),
            "nodigest" if digest.is_none() && address.is_none() => digest = Some(false),
            _ if lower.starts_with("address=") && address.is_none() => {
                address = Some(&argument["address=".len()..]);
            }
            _ if first => {}
            _ => {
                return Err(say(
                    "subscribe takes digest or nodigest, then address=ADDRESS, and nothing else.",
                ));
            }
        }
        first = false;
    }
    Ok((digest, address))
}

/// With Mailman, people chose a password when they joined.
fn is_old_password(argument: &str) -> bool {
    let lower = argument.to_lowercase();
    !matches!(lower.as_str(), "digest" | "nodigest") && !lower.starts_with("address=")
}

fn run(session: &mut CommandSession<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    if let Some(first) = arguments.first().filter(|first| is_old_password(first)) {
        session.conceal(first);
    }
    let (digest, other) = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(problem) => {
            session.say(problem);
            return Ok(Next::Stop);
        }
    };
    let address = other.unwrap_or(&session.from.address).to_owned();
    let real_name = if other.is_none() { session.from.name.clone() } else { String::new() };
    let wish = Wish { address: address.clone(), real_name, digest, ..Wish::default() };
    let name = &session.post.list.settings.real_name;
    if !session.is_sender(&address) {
        let asked = session.registry.join_unseen(&wish);
        let hides = hides_members(session.post.list);
        match session.settle(asked)? {
            Some(_) if hides => {
                let address = session.called(&address);
                session.say(
                    say("An email about this was sent to {address}.").with_text("address", address),
                );
            }
            Some(asked) => session.say(done(asked, session.called(&address), name)),
            None => {}
        }
        return Ok(Next::Continue);
    }
    let asked = session.registry.join(&wish);
    match session.settle(asked)? {
        // The confirmation mail is the reply.
        Some(Asked::Confirm) => session.is_silent = true,
        Some(asked) => session.say(done(asked, verbatim(address), name)),
        None => {}
    }
    Ok(Next::Continue)
}

fn done(asked: Asked, address: Text, name: &str) -> Text {
    let text = match asked {
        Asked::Confirm => say("An email was sent to {address} to confirm it."),
        Asked::Held => {
            say("The moderators of {list} decide on the request; {address} will get an email.")
        }
        Asked::Done => say("{address} is now a member of {list}."),
    };
    text.with_text("address", address).with("list", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_in_mailmans_order() {
        assert_eq!(parse(&[]), Ok((None, None)));
        assert_eq!(parse(&["digest"]), Ok((Some(true), None)));
        assert_eq!(parse(&["secret", "NoDigest", "address=A@x"]), Ok((Some(false), Some("A@x"))));
        assert_eq!(parse(&["Address=a@x"]), Ok((None, Some("a@x"))));
        assert!(parse(&["digest", "please"]).is_err());
    }
}
