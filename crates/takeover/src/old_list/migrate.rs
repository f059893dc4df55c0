//! Lists saved by an older Mailman: the effect of bin/update and the first load
//! (docs/spec/pickles.md §8).

use super::Old;
use crate::attributes::DATA_VERSION;
use crate::text;
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_pickle::Value;
use dormouse_store::value::SettingValue as _;
use dormouse_store::{Delivery, ListSettings, MemberOption, NonmemberAction, WholeMember};
use std::collections::HashSet;

/// The changes of each member.
#[derive(Default)]
pub struct Migration {
    is_needed: bool,
    moderation: Moderation,
    /// Who is moderated even so.
    bad: HashSet<AddressKey>,
}

#[derive(Default)]
enum Moderation {
    #[default]
    AsSaved,
    Nobody,
    AllBut(HashSet<AddressKey>),
}

impl Migration {
    /// Changes a member.
    pub fn apply(&self, whole: &mut WholeMember) {
        if !self.is_needed {
            return;
        }
        let moderated = match &self.moderation {
            _ if self.bad.contains(&whole.member.key) => Some(true),
            Moderation::AsSaved => None,
            Moderation::Nobody => Some(false),
            Moderation::AllBut(may) => Some(!may.contains(&whole.member.key)),
        };
        if let Some(moderated) = moderated {
            whole.member.options = whole.member.options.with(MemberOption::Moderate, moderated);
        }
        if whole.member.delivery == Delivery::ByBounce && whole.bounces.is_empty() {
            whole.member.delivery = Delivery::Enabled;
            whole.delivery_changed_at = Timestamp::EPOCH;
        }
    }
}

/// Migrates what is older than the schema of 2.1.39.
pub fn apply(
    old: &mut Old<'_, '_>,
    settings: &mut ListSettings,
    is_member: &dyn Fn(&AddressKey) -> bool,
) -> Migration {
    if old.version >= DATA_VERSION {
        return Migration::default();
    }
    let version = old.version;
    old.remark(format!("its schema {version} is migrated to {DATA_VERSION}"));
    renamed(old, settings);
    posters(old, settings, is_member)
}

/// Settings with the names of older versions.
fn renamed(old: &mut Old<'_, '_>, settings: &mut ListSettings) {
    let has = |name: &str| old.get(name).is_some();
    let flag = |name: &str| old.get(name).and_then(Value::as_float).map(|value| value != 0.0);
    let mut changes: Vec<(&str, String)> = Vec::new();
    if let (Some(value), false) = (old.int("author_is_list"), has("from_is_list")) {
        changes.push(("from_is_list", value.to_string()));
    }
    if let (Some(value), false) =
        (flag("dont_respond_to_post_requests"), has("respond_to_post_requests"))
    {
        changes.push(("respond_to_post_requests", (!value).write()));
    }
    if let (Some(value), false) = (flag("reminders_to_admins"), has("umbrella_list")) {
        changes.push(("umbrella_list", value.write()));
    }
    if let (Some(value), false) = (old.int("closed"), has("private_roster")) {
        changes.push(("private_roster", value.to_string()));
    }
    let open = flag("open_subscribe").or_else(|| flag("auto_subscribe"));
    if let (Some(open), false) = (open, has("subscribe_policy")) {
        // Open meant that nobody is asked, which sites do not allow by default.
        changes.push(("subscribe_policy", if open { "confirm" } else { "approve" }.to_owned()));
    }
    for (name, value) in changes {
        if let Err(problem) = settings.put(name, &value) {
            old.remark(format!("an older form of a setting does not fit: {problem}"));
        }
    }
}

/// Migrates the lists of addresses that, until 2.0, said who may post.
fn posters(
    old: &Old<'_, '_>,
    settings: &mut ListSettings,
    is_member: &dyn Fn(&AddressKey) -> bool,
) -> Migration {
    let addresses = |name: &str| -> Vec<String> {
        let items = old.get(name).into_iter().flat_map(Value::items);
        items.filter_map(|item| text::decode(&old.charset, item)).collect()
    };
    let is_on = |name: &str| old.get(name).and_then(Value::as_int).is_some_and(|flag| flag != 0);
    let mut migration = Migration { is_needed: true, ..Migration::default() };
    let posters = addresses("posters");
    let has_rule =
        ["moderated", "posters", "member_posting_only"].iter().any(|name| old.get(name).is_some());
    if has_rule && old.get("default_member_moderation").is_none() {
        let strangers = posters.iter().filter(|poster| !is_member(&AddressKey::of(poster)));
        settings.accept_these_nonmembers.extend(strangers.cloned());
        let may: HashSet<AddressKey> =
            posters.iter().map(|poster| AddressKey::of(poster)).collect();
        let members_only = is_on("member_posting_only");
        if is_on("moderated") || (!members_only && !posters.is_empty()) {
            migration.moderation = Moderation::AllBut(may);
            settings.generic_nonmember_action = NonmemberAction::Hold;
            settings.default_member_moderation = true;
        } else {
            migration.moderation = Moderation::Nobody;
            settings.default_member_moderation = false;
            settings.generic_nonmember_action =
                if members_only { NonmemberAction::Hold } else { NonmemberAction::Accept };
        }
    }
    for address in ["forbidden_posters", "bad_posters"].iter().flat_map(|name| addresses(name)) {
        let key = AddressKey::of(&address);
        if is_member(&key) {
            migration.bad.insert(key);
        } else {
            settings.hold_these_nonmembers.push(address);
        }
    }
    migration
}
