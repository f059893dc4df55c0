//! Checks whether the keys that sign the lists' mail are published.

use super::Topic;
use dormouse_auth::{Key, Keyring, PublicKey};
use dormouse_dmarc::{Resolver, TxtRecords};
use dormouse_store::Site;

/// Looks up the record of each key.
pub fn look(topic: &mut Topic, site: &Site) {
    let keys = match Keyring::of_site(site.dir()).all() {
        Ok(keys) => keys,
        Err(error) => {
            let mend = "repair or remove the file; mail of its domain is not sent until then";
            return topic.bad(error.to_string(), mend);
        }
    };
    let config = site.config();
    if keys.is_empty() {
        return topic.good("there are no keys: if mail is signed, the MTA does it");
    }
    if !config.dmarc_lookups {
        let mend = "dormouse config set dmarc.lookups yes";
        return topic.odd("records of keys are not looked up (dmarc.lookups)", mend);
    }
    let resolver = match Resolver::new(&config.dmarc_servers, config.dmarc_timeout.duration()) {
        Ok(resolver) => resolver,
        Err(error) => {
            let mend = "dormouse config set dmarc.servers ADDRESS";
            return topic.bad(error.to_string(), mend);
        }
    };
    for key in keys {
        one(topic, &key, resolver.look(&key.name()));
    }
}

fn one(topic: &mut Topic, key: &Key, found: Result<TxtRecords, String>) {
    let name = key.name();
    let found = match found {
        Ok(found) => found,
        Err(why) => {
            let mend = "try again later; dormouse config set dmarc.servers names other servers";
            return topic.odd(format!("{name} could not be looked up: {why}"), mend);
        }
    };
    let way = found.alias.map(|alias| format!(", an alias of {alias},")).unwrap_or_default();
    let publish = || format!("publish: {}", key.zone_line());
    let is_record = |text: &&String| text.contains("p=");
    let records: Vec<&String> = found.texts.iter().filter(is_record).collect();
    let record = match records.as_slice() {
        [] => {
            let text = format!("{name}{way} has no record: receivers cannot verify what it signs");
            return topic.bad(text, publish());
        }
        [record] => record,
        several => {
            let text =
                format!("{name}{way} has {} records: receivers use any of them", several.len());
            return topic.bad(text, format!("leave one; {}", publish()));
        }
    };
    let own = PublicKey::read(&key.record());
    match PublicKey::read(record) {
        Err(why) => {
            topic.bad(format!("the record of {name}{way} is not usable: {why}"), publish());
        }
        Ok(public) if !own.is_ok_and(|own| own.is_same_key(&public)) => {
            let text = format!("{name}{way} publishes another key: signatures fail");
            topic.bad(text, publish());
        }
        Ok(public) if public.is_test() => {
            let text = format!("{name}{way} says t=y: receivers treat the mail as unsigned");
            topic.odd(text, publish());
        }
        Ok(_) => topic.good(format!("{name}{way} publishes the key")),
    }
}
