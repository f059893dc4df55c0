//! `inject`: puts a message into a queue.

use super::call::{Call, Done, Trouble, must_find, read_bytes};
use super::getopt::{HELP as H, flag, with};
use dormouse_runners::door::Door;
use dormouse_runners::intake::{self, IntakeEnvelope};
use dormouse_spool::{Metadata, Queue, Spool};

pub const HELP: &str = "\
Puts a message into a queue, as if it had arrived for a list. Without FILE, reads standard input.

Usage: inject [options] [FILE]

  -l LIST, --listname=LIST   for this list; must be given
  -q QUEUE, --queue=QUEUE    into this queue; the default is in
  -h, --help                 print this
";

pub fn run(call: &Call) -> Done {
    let options =
        call.options(&[H, with('l', "listname"), with('q', "queue"), flag('L', "showqnames")])?;
    let name =
        options.value("listname").ok_or_else(|| Trouble::usage("A list name is required"))?;
    let queue = match options.value("queue") {
        None => Queue::In,
        Some(queue) => queue
            .trim_end_matches('/')
            .parse()
            .map_err(|_| Trouble::usage(format!("Bad queue directory: {queue}")))?,
    };
    let file = match options.rest.as_slice() {
        [] => "-",
        [file] => file,
        _ => return Err(Trouble::usage("")),
    };
    let message = read_bytes(file)?;
    let (site, store) = call.open()?;
    let list = must_find(store.read(), name)?;
    if queue == Queue::In {
        intake::post(
            &Door::of(&site, &store),
            &list.name,
            &IntakeEnvelope::default(),
            message.as_slice(),
        )?;
        return Ok(0);
    }
    let message = intake::read_message(message.as_slice(), site.config().intake_max_size.bytes())?;
    let mut metadata = Metadata::new();
    metadata.set_text("listname", &list.name);
    metadata.set_int("tolist", 1);
    Spool::new(site.qfiles()).enqueue(queue, &message, &metadata)?;
    Ok(0)
}
