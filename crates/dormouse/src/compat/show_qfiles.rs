//! `show_qfiles`: prints the messages in queue files.

use super::call::{Call, Done, Trouble, read_bytes, say};
use super::getopt::{HELP as H, flag};
use crate::output;
use dormouse_spool::Entry;
use std::path::Path;

pub const HELP: &str = "\
Prints the messages in queue files. A file whose name does not end with .pck is printed as it is.

Usage: show_qfiles [options] FILE ...

  -q, --quiet   do not print the names of the files
  -h, --help    print this
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H, flag('q', "quiet")])?;
    if options.rest.is_empty() {
        return Err(Trouble::usage("Not enough arguments"));
    }
    for file in &options.rest {
        if !options.has("quiet") {
            say(format_args!("====================> {file}"))?;
        }
        let bytes = read_bytes(file)?;
        if !file.ends_with(".pck") {
            output::bytes(&bytes)?;
            continue;
        }
        let entry = Entry::from_bytes(&bytes, Path::new(file))?;
        // Text is printed unchanged, a message object in mbox format.
        if entry.metadata.int("_parsemsg").is_some_and(|text| text != 0) {
            output::bytes(&entry.message)?;
        } else {
            output::bytes(&super::dumpdb::for_mailbox(&entry.message))?;
        }
    }
    Ok(0)
}
