//! Configuration for an MTA to deliver the lists' mail to dormouse or, after an export, to Mailman
//! (docs/spec/cli.md §5).

use crate::export::mailmans_names;
use dormouse_store::{List, ListId};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The suffixes of a list's addresses, with the names that Mailman's wrapper has for them, in
/// Mailman's order.
pub const ADDRESSES: [(&str, &str); 10] = [
    ("", "post"),
    ("-admin", "admin"),
    ("-bounces", "bounces"),
    ("-confirm", "confirm"),
    ("-join", "join"),
    ("-leave", "leave"),
    ("-owner", "owner"),
    ("-request", "request"),
    ("-subscribe", "subscribe"),
    ("-unsubscribe", "unsubscribe"),
];

/// Which program gets the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// This program, with a site.
    Dormouse {
        /// The program.
        program: PathBuf,
        /// The site's directory.
        site: PathBuf,
    },
    /// Mailman's mail wrapper.
    Mailman {
        /// The wrapper.
        program: PathBuf,
    },
}

impl Receiver {
    /// Returns the command for one of a list's addresses.
    fn command(&self, command: &str, list: &str) -> String {
        match self {
            Receiver::Dormouse { program, site } => {
                format!("{} --site {} mailman {command} {list}", quoted(program), quoted(site))
            }
            Receiver::Mailman { program } => format!("{} {command} {list}", quoted(program)),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Receiver::Dormouse { .. } => "dormouse",
            Receiver::Mailman { .. } => "mailman",
        }
    }
}

