//! The database, the list of the site itself and its web pages.

use super::Topic;
use crate::commands::units::install_command;
use crate::output;
use dormouse_store::{Site, Store, StoreError};
use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

pub fn database(topic: &mut Topic, site: &Site) {
    let count = |store: Store| -> Result<u64, StoreError> {
        store.read().iter_lists().try_fold(0, |sum, list| list.map(|_| sum + 1))
    };
    match Store::open_read_only(site).and_then(count) {
        Ok(count) => {
            let lists = output::count(count, "list", "lists");
            topic.good(format!("{lists} in {}", site.database_name()));
        }
        Err(error) => {
            topic.bad(error.to_string(), "restore it from a backup if it is damaged");
        }
    }
}

/// Checks who gets the mail that comes back to the site itself.
pub fn site_list(topic: &mut Topic, site: &Site) {
    let name = &site.config().site_list;
    let kept = site.owner_bounces();
    // If the database cannot be read, its own check says so.
    let Ok(found) = Store::open_read_only(site).and_then(|store| store.read().list(name)) else {
        return;
    };
    match found {
        None => topic.odd(
            format!(
                "there is no list {name}: bounces of mail to lists' owners are kept in {}",
                kept.display()
            ),
            format!("dormouse list create {name} --owner YOU"),
        ),
        Some(list) if list.settings.owner.is_empty() => topic.bad(
            format!("the list {name} has no owner: nobody gets mail that comes back to the site"),
            format!("dormouse list set {name} owner=YOU"),
        ),
        Some(list) => {
            let owners = list.settings.owner.join(", ");
            topic.good(format!("mail that comes back to {name} goes to {owners}"));
        }
    }
    if fs::metadata(&kept).is_ok_and(|meta| meta.len() > 0) {
        topic.odd(
            format!("undeliverable mail for owners is kept in {}", kept.display()),
            "read it, then move it away",
        );
    }
}

/// Whether the pages are served to which mail has links.
pub fn pages(topic: &mut Topic, site: &Site) {
    let config = site.config();
    let place = config.web_listen.trim();
    if place.is_empty() {
        let text = "the site has none (web.listen is empty), so mail has no links to any";
        if config.web_url.trim().is_empty() {
            topic.good(text);
        } else {
            let mend = "dormouse config set web.listen 127.0.0.1:8124; dormouse units install; and \
                        let the web server in front forward /mailman/ to it";
            topic.odd(format!("{text}, though web_url says where they are"), mend);
        }
        return;
    }
    let tried = if place.starts_with('/') {
        UnixStream::connect(place).map(drop)
    } else {
        TcpStream::connect(place).map(drop)
    };
    match tried {
        Ok(()) => topic.good(format!("a server listens at {place}")),
        Err(error) => topic.bad(
            format!("{place}: {error}: mail has links to pages that nobody serves"),
            format!(
                "{}; or dormouse master start; or dormouse config set web.listen ''",
                install_command(site)
            ),
        ),
    }
}
