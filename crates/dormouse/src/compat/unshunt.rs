//! `unshunt`: puts entries that were set aside back into their queues.

use super::call::{Call, Done, Trouble, warn};
use super::getopt::HELP as H;
use dormouse_runners::queue::waiting;
use dormouse_spool::{Queue, Spool};
use std::path::Path;

pub const HELP: &str = "\
Puts entries that were set aside back into the queues they came from.

Usage: unshunt [options] [DIRECTORY]

  -h, --help   print this

DIRECTORY is the queue shunt (the default) or bad.
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H])?;
    let spool = Spool::new(call.site()?.qfiles());
    let queue = match options.rest.as_slice() {
        [] => Queue::Shunt,
        [dir] => set_aside(&spool, dir)?,
        _ => return Err(Trouble::usage("")),
    };
    spool.recover(&[queue])?;
    for found in spool.list(queue)? {
        if let Err(error) = waiting::put_back(&spool, queue, &found) {
            warn(format_args!("Cannot unshunt message {}, skipping:\n{error}", found.name));
        }
    }
    Ok(0)
}

/// Returns the queue for a name or path.
fn set_aside(spool: &Spool, dir: &str) -> Result<Queue, Trouble> {
    let path = Path::new(dir);
    [Queue::Shunt, Queue::Bad]
        .into_iter()
        .find(|queue| {
            let canonical = |path: &Path| path.canonicalize().ok();
            dir == queue.name()
                || canonical(path).is_some_and(|path| Some(path) == canonical(&spool.dir(*queue)))
        })
        .ok_or_else(|| {
            Trouble::usage(format!(
                "{dir} is neither shunt nor bad in {}; import another site's entries with `dormouse import`",
                spool.root().display()
            ))
        })
}
