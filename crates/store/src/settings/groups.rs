//! The groups of list settings.

/// A group of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingGroup {
    /// The first setting of the group in the table.
    pub(super) first: &'static str,
    /// The group's name in URLs; Mailman's name if it is one of Mailman's categories.
    pub page: &'static str,
    /// The group's title.
    pub title: &'static str,
}

const fn group(first: &'static str, page: &'static str, title: &'static str) -> SettingGroup {
    SettingGroup { first, page, title }
}

/// All groups, in order.
pub const GROUPS: [SettingGroup; 11] = [
    group("real_name", "general", "The list and its posts"),
    group("nondigestable", "nondigest", "Single posts"),
    group("digestable", "digest", "Digests"),
    group("advertised", "joining", "Who may join and who sees whom"),
    group("default_member_moderation", "posting", "Who may post"),
    group("bounce_processing", "bounce", "Bounces"),
    group("archive", "archive", "The archive"),
    group("autorespond_postings", "autoreply", "Automatic replies"),
    group("filter_content", "contentfilter", "What posts may contain"),
    group("topics", "topics", "Topics"),
    group("nntp_host", "gateway", "The newsgroup"),
];
