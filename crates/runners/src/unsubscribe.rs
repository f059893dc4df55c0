//! The header with which mail programs let people leave a list with one click (RFC 2369, RFC 8058).

use dormouse_clock::Timestamp;
use dormouse_delivery::Addresses;
use dormouse_mail::Message;
use dormouse_membership::{SECRET, link};
use dormouse_pipeline::personal::has_one_click_page;
use dormouse_store::{List, Site, Store, StoreError};

/// The ways for a mail's recipients to leave the list.
pub struct Unsubscribe<'u> {
    site: &'u Site,
    store: &'u Store,
    list: &'u List,
    /// The header as the pipeline wrote it, for transactions with many recipients.
    plain: String,
    secret: Vec<u8>,
    /// Its links end memberships that existed at this time.
    since: Timestamp,
}

impl<'u> Unsubscribe<'u> {
    /// Removes the header from a message, so that each recipient can have a separate link. Returns
    /// `None` if there was no header, or no page that satisfies RFC 8058 §3.1.
    pub fn take(
        message: &mut Message,
        list: &'u List,
        store: &'u Store,
        site: &'u Site,
    ) -> Result<Option<Unsubscribe<'u>>, StoreError> {
        if !has_one_click_page(list, site.config()) {
            return Ok(None);
        }
        let Some(plain) = message.text("List-Unsubscribe") else { return Ok(None) };
        let secret = match store.read().existing_secret(SECRET)? {
            Some(secret) => secret,
            None => store.write(|tx| tx.secret(SECRET))?,
        };
        message.remove("List-Unsubscribe");
        Ok(Some(Unsubscribe { site, store, list, plain, secret, since: Timestamp::now() }))
    }

    /// Returns the URL of the page where one recipient leaves the list.
    pub fn url(&self, address: &str) -> String {
        link::unsubscribe_url(self.list, self.site, &self.secret, address, self.since)
    }

    /// Returns the header fields for some recipients. Recipients who are members of another list
    /// get no link, because they cannot leave this one.
    pub fn head(&self, group: &Addresses) -> Result<String, StoreError> {
        let only = match group.only() {
            Some(only) if self.is_member(only)? => only,
            _ => return Ok(format!("List-Unsubscribe: {}\r\n", self.plain)),
        };
        let url = self.url(only);
        // If a moderator decides on leaving, one click does not end the membership.
        let one_click = if self.list.settings.unsubscribe_policy {
            ""
        } else {
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        };
        Ok(format!(
            "List-Unsubscribe: <{url}>,\r\n <mailto:{}?subject=unsubscribe>\r\n{one_click}",
            self.list.sub_address("request")
        ))
    }

    fn is_member(&self, address: &str) -> Result<bool, StoreError> {
        let settings = &self.list.settings;
        Ok(settings.regular_include_lists.is_empty()
            || self.store.read().is_member(self.list.id, address)?)
    }
}
