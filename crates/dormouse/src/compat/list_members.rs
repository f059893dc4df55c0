//! `list_members`: prints the members of a list.

use super::call::{Call, Done, Trouble, find};
use dormouse_mail::address::Address;
use dormouse_store::value::SettingValue as _;
use dormouse_store::{Delivery, Member, MemberOption, StoreError};
use std::fs::File;
use std::io::{self, BufWriter, Write};

pub const HELP: &str = "\
Prints the members of a list, one on each line: first regular members, then those who get
digests, each in alphabetical order.

Usage: list_members [options] LIST

  -o FILE, --output FILE     write into FILE
  -r, --regular              only regular members
  -d [KIND], --digest[=KIND] only digest members; KIND is mime or plain
  -n [WHY], --nomail[=WHY]   only members whose delivery is off; WHY is byadmin, byuser, bybounce or
                             unknown. With enabled: only members whose delivery is on
  -f, --fullnames            with their names
  -p, --preserve             keep upper case in addresses
  -m, --moderated            only members whose posts are moderated
  -M, --non-moderated        only the others
  -i, --invalid              only members whose address is invalid
  -u, --unicode              only members whose address is not ASCII
  -h, --help                 print this

-m, -M, -i and -u cannot be combined with -r, -d and -n, or with each other.
";

/// Which members, apart from kind and delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    Moderated,
    Unmoderated,
    Invalid,
    Unicode,
}

#[derive(Default)]
struct Wanted {
    output: Option<String>,
    regular: bool,
    digest: bool,
    /// `Some(true)` is plain.
    plain: Option<bool>,
    nomail: bool,
    why: Option<Delivery>,
    names: bool,
    preserve: bool,
    only: Option<Only>,
    list: String,
}

pub fn run(call: &Call) -> Done {
    if call.args.is_empty() {
        return Err(Trouble::Help);
    }
    let wanted = read(&call.args)?;
    let out: Box<dyn Write> = match &wanted.output {
        Some(path) => Box::new(File::create(path).map_err(|error| {
            Trouble::Said(format!("Could not open file for writing: {path} ({error})"))
        })?),
        None => Box::new(io::stdout().lock()),
    };
    let mut out = BufWriter::new(out);
    let (_, store) = call.open()?;
    let list = find(store.read(), &wanted.list)?
        .ok_or_else(|| Trouble::Said(format!("No such list: {}", wanted.list)))?;
    let mut printed = Ok(());
    let mut pass = |chosen: &dyn Fn(&Member) -> bool| -> Result<(), StoreError> {
        // Printed as they are read, unless upper case changes the order.
        let mut lines = Vec::new();
        store.read().members(list.id, |member| {
            if printed.is_ok() && chosen(&member) {
                if wanted.preserve {
                    lines.push((member.address.clone(), line(&wanted, &member)));
                } else {
                    printed = writeln!(out, "{}", line(&wanted, &member));
                }
            }
            Ok(())
        })?;
        lines.sort();
        for (_, line) in lines {
            if printed.is_ok() {
                printed = writeln!(out, "{line}");
            }
        }
        Ok(())
    };
    if let Some(only) = wanted.only {
        pass(&|member| is(only, member))?;
    } else {
        if wanted.regular {
            pass(&|member| !member.digest && gets_mail_as_wanted(&wanted, member))?;
        }
        if wanted.digest {
            pass(&|member| {
                let plain = member.options.has(MemberOption::DisableMime);
                member.digest
                    && gets_mail_as_wanted(&wanted, member)
                    && wanted.plain.is_none_or(|wanted| wanted == plain)
            })?;
        }
    }
    match printed.and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        other => other.map(|()| 0).map_err(Trouble::from),
    }
}

fn is(only: Only, member: &Member) -> bool {
    match only {
        Only::Moderated => member.options.has(MemberOption::Moderate),
        Only::Unmoderated => !member.options.has(MemberOption::Moderate),
        Only::Invalid => Address::parse(&member.address).is_err(),
        Only::Unicode => !member.address.is_ascii(),
    }
}

