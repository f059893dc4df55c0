//! Determines the recipients of a post: regular members whose delivery is on, limited by topics,
//! sibling lists and the poster's options (docs/spec/pipeline.md §2.10).

use super::{Flow, HandlerError, Post, Reason, approve, to_digest};
use crate::recipients::{Recipients, Rule};
use dormouse_mail::AddressKey;
use dormouse_mail::address;
use dormouse_store::{List, MemberOption, StoreError};

/// Keeps existing recipients, even if there are none.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if Recipients::read(&post.metadata)?.is_some() {
        return Ok(Flow::Next);
    }
    let mut rule = Rule { lists: vec![post.list.name.to_string()], ..Rule::default() };
    if let Some(is_right) = approve::urgency(post)? {
        if !is_right {
            return Ok(Flow::Reject(Reason::plain(
                "Your urgent message was not sent, because the password in its Urgent: header is \
                 not the list's.",
            )));
        }
        rule.everyone = true;
    } else {
        without_poster(post, &mut rule)?;
        if to_digest::takes(post) {
            rule.issue = Some(post.store.read().digest_state(post.list.id)?.sent + 1);
        }
        if post.list.settings.topics_enabled {
            rule.topics = Some(post.metadata.envelope().topic_hits().unwrap_or_default());
        }
        siblings(post, &mut rule)?;
    }
    Recipients::by(rule, post.store.read())?.write(&mut post.metadata);
    Ok(Flow::Next)
}

fn without_poster(post: &Post<'_>, rule: &mut Rule) -> Result<(), StoreError> {
    if let Some(sender) = post.message.sender()
        && let Some(member) = post.store.read().member(post.list.id, &sender)?
        && member.options.has(MemberOption::DontReceiveOwnPosts)
    {
        rule.except.insert(member.key);
    }
    Ok(())
}

/// Applies `regular_exclude_lists`, whose members get the post from there if it is addressed to
/// that list, and `regular_include_lists`, whose members get it from here if it is not.
fn siblings(post: &Post<'_>, rule: &mut Rule) -> Result<(), StoreError> {
    let settings = &post.list.settings;
    if settings.regular_exclude_lists.is_empty() && settings.regular_include_lists.is_empty() {
        return Ok(());
    }
    let addressed: Vec<AddressKey> = ["To", "Cc"]
        .into_iter()
        .flat_map(|name| post.message.mailboxes(name))
        .map(|mailbox| mailbox.key())
        .collect();
    for sibling in &settings.regular_exclude_lists {
        if addressed.contains(&AddressKey::of(sibling))
            && let Some(list) = find(post, "regular_exclude_lists", sibling)?
        {
            // If the sender may not post there, its members would get no copy at all.
            if settings.regular_exclude_ignore && !may_be_member(post, &list)? {
                continue;
            }
            rule.except_members_of.push(list.name.into());
        }
    }
    for sibling in &settings.regular_include_lists {
        if !addressed.contains(&AddressKey::of(sibling))
            && let Some(list) = find(post, "regular_include_lists", sibling)?
        {
            rule.lists.push(list.name.into());
        }
    }
    Ok(())
}

