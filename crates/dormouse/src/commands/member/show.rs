//! `member ls`, `member show`: printing members.

use super::{each_member, no_member};
use crate::cli::Which;
use crate::failure::Failure;
use crate::output::{self, Rows};
use dormouse_clock::Timestamp;
use dormouse_store::value::SettingValue as _;
use dormouse_store::{Delivery, List, Member, MemberOption, Read};
use serde::Serialize;
use sysexits::ExitCode;

#[derive(Serialize)]
struct Row {
    address: String,
    name: String,
    digest: bool,
    delivery: String,
    options: Vec<&'static str>,
}

impl Row {
    fn new(member: &Member) -> Row {
        Row {
            address: member.address.clone(),
            name: member.real_name.clone(),
            digest: member.digest,
            delivery: member.delivery.write(),
            options: member.options.words(),
        }
    }
}

/// Prints the selected members one by one, because all of them may not fit into memory.
pub fn ls(store: &Read, list: &List, which: &Which, json: bool) -> Result<ExitCode, Failure> {
    let mut rows = Rows::new(json);
    each_member(store, list, |member| {
        if !is_meant(&member, which) {
            return Ok(());
        }
        let text = if member.real_name.is_empty() {
            member.address.clone()
        } else {
            format!("{} <{}>", member.real_name, member.address)
        };
        rows.add(&Row::new(&member), &text)
    })?;
    rows.finish()?;
    Ok(ExitCode::Ok)
}

fn is_meant(member: &Member, which: &Which) -> bool {
    let plain = member.options.has(MemberOption::DisableMime);
    let digest = match which.digest.as_deref() {
        None => !(which.regular && member.digest),
        Some("mime") => member.digest && !plain,
        Some("plain") => member.digest && plain,
        Some(_) => member.digest,
    };
    let delivery = match which.nomail.as_deref() {
        None => true,
        Some("any") => member.delivery != Delivery::Enabled,
        Some(why) => member.delivery.write() == why,
    };
    digest && delivery
}

#[derive(Serialize)]
struct Details {
    #[serde(flatten)]
    row: Row,
    topics: Vec<String>,
    language: String,
    /// Seconds since the epoch; 0 means unknown.
    joined_at: Timestamp,
}

/// Prints everything about one member.
pub fn one(store: &Read, list: &List, address: &str, json: bool) -> Result<ExitCode, Failure> {
    let member = store.member(list.id, address)?.ok_or_else(|| no_member(address, list))?;
    let details = Details {
        row: Row::new(&member),
        topics: store.topics(list.id, address)?,
        language: member.language.clone(),
        joined_at: member.joined_at,
    };
    if json {
        output::json(&details)?;
        return Ok(ExitCode::Ok);
    }
    let plain = member.options.has(MemberOption::DisableMime);
    let digest = match (member.digest, plain) {
        (false, _) => "off",
        (true, false) => "mime",
        (true, true) => "plain",
    };
    output::line(format_args!("address = {}", member.address))?;
    output::line(format_args!("name = {}", member.real_name))?;
    output::line(format_args!("nomail = {}", nomail(member.delivery)))?;
    output::line(format_args!("digest = {digest}"))?;
    for (option, word) in MemberOption::ALL {
        let on = if member.options.has(option) { "on" } else { "off" };
        output::line(format_args!("{word} = {on}"))?;
    }
    output::line(format_args!("topics = {}", details.topics.join(",")))?;
    output::line(format_args!("language = {}", member.language))?;
    Ok(ExitCode::Ok)
}

fn nomail(delivery: Delivery) -> String {
    if delivery == Delivery::Enabled { "off".to_owned() } else { delivery.write() }
}
