//! Adds addresses to list settings and removes them: trusted and banned senders.

use dormouse_mail::address::Address;
use dormouse_store::{List, StoreError, Tx};

/// The result of adding an address to a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddedToSetting {
    /// It was added.
    Now,
    /// It was in the setting already.
    Before,
    /// It cannot be added: such settings read `^…` as a pattern, and `@…` as a list.
    NoAddress,
}

/// Adds an address to a list setting, unless it is already in it.
pub(crate) fn add_to(
    tx: &Tx<'_>,
    list: &List,
    setting: &str,
    address: &str,
) -> Result<AddedToSetting, StoreError> {
    if Address::parse(address).is_err() {
        return Ok(AddedToSetting::NoAddress);
    }
    // Read again: the caller may have read the list long ago.
    let current = tx.read().list(&list.name)?.and_then(|list| list.settings.get(setting));
    let current = current.unwrap_or_default();
    if current.lines().any(|line| line.eq_ignore_ascii_case(address)) {
        return Ok(AddedToSetting::Before);
    }
    tx.set_setting(&list.name, setting, &format!("{current}{address}\n"))?;
    Ok(AddedToSetting::Now)
}

/// Removes an address from a list setting.
pub(crate) fn take_from(
    tx: &Tx<'_>,
    list: &List,
    setting: &str,
    address: &str,
) -> Result<(), StoreError> {
    let current = tx.read().list(&list.name)?.and_then(|list| list.settings.get(setting));
    let left: String = current
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.eq_ignore_ascii_case(address))
        .map(|line| format!("{line}\n"))
        .collect();
    tx.set_setting(&list.name, setting, &left)
}
