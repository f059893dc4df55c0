//! `list_lists`: prints the site's lists.

use super::call::{Call, Done, say};
use super::getopt::{HELP as H, flag, with};
use dormouse_store::List;

pub const HELP: &str = "\
Prints the lists with their descriptions.

Usage: list_lists [options]

  -a, --advertised                    only advertised lists
  -p, --public-archive                only lists with public archives
  -V DOMAIN, --virtual-host-overview=DOMAIN
                                      only lists whose web pages are at DOMAIN
  -b, --bare                          only their names, one a line
  -h, --help                          print this
";

/// The width of a line after its margin: name, dash, description.
const WIDTH: usize = 77;

pub fn run(call: &Call) -> Done {
    let options = call.options(&[
        H,
        flag('a', "advertised"),
        flag('p', "public-archive"),
        flag('b', "bare"),
        with('V', "virtual-host-overview"),
    ])?;
    let (site, store) = call.open()?;
    let is_shown = |list: &List| {
        let url = list.web_page_url(site.config());
        (list.settings.advertised || !options.has("advertised"))
            && (!list.settings.archive_private || !options.has("public-archive"))
            && options
                .value("virtual-host-overview")
                .is_none_or(|host| url.contains(host) || host.contains(&url))
    };
    let mut lists = Vec::new();
    for list in store.read().iter_lists() {
        let list = list?;
        if !is_shown(&list) {
        } else if options.has("bare") {
            say(&list.name)?;
        } else {
            lists.push((list.settings.real_name, list.settings.description));
        }
    }
    if options.has("bare") {
        return Ok(0);
    }
    if lists.is_empty() {
        say("No matching mailing lists found")?;
        return Ok(0);
    }
    say(format_args!("{} matching mailing lists found:", lists.len()))?;
    let letters = |text: &str| text.chars().count();
    let longest = lists.iter().map(|(name, _)| letters(name)).max().unwrap_or(0);
    let room = WIDTH.saturating_sub(longest);
    for (name, description) in &lists {
        let description = match description.as_str() {
            "" => "[no description available]",
            description => description,
        };
        say(format_args!("    {name:>longest$} - {description:.room$}"))?;
    }
    Ok(0)
}
