//! Every attribute of a list's `config.pck`, and what happens to it (docs/spec/pickles.md §3).

/// The type of a list setting in the pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingType {
    /// A truth value, or 0 or 1.
    Flag,
    /// A number of a closed set.
    Choice,
    /// A whole number.
    Int,
    /// A number.
    Real,
    /// A text in the list's charset.
    Text,
    /// A list of texts.
    Texts,
    /// A password's hash, or `None`.
    Hash,
    /// A list of tuples.
    Table,
}

impl SettingType {
    /// Whether its values have texts, whose charset can be in doubt.
    pub fn is_text(self) -> bool {
        matches!(self, SettingType::Text | SettingType::Texts | SettingType::Table)
    }
}

/// What happens to an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeFate {
    /// It is a setting of the list with the same name.
    Setting(SettingType),
    /// It is imported to the named place.
    To(&'static str),
    /// It has no use here, and is stored for an export.
    Kept(&'static str),
    /// It is dropped, for this reason.
    Dropped(&'static str),
}

use AttributeFate::{Dropped, Kept, Setting, To};
use SettingType::{Choice, Flag, Hash, Int, Real, Table, Text, Texts};

/// The schema that Mailman 2.1.39 writes.
pub const DATA_VERSION: i64 = 112;

/// Returns the place of a Mailman attribute that is not a setting, or why it has none; `None` for
/// settings, and for attributes unknown to Mailman.
pub fn place(name: &str) -> Option<&'static str> {
    match fate(name)? {
        Setting(_) => None,
        To(place) | Kept(place) | Dropped(place) => Some(place),
    }
}

/// The table.
pub const ATTRIBUTES: &[(&str, AttributeFate)] = &[
    ("data_version", Dropped("the schema's number; old ones are migrated")),
    ("created_at", To("the list")),
    ("volume", To("the list")),
    ("next_digest_number", To("the list")),
    ("digest_last_sent_at", To("the list")),
    ("last_post_time", To("the list")),
    ("post_id", To("the list")),
    ("next_request_id", To("the list")),
    ("usenet_watermark", To("the list")),
    ("one_last_digest", To("the members")),
    ("next_post_number", Kept("nothing reads it in Mailman either")),
    ("verbatim", Kept("nothing reads it in Mailman either")),
    ("members", To("the members")),
    ("digest_members", To("the members")),
    ("passwords", To("the members, hashed")),
    ("language", To("the members")),
    ("usernames", To("the members")),
    ("user_options", To("the members")),
    ("delivery_status", To("the members")),
    ("bounce_info", To("the members")),
    ("topics_userinterest", To("the members")),
    ("useropts_version", Dropped("says that options are numbers; older ones are migrated")),
    ("hold_and_cmd_autoresponses", Kept("counts a day's automatic replies; the count restarts")),
    ("postings_responses", To("grace periods of automatic replies")),
    ("admin_responses", To("grace periods of automatic replies")),
    ("request_responses", To("grace periods of automatic replies")),
    ("password", Setting(Hash)),
    ("mod_password", Setting(Hash)),
    ("post_password", Setting(Hash)),
    ("pipeline", Setting(Texts)),
    ("use_dollar_strings", Setting(Flag)),
    ("new_member_options", Setting(Int)),
    ("real_name", Setting(Text)),
    ("owner", Setting(Texts)),
    ("moderator", Setting(Texts)),
    ("description", Setting(Text)),
    ("info", Setting(Text)),
    ("subject_prefix", Setting(Text)),
    ("from_is_list", Setting(Choice)),
    ("anonymous_list", Setting(Flag)),
    ("first_strip_reply_to", Setting(Flag)),
    ("reply_goes_to_list", Setting(Choice)),
    ("reply_to_address", Setting(Text)),
    ("umbrella_list", Setting(Flag)),
    ("umbrella_member_suffix", Setting(Text)),
    ("send_reminders", Setting(Flag)),
    ("send_welcome_msg", Setting(Flag)),
    ("send_goodbye_msg", Setting(Flag)),
    ("welcome_msg", Setting(Text)),
    ("goodbye_msg", Setting(Text)),
    ("admin_immed_notify", Setting(Flag)),
    ("admin_notify_mchanges", Setting(Flag)),
    ("respond_to_post_requests", Setting(Flag)),
    ("emergency", Setting(Flag)),
    ("administrivia", Setting(Flag)),
    ("max_message_size", Setting(Int)),
    ("admin_member_chunksize", Setting(Int)),
    ("host_name", Setting(Text)),
    ("web_page_url", Setting(Text)),
    ("include_rfc2369_headers", Setting(Flag)),
    ("include_list_post_header", Setting(Flag)),
    ("include_sender_header", Setting(Flag)),
    ("drop_cc", Setting(Flag)),
    ("max_days_to_hold", Setting(Int)),
    ("preferred_language", Setting(Text)),
    ("available_languages", Setting(Texts)),
    ("encode_ascii_prefixes", Setting(Choice)),
    ("nondigestable", Setting(Flag)),
    ("digestable", Setting(Flag)),
    ("digest_is_default", Setting(Flag)),
    ("mime_is_default_digest", Setting(Flag)),
    ("digest_size_threshhold", Setting(Real)),
    ("digest_send_periodic", Setting(Flag)),
    ("digest_volume_frequency", Setting(Choice)),
    ("digest_header", Setting(Text)),
    ("digest_footer", Setting(Text)),
    ("msg_header", Setting(Text)),
    ("msg_footer", Setting(Text)),
    ("scrub_nondigest", Setting(Flag)),
    ("personalize", Setting(Choice)),
    ("regular_exclude_lists", Setting(Texts)),
    ("regular_exclude_ignore", Setting(Flag)),
    ("regular_include_lists", Setting(Texts)),
    ("max_num_recipients", Setting(Int)),
    ("advertised", Setting(Flag)),
    ("subscribe_policy", Setting(Choice)),
    ("subscribe_auto_approval", Setting(Texts)),
    ("unsubscribe_policy", Setting(Flag)),
    ("ban_list", Setting(Texts)),
    ("private_roster", Setting(Choice)),
    ("obscure_addresses", Setting(Flag)),
    ("default_member_moderation", Setting(Flag)),
    ("member_moderation_action", Setting(Choice)),
    ("member_moderation_notice", Setting(Text)),
    ("member_verbosity_threshold", Setting(Int)),
    ("member_verbosity_interval", Setting(Int)),
    ("dmarc_moderation_action", Setting(Choice)),
    ("dmarc_quarantine_moderation_action", Setting(Flag)),
    ("dmarc_none_moderation_action", Setting(Flag)),
    ("dmarc_moderation_notice", Setting(Text)),
    ("dmarc_moderation_addresses", Setting(Texts)),
    ("dmarc_wrapped_message_text", Setting(Text)),
    ("equivalent_domains", Setting(Text)),
    ("accept_these_nonmembers", Setting(Texts)),
    ("hold_these_nonmembers", Setting(Texts)),
    ("reject_these_nonmembers", Setting(Texts)),
    ("discard_these_nonmembers", Setting(Texts)),
    ("generic_nonmember_action", Setting(Choice)),
    ("forward_auto_discards", Setting(Flag)),
    ("nonmember_rejection_notice", Setting(Text)),
    ("require_explicit_destination", Setting(Flag)),
    ("acceptable_aliases", Setting(Text)),
    ("header_filter_rules", Setting(Table)),
    ("bounce_matching_headers", Setting(Text)),
    ("bounce_processing", Setting(Flag)),
    ("bounce_score_threshold", Setting(Real)),
    ("bounce_info_stale_after", Setting(Int)),
    ("bounce_you_are_disabled_warnings", Setting(Int)),
    ("bounce_you_are_disabled_warnings_interval", Setting(Int)),
    ("bounce_unrecognized_goes_to_list_owner", Setting(Flag)),
    ("bounce_notify_owner_on_bounce_increment", Setting(Flag)),
    ("bounce_notify_owner_on_disable", Setting(Flag)),
    ("bounce_notify_owner_on_removal", Setting(Flag)),
    ("archive", Setting(Flag)),
    ("archive_private", Setting(Flag)),
    ("archive_volume_frequency", Setting(Choice)),
    ("autorespond_postings", Setting(Flag)),
    ("autoresponse_postings_text", Setting(Text)),
    ("autorespond_admin", Setting(Flag)),
    ("autoresponse_admin_text", Setting(Text)),
    ("autorespond_requests", Setting(Choice)),
    ("autoresponse_request_text", Setting(Text)),
    ("autoresponse_graceperiod", Setting(Int)),
    ("filter_content", Setting(Flag)),
    ("filter_mime_types", Setting(Texts)),
    ("pass_mime_types", Setting(Texts)),
    ("filter_filename_extensions", Setting(Texts)),
    ("pass_filename_extensions", Setting(Texts)),
    ("collapse_alternatives", Setting(Flag)),
    ("convert_html_to_plaintext", Setting(Flag)),
    ("filter_action", Setting(Choice)),
    ("topics", Setting(Table)),
    ("topics_enabled", Setting(Flag)),
    ("topics_bodylines_limit", Setting(Int)),
    ("nntp_host", Setting(Text)),
    ("linked_newsgroup", Setting(Text)),
    ("gateway_to_news", Setting(Flag)),
    ("gateway_to_mail", Setting(Flag)),
    ("news_moderation", Setting(Choice)),
    ("news_prefix_subject_too", Setting(Flag)),
    // Names of older versions (docs/spec/pickles.md §8).
    ("author_is_list", To("from_is_list")),
    ("dont_respond_to_post_requests", To("respond_to_post_requests")),
    ("reminders_to_admins", To("umbrella_list")),
    ("closed", To("private_roster")),
    ("auto_subscribe", To("subscribe_policy")),
    ("open_subscribe", To("subscribe_policy")),
    ("moderated", To("who may post")),
    ("posters", To("who may post")),
    ("member_posting_only", To("who may post")),
    ("forbidden_posters", To("who may post")),
    ("bad_posters", To("who may post")),
    ("requests", Kept("requests of Mailman 1, which cannot be converted")),
    ("num_spawns", Dropped("Mailman 2.1 drops it, too")),
    ("filter_prog", Dropped("Mailman 2.1 drops it, too")),
    ("clobber_date", Dropped("Mailman 2.1 drops it, too")),
    ("public_archive_file_dir", Dropped("Mailman 2.1 drops it, too")),
    ("private_archive_file_dir", Dropped("Mailman 2.1 drops it, too")),
    ("archive_directory", Dropped("Mailman 2.1 drops it, too")),
    ("minimum_removal_date", Dropped("Mailman 2.1 drops it, too")),
    ("minimum_post_count_before_bounce_action", Dropped("Mailman 2.1 drops it, too")),
    ("automatic_bounce_action", Dropped("Mailman 2.1 drops it, too")),
    ("max_posts_between_bounces", Dropped("Mailman 2.1 drops it, too")),
];

/// Returns what happens to an attribute; `None` for an unknown one.
pub fn fate(name: &str) -> Option<AttributeFate> {
    ATTRIBUTES.iter().find(|(known, _)| *known == name).map(|(_, fate)| *fate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::ListSettings;
    use std::collections::HashSet;

    #[test]
    fn every_setting_in_the_table_is_one_here_and_of_the_same_kind() {
        let mut seen = HashSet::new();
        for (name, fate) in ATTRIBUTES {
            assert!(seen.insert(*name), "{name} stands twice");
            if let Setting(kind) = fate {
                assert!(ListSettings::is_known(name), "{name}");
                let is_number = ListSettings::default().number(name).is_some();
                assert_eq!(is_number, matches!(kind, Flag | Choice), "{name}");
            }
        }
    }
}
