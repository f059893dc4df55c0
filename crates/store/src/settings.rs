//! A list's settings, each defined once: name, type, default, meaning (docs/spec/pickles.md §3).
//!
//! The names are Mailman's. If a new list's default is not Mailman's, the description says so.

mod choices;
mod groups;
#[cfg(test)]
mod tests;

use crate::check::{self, Subject, Wrong};
use crate::options::{MemberOption, MemberOptions};
use crate::units::{Days, Seconds, SecondsInDays};
use crate::value::{Choice, Json, SettingValue, nearest};
use serde::Serialize;

pub use choices::*;
pub use groups::{GROUPS, SettingGroup};

/// A setting as it is shown to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListSettingEntry {
    /// The setting's name.
    pub name: &'static str,
    /// The title of its group.
    pub group: &'static str,
    /// The group's name in URLs.
    #[serde(skip)]
    pub page: &'static str,
    /// The current value, as a person would type it.
    #[serde(skip)]
    pub value: String,
    /// The current value, for programs.
    #[serde(rename = "value")]
    pub json: serde_json::Value,
    /// The value if nothing is set.
    pub default: &'static str,
    /// A description of the allowed values.
    pub kind: &'static str,
    /// The allowed values, if there is a closed set.
    #[serde(skip)]
    pub choices: Vec<Choice>,
    /// The setting's meaning.
    pub doc: String,
}

macro_rules! list_settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:literal $(, $check:path)?;)+) => {
        /// A list's settings.
        #[derive(Debug, Clone)]
        pub struct ListSettings {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        const NAMES: &[&str] = &[$(stringify!($name)),+];

        impl Default for ListSettings {
            fn default() -> ListSettings {
                ListSettings {
                    $($name: <$type as SettingValue>::read($default).expect("a default is valid"),)+
                }
            }
        }

        impl ListSettings {
            /// Sets one value. The error says which values are allowed.
            pub fn put(&mut self, name: &str, text: &str) -> Result<(), String> {
                match name {
                    $(stringify!($name) => {
                        self.$name = <$type as SettingValue>::read(text).map_err(|problem| format!("{name}: {problem}"))?;
                    })+
                    _ => return Err(unknown(name)),
                }
                Ok(())
            }

            /// Checks that a list can work with a value. The error says which values are allowed.
            /// Stored values from before need not pass.
            pub fn check(name: &str, list: Subject<'_>) -> Result<(), Wrong> {
                match name {
                    $(stringify!($name) => {
                        $($check(&list.settings.$name, list)?;)?
                        Ok(())
                    })+
                    _ => Err(Wrong::Value(unknown(name))),
                }
            }

            /// Sets one value from its stored form, which Mailman's files have as well.
            pub fn put_kept(&mut self, name: &str, text: &str) -> Result<(), String> {
                match name {
                    $(stringify!($name) => {
                        self.$name = <$type as SettingValue>::read_kept(text).map_err(|problem| format!("{name}: {problem}"))?;
                    })+
                    _ => return Err(unknown(name)),
                }
                Ok(())
            }

            /// Returns one value, as [`ListSettings::put_kept`] reads it.
            pub fn kept(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($name) => Some(self.$name.write_kept()),)+
                    _ => None,
                }
            }

            /// Returns one value, as [`ListSettings::put`] reads it.
            pub fn get(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($name) => Some(self.$name.write()),)+
                    _ => None,
                }
            }

            /// Returns one value as Mailman's number, if it is a choice or a flag.
            pub fn number(&self, name: &str) -> Option<i64> {
                match name {
                    $(stringify!($name) => self.$name.as_number(),)+
                    _ => None,
                }
            }

            /// Returns one setting with its value. The error names a similar setting.
            pub fn entry(&self, name: &str) -> Result<ListSettingEntry, String> {
                let found = self.entries().into_iter().find(|entry| entry.name == name);
                found.ok_or_else(|| unknown(name))
            }

            /// Returns every setting with its value.
            pub fn entries(&self) -> Vec<ListSettingEntry> {
                let mut group = GROUPS[0];
                let mut group_of = |name: &str| {
                    group = GROUPS.into_iter().find(|begun| begun.first == name).unwrap_or(group);
                    group
                };
                vec![$({
                    let SettingGroup { page, title: group, .. } = group_of(stringify!($name));
                    ListSettingEntry {
                    name: stringify!($name),
                    group,
                    page,
                    choices: <$type as SettingValue>::choices(),
                    value: self.$name.write(),
                    json: self.$name.json(),
                    default: $default,
                    kind: <$type as SettingValue>::KIND,
                    doc: [$($doc),+].map(str::trim).join(" "),
                }}),+]
            }
        }
    };
}

