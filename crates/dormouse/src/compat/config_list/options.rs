//! The options that `config_list` writes and reads, in the order of Mailman's pages (docs/spec/web.md §8).
//! Their meaning is documented with the settings.

/// How an option is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// A number with a named meaning.
    Choice(&'static [&'static str]),
    /// A text.
    Text,
    /// A list, written as a text with one item on each line.
    Lines,
    /// A whole number.
    Whole,
    /// Any number.
    Number,
    /// Days; the store has seconds.
    Days,
    /// A domain.
    Host,
    /// An address, or nothing.
    Address,
    /// A list of addresses.
    Addresses,
    /// A list of addresses and `^patterns`.
    Patterns,
    /// The same, with other lists' members as `@list`.
    PatternsAndLists,
    /// A list of names.
    Names,
    /// `(patterns, action, 0)` each.
    HeaderRules,
    /// `(name, pattern, description, 0)` each.
    Topics,
}

/// The options of a page or section.
pub struct OptionPage {
    /// The page's name.
    pub name: &'static str,
    /// The subject.
    pub about: &'static str,
    /// The options in their order.
    pub options: &'static [(&'static str, OptionKind)],
}

const FLAG: OptionKind = OptionKind::Choice(&["No", "Yes"]);
const VOLUME: OptionKind =
    OptionKind::Choice(&["Yearly", "Monthly", "Quarterly", "Weekly", "Daily"]);

use OptionKind::{
    Address, Addresses, Choice, Days, HeaderRules, Host, Lines, Names, Number, Patterns,
    PatternsAndLists, Text, Topics, Whole,
};

/// All pages that have options.
pub const PAGES: &[OptionPage] = &[
    OptionPage {
        name: "general",
        about: "What the list is and how it generally behaves.",
        options: &[
            ("real_name", Text),
            ("owner", Addresses),
            ("moderator", Addresses),
            ("description", Text),
            ("info", Text),
            ("subject_prefix", Text),
            ("from_is_list", Choice(&["No", "Munge From", "Wrap Message"])),
            ("anonymous_list", FLAG),
            ("first_strip_reply_to", FLAG),
            ("reply_goes_to_list", Choice(&["Poster", "This list", "Explicit address"])),
            ("reply_to_address", Address),
            ("umbrella_list", FLAG),
            ("umbrella_member_suffix", Text),
            ("send_reminders", FLAG),
            ("welcome_msg", Text),
            ("send_welcome_msg", FLAG),
            ("goodbye_msg", Text),
            ("send_goodbye_msg", FLAG),
            ("admin_immed_notify", FLAG),
            ("admin_notify_mchanges", FLAG),
            ("respond_to_post_requests", FLAG),
            ("emergency", FLAG),
            ("new_member_options", Whole),
            ("administrivia", FLAG),
            ("max_message_size", Whole),
            ("admin_member_chunksize", Whole),
            ("host_name", Host),
            ("include_rfc2369_headers", FLAG),
            ("include_list_post_header", FLAG),
            ("include_sender_header", FLAG),
            ("drop_cc", FLAG),
            ("max_days_to_hold", Whole),
        ],
    },
    OptionPage {
        name: "language",
        about: "The languages of the list's pages and notices.",
        options: &[
            ("preferred_language", Text),
            ("available_languages", Names),
            ("encode_ascii_prefixes", Choice(&["Never", "Always", "As needed"])),
        ],
    },
    OptionPage {
        name: "nondigest",
        about: "Regular delivery.",
        options: &[
            ("nondigestable", FLAG),
            ("personalize", Choice(&["No", "Yes", "Full Personalization"])),
            ("msg_header", Text),
            ("msg_footer", Text),
            ("scrub_nondigest", FLAG),
            ("regular_exclude_lists", Addresses),
            ("regular_exclude_ignore", FLAG),
            ("regular_include_lists", Addresses),
        ],
    },
    OptionPage {
        name: "digest",
        about: "Delivery of digests.",
        options: &[
            ("digestable", FLAG),
            ("digest_is_default", Choice(&["Regular", "Digest"])),
            ("mime_is_default_digest", Choice(&["Plain", "MIME"])),
            ("digest_size_threshhold", Number),
            ("digest_send_periodic", FLAG),
            ("digest_header", Text),
            ("digest_footer", Text),
            ("digest_volume_frequency", VOLUME),
        ],
    },
    OptionPage {
        name: "privacy",
        about: "Who may subscribe, who is banned, and who sees the members.",
        options: &[
            ("advertised", FLAG),
            (
                "subscribe_policy",
                Choice(&["None", "Confirm", "Require approval", "Confirm and approve"]),
            ),
            ("subscribe_auto_approval", PatternsAndLists),
            ("unsubscribe_policy", FLAG),
            ("ban_list", Patterns),
            ("private_roster", Choice(&["Anyone", "List members", "List admin only"])),
            ("obscure_addresses", FLAG),
        ],
    },
    OptionPage {
        name: "privacy",
        about: "What happens to a post, by its sender.",
        options: &[
            ("default_member_moderation", FLAG),
            ("member_verbosity_threshold", Whole),
            ("member_verbosity_interval", Whole),
            ("member_moderation_action", Choice(&["Hold", "Reject", "Discard"])),
            ("member_moderation_notice", Text),
            (
                "dmarc_moderation_action",
                Choice(&["Accept", "Munge From", "Wrap Message", "Reject", "Discard"]),
            ),
            ("dmarc_quarantine_moderation_action", FLAG),
            ("dmarc_none_moderation_action", FLAG),
            ("dmarc_moderation_notice", Text),
            ("dmarc_moderation_addresses", Patterns),
            ("dmarc_wrapped_message_text", Text),
            ("equivalent_domains", Text),
            ("accept_these_nonmembers", PatternsAndLists),
            ("hold_these_nonmembers", PatternsAndLists),
            ("reject_these_nonmembers", PatternsAndLists),
            ("discard_these_nonmembers", PatternsAndLists),
            ("generic_nonmember_action", Choice(&["Accept", "Hold", "Reject", "Discard"])),
            ("forward_auto_discards", FLAG),
            ("nonmember_rejection_notice", Text),
        ],
    },
    OptionPage {
        name: "privacy",
        about: "What happens to a post, by its recipients.",
        options: &[
            ("require_explicit_destination", FLAG),
            ("acceptable_aliases", Text),
            ("max_num_recipients", Whole),
        ],
    },
    OptionPage {
        name: "privacy",
        about: "What happens to a post, by its header.",
        options: &[("header_filter_rules", HeaderRules), ("bounce_matching_headers", Text)],
    },
    OptionPage {
        name: "bounce",
        about: "What happens if mail to a member bounces. Times are in days.",
        options: &[
            ("bounce_processing", FLAG),
            ("bounce_score_threshold", Number),
            ("bounce_info_stale_after", Days),
            ("bounce_you_are_disabled_warnings", Whole),
            ("bounce_you_are_disabled_warnings_interval", Days),
            ("bounce_unrecognized_goes_to_list_owner", FLAG),
            ("bounce_notify_owner_on_bounce_increment", FLAG),
            ("bounce_notify_owner_on_disable", FLAG),
            ("bounce_notify_owner_on_removal", FLAG),
        ],
    },
    OptionPage {
        name: "archive",
        about: "The archive of the posts.",
        options: &[
            ("archive", FLAG),
            ("archive_private", Choice(&["public", "private"])),
            ("archive_volume_frequency", VOLUME),
        ],
    },
    OptionPage {
        name: "gateway",
        about: "The newsgroup linked with the list.",
        options: &[
            ("nntp_host", Text),
            ("linked_newsgroup", Text),
            ("gateway_to_news", FLAG),
            ("gateway_to_mail", FLAG),
            ("news_moderation", Choice(&["None", "Open list, moderated group", "Moderated"])),
            ("news_prefix_subject_too", FLAG),
        ],
    },
    OptionPage {
        name: "autoreply",
        about: "Automatic replies.",
        options: &[
            ("autorespond_postings", FLAG),
            ("autoresponse_postings_text", Text),
            ("autorespond_admin", FLAG),
            ("autoresponse_admin_text", Text),
            ("autorespond_requests", Choice(&["No", "Yes, w/discard", "Yes, w/forward"])),
            ("autoresponse_request_text", Text),
            ("autoresponse_graceperiod", Whole),
        ],
    },
    OptionPage {
        name: "contentfilter",
        about: "What is removed from posts.",
        options: &[
            ("filter_content", FLAG),
            ("filter_mime_types", Lines),
            ("pass_mime_types", Lines),
            ("filter_filename_extensions", Lines),
            ("pass_filename_extensions", Lines),
            ("collapse_alternatives", FLAG),
            ("convert_html_to_plaintext", FLAG),
            ("filter_action", Choice(&["Discard", "Reject", "Forward to List Owner", "Preserve"])),
        ],
    },
    OptionPage {
        name: "topics",
        about: "Topics of posts, for members who do not want all.",
        options: &[
            ("topics_enabled", Choice(&["Disabled", "Enabled"])),
            ("topics_bodylines_limit", Whole),
            ("topics", Topics),
        ],
    },
];

