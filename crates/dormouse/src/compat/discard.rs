//! `discard`: discards held posts.

use super::call::{Call, Done, Trouble, must_find, say, warn};
use super::getopt::{HELP as H, flag};
use dormouse_membership::moderation::desk::{ModerationDesk, PostDecision, Taken};
use dormouse_spool::Spool;
use dormouse_store::HeldId;

pub const HELP: &str = "\
Discards held posts. Each is named like Mailman's file: heldmsg-LIST-NUMBER.pck. Only the name
counts; there is no such file. `dormouse held ls` prints the numbers.

Usage: discard [options] NAME ...

  -q, --quiet   do not name the discarded posts
  -h, --help    print this
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H, flag('q', "quiet")])?;
    if options.rest.is_empty() {
        say("Nothing to do.")?;
        return Ok(0);
    }
    let (site, store) = call.open()?;
    let spool = Spool::new(site.qfiles());
    let desk = ModerationDesk { site: &site, spool: &spool, store: &store };
    for file in &options.rest {
        let Some((name, id)) = parse(file) else {
            warn(format_args!("Ignoring non-held message: {file}"));
            continue;
        };
        let list = must_find(store.read(), name)?;
        let held = store.read().held(id)?.filter(|held| held.post.list_id == list.id);
        let Some(held) = held else {
            return Err(Trouble::Said(format!("no post {id} is held for {name}")));
        };
        let taken = desk.decide(&list, &held, &PostDecision::Discard { ban: false })?;
        if taken != Taken::TooLate && !options.has("quiet") {
            say(format_args!("Discarded held msg #{id} for list {}", list.name))?;
        }
    }
    Ok(0)
}

/// Parses the list and number in `…/heldmsg-LIST-NUMBER.pck` or `.txt`.
fn parse(file: &str) -> Option<(&str, HeldId)> {
    let name = file.rsplit('/').next()?.strip_prefix("heldmsg-")?;
    let name = name.strip_suffix(".pck").or_else(|| name.strip_suffix(".txt"))?;
    let (list, id) = name.rsplit_once('-')?;
    let digits = !id.is_empty() && id.bytes().all(|digit| digit.is_ascii_digit());
    Some((list, digits.then(|| id.parse().ok())??))
}

#[cfg(test)]
mod tests {
    use super::{HeldId, parse};

    #[test]
    fn names_of_held_messages_are_read() {
        assert_eq!(parse("/x/data/heldmsg-my-list-12.pck"), Some(("my-list", HeldId::new(12))));
        assert_eq!(parse("heldmsg-a-1.txt"), Some(("a", HeldId::new(1))));
        for name in
            ["heldmsg-a-.pck", "heldmsg-1.pck", "a-1.pck", "heldmsg-a-1", "heldmsg-a-+1.pck"]
        {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