/// Escapes characters that may have a meaning for a shell.
fn quoted(path: &Path) -> String {
    let mut out = String::new();
    for letter in path.display().to_string().chars() {
        if !is_plain(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// Quotes a path as a word of Exim's `command`, which no shell reads: words with special characters
/// are quoted, and the text between the quotes is still expanded.
fn exim_quoted(path: &Path) -> String {
    let path = path.display().to_string();
    if path.chars().all(is_plain) {
        return path;
    }
    let inside = path.replace('\\', "\\\\").replace('$', "\\$").replace('\'', "\\x27");
    format!("'{inside}'")
}

fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || "/._-+=@:,%".contains(letter)
}

/// Returns the local part of a list among aliases, which know no domains: its name, or one with its
/// host if two lists have the same name.
fn alias(list: &List) -> String {
    list.name.replace('@', "=")
}

/// Returns the addresses of the site itself whose mail is kept in a file: bounces of mail to its
/// owners, and, as long as there is no such list with owners, the others, too.
fn kept_addresses(lists: &[List], site_list: &str) -> Vec<String> {
    let has_list = lists.iter().any(|list| list.name == site_list);
    let kept = if has_list { &["-loop"][..] } else { &SITE_SUFFIXES[..] };
    kept.iter().map(|suffix| format!("{site_list}{suffix}")).collect()
}

/// The suffixes of the site's own addresses.
const SITE_SUFFIXES: [&str; 5] = ["-loop", "", "-owner", "-bounces", "-request"];

/// Creates a file of aliases, in the format that Mailman uses for Postfix; Sendmail and OpenSMTPD
/// read it, too. `kept` is the file for bounces to the site.
pub fn aliases(lists: &[List], receiver: &Receiver, site_list: &str, kept: &Path) -> String {
    let mut out = String::from(
        "# Written by `dormouse aliases`; write it anew when a list comes or goes.\n\n\
         # What comes back to the addresses of the site itself ends here.\n",
    );
    for address in kept_addresses(lists, site_list) {
        let _written = writeln!(out, "{address}: {}", kept.display());
    }
    out.push('\n');
    let mailmans = mailmans_names(lists.iter().map(named));
    for list in lists {
        let alias = alias(list);
        let name = match receiver {
            Receiver::Dormouse { .. } => list.name.as_str(),
            Receiver::Mailman { .. } => {
                mailmans.get(&list.id).map_or(list.name.as_str(), String::as_str)
            }
        };
        let _written = writeln!(out, "# STANZA START: {alias}");
        let width = alias.len() + 13;
        for (suffix, command) in ADDRESSES {
            let left = format!("{alias}{suffix}:");
            let right = receiver.command(command, name).replace('\\', "\\\\").replace('"', "\\\"");
            let _written = writeln!(out, "{left:width$} \"|{right}\"");
        }
        let _written = writeln!(out, "# STANZA END: {alias}\n");
    }
    out
}

/// What a list's name in Mailman depends on.
fn named(list: &List) -> (ListId, &str, &str) {
    (list.id, list.local_part(), &list.settings.host_name)
}

/// One of a list's addresses among the aliases.
#[derive(Debug, serde::Serialize)]
pub struct Alias {
    /// The local part among the aliases.
    pub alias: String,
    /// The whole address.
    pub address: String,
    /// The list's name.
    pub list: String,
    /// The purpose of mail to it: `post`, `request`, `owner` …
    pub purpose: &'static str,
    /// The command that accepts it.
    pub command: String,
}

/// Returns all addresses of all lists.
pub fn entries(lists: &[List], receiver: &Receiver) -> Vec<Alias> {
    let names = mailmans_names(lists.iter().map(named));
    let mut entries = Vec::new();
    for list in lists {
        let name = match receiver {
            Receiver::Dormouse { .. } => list.name.as_str(),
            Receiver::Mailman { .. } => {
                names.get(&list.id).map_or(list.name.as_str(), String::as_str)
            }
        };
        for (suffix, purpose) in ADDRESSES {
            entries.push(Alias {
                alias: format!("{}{suffix}", alias(list)),
                address: format!("{}{suffix}@{}", list.local_part(), list.settings.host_name),
                list: list.name.to_string(),
                purpose,
                command: receiver.command(purpose, name),
            });
        }
    }
    entries
}

/// The text before the domains in the first line of a [`virtual_map`].
const VIRTUAL_HEAD: &str = "# Written by `dormouse aliases --virtual ";

/// Returns the domains for which a [`virtual_map`] was written.
pub fn virtual_domains(map: &str) -> Vec<String> {
    let named = map.strip_prefix(VIRTUAL_HEAD).and_then(|rest| rest.split('`').next());
    let domains = named.unwrap_or_default().split(',').filter(|domain| !domain.is_empty());
    domains.map(str::to_owned).collect()
}

/// Creates Postfix's map of the addresses at virtual domains to those among the aliases.
pub fn virtual_map(lists: &[List], site_list: &str, site_host: &str, domains: &[String]) -> String {
    let mut out = format!(
        "{VIRTUAL_HEAD}{}`; update it when a list is created or removed.\n\n",
        domains.join(","),
    );
    let is_wanted = |list: &&List| {
        let host = &list.settings.host_name;
        if domains.is_empty() {
            !host.eq_ignore_ascii_case(site_host)
        } else {
            domains.iter().any(|domain| domain.eq_ignore_ascii_case(host))
        }
    };
    let mut hosts: Vec<&str> =
        lists.iter().filter(is_wanted).map(|list| list.settings.host_name.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    out.push_str("# LOOP ADDRESSES START\n");
    for host in &hosts {
        let _written = writeln!(out, "{site_list}-loop@{host}\t{site_list}-loop");
    }
    out.push_str("# LOOP ADDRESSES END\n\n# SITE ADDRESSES START\n");
    for host in &hosts {
        for suffix in &SITE_SUFFIXES[1..] {
            let _written = writeln!(out, "{site_list}{suffix}@{host}\t{site_list}{suffix}");
        }
    }
    out.push_str("# SITE ADDRESSES END\n\n");
    for list in lists.iter().filter(is_wanted) {
        let alias = alias(list);
        let host = &list.settings.host_name;
        // The site's own list is above.
        if alias == site_list {
            continue;
        }
        let _written = writeln!(out, "# STANZA START: {alias}");
        for (suffix, _) in ADDRESSES {
            let _written = writeln!(out, "{}{suffix}@{host}\t{alias}{suffix}", list.local_part());
        }
        let _written = writeln!(out, "# STANZA END: {alias}\n");
    }
    out
}

/// Returns the condition that an address exists: with several hosts, not every name is a list at each
/// of them.
fn exim_condition(lists: &[List], sites: &[String], site_host: &str) -> String {
    let sites = sites.iter().map(|local| format!("{local}@{site_host}"));
    let addresses = lists.iter().map(List::address).chain(sites);
    let addresses: Vec<String> = addresses.map(|address| exim_item(&address)).collect();
    format!(
        "  condition = ${{if match_address{{$local_part@$domain}}{{{}}}}}\n",
        addresses.join(" : ")
    )
}

/// Returns the command of Exim's transport.
fn exim_command(receiver: &Receiver) -> String {
    match receiver {
        Receiver::Dormouse { program, site } => {
            format!("{} --site {} deliver", exim_quoted(program), exim_quoted(site))
        }
        Receiver::Mailman { program } => {
            let words: Vec<String> =
                ADDRESSES[1..].iter().map(|(suffix, word)| format!("{suffix}={word}")).collect();
            format!(
                "{} '${{if def:local_part_suffix \\\n    \
                 {{${{extract{{${{sg{{$local_part_suffix}}{{[+].*}}{{}}}}}}{{{}}}}}}}{{post}}}}' \
                 $local_part_data",
                exim_quoted(program),
                words.join(" ")
            )
        }
    }
}

/// Routers and a transport for Exim. The first router accepts posts, the second one mail to a
/// list's other addresses: so a list whose name ends like one of those (`net-admin`) is found.
///
/// Untrusted text must not be part of the command (Exim's taint checks since 4.94 refuse it):
/// this program reads the address from the environment, Mailman's gets words of this configuration.
///
/// Bounces to the site itself are only for this program: Mailman's wrapper has no word for them.
pub fn exim(
    lists: &[List],
    receiver: &Receiver,
    (site_list, site_host): (&str, &str),
    user: &str,
) -> String {
    let sites: Vec<String> = match receiver {
        Receiver::Dormouse { .. } => kept_addresses(lists, site_list),
        Receiver::Mailman { .. } => Vec::new(),
    };
    let mut hosts: Vec<&str> = lists.iter().map(|list| list.settings.host_name.as_str()).collect();
    if !sites.is_empty() {
        hosts.push(site_host);
    }
    hosts.sort_unstable();
    hosts.dedup();
    let mut names: Vec<&str> = lists.iter().map(List::local_part).collect();
    names.extend(sites.iter().map(String::as_str));
    names.sort_unstable();
    names.dedup();
    let suffixes: Vec<String> = ADDRESSES[1..]
        .iter()
        .map(|(suffix, _)| match *suffix {
            // A cookie or a recipient (VERP) may follow.
            "-bounces" | "-confirm" => format!("{suffix} : {suffix}+*"),
            _ => (*suffix).to_owned(),
        })
        .collect();
    let name = receiver.name();
    let command = exim_command(receiver);
    let condition =
        if hosts.len() > 1 { exim_condition(lists, &sites, site_host) } else { String::new() };
    let names: Vec<String> = names.into_iter().map(exim_item).collect();
    let router = |router: &str, suffixes: &str| {
        format!(
            "{name}_{router}:\n  driver = accept\n  domains = {}\n  local_parts = {}\n\
             {suffixes}{condition}  transport = {name}_transport\n\n",
            hosts.join(" : "),
            names.join(" : "),
        )
    };
    format!(
        "# Written by `dormouse aliases --mta exim`; write it anew when a list comes or goes.\n\n\
         # Into the part \"begin routers\", before the routers of local users:\n{}{}\
         # Into the part \"begin transports\":\n\
         {name}_transport:\n  driver = pipe\n  command = {command}\n  user = {user}\n  \
         group = {user}\n  current_directory = /\n  home_directory = /\n  \
         temp_errors = 75 : 126 : 127\n  return_fail_output\n",
        router("lists", ""),
        router("addresses", &format!("  local_part_suffix = {}\n", suffixes.join(" : "))),
    )
}

/// Quotes a name or an address as an item of one of Exim's lists, where a leading plus would mean
/// another list.
fn exim_item(item: &str) -> String {
    if item.starts_with('+') {
        format!("\\N^{}$\\N", item.replace('.', "[.]").replace('+', "[+]"))
    } else {
        item.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_clock::Timestamp;
    use dormouse_store::ListSettings;

    fn list(name: &str, host: &str) -> List {
        let settings = ListSettings { host_name: host.to_owned(), ..ListSettings::default() };
        let name = name.parse().unwrap();
        List {
            id: ListId::new(1),
            name,
            created_at: Timestamp::EPOCH,
            post_id: 1,
            last_post_time: Timestamp::EPOCH,
            settings,
        }
    }

    fn ours() -> Receiver {
        Receiver::Dormouse { program: "/usr/bin/dormouse".into(), site: "/var/lib/dormouse".into() }
    }

    /// The format of docs/spec/cli.md §5, so that programs that read Mailman's file can read ours.
    #[test]
    fn aliases_have_mailmans_form_with_ten_addresses_a_list() {
        let lists = [list("dev", "a.example"), list("mailman", "a.example")];
        let text = aliases(&lists, &ours(), "mailman", Path::new("/s/owner.mbox"));
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert_eq!(lines.len(), 21, "{text}");
        assert_eq!(lines[0], "mailman-loop: /s/owner.mbox");
        assert_eq!(
            lines[1],
            "dev:             \"|/usr/bin/dormouse --site /var/lib/dormouse mailman post dev\""
        );
        assert!(lines[10].starts_with("dev-unsubscribe: \"|"), "{}", lines[10]);
        assert!(text.contains("# STANZA START: dev\n") && text.contains("# STANZA END: dev\n"));
    }

    #[test]
    fn every_address_of_a_list_has_an_alias() {
        let suffixes: Vec<&str> = ADDRESSES[1..].iter().map(|(suffix, _)| *suffix).collect();
        assert_eq!(suffixes, dormouse_store::lists::SUFFIXES);
    }

    #[test]
    fn the_sites_own_addresses_are_there_before_anybody_has_made_its_list() {
        let lists = [list("dev", "a.example")];
        let text = aliases(&lists, &ours(), "site", Path::new("/s/owner.mbox"));
        for local in ["site", "site-owner", "site-bounces", "site-request", "site-loop"] {
            assert!(text.contains(&format!("\n{local}: /s/owner.mbox\n")), "{text}");
        }
        let text = exim(&lists, &ours(), ("site", "a.example"), "list");
        let names =
            "local_parts = dev : site : site-bounces : site-loop : site-owner : site-request";
        assert!(text.contains(names), "{text}");
        let back = Receiver::Mailman { program: "/m".into() };
        let text = exim(&lists, &back, ("site", "a.example"), "list");
        assert!(text.contains("local_parts = dev\n"), "{text}");
    }

    #[test]
    fn the_way_back_has_mailmans_own_lines() {
        let back = Receiver::Mailman { program: "/usr/lib/mailman/mail/mailman".into() };
        let kept = Path::new("/s/owner.mbox");
        let text = aliases(&[list("dev", "a.example")], &back, "mailman", kept);
        assert!(
            text.contains("dev-admin:       \"|/usr/lib/mailman/mail/mailman admin dev\"\n"),
            "{text}"
        );
        // A list that is exported with another name gets its mail there.
        let namesake = List { id: ListId::new(2), ..list("dev@b.example", "b.example") };
        let text = aliases(&[list("dev", "a.example"), namesake], &back, "mailman", kept);
        assert!(text.contains("/mailman post dev\"\n"), "{text}");
        assert!(text.contains("/mailman post dev-b-example\"\n"), "{text}");
    }

    #[test]
    fn lists_of_one_name_at_two_hosts_have_two_aliases() {
        let lists = [list("info", "a.example"), list("info@b.example", "b.example")];
        let text = virtual_map(&lists, "mailman", "a.example", &[]);
        assert!(text.contains("info-owner@b.example\tinfo=b.example-owner\n"), "{text}");
        assert!(text.contains("mailman-loop@b.example\tmailman-loop\n"), "{text}");
        assert!(!text.contains("@a.example"), "{text}");
        assert_eq!(virtual_domains(&text), [""; 0]);
        let named = ["a.example".to_owned(), "b.example".to_owned()];
        assert_eq!(virtual_domains(&virtual_map(&lists, "mailman", "a.example", &named)), named);
        let text = aliases(&lists, &ours(), "mailman", Path::new("/x"));
        assert!(text.contains("info=b.example-join:"), "{text}");
        assert!(text.contains("mailman join info@b.example\""), "{text}");
    }

    #[test]
    fn paths_with_signs_of_the_shell_are_escaped() {
        let odd = Receiver::Mailman { program: "/opt/a b$c/mailman".into() };
        let text = aliases(&[list("dev", "a.example")], &odd, "mailman", Path::new("/x"));
        assert!(text.contains("\"|/opt/a\\\\ b\\\\$c/mailman post dev\""), "{text}");
        let text = exim(&[list("dev", "a.example")], &odd, ("mailman", "a.example"), "list");
        assert!(text.contains("command = '/opt/a b\\$c/mailman' '${if"), "{text}");
    }

    #[test]
    fn exim_gets_every_suffix_with_what_may_follow() {
        let site = ("mailman", "a.example");
        let text = exim(&[list("dev", "a.example")], &ours(), site, "list");
        assert!(
            text.contains(
                "local_part_suffix = -admin : -bounces : -bounces+* : -confirm : -confirm+* : -join"
            ),
            "{text}"
        );
        assert!(text.contains("--site /var/lib/dormouse deliver\n"), "{text}");
        assert!(!text.contains("condition"), "{text}");
        assert!(text.contains("temp_errors = 75"), "{text}");
        let lists = [list("+dev", "a.example"), list("info@b.example", "b.example")];
        let lists = [&lists[..], &[list("mailman", "a.example")]].concat();
        let text = exim(&lists, &ours(), site, "list");
        let names = "local_parts = \\N^[+]dev$\\N : info : mailman : mailman-loop\n";
        assert!(text.contains(names), "{text}");
        let addresses = "{\\N^[+]dev@a[.]example$\\N : info@b.example : mailman@a.example : \
                         mailman-loop@a.example}";
        assert!(text.contains(addresses), "{text}");
    }
}
