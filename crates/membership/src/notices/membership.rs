//! Notices about joining, leaving and options. A mail that asks for a confirmation comes from
//! `L-request` and has the cookie in its subject, or comes from `L-confirm+COOKIE` if the MTA delivers
//! such addresses (docs/spec/commands.md §3).

use super::draft::Draft;
use super::{Notices, paragraph};
use crate::Output;
use crate::{Means, Origin, link, options, requests};
use dormouse_clock::Timestamp;
use dormouse_mail::encoded_word;
use dormouse_store::{HeldRequest, Member, Pending, Request};

/// A mail that asks for a confirmation.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// The cookie that confirms.
    pub cookie: String,
    /// When the request expires.
    pub expires_at: Timestamp,
    /// The recipient.
    pub to: String,
    /// The reader's language; if empty, the list's.
    pub language: String,
    /// How the request was made.
    pub means: Means,
    /// The requester's address, if the recipient may know it.
    pub from: String,
    /// Whether it replies to a mail from its recipient.
    pub is_reply: bool,
}

impl Confirmation {
    /// The mail to `to` about a pending request.
    pub fn new(pending: &Pending, origin: &Origin, to: &str, language: &str) -> Confirmation {
        let by_mail = origin.means == Means::Mail;
        Confirmation {
            cookie: pending.cookie.clone(),
            expires_at: pending.expires_at,
            to: to.to_owned(),
            language: language.to_owned(),
            means: origin.means,
            from: if by_mail { origin.who.clone() } else { origin.from().to_owned() },
            is_reply: by_mail && origin.who.eq_ignore_ascii_case(to),
        }
    }
}

/// A longer name is not repeated to the address, in characters.
const LONGEST_NAME: usize = 60;

/// Name and address in a text, where nothing is encoded.
fn shown_mailbox(name: &str, address: &str) -> String {
    let name = encoded_word::decode(name.as_bytes());
    if name.trim().is_empty() { address.to_owned() } else { format!("{} <{address}>", name.trim()) }
}