fn gets_mail_as_wanted(wanted: &Wanted, member: &Member) -> bool {
    match (wanted.nomail, wanted.why) {
        (false, _) => true,
        (true, Some(why)) => member.delivery == why,
        (true, None) => member.delivery != Delivery::Enabled,
    }
}

fn line(wanted: &Wanted, member: &Member) -> String {
    let address = if wanted.preserve { member.address.as_str() } else { member.key.as_str() };
    let name = if wanted.names { member.real_name.as_str() } else { "" };
    format_address(name, address)
}

/// `Name <address>` like Python's `formataddr`, but not encoded, for a terminal.
pub fn format_address(name: &str, address: &str) -> String {
    if name.is_empty() {
        return address.to_owned();
    }
    let mut quoted = String::new();
    for letter in name.chars() {
        if "[]\\()\"".contains(letter) {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    let quote = if name.contains(|letter| "[]\\()<>@,:;\".".contains(letter)) { "\"" } else { "" };
    format!("{quote}{quoted}{quote} <{address}>")
}

/// The meaning of an option's value.
fn known<T>(option: &str, value: &str, read: fn(&str) -> Option<T>) -> Result<T, Trouble> {
    read(value).ok_or_else(|| Trouble::usage(format!("Bad {option} option: {value}")))
}

/// Reads the arguments one by one: the word after -d or -n may be its value or not.
fn read(args: &[String]) -> Result<Wanted, Trouble> {
    let mut wanted = Wanted::default();
    let mut args = args.iter().map(String::as_str).peekable();
    loop {
        let option = args.next().ok_or_else(|| Trouble::usage(""))?;
        let (name, value) =
            option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        match name {
            "-h" | "--help" => return Err(Trouble::Help),
            "-f" | "--fullnames" => wanted.names = true,
            "-p" | "--preserve" => wanted.preserve = true,
            "-r" | "--regular" => wanted.regular = true,
            "-o" | "--output" => {
                let path = value.or_else(|| args.next()).ok_or_else(|| Trouble::usage(""))?;
                wanted.output = Some(path.to_owned());
            }
            "-n" => {
                wanted.nomail = true;
                if let Some(why) = args.peek().and_then(|why| delivery(why)) {
                    wanted.why = Some(why);
                    args.next();
                }
            }
            "--nomail" => {
                wanted.nomail = true;
                wanted.why = value.map(|why| known("--nomail", why, delivery)).transpose()?;
            }
            "-d" => {
                wanted.digest = true;
                if let Some(kind) = args.peek().and_then(|kind| plain(kind)) {
                    wanted.plain = Some(kind);
                    args.next();
                }
            }
            "--digest" => {
                wanted.digest = true;
                wanted.plain = value.map(|kind| known("--digest", kind, plain)).transpose()?;
            }
            "-m" | "--moderated" => only(&mut wanted, Only::Moderated)?,
            "-M" | "--non-moderated" => only(&mut wanted, Only::Unmoderated)?,
            "-i" | "--invalid" => only(&mut wanted, Only::Invalid)?,
            "-u" | "--unicode" => only(&mut wanted, Only::Unicode)?,
            _ => {
                wanted.list = option.trim().to_lowercase();
                break;
            }
        }
    }
    if args.next().is_some() || wanted.list.starts_with('-') {
        return Err(Trouble::usage(""));
    }
    if !wanted.regular && !wanted.digest {
        (wanted.regular, wanted.digest) = (true, true);
    }
    Ok(wanted)
}

fn delivery(why: &str) -> Option<Delivery> {
    Delivery::read(why).ok().filter(|delivery| delivery.write() == why)
}

fn plain(kind: &str) -> Option<bool> {
    match kind {
        "plain" => Some(true),
        "mime" => Some(false),
        _ => None,
    }
}

fn only(wanted: &mut Wanted, which: Only) -> Result<(), Trouble> {
    if wanted.only.is_some_and(|other| other != which) {
        return Err(Trouble::usage("Only one of -m, -M, -i or -u may be specified."));
    }
    wanted.only = Some(which);
    Ok(())
}
