//! Checks whether a post is explicitly addressed to the list (docs/spec/pipeline.md §2.5).

use super::Post;
use dormouse_mail::AddressKey;
use dormouse_membership::patterns;
use dormouse_store::StoreError;

const SETTING: &str = "acceptable_aliases";

/// Whether To, Cc, Resent-To or Resent-Cc names the list, or an alias that its owner accepts.
pub fn is_explicit(post: &Post<'_>) -> Result<bool, StoreError> {
    let own = AddressKey::of(&post.list.address());
    let addresses: Vec<AddressKey> = ["To", "Cc", "Resent-To", "Resent-Cc"]
        .into_iter()
        .flat_map(|header| post.message.mailboxes(header))
        .map(|mailbox| mailbox.key())
        .collect();
    if addresses.iter().any(|address| address.local() == own.local()) {
        return Ok(true);
    }
    // Addresses from before a rename still belong to the list.
    let former = post.store.read().former_names(post.list.id)?;
    if former
        .iter()
        .any(|former| addresses.iter().any(|found| *found == AddressKey::of(&former.address())))
    {
        return Ok(true);
    }
    Ok(post
        .list
        .settings
        .acceptable_aliases
        .lines()
        .map(str::trim)
        .filter(|alias| !alias.is_empty())
        .any(|alias| {
            addresses.iter().any(|address| {
                patterns::matches_start(post, SETTING, alias, address)
                    || !alias.contains('@')
                        && patterns::matches_start(post, SETTING, alias, address.local())
            })
        }))
}
