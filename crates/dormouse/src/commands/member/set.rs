//! `member set`: a member's options, by Mailman's names (docs/spec/pickles.md §4).

use super::{each_member, no_member};
use crate::failure::Failure;
use crate::output;
use dormouse_clock::Timestamp;
use dormouse_store::value::{SettingValue as _, nearest};
use dormouse_store::{Delivery, List, Member, MemberOption, Store, StoreError, Tx};
use serde::Serialize;
use sysexits::ExitCode;

/// A change of a member's options.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    Delivery(Delivery),
    /// Whether the member gets digests, and plain ones, if that changes.
    Digest(bool, Option<bool>),
    Option(MemberOption, bool),
    Topics(Vec<String>),
    Language(String),
    Name(String),
}

const NAMES: [&str; 6] = ["nomail", "delivery", "digest", "topics", "language", "name"];

impl Change {
    /// Parses `option=value` for a list's members; the error names the valid values.
    fn parse(text: &str, list: &List) -> Result<Change, String> {
        let (name, value) =
            text.split_once('=').ok_or_else(|| format!("{text:?} is not OPTION=VALUE"))?;
        let (name, value) = (name.trim().to_lowercase(), value.trim());
        let wrong = |problem: String| format!("{name}: {problem}");
        if let Some((option, _)) = MemberOption::ALL.iter().find(|(_, word)| *word == name) {
            return Ok(Change::Option(*option, bool::read(value).map_err(wrong)?));
        }
        match name.as_str() {
            "nomail" => match bool::read(value) {
                Ok(true) => Ok(Change::Delivery(Delivery::ByAdmin)),
                Ok(false) => Ok(Change::Delivery(Delivery::Enabled)),
                Err(_) => Delivery::read(value).map(Change::Delivery).map_err(wrong),
            },
            "delivery" => Delivery::read(value).map(Change::Delivery).map_err(wrong),
            "digest" => match value.to_lowercase().as_str() {
                "mime" => Ok(Change::Digest(true, Some(false))),
                "plain" => Ok(Change::Digest(true, Some(true))),
                _ => bool::read(value)
                    .map(|on| Change::Digest(on, None))
                    .map_err(|_| wrong(format!("{value:?} is not one of off, on, mime, plain"))),
            },
            "topics" => topics(value, list).map(Change::Topics).map_err(wrong),
            "language" => {
                let known = &list.settings.available_languages;
                if value.is_empty() || known.iter().any(|code| code == value) {
                    Ok(Change::Language(value.to_owned()))
                } else {
                    Err(wrong(format!("{value:?} is not one of {}", known.join(", "))))
                }
            }
            "name" => Ok(Change::Name(value.to_owned())),
            _ => {
                let words = MemberOption::ALL.iter().map(|(_, word)| *word);
                let near = nearest(&name, NAMES.into_iter().chain(words));
                let hint = near.map_or_else(
                    || "`dormouse member set --help` lists them".to_owned(),
                    |near| format!("did you mean {near}?"),
                );
                Err(format!("there is no option {name}; {hint}"))
            }
        }
    }

    fn apply(&self, member: &mut Member) {
        match self {
            Change::Delivery(delivery) => member.delivery = *delivery,
            Change::Digest(on, plain) => {
                member.digest = *on;
                if let Some(plain) = plain {
                    member.options = member.options.with(MemberOption::DisableMime, *plain);
                }
            }
            Change::Option(option, on) => member.options = member.options.with(*option, *on),
            Change::Language(language) => member.language.clone_from(language),
            Change::Name(name) => member.real_name.clone_from(name),
            Change::Topics(_) => {}
        }
    }
}

/// Topics by their names; the list must have them.
fn topics(value: &str, list: &List) -> Result<Vec<String>, String> {
    let known: Vec<&str> = list
        .settings
        .topics
        .0
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|topic| topic.get(0)?.as_str())
        .collect();
    let named = value.split(',').map(str::trim).filter(|name| !name.is_empty());
    named
        .map(|name| {
            let found = known.iter().find(|topic| topic.eq_ignore_ascii_case(name));
            found.map(|topic| (*topic).to_owned()).ok_or_else(|| {
                if known.is_empty() {
                    format!("{} has no topics", list.name)
                } else {
                    format!("{name:?} is not one of {}", known.join(", "))
                }
            })
        })
        .collect()
}

#[derive(Serialize)]
struct Report {
    changed: u64,
    unchanged: u64,
    dry_run: bool,
}

