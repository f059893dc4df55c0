//! Members who are addressed directly get no second copy from the list, if they set `nodupes`
//! (docs/spec/pipeline.md §2.11).

use super::{Flow, HandlerError, Post, deferred};
use crate::recipients::Recipients;
use dormouse_mail::AddressKey;
use dormouse_mail::address::format_mailbox;
use dormouse_store::{Audience, MemberOption};
use std::collections::BTreeSet;

const ADDRESSED: [&str; 4] = ["To", "Cc", "Resent-To", "Resent-Cc"];

/// Removes such members from the recipients and, with `drop_cc`, from the Cc header. Other
/// addressed members are noted in the metadata, so that their copies can be marked.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let Some(mut recipients) = Recipients::read(&post.metadata)? else { return Ok(Flow::Next) };
    let own: Vec<AddressKey> = std::iter::once(post.list.address())
        .chain(["bounces", "owner", "request"].map(|part| post.list.sub_address(part)))
        .map(|address| AddressKey::of(&address))
        .collect();
    let mut dropped = BTreeSet::new();
    let mut addressed = BTreeSet::new();
    for header in ADDRESSED {
        for mailbox in post.message.mailboxes(header) {
            let address = mailbox.key();
            if own.contains(&address) || dropped.contains(&address) {
                continue;
            }
            let Some(member) = post.store.read().member(post.list.id, &address)? else { continue };
            let gets_it = match &recipients {
                Recipients::These(these) => {
                    these.iter().any(|one| one.eq_ignore_ascii_case(&address))
                }
                Recipients::Those(rule) => {
                    rule.everyone
                        || !post
                            .store
                            .read()
                            .recipient(
                                post.list.id,
                                Audience::Regular { issue: rule.issue },
                                &address,
                            )?
                            .is_empty()
                }
            };
            if !gets_it {
                continue;
            }
            if member.options.has(MemberOption::DontReceiveDuplicates) {
                dropped.insert(address);
            } else {
                addressed.insert(member.address);
            }
        }
    }
    match &mut recipients {
        Recipients::These(these) => {
            these.retain(|address| !dropped.contains(&AddressKey::of(address)));
        }
        Recipients::Those(rule) => rule.except.extend(dropped.iter().cloned()),
    }
    if !dropped.is_empty() {
        recipients.write(&mut post.metadata);
    }
    if !addressed.is_empty() {
        post.metadata.edit().have_copy(&Vec::from_iter(addressed));
    }
    if post.list.settings.drop_cc {
        drop_cc(post, &dropped);
    }
    Ok(Flow::Next)
}

