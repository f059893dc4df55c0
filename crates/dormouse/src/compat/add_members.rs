//! `add_members`: subscribes people.

use super::call::{Call, Done, Trouble, must_find, read_bytes, read_lines, say, yes_or_no};
use super::getopt::{HELP as H, flag, with};
use super::members::{self, Office, TOGETHER};
use dormouse_membership::{MembershipError, Registry};
use dormouse_store::Delivery;

pub const HELP: &str = "\
Subscribes the people in files, one a line: an address, or Name <address>.

Usage: add_members [options] LIST

  -r FILE, --regular-members-file=FILE   these get every post by itself
  -d FILE, --digest-members-file=FILE    these get digests
  -n, --nomail                           delivery is off until they turn it on
  -i, --invite                           invite them instead of subscribing them
  -m FILE, --invite-msg-file=FILE        with -i: a text for the invitation
  -w y|n, --welcome-msg=y|n              whether they get the welcome message; the
                                         default is the list's setting
  -a y|n, --admin-notify=y|n             whether the owners are notified; likewise
  -h, --help                             print this

One of the two files may be -, for standard input.
";

/// How people are added to the list.
struct How {
    nomail: bool,
    welcome: Option<bool>,
    /// They are invited, with this text.
    invitation: Option<String>,
}

/// The text of the invitations, if people are to be invited.
fn invitation(invite: bool, file: Option<&str>) -> Result<Option<String>, Trouble> {
    Ok(match (invite, file) {
        (false, None) => None,
        (false, Some(_)) => return Err(Trouble::usage("--invite-msg-file is for --invite")),
        (true, None) => Some(String::new()),
        (true, Some(file)) => Some(String::from_utf8_lossy(&read_bytes(file)?).into_owned()),
    })
}

pub fn run(call: &Call) -> Done {
    let options = call.options(&[
        H,
        with('a', "admin-notify"),
        with('r', "regular-members-file"),
        with('d', "digest-members-file"),
        with('w', "welcome-msg"),
        flag('n', "nomail"),
        flag('i', "invite"),
        with('m', "invite-msg-file"),
    ])?;
    let [name] = options.rest.as_slice() else { return Err(Trouble::usage("")) };
    let answer = |option: &str, text: &str| {
        options.value(option).map(|answer| yes_or_no(text, answer)).transpose()
    };
    let welcome = answer("welcome-msg", "-w/--welcome-msg")?;
    let notify = answer("admin-notify", "-a/--admin-notify")?;
    let (regular, digest) =
        (options.value("regular-members-file"), options.value("digest-members-file"));
    if regular.is_none() && digest.is_none() {
        return Err(Trouble::usage(""));
    }
    if regular == Some("-") && digest == Some("-") {
        return Err(Trouble::usage(
            "Cannot read both digest and normal members from standard input.",
        ));
    }
    let invitation = invitation(options.has("invite"), options.value("invite-msg-file"))?;
    let how = How { nomail: options.has("nomail"), welcome, invitation };
    let lines = |file: Option<&str>| file.map_or(Ok(Vec::new()), read_lines);
    let (regular, digest) = (lines(regular)?, lines(digest)?);
    let (site, store) = call.open()?;
    let list = must_find(store.read(), name)?;
    if regular.is_empty() && digest.is_empty() {
        return Err(Trouble::Idle("Nothing to do.".to_owned()));
    }
    let office = Office { site: &site, store: &store, how: members::HOW };
    let mut report = String::new();
    for (lines, digest) in [(&regular, false), (&digest, true)] {
        for lines in lines.chunks(TOGETHER) {
            // The owners get one report of all.
            let said: Vec<String> = office.change(&list, Some(false), |registry| {
                lines.iter().map(|line| add(registry, line, digest, &how)).collect()
            })?;
            for text in said {
                say(&text)?;
                report.push_str(&text);
                report.push('\n');
            }
        }
    }
    if notify.unwrap_or(list.settings.admin_notify_mchanges) {
        office.report_added(&list, &report)?;
    }
    Ok(0)
}

/// Subscribes or invites one; returns the line to print.
fn add(
    registry: &mut Registry<'_>,
    line: &str,
    digest: bool,
    how: &How,
) -> Result<String, MembershipError> {
    let person = match members::NamedAddress::parse(line) {
        Ok(person) => person,
        Err(why) => return Ok(members::refusal(line, why)),
    };
    let (list, store) = (registry.list, registry.store);
    let taken = match &how.invitation {
        Some(message) => members::invite(registry, &person, digest, message)?,
        None => members::subscribe(registry, &person, digest, how.welcome)?,
    };
    if let Err(refusal) = taken {
        return Ok(members::refused(list, line, &person.address, &refusal));
    }
    if how.invitation.is_some() {
        return Ok(format!("Invited: {line}"));
    }
    if how.nomail
        && let Some(mut member) = store.read().member(list.id, &person.address)?
    {
        member.delivery = Delivery::ByAdmin;
        store.update_member(list.id, &member, registry.now)?;
    }
    Ok(format!("Subscribed: {line}"))
}
