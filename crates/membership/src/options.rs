//! A member's options, in the words of Mailman's command `set` (docs/spec/commands.md §2).

use super::{MembershipError, Refusal, Registry, checked};
use dormouse_store::{Delivery, List, Member, MemberOption, Request};
use dormouse_words::{Text, say};

/// A change of one option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionChange {
    /// An option that is on or off.
    Option(MemberOption, bool),
    /// Digests, as MIME or plain text, or single posts.
    Digest(DigestMode),
    /// Whether mail is delivered.
    Delivery(bool),
}

/// How a member gets posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestMode {
    /// One by one.
    Off,
    /// As digests in MIME.
    Mime,
    /// As digests in plain text.
    Plain,
}

/// The words of options that are on or off, and whether the word means the opposite of the stored
/// option.
const SWITCHES: [(&str, MemberOption, bool); 5] = [
    ("ack", MemberOption::AcknowledgePosts, false),
    ("myposts", MemberOption::DontReceiveOwnPosts, true),
    ("hide", MemberOption::ConcealSubscription, false),
    ("duplicates", MemberOption::DontReceiveDuplicates, true),
    ("reminders", MemberOption::SuppressPasswordReminder, true),
];

impl OptionChange {
    /// Reads `ack on`; the error names the valid words.
    pub fn parse(option: &str, value: &str) -> Result<OptionChange, Text> {
        let (option, value) = (option.to_lowercase(), value.to_lowercase());
        let on = match value.as_str() {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        };
        let switch = SWITCHES.iter().find(|(word, ..)| *word == option);
        match (option.as_str(), on) {
            ("digest", Some(false)) => Ok(OptionChange::Digest(DigestMode::Off)),
            ("digest", _) if value == "mime" => Ok(OptionChange::Digest(DigestMode::Mime)),
            ("digest", _) if value == "plain" => Ok(OptionChange::Digest(DigestMode::Plain)),
            ("digest", _) => Err(say("set digest takes plain, mime or off.")),
            ("delivery", Some(on)) => Ok(OptionChange::Delivery(on)),
            (_, Some(on)) if switch.is_some() => {
                let (_, option, contrary) = switch.copied().unwrap_or(SWITCHES[0]);
                Ok(OptionChange::Option(option, on != contrary))
            }
            _ if switch.is_some() || option == "delivery" => {
                Err(say("set {option} takes on or off.").with("option", option))
            }
            _ => Err(say("There is no such option.")),
        }
    }

    fn apply(self, member: &mut Member, list: &List) -> Result<(), Refusal> {
        match self {
            OptionChange::Option(option, on) => member.options = member.options.with(option, on),
            OptionChange::Digest(digest) => {
                let settings = &list.settings;
                match digest {
                    DigestMode::Off if !settings.nondigestable => return Err(Refusal::OnlyDigests),
                    DigestMode::Off => {}
                    _ if !settings.digestable => return Err(Refusal::NoDigests),
                    how => {
                        let plain = how == DigestMode::Plain;
                        member.options = member.options.with(MemberOption::DisableMime, plain);
                    }
                }
                member.digest = digest != DigestMode::Off;
            }
            OptionChange::Delivery(true) => member.delivery = Delivery::Enabled,
            OptionChange::Delivery(false) if member.delivery == Delivery::Enabled => {
                member.delivery = Delivery::ByUser;
            }
            // It is off already, and its reason must not be overwritten.
            OptionChange::Delivery(false) => {}
        }
        Ok(())
    }
}

/// A member's options in the words of `set`, each with its value. `reminders` may be set, because
/// programs written for Mailman do so, but is not shown: there is no monthly mail here.
pub fn shown(member: &Member) -> Vec<(&'static str, &'static str)> {
    let on_off = |on| if on { "on" } else { "off" };
    let digest = match (member.digest, member.options.has(MemberOption::DisableMime)) {
        (false, _) => "off",
        (true, true) => "plain",
        (true, false) => "mime",
    };
    let mut shown =
        vec![("digest", digest), ("delivery", on_off(member.delivery == Delivery::Enabled))];
    let switches = SWITCHES.into_iter();
    shown.extend(
        switches
            .filter(|(_, option, _)| *option != MemberOption::SuppressPasswordReminder)
            .map(|(word, option, contrary)| (word, on_off(member.options.has(option) != contrary))),
    );
    shown
}

/// The options as lines of a text.
pub fn table(member: &Member) -> String {
    shown(member).iter().map(|(option, value)| format!("    {option:<11} {value}\n")).collect()
}