impl ListSettings {
    /// Returns the names of all settings.
    pub fn names() -> &'static [&'static str] {
        NAMES
    }

    /// Whether this version knows a setting with this name.
    pub fn is_known(name: &str) -> bool {
        NAMES.contains(&name)
    }

    /// Returns the options of a new member.
    pub fn new_options(&self) -> MemberOptions {
        MemberOptions::from_bits(self.new_member_options)
            .with(MemberOption::DisableMime, !self.mime_is_default_digest)
            .with(MemberOption::Moderate, self.default_member_moderation)
    }
}

fn unknown(name: &str) -> String {
    match nearest(name, NAMES.iter().copied()) {
        Some(near) => format!("there is no list setting {name}; did you mean {near}?"),
        None => format!("there is no list setting {name}; `dormouse list show LIST` prints them"),
    }
}

list_settings! {
    /// The list's name as it is shown to people: the name with any capitalization.
    real_name: String = "", check::real_name;
    /// The addresses of the list's owners.
    owner: Vec<String> = "", check::owners;
    /// The addresses of people who decide on held posts and requests, in addition to the owners.
    moderator: Vec<String> = "", check::addresses;
    /// A description of the list in one line.
    description: String = "";
    /// A longer description of the list (HTML).
    info: String = "";
    /// A prefix for the subject of every post; %d is the post's number, %05d with leading zeros.
    subject_prefix: String = "", check::subject_prefix;
    /// Whether the subject prefix, msg_header and msg_footer are omitted from posts whose valid
    /// DKIM signature of the author's domain they would break; the List-* headers contain the same
    /// information. New lists omit them; Mailman always adds them.
    keep_signatures: bool = "no";
    /// Whether posts get an ARC seal (RFC 8617), which tells receivers the results of
    /// authentication before the list changed them. This requires an RSA key for the list's domain
    /// (`dormouse dkim create`).
    arc_seal: bool = "yes";
    /// Whether every post is sent from the list's address.
    from_is_list: FromIsList = "no";
    /// Whether posters are hidden from the members.
    anonymous_list: bool = "no";
    /// Whether a poster's own Reply-To is removed.
    first_strip_reply_to: bool = "no";
    /// Where replies go.
    reply_goes_to_list: ReplyGoesTo = "poster";
    /// The address for replies, with reply_goes_to_list = explicit.
    reply_to_address: String = "", check::address_or_none;
    /// Whether the members are themselves lists, whose owners get the notices.
    umbrella_list: bool = "no";
    /// The suffix of the local part of a member's address for notices on an umbrella list.
    umbrella_member_suffix: String = "-owner", check::suffix;
    /// Whether Mailman mails members their passwords every month. This program never does; the
    /// setting is kept for an export to Mailman.
    send_reminders: bool = "yes";
    /// Text added to the welcome message.
    welcome_msg: String = "";
    /// Whether new members get a welcome message.
    send_welcome_msg: bool = "yes";
    /// The farewell message's text.
    goodbye_msg: String = "";
    /// Whether leaving members get a farewell message.
    send_goodbye_msg: bool = "yes";
    /// Whether owners and moderators are notified immediately of held posts and requests.
    admin_immed_notify: bool = "yes";
    /// Whether owners are notified of members who join or leave.
    admin_notify_mchanges: bool = "no";
    /// Whether members are notified that their post is held for a moderator.
    respond_to_post_requests: bool = "yes";
    /// The handlers for posts, in order; the default ones if empty.
    pipeline: Vec<String> = "", check::handlers;
    /// Whether every post is held for a moderator, for the time being.
    emergency: bool = "no";
    /// Whether the list is closed: posts are rejected and nobody can join. Members may still leave, and
    /// the archive stays (`dormouse list close`, `dormouse list reopen`).
    closed: bool = "no";
    /// The options of new members, as Mailman's number.
    new_member_options: i64 = "256", check::member_options;
    /// Whether posts that look like commands are held.
    administrivia: bool = "yes";
    /// The size of a post's body, in KB, above which it is held; 0 means no limit.
    max_message_size: i64 = "40", check::from_zero;
    /// The number of members on one page of the web pages for owners.
    admin_member_chunksize: i64 = "30", check::from_one;
    /// The host in the list's addresses.
    host_name: String = "", check::domain;
    /// The URL of the list's web pages; the site's if empty.
    web_page_url: String = "", check::page;
    /// Whether posts get the List-* headers of RFC 2369.
    include_rfc2369_headers: bool = "yes";
    /// Whether List-Post is among them.
    include_list_post_header: bool = "yes";
    /// Whether posts get a Sender header with the list's bounce address. Mailman's default is yes;
    /// here it is no for new lists, because some mail programs then show "on behalf of".
    include_sender_header: bool = "no";
    /// Whether members who get no second copy are removed from the Cc header.
    drop_cc: bool = "yes";
    /// The number of days after which held posts are discarded; 0 means never.
    max_days_to_hold: Days = "0", check::from_zero;
    /// The number of days after which requests to join or leave that wait for a moderator are
    /// discarded; 0 means never, as in Mailman.
    max_days_to_hold_requests: Days = "0", check::from_zero;
    /// The list's language.
    preferred_language: String = "en", check::language;
    /// The languages that a member can choose.
    available_languages: Vec<String> = "en", check::languages;
    /// When a subject prefix of ASCII letters is encoded. As in Mailman, this has no effect: a
    /// prefix is encoded if the subject needs it.
    encode_ascii_prefixes: EncodePrefixes = "as-needed";

    /// Whether members can get single posts.
    nondigestable: bool = "yes";
    /// Text above every post.
    msg_header: String = "", check::around_posts;
    /// Text below every post. The default text is not Mailman's.
    msg_footer: String = "-- \n%(real_name)s mailing list: %(list_name)s@%(host_name)s\n%(web_page_url)slistinfo/%(_internal_name)s\n", check::around_posts;
    /// Whether attachments are removed from posts and stored.
    scrub_nondigest: bool = "no";
    /// Lists whose members do not get a post that is also addressed to that list.
    regular_exclude_lists: Vec<String> = "", check::addresses;
    /// Whether regular_exclude_lists applies only to posters who are members of that list.
    regular_exclude_ignore: bool = "yes";
    /// Lists whose members also get the posts.
    regular_include_lists: Vec<String> = "", check::addresses;
    /// Whether each recipient gets a separate copy.
    personalize: Personalize = "no";
    /// Which copies of posts have a personal link that ends the membership with one click, on sites
    /// whose pages are served over https. Mailman does not have this setting.
    one_click_unsubscribe: OneClick = "every";
    /// The number of recipients in To and Cc from which a post is held; 0 means never.
    max_num_recipients: i64 = "10", check::from_zero;

    /// Whether members can get digests.
    digestable: bool = "yes";
    /// Whether new members get digests.
    digest_is_default: bool = "no";
    /// Whether new members' digests are MIME digests.
    mime_is_default_digest: bool = "no";
    /// The size, in KB, at which a digest is sent; 0 means that digests are not sent because of
    /// their size.
    digest_size_threshhold: f64 = "30", check::from_zero;
    /// Whether a digest is sent every day, however small.
    digest_send_periodic: bool = "yes";
    /// Text above a digest.
    digest_header: String = "", check::around_digests;
    /// Text below a digest. The default text is not Mailman's.
    digest_footer: String = "%(real_name)s mailing list: %(list_name)s@%(host_name)s\n%(web_page_url)slistinfo/%(_internal_name)s\n", check::around_digests;
    /// How often a new volume of digests begins.
    digest_volume_frequency: VolumeFrequency = "month";

    /// Whether the list is shown among the site's lists.
    advertised: bool = "yes";
    /// Who decides on a subscription.
    subscribe_policy: SubscribePolicy = "confirm";
    /// Addresses and patterns that need no moderator to subscribe.
    subscribe_auto_approval: Vec<String> = "", check::patterns_and_lists;
    /// Whether leaving needs a moderator.
    unsubscribe_policy: bool = "no";
    /// Addresses and patterns that may not subscribe.
    ban_list: Vec<String> = "", check::patterns;
    /// Who can see the members.
    private_roster: Roster = "members";
    /// Whether addresses are obscured on web pages.
    obscure_addresses: bool = "yes";

    /// Whether posts of new members are held for a moderator.
    default_member_moderation: bool = "no";
    /// Whether only the address in From identifies the sender as a member, and only if the MTA has
    /// authenticated it (notices.authserv_id). Otherwise Sender, Reply-To and the envelope sender
    /// count as well, and all of these can be forged. For announcement lists.
    authenticated_senders: bool = "no";
    /// Which authentication the posts of members, and of non-members whose posts are accepted, must
    /// pass: `dmarc` is a DKIM signature or SPF of the address's domain (or of one of the same
    /// organization), `dkim` is a signature. Both the MTA's results (notices.authserv_id) and this
    /// program's own check of signatures (dmarc.lookups) count. A list password in the post
    /// replaces it. Mailman does not have this setting.
    post_authentication: PostAuthentication = "off";
    /// What happens to a post that does not pass post_authentication.
    post_authentication_action: UnprovedAction = "hold";
    /// Whose posts are delayed until the time in their Deferred-Delivery field (RFC 2156):
    /// nobody's, those of owners and moderators, or those of all members who post without
    /// moderation. Posts that a moderator has approved, or with the list's password, always are.
    /// Those of others are held. `dormouse queue ls retry` shows delayed posts, `queue rm` cancels
    /// them, `queue retry` sends them now. Mailman does not have this setting.
    scheduled_posts: ScheduledPosts = "members";
    /// What happens to a moderated member's post.
    member_moderation_action: MemberAction = "hold";
    /// The text of the rejection of a moderated member's post.
    member_moderation_notice: String = "";
    /// The number of posts within member_verbosity_interval from which a member is moderated; 0
    /// means never.
    member_verbosity_threshold: i64 = "0", check::from_zero;
    /// The interval for member_verbosity_threshold: in seconds, or with a unit (5min).
    member_verbosity_interval: Seconds = "300", check::from_zero;
    /// What happens to a post if the DMARC policy of the sender's domain forbids lists to pass it
    /// on. Mailman's default is accept; here it is munge for new lists, because otherwise such mail
    /// bounces.
    dmarc_moderation_action: DmarcAction = "munge";
    /// Whether dmarc_moderation_action applies to the policy p=quarantine.
    dmarc_quarantine_moderation_action: bool = "yes";
    /// Whether dmarc_moderation_action applies to the policy p=none.
    dmarc_none_moderation_action: bool = "no";
    /// The text of the rejection of a post because of DMARC.
    dmarc_moderation_notice: String = "";
    /// Addresses and patterns to which dmarc_moderation_action applies whatever their domain's
    /// policy is.
    dmarc_moderation_addresses: Vec<String> = "", check::patterns;
    /// Text before a post that is wrapped because of DMARC.
    dmarc_wrapped_message_text: String = "";
    /// Groups of domains that are equivalent: a,b;c,d.
    equivalent_domains: String = "";
    /// Non-members whose posts are accepted: addresses, ^patterns, @lists.
    accept_these_nonmembers: Vec<String> = "", check::patterns_and_lists;
    /// Non-members whose posts are held.
    hold_these_nonmembers: Vec<String> = "", check::patterns_and_lists;
    /// Non-members whose posts are rejected.
    reject_these_nonmembers: Vec<String> = "", check::patterns_and_lists;
    /// Non-members whose posts are discarded.
    discard_these_nonmembers: Vec<String> = "", check::patterns_and_lists;
    /// What happens to posts of all other non-members.
    generic_nonmember_action: NonmemberAction = "hold";
    /// Whether owners get copies of discarded posts.
    forward_auto_discards: bool = "yes";
    /// The text of the rejection of a non-member's post.
    nonmember_rejection_notice: String = "", check::rejection;
    /// Whether a post must name the list in To or Cc.
    require_explicit_destination: bool = "yes";
    /// Other addresses of the list that count as naming it: patterns, one on each line.
    acceptable_aliases: String = "";
    /// Rules for headers, each as [patterns, action, empty].
    header_filter_rules: Json = "[]", check::header_rules;
    /// Older rules for headers, one on each line: `Name: pattern`. A post that matches is held.
    /// Mailman has four examples here; new lists have none.
    bounce_matching_headers: String = "", check::matching_headers;

    /// Whether bounces are counted.
    bounce_processing: bool = "yes";
    /// The score at which a member's delivery is turned off.
    bounce_score_threshold: f64 = "5.0", check::from_zero;
    /// The time without a bounce after which the score is reset: in days, or with a unit (12h).
    bounce_info_stale_after: SecondsInDays = "7d", check::from_zero;
    /// The number of warnings to a member whose delivery was turned off.
    bounce_you_are_disabled_warnings: i64 = "3", check::from_zero;
    /// The time between these warnings: in days, or with a unit (12h).
    bounce_you_are_disabled_warnings_interval: SecondsInDays = "7d", check::from_zero;
    /// Whether owners get bounces that are not recognized.
    bounce_unrecognized_goes_to_list_owner: bool = "yes";
    /// Whether owners are notified of every bounce that counts.
    bounce_notify_owner_on_bounce_increment: bool = "no";
    /// Whether owners are notified when a member's delivery is turned off.
    bounce_notify_owner_on_disable: bool = "yes";
    /// Whether owners are notified when a member is removed because of bounces.
    bounce_notify_owner_on_removal: bool = "yes";
    /// Whether return paths have a tag that distinguishes real bounces from forged ones. New lists
    /// require it. A list imported from Mailman has none; set it to yes first, while its old mail
    /// may still bounce.
    return_path_tag: ReturnPathTag = "no";
    /// What happens if a reader reports the list's mail as unwanted (RFC 5965), and the report
    /// proves who the recipient was.
    complaints: ComplaintAction = "tell";
    /// Whether posts contain an address for reports of unwanted mail (CFBL-Address, RFC 9477) and
    /// an identifier of the list for counting them (Feedback-ID).
    feedback_headers: bool = "no";

    /// Whether posts are archived.
    archive: bool = "yes";
    /// Whether only members may read the archive.
    archive_private: bool = "no";
    /// How often a new volume of the archive begins.
    archive_volume_frequency: VolumeFrequency = "month";

    /// Whether posts get an automatic reply.
    autorespond_postings: bool = "no";
    /// The text of this reply.
    autoresponse_postings_text: String = "", check::answer;
    /// Whether mail for the owners gets an automatic reply.
    autorespond_admin: bool = "no";
    /// The text of this reply.
    autoresponse_admin_text: String = "", check::answer;
    /// Whether mail for -request gets an automatic reply.
    autorespond_requests: AutorespondRequests = "no";
    /// The text of this reply.
    autoresponse_request_text: String = "", check::answer;
    /// The number of days before a sender gets a second automatic reply.
    autoresponse_graceperiod: Days = "90", check::from_zero;

    /// Whether the content of posts is filtered.
    filter_content: bool = "no";
    /// MIME types that are removed.
    filter_mime_types: Vec<String> = "";
    /// If not empty, the only MIME types that are kept.
    pass_mime_types: Vec<String> = "multipart,message/rfc822,application/pgp-signature,text/plain";
    /// File name extensions that are removed.
    filter_filename_extensions: Vec<String> = "exe,bat,cmd,com,pif,scr,vbs,cpl";
    /// If not empty, the only file name extensions that are kept.
    pass_filename_extensions: Vec<String> = "";
    /// Whether only the first of several alternatives is kept.
    collapse_alternatives: bool = "yes";
    /// Whether HTML is converted to plain text.
    convert_html_to_plaintext: bool = "yes";
    /// What happens to a post of which nothing is left after filtering.
    filter_action: FilterAction = "discard";

    /// The list's topics, each as [name, pattern, description, empty].
    topics: Json = "[]", check::topics;
    /// Whether posts are sorted by topic.
    topics_enabled: bool = "no";
    /// The number of lines of a post that are searched for topics; 0 means none, -1 all.
    topics_bodylines_limit: i64 = "5", check::from_minus_one;

    /// The host name of the news server.
    nntp_host: String = "";
    /// The name of the newsgroup.
    linked_newsgroup: String = "";
    /// Whether posts are sent to the newsgroup.
    gateway_to_news: bool = "no";
    /// Whether the newsgroup's articles are sent to the list.
    gateway_to_mail: bool = "no";
    /// Whether the newsgroup is moderated.
    news_moderation: NewsModeration = "no";
    /// Whether articles keep the subject prefix.
    news_prefix_subject_too: bool = "yes";

    /// The hash of the owners' password.
    password: String = "", check::hash;
    /// The hash of the moderators' password.
    mod_password: String = "", check::hash;
    /// The hash of the password for posting.
    post_password: String = "", check::hash;
    /// Whether texts contain their fields as $name instead of %(name)s.
    use_dollar_strings: bool = "no";
}