/// Returns how an option is written, if it is on a page.
pub fn kind(name: &str) -> Option<OptionKind> {
    PAGES
        .iter()
        .flat_map(|page| page.options)
        .find(|(option, _)| *option == name)
        .map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::ListSettings;

    /// Settings without a page: passwords, those for site administrators, and those unknown to Mailman.
    const ELSEWHERE: [&str; 18] = [
        "pipeline",
        "web_page_url",
        "password",
        "mod_password",
        "post_password",
        "use_dollar_strings",
        "return_path_tag",
        "authenticated_senders",
        "post_authentication",
        "post_authentication_action",
        "scheduled_posts",
        "keep_signatures",
        "arc_seal",
        "complaints",
        "one_click_unsubscribe",
        "feedback_headers",
        "max_days_to_hold_requests",
        "closed",
    ];

    #[test]
    fn every_setting_is_on_one_page_or_deliberately_on_none() {
        for name in ListSettings::names() {
            let found = PAGES
                .iter()
                .flat_map(|page| page.options)
                .filter(|(option, _)| option == name)
                .count();
            assert_eq!(
                found,
                usize::from(!ELSEWHERE.contains(name)),
                "{name}: give it a page above, or name it in ELSEWHERE"
            );
        }
        for (option, _) in PAGES.iter().flat_map(|page| page.options) {
            assert!(ListSettings::is_known(option), "{option}");
        }
    }

    #[test]
    fn every_choice_has_the_names_of_its_numbers() {
        for (name, kind) in PAGES.iter().flat_map(|page| page.options) {
            if let OptionKind::Choice(names) = kind {
                let mut settings = ListSettings::default();
                for number in 0..names.len() {
                    assert_eq!(settings.put(name, &number.to_string()), Ok(()), "{name}");
                    assert_eq!(settings.number(name), i64::try_from(number).ok(), "{name}");
                }
                assert!(settings.put(name, &names.len().to_string()).is_err(), "{name}");
            }
        }
    }
}
