//! `withlist`: there is no Python here, but the two functions that came with Mailman work.

use super::call::{Call, Done, Trouble, must_find, say, warn};
use super::getopt::{self, HELP as H, flag, with};
use dormouse_membership::password;
use dormouse_store::{List, Site, Store, StoreError};

pub const HELP: &str = "\
Mailman's withlist opened a list in Python. There is no Python here, but commands for its uses:

  dormouse list set LIST KEY=VALUE     settings
  config_list -i FILE LIST             many of them
  dormouse member ...                  members and their options
  dormouse held ..., dormouse queue ... held posts and queue entries

Two of the functions that came with it work:

  withlist -l -r fix_url LIST|-a [-u HOST] [-v]   the host in a list's addresses and pages; the site's
                                                  without -u
  withlist -l -r reset_pw LIST|-a [-v]            a random password for every member; -v prints them

  -a, --all, -l, --lock, -q, --quiet, -h, --help
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[
        H,
        flag('l', "lock"),
        flag('i', "interactive"),
        with('r', "run"),
        flag('q', "quiet"),
        flag('a', "all"),
    ])?;
    let function = options.value("run").map(|run| run.rsplit('.').next().unwrap_or(run));
    let Some(function @ ("fix_url" | "reset_pw")) = function else {
        return Err(Trouble::usage(match function {
            Some(function) => {
                format!("{function} is a Python function, and there is no Python here")
            }
            None => "there is no Python here".to_owned(),
        }));
    };
    let (site, store) = call.open()?;
    let (named, arguments) = if options.has("all") {
        (None, &options.rest[..])
    } else {
        let [name, arguments @ ..] = options.rest.as_slice() else {
            return Err(Trouble::usage("No list name supplied."));
        };
        (Some(must_find(store.read(), name)?), arguments)
    };
    let lists: Box<dyn Iterator<Item = Result<List, StoreError>>> = match named {
        Some(list) => Box::new(std::iter::once(Ok(list))),
        None => Box::new(store.read().iter_lists()),
    };
    let known = [with('u', "urlhost"), flag('v', "verbose")];
    let arguments = getopt::read(arguments, &known).map_err(Trouble::Usage)?;
    let verbose = arguments.has("verbose");
    for list in lists {
        let list = list?;
        if !options.has("quiet") {
            warn(format_args!("Running {function} on {}", list.name));
        }
        match function {
            "fix_url" => fix_url(&site, &store, &list, arguments.value("urlhost"), verbose)?,
            _ => reset_pw(&store, &list, verbose)?,
        }
    }
    Ok(0)
}

fn fix_url(
    site: &Site,
    store: &Store,
    list: &List,
    host: Option<&str>,
    verbose: bool,
) -> Result<(), Trouble> {
    // Empty means the site's own URL.
    let url = host.map_or_else(String::new, |host| format!("https://{host}/mailman/"));
    let host = host.unwrap_or(&site.config().host).to_lowercase();
    if verbose {
        let shown = if url.is_empty() { "the site's (web_url)" } else { &url };
        say(format_args!("Setting web_page_url to: {shown}"))?;
        say(format_args!("Setting host_name to: {host}"))?;
    }
    say("Saving list")?;
    let changes = [("web_page_url", url.as_str()), ("host_name", host.as_str())];
    store.write(|tx| tx.change_settings(&list.name, &changes))?;
    Ok(())
}

fn reset_pw(store: &Store, list: &List, verbose: bool) -> Result<(), Trouble> {
    /// How long a member's password is.
    const LENGTH: usize = 8;
    if verbose {
        say(format_args!("Changing passwords for list: {}", list.name))?;
    }
    let mut keys = Vec::new();
    store.read().members(list.id, |member| {
        keys.push(member.key);
        Ok(())
    })?;
    for key in keys {
        let secret = password::random(LENGTH).map_err(Trouble::Said)?;
        let hash = password::hash(&secret).map_err(Trouble::Said)?;
        store.write(|tx| tx.set_member_password(list.id, &key, &hash))?;
        if verbose {
            say(format_args!("New password for member {key:>40}: {secret}"))?;
        }
    }
    Ok(())
}
