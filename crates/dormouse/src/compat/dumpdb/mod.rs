//! `dumpdb`: prints a file of Python's pickles or marshalled values.

mod print;

use super::call::{Call, Done, Trouble, read_bytes, say};
use super::getopt::{HELP as H, flag};
use crate::output;
use dormouse_pickle::{Graph, Limits, marshal};
pub use print::for_mailbox;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};

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
    let about = |problem: String| Trouble::Said(format!("{file}: {problem}"));
    let (mut source, mut left) = if marshal { buffered(read_bytes(file)?) } else { open(file)? };
    if print {
        say(format_args!("[----- start {kind} file -----]"))?;
    }
    let mut number = 0;
    while let Some(next) = source.fill_buf()?.first() {
        // dormouse's journal may follow the second pickle of a queue entry.
        if number == 2 && *next == b'\n' {
            break;
        }
        let (graph, used) = load(&mut source, left, marshal).map_err(about)?;
        left = left.saturating_sub(used);
        number += 1;
        if print {
            say(format_args!("<----- start object {number} ----->"))?;
            print::pretty(&graph, &mut |part| Ok(output::bytes(part)?)).map_err(|trouble| {
                match trouble {
                    Trouble::Said(problem) => about(problem),
                    other => other,
                }
            })?;
        }
    }
    if print {
        say(format_args!("[----- end {kind} file -----]"))?;
    }
    Ok(0)
}

/// A file, and its length.
type Source = (Box<dyn BufRead>, usize);

fn buffered(bytes: Vec<u8>) -> Source {
    let length = bytes.len();
    (Box::new(Cursor::new(bytes)), length)
}

/// Opens a file, of which only a part must be in memory; `-` is standard input.
fn open(path: &str) -> Result<Source, Trouble> {
    if path == "-" {
        return Ok(buffered(read_bytes(path)?));
    }
    let cannot = |error| Trouble::Said(format!("cannot read {path}: {error}"));
    let file = File::open(path).map_err(cannot)?;
    let about = file.metadata().map_err(cannot)?;
    if !about.is_file() {
        return Ok(buffered(read_bytes(path)?));
    }
    let length = usize::try_from(about.len()).unwrap_or(usize::MAX);
    Ok((Box::new(BufReader::with_capacity(BUFFER, file)), length))
}

const BUFFER: usize = 64 << 10;

/// Reads the next of a file's values, and returns its length.
fn load(
    source: &mut Box<dyn BufRead>,
    left: usize,
    marshal: bool,
) -> Result<(Graph<'static>, usize), String> {
    if !marshal {
        let loaded = dormouse_pickle::load_from(source, left, &Limits::of_file(left));
        return loaded.map_err(|error| error.to_string());
    }
    let bytes = source.fill_buf().map_err(|error| error.to_string())?;
    let (graph, used) = marshal::load(bytes)?;
    let graph = graph.into_owned();
    source.consume(used);
    Ok((graph, used))
}
