//! What the list server itself writes to people.
//!
//! A notice is an entry for `virgin`. No notice replies to automatic mail (RFC 3834 §2), or to a
//! non-member whose address is not authenticated.

mod administration;
mod bounces;
pub mod commands;
mod draft;
pub mod editing;
pub mod membership;
pub mod templates;
#[cfg(test)]
mod tests;

pub use bounces::PROBE_TOKEN;

use crate::moderation::link::{Action, Link};
use crate::template::{self, Fields};
use crate::{Output, PatternProblem};
use dormouse_clock::Timestamp;
use dormouse_mail::notice::Notice;
use dormouse_mail::{AddressKey, Message, message_id};
use dormouse_store::{Held, List, Member, Site};
use dormouse_words::{Language, Text, count, say};
use draft::Draft;
use std::collections::HashMap;
use std::time::Duration;
use templates::Phrases;

/// Writes a list's notices.
#[derive(Clone, Copy)]
pub struct Notices<'p> {
    /// The list.
    pub list: &'p List,
    /// The site.
    pub site: &'p Site,
}

/// The line with a link; nothing without one.
fn link_line(url: Option<String>) -> String {
    url.map(|url| format!("    {url}\n")).unwrap_or_default()
}

impl Notices<'_> {
    /// To the owners and moderators: a post is held. The post is attached (docs/spec/pipeline.md §2.5).
    pub fn held(&self, message: &Message, held: &Held, secret: &[u8]) -> Output {
        let draft = Draft::to_moderators(self, "held")
            .field("sender", &held.post.sender)
            .field("subject", &held.post.subject)
            .field("reason", self.reason(&held.post.reason, ""))
            .field("id", held.id)
            .field("admindb_url", self.review_url(held, secret).unwrap_or_default())
            .field("expires", self.expiry(""))
            .page_field("pages", "reviewpages")
            .attach(message);
        // A decision by mail needs a password.
        let settings = &self.list.settings;
        let draft = if settings.password.is_empty() && settings.mod_password.is_empty() {
            draft.field("bymail", "")
        } else {
            draft.text_field("bymail", "decidebymail").attach(&self.answerable(held))
        };
        draft.write("postauth")
    }

    /// The message to which a moderator replies to decide by mail: the reply's subject names the post.
    fn answerable(&self, held: &Held) -> Message {
        let request = self.list.sub_address("request");
        let found = templates::find(self.site, self.list, "approvebymail", "");
        let notice = Notice {
            from: request.clone(),
            to: self.list.sub_address("owner"),
            subject: format!("confirm {}", held.post.cookie),
            text: found.body,
            headers: vec![("Reply-To".to_owned(), request)],
            ..Notice::default()
        };
        let id = message_id::generate(self.list.local_part(), &self.list.settings.host_name);
        notice.build(Timestamp::now(), &id)
    }

    /// To a member whose post is held.
    pub fn post_held(&self, held: &Held, secret: &[u8], language: &str) -> Output {
        let has_pages = self.site.config().has_pages();
        let cancel = if has_pages {
            self.link(held, Action::Cancel).url(self.list, self.site.config(), secret)
        } else {
            format!("mailto:{}", self.list.sub_address("owner"))
        };
        Draft::to_person(self, "post-held", &held.post.sender)
            .language(language)
            .field("subject", &held.post.subject)
            .field("reason", self.reason(&held.post.reason, language))
            .field("confirmurl", cancel)
            .field("expires", self.expiry(language))
            .text_field("howto", if has_pages { "howtocancel" } else { "howtocancelbymail" })
            .write("postheld")
    }

    /// To the owners, if they asked for it: a non-member's post was discarded.
    pub fn auto_discarded(&self, message: &Message, sender: &str) -> Output {
        Draft::to_owners(self, "auto-discard")
            .field("sender", sender)
            .attach(message)
            .write("autodiscard")
    }

    /// To a sender whose post was rejected by the list's settings.
    pub fn rejected(
        &self,
        message: &Message,
        sender: &str,
        reason: &str,
        language: &str,
    ) -> Output {
        let subject = message.text("Subject").filter(|subject| !subject.trim().is_empty());
        let own = || {
            let fields = vec![("listaddr", self.list.address())];
            self.phrase("yourpost", language, &fields)
        };
        Draft::to_person(self, "reject", sender)
            .language(language)
            .field("reason", self.reason(reason, language))
            .subject(subject.unwrap_or_else(own))
            .attach(message)
            .write("rejected")
    }

    /// To a sender whose post a moderator rejected.
    pub fn refused(&self, message: &Message, held: &Held, reason: &str, language: &str) -> Output {
        Draft::to_person(self, "refuse", &held.post.sender)
            .language(language)
            .field("subject", &held.post.subject)
            .phrase_field("request", "post")
            .field("reason", reason)
            .attach(message)
            .write("refuse")
    }

    /// To the owners and moderators, once a day: the held posts and waiting requests, with the pages
    /// where they decide.
    pub fn pending(
        &self,
        waiting: &[Held],
        secret: &[u8],
        requests: &[(String, Option<String>)],
    ) -> Output {
        let mut posts = self.waiting_posts(waiting, secret);
        if waiting.len() + requests.len() > 1 && self.site.config().has_pages() {
            let url = self.list.web_url(self.site.config(), "admindb");
            let text = self.say(say("Everything on one page, for moderators who are signed in:"));
            posts.push_str(&format!("\n{text}\n    {url}\n\n"));
        }
        let (shown, more) = requests.split_at(requests.len().min(MOST_REQUESTS));
        for (request, url) in shown {
            posts.push_str(&format!("      {request}\n{}", link_line(url.clone())));
        }
        if !more.is_empty() {
            posts.push_str(&format!("      ... {}\n", self.more(more.len())));
        }
        Draft::to_moderators(self, "pending")
            .field("count", waiting.len() + requests.len())
            .field("posts", posts)
            .field("expiry", self.when_discarded())
            .page_field("pages", "pendingpages")
            .write("pending")
    }

    /// The held posts, grouped by sender, with the pages where they decide.
    fn waiting_posts(&self, waiting: &[Held], secret: &[u8]) -> String {
        let mut posts = String::new();
        let groups = by_sender(waiting);
        for group in groups.iter().take(MOST_SENDERS) {
            if let [held] = group.as_slice() {
                posts.push_str(&(post_line(held) + &link_line(self.review_url(held, secret))));
                continue;
            }
            let text = self.say(
                count(
                    "{count} post from {sender}",
                    "{count} posts from {sender}",
                    number(group.len()),
                )
                .with("sender", &group[0].post.sender),
            );
            posts.push_str(&format!("{text}\n"));
            for held in group.iter().take(MOST_OF_SENDER) {
                posts.push_str(&format!("{:>4}. {}\n", held.id, held.post.subject));
                posts.push_str(&link_line(self.review_url(held, secret)));
            }
            if group.len() > MOST_OF_SENDER {
                let more = self.more(group.len() - MOST_OF_SENDER);
                posts.push_str(&format!("      ... {more}\n"));
            }
        }
        if groups.len() > MOST_SENDERS {
            let rest: usize = groups[MOST_SENDERS..].iter().map(Vec::len).sum();
            let senders = groups.len() - MOST_SENDERS;
            let text = self.say(
                count(
                    "{count} post from other senders ({senders})",
                    "{count} posts from other senders ({senders})",
                    number(rest),
                )
                .with("senders", senders),
            );
            posts.push_str(&format!("{text}\n"));
        }
        posts
    }

    /// When waiting posts and requests are discarded.
    fn when_discarded(&self) -> String {
        let settings = &self.list.settings;
        [
            (
                say("Posts that wait longer than {days} days are discarded."),
                settings.max_days_to_hold.kept(),
            ),
            (
                say("Requests that wait longer than {days} days are discarded."),
                settings.max_days_to_hold_requests.kept(),
            ),
        ]
        .into_iter()
        .filter(|(_, days)| *days > 0)
        .map(|(text, days)| self.say(text.with("days", days)) + "\n")
        .collect()
    }

    /// To the owners and moderators: held posts expired.
    pub fn held_expired(&self, dropped: &[Held]) -> Output {
        Draft::to_moderators(self, "held-expired")
            .field("count", dropped.len())
            .field("days", self.list.settings.max_days_to_hold)
            .field("posts", dropped.iter().map(post_line).collect::<String>())
            .write("heldexpired")
    }

    /// To a member who asked to be told that a post was sent.
    pub fn acknowledged(&self, member: &Member, subject: &str) -> Output {
        Draft::to_person(self, "acknowledge", &member.address)
            .from(self.list.sub_address("bounces"))
            .language(&member.language)
            .field("subject", subject)
            .write("postack")
    }

    /// An automatic reply with the list's own text (RFC 3834 §3).
    pub fn automatic_answer(&self, message: &Message, sender: &str, text: &str) -> Output {
        let mut draft = Draft::to_person(self, "autoresponse", sender)
            .from(self.list.sub_address("bounces"))
            .header("Auto-Submitted", "auto-replied")
            .header("X-Ack", "No");
        if let Some(id) = message.text("Message-ID") {
            draft = draft.header("In-Reply-To", &id).header("References", &id);
        }
        let config = self.site.config();
        let list = &self.list.settings.real_name;
        draft
            .subject(
                self.say(
                    say("Automatic reply to your message to the mailing list {list}")
                        .with("list", list),
                ),
            )
            .field("listurl", self.list.info_url(config))
            .field("requestemail", self.list.sub_address("request"))
            .field("adminemail", self.list.sub_address("bounces"))
            .field("owneremail", self.list.sub_address("owner"))
            .write_text(text)
    }

    /// To the owners: patterns in the list's settings cannot be used.
    pub fn bad_patterns(&self, problems: &[PatternProblem]) -> Output {
        let patterns: String = problems
            .iter()
            .map(|problem| {
                let PatternProblem { setting, pattern, problem } = problem;
                format!("    {setting}: {pattern}\n        {problem}\n")
            })
            .collect();
        Draft::to_owners(self, "bad-patterns").field("patterns", patterns).write("badpatterns")
    }

    /// To the owners and moderators: the content filter removed everything from a post.
    pub fn content_filtered(&self, message: &Message, reason: &str) -> Output {
        Draft::to_moderators(self, "content-filter")
            .field("reason", reason)
            .attach(message)
            .write("contentfilter")
    }

    /// A copy of a held post, for an address that a moderator named.
    pub fn forwarded(&self, message: &Message, held: &Held, to: &[String]) -> Output {
        let to = to.join(", ");
        let recipients: Vec<String> = to.split(", ").map(str::to_owned).collect();
        Draft::to_people(self, "forward", &to, &recipients)
            .field("sender", &held.post.sender)
            .field("subject", &held.post.subject)
            .field("reason", &held.post.reason)
            .attach_whole(message)
            .write("forwarded")
    }

    /// The fields of every notice, under our names and those of Mailman's texts.
    pub fn fields(&self) -> Fields {
        let (list, config) = (self.list, self.site.config());
        let mut fields = template::list_fields(list, config);
        let owner = || list.sub_address("owner");
        fields.extend([
            ("listname", list.settings.real_name.clone()),
            ("internal_name", list.name.to_string()),
            ("hostname", list.settings.host_name.clone()),
            ("adminaddr", owner()),
            ("listadmin", owner()),
            ("listowner", owner()),
            ("owneraddr", owner()),
            ("siteowner", format!("{}-owner@{}", config.site_list, config.host)),
            ("listaddr", list.address()),
            ("emailaddr", list.address()),
            ("requestaddr", list.sub_address("request")),
            ("listinfo_url", list.info_url(config)),
            ("optionsurl", list.any_options_url(config)),
            // Members' passwords are unknown: only hashes are stored.
            ("password", String::new()),
            ("umbrella", String::new()),
        ]);
        fields
    }

    /// A phrase of the text `words` in a reader's language (if empty, the list's), filled in.
    fn phrase(&self, key: &str, language: &str, fields: &Fields) -> String {
        let phrase = Phrases::of(self.site, self.list, "words", language).get(key);
        template::fill(&phrase, fields, false)
    }

    /// A reason for rejecting or holding a post, translated for its reader: it is stored in English.
    /// What a list's owners wrote stays unchanged.
    pub fn reason(&self, text: &str, language: &str) -> String {
        let known = templates::english("words").lines().filter_map(|line| line.split_once(": "));
        let mut reasons = known.filter(|(key, _)| key.starts_with("why"));
        let found =
            reasons.find_map(|(key, english)| Some((key, template::values(english, text)?)));
        match found {
            Some((key, fields)) => self.phrase(key, language, &fields),
            None => text.to_owned(),
        }
    }

    /// A text in the list's language.
    fn say(&self, text: Text) -> String {
        let own = &self.list.settings.preferred_language;
        text.to(Language::or_english(own)).to_string()
    }

    /// The line "and N more".
    fn more(&self, more: usize) -> String {
        self.say(count("and {count} more", "and {count} more", number(more)))
    }

    /// The page where a moderator decides on a held post; empty on a site without pages.
    pub fn review_url(&self, held: &Held, secret: &[u8]) -> Option<String> {
        let url = || self.link(held, Action::Review).url(self.list, self.site.config(), secret);
        self.site.config().has_pages().then(url)
    }

    fn link(&self, held: &Held, action: Action) -> Link {
        Link::new(held, action, self.lifetime())
    }

    fn lifetime(&self) -> Duration {
        self.site.config().moderation_link_lifetime.duration()
    }

    /// When a link that is created now expires, for a reader of a language (if empty, the list's).
    fn expiry(&self, language: &str) -> String {
        self.date(Timestamp::now() + self.lifetime(), language)
    }

    /// A time for a reader of a language (if empty, the list's).
    fn date(&self, at: Timestamp, language: &str) -> String {
        let own = &self.list.settings.preferred_language;
        dormouse_words::date::on(at, if language.is_empty() { own } else { language })
    }

    fn site_bounces(&self) -> String {
        let config = self.site.config();
        format!("{}-bounces@{}", config.site_list, config.host)
    }
}

fn number(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// A text of the owners between empty lines; empty if there is none.
fn paragraph(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

/// The numbers of senders in a reminder, of posts of each, and of requests.
const MOST_SENDERS: usize = 40;
const MOST_OF_SENDER: usize = 3;
const MOST_REQUESTS: usize = 40;

/// Groups posts by sender, in the order of each sender's first post.
fn by_sender(waiting: &[Held]) -> Vec<Vec<&Held>> {
    let mut groups: Vec<Vec<&Held>> = Vec::new();
    let mut places: HashMap<AddressKey, usize> = HashMap::new();
    for held in waiting {
        let place = *places.entry(AddressKey::of(&held.post.sender)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(held),
            None => groups.push(vec![held]),
        }
    }
    groups
}

/// A held post's line in a notice about several.
fn post_line(held: &Held) -> String {
    format!(
        "{:>4}. {} from {}\n      {}\n",
        held.id, held.post.subject, held.post.sender, held.post.reason
    )
}