/// Changes one member, or all. The words are changes, after an address unless `all` is set.
pub fn run(
    store: &Store,
    list: &List,
    words: &[String],
    all: bool,
    dry_run: bool,
    json: bool,
) -> Result<ExitCode, Failure> {
    let (address, changes) = match (all, words) {
        (true, changes) => (None, changes),
        (false, [address, changes @ ..]) => (Some(address), changes),
        (false, []) => (None, words),
    };
    if changes.is_empty() {
        return Err(Failure::usage("nothing to change: give OPTION=VALUE, such as digest=mime"));
    }
    let changes: Vec<Change> = changes
        .iter()
        .map(|text| Change::parse(text, list))
        .collect::<Result<_, _>>()
        .map_err(Failure::usage)?;
    let at = Timestamp::now();
    let mut report = Report { changed: 0, unchanged: 0, dry_run };
    let work = |tx: &Tx<'_>| -> Result<(), Failure> {
        let mut one = |member: Member| -> Result<(), Failure> {
            if set(tx, list, member, &changes, at)? {
                report.changed += 1;
            } else {
                report.unchanged += 1;
            }
            Ok(())
        };
        match address {
            Some(address) => {
                let member = tx.read().member(list.id, address)?;
                one(member.ok_or_else(|| no_member(address, list))?)?;
            }
            None => each_member(tx.read(), list, one)?,
        }
        Ok(())
    };
    if dry_run {
        store.rehearse(work)?;
    } else {
        store.write(work)?;
    }
    if json {
        output::json(&report)?;
    } else if all || dry_run {
        let verb = if dry_run { "would change" } else { "changed" };
        let changed = output::count(report.changed, "member", "members");
        output::line(format_args!("{verb} {changed}; {} unchanged", report.unchanged))?;
    }
    Ok(ExitCode::Ok)
}

/// Whether the changes made any difference to a member.
fn set(
    tx: &Tx<'_>,
    list: &List,
    before: Member,
    changes: &[Change],
    at: Timestamp,
) -> Result<bool, StoreError> {
    let mut member = before.clone();
    changes.iter().for_each(|change| change.apply(&mut member));
    let mut changed = member != before;
    if changed {
        tx.update_member(list.id, &member, at)?;
    }
    for change in changes {
        if let Change::Topics(topics) = change
            && tx.read().topics(list.id, &member.key)? != *topics
        {
            tx.set_topics(list.id, &member.key, topics)?;
            changed = true;
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::{NewMember, Site};

    fn list(store: &Store) -> List {
        store
            .write(|tx| -> Result<List, StoreError> {
                tx.create_list(&"dev".parse().unwrap(), "l.example", &[])?;
                tx.set_setting("dev", "available_languages", "en,de")?;
                tx.set_setting(
                    "dev",
                    "topics",
                    r#"[["Rust","rust","",false],["C","c","",false]]"#,
                )?;
                Ok(tx.read().list("dev")?.unwrap())
            })
            .unwrap()
    }

    #[test]
    fn options_have_mailmans_names_and_errors_are_reported() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&Site::init(home.path(), "l.example").unwrap()).unwrap();
        let list = list(&store);
        let parse = |text: &str| Change::parse(text, &list);
        assert_eq!(parse("nomail=on"), Ok(Change::Delivery(Delivery::ByAdmin)));
        assert_eq!(parse("nomail=byuser"), Ok(Change::Delivery(Delivery::ByUser)));
        assert_eq!(parse("NoMail=off"), Ok(Change::Delivery(Delivery::Enabled)));
        assert_eq!(parse("digest=plain"), Ok(Change::Digest(true, Some(true))));
        assert_eq!(parse("digest=off"), Ok(Change::Digest(false, None)));
        assert_eq!(parse("hide=1"), Ok(Change::Option(MemberOption::ConcealSubscription, true)));
        assert_eq!(parse("topics=rust, C"), Ok(Change::Topics(vec!["Rust".into(), "C".into()])));
        assert_eq!(parse("topics="), Ok(Change::Topics(Vec::new())));
        assert_eq!(parse("name=A = B"), Ok(Change::Name("A = B".to_owned())));
        for (wrong, hint) in [
            ("nomail=maybe", "byuser"),
            ("digest=html", "mime"),
            ("notmeto=on", "did you mean notmetoo?"),
            ("topics=Go", "Rust, C"),
            ("language=fr", "en, de"),
            ("hide=perhaps", "yes"),
            ("hide", "OPTION=VALUE"),
        ] {
            let problem = parse(wrong).unwrap_err();
            assert!(problem.contains(hint), "{wrong}: {problem}");
        }
    }

    #[test]
    fn a_rehearsal_counts_and_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&Site::init(home.path(), "l.example").unwrap()).unwrap();
        let list = list(&store);
        for address in ["a@x.example", "b@x.example"] {
            let new =
                NewMember { address: address.to_owned(), real_name: String::new(), digest: true };
            store.write(|tx| tx.add_member(&list, &new, Timestamp::from_seconds(1.0), "")).unwrap();
        }
        let words = ["mod=on".to_owned(), "digest=mime".to_owned(), "topics=C".to_owned()];
        run(&store, &list, &words, true, true, true).unwrap();
        let member = || store.read().member(list.id, "b@x.example").unwrap().unwrap();
        assert!(!member().options.has(MemberOption::Moderate));
        run(&store, &list, &words, true, false, true).unwrap();
        assert!(member().options.has(MemberOption::Moderate));
        assert!(!member().options.has(MemberOption::DisableMime));
        assert_eq!(store.read().topics(list.id, "b@x.example").unwrap(), ["C"]);
        assert!(
            run(
                &store,
                &list,
                &["c@x.example".to_owned(), "mod=on".to_owned()],
                false,
                false,
                true
            )
            .is_err()
        );
    }
}
