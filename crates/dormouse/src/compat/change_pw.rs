//! `change_pw`: gives lists new passwords.

use super::call::{Call, Done, Trouble, say, warn};
use super::getopt::{HELP as H, flag, with};
use dormouse_membership::lists;
use dormouse_membership::notices::Notices;
use dormouse_membership::role::Role;
use dormouse_spool::Spool;
use std::collections::BTreeSet;

pub const HELP: &str = "\
Gives lists a new owner password and mails it to the owners.

Usage: change_pw [options]

  -a, --all                            all lists
  -d DOMAIN, --domain=DOMAIN           all lists of a domain; may be given several times
  -l LIST, --listname=LIST             this list; may be given several times
  -p PASSWORD, --password=PASSWORD     this password; the default is a random one for each list
  -q, --quiet                          no mail to the owners
  -h, --help                           print this
";

/// How long a random password is.
const LENGTH: usize = 10;

pub fn run(call: &Call) -> Done {
    let options = call.options(&[
        H,
        flag('a', "all"),
        with('d', "domain"),
        with('l', "listname"),
        with('p', "password"),
        flag('q', "quiet"),
    ])?;
    if !options.rest.is_empty() {
        return Err(Trouble::usage(format!("Bad arguments: {}", options.rest.join(" "))));
    }
    if options.value("password") == Some("") {
        return Err(Trouble::usage("Empty list passwords are not allowed"));
    }
    let (site, store) = call.open()?;
    let mut names: BTreeSet<String> =
        options.values("listname").map(|name| name.trim().to_lowercase()).collect();
    for list in store.read().iter_lists() {
        let list = list?;
        let host = &list.settings.host_name;
        if options.has("all") || options.values("domain").any(|domain| domain == host) {
            names.insert(list.name.into());
        }
    }
    if names.is_empty() {
        warn("Nothing to do.");
        return Ok(0);
    }
    let mut lists = Vec::new();
    for name in names {
        let list = store.read().list(&name)?;
        lists.push(list.ok_or_else(|| Trouble::usage(format!("No such list \"{name}\"")))?);
    }
    let spool = Spool::new(site.qfiles());
    for list in lists {
        let secret = match options.value("password") {
            Some(secret) => secret.to_owned(),
            None => dormouse_membership::password::random(LENGTH).map_err(Trouble::Said)?,
        };
        lists::set_password(&store, &list, Role::Owner, &secret)?;
        say(format_args!("New {} password: {secret}", list.name))?;
        if !options.has("quiet") {
            let notice = Notices { list: &list, site: &site }.password_changed(&secret);
            spool.enqueue(notice.queue, &notice.entry.message, &notice.entry.metadata)?;
        }
    }
    Ok(0)
}
