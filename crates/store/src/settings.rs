//! A list's settings, each defined once: name, type, default, meaning (docs/spec/pickles.md §3).
//!
//! Names are Mailman's. Where a new list's default is not Mailman's, the text says so.

mod choices;
mod groups;
#[cfg(test)]
mod tests;

use crate::check::{self, Subject, Wrong};
use crate::options::{MemberOption, MemberOptions};
use crate::units::{Days, Seconds, SecondsInDays};
use crate::value::{Choice, Json, Value, nearest};
use serde::Serialize;

pub use choices::*;
pub use groups::{GROUPS, Group};

/// A setting's place in the table, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it is about, with others.
    pub group: &'static str,
    /// The group's name in addresses of pages.
    #[serde(skip)]
    pub page: &'static str,
    /// Its value, as it may be typed.
    #[serde(skip)]
    pub value: String,
    /// Its value, for programs.
    #[serde(rename = "value")]
    pub json: serde_json::Value,
    /// Its value when nothing is set.
    pub default: &'static str,
    /// What may be set.
    pub kind: &'static str,
    /// What may be chosen, where there is a closed set.
    #[serde(skip)]
    pub choices: Vec<Choice>,
    /// What it means.
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
                    $($name: <$type as Value>::read($default).expect("a default is valid"),)+
                }
            }
        }

        impl ListSettings {
            /// Sets one value; the error says what would be right.
            pub fn put(&mut self, name: &str, text: &str) -> Result<(), String> {
                match name {
                    $(stringify!($name) => {
                        self.$name = <$type as Value>::read(text).map_err(|problem| format!("{name}: {problem}"))?;
                    })+
                    _ => return Err(unknown(name)),
                }
                Ok(())
            }

            /// Whether a value is one that a list can work with; the error says what would be right.
            /// What is kept from before need not be.
            pub fn check(name: &str, list: Subject<'_>) -> Result<(), Wrong> {
                match name {
                    $(stringify!($name) => {
                        $($check(&list.settings.$name, list)?;)?
                        Ok(())
                    })+
                    _ => Err(Wrong::Value(unknown(name))),
                }
            }

            /// Sets one value as it is kept, here and in Mailman's files.
            pub fn put_kept(&mut self, name: &str, text: &str) -> Result<(), String> {
                match name {
                    $(stringify!($name) => {
                        self.$name = <$type as Value>::read_kept(text).map_err(|problem| format!("{name}: {problem}"))?;
                    })+
                    _ => return Err(unknown(name)),
                }
                Ok(())
            }

            /// One value, as [`ListSettings::put_kept`] reads it.
            pub fn kept(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($name) => Some(self.$name.write_kept()),)+
                    _ => None,
                }
            }

            /// One value, as [`ListSettings::put`] reads it.
            pub fn get(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($name) => Some(self.$name.write()),)+
                    _ => None,
                }
            }

            /// One value as Mailman's number, if it is a choice or a flag.
            pub fn number(&self, name: &str) -> Option<i64> {
                match name {
                    $(stringify!($name) => self.$name.as_number(),)+
                    _ => None,
                }
            }

            /// One setting with its value; the error says what there is.
            pub fn entry(&self, name: &str) -> Result<Entry, String> {
                let found = self.entries().into_iter().find(|entry| entry.name == name);
                found.ok_or_else(|| unknown(name))
            }

            /// Every setting with its value, for people.
            pub fn entries(&self) -> Vec<Entry> {
                let mut group = GROUPS[0];
                let mut group_of = |name: &str| {
                    group = GROUPS.into_iter().find(|begun| begun.first == name).unwrap_or(group);
                    group
                };
                vec![$({
                    let Group { page, title: group, .. } = group_of(stringify!($name));
                    Entry {
                    name: stringify!($name),
                    group,
                    page,
                    choices: <$type as Value>::choices(),
                    value: self.$name.write(),
                    json: self.$name.json(),
                    default: $default,
                    kind: <$type as Value>::KIND,
                    doc: [$($doc),+].map(str::trim).join(" "),
                }}),+]
            }
        }
    };
}

