//! The last handler: queues the message for the MTA (docs/spec/pipeline.md §5).

use super::{Flow, HandlerError, Post, two_versions};
use crate::decorate::HeaderAndFooter;
use crate::personal::{is_personal, is_sent_one_by_one};
use crate::recipients::Recipients;
use dormouse_mail::decorate::Decorated;
use dormouse_membership::Output;
use dormouse_spool::{Entry, Queue};

/// The maximum number of shares, and the maximum size in bytes of a message that is stored for each of them.
const MOST_SHARES: u64 = 16;
const LARGEST_IN_SHARES: usize = 1024 * 1024;

/// Decides on VERP, adds the list's texts, and queues the message in `out`.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    decorate(post);
    if post.envelope().verp().is_none() {
        let interval = post.config.delivery_verp_interval;
        let verp = if post.list.settings.personalize.is_on() {
            post.config.delivery_verp_personalized
        } else {
            // As in Mailman, where AfterDelivery has already counted this post.
            interval == 1 || interval > 1 && (post.list.post_id + 1) % interval == 0
        };
        post.metadata.edit().verp(verp);
    }
    post.metadata.edit().listname(&post.list.name);
    let entry = Entry::new(post.message.to_bytes(), post.metadata.clone());
    let out = Output { queue: Queue::Out, label: "out".to_owned(), entry };
    for version in two_versions::split(post, out)? {
        let shares = in_shares(post, version)?;
        post.outputs.extend(shares);
    }
    Ok(Flow::Next)
}

/// Divides an entry that takes a transaction for each of many recipients, so that it is sent over several
/// connections: over one, each transaction waits for the one before it.
fn in_shares(post: &Post<'_>, out: Output) -> Result<Vec<Output>, HandlerError> {
    // One connection is kept for mail to few. A share that may not connect to a domain would wait.
    let limited = post.config.delivery_limits.fewest_connections().unwrap_or(MOST_SHARES);
    let count = post.config.delivery_connections.saturating_sub(1).min(limited).min(MOST_SHARES);
    let entry = &out.entry;
    if count < 2
        || entry.message.len() > LARGEST_IN_SHARES
        || !is_sent_one_by_one(post.list, post.config, &post.message, &entry.metadata)
    {
        return Ok(vec![out]);
    }
    let Some(recipients) = Recipients::read(&entry.metadata)? else { return Ok(vec![out]) };
    let shares = recipients.shares(count as u32);
    // Most posts are for few, and stay as they are.
    if shares.len() < 2 {
        return Ok(vec![out]);
    }
    let of_share = |(number, recipients): (usize, Recipients)| {
        let mut share = Output { queue: out.queue, label: out.label.clone(), entry: entry.clone() };
        if number > 1 {
            share.label = format!("{}-{number}", out.label);
        }
        recipients.write(&mut share.entry.metadata);
        share
    };
    Ok((1..).zip(shares).map(of_share).collect())
}

