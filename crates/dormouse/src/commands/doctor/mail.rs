//! Mail on its way in and out: the MTA's side of both, and how receivers react.

use super::Topic;
use crate::commands::bounces;
use crate::commands::mta::{self, Missing, Postfix};
use crate::commands::run::Worker;
use crate::commands::units::install_command;
use dormouse_clock::Timestamp;
use dormouse_delivery::{Cause, Session, Transport};
use dormouse_membership::moderation::vouch;
use dormouse_store::{Site, Store, ToStrangers, owner};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long the MTA may take for its greeting.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks whether a domain refuses or defers the lists' mail, or its readers complain about it.
pub fn receivers(topic: &mut Topic, site: &Site) {
    const FEW: u64 = 3;
    const MANY: u64 = 10;
    let since = Timestamp::now() - 7.0 * 86_400.0;
    let Ok(rows) =
        Store::open_read_only(site).and_then(|store| store.read().returns_by_domain(None, since))
    else {
        return;
    };
    for row in &rows {
        let (domain, members) = (&row.domain, row.members);
        if let Some(slow) = row.slow.as_ref().filter(|slow| slow.is_held || slow.failures > 1) {
            topic.odd(
                bounces::slow_domain(slow),
                "`dormouse queue ls retry` shows what waits, and `queue retry ENTRY` tries it now; if the \
                 domain asks for a slower pace: dormouse config set delivery.limits 'DOMAIN: rate=N/min'",
            );
        }
        if row.refused >= MANY || row.refused >= FEW && row.refused * 2 >= members {
            topic.odd(format!(
                    "{domain} refused mail by policy for {} of {members} addresses within a week",
                    row.refused
                ),
                "`dormouse member bounces LIST` shows the replies; look at DNS, block lists and DKIM",
            );
        }
        if row.complaints >= FEW {
            topic.odd(format!(
                    "{} of {members} readers at {domain} reported mail as spam within a week",
                    row.complaints
                ),
                "`dormouse member rates` shows the domains; `complaints=unsubscribe` removes such readers",
            );
        }
    }
    topic.or_good("no domain refuses the lists' mail");
}

/// Whether senders who are not members are told about their posts.
pub fn non_members_are_told(topic: &mut Topic, site: &Site) {
    let config = site.config();
    let text = "posts that a list rejects by sender or header are refused during delivery, so the \
                sender's own MTA reports it; non-members whose posts are held, or rejected later, are \
                told nothing";
    match vouch::silence(config) {
        Some(silence) => topic.odd(text, silence),
        None if config.notices_to_strangers == ToStrangers::Always => {
            topic
                .good("they are told about their posts, and so are the owners of forged addresses");
        }
        None => topic.good(format!(
            "they are told about their posts if {} vouches for the address",
            config.notices_authserv_id.join(", ")
        )),
    }
}

/// Whether the MTA accepts mail from us.
pub fn outgoing(topic: &mut Topic, site: &Site) {
    const NAME_MTA: &str = "dormouse config set delivery.url smtp://HOST:PORT";
    let url = &site.config().delivery_url;
    const LOGIN: &str = "dormouse config set delivery.user NAME; dormouse config set \
                         delivery.password_file FILE";
    let mut worker = match Worker::new(site, Arc::new(AtomicBool::new(false))) {
        Ok(worker) => worker,
        Err(failure) => return topic.bad(failure.message, format!("{NAME_MTA}; {LOGIN}")),
    };
    worker.be_impatient(PATIENCE);
    let (transport, options) = worker.mta();
    if let Transport::Maildir(dir) = transport {
        let shown = dir.display();
        if dir.is_dir() || owner::could_make(dir) {
            let text = format!("mail goes only into Maildirs below {shown}");
            return topic.good(text);
        }
        let text = format!("there is no directory {shown}, and it cannot be created");
        return topic.bad(text, format!("create it, or name an MTA: {NAME_MTA}"));
    }
    match Session::connect(transport, options) {
        Ok(session) => {
            session.quit();
            let host = if let Transport::Smtp(endpoint) = transport {
                endpoint.to_string()
            } else {
                url.clone()
            };
            let user = options.credentials.as_ref().map(|found| found.user.as_str());
            let user =
                user.map_or_else(String::new, |user| format!(", and accepts the login of {user}"));
            topic.good(format!("{host} answers{user}"));
        }
        Err(error) => {
            let mend = match &error.cause {
                Cause::Login { .. } => {
                    format!("check the password, or name another user: {LOGIN}")
                }
                Cause::Setup(_) | Cause::Tls(_) => "dormouse config show delivery.tls --explain; \
                                                    dormouse config show delivery.user --explain"
                    .to_owned(),
                _ => format!("start it, or name another MTA: {NAME_MTA}"),
            };
            topic.bad(error.to_string(), mend);
        }
    }
}

/// Whether an MTA on this machine delivers the lists' mail to us.
pub fn incoming(topic: &mut Topic, site: &Site) {
    // If the database cannot be read, its own check says so.
    let Ok(lists) = Store::open_read_only(site).and_then(|store| store.read().lists()) else {
        return;
    };
    let is_there = |name: &str| site.dir().join(name).exists();
    if is_there("exim.conf") {
        match mta::exim(site, &lists) {
            Some(missing) => lacks(topic, missing),
            None => topic.odd(
                "there is a configuration for Exim, but no Exim that can be asked",
                "install Exim; then exim -bt LIST@HOST shows how it routes an address",
            ),
        }
        topic.or_good("Exim delivers it");
        return;
    }
    let Some(postfix) = Postfix::find() else {
        if !is_there("aliases") && site.config().lmtp_listen.trim().is_empty() {
            topic.odd(
                "no MTA that delivers mail to the lists is known here",
                "dormouse aliases --install, for Postfix; or dormouse aliases --mta exim --install",
            );
        }
        return;
    };
    let host = &site.config().host;
    if is_there("aliases") || postfix.has_transport(host) {
        lacks(topic, postfix.missing(site, &lists));
        topic.or_good("Postfix delivers it");
    } else {
        topic.odd(format!("Postfix has no route for mail to {host}"), "dormouse aliases --install");
    }
}

/// Whether the MTA may connect to the LMTP socket.
pub fn lmtp_socket(topic: &mut Topic, site: &Site) {
    let place = site.config().lmtp_listen.trim();
    if !place.starts_with('/') {
        return;
    }
    let found = match fs::metadata(place) {
        Ok(found) => found,
        Err(error) => {
            let mend = format!(
                "{}; or dormouse master start; or dormouse config set lmtp.listen ''",
                install_command(site)
            );
            return topic.bad(format!("{place}: {error}: no mail is accepted there"), mend);
        }
    };
    let (has, wanted) = (owner::group_name(found.gid()), site.config().lmtp_group());
    if wanted.is_empty() {
        topic.odd(format!("the MTA's group is unknown: an MTA that runs as another user may not connect to {place}"),
            "dormouse config set lmtp.group GROUP; dormouse units install",
        );
    } else if has != wanted {
        topic.odd(
            format!("{place} belongs to the group {has}, and the MTA is in the group {wanted}"),
            format!(
                "dormouse units install; or, without systemd, add the site's owner to the group \
                 {wanted}, then dormouse master restart"
            ),
        );
    } else {
        topic.good(format!("the group {wanted} may connect to {place}"));
    }
}

fn lacks(topic: &mut Topic, missing: Vec<Missing>) {
    missing.into_iter().for_each(|missing| topic.bad(missing.text, missing.mend));
}
