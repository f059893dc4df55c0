//! Whether an MTA on this machine delivers the lists' mail, by its own configuration, and what is
//! missing there.

use dormouse_store::{List, Site};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

/// Something missing in an MTA's configuration for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The problem.
    pub text: String,
    /// The command that solves it, ready to be typed, or what else to do.
    pub mend: String,
}

/// The information that Postfix needs.
const NAMES: [&str; 8] = [
    "mydestination",
    "virtual_alias_domains",
    "virtual_alias_maps",
    "virtual_mailbox_domains",
    "relay_domains",
    "transport_maps",
    "alias_maps",
    "recipient_delimiter",
];

/// How Postfix treats a host's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// By aliases.
    Aliases,
    /// By the virtual map, and then by aliases.
    Virtual,
    /// By its own transport: a pipe, or LMTP.
    Transport,
    /// As mail for another host.
    Elsewhere,
}

/// Postfix's settings.
pub struct Postfix {
    /// With references to other settings resolved.
    meant: BTreeMap<String, String>,
    /// As written in the file.
    written: BTreeMap<String, String>,
}

impl Postfix {
    /// Returns the installed one, if there is one.
    pub fn find() -> Option<Postfix> {
        let ask = |expanded: &[&str]| {
            let output = run("postconf", &[expanded, &NAMES].concat())?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let pair = |line: &str| {
                let (name, value) = line.split_once('=')?;
                Some((name.trim().to_owned(), value.trim().to_owned()))
            };
            output.status.success().then(|| text.lines().filter_map(pair).collect())
        };
        Some(Postfix { meant: ask(&["-x"])?, written: ask(&[])? })
    }

    fn meant(&self, name: &str) -> impl Iterator<Item = &str> {
        words(self.meant.get(name).map_or("", String::as_str))
    }

    /// Returns the command that adds a value to a setting.
    fn adding(&self, name: &str, more: &str) -> String {
        let written = self.written.get(name).map_or("", String::as_str).trim();
        let separator = if written.is_empty() { "" } else { ", " };
        format!("postconf -e {}", quoted(&format!("{name} = {written}{separator}{more}")))
    }

    /// Whether a list of names and tables contains a name.
    fn has(&self, name: &str, host: &str) -> bool {
        self.meant(name).any(|word| match word {
            _ if word.eq_ignore_ascii_case(host) => true,
            _ if word.contains(':') => is_in_table(word, host),
            _ if word.starts_with('/') => std::fs::read_to_string(word).is_ok_and(|text| {
                text.split_whitespace().any(|word| word.eq_ignore_ascii_case(host))
            }),
            _ => false,
        })
    }

    fn way(&self, host: &str) -> Way {
        if self.meant("transport_maps").any(|table| is_in_table(table, host)) {
            Way::Transport
        } else if self.has("mydestination", host) {
            Way::Aliases
        } else if self.has("virtual_alias_domains", host) {
            Way::Virtual
        } else if ["relay_domains", "virtual_mailbox_domains"].iter().any(|n| self.has(n, host)) {
            Way::Transport
        } else {
            Way::Elsewhere
        }
    }

    /// Whether it routes a host's mail by a transport; then aliases do not matter.
    pub fn has_transport(&self, host: &str) -> bool {
        self.way(host) == Way::Transport
    }

    /// Returns what is missing to deliver the mail of these lists, with the commands that add it.
    pub fn missing(&self, site: &Site, lists: &[List]) -> Vec<Missing> {
        let mut missing = Vec::new();
        let ways = self.missing_hosts(site, lists, &mut missing);
        self.missing_tables(site, &ways, &mut missing);
        let delimiter = self.meant.get("recipient_delimiter").map_or("", String::as_str);
        if !delimiter.contains('+') {
            missing.push(Missing {
                text:
                    "Postfix does not split addresses at +, so bounces and confirmations are lost"
                        .to_owned(),
                mend: format!(
                    "postconf -e {}",
                    quoted(&format!("recipient_delimiter = +{delimiter}"))
                ),
            });
        }
        missing
    }

