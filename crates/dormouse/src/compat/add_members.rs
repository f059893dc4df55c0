//! `add_members`: subscribes people.

use super::call::{Call, Done, Trouble, must_find, read_lines, say, yes_or_no};
use super::getopt::{HELP as H, flag, with};
use super::members::{self, Person};
use dormouse_runners::notices::Notices;
use dormouse_spool::{Spool, clock};
use dormouse_store::{Added, Delivery, List, NewMember, Store, StoreError};

pub const HELP: &str = "\
Subscribes the people in files, one a line: an address, or Name <address>.

Usage: add_members [options] LIST

  -r FILE, --regular-members-file=FILE   these get single posts
  -d FILE, --digest-members-file=FILE    these get digests
  -n, --nomail                           they get no mail until they turn it on
  -i, --invite                           they are asked whether they want to
  -m FILE, --invite-msg-file=FILE        with -i: a text that stands before the question
  -w y|n, --welcome-msg=y|n              whether they get the welcome message; as the list's
                                         setting says if it is not given
  -a y|n, --admin-notify=y|n             whether the owners are told; likewise
  -h, --help                             print this

FILE may be - for standard input, in one of the two.
";

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
    if options.has("invite") || options.has("invite-msg-file") {
        return Err(Trouble::Said("this version cannot invite; nothing was done".to_owned()));
    }
    if answer("welcome-msg", "-w/--welcome-msg")? == Some(true) {
        return Err(Trouble::Said("this version has no welcome message; nothing was done".into()));
    }
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
    let (site, store) = call.open()?;
    let list = must_find(&store, name)?;
    let lines = |file: Option<&str>| file.map_or(Ok(Vec::new()), read_lines);
    let (regular, digest) = (lines(regular)?, lines(digest)?);
    if regular.is_empty() && digest.is_empty() {
        return Err(Trouble::Idle("Nothing to do.".to_owned()));
    }
    let mut report = String::new();
    for (lines, digest) in [(&regular, false), (&digest, true)] {
        for line in lines {
            let text = add(&store, &list, line, digest, options.has("nomail"))?;
            say(&text)?;
            report.push_str(&text);
            report.push('\n');
        }
    }
    if notify.unwrap_or(list.settings.admin_notify_mchanges) {
        let notice = Notices { list: &list, site: &site }.members_added(&report);
        let spool = Spool::new(site.qfiles());
        spool.enqueue(notice.queue, &notice.entry.message, &notice.entry.metadata)?;
    }
    Ok(0)
}

/// Subscribes one; what is to be said of it.
fn add(
    store: &Store,
    list: &List,
    line: &str,
    digest: bool,
    nomail: bool,
) -> Result<String, Trouble> {
    let Person { name, address } = match members::person(line) {
        Ok(person) => person,
        Err(why) => return Ok(members::refusal(line, why)),
    };
    if let Some(pattern) = members::banned(list, &address) {
        return Ok(format!("{line}: Banned address (matched {pattern})"));
    }
    let now = clock::seconds();
    let new = NewMember { address, real_name: name, digest };
    let added = store.write(|tx| -> Result<Added, StoreError> {
        let added = tx.add_member(list, &new, now, "added by the administrator")?;
        if added == Added::Added
            && nomail
            && let Some(mut member) = tx.member(list.id, &new.address)?
        {
            member.delivery = Delivery::ByAdmin;
            tx.update_member(list.id, &member, now)?;
        }
        Ok(added)
    })?;
    Ok(match added {
        Added::Added => format!("Subscribed: {line}"),
        Added::AlreadyMember => format!("Already a member: {line}"),
    })
}