impl Registry<'_> {
    /// Changes a member's options, or none of them if one is refused.
    pub fn set_options(
        &mut self,
        address: &str,
        changes: &[OptionChange],
    ) -> Result<Member, MembershipError> {
        let before = self.store.read().member(self.list.id, address)?.ok_or(Refusal::NotMember)?;
        let mut member = before.clone();
        for change in changes {
            change.apply(&mut member, self.list)?;
        }
        if member.delivery == Delivery::Enabled && before.delivery != Delivery::Enabled {
            self.store.re_enable(self.list.id, address, self.now)?;
        }
        self.store.update_member(self.list.id, &member, self.now)?;
        Ok(member)
    }

    /// Asks a member by mail to confirm changes of options that were requested without proof.
    pub fn ask_options(
        &mut self,
        address: &str,
        changes: &[String],
    ) -> Result<(), MembershipError> {
        let member = self.store.read().member(self.list.id, address)?.ok_or(Refusal::NotMember)?;
        let request =
            Request::SetOptions { address: member.address.clone(), changes: changes.to_vec() };
        self.count_for(&request)?;
        let lifetime = self.site.config().members_confirm_within.duration();
        let pending = self.pend(request, lifetime)?;
        let confirmation = self.confirmation(&pending, &member.address)?;
        self.send(self.notices().confirm_options(&confirmation, changes));
        Ok(())
    }

    /// Sends a member the options, for a requester who may be another person.
    pub fn send_options(&mut self, address: &str) -> Result<(), MembershipError> {
        let member = self.member(address)?.ok_or(Refusal::NotMember)?;
        self.count(&member.address)?;
        let to = self.list.mailed(&member.address);
        self.send(self.notices().options(&member, &to, &self.origin.who));
        Ok(())
    }

    /// Sends a member a link to the options, valid once. The requester does not learn whether the
    /// address is a member's.
    pub fn send_login(&mut self, address: &str) -> Result<(), MembershipError> {
        let address = checked(address)?;
        // Unknown addresses are counted like members', so that the limit does not show who is a member.
        self.count_by_day("asked-login", &address)?;
        let Some(member) = self.member(&address)? else { return Ok(()) };
        let request = Request::LogIn { address: member.address.clone() };
        let lifetime = self.site.config().members_login_lifetime.duration();
        let pending = self.pend(request, lifetime)?;
        let confirmation = self.confirmation(&pending, &member.address)?;
        self.send(self.notices().login_link(&confirmation, &member.address));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_clock::Timestamp;
    use dormouse_store::MemberOptions;
    use proptest::prelude::*;

    fn member() -> Member {
        Member {
            key: dormouse_mail::AddressKey::of("a@x.example"),
            address: "a@x.example".to_owned(),
            real_name: String::new(),
            digest: false,
            options: MemberOptions::from_bits(0),
            delivery: Delivery::Enabled,
            language: String::new(),
            joined_at: Timestamp::from_seconds(1.0),
        }
    }

    fn list() -> List {
        List {
            id: dormouse_store::ListId::new(1),
            name: "dev".parse().unwrap(),
            created_at: Timestamp::from_seconds(1.0),
            post_id: 1,
            last_post_time: Timestamp::EPOCH,
            settings: dormouse_store::ListSettings::default(),
        }
    }

    /// docs/spec/commands.md §2: myposts, duplicates and reminders mean the opposite of their options.
    #[test]
    fn words_mean_what_they_mean_in_mailman() {
        for (option, value, bits) in [
            ("ack", "on", 4),
            ("myposts", "off", 2),
            ("hide", "ON", 16),
            ("Duplicates", "off", 256),
            ("reminders", "off", 32),
        ] {
            let mut member = member();
            OptionChange::parse(option, value).unwrap().apply(&mut member, &list()).unwrap();
            assert_eq!(member.options.bits(), bits, "{option}");
        }
        let mut member = member();
        let mut set = |option: &str, value: &str| {
            OptionChange::parse(option, value).unwrap().apply(&mut member, &list()).unwrap();
            (member.digest, member.options.bits(), member.delivery)
        };
        assert_eq!(set("digest", "plain"), (true, 8, Delivery::Enabled));
        assert_eq!(set("digest", "mime"), (true, 0, Delivery::Enabled));
        assert_eq!(set("digest", "off"), (false, 0, Delivery::Enabled));
        assert_eq!(set("delivery", "off"), (false, 0, Delivery::ByUser));
        assert_eq!(set("delivery", "on"), (false, 0, Delivery::Enabled));
        member.delivery = Delivery::ByAdmin;
        OptionChange::parse("delivery", "off").unwrap().apply(&mut member, &list()).unwrap();
        assert_eq!(member.delivery, Delivery::ByAdmin, "why it is off stays known");
        for (option, value) in [("ack", "maybe"), ("digest", "on"), ("colour", "on"), ("", "")] {
            assert!(OptionChange::parse(option, value).is_err(), "{option} {value}");
        }
    }

    #[test]
    fn the_monthly_reminder_is_not_shown_as_there_is_none() {
        assert!(shown(&member()).iter().all(|(word, _)| *word != "reminders"));
        assert!(OptionChange::parse("reminders", "on").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_shown_sets_the_same(bits in 0i64..512, digest: bool, enabled: bool) {
            let mut original = member();
            original.options = MemberOptions::from_bits(bits);
            original.digest = digest;
            original.delivery = if enabled { Delivery::Enabled } else { Delivery::ByUser };
            let mut other = member();
            for (option, value) in shown(&original) {
                OptionChange::parse(option, value).unwrap().apply(&mut other, &list()).unwrap();
            }
            prop_assert_eq!(shown(&other), shown(&original));
        }
    }
}