    /// The hosts whose mail is not accepted. Returns how the mail of all hosts is delivered, or will
    /// be.
    fn missing_hosts(
        &self,
        site: &Site,
        lists: &[List],
        missing: &mut Vec<Missing>,
    ) -> BTreeSet<Way> {
        let mut ways = BTreeSet::new();
        let (mut local, mut foreign) = (Vec::new(), Vec::new());
        for host in hosts(site, lists) {
            match self.way(&host) {
                Way::Elsewhere if has_namesakes(lists, &host) => foreign.push(host),
                Way::Elsewhere => local.push(host),
                way => {
                    ways.insert(way);
                }
            }
        }
        for (name, hosts, way) in [
            ("mydestination", &local, Way::Aliases),
            ("virtual_alias_domains", &foreign, Way::Virtual),
        ] {
            if !hosts.is_empty() {
                ways.insert(way);
                missing.push(Missing {
                    text: format!("Postfix does not accept mail for {}", hosts.join(" and ")),
                    mend: self.adding(name, &hosts.join(", ")),
                });
            }
        }
        ways
    }

    /// The tables of aliases that are not used, cannot be read, or do not exist.
    fn missing_tables(&self, site: &Site, ways: &BTreeSet<Way>, missing: &mut Vec<Missing>) {
        let dir = site.dir().canonicalize().unwrap_or_else(|_| site.dir().to_owned());
        let kind = super::aliases::map_type();
        let uses = |way: Way| ways.contains(&way);
        let mut need = |name: &str, file: &Path| {
            let ending = format!(":{}", file.display());
            if !self.meant(name).any(|table| table.ends_with(&ending)) {
                missing.push(Missing {
                    text: format!("Postfix does not use {}", file.display()),
                    mend: self.adding(name, &format!("{kind}:{}", file.display())),
                });
            }
        };
        if uses(Way::Virtual) {
            need("virtual_alias_maps", &dir.join("virtual"));
        }
        if uses(Way::Aliases) || uses(Way::Virtual) {
            need("alias_maps", &dir.join("aliases"));
        }
        // If one table cannot be read, mail for every alias is deferred.
        let lost = self.meant("alias_maps").filter(|table| !is_indexed(table));
        if uses(Way::Aliases) || uses(Way::Virtual) {
            missing.extend(lost.map(|table| {
                let file = table.split_once(':').map_or(table, |(_, file)| file);
                Missing {
                    text: format!("Postfix cannot read {table}, and defers the lists' mail"),
                    mend: format!("touch {0}; postalias {1}", quoted(file), quoted(table)),
                }
            }));
        }
        if uses(Way::Virtual) && !dir.join("virtual").exists() {
            missing.push(Missing {
                text: format!("there is no {}", dir.join("virtual").display()),
                mend: "dormouse aliases --virtual --install".to_owned(),
            });
        }
    }
}

/// Whether an Exim on this machine delivers the mail of these lists; `None` if there is no Exim.
pub fn exim(site: &Site, lists: &[List]) -> Option<Vec<Missing>> {
    let program = ["exim4", "exim"].into_iter().find(|program| run(program, &["-bV"]).is_some())?;
    let says = |arguments: &[&str]| {
        let output = run(program, arguments)?;
        let said = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&said).into_owned())
    };
    let mut missing = Vec::new();
    for host in hosts(site, lists) {
        let Some(list) =
            lists.iter().find(|list| list.settings.host_name.eq_ignore_ascii_case(&host))
        else {
            continue;
        };
        // An address for people, and one for bounces.
        let local = list.local_part();
        for address in
            [format!("{local}@{host}"), format!("{local}-bounces+test=example.com@{host}")]
        {
            let said = says(&["-bt", &address])?;
            if !said.contains("router = dormouse_") {
                let reason = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
                missing.push(Missing {
                    text: format!("Exim does not deliver mail for {address} to us: {}", reason.trim()),
                    mend: format!(
                        "{host} among local_domains; and the routers and the transport of `dormouse \
                         aliases --mta exim` in its configuration, before those of others"
                    ),
                });
                break;
            }
        }
    }
    let name = "smtp_accept_queue_per_connection";
    let said = says(&["-bP", name])?;
    let number = said.trim().strip_prefix(name).and_then(|rest| rest.split_once('='));
    if number.is_some_and(|(_, number)| number.trim() != "0") {
        missing.push(Missing {
            text:
                "Exim delays the eleventh and later mails of a connection until its next queue run"
                    .to_owned(),
            mend: format!("{name} = 0, in the main part of its configuration"),
        });
    }
    Some(missing)
}