fn may_be_member(post: &Post<'_>, list: &List) -> Result<bool, StoreError> {
    for sender in post.senders() {
        if post.store.read().is_member(list.id, &sender)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Finds the list with that address; an address of no other list is logged.
fn find(post: &Post<'_>, setting: &str, sibling: &str) -> Result<Option<List>, StoreError> {
    let found = match address::Address::parse(&AddressKey::of(sibling)) {
        Ok(address) => post.store.read().list_by_address(address.local(), address.domain())?,
        Err(_) => None,
    };
    let found = found.filter(|list| list.id != post.list.id);
    if found.is_none() {
        tracing::warn!("{}: {setting}: {sibling} is not another list of this site", post.list.name);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use dormouse_clock::Timestamp;

    const RAW: &str =
        "From: anna@x.example\nTo: dev@lists.example\nCc: ops@lists.example\n\nhello\n";
    const NONE: &[MemberOption] = &[];

    fn fixture(settings: &[(&str, &str)]) -> Fixture {
        let fixture = Fixture::new(settings);
        fixture.list("ops", &[]);
        for address in ["anna@x.example", "Bert@x.example", "both@x.example"] {
            fixture.member(address, NONE);
        }
        for address in ["both@x.example", "olga@x.example"] {
            fixture.member_of("ops", address, NONE);
        }
        fixture
    }

    fn of(fixture: &Fixture, raw: &str) -> Vec<String> {
        let outcome = fixture.run(run, raw, |_| {});
        assert_eq!(outcome.flow, Flow::Next);
        outcome.recipients().iter().map(|one| one.split('@').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn regular_members_with_delivery_get_it_under_their_own_spelling() {
        let fixture = fixture(&[]);
        fixture.member("digest@x.example", NONE);
        fixture.member("gone@x.example", NONE);
        let list = fixture.get("dev");
        for address in ["digest@x.example", "gone@x.example"] {
            let mut member = fixture.store.read().member(list.id, address).unwrap().unwrap();
            member.digest = address.starts_with('d');
            if !member.digest {
                member.delivery = dormouse_store::Delivery::ByUser;
            }
            fixture.write(|tx| tx.update_member(list.id, &member, Timestamp::from_seconds(1.0)));
        }
        assert_eq!(of(&fixture, RAW), ["Bert", "anna", "both"]);
    }

    #[test]
    fn a_poster_may_want_no_copy() {
        let fixture = fixture(&[]);
        fixture.member("me@x.example", &[MemberOption::DontReceiveOwnPosts]);
        let raw = RAW.replace("anna@", "Me@");
        assert_eq!(of(&fixture, &raw), ["Bert", "anna", "both"]);
        assert_eq!(of(&fixture, RAW), ["Bert", "anna", "both", "me"]);
    }

    #[test]
    fn recipients_that_are_there_stay_even_if_none() {
        let outcome = fixture(&[]).run(run, RAW, |data| data.set_texts("recips", [""; 0]));
        assert!(outcome.recipients().is_empty());
    }

    #[test]
    fn an_urgent_post_reaches_everybody_or_goes_back() {
        let fixture = fixture(&[("mod_password", "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4")]);
        let list = fixture.get("dev");
        let mut member = fixture.store.read().member(list.id, "bert@x.example").unwrap().unwrap();
        (member.digest, member.delivery) = (true, dormouse_store::Delivery::ByBounce);
        fixture.write(|tx| tx.update_member(list.id, &member, Timestamp::from_seconds(1.0)));
        assert_eq!(of(&fixture, &format!("Urgent: secret\n{RAW}")), ["Bert", "anna", "both"]);
        assert_eq!(of(&fixture, RAW), ["anna", "both"]);
        let hash = |password: &str| dormouse_membership::password::hash(password).unwrap();
        let others = [("post_password", &*hash("posters")), ("password", &*hash("owners"))];
        fixture.set("dev", &others);
        for password in ["posters", "owners"] {
            let raw = format!("Urgent: {password}\n{RAW}");
            assert_eq!(of(&fixture, &raw), ["Bert", "anna", "both"]);
        }
        let wrong = fixture.run(run, &format!("Urgent: no\n{RAW}"), |_| {});
        assert!(matches!(wrong.flow, Flow::Reject(_)));
    }

    #[test]
    fn members_of_an_addressed_sibling_get_it_from_there() {
        let exclude = ("regular_exclude_lists", "ops@lists.example");
        assert_eq!(of(&fixture(&[exclude]), RAW), ["Bert", "anna", "both"], "not posting there");
        let always = fixture(&[exclude, ("regular_exclude_ignore", "no")]);
        assert_eq!(of(&always, RAW), ["Bert", "anna"]);
        let not_addressed = RAW.replace("ops@", "else@");
        assert_eq!(of(&always, &not_addressed), ["Bert", "anna", "both"]);
        let member_there = fixture(&[exclude]);
        member_there.member_of("ops", "anna@x.example", NONE);
        assert_eq!(of(&member_there, RAW), ["Bert"]);
    }

    #[test]
    fn members_of_a_sibling_that_is_not_addressed_get_it_from_here_once() {
        let include = fixture(&[("regular_include_lists", "ops@lists.example\nnone@x.example")]);
        assert_eq!(of(&include, RAW), ["Bert", "anna", "both"]);
        let raw = RAW.replace("ops@", "else@");
        assert_eq!(of(&include, &raw), ["Bert", "anna", "both", "olga"]);
    }

    #[test]
    fn topics_decide_for_those_who_chose_some() {
        let fixture = fixture(&[("topics_enabled", "yes")]);
        fixture.member("too@x.example", &[MemberOption::ReceiveNonmatchingTopics]);
        let list = fixture.get("dev");
        for (address, topic) in
            [("bert@x.example", "rust"), ("both@x.example", "c"), ("too@x.example", "c")]
        {
            fixture.write(|tx| tx.set_topics(list.id, address, &[topic.to_owned()]));
        }
        let with = |hits: &'static [&'static str]| {
            let outcome =
                fixture.run(run, RAW, |data| data.set_texts("topichits", hits.iter().copied()));
            outcome.recipients().join(" ")
        };
        assert_eq!(with(&["rust"]), "Bert@x.example anna@x.example");
        assert_eq!(with(&[]), "anna@x.example too@x.example");
        assert_eq!(
            with(&["rust", "c"]),
            "Bert@x.example anna@x.example both@x.example too@x.example"
        );
    }

    #[test]
    fn a_large_list_is_streamed_by_the_same_rules() {
        let fixture =
            fixture(&[("topics_enabled", "yes"), ("regular_include_lists", "ops@lists.example")]);
        let list = fixture.get("dev");
        for number in 0..1200 {
            fixture.member(&format!("m{number}@y.example"), NONE);
        }
        fixture.write(|tx| tx.set_topics(list.id, "m7@y.example", &["c".to_owned()]));
        fixture.write(|tx| tx.set_topics(list.id, "both@x.example", &["c".to_owned()]));
        let raw = RAW.replace("ops@", "else@");
        let outcome = fixture.run(run, &raw, |_| {});
        let recipients = Recipients::read(&outcome.metadata).unwrap().unwrap();
        assert!(matches!(recipients, Recipients::Those(_)));
        let mut all = Vec::new();
        // Taken up again after every 400th, as after a crash.
        let mut progress = crate::progress::DeliveryProgress::default();
        loop {
            let mut stream = recipients.clone().stream(fixture.store.read(), &progress).unwrap();
            let before = all.len();
            while let Some(next) = stream.pull().unwrap() {
                all.push(next.address.to_owned());
                progress.after = next.place.map(|place| place.to_string());
                if all.len() - before == 400 {
                    break;
                }
            }
            if all.len() == before {
                break;
            }
        }
        // "both" comes in by the sibling list, whose members have no topics here.
        assert_eq!(all.len(), 1199 + 2 + 2);
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(!all.contains(&"m7@y.example".to_owned()));
        let mut in_shares = Vec::new();
        for share in recipients.shares(3) {
            let mut stream = share.stream(fixture.store.read(), &Default::default()).unwrap();
            while let Some(next) = stream.pull().unwrap() {
                in_shares.push(next.address.to_owned());
            }
        }
        in_shares.sort();
        all.sort();
        assert_eq!(in_shares, all, "each of them is in one share");
    }
}
