//! What the list server writes about bounces.

use super::Notices;
use super::draft::Draft;
use super::paragraph;
use crate::Output;
use dormouse_bounce::FailedAddress;
use dormouse_mail::{AddressKey, Message};
use dormouse_spool::EntryName;
use dormouse_store::value::SettingValue as _;
use dormouse_store::{BounceEvent, BounceOutcome, Delivery, Member};
use dormouse_words::Text;

impl Notices<'_> {
    /// To a member whose delivery is off: why, and how to turn it on. A reply does that, so the code is
    /// in the subject (docs/spec/bounces.md §4).
    pub fn delivery_off(&self, member: &Member, why: Delivery, cookie: &str, left: i64) -> Output {
        let address = &member.address;
        let config = self.site.config();
        let warnings = match left {
            ..=0 => "warnedlast",
            1 => "warnedonce",
            _ => "warned",
        };
        let to = self.list.mailed(address);
        Draft::to_person(self, &format!("warn {}", AddressKey::of(address)), &to)
            .language(&member.language)
            .from(self.list.sub_address("request"))
            .field("reason", self.why_off(why, &member.language))
            .field("cookie", cookie)
            .field("noticesleft", left)
            .phrase_field("warnings", warnings)
            .field("confirmurl", self.list.confirm_url(config, cookie))
            .howto_confirm()
            .confirms(cookie)
            .write("disabled")
    }

    /// To a former member: delivery was off for too long, and the warnings got no reply.
    pub fn removed_silent_member(&self, address: &str, why: Delivery, language: &str) -> Output {
        let to = self.list.mailed(address);
        Draft::to_person(self, &format!("removed {}", AddressKey::of(address)), &to)
            .language(language)
            .field("email", address)
            .field("reason", self.why_off(why, language))
            .field("goodbye", paragraph(&self.list.settings.goodbye_msg))
            .write("removed")
    }

    /// Why a member gets no mail, in the words of a warning.
    pub fn why_off(&self, why: Delivery, language: &str) -> String {
        let key = match why {
            Delivery::ByUser => "offbyuser",
            Delivery::ByAdmin => "offbyadmin",
            Delivery::ByBounce | Delivery::Enabled => "offbybounce",
            Delivery::Unknown => "offunknown",
        };
        self.phrase(key, language, &Vec::new())
    }

    /// To a member whose mail bounced: if this bounces, too, delivery is turned off. It has an envelope
    /// sender of its own.
    pub fn probe(&self, member: &Member, cookie: &str, bounce: Option<&Message>) -> Output {
        let address = &member.address;
        let sender = self.list.sub_address(&format!("bounces+{cookie}"));
        let mut draft =
            Draft::to_person(self, &format!("probe {}", AddressKey::of(address)), address)
                .language(&member.language)
                .from(sender.clone())
                .metadata("envsender", &sender)
                .metadata(PROBE_TOKEN, cookie)
                .field("address", address);
        if let Some(bounce) = bounce {
            draft = draft.attach(bounce);
        }
        draft.write("probe")
    }

    /// To the owners: what happened to a member whose mail bounced.
    pub fn bounced(&self, event: &BounceEvent, what: Text, bounce: Option<&Message>) -> Output {
        let label = format!("bounced {}", AddressKey::of(&event.address));
        let mut draft = Draft::to_owners(self, &label)
            .field("addr", &event.address)
            .field("what", self.say(what))
            .field("did", did(event.outcome))
            .field("negative", "")
            .field("but", "")
            .field("reenable", "")
            .field("kind", event.kind.write())
            .field("reason", reason(event));
        if let Some(bounce) = bounce {
            draft = draft.attach(bounce);
        }
        draft.write("bounce")
    }

    /// To the owners: many rejections are about the list's mail and not about its members.
    pub fn policy_storm(&self, event: &BounceEvent, count: u64) -> Output {
        Draft::to_owners(self, "policy-storm")
            .field("count", count)
            .field("addr", &event.address)
            .field("reason", reason(event))
            .write("policystorm")
    }

    /// To the owners: some members' server deferred a post until it was too old.
    pub fn given_up(&self, message: &Message, members: &[(String, FailedAddress)]) -> Output {
        const MOST: usize = 20;
        let mut addresses: String =
            members.iter().take(MOST).map(|(address, _)| format!("    {address}\n")).collect();
        if members.len() > MOST {
            addresses.push_str(&format!("    {}\n", self.more(members.len() - MOST)));
        }
        Draft::to_owners(self, "given-up")
            .field("count", members.len())
            .field("addresses", addresses)
            .field("period", self.site.config().delivery_retry_period)
            .field("subject", message.text("Subject").unwrap_or_default())
            .field("reason", members.first().map_or("", |(_, failure)| failure.text.as_str()))
            .write("givenup")
    }

    /// To the owners: mail is in `shunt`, because the server rejects its content. The mail is not
    /// attached: the notice would be rejected, too.
    pub fn unsendable(
        &self,
        message: &Message,
        waits: &EntryName,
        count: usize,
        reason: &str,
    ) -> Output {
        Draft::to_owners(self, "unsendable")
            .field("count", count)
            .field("subject", message.text("Subject").unwrap_or_default())
            .field("reason", reason)
            .field("id", waits)
            .write("unsendable")
    }

    /// To the owners: a message to the bounce address was not understood.
    pub fn unrecognized_bounce(&self, message: &Message) -> Output {
        Draft::to_owners(self, "unrecognized").attach(message).write("unrecognized")
    }

    /// To the owners: a reader reported the list's mail as spam.
    pub fn complaint(&self, address: &str, report: Option<&Message>) -> Output {
        let unnamed = || self.say(dormouse_words::say("a person whom the report does not name"));
        let address = if address.is_empty() { unnamed() } else { address.to_owned() };
        let mut draft = Draft::to_owners(self, "complaint").field("addr", address);
        if let Some(report) = report {
            draft = draft.attach(report);
        }
        draft.write("complaint")
    }
}

/// Metadata key, Mailman's: the entry is a probe.
pub const PROBE_TOKEN: &str = "probe_token";

/// The member's fate in the words of Mailman's text.
fn did(outcome: BounceOutcome) -> &'static str {
    match outcome {
        BounceOutcome::Disabled => "disabled",
        BounceOutcome::Removed => "removed",
        BounceOutcome::Probed => "probed",
        _ => "bounce score incremented",
    }
}

fn reason(event: &BounceEvent) -> String {
    let text = if event.text.is_empty() { "no reason was given" } else { &event.text };
    if event.status.is_empty() || text.contains(&event.status) {
        text.to_owned()
    } else {
        format!("{} {text}", event.status)
    }
}
