//! `mmsitepass`: sets the password that is valid for every list.

use super::call::{Call, Done, Trouble, say};
use super::getopt::{HELP as H, flag};
use crate::terminal::ask_secret;
use dormouse_membership::password;

pub const HELP: &str = "\
Sets the site's password, which is valid for every list. If it is not given, it is asked for.

Usage: mmsitepass [options] [PASSWORD]

  -c, --listcreator   set the password for creating lists instead
  -h, --help          print this
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H, flag('c', "listcreator")])?;
    let (role, what) =
        if options.has("listcreator") { ("creator", "list creator") } else { ("admin", "site") };
    let (_, store) = call.open()?;
    let secret = match options.rest.as_slice() {
        [secret] => secret.clone(),
        [] => {
            let first = ask_secret(&format!("New {what} password: "))?;
            if ask_secret("Again to confirm password: ")? != first {
                say("Passwords do not match; no changes made.")?;
                return Ok(1);
            }
            first
        }
        _ => return Err(Trouble::usage("")),
    };
    if secret.is_empty() {
        return Err(Trouble::usage("Empty passwords are not allowed"));
    }
    let hash = password::hash(&secret).map_err(Trouble::Said)?;
    store.write(|tx| tx.set_site_password(role, &hash))?;
    say("Password changed.")?;
    Ok(0)
}