impl Notices<'_> {
    fn confirmation(&self, label: &str, confirmation: &Confirmation) -> Draft<'_> {
        let config = self.site.config();
        let Confirmation { cookie, to, from: asker, .. } = confirmation;
        let how = match confirmation.means {
            Means::Mail => "bymail",
            Means::Web => "onweb",
            Means::Owner => "byowner",
        };
        let from = if config.members_verp_confirmations {
            self.list.sub_address(&format!("confirm+{cookie}"))
        } else {
            self.list.sub_address("request")
        };
        let automatic = if confirmation.is_reply { "auto-replied" } else { "auto-generated" };
        let draft = Draft::to_person(self, label, to)
            .from(from.clone())
            .language(&confirmation.language)
            .header("Reply-To", &from)
            .header("Auto-Submitted", automatic)
            .field("cookie", cookie)
            .field("confirmurl", self.list.confirm_url(config, cookie))
            .field("expires", self.date(confirmation.expires_at, &confirmation.language))
            .field("asker", asker)
            .field("remote", if asker.is_empty() { String::new() } else { format!(" ({asker})") })
            .phrase_field("how", how)
            .howto_confirm();
        if config.members_verp_confirmations { draft } else { draft.confirms(cookie) }
    }

    /// Asks an address whether it would like to join, and with which options.
    pub fn confirm_joining(&self, confirmation: &Confirmation, request: &Request) -> Output {
        self.confirmation("verify", confirmation)
            .field("email", request.address())
            .field("wish", self.wish(request, &confirmation.language))
            .write("verify")
    }

    /// The options that a member would have, a line each.
    fn wish(&self, request: &Request, reader: &str) -> String {
        let Request::Subscribe { real_name, digest, language, .. } = request else {
            return String::new();
        };
        let fields = vec![("name", real_name.clone()), ("language", language.clone())];
        let line = |key| format!("    {}\n", self.phrase(key, reader, &fields));
        let mut lines = String::new();
        // Anyone may have entered the name; it must not be an advertisement.
        let is_harmless = !["://", "www.", "@"].iter().any(|mark| real_name.contains(mark));
        if !real_name.is_empty() && real_name.chars().count() <= LONGEST_NAME && is_harmless {
            lines.push_str(&line("wishname"));
        }
        lines.push_str(&line(if *digest { "wishdigests" } else { "wishsingle" }));
        if !language.is_empty() {
            lines.push_str(&line("wishlanguage"));
        }
        lines
    }

    /// To the old and the new address: the membership has moved.
    pub fn moved(
        &self,
        to: &str,
        (old, new): (&str, &str),
        lists: &[String],
        language: &str,
    ) -> Output {
        Draft::to_person(self, "moved", to)
            .language(language)
            .header("Auto-Submitted", "auto-generated")
            .field("oldaddress", old)
            .field("newaddress", new)
            .field("lists", lists.join(", "))
            .write("moved")
    }

    /// Asks a member to confirm leaving.
    pub fn confirm_leaving(&self, confirmation: &Confirmation, address: &str) -> Output {
        self.confirmation("unsub", confirmation).field("email", address).write("unsub")
    }

    /// Asks the new address to confirm that it replaces the old one.
    pub fn confirm_moving(&self, confirmation: &Confirmation, old: &str, new: &str) -> Output {
        self.confirmation("changeaddr", confirmation)
            .field("oldaddress", old)
            .field("newaddress", new)
            .write("changeaddr")
    }

    /// Asks a member to confirm changes of options.
    pub fn confirm_options(&self, confirmation: &Confirmation, changes: &[String]) -> Output {
        let changes: String = changes.iter().map(|change| format!("    {change}\n")).collect();
        self.confirmation("setoptions", confirmation).field("changes", changes).write("setoptions")
    }

    /// A member's options, requested by mail, to the address for notices.
    pub fn options(&self, member: &Member, to: &str, asker: &str) -> Output {
        Draft::to_person(self, "options", to)
            .language(&member.language)
            .header("Auto-Submitted", "auto-generated")
            .field("email", &member.address)
            .field("options", options::table(member))
            .field("requestaddr", self.list.sub_address("request"))
            .field("asker", asker)
            .phrase_field("how", "bymail")
            .write("options")
    }

    /// Invites an address, with a message of the owners.
    pub fn invitation(&self, confirmation: &Confirmation, text: &str) -> Output {
        self.confirmation("invite", confirmation)
            .field("email", &confirmation.to)
            .field("text", paragraph(text))
            .write("invite")
    }

    /// A link to a member's own options.
    pub fn login_link(&self, confirmation: &Confirmation, address: &str) -> Output {
        // A reply does nothing: the mail comes from the owners, with the text's own subject.
        self.confirmation("login", confirmation)
            .from(self.list.sub_address("owner"))
            .header("Reply-To", &self.list.sub_address("owner"))
            .confirms_nothing()
            .field("email", address)
            .write("login")
    }

    /// A link that signs an address in on the web.
    pub fn sign_in_link(
        &self,
        address: &str,
        url: &str,
        expires_at: Timestamp,
        asker: &str,
        language: &str,
    ) -> Output {
        Draft::to_person(self, "signin", address)
            .language(language)
            .header("Auto-Submitted", "auto-generated")
            .field("email", address)
            .field("url", url)
            .field("expires", self.date(expires_at, language))
            .field("asker", asker)
            .phrase_field("how", "onweb")
            .write("signin")
    }

    /// To a new member, at the address for notices.
    pub fn welcome(&self, member: &Member, to: &str, plain: bool, unsubscribe: &str) -> Output {
        let mode = if member.digest {
            let key = if plain { "plaindigest" } else { "mimedigest" };
            format!(" {}", self.phrase(key, &member.language, &Vec::new()))
        } else {
            String::new()
        };
        Draft::to_person(self, "welcome", to)
            .from(self.list.sub_address("request"))
            .language(&member.language)
            .header("X-No-Archive", "yes")
            .field("email", &member.address)
            .field("digmode", mode)
            .field("welcome", paragraph(&self.list.settings.welcome_msg))
            .field("leaveaddr", self.list.sub_address("leave"))
            .field("optionsurl", self.list.options_url(self.site.config(), &member.address))
            .field("unsubscribeurl", unsubscribe)
            .page_field("pages", "subscribeackpages")
            .write("subscribeack")
    }

    /// To a former member.
    pub fn goodbye(&self, member: &Member, to: &str) -> Output {
        Draft::to_person(self, "goodbye", to)
            .from(self.list.sub_address("bounces"))
            .language(&member.language)
            .field("email", &member.address)
            .field("joinaddr", self.list.sub_address("join"))
            .field("goodbye", paragraph(&self.list.settings.goodbye_msg))
            .write("goodbye")
    }

    /// To the owners and moderators: a member joined.
    pub fn member_joined(&self, member: &Member, means: Means) -> Output {
        self.member_changed("joined", "adminsubscribeack", member, means)
    }

    /// To the owners and moderators: a member left.
    pub fn member_left(&self, member: &Member, means: Means) -> Output {
        self.member_changed("left", "adminunsubscribeack", member, means)
    }

    fn member_changed(&self, label: &str, text: &str, member: &Member, means: Means) -> Output {
        Draft::to_moderators(self, label)
            .field("member", shown_mailbox(&member.real_name, &member.address))
            .field("means", self.say(means.words()))
            .field("whence", format!("({})", self.say(means.words())))
            .write(text)
    }

    /// To a member whose address was entered to join again.
    pub fn asked_to_join_again(&self, to: &str, address: &str, language: &str) -> Output {
        Draft::to_person(self, "privacy-alert", to)
            .language(language)
            .field("email", address)
            .phrase_field("how", "somehow")
            .write("privacyalert")
    }

    /// To the owners and moderators: an invitation of one list was used on another.
    pub fn hostile_invitation(&self, address: &str, other: &str) -> Output {
        Draft::to_moderators(self, &format!("hostile-{}", self.list.name))
            .field("email", address)
            .field("other", other)
            .write("hostile")
    }

    /// To the owners and moderators: a request to join or leave waits.
    pub fn request_waits(&self, held: &HeldRequest, secret: &[u8]) -> Output {
        Draft::to_moderators(self, "request")
            .field("request", self.say(requests::describe(&held.request)))
            .field("username", held.request.address())
            .field("how", &held.how)
            .field("id", held.id)
            .field("admindb_url", self.request_url(held, secret).unwrap_or_default())
            .field("expires", self.expiry(""))
            .page_field("pages", "reviewpages")
            .write("subauth")
    }

    /// To a requester whom a moderator rejected.
    pub fn request_refused(
        &self,
        held: &HeldRequest,
        to: &str,
        reason: &str,
        language: &str,
    ) -> Output {
        let key =
            if matches!(held.request, Request::Unsubscribe { .. }) { "leaving" } else { "joining" };
        Draft::to_person(self, "refuse", to)
            .language(language)
            .field("email", held.request.address())
            .phrase_field("request", key)
            .field("reason", reason)
            .write("refuse")
    }

    /// The page where a moderator decides on a request; empty on a site without pages.
    pub fn request_url(&self, held: &HeldRequest, secret: &[u8]) -> Option<String> {
        let until = Timestamp::now() + self.lifetime();
        let url = || link::review_url(self.list, self.site, secret, held, until);
        self.site.config().has_pages().then(url)
    }
}
