//! What follows from several settings of a site.

use super::{Config, MTA_GROUPS};
use crate::owner;

impl Config {
    /// The LMTP server of the host that has a list's archive; none if that is this one.
    pub fn archive_host(&self, list: &str) -> Option<&str> {
        let of = |wanted: &str| {
            let places = self.archives_hosts.iter().filter_map(|place| place.split_once('='));
            places
                .map(|(name, url)| (name.trim(), url.trim()))
                .find_map(|(name, url)| name.eq_ignore_ascii_case(wanted).then_some(url))
        };
        of(list).or_else(|| of("*")).filter(|url| *url != self.archives_here.trim())
    }

    /// Whether a web server shows public archives: somebody has said where, or there is one for the
    /// pages.
    pub fn shows_archives(&self) -> bool {
        self.has_pages() || !self.archive_url.trim().is_empty()
    }

    /// The group that may connect to the socket for mail: the one that is set, or else that of the MTA
    /// that is installed here; none when there is neither.
    pub fn lmtp_group(&self) -> String {
        match self.lmtp_group.trim() {
            "" => {
                let known = MTA_GROUPS.iter().find(|group| owner::has_group(group));
                known.map(ToString::to_string).unwrap_or_default()
            }
            group => group.to_owned(),
        }
    }

    /// Whether the site has web pages. Where it has none, no mail leads to one.
    pub fn has_pages(&self) -> bool {
        !self.web_listen.trim().is_empty()
    }
}