/// Adds the list's header and footer, unless they differ for each recipient.
pub(super) fn decorate(post: &mut Post<'_>) {
    let Some(texts) = HeaderAndFooter::of(post.list, post.config, &post.metadata) else { return };
    if is_personal(post.list, &post.metadata) && texts.name_recipient() {
        return;
    }
    if let Decorated::Unchanged(why) = texts.add_to(&mut post.message, &Vec::new()) {
        tracing::debug!("{}: no header or footer added: {why:?}", post.entry);
    }
    post.metadata.edit().decorated(true);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipients::Rule;
    use crate::testing::{Fixture, Outcome};
    use dormouse_clock::Timestamp;
    use std::collections::BTreeSet;

    const RAW: &str = "From: a@x.example\n\nx\n";

    fn out(outcome: &Outcome) -> &Entry {
        assert_eq!(outcome.outputs.len(), 1);
        assert_eq!(outcome.outputs[0].queue, Queue::Out);
        &outcome.outputs[0].entry
    }

    #[test]
    fn verp_is_decided_by_interval_and_personalization() {
        // interval, personalize, verp_personalized, number of the post: verp?
        let cases = [
            ("0", "no", "no", 4, 0),
            ("1", "no", "no", 4, 1),
            ("5", "no", "no", 4, 1),
            ("5", "no", "no", 5, 0),
            ("1", "yes", "no", 4, 0),
            ("0", "yes", "yes", 4, 1),
            ("0", "full", "yes", 5, 1),
        ];
        for (interval, personalize, personalized, number, verp) in cases {
            let mut fixture = Fixture::new(&[("personalize", personalize)]);
            fixture.config("delivery.verp_interval", interval);
            fixture.config("delivery.verp_personalized", personalized);
            let list = fixture.get("dev");
            fixture.write(|tx| {
                (list.post_id..number)
                    .try_for_each(|_| tx.count_post(list.id, Timestamp::from_seconds(1.0)))
            });
            let outcome = fixture.run(run, RAW, |_| {});
            let what = format!("{interval} {personalize} {personalized} {number}");
            assert_eq!(i64::from(out(&outcome).metadata.flag("verp")), verp, "{what}");
            for kept in [0, 1] {
                let outcome = fixture.run(run, RAW, |data| data.set_int("verp", kept));
                assert_eq!(out(&outcome).metadata.int("verp"), Some(kept), "{what}");
            }
        }
    }

    #[test]
    fn mail_that_takes_a_transaction_for_each_of_many_is_sent_over_several_connections() {
        // personalize, one-click links, verp, connections, size in bytes, addresses (0: a rule): entries
        let cases = [
            ("no", "personal", 0, "4", 0, 0, 1),
            ("no", "personal", 1, "4", 0, 0, 3),
            ("yes", "personal", 0, "4", 0, 0, 3),
            ("full", "personal", 0, "9", 0, 0, 8),
            ("no", "every", 0, "4", 0, 0, 3),
            ("no", "every without pages", 0, "4", 0, 0, 1),
            ("no", "every without the field", 0, "4", 0, 0, 1),
            ("no", "personal", 1, "1", 0, 0, 1),
            ("no", "personal", 1, "2", 0, 0, 1),
            ("no", "personal", 1, "3", 0, 0, 2),
            ("no", "personal", 1, "1000", 0, 0, 16),
            ("no", "personal", 1, "4", 1024 * 1024, 0, 1),
            ("no", "personal", 1, "4", 0, 1, 1),
            ("no", "personal", 1, "4", 0, 100, 2),
            ("no", "personal", 0, "4", 0, 100, 1),
        ];
        for (personalize, one_click, verp, connections, size, addresses, entries) in cases {
            let what = format!("{personalize} {one_click} {verp} {connections} {size} {addresses}");
            let (setting, without) = one_click.split_once(" without ").unwrap_or((one_click, ""));
            let settings = [("personalize", personalize), ("one_click_unsubscribe", setting)];
            let mut fixture = Fixture::new(&settings);
            fixture.config("delivery.connections", connections);
            let listen = if without == "pages" { "" } else { "127.0.0.1:8024" };
            fixture.config("web.listen", listen);
            let field = if without == "the field" { "" } else { "List-Unsubscribe: <mailto:x>\n" };
            let raw = format!("{field}{RAW}{}", "x".repeat(size));
            let outcome = fixture.run(run, &raw, |data| {
                data.edit().verp(verp == 1);
                let rule = Rule { lists: vec!["dev".to_owned()], ..Rule::default() };
                let these = (0..addresses).map(|number| format!("m{number}@x.example")).collect();
                match addresses {
                    0 => Recipients::Those(rule).write(data),
                    _ => Recipients::These(these).write(data),
                }
            });
            assert_eq!(outcome.outputs.len(), entries, "{what}");
            let labels: BTreeSet<_> = outcome.outputs.iter().map(|out| &out.label).collect();
            assert_eq!(labels.len(), entries, "{what}");
            let shares: Vec<String> = outcome
                .outputs
                .iter()
                .filter_map(|out| out.entry.metadata.envelope().recips_share().map(Into::into))
                .collect();
            let expected: Vec<String> = match entries {
                _ if addresses > 0 || entries == 1 => Vec::new(),
                _ => (1..=entries).map(|number| format!("{number}/{entries}")).collect(),
            };
            assert_eq!(shares, expected, "{what}");
        }
    }

    #[test]
    fn there_are_no_more_shares_than_a_domain_may_have_connections() {
        for (limits, entries) in [("x.example: connections=2", 2), ("*: connections=1", 1)] {
            let mut fixture = Fixture::new(&[("personalize", "yes")]);
            fixture.config("delivery.limits", limits);
            let outcome = fixture.run(run, RAW, |data| {
                let rule = Rule { lists: vec!["dev".to_owned()], ..Rule::default() };
                Recipients::Those(rule).write(data);
            });
            assert_eq!(outcome.outputs.len(), entries, "{limits}");
        }
    }

    #[test]
    fn texts_are_added_here_unless_they_name_the_recipient() {
        // footer, personalize, key in the metadata: added?
        let cases = [
            ("foot", "no", "", true),
            ("foot", "yes", "", true),
            ("for %(user_name)s", "no", "", true),
            ("for %(user_name)s", "yes", "", false),
            ("foot", "no", "isdigest", false),
            ("foot", "no", "nodecorate", false),
            ("foot", "no", "decorated", false),
            (" \n", "no", "", false),
        ];
        for (footer, personalize, key, added) in cases {
            let fixture = Fixture::new(&[("msg_footer", footer), ("personalize", personalize)]);
            let outcome = fixture.run(run, RAW, |data| data.set_int(key, 1));
            let entry = out(&outcome);
            let what = format!("{footer} {personalize} {key}");
            assert_eq!(entry.message != RAW.as_bytes(), added, "{what}");
            assert_eq!(entry.metadata.flag("decorated"), added || key == "decorated", "{what}");
        }
    }

    #[test]
    fn header_and_footer_know_the_fields_of_the_list() {
        let fixture = Fixture::new(&[
            ("msg_header", "$real_name $nobody $$"),
            ("msg_footer", "${_internal_name} ${host_name} ${description} ${info} ${cgiext}."),
            ("description", "d"),
            ("info", "i"),
            ("use_dollar_strings", "yes"),
        ]);
        let outcome = fixture.run(run, RAW, |_| {});
        let text = String::from_utf8_lossy(&out(&outcome).message).into_owned();
        assert!(text.ends_with("\n\nDev $nobody $\nx\ndev lists.example d i .\n"), "{text}");
    }
}
