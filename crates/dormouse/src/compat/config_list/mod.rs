//! `config_list`: writes and reads a list's options as Python's assignments.

mod input;
mod options;
mod values;

use super::call::{Call, Done, Trouble, must_find, read_bytes, say, warn};
use super::getopt::{HELP as H, flag, with};
use dormouse_clock::Timestamp;
use dormouse_mail::date;
use dormouse_store::{List, Store};
use options::{OptionKind, PAGES};
use std::fs::File;
use std::io::Write as _;

pub const HELP: &str = "\
Writes the options of a list to a file, or sets them from a file.

Usage: config_list [options] LIST

  -i FILE, --inputfile=FILE    set the options assigned in FILE; - is standard input
  -o FILE, --outputfile=FILE   write all options to FILE; - is standard output
  -c, --checkonly              with -i: only report problems
  -v, --verbose                with -i: name every option that is set
  -h, --help                   print this

The file has one assignment for each option, in Python's syntax: numbers, strings and lists. mlist.NAME
means the option NAME, too. Nothing in it is executed: anything but an assignment is an error
with its line number, and then nothing is set. Times of bounce options are in days.
";

/// How wide the comments are.
const WIDTH: usize = 70;

pub fn run(call: &Call) -> Done {
    let options = call.options(&[
        H,
        flag('c', "checkonly"),
        with('i', "inputfile"),
        with('o', "outputfile"),
        flag('v', "verbose"),
    ])?;
    let (input, output) = (options.value("inputfile"), options.value("outputfile"));
    if input.is_some() && output.is_some() {
        return Err(Trouble::usage("Only one of -i or -o is allowed"));
    }
    if input.is_none() && output.is_none() {
        return Err(Trouble::usage("One of -i or -o is required"));
    }
    let [name] = options.rest.as_slice() else {
        return Err(Trouble::usage("List name is required"));
    };
    let bytes = input.map(read_bytes).transpose()?;
    let wrong = |path: &str, error| Trouble::Said(format!("cannot write {path}: {error}"));
    // An existing file is replaced only if there is something to write.
    let open = |path: &str| {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        file.map_err(|error| wrong(path, error))
    };
    let file = output.filter(|path| *path != "-").map(open).transpose()?;
    let (_, store) = call.open()?;
    let list = must_find(store.read(), name)?;
    if let Some(path) = output {
        let text = declarations(&list).map_err(Trouble::Said)?;
        let Some(mut file) = file else {
            say(text.trim_end_matches('\n'))?;
            return say("").map(|()| 0);
        };
        let mut write = || {
            if file.metadata()?.is_file() {
                file.set_len(0)?;
            }
            file.write_all(text.as_bytes())
        };
        return write().map(|()| 0).map_err(|error| wrong(path, error));
    }
    let file = InputFile {
        path: input.unwrap_or_default(),
        bytes: bytes.unwrap_or_default(),
        verbose: options.has("verbose"),
        check_only: options.has("checkonly"),
    };
    file.apply(&store, &list)
}

/// A file of assignments, and what to do with it.
struct InputFile<'c> {
    path: &'c str,
    bytes: Vec<u8>,
    verbose: bool,
    check_only: bool,
}

impl InputFile<'_> {
    /// Sets the list's options as the file says, all or none.
    fn apply(&self, store: &Store, list: &List) -> Done {
        // If that cannot be found out, the list is assumed to exist.
        let is_list = |name: &str| store.read().list(name).map_or(true, |list| list.is_some());
        let state = store.read().list_state(list.id)?.unwrap_or_default();
        let read = input::read(list, &state, &self.bytes, self.verbose, &is_list);
        let declared = read.map_err(|problems| {
            let problems: Vec<String> =
                problems.iter().map(|problem| format!("{}, {problem}", self.path)).collect();
            Trouble::Said(format!("{}\nnothing was changed", problems.join("\n")))
        })?;
        declared.remarks.iter().for_each(warn);
        if !self.check_only {
            let changes: Vec<(&str, &str)> = declared
                .changes
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect();
            store.write(|tx| {
                let mut numbers = declared.numbers.iter();
                numbers
                    .try_for_each(|(name, number)| tx.set_state_number(list.id, name, *number))?;
                tx.change_settings(&list.name, &changes)
            })?;
        }
        Ok(0)
    }
}

/// Returns the whole file.
fn declarations(list: &List) -> Result<String, String> {
    let mut out = format!(
        "# -*- python -*-\n# -*- coding: utf-8 -*-\n\
         ## \"{}\" mailing list configuration settings\n## captured on {}\n\n",
        list.name,
        date::ctime(Timestamp::now())
    );
    let entries = list.settings.entries();
    for page in PAGES {
        let mut title = page.name.to_owned();
        title[..1].make_ascii_uppercase();
        out.push_str(&format!("## {title} options\n#\n{}\n", comment(page.about)));
        for (name, kind) in page.options {
            let doc =
                entries.iter().find(|entry| entry.name == *name).map(|entry| entry.doc.as_str());
            out.push_str(&comment(doc.unwrap_or_default()));
            if let OptionKind::Choice(names) = kind {
                out.push_str("#\n# legal values are:\n");
                for (number, name) in names.iter().enumerate() {
                    out.push_str(&format!("#    {number} = \"{name}\"\n"));
                }
            }
            let value = values::to_python(&list.settings, name, *kind)?;
            out.push_str(&format!("{name} = {}\n\n", values::literal(&value)));
        }
    }
    Ok(out)
}

/// Formats a text as comment lines.
fn comment(text: &str) -> String {
    let mut out = String::new();
    let mut width = WIDTH;
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        if width + 1 + letters > WIDTH {
            out.push_str(if out.is_empty() { "# " } else { "\n# " });
            width = 0;
        } else {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += letters;
    }
    out + "\n"
}
