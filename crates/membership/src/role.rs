//! Whose password one is (docs/spec/web.md §2, docs/spec/commands.md §10). Callers say which roles a
//! password may have. A correct one is rehashed in our form.

use crate::password;
use dormouse_store::{List, Read, StoreError, Tx};

/// A role that a password proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The site's administrator; never by mail.
    Site,
    /// An owner of the list.
    Owner,
    /// A moderator of the list.
    Moderator,
    /// A person who may post as if a moderator had approved it.
    Poster,
}

/// The name of the site's password in the store.
const SITE: &str = "admin";

impl Role {
    /// The list's setting with the hash; `None` for the site's.
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Role::Site => None,
            Role::Owner => Some("password"),
            Role::Moderator => Some("mod_password"),
            Role::Poster => Some("post_password"),
        }
    }

    /// The role in words.
    pub fn whose(self) -> &'static str {
        match self {
            Role::Site => "site",
            Role::Owner => "owners'",
            Role::Moderator => "moderators'",
            Role::Poster => "posters'",
        }
    }
}

/// The hash of the site's password; empty if none is set.
pub fn site_password(store: &Read) -> Result<String, StoreError> {
    Ok(store.site_password(SITE)?.unwrap_or_default())
}

/// Whether a password is the site's.
pub fn is_sites(store: &Tx<'_>, password: &str) -> Result<bool, StoreError> {
    let hash = site_password(store.read())?;
    if password.is_empty() || !password::verify(&hash, password) {
        return Ok(false);
    }
    if let Some(hash) = password::renewed(&hash, password) {
        store.set_site_password(SITE, &hash)?;
    }
    Ok(true)
}

/// Returns the first of the roles whose password this is.
pub fn of_password(
    store: &Tx<'_>,
    list: &List,
    roles: &[Role],
    password: &str,
) -> Result<Option<Role>, StoreError> {
    if password.is_empty() {
        return Ok(None);
    }
    for &role in roles {
        let Some(setting) = role.setting() else {
            if is_sites(store, password)? {
                return Ok(Some(role));
            }
            continue;
        };
        // Read again: the caller may have read the list long ago.
        let hash = store.read().kept_setting(list.id, setting)?.unwrap_or_default();
        if !password::verify(&hash, password) {
            continue;
        }
        if let Some(hash) = password::renewed(&hash, password) {
            store.set_setting(&list.name, setting, &hash)?;
        }
        return Ok(Some(role));
    }
    Ok(None)
}

/// Whether a password is that of the member with exactly this address.
pub fn is_members(
    store: &Tx<'_>,
    list: &List,
    address: &str,
    password: &str,
) -> Result<bool, StoreError> {
    let hash = store.read().member_password(list.id, address)?;
    if password.is_empty() || !password::verify(&hash, password) {
        return Ok(false);
    }
    if let Some(hash) = password::renewed(&hash, password) {
        store.set_member_password(list.id, address, &hash)?;
    }
    Ok(true)
}