/// Returns the hosts of the lists' addresses, the site's own first.
fn hosts(site: &Site, lists: &[List]) -> Vec<String> {
    let mut hosts = vec![site.config().host.to_lowercase()];
    for list in lists {
        let host = list.settings.host_name.to_lowercase();
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// Returns the words of a list in Postfix's syntax. Text in braces is one word.
fn words(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    let is_between = move |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (c == ',' || c.is_whitespace())
    };
    list.split(is_between).filter(|word| !word.is_empty())
}

/// Whether a host has lists whose names other hosts have, too: aliases cannot distinguish them.
fn has_namesakes(lists: &[List], host: &str) -> bool {
    let at = |list: &List| list.name.host().map(str::to_owned);
    lists.iter().filter_map(at).any(|domain| domain.eq_ignore_ascii_case(host))
}

/// Whether a table that needs an index has one.
fn is_indexed(table: &str) -> bool {
    let ending = match table.split_once(':').map(|(kind, _)| kind) {
        Some("hash" | "btree") => ".db",
        Some("lmdb") => ".lmdb",
        Some("cdb") => ".cdb",
        _ => return true,
    };
    table.split_once(':').is_none_or(|(_, file)| Path::new(&format!("{file}{ending}")).exists())
}

/// Whether one of Postfix's tables contains a key.
fn is_in_table(table: &str, key: &str) -> bool {
    run("postmap", &["-q", key, table])
        .is_some_and(|output| output.status.success() && !output.stdout.is_empty())
}

/// Returns the output of a program, which may be where only root's `PATH` leads; `None` if it is
/// not found.
fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    let there = [program.to_owned(), format!("/usr/sbin/{program}")];
    there.iter().find_map(|program| Command::new(program).args(arguments).output().ok())
}

/// Quotes a word for a shell.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:@+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_what_a_shell_reads() {
        assert_eq!(quoted("/srv/lists"), "/srv/lists");
        assert_eq!(quoted("a = $b, c"), "'a = $b, c'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn what_stands_in_braces_is_one_word() {
        let list = "a, inline:{ l.example=lmtp:inet:127.0.0.1:8024, b=c } hash:/x";
        let found: Vec<_> = words(list).collect();
        assert_eq!(found, ["a", "inline:{ l.example=lmtp:inet:127.0.0.1:8024, b=c }", "hash:/x"]);
    }

    #[test]
    fn a_new_value_is_appended_to_the_existing_ones() {
        let of = |value: &str| {
            let written = BTreeMap::from([("mydestination".to_owned(), value.to_owned())]);
            Postfix { meant: written.clone(), written }
        };
        let added = |value: &str| of(value).adding("mydestination", "l.example");
        assert_eq!(added("$myhostname"), "postconf -e 'mydestination = $myhostname, l.example'");
        assert_eq!(added(""), "postconf -e 'mydestination = l.example'");
        assert!(of("a.example L.example,b.example").has("mydestination", "l.example"));
        assert!(!of("all.example").has("mydestination", "l.example"));
    }
}
