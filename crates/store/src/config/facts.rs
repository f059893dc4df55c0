//! Facts that follow from several settings of a site.

use super::{Config, MTA_GROUPS};
use crate::owner;

impl Config {
    /// Returns the LMTP server of the host with a list's archive; `None` if it is this host.
    pub fn archive_host(&self, list: &str) -> Option<&str> {
        let of = |wanted: &str| {
            let places = self.archives_hosts.iter().filter_map(|place| place.split_once('='));
            places
                .map(|(name, url)| (name.trim(), url.trim()))
                .find_map(|(name, url)| name.eq_ignore_ascii_case(wanted).then_some(url))
        };
        of(list).or_else(|| of("*")).filter(|url| *url != self.archives_here.trim())
    }

    /// Whether a web server shows public archives: their URL is set, or the site has pages.
    pub fn shows_archives(&self) -> bool {
        self.has_pages() || !self.archive_url.trim().is_empty()
    }

    /// Returns the group that may connect to the socket for mail: the one that is set, or else that
    /// of the installed MTA; empty if there is neither.
    pub fn lmtp_group(&self) -> String {
        match self.lmtp_group.trim() {
            "" => {
                let known = MTA_GROUPS.iter().find(|group| owner::has_group(group));
                known.map(ToString::to_string).unwrap_or_default()
            }
            group => group.to_owned(),
        }
    }

    /// Whether the site has web pages. If not, no mail links to one.
    pub fn has_pages(&self) -> bool {
        !self.web_listen.trim().is_empty()
    }
}
