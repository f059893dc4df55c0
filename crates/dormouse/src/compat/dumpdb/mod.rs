//! `dumpdb`: prints a file of Python's pickles or marshalled values.

mod print;

use super::call::{Call, Done, Trouble, read_bytes, say};
use super::getopt::{HELP as H, flag};
use crate::output;
use dormouse_pickle::{Graph, Limits, marshal};
pub use print::for_mailbox;

pub const HELP: &str = "\
Prints the content of one of Mailman's files: config.pck, request.pck, pending.pck, heldmsg-*.pck, queue
files, and the older .db files. Nothing in the file is executed.

Usage: dumpdb [options] FILE

  -p, --pickle    the file contains pickles, even if its name does not say so
  -m, --marshal   the file contains marshalled values, even if its name does not say so
  -n, --noprint   only read it
  -h, --help      print this

Without -p and -m, a file whose name ends in .pck contains pickles, and one in .db marshalled values.
";

pub fn run(call: &Call) -> Done {
    let options =
        call.options(&[H, flag('m', "marshal"), flag('p', "pickle"), flag('n', "noprint")])?;
    let file = match options.rest.as_slice() {
        [] => return Err(Trouble::usage("No filename given.")),
        [file] => file,
        several => return Err(Trouble::usage(format!("Bad arguments: {}", several.join(", ")))),
    };
    let marshal = if options.has("marshal") {
        true
    } else if options.has("pickle") || file.ends_with(".pck") {
        false
    } else if file.ends_with(".db") {
        true
    } else {
        return Err(Trouble::usage("Please specify either -p or -m."));
    };
    let kind = if marshal { "marshal" } else { "pickle" };
    let print = !options.has("noprint");
    let bytes = read_bytes(file)?;
    if print {
        say(format_args!("[----- start {kind} file -----]"))?;
    }
    let mut at = 0;
    let mut number = 0;
    // dormouse's journal may follow the second pickle of a queue entry.
    while at < bytes.len() && !(number == 2 && bytes[at] == b'\n') {
        let (graph, used) = load(&bytes[at..], marshal)
            .map_err(|problem| Trouble::Said(format!("{file}: {problem}")))?;
        at += used;
        number += 1;
        if print {
            say(format_args!("<----- start object {number} ----->"))?;
            let text = print::pretty(&graph)
                .map_err(|problem| Trouble::Said(format!("{file}: {problem}")))?;
            output::bytes(&text)?;
        }
    }
    if print {
        say(format_args!("[----- end {kind} file -----]"))?;
    }
    Ok(0)
}

fn load(bytes: &[u8], marshal: bool) -> Result<(Graph<'_>, usize), String> {
    if marshal {
        return marshal::load(bytes);
    }
    dormouse_pickle::load(bytes, &Limits::default()).map_err(|error| error.to_string())
}
