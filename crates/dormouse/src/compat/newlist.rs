//! `newlist`: creates a list.

use super::call::{Call, Done, Trouble};
use super::genaliases;
use super::getopt::{HELP as H, flag, with};
use crate::commands::aliases;
use crate::terminal::{ask, ask_secret};
use dormouse_mail::address::Address;
use dormouse_membership::notices::Notices;
use dormouse_membership::password;
use dormouse_spool::Spool;
use dormouse_store::{List, ListName, Store, StoreError};

pub const HELP: &str = "\
Creates a list. Missing arguments are asked for.

Usage: newlist [options] [LIST[@DOMAIN] [OWNER [PASSWORD]]]

  -l LANGUAGE, --language=LANGUAGE  the list's language
  -u HOST, --urlhost=HOST           the host of its web pages
  -e HOST, --emailhost=HOST         the host of its addresses
  -q, --quiet                       the owner gets no mail, and you are not asked about it
  -a, --automate                    the owner gets the mail without asking you
  -h, --help                        print this

With LIST@DOMAIN, DOMAIN is used for both hosts.
";

/// A list to create.
struct New<'c> {
    local: &'c str,
    host: &'c str,
    /// The host of its pages, if it is not the site's.
    url_host: Option<&'c str>,
    owner: &'c String,
    /// The administrators' password.
    secret: &'c str,
    language: Option<&'c str>,
}

impl New<'_> {
    fn create(self, store: &Store) -> Result<List, Trouble> {
        let New { local, host, url_host, owner, secret, language } = self;
        let hash = password::hash(secret).map_err(Trouble::Said)?;
        // A name that already exists at another host is stored with its host.
        let illegal = |problem| Trouble::usage(format!("Illegal list name: {problem}"));
        let local: ListName = local.parse().map_err(illegal)?;
        let name = store.read().name_for(&local, host, None)?;
        let made = store.write(|tx| -> Result<_, StoreError> {
            let made = tx.create_list(&name, host, std::slice::from_ref(owner))?;
            tx.edit_settings(&made.name, |settings| settings.password = hash)?;
            if let Some(url_host) = url_host {
                let url = format!("https://{url_host}/mailman/");
                tx.change_settings(&made.name, &[("web_page_url", &url)])?;
            }
            if let Some(language) = language {
                let available = format!("{language}\nen\n");
                let languages =
                    [("preferred_language", language), ("available_languages", available.as_str())];
                tx.change_settings(&made.name, &languages)?;
            }
            tx.read().list(&made.name)
        });
        match made {
            Err(StoreError::Setting(problem)) => Err(illegal(problem)),
            Err(StoreError::ListExists(name)) => {
                Err(Trouble::usage(format!("List already exists: {name}")))
            }
            made => made?.ok_or_else(|| Trouble::Said(format!("the list {name} was not created"))),
        }
    }
}

pub fn run(call: &Call) -> Done {
    let options = call.options(&[
        H,
        flag('q', "quiet"),
        flag('a', "automate"),
        with('l', "language"),
        with('u', "urlhost"),
        with('e', "emailhost"),
    ])?;
    let (site, store) = call.open()?;
    let mut given = options.rest.iter().cloned();
    let mut next = |question: &str| given.next().map_or_else(|| ask(question), Ok);
    let name = next("Enter the name of the list: ")?.trim().to_lowercase();
    let (local, domain) =
        name.split_once('@').map_or((name.as_str(), None), |(local, domain)| (local, Some(domain)));
    let url_host = options.value("urlhost").or(domain);
    let host = options.value("emailhost").or(domain).unwrap_or(&site.config().host);
    if let Some(list) = store.read().list_by_address(local, host)?
        && list.settings.host_name.eq_ignore_ascii_case(host)
    {
        return Err(Trouble::usage(format!("List already exists: {local}")));
    }
    let owner = next("Enter the email of the person running the list: ")?.trim().to_owned();
    let secret = match given.next() {
        Some(secret) => secret,
        None => ask_secret(&format!("Initial {local} password: "))?,
    };
    let secret = secret.trim();
    if secret.is_empty() {
        return Err(Trouble::usage("The list password cannot be empty"));
    }
    Address::parse(&owner).map_err(|_| {
        Trouble::usage(format!(
            "Bad owner email address: {owner} - a full one such as owner@example.com is needed"
        ))
    })?;
    let new = New {
        local,
        host,
        url_host: url_host.filter(|url_host| *url_host != site.config().host),
        owner: &owner,
        secret,
        language: options.value("language"),
    };
    let list = new.create(&store)?;
    if aliases::refresh(&site, store.read())?.is_empty() {
        genaliases::print(&site, &list)?;
    }
    if !options.has("quiet") {
        if !options.has("automate") {
            // The end of the input is an answer, too.
            let _answer = ask(&format!("Hit enter to notify {} owner...", list.name));
        }
        let spool = Spool::new(site.qfiles());
        let notice = Notices { list: &list, site: &site }.list_made(&owner, Some(secret));
        spool.enqueue(notice.queue, &notice.entry.message, &notice.entry.metadata)?;
    }
    Ok(0)
}
