//! Addresses in settings of a list: who is trusted, who is shut out.

use dormouse_mail::address::Address;
use dormouse_store::{List, StoreError, Tx};

/// Whether an address was added to a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is there from now on.
    Now,
    /// It was there before.
    Before,
    /// It is no address. Such settings take what begins with `^` for a pattern, and with `@` for a
    /// list.
    NoAddress,
}

/// Adds an address to a list setting that names addresses, once.
pub(crate) fn add_to(
    tx: &Tx<'_>,
    list: &List,
    setting: &str,
    address: &str,
) -> Result<Added, StoreError> {
    if Address::parse(address).is_err() {
        return Ok(Added::NoAddress);
    }
    // As it is now, not as it was when the list was read.
    let current = tx.list(&list.name)?.and_then(|list| list.settings.get(setting));
    let current = current.unwrap_or_default();
    if current.lines().any(|line| line.eq_ignore_ascii_case(address)) {
        return Ok(Added::Before);
    }
    tx.set_setting(&list.name, setting, &format!("{current}{address}\n"))?;
    Ok(Added::Now)
}

/// Takes an address out of a list setting that names addresses.
pub(crate) fn take_from(
    tx: &Tx<'_>,
    list: &List,
    setting: &str,
    address: &str,
) -> Result<(), StoreError> {
    let current = tx.list(&list.name)?.and_then(|list| list.settings.get(setting));
    let left: String = current
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.eq_ignore_ascii_case(address))
        .map(|line| format!("{line}\n"))
        .collect();
    tx.set_setting(&list.name, setting, &left)
}