impl ListSettings {
    /// The names of all settings.
    pub fn names() -> &'static [&'static str] {
        NAMES
    }

    /// Whether this version knows a setting of that name.
    pub fn is_known(name: &str) -> bool {
        NAMES.contains(&name)
    }

    /// The options of a new member.
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
    /// The list's name as people read it: the name with other capitals.
    real_name: String = "", check::real_name;
    /// The addresses of those who run the list.
    owner: Vec<String> = "", check::owners;
    /// The addresses of those who decide on held posts and requests beside the owners.
    moderator: Vec<String> = "", check::addresses;
    /// What the list is about, in one line.
    description: String = "";
    /// What the list is about, at length (HTML).
    info: String = "";
    /// What stands before the subject of every post; %d is the post's number, %05d with zeros.
    subject_prefix: String = "", check::subject_prefix;
    /// Whether subject prefix, msg_header and msg_footer are left out of posts whose good DKIM
    /// signature, of the author's domain, they would break; the List-* headers tell the same. So it is
    /// for new lists; Mailman always adds them.
    keep_signatures: bool = "no";
    /// Whether posts leave with a seal (ARC, RFC 8617), which tells receivers what was known of them
    /// before the list changed them. It takes an RSA key of the list's domain (`dormouse dkim create`).
    arc_seal: bool = "yes";
    /// Whether every post comes from the list's address.
    from_is_list: FromIsList = "no";
    /// Whether posters are hidden from the members.
    anonymous_list: bool = "no";
    /// Whether a poster's own Reply-To is removed.
    first_strip_reply_to: bool = "no";
    /// Where answers go.
    reply_goes_to_list: ReplyGoesTo = "poster";
    /// The address answers go to, with reply_goes_to_list = explicit.
    reply_to_address: String = "", check::address_or_none;
    /// Whether the members are lists themselves, whose owners get the notices.
    umbrella_list: bool = "no";
    /// What is put behind the local part of a member's address for notices on an umbrella list.
    umbrella_member_suffix: String = "-owner", check::suffix;
    /// Whether Mailman mails members their passwords every month. There are none to mail here: it is
    /// kept for the way back.
    send_reminders: bool = "yes";
    /// Text added to the welcome message.
    welcome_msg: String = "";
    /// Whether new members get a welcome message.
    send_welcome_msg: bool = "yes";
    /// The farewell message's text.
    goodbye_msg: String = "";
    /// Whether leaving members get a farewell message.
    send_goodbye_msg: bool = "yes";
    /// Whether owners and moderators hear at once of what waits for them.
    admin_immed_notify: bool = "yes";
    /// Whether owners hear of members who come and go.
    admin_notify_mchanges: bool = "no";
    /// Whether members hear that their post waits for a moderator.
    respond_to_post_requests: bool = "yes";
    /// The handlers a post meets, in this order; the usual ones when empty.
    pipeline: Vec<String> = "", check::handlers;
    /// Whether every post waits for a moderator, for now.
    emergency: bool = "no";
    /// Whether the list is closed: posts are rejected and nobody can join. Members may still leave, and
    /// the archive stays (`dormouse list close`, `dormouse list reopen`).
    closed: bool = "no";
    /// The options of new members, as Mailman's number.
    new_member_options: i64 = "256", check::member_options;
    /// Whether posts that look like commands are held.
    administrivia: bool = "yes";
    /// The size of a post's body, in KB, above which it is held; 0 is none.
    max_message_size: i64 = "40", check::from_zero;
    /// How many members the owner's web page shows at once.
    admin_member_chunksize: i64 = "30", check::from_one;
    /// The host in the list's addresses.
    host_name: String = "", check::domain;
    /// Where the list's web pages are; the site's place when empty.
    web_page_url: String = "", check::page;
    /// Whether posts get the List-* headers of RFC 2369.
    include_rfc2369_headers: bool = "yes";
    /// Whether List-Post is among them.
    include_list_post_header: bool = "yes";
    /// Whether posts get a Sender header with the list's bounce address. Mailman's default is yes;
    /// here it is no for new lists, because some mail programs then show "on behalf of".
    include_sender_header: bool = "no";
    /// Whether those who get no second copy are removed from the Cc header.
    drop_cc: bool = "yes";
    /// After how many days held posts are dropped; 0 is never.
    max_days_to_hold: Days = "0", check::from_zero;
    /// After how many days requests to join or leave that wait for a moderator are dropped; 0 is
    /// never, as in Mailman.
    max_days_to_hold_requests: Days = "0", check::from_zero;
    /// The list's language.
    preferred_language: String = "en", check::language;
    /// The languages a member may choose.
    available_languages: Vec<String> = "en", check::languages;
    /// When a subject prefix of ASCII letters is encoded. Mailman does not look at it, either: a
    /// prefix is encoded when the subject needs it.
    encode_ascii_prefixes: EncodePrefixes = "as-needed";

    /// Whether members may get posts one by one.
    nondigestable: bool = "yes";
    /// What stands above every post.
    msg_header: String = "", check::around_posts;
    /// What stands below every post. The text is ours, not Mailman's.
    msg_footer: String = "-- \n%(real_name)s mailing list: %(list_name)s@%(host_name)s\n%(web_page_url)slistinfo/%(_internal_name)s\n", check::around_posts;
    /// Whether attachments are taken out of posts and stored.
    scrub_nondigest: bool = "no";
    /// Lists whose members do not get a post that is addressed to them as well.
    regular_exclude_lists: Vec<String> = "", check::addresses;
    /// Whether that holds only for posters who are their members.
    regular_exclude_ignore: bool = "yes";
    /// Lists whose members get the posts, too.
    regular_include_lists: Vec<String> = "", check::addresses;
    /// Whether each recipient gets a copy of its own.
    personalize: Personalize = "no";
    /// Whose posts carry a link of the reader's own that ends the membership with one click, on sites
    /// whose pages are served over https. Mailman has none.
    one_click_unsubscribe: OneClick = "every";
    /// A post with so many recipients or more is held; 0 is never.
    max_num_recipients: i64 = "10", check::from_zero;

    /// Whether members may get digests.
    digestable: bool = "yes";
    /// Whether new members get digests.
    digest_is_default: bool = "no";
    /// Whether new members' digests are MIME digests.
    mime_is_default_digest: bool = "no";
    /// The size, in KB, at which a digest is sent; 0 is none.
    digest_size_threshhold: f64 = "30", check::from_zero;
    /// Whether a digest is sent every day, however small.
    digest_send_periodic: bool = "yes";
    /// What stands above a digest.
    digest_header: String = "", check::around_digests;
    /// What stands below a digest. The text is ours, not Mailman's.
    digest_footer: String = "%(real_name)s mailing list: %(list_name)s@%(host_name)s\n%(web_page_url)slistinfo/%(_internal_name)s\n", check::around_digests;
    /// When a new volume of digests begins.
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
    /// Who sees the members.
    private_roster: Roster = "members";
    /// Whether addresses are disguised on web pages.
    obscure_addresses: bool = "yes";

    /// Whether new members' posts go to a moderator.
    default_member_moderation: bool = "no";
    /// Whether only the address in From makes a sender a member, and only where the MTA says that the
    /// mail is from there (notices.authserv_id). Sender, Reply-To and the envelope sender, which
    /// count otherwise, anybody can write, and From, too. For announcement lists.
    authenticated_senders: bool = "no";
    /// What must show that the post of a member, or of a stranger whose posts pass, is really from
    /// that address: `dmarc` is a DKIM signature or SPF of the address's domain (or of one of its
    /// organization), `dkim` a signature. The MTA's word counts (notices.authserv_id), and so does what
    /// this program finds out about signatures (dmarc.lookups). A list password in the post makes up
    /// for it. Mailman has none.
    post_authentication: PostAuthentication = "off";
    /// What happens to a post that does not show it.
    post_authentication_action: UnprovedAction = "hold";
    /// Whose posts may wait until the time in their Deferred-Delivery field (RFC 2156): nobody's, those of
    /// owners and moderators, or those of all members who post without moderation. A post that a moderator
    /// lets through, or that has the list's password, may. Those of others are held. `dormouse queue ls
    /// retry` shows them, `queue rm` cancels, `queue retry` sends now. Mailman has none.
    scheduled_posts: ScheduledPosts = "members";
    /// What happens to a moderated member's post.
    member_moderation_action: MemberAction = "hold";
    /// What a moderated member is told when a post is rejected.
    member_moderation_notice: String = "";
    /// So many posts of a member within the interval, and the member is moderated; 0 is never.
    member_verbosity_threshold: i64 = "0", check::from_zero;
    /// That interval: seconds, or with its unit (5min).
    member_verbosity_interval: Seconds = "300", check::from_zero;
    /// What happens when the sender's domain forbids lists to pass its mail on (DMARC). Mailman's
    /// default is accept; here it is munge for new lists, because such mail bounces otherwise.
    dmarc_moderation_action: DmarcAction = "munge";
    /// Whether that holds for the policy p=quarantine.
    dmarc_quarantine_moderation_action: bool = "yes";
    /// Whether that holds for the policy p=none.
    dmarc_none_moderation_action: bool = "no";
    /// What a sender is told when a post is rejected for DMARC.
    dmarc_moderation_notice: String = "";
    /// Addresses and patterns that are treated so whatever their domain says.
    dmarc_moderation_addresses: Vec<String> = "", check::patterns;
    /// Text before a post that is wrapped for DMARC.
    dmarc_wrapped_message_text: String = "";
    /// Domains that mean the same: a,b;c,d.
    equivalent_domains: String = "";
    /// Strangers whose posts pass: addresses, ^patterns, @lists.
    accept_these_nonmembers: Vec<String> = "", check::patterns_and_lists;
    /// Strangers whose posts are held.
    hold_these_nonmembers: Vec<String> = "", check::patterns_and_lists;
    /// Strangers whose posts go back.
    reject_these_nonmembers: Vec<String> = "", check::patterns_and_lists;
    /// Strangers whose posts are dropped.
    discard_these_nonmembers: Vec<String> = "", check::patterns_and_lists;
    /// What happens to all other strangers' posts.
    generic_nonmember_action: NonmemberAction = "hold";
    /// Whether owners get what is dropped.
    forward_auto_discards: bool = "yes";
    /// What a stranger is told when a post is rejected.
    nonmember_rejection_notice: String = "", check::rejection;
    /// Whether a post must name the list in To or Cc.
    require_explicit_destination: bool = "yes";
    /// Other names under which the list may be addressed: patterns, one a line.
    acceptable_aliases: String = "";
    /// Rules on headers: [patterns, action, empty] each.
    header_filter_rules: Json = "[]", check::header_rules;
    /// Older rules on headers, one a line: `Name: pattern`. A post that matches is held. Mailman
    /// ships four examples here; new lists have none.
    bounce_matching_headers: String = "", check::matching_headers;

    /// Whether bounces are counted.
    bounce_processing: bool = "yes";
    /// The score at which a member's delivery is turned off.
    bounce_score_threshold: f64 = "5.0", check::from_zero;
    /// After how long without a bounce the score starts anew: days, or with its unit (12h).
    bounce_info_stale_after: SecondsInDays = "7d", check::from_zero;
    /// How many warnings a member gets whose delivery was turned off.
    bounce_you_are_disabled_warnings: i64 = "3", check::from_zero;
    /// The time between them: days, or with its unit (12h).
    bounce_you_are_disabled_warnings_interval: SecondsInDays = "7d", check::from_zero;
    /// Whether owners get bounces that nobody understands.
    bounce_unrecognized_goes_to_list_owner: bool = "yes";
    /// Whether owners hear of every bounce that counts.
    bounce_notify_owner_on_bounce_increment: bool = "no";
    /// Whether owners hear when a member's delivery is turned off.
    bounce_notify_owner_on_disable: bool = "yes";
    /// Whether owners hear when a member is removed.
    bounce_notify_owner_on_removal: bool = "yes";
    /// Whether return paths carry a tag by which forged bounces are told from real ones. A list that is
    /// made here requires it. One that comes from Mailman has none; it gets yes first, as long as its
    /// old mail may still bounce.
    return_path_tag: ReturnPathTag = "no";
    /// What follows when a reader marks the list's mail as unwanted (RFC 5965), and the report proves
    /// whose mail it was.
    complaints: ComplaintAction = "tell";
    /// Whether posts name an address for reports of unwanted mail (CFBL-Address, RFC 9477) and the list
    /// to count them by (Feedback-ID).
    feedback_headers: bool = "no";

    /// Whether posts are archived.
    archive: bool = "yes";
    /// Whether only members may read the archive.
    archive_private: bool = "no";
    /// When a new volume of the archive begins.
    archive_volume_frequency: VolumeFrequency = "month";

    /// Whether posts are answered automatically.
    autorespond_postings: bool = "no";
    /// With what.
    autoresponse_postings_text: String = "", check::answer;
    /// Whether mail for the owners is answered automatically.
    autorespond_admin: bool = "no";
    /// With what.
    autoresponse_admin_text: String = "", check::answer;
    /// Whether mail for -request is answered automatically.
    autorespond_requests: AutorespondRequests = "no";
    /// With what.
    autoresponse_request_text: String = "", check::answer;
    /// How many days a sender gets no second automatic answer.
    autoresponse_graceperiod: Days = "90", check::from_zero;

    /// Whether the content of posts is filtered.
    filter_content: bool = "no";
    /// Types that are taken out.
    filter_mime_types: Vec<String> = "";
    /// Types that alone pass, if any are named.
    pass_mime_types: Vec<String> = "multipart,message/rfc822,application/pgp-signature,text/plain";
    /// File name endings that are taken out.
    filter_filename_extensions: Vec<String> = "exe,bat,cmd,com,pif,scr,vbs,cpl";
    /// File name endings that alone pass, if any are named.
    pass_filename_extensions: Vec<String> = "";
    /// Whether only the first of several alternatives is kept.
    collapse_alternatives: bool = "yes";
    /// Whether HTML becomes plain text.
    convert_html_to_plaintext: bool = "yes";
    /// What happens to a post of which nothing is left.
    filter_action: FilterAction = "discard";

    /// The list's topics: [name, pattern, description, empty] each.
    topics: Json = "[]", check::topics;
    /// Whether posts are sorted by topic.
    topics_enabled: bool = "no";
    /// How many lines of a post are searched for a topic; 0 none, -1 all.
    topics_bodylines_limit: i64 = "5", check::from_minus_one;

    /// The news server.
    nntp_host: String = "";
    /// The newsgroup.
    linked_newsgroup: String = "";
    /// Whether posts go to the newsgroup.
    gateway_to_news: bool = "no";
    /// Whether the newsgroup's articles go to the list.
    gateway_to_mail: bool = "no";
    /// Whether the newsgroup is moderated.
    news_moderation: NewsModeration = "no";
    /// Whether articles keep the subject prefix.
    news_prefix_subject_too: bool = "yes";

    /// The owner's password, as Mailman hashed it.
    password: String = "", check::hash;
    /// The moderators' password, as Mailman hashed it.
    mod_password: String = "", check::hash;
    /// A poster's password, as Mailman hashed it.
    post_password: String = "", check::hash;
    /// Whether texts name their fields $name in place of %(name)s.
    use_dollar_strings: bool = "no";
}