fn drop_cc(post: &mut Post<'_>, dropped: &BTreeSet<AddressKey>) {
    if !post.message.has("Cc") {
        return;
    }
    let before = post.message.mailboxes("Cc");
    let kept: Vec<_> = before.iter().filter(|mailbox| !dropped.contains(&mailbox.key())).collect();
    if kept.is_empty() {
        post.message.remove("Cc");
    } else if kept.len() < before.len() {
        let text: Vec<String> =
            kept.iter().map(|mailbox| format_mailbox(&mailbox.name, &mailbox.address)).collect();
        deferred::change(post, "Cc", &text.join(",\n "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    const NODUPES: &[MemberOption] = &[MemberOption::DontReceiveDuplicates];

    /// `dup` and `Dup2` want no duplicates, `both` does not mind, `away` gets digests.
    fn fixture(settings: &[(&str, &str)]) -> Fixture {
        let fixture = Fixture::new(settings);
        fixture.member("dup@x.example", NODUPES);
        fixture.member("Dup2@x.example", NODUPES);
        fixture.member("both@x.example", &[]);
        fixture.member("away@x.example", NODUPES);
        fixture
    }

    const ALL: [&str; 3] = ["dup@x.example", "Dup2@x.example", "both@x.example"];

    #[test]
    fn who_is_addressed_and_wants_no_duplicates_gets_none() {
        let fixture = fixture(&[]);
        // headers, who is left, whose copy is marked
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("To: dev@lists.example", &["Dup2", "both", "dup"], &[]),
            ("To: DUP@x.example", &["Dup2", "both"], &[]),
            ("Cc: A <dup@x.example>, dup2@x.example", &["both"], &[]),
            ("Resent-To: dup@x.example", &["Dup2", "both"], &[]),
            ("Resent-Cc: dup@x.example", &["Dup2", "both"], &[]),
            ("To: both@x.example", &["Dup2", "both", "dup"], &["both@x.example"]),
            ("To: stranger@x.example", &["Dup2", "both", "dup"], &[]),
            ("Bcc: dup@x.example", &["Dup2", "both", "dup"], &[]),
        ];
        for (header, left, marked) in cases {
            let raw = format!("From: a@x.example\n{header}\n\nx\n");
            let outcome = fixture.run(run, &raw, |data| data.set_texts("recips", ALL));
            let names: Vec<String> =
                outcome.recipients().iter().map(|one| one.replace("@x.example", "")).collect();
            assert_eq!(names, *left, "{header}");
            assert_eq!(outcome.metadata.envelope().have_copy(), *marked, "{header}");
        }
    }

    #[test]
    fn the_lists_own_addresses_are_nobodys() {
        let fixture = fixture(&[]);
        for part in ["dev", "dev-bounces", "dev-owner", "dev-request"] {
            let address = format!("{part}@lists.example");
            fixture.member(&address, NODUPES);
            let raw = format!("From: a@x.example\nTo: {address}\n\nx\n");
            let outcome = fixture.run(run, &raw, |data| data.set_texts("recips", [&*address]));
            assert_eq!(outcome.recipients(), [address]);
        }
    }

    #[test]
    fn cc_loses_those_who_were_left_out_if_the_list_wants_it() {
        // drop_cc, Cc before, Cc after; None: the header is gone
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("yes", "dup@x.example, b@y.example", Some("b@y.example")),
            ("yes", "dup@x.example, Dup2@x.example", None),
            ("yes", "", None),
            ("yes", "both@x.example", Some("both@x.example")),
            // No recipient of single posts: the list sends nothing, so the copy is the only one.
            ("yes", "away@x.example", Some("away@x.example")),
            ("no", "dup@x.example, b@y.example", Some("dup@x.example, b@y.example")),
        ];
        for (drop_cc, before, after) in cases {
            let fixture = fixture(&[("drop_cc", drop_cc)]);
            let raw = format!("From: a@x.example\nCc: {before}\n\nx\n");
            let outcome = fixture.run(run, &raw, |data| data.set_texts("recips", ALL));
            let deferred = outcome.metadata.table("add_header");
            let deferred = deferred.into_iter().find(|(name, _)| name == "Cc");
            let cc = deferred.map(|(_, value)| value).or_else(|| outcome.message.text("Cc"));
            assert_eq!(cc.as_deref(), *after, "{drop_cc} {before}");
        }
    }

    #[test]
    fn without_recipients_there_is_nothing_to_do() {
        let raw = "From: a@x.example\nCc: dup@x.example\n\nx\n";
        assert_eq!(fixture(&[]).run(run, raw, |_| {}).text(), raw);
    }

    #[test]
    fn of_a_large_list_the_rule_leaves_them_out() {
        let fixture = fixture(&[]);
        let raw = "From: a@x.example\nCc: dup@x.example\n\nx\n";
        let outcome = fixture.run(run, raw, |data| {
            let lists = vec!["dev".to_owned()];
            Recipients::Those(crate::recipients::Rule { lists, ..Default::default() }).write(data);
        });
        let Ok(Some(Recipients::Those(rule))) = Recipients::read(&outcome.metadata) else {
            panic!()
        };
        assert_eq!(rule.except.into_iter().collect::<Vec<_>>(), [AddressKey::of("dup@x.example")]);
    }
}
