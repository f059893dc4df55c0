//! Imports of a Mailman site, and exports.

#[path = "takeover/fixture.rs"]
mod fixture;
#[path = "mailman21/unpack.rs"]
mod mailman21;

use dormouse_mail::AddressKey;
use dormouse_pickle::{Graph, Limits, Value, View};
use dormouse_spool::Spool;
use dormouse_store::value::SettingValue as _;
use dormouse_store::{ListSettings, Site, Store};
use dormouse_takeover::mm_cfg::{Literal, MmCfg};
use dormouse_takeover::{ImportOptions, OldSite, TakeoverError, TakeoverReport, Target};
use dormouse_testkit::python::python27;
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use fixture::Python;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const LISTS: [&str; 6] = ["all-staff", "announce", "cafe-talk", "leute", "mailman", "ops-alerts"];

/// A site to create, and a Mailman site to import.
struct Move {
    home: TempDir,
}

impl Move {
    fn new() -> Move {
        Move { home: TempDir::new().unwrap() }
    }

    /// Uses the fixture as the old site.
    fn of_fixture(python: Python) -> Move {
        let made = Move::new();
        fixture::write(&made.old(), python);
        made
    }

    /// Uses links to the parts of a sample as the old site, without its dumps.
    fn of_sample(sample: &Path) -> Move {
        let made = Move::new();
        fs::create_dir_all(made.old().join("data")).unwrap();
        let sample = sample.canonicalize().unwrap();
        let data = files_in(&sample.join("data")).into_iter().map(|file| format!("data/{file}"));
        let parts = ["lists", "qfiles", "archives", "logs", "mm_cfg.py"].map(str::to_owned);
        for part in parts.into_iter().chain(data) {
            symlink(sample.join(&part), made.old().join(part)).unwrap();
        }
        made
    }

    /// Does the same without the bounces that were not counted when the dumps were created.
    fn of_sample_as_dumped(sample: &Path) -> Move {
        let made = Move::of_sample(sample);
        fs::remove_file(made.old().join("data/bounce-events-24816.pck")).unwrap();
        made
    }

    fn old(&self) -> PathBuf {
        self.home.path().join("mailman")
    }

    fn site(&self) -> PathBuf {
        self.home.path().join("site")
    }

    fn run(&self, args: &[&str]) -> std::process::Output {
        Command::new(DORMOUSE).args(args).env("DORMOUSE_SITE", self.site()).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", describe(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn import(&self) -> Json {
        serde_json::from_str(&self.ok(&["import", self.old().to_str().unwrap(), "--json"])).unwrap()
    }

    fn export(&self) -> PathBuf {
        let to = self.home.path().join("back");
        let old = self.old();
        let args = ["export", "--mailman2", to.to_str().unwrap(), "--passwords-from"];
        self.ok(&[&args[..], &[old.to_str().unwrap()]].concat());
        to
    }
}

fn load(path: &Path) -> Graph<'static> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    dormouse_pickle::load(&bytes, &Limits::default()).unwrap().0.into_owned()
}

/// Normalizes a value, because Python has several types for the same: `True` is 1 and 1.0, and
/// texts are decoded.
fn normal(value: Value<'_, '_>, charset: &str) -> Json {
    match value.node() {
        View::None => Json::Null,
        View::Bytes(bytes) => text(dormouse_mail::charset::decode(charset, bytes)),
        View::Text(bytes) => text(String::from_utf8_lossy(bytes).into_owned()),
        View::Tuple(_) | View::List(_) => value.items().map(|item| normal(item, charset)).collect(),
        View::Dict(_) => object(value, charset),
        View::Object(_) => object(value.state().unwrap(), charset),
        _ => value.as_float().map_or_else(|| value.to_text_lossy().into(), Json::from),
    }
}

fn text(text: String) -> Json {
    // Mailman's character references are resolved.
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("&#") {
        let end = rest[at..].find(';').map(|end| at + end);
        let code = end.and_then(|end| rest[at + 2..end].parse().ok()).and_then(char::from_u32);
        out.push_str(&rest[..at]);
        match (code, end) {
            (Some(letter), Some(end)) => {
                out.push(letter);
                rest = &rest[end + 1..];
            }
            _ => {
                out.push_str("&#");
                rest = &rest[at + 2..];
            }
        }
    }
    Json::from(out + rest)
}

fn object(value: Value<'_, '_>, charset: &str) -> Json {
    let pairs = value
        .entries()
        .map(|(key, value)| (key.to_text_lossy().into_owned(), normal(value, charset)));
    Json::Object(pairs.collect())
}

/// Returns the differences between two files of pickles, as `attribute` or `attribute/key`.
fn differences(old: &Path, new: &Path, charset: &str) -> BTreeMap<String, (Json, Json)> {
    let (old, new) = (load(old), load(new));
    let (old, new) = (object(old.root(), charset), object(new.root(), charset));
    let mut found = BTreeMap::new();
    compare("", &old, &new, &mut found);
    found
}

fn compare(at: &str, old: &Json, new: &Json, found: &mut BTreeMap<String, (Json, Json)>) {
    if old == new {
        return;
    }
    let (Some(left), Some(right)) = (old.as_object(), new.as_object()) else {
        found.insert(at.to_owned(), (old.clone(), new.clone()));
        return;
    };
    let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for key in keys {
        let at = if at.is_empty() { key.clone() } else { format!("{at}/{key}") };
        let of = |map: &serde_json::Map<String, Json>| map.get(key).cloned().unwrap_or_default();
        compare(&at, &of(left), &of(right), found);
    }
}

/// Whether a difference after import and export is expected; docs/takeover.md has the same table.
fn is_listed(file: &str, at: &str, new: &Json) -> bool {
    let key = at.rsplit('/').next().unwrap_or_default();
    match file {
        "config.pck" => {
            // Old days of automatic replies become times; invalid topics are dropped, as when
            // Mailman loads the list.
            at.starts_with("postings_responses/") || at == "topics"
        }
        "request.pck" => {
            // Held messages are texts, which changes their file name and _parsemsg. Passwords in
            // requests to join are not stored in plain text.
            new.as_array().is_some_and(|record| record.len() == 2) && key.parse::<i64>().is_ok()
        }
        // Passwords in pending confirmations, the time until which replies to notices are valid,
        // and bodies of probes' bounces in one piece.
        "pending.pck" => at.starts_with("evictions/") || key.len() == 40,
        _ => false,
    }
}

// ---- on the sample site ----

#[test]
fn nothing_of_the_sample_is_unknown_and_a_second_import_brings_nothing() {
    let sample = mailman21::site();
    let site = Move::of_sample(&sample);
    let looked = site.ok(&["import", site.old().to_str().unwrap(), "--dry-run"]);
    assert!(looked.contains("nothing was changed") && !site.site().exists(), "{looked}");
    let report = site.import();
    let unknown: Vec<&Json> = report["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["fate"] == "unknown")
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(report["problems"], Json::Array(Vec::new()));
    let brought = &report["brought"];
    for (what, number) in [
        ("lists", 6),
        ("members", 63),
        ("held posts", 7),
        ("requests to join or leave", 3),
        ("confirmations", 7),
        ("queue entries", 28),
    ] {
        assert_eq!(brought[what], number, "{what}: {brought}");
    }
    for line in fs::read_to_string(sample.join("expected/queue-counts.txt")).unwrap().lines() {
        let mut words = line.split_whitespace();
        let (queue, state, number) =
            (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let ending = if state == "psv" { ".psv" } else { ".pck" };
        let found = files_in(&site.site().join("qfiles").join(queue));
        let found = found.iter().filter(|file| file.ends_with(ending)).count();
        assert!(found >= number.parse().unwrap(), "{line}: {found}");
    }
    let again = site.import();
    assert_eq!(again["brought"], serde_json::json!({}), "{again}");
}

#[test]
fn every_setting_is_what_mailmans_config_list_prints() {
    let sample = mailman21::site();
    let site = Move::of_sample_as_dumped(&sample);
    site.import();
    let mut compared = 0;
    for list in LISTS {
        let shown: Json =
            serde_json::from_str(&site.ok(&["list", "show", list, "--json"])).unwrap();
        let source = fs::read(sample.join(format!("expected/config_list.{list}.txt"))).unwrap();
        let mut expected = MmCfg::built_in();
        expected.run(&dormouse_mail::charset::decode_raw(&source));
        assert!(expected.unread.is_empty(), "{list}: {:?}", expected.unread);
        for (name, _, value) in expected.own() {
            let is_table = matches!(name, "topics" | "header_filter_rules");
            let ours = match &shown["settings"][name] {
                Json::Null => continue,
                Json::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
                Json::Array(items) if items.is_empty() && is_table => "[]".to_owned(),
                Json::Array(items) if items.iter().all(Json::is_string) => {
                    let lines = items.iter().filter_map(Json::as_str);
                    lines.flat_map(|item| [item, "\n"]).collect()
                }
                other => other.as_str().map_or_else(|| other.to_string(), str::to_owned),
            };
            let ours = ours.as_str();
            compared += 1;
            let mut settings = ListSettings::default();
            settings.put(name, ours).unwrap();
            let days = name.starts_with("bounce_info_stale") || name.ends_with("warnings_interval");
            let same = match (value, settings.number(name)) {
                (value, Some(number)) => value.as_whole() == Some(number),
                (Literal::Int(days_of), None) if days => {
                    settings.kept(name) == Some((days_of * 86_400).to_string())
                }
                (Literal::Int(_) | Literal::Float(_) | Literal::Bool(_), None) => {
                    value.as_float() == f64::read(ours).ok()
                }
                (Literal::Bytes(_), None) => {
                    // Escapes are bytes; those of a list without a charset may be UTF-8.
                    let theirs = value.to_text();
                    let bytes: Option<Vec<u8>> =
                        theirs.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
                    let utf8 = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
                    let same = |theirs: &str| {
                        text(theirs.to_owned()).as_str().unwrap().trim_end() == ours.trim_end()
                    };
                    same(&theirs) || utf8.is_some_and(|theirs| same(&theirs))
                }
                (Literal::List(items), None)
                    if name == "topics" || name == "header_filter_rules" =>
                {
                    let rows: Vec<Vec<Json>> = serde_json::from_str(ours).unwrap();
                    rows.len() == items.len()
                        && rows.iter().zip(items).all(|(row, item)| {
                            let cells = item.items().unwrap().iter().map(|cell| {
                                cell.as_str().map_or_else(|| cell.as_int().into(), Json::from)
                            });
                            cells.eq(row.iter().cloned())
                        })
                }
                (Literal::List(items), None) => {
                    let items: Vec<String> = items.iter().map(Literal::to_text).collect();
                    Vec::<String>::read(ours) == Ok(items)
                }
                _ => false,
            };
            assert!(same, "{list}: {name}: Mailman has {value}, we have {ours:?}");
        }
    }
    assert!(compared > 600, "{compared}");
}

/// A condition on members.
type Meant = Box<dyn Fn(&Json) -> bool>;

#[test]
fn every_member_is_where_mailmans_list_members_prints_it() {
    let sample = mailman21::site();
    let site = Move::of_sample_as_dumped(&sample);
    site.import();
    for list in LISTS {
        let members: Vec<Json> =
            serde_json::from_str(&site.ok(&["member", "ls", list, "--json"])).unwrap();
        let off = |name: &'static str| move |member: &Json| member["delivery"] == name;
        let kinds: [(&str, Meant); 8] = [
            ("preserve", Box::new(|_| true)),
            ("regular", Box::new(|member| member["digest"] == false)),
            ("digest", Box::new(|member| member["digest"] == true)),
            ("nomail-byuser", Box::new(off("byuser"))),
            ("nomail-byadmin", Box::new(off("byadmin"))),
            ("nomail-bybounce", Box::new(off("bybounce"))),
            ("nomail-enabled", Box::new(off("enabled"))),
            (
                "digest-plain",
                Box::new(|member| {
                    let options = member["options"].as_array().unwrap();
                    member["digest"] == true && options.iter().any(|option| option == "plain")
                }),
            ),
        ];
        for (kind, is_meant) in kinds {
            let path = sample.join(format!("expected/list_members.{list}.{kind}.txt"));
            let Ok(expected) = fs::read_to_string(&path) else { continue };
            let found: BTreeSet<String> = members
                .iter()
                .filter(|member| is_meant(member))
                .map(|member| member["address"].as_str().unwrap().to_owned())
                .map(|address| if kind == "preserve" { address } else { address.to_lowercase() })
                .collect();
            let expected: BTreeSet<String> = expected.lines().map(str::to_owned).collect();
            assert_eq!(found, expected, "{list} {kind}");
        }
    }
}

#[test]
fn the_sample_comes_back_as_it_was_but_for_what_is_listed() {
    let sample = mailman21::site();
    let site = Move::of_sample_as_dumped(&sample);
    site.import();
    let back = site.export();
    for list in LISTS {
        let charset = if list == "leute" { "iso-8859-1" } else { "us-ascii" };
        for file in ["config.pck", "request.pck", "pending.pck"] {
            let (old, new) = (
                sample.join("lists").join(list).join(file),
                back.join("lists").join(list).join(file),
            );
            assert_eq!(old.exists(), new.exists(), "{list} {file}");
            if !old.exists() {
                continue;
            }
            for (at, (was, is)) in differences(&old, &new, charset) {
                assert!(is_listed(file, &at, &is), "{list} {file}: {at}: {was} became {is}");
            }
        }
        // Against Mailman's own dump, too.
        let dump = fs::read(sample.join(format!("expected/list.{list}.json"))).unwrap();
        let dump: Json = serde_json::from_slice(&dump).unwrap();
        let exported = load(&back.join("lists").join(list).join("config.pck"));
        let mut checked = 0;
        for (name, value) in dump.as_object().unwrap() {
            // Counts that are not attributes, texts in bytes, and dictionaries are compared above.
            if name.starts_with("__") || value.is_object() {
                continue;
            }
            let ours = exported.root().get(name).unwrap_or_else(|| panic!("{list}: {name}"));
            let ours = normal(ours, charset);
            let theirs = dumped(value);
            assert_eq!(ours, theirs, "{list}: {name}");
            checked += 1;
        }
        assert!(checked > 90, "{list}: {checked}");
    }
    let entries = |dir: &Path| -> BTreeMap<String, usize> {
        let queues = files_in(&dir.join("qfiles"));
        let count = |queue: &String| files_in(&dir.join("qfiles").join(queue)).len();
        queues
            .iter()
            .filter(|queue| !queue.starts_with('.'))
            .map(|queue| (queue.clone(), count(queue)))
            .filter(|(_, count)| *count > 0)
            .collect()
    };
    assert_eq!(entries(&sample), entries(&back));
}

/// Normalizes a value of a JSON dump like [`normal`].
fn dumped(value: &Json) -> Json {
    match value {
        Json::Bool(flag) => Json::from(f64::from(u8::from(*flag))),
        Json::Number(number) => Json::from(number.as_f64().unwrap()),
        Json::Array(items) => items.iter().map(dumped).collect(),
        Json::Object(object) if object.contains_key("tuple") => dumped(&object["tuple"]),
        Json::String(text_of) => text(text_of.clone()),
        other => other.clone(),
    }
}

// ---- with Mailman's own Python ----

const LOAD: &str = r#"
import cPickle, os, sys, types
for module, names in [('Mailman', []), ('Mailman.Bouncer', ['_BounceInfo']),
                      ('Mailman.UserDesc', ['UserDesc']), ('Mailman.Message', ['Message'])]:
    made = sys.modules[module] = types.ModuleType(module)
    for name in names:
        made.__dict__[name] = types.ClassType(name, (), {'__module__': module})
loaded = 0
for root, dirs, files in os.walk(sys.argv[1]):
    if 'archives' in root:
        continue
    for name in files:
        if not name.endswith('.pck'):
            continue
        data = open(os.path.join(root, name), 'rb')
        objects = []
        while True:
            try:
                objects.append(cPickle.load(data))
            except EOFError:
                break
        assert objects, name
        if name == 'config.pck':
            config, = objects
            assert config['data_version'] == 112 and type(config['post_id']) is float
            for key, info in config['bounce_info'].items():
                assert type(info) is types.InstanceType and info.member == key, key
                assert type(info.score) is float and len(info.date) == 3
            keys = set(config['members']) | set(config['digest_members'])
            assert len(keys) == len(config['members']) + len(config['digest_members'])
            for name in ('passwords', 'language', 'user_options', 'delivery_status'):
                assert set(config[name]) <= keys, name
        elif 'qfiles' in root:
            text, data = objects
            assert type(text) is str and data['_parsemsg'] is True and data['version'] == 3
        elif name == 'pending.pck':
            pending, = objects
            assert pending['version'] == 2 and isinstance(pending['evictions'], dict)
        elif name == 'request.pck':
            request, = objects
            assert request['version'] == (0, 1)
        loaded += 1
print loaded
"#;

#[test]
fn mailmans_python_loads_every_exported_file() {
    let Some(python) = python27() else { return };
    let site = Move::of_sample(&mailman21::site());
    site.import();
    let back = site.export();
    let output = Command::new(python).args(["-c", LOAD]).arg(&back).output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    let loaded: usize = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert!(loaded >= 4, "{loaded}");
}

// ---- on a small site of our own ----

#[test]
fn both_pythons_sites_come_over_whole_and_back() {
    for (python, charset) in [(Python::Two, "iso-8859-1"), (Python::Three, "iso-8859-1")] {
        let site = Move::of_fixture(python);
        let report = site.import();
        for (what, number) in [
            ("lists", 1),
            ("members", 4),
            ("held posts", 1),
            ("requests to join or leave", 2),
            ("confirmations", 2),
            ("posts for the next digest", 2),
            ("queue entries", 1),
            ("site passwords", 1),
            ("archive files", 2),
            ("texts", 2),
            ("site settings", 8),
        ] {
            assert_eq!(report["brought"][what], number, "{what}: {report:#}");
        }
        assert_eq!(report["problems"], Json::Array(Vec::new()), "{report:#}");
        let unknown: Vec<&Json> = report["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["fate"] == "unknown")
            .map(|item| &item["name"])
            .collect();
        assert_eq!(unknown, ["site_code"], "{report:#}");
        assert_eq!(report["unread"][0]["settings"], serde_json::json!(["SMTP_MAX_RCPTS"]));
        let remarks = report["remarks"].to_string();
        for words in [
            "1 topics are invalid",
            "its message is missing",
            "1 addresses that are not members",
            "runners.news is off",
            "resident 4",
        ] {
            assert!(remarks.contains(words), "{words}: {remarks}");
        }

        let config = fs::read_to_string(site.site().join("dormouse.toml")).unwrap();
        assert!(
            config.contains("smtp://mx.example.com:2525") && config.contains("30min")
                || config.contains("1800s"),
            "{config}"
        );
        assert!(config.contains("out = \"resident 4\"") && config.contains("news = \"off\""));
        let password = fs::read_to_string(site.site().join("news-password")).unwrap();
        assert_eq!(password, "secret", "{config}");
        let shown = site.ok(&["list", "show", "dev"]);
        assert!(shown.contains("description = Grüße — und mehr"), "{shown}");
        assert!(site.site().join("qfiles/in").join(format!("{}.pck", fixture::ENTRY)).exists());
        assert!(site.site().join("archives/private/dev/2026-November/000000.html").exists());
        assert_eq!(
            fs::read_link(site.site().join("archives/public/dev")).unwrap(),
            Path::new("../private/dev")
        );

        let back = site.export();
        let (old, new) = (site.old().join("lists/dev"), back.join("lists/dev"));
        for file in ["config.pck", "request.pck", "pending.pck"] {
            for (at, (was, is)) in differences(&old.join(file), &new.join(file), charset) {
                let listed = is_listed(file, &at, &is)
                    // Attributes missing in the fixture's old list are added, and orphans are gone.
                    || (file == "config.pck" && was.is_null())
                    || at.ends_with("/gone@example.org")
                    || at == "usernames/dora@example.org"
                    || at == "reply_goes_to_list"
                    || at == "request_responses"
                    || (file == "request.pck" && at == "4");
                assert!(listed, "{file}: {at}: {was} became {is}");
            }
        }
    }
}

/// So many that an export does not keep them in memory.
#[test]
fn a_list_of_thousands_comes_back_and_each_address_is_one_node() {
    const MANY: usize = 12_000;
    let site = Move::of_fixture(Python::Two);
    let old = site.old().join("lists/dev/config.pck");
    let Literal::Dict(mut attributes) = fixture::value(fixture::CONFIG) else { unreachable!() };
    let bytes = |text: String| Literal::Bytes(text.into_bytes());
    for (attribute, value) in &mut attributes {
        let Literal::Dict(entries) = value else { continue };
        let attribute = attribute.to_text();
        let value_of = |n: usize| match attribute.as_str() {
            "members" if !n.is_multiple_of(3) && n.is_multiple_of(2) => Some(Literal::Int(0)),
            "members" if !n.is_multiple_of(3) => Some(bytes(format!("Member{n}@example.org"))),
            "digest_members" if n.is_multiple_of(3) => Some(Literal::Int(0)),
            "passwords" => Some(bytes(format!("secret{n}"))),
            "language" => Some(bytes(if n.is_multiple_of(2) { "de" } else { "en" }.to_owned())),
            "usernames" if !n.is_multiple_of(5) => Some(Literal::Text(format!("M\u{e4}mber {n}"))),
            "user_options" if n.is_multiple_of(7) => Some(Literal::Int(8 + 256)),
            "delivery_status" if n.is_multiple_of(11) => {
                Some(Literal::Tuple(vec![Literal::Int(2), Literal::Float(1_700_000_000.0)]))
            }
            "topics_userinterest" if n.is_multiple_of(13) => {
                Some(Literal::List(vec![bytes("Tea".to_owned())]))
            }
            "one_last_digest"
                if !n.is_multiple_of(3) && n.is_multiple_of(2) && n.is_multiple_of(17) =>
            {
                Some(Literal::Int(0))
            }
            _ => None,
        };
        let more =
            (0..MANY).filter_map(|n| Some((bytes(format!("member{n}@example.org")), value_of(n)?)));
        entries.extend(more);
    }
    fs::write(&old, fixture::pickle(&Literal::Dict(attributes), Python::Two)).unwrap();
    assert_eq!(site.import()["brought"]["members"], MANY + 4);
    let new = site.export().join("lists/dev/config.pck");
    for (at, (was, is)) in differences(&old, &new, "iso-8859-1") {
        let is_of_a_member = at.contains("/member");
        assert!(!is_of_a_member, "{at}: {was} became {is}");
    }
    let exported = load(&new);
    let of = |attribute: &str| exported.root().get(attribute).unwrap().entries();
    let nodes: HashMap<_, _> = of("members")
        .chain(of("digest_members"))
        .map(|(key, _)| (key.to_text_lossy().into_owned(), key.id()))
        .collect();
    assert_eq!(nodes.len(), MANY + 4);
    for (key, _) in of("passwords").chain(of("language")).chain(of("delivery_status")) {
        assert_eq!(nodes[&*key.to_text_lossy()], key.id(), "{key}");
    }
    // The same file again is no news; one member less is.
    assert_eq!(site.import()["unchanged"]["lists"], 1);
    let bytes = fs::read(&old).unwrap();
    let at = bytes.windows(20).position(|bytes| bytes == b"member77@example.org").unwrap();
    fs::write(&old, [&bytes[..at], b"mumber", &bytes[at + 6..]].concat()).unwrap();
    let report = site.import();
    assert_eq!(report["brought"]["removed because Mailman no longer has them"], Json::Null);
    let members = site.ok(&["member", "ls", "dev"]);
    assert!(members.contains("mumber77@example.org"), "it joined");
    assert!(!members.lines().any(|line| line.contains("member77@example.org")), "it left");
    let store = Store::open(&Site::open(&site.site()).unwrap()).unwrap();
    let dev = store.read().list("dev").unwrap().unwrap();
    let key = AddressKey::of("member5678@example.org");
    let hash = &store.read().member_passwords(dev.id, &key, &key).unwrap()[&key];
    assert!(dormouse_membership::password::verify(hash, "secret5678"));
}

/// docs/takeover.md describes the order.
#[test]
fn the_report_puts_first_what_matters_and_folds_the_rest() {
    let site = Move::of_fixture(Python::Two);
    // Unimportant files: many of Mailman's own texts, its program, its caches.
    for language in ["xx", "yy", "zz"] {
        let dir = site.old().join("templates").join(language);
        fs::create_dir_all(&dir).unwrap();
        for number in 0..30 {
            fs::write(dir.join(format!("text{number}.txt")), "x\n").unwrap();
        }
    }
    let printed = site.ok(&["import", site.old().to_str().unwrap(), "--dry-run"]);
    let lines: Vec<&str> = printed.lines().collect();
    let line = |what: &str, is: &dyn Fn(&str) -> bool| {
        lines.iter().position(|line| is(line)).unwrap_or_else(|| panic!("{what}: {printed}"))
    };
    let row = |fate: &'static str| move |line: &str| line.contains(&format!("  {fate}  "));
    let order = [
        ("counts", line("counts", &|line| line.contains("members"))),
        ("notes", line("notes", &|line| line == "note")),
        ("unread", line("unread", &|line| line.starts_with("not understood in mm_cfg.py"))),
        ("unknown", line("unknown", &row("unknown"))),
        ("kept", line("kept", &row("kept"))),
        ("dropped", line("dropped", &row("dropped"))),
        ("the rest", line("the rest", &|line| line.contains("--all shows everything"))),
        ("dry", line("dry", &|line| line == "nothing was changed")),
    ];
    assert!(order.is_sorted_by_key(|(_, at)| at), "{order:?}: {printed}");
    for fate in ["unknown", "kept"] {
        let next = if fate == "unknown" { "kept" } else { "dropped" };
        let last = lines.iter().rposition(|line| row(fate)(line)).unwrap();
        assert!(last < line(next, &row(next)), "{fate}: {printed}");
    }
    // The site's own value is named, and similar items are one line.
    assert!(lines[order[3].1].contains("site_code"), "{printed}");
    let texts = lines.iter().filter(|line| line.contains("text1")).count();
    assert!(texts <= 1, "{texts}: {printed}");
    assert!(lines.len() < 60, "{} lines: {printed}", lines.len());
    let all = site.ok(&["import", site.old().to_str().unwrap(), "--dry-run", "--all"]);
    assert!(all.lines().count() > lines.len(), "{all}");
    assert!(!all.contains("--all shows everything") && all.contains("  taken  "), "{all}");
}

#[test]
fn a_second_import_brings_what_changed_and_undoes_nothing_that_was_done_here() {
    let site = Move::of_fixture(Python::Two);
    site.import();
    site.ok(&["held", "discard", "dev", "--all"]);
    site.ok(&["member", "add", "dev", "--welcome", "no", "new@example.org"]);
    let list = site.old().join("lists/dev");
    let changed = fixture::CONFIG
        .replace("'bert@example.org': 0,\n", "'hugo@example.org': 0,\n")
        .replace("'max_message_size': 64", "'max_message_size': 99");
    fs::write(list.join("config.pck"), fixture::pickle(&fixture::value(&changed), Python::Two))
        .unwrap();
    fs::write(
        list.join("digest.mbox"),
        "From a@b\nSubject: two\n\nx\n\nFrom a@b\nSubject: three\n\ny\n\n",
    )
    .unwrap();
    let report = site.import();
    assert_eq!(report["brought"]["lists"], 1, "{report:#}");
    assert_eq!(report["brought"]["posts for the next digest"], 1, "{report:#}");
    assert_eq!(report["brought"]["removed because Mailman no longer has them"], 1, "{report:#}");
    assert!(report["brought"]["held posts"].is_null(), "a decided post comes not back: {report:#}");
    let members = site.ok(&["member", "ls", "dev"]);
    assert!(
        members.contains("hugo@") && members.contains("new@") && !members.contains("bert@"),
        "{members}"
    );
    assert!(site.ok(&["list", "show", "dev"]).contains("max_message_size = 99"));
    // A list that was imported and then removed here is imported again on request.
    site.ok(&["list", "rm", "--yes", "dev"]);
    assert_eq!(site.import()["brought"]["held posts"], 1);
}

#[test]
fn a_list_of_our_own_is_not_overwritten() {
    let site = Move::of_fixture(Python::Two);
    site.ok(&["init", "--host", "lists.example.com"]);
    site.ok(&["list", "create", "dev", "--owner", "me@example.org"]);
    let output = site.run(&["import", site.old().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(65), "{}", describe(&output));
    assert!(describe(&output).contains("did not come from Mailman"), "{}", describe(&output));
    assert!(site.ok(&["list", "show", "dev"]).contains("me@example.org"));
}

#[test]
fn a_mailman_at_work_stops_the_import_with_advice() {
    let site = Move::of_fixture(Python::Two);
    let pid_file = site.old().join("data/master-qrunner.pid");
    let mut master = Command::new("sleep").arg0("mailmanctl").arg("600").spawn().unwrap();
    fs::write(&pid_file, format!("{}\n", master.id())).unwrap();
    let output = site.run(&["import", site.old().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(75), "{}", describe(&output));
    assert!(describe(&output).contains("mailmanctl stop"), "{}", describe(&output));
    // A dry run is allowed.
    site.ok(&["import", site.old().to_str().unwrap(), "--dry-run"]);
    master.kill().unwrap();
    master.wait().unwrap();
    // A process number that now belongs to another program does not matter.
    fs::write(&pid_file, format!("{}\n", std::process::id())).unwrap();

    let lock = site.old().join("locks/dev.lock");
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    fs::write(&lock, format!("{}.{host}.{}.0", lock.display(), std::process::id())).unwrap();
    let file = fs::File::options().write(true).open(&lock).unwrap();
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(3600)).unwrap();
    let output = site.run(&["import", site.old().to_str().unwrap()]);
    assert!(describe(&output).contains("dev.lock is locked by process"), "{}", describe(&output));
    // A lock that has expired, or whose process is gone, does not matter.
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    site.import();
}

#[test]
fn broken_files_are_named_and_the_rest_is_imported() {
    let site = Move::of_fixture(Python::Two);
    let lists = site.old().join("lists");
    let good = fs::read(lists.join("dev/config.pck")).unwrap();
    let make = |name: &str, config: Option<&[u8]>| {
        fs::create_dir_all(lists.join(name)).unwrap();
        if let Some(config) = config {
            fs::write(lists.join(name).join("config.pck"), config).unwrap();
        }
    };
    make("cut", Some(&good[..good.len() / 2]));
    make("empty", Some(b""));
    make("no-list", Some(b"]."));
    make("Upper Case", Some(&good));
    make("..up", Some(&good));
    make("nothing", None);
    fs::create_dir_all(lists.join("directory/config.pck")).unwrap();
    make("secret", Some(&good));
    fs::set_permissions(lists.join("secret/config.pck"), fs::Permissions::from_mode(0o000))
        .unwrap();
    make("saved", Some(b"garbage"));
    fs::write(lists.join("saved/config.pck.last"), &good).unwrap();
    // A record with a path out of the directory is invalid.
    make("path", Some(&good));
    let request = "{1: (1, (1.0, 'a@b', 's', 'r', '../../etc/passwd', {}))}";
    fs::write(
        lists.join("path/request.pck"),
        fixture::pickle(&fixture::value(request), Python::Two),
    )
    .unwrap();

    let output = site.run(&["import", site.old().to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(65), "{}", describe(&output));
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let problems: Vec<(String, String)> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| (problem["about"].to_string(), problem["text"].to_string()))
        .collect();
    let mut named = vec![
        ("cut", "truncated"),
        ("empty", "truncated"),
        ("no-list", "a list instead of a list's dictionary"),
        ("Upper Case", "is not the name of a list"),
        ("..up", "is not the name of a list"),
        ("directory", "it is not a file"),
        ("saved", "the version before it"),
        ("path", "1 of its records"),
    ];
    // Root may read everything.
    if !rustix::process::geteuid().is_root() {
        named.push(("secret", "check its mode"));
    }
    for (list, words) in &named {
        assert!(
            problems.iter().any(|(about, text)| about.contains(list) && text.contains(words)),
            "{list}: {words}: {problems:#?}"
        );
    }
    let listed = site.ok(&["list", "ls"]);
    for name in ["dev", "saved", "path"] {
        assert!(listed.contains(name), "{listed}");
    }
    for name in ["cut", "empty", "directory", "up"] {
        assert!(!listed.lines().any(|line| line.starts_with(name)), "{listed}");
    }
}

/// The conversions of docs/spec/pickles.md §8.
#[test]
fn lists_of_older_mailmans_are_migrated() {
    let site = Move::of_fixture(Python::Two);
    let lists = site.old().join("lists");
    let make = |name: &str, rest: &str| {
        let dir = lists.join(name);
        fs::create_dir_all(&dir).unwrap();
        let source = format!(
            "{{'data_version': 60, 'real_name': '{name}', 'host_name': 'lists.example.com', \
             'preferred_language': 'en', {rest}}}"
        );
        let bytes = fixture::pickle(&fixture::value(&source), Python::Two);
        fs::write(dir.join("config.pck"), bytes).unwrap();
    };
    make(
        "ancient",
        "'members': ['Anna@Example.ORG', 'bert@example.org'], 'digest_members': {}, \
         'passwords': {'Anna@Example.ORG': 'secret'}, 'reminders_to_admins': 1, 'closed': 2, \
         'auto_subscribe': 0, 'dont_respond_to_post_requests': 1, 'author_is_list': 1, \
         'user_options': {'Anna@example.org': 1, 'anna@example.org': 16}, \
         'topics': [('T', 'a | b  # c', 'd', 0)], 'num_spawns': 5, \
         'forbidden_posters': ['bert@example.org', 'evil@example.org']",
    );
    make(
        "posters",
        "'members': {'a@x.example': 1, 'b@x.example': 0}, 'digest_members': {}, 'moderated': 0, \
         'posters': ['a@x.example', 'stranger@y.example'], \
         'delivery_status': {'b@x.example': (4, 5.0)}",
    );
    make("closed", "'members': {'a@x.example': 0}, 'digest_members': {}, 'member_posting_only': 1");
    make(
        "open",
        "'members': {'a@x.example': 0}, 'digest_members': {}, 'posters': [], \
         'user_options': {'a@x.example': 128}",
    );
    site.import();
    let settings = |list: &str| -> Json {
        let shown = site.ok(&["list", "show", list, "--json"]);
        serde_json::from_str::<Json>(&shown).unwrap()["settings"].take()
    };
    let members = |list: &str| -> Vec<Json> {
        serde_json::from_str(&site.ok(&["member", "ls", list, "--json"])).unwrap()
    };
    let ancient = settings("ancient");
    for (name, value) in [
        ("umbrella_list", json!(true)),
        ("private_roster", json!("owners")),
        ("subscribe_policy", json!("approve")),
        ("respond_to_post_requests", json!(false)),
        ("from_is_list", json!("munge")),
        ("hold_these_nonmembers", json!(["evil@example.org"])),
        ("topics", json!([["T", "a|b", "d", 0]])),
        // Missing settings get Mailman's defaults, not ours.
        ("include_sender_header", json!(true)),
        ("dmarc_moderation_action", json!("accept")),
    ] {
        assert_eq!(ancient[name], value, "{name}");
    }
    let found = members("ancient");
    assert_eq!(found[0]["address"], "Anna@example.org");
    assert_eq!(found[0]["delivery"], "unknown");
    assert_eq!(found[0]["options"], serde_json::json!(["hide"]));
    assert_eq!(found[1]["options"], serde_json::json!(["mod"]));

    let posters = settings("posters");
    assert_eq!(posters["accept_these_nonmembers"], json!(["stranger@y.example"]));
    assert_eq!(posters["generic_nonmember_action"], "hold");
    assert_eq!(posters["default_member_moderation"], true);
    let found = members("posters");
    assert_eq!(found[0]["options"], serde_json::json!([]));
    assert_eq!(found[1]["options"], serde_json::json!(["mod"]));
    assert_eq!(found[1]["delivery"], "enabled", "no bounces say that it should be off");
    assert_eq!(settings("closed")["generic_nonmember_action"], "hold");
    assert_eq!(settings("open")["generic_nonmember_action"], "accept");
    assert_eq!(members("open")[0]["options"], serde_json::json!([]));
}

/// Such values are kept unchanged and named in the report, and their usable parts work.
#[test]
fn what_could_not_be_set_here_is_kept_and_named() {
    let site = Move::of_fixture(Python::Two);
    let own = site.old().join("mm_cfg.py");
    let before = fs::read_to_string(&own).unwrap();
    let code = "GLOBAL_BAN_LIST = ['spam@x.example', '^(']\nARCHIVE_TO_MBOX = -1\n";
    fs::write(&own, format!("{before}\n{code}")).unwrap();
    let make = |name: &str, rest: &str| {
        let dir = site.old().join("lists").join(name);
        fs::create_dir_all(&dir).unwrap();
        let source = format!(
            "{{'data_version': 112, 'real_name': '{name}', 'host_name': 'lists.example.com', \
             'preferred_language': 'en', 'members': {{'a@x.example': 0}}, 'digest_members': {{}}, \
             'password': '', 'generic_nonmember_action': 0, 'archive': 1, {rest}}}"
        );
        let bytes = fixture::pickle(&fixture::value(&source), Python::Two);
        fs::write(dir.join("config.pck"), bytes).unwrap();
    };
    make(
        "odd",
        "'owner': [], 'ban_list': ['^(foo', 'b@x.example'], 'max_message_size': -3, \
         'require_explicit_destination': 0, \
         'pipeline': ['SpamAssassin', 'CalcRecips', 'CookHeaders', 'ToOutgoing']",
    );
    make("odd-owner", "'owner': ['o@x.example']");
    let output = site.run(&["import", site.old().to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(65), "the site's broken ban is a problem");
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let problems = report["problems"].to_string();
    assert!(problems.contains("members.ban_list: ^("), "{problems}");
    assert_eq!(site.ok(&["config", "show", "members.ban_list"]), "spam@x.example\n");
    let remarks = report["remarks"].to_string();
    for words in [
        "owner: a list must have at least one owner; it is kept unchanged",
        "ban_list: ^(foo: ",
        "max_message_size: -3 is below 0",
        "pipeline: SpamAssassin is not a handler here",
        "its address also belongs to the list odd",
        "nothing was archived there",
    ] {
        assert!(remarks.contains(words), "{words}: {remarks}");
    }
    assert_eq!(site.ok(&["list", "show", "odd", "ban_list"]), "^(foo\nb@x.example\n");
    assert_eq!(site.ok(&["list", "show", "odd", "archive"]), "no\n");
    // A handler that does not exist here stops no post.
    let mail = site.home.path().join("mail.eml");
    fs::write(&mail, message("a@x.example", "hello", "Hello.\n")).unwrap();
    let dry = Command::new(DORMOUSE)
        .args(["post", "odd", "--dry-run", "--json"])
        .env("DORMOUSE_SITE", site.site())
        .stdin(fs::File::open(&mail).unwrap())
        .output()
        .unwrap();
    assert!(dry.status.success(), "{}", describe(&dry));
    let back = load(&site.export().join("lists/odd/config.pck"));
    let kept = |name: &str| normal(back.root().get(name).unwrap(), "us-ascii");
    assert_eq!(kept("ban_list"), serde_json::json!(["^(foo", "b@x.example"]));
    assert_eq!(kept("max_message_size"), -3.0);
    assert_eq!(kept("pipeline")[0], "SpamAssassin");
}

// ---- damaged files ----

/// A reproducible stream of numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % sides.max(1)
    }

    /// Damages bytes in one of several ways: truncated, bits flipped, bytes changed, moved or
    /// removed.
    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(out.len());
            match self.roll(6) {
                0 => out.truncate(at),
                1 if !out.is_empty() => out[at] ^= 1 << self.roll(8),
                2 if !out.is_empty() => out[at] = self.roll(256) as u8,
                3 => {
                    let end = (at + self.roll(40)).min(out.len());
                    out.drain(at..end);
                }
                4 => {
                    let end = (at + self.roll(40)).min(out.len());
                    let piece = out[at..end].to_vec();
                    let to = self.roll(out.len());
                    out.splice(to..to, piece);
                }
                _ => out.insert(at, self.roll(256) as u8),
            }
        }
        out
    }
}

#[test]
fn a_thousand_damages_of_each_file_are_errors_or_lists_and_the_store_is_never_half_changed() {
    let root = mailman21::site();
    let files = [
        "lists/ops-alerts/config.pck",
        "lists/ops-alerts/pending.pck",
        "lists/announce/request.pck",
        "lists/ops-alerts/digest.mbox",
        "data/heldmsg-announce-4.pck",
        "data/bounce-events-24816.pck",
        "mm_cfg.py",
        "data/adm.pw",
        "qfiles/shunt/1795446454.353711+18ac7df0d9241cacc20c8fa1fc489328125fef2e.pck",
    ];
    std::thread::scope(|scope| {
        for file in files {
            let root = &root;
            scope.spawn(move || damage_a_thousand_times(root, file));
        }
    });
}

fn damage_a_thousand_times(root: &Path, file: &str) {
    let home = TempDir::new().unwrap();
    let site = Site::init(&home.path().join("site"), "lists.example.com").unwrap();
    let store = Store::open(&site).unwrap();
    let spool = Spool::new(site.qfiles());
    spool.create().unwrap();
    let target = Target { site: &site, store: &store, spool: &spool };
    let old = home.path().join("old");
    fs::create_dir_all(old.join(file).parent().unwrap()).unwrap();
    fs::create_dir_all(old.join("lists")).unwrap();
    // Only the files that are needed with it.
    let own = file.strip_prefix("lists/").and_then(|rest| rest.split_once('/'));
    let held = file.strip_prefix("data/heldmsg-").and_then(|rest| rest.split_once('-'));
    if let Some((list, _)) = own.or(held) {
        fs::create_dir_all(old.join("lists").join(list)).unwrap();
        for part in ["config.pck", "request.pck"] {
            let path = Path::new("lists").join(list).join(part);
            if let Ok(bytes) = fs::read(root.join(&path)) {
                fs::write(old.join(path), bytes).unwrap();
            }
        }
    }
    let bytes = fs::read(root.join(file)).unwrap();
    fs::write(old.join(file), &bytes).unwrap();
    let mut dice = Dice(bytes.len() as u64);
    let mut refused = 0;
    let mut mailman = OldSite::find(&old, None).unwrap();
    for turn in 0..1000 {
        fs::write(old.join(file), dice.damage(&bytes)).unwrap();
        if file == "mm_cfg.py" {
            mailman = OldSite::find(&old, None).unwrap();
        }
        // Only a few are real imports; dry runs use the same code without waiting for the disk.
        let dry_run = turn % 100 != 0;
        let options = ImportOptions { dry_run, archives: false };
        let report: Result<TakeoverReport, TakeoverError> =
            dormouse_takeover::import(&mailman, target, options, &|_, _, _| {});
        let report = report.unwrap_or_else(|error| panic!("{file}, turn {turn}: {error}"));
        refused += usize::from(!report.problems.is_empty());
        for list in store.read().lists().unwrap() {
            assert!(!dry_run, "{file}, turn {turn}: a rehearsal left {}", list.name);
            let source = format!("lists/{}", list.name);
            assert!(
                store.read().imported(&source).unwrap().is_some(),
                "{file}, turn {turn}: half a list"
            );
            store.write(|tx| tx.delete_list(&list.name).map(|_| ())).unwrap();
        }
        if !dry_run {
            store.write(|tx| tx.forget_imported(file.trim_end_matches(".pck"))).unwrap();
        }
    }
    assert!(refused > 0 || !file.ends_with(".pck"), "{file}: no damage was found in a thousand");
}

// ---- the MTA ----

#[test]
fn a_list_of_mailman_2_0_comes_over_from_its_marshalled_files() {
    let site = Move::of_fixture(Python::Two);
    let list = site.old().join("lists/dev");
    for file in ["config.pck", "config.pck.last", "request.pck", "pending.pck"] {
        fs::remove_file(list.join(file)).unwrap();
    }
    // As in 2.0: members in a list, crypt's hash of "secret", requests without names.
    let config = "{'real_name': 'Dev', 'host_name': 'lists.example.com', 'owner': ['owner@x.example'], \
         'members': ['anna@example.org', 'Bert@example.org'], 'digest_members': [], \
         'passwords': {'anna@example.org': 'annas', 'bert@example.org': 'berts'}, \
         'user_options': {'anna@example.org': 16}, 'password': 'abNANd1rDfiNc', \
         'auto_subscribe': 0, 'dont_respond_to_post_requests': 1}";
    let request = "{1: (1, (1700000400.5, 'stranger@outside.example', 'Hello', 'a stranger', \
         'heldmsg-dev-1.txt')), 2: (2, (1700000500.0, 'eva@example.org', 'evapw', 1))}";
    fs::write(list.join("config.db"), fixture::marshal(&fixture::value(config))).unwrap();
    fs::write(list.join("request.db"), fixture::marshal(&fixture::value(request))).unwrap();
    let held =
        "From stranger@outside.example\nFrom: stranger@outside.example\nSubject: Hello\n\nx\n";
    fs::write(site.old().join("data/heldmsg-dev-1.txt"), held).unwrap();
    let report = site.import();
    assert_eq!(report["problems"], serde_json::json!([]), "{report}");
    let rows = |args: &[&str]| -> Json { serde_json::from_str(&site.ok(args)).unwrap() };
    let members = rows(&["member", "ls", "dev", "--json"]);
    let addresses: Vec<&str> =
        members.as_array().unwrap().iter().map(|row| row["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["anna@example.org", "Bert@example.org"]);
    assert_eq!(rows(&["held", "ls", "--json"])[0]["subject"], "Hello");
    assert!(site.ok(&["request", "ls"]).contains("eva@example.org would like to join"));
    // The owners' password is accepted, and its hash is replaced by ours.
    let post = "From: a@b.example\nMessage-ID: <1@b.example>\nApproved: secret\n\nx\n";
    let store = Store::open(&Site::open(&site.site()).unwrap()).unwrap();
    let kept = || store.read().list("dev").unwrap().unwrap().settings.password;
    assert_eq!(kept(), "abNANd1rDfiNc");
    let mut child = Command::new(DORMOUSE)
        .args(["post", "dev"])
        .env("DORMOUSE_SITE", site.site())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), post.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    site.run(&["run"]);
    assert!(kept().starts_with("$argon2id$"), "{}", kept());
    // The second time nothing is new, and a damaged file is named.
    assert_eq!(site.import()["problems"], serde_json::json!([]));
    fs::write(list.join("config.db"), b"{s\x05\0\0\0mem").unwrap();
    let broken = site.run(&["import", site.old().to_str().unwrap(), "--json"]);
    assert_eq!(broken.status.code(), Some(65), "{}", describe(&broken));
    let text = String::from_utf8_lossy(&broken.stdout).into_owned();
    assert!(text.contains("config.db") && text.contains("truncated"), "{text}");
}

#[test]
fn lists_of_one_name_leave_under_a_name_each() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.plain_list("dev@b.example", &["bert@example.org"]);
    site.plain_list("dev-b-example", &["carl@example.org"]);
    for list in ["dev", "dev@b.example"] {
        site.post(list, &message("anna@example.org", list, "Hello.\n"));
    }
    site.ok(&["run"]);
    let to = site.dir().join("back");
    let report: Json =
        serde_json::from_str(&site.ok(&["export", "--mailman2", to.to_str().unwrap(), "--json"]))
            .unwrap();
    assert_eq!(report["problems"], serde_json::json!([]), "{report}");
    let remarks = report["remarks"].to_string();
    assert!(remarks.contains("called dev-b-example-2 there"), "{remarks}");
    for (name, member) in [
        ("dev", "anna@example.org"),
        ("dev-b-example-2", "bert@example.org"),
        ("dev-b-example", "carl@example.org"),
    ] {
        let config = load(&to.join("lists").join(name).join("config.pck"));
        let members = config.root().get("members").unwrap();
        let members: Vec<String> =
            members.entries().map(|(key, _)| key.to_text_lossy().into_owned()).collect();
        assert_eq!(members, [member], "{name}");
    }
    let archives = to.join("archives/private");
    for name in ["dev", "dev-b-example-2"] {
        assert!(archives.join(format!("{name}.mbox/{name}.mbox")).exists(), "{name}");
        assert!(archives.join(name).is_dir(), "{name}");
    }
    assert!(!archives.join("dev@b.example").exists());
}

#[test]
fn aliases_and_the_old_wrappers_commands_run_dormouse() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    let text = site.ok(&["aliases"]);
    let line = text.lines().find(|line| line.starts_with("dev-bounces:")).unwrap();
    let command = line.split_once("\"|").unwrap().1.trim_end_matches('"');
    let mut words = command.split(' ');
    assert_eq!(Path::new(words.next().unwrap()), Path::new(DORMOUSE).canonicalize().unwrap());
    assert!(command.ends_with("mailman bounces dev"), "{command}");
    let back = site.ok(&["aliases", "--undo"]);
    assert!(back.contains("\"|/usr/lib/mailman/mail/mailman post dev\""), "{back}");
    assert!(back.contains("mailman-loop: /var/lib/mailman/data/owner-bounces.mbox\n"), "{back}");
    let source = ["aliases", "--for", "mailman", "--program", "/opt/mailman/mail/mailman"];
    let back = site.ok(&source);
    assert!(back.contains("mailman-loop: /opt/mailman/data/owner-bounces.mbox\n"), "{back}");

    for (command, queue) in [
        ("post", "in"),
        ("owner", "in"),
        ("bounces", "bounces"),
        ("admin", "bounces"),
        ("request", "commands"),
        ("join", "commands"),
        ("subscribe", "commands"),
        ("leave", "commands"),
        ("unsubscribe", "commands"),
        ("confirm", "commands"),
    ] {
        let before = site.files(queue, "pck").len();
        let output = site.feed(&["mailman", command, "dev"], b"From: a@b.example\n\nx\n");
        assert!(output.status.success(), "{command}: {}", describe(&output));
        assert_eq!(site.files(queue, "pck").len(), before + 1, "{command}");
    }
    // A link replaces Mailman's wrapper.
    let link = site.dir().join("mailman");
    symlink(DORMOUSE, &link).unwrap();
    let output = Command::new(&link)
        .args(["post", "nobody"])
        .env("DORMOUSE_SITE", site.dir())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(67), "{}", describe(&output));

    let path = site.dir().join("virtual");
    site.ok(&["aliases", "--virtual", "lists.example.org", "--output", path.to_str().unwrap()]);
    let map = fs::read_to_string(path).unwrap();
    assert!(map.contains("dev-confirm@lists.example.org\tdev-confirm\n"), "{map}");
    for mta in ["exim", "sendmail", "opensmtpd"] {
        assert!(site.ok(&["aliases", "--mta", mta]).contains("dev"), "{mta}");
    }
    let installed = site.ok(&["aliases", "--install", "--mta", "sendmail"]);
    assert!(installed.contains("AliasFile") && site.dir().join("aliases").exists(), "{installed}");
    let made = site.ok(&["list", "create", "late", "--owner", "owner@example.org"]);
    assert!(made.contains("updated "), "{made}");
    assert!(fs::read_to_string(site.dir().join("aliases")).unwrap().contains("late-owner:"));
}

#[test]
fn the_address_with_a_cookie_that_postfix_tells_is_kept() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    let mail = site.dir().join("mail.eml");
    fs::write(&mail, "From: a@b.example\n\nx\n").unwrap();
    for recipient in ["dev-confirm+0123abc@lists.example.org", "someone@lists.example.org"] {
        let mut command = site.command(&["mailman", "confirm", "dev"]);
        command.env("ORIGINAL_RECIPIENT", recipient).stdin(fs::File::open(&mail).unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", describe(&output));
    }
    let shown: Vec<String> = site
        .files("commands", "pck")
        .iter()
        .map(|file| {
            site.ok(&["queue", "show", &format!("commands/{}", file.trim_end_matches(".pck"))])
        })
        .collect();
    assert!(
        shown.iter().any(|text| text.contains("dev-confirm+0123abc@lists.example.org")),
        "{shown:?}"
    );
    assert!(!shown.iter().any(|text| text.contains("someone@")), "{shown:?}");
}

/// docs/spec/gotchas.md §7.11.
#[test]
fn texts_of_a_site_become_utf_8_and_what_they_say_in_vain_is_named() {
    let made = Move::of_fixture(Python::Two);
    let old = made.old().join("templates/site/pl");
    fs::create_dir_all(&old).unwrap();
    let polish = b"Czekaj na %(listowner)s, \xb6roda: %(nobody)s\n";
    fs::write(old.join("postheld.txt"), polish).unwrap();
    let page = b"<p>\xb6roda\n";
    fs::write(old.join("listinfo.html"), page).unwrap();
    let report = made.import();
    let ours = made.site().join("templates/site/pl");
    let text = fs::read_to_string(ours.join("postheld.txt")).unwrap();
    assert_eq!(text, "Czekaj na %(listowner)s, środa: %(nobody)s\n");
    assert_eq!(fs::read(ours.join("listinfo.html")).unwrap(), page);
    let remarks = report["remarks"].to_string();
    assert!(remarks.contains("%(nobody)s") && !remarks.contains("%(listowner)s"), "{remarks}");
    assert!(remarks.contains("web.listen"), "{remarks}");
    // The second time there is nothing to do.
    let again = made.import();
    assert_eq!(again["brought"]["texts"], Json::Null, "{again}");
    let back = made.export().join("templates/site/pl");
    assert_eq!(fs::read(back.join("postheld.txt")).unwrap(), polish);
    assert_eq!(fs::read(back.join("listinfo.html")).unwrap(), page);
}

#[test]
fn the_samples_own_text_has_a_subject() {
    let sample = mailman21::site();
    let made = Move::of_sample_as_dumped(&sample);
    made.import();
    made.ok(&["config", "set", "delivery.url", "maildir:mail"]);
    let new = made.home.path().join("new");
    fs::write(&new, "neu@example.net\n").unwrap();
    made.ok(&["compat", "add_members", "-w", "y", "-r", new.to_str().unwrap(), "cafe-talk"]);
    made.ok(&["run"]);
    let dir = made.site().join("mail/neu@example.net/new");
    // Waiting mail for the list's members is delivered, too.
    let mut mails =
        files_in(&dir).into_iter().map(|name| fs::read_to_string(dir.join(name)).unwrap());
    let welcome = mails.find(|mail| mail.contains("\nSubject: Welcome to the \"Cafe"));
    let text = welcome.expect("a mail with a subject");
    assert!(text.contains("\nCustom ack for Cafe"), "{text}");
}

// ---- what Mailman needs to go on ----

/// A reply before its parent, two mails with the same Message-ID, and letters beyond ASCII.
const MAILS: &str = "From a@x Tue Mar  5 10:00:00 2024
From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>
Subject: Re: caf=?utf-8?q?=C3=A9?=
Message-ID: <answer@x>
In-Reply-To: <first@x>
Date: Tue, 5 Mar 2024 10:00:01 +0000
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Gr\u{fc}\u{df}e

From a@x Tue Mar  5 10:00:00 2024
From: anna@example.org
Subject: first
Message-ID: <first@x>
Date: Tue, 5 Mar 2024 10:00:00 +0000

first

From a@x Tue Mar  5 11:00:00 2024
From: anna@example.org
Subject: one of two
Message-ID: <same@x>
Date: Tue, 5 Mar 2024 11:00:00 +0000

one

From a@x Tue Mar  5 12:00:00 2024
From: anna@example.org
Subject: the other
Message-ID: <same@x>
Date: Tue, 5 Mar 2024 12:00:00 +0000

two
";

/// A site with a list and an archive, exported for Mailman.
fn written_for_mailman() -> (Move, PathBuf) {
    let site = Move::new();
    site.ok(&["init", "--host", "lists.example.com"]);
    site.ok(&["list", "create", "talk", "--owner", "o@example.org"]);
    let mbox = site.home.path().join("in.mbox");
    fs::write(&mbox, MAILS).unwrap();
    site.ok(&["archive", "import", "talk", mbox.to_str().unwrap()]);
    let back = site.home.path().join("back");
    site.ok(&["export", "--mailman2", back.to_str().unwrap()]);
    (site, back)
}

fn marshalled(path: &Path) -> Graph<'static> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    dormouse_pickle::marshal::load(&bytes).unwrap().0.into_owned()
}

/// Returns every article in a volume's index by id, with its state.
fn articles(archive: &Path, volume: &str) -> BTreeMap<String, Json> {
    let index = marshalled(&archive.join(format!("database/{volume}-article")));
    let entries = index.root().entries().map(|(id, article)| {
        let (graph, _) =
            dormouse_pickle::load(article.as_bytes().unwrap(), &Limits::default()).unwrap();
        assert_eq!(graph.root().class(), Some(("Mailman.Archiver.HyperArch", "Article")));
        (id.to_text_lossy().into_owned(), normal(graph.root(), "utf-8"))
    });
    entries.collect()
}

#[test]
fn pipermails_state_lists_every_page_and_continues_after_our_last_number() {
    let (_site, back) = written_for_mailman();
    let archive = back.join("archives/private/talk");
    let state = load(&archive.join("pipermail.pck"));
    let state = normal(state.root(), "us-ascii");
    assert_eq!(state["sequence"], 4.0);
    assert_eq!(state["archives"], serde_json::json!(["2024-March"]));
    assert_eq!(state["_dirty_archives"], serde_json::json!([]));
    let articles = articles(&archive, "2024-March");
    let ids: Vec<&str> = articles.keys().map(String::as_str).collect();
    // Pipermail lists one message for each id.
    assert_eq!(ids, ["3", "answer@x", "first@x", "same@x"]);
    for (id, article) in &articles {
        assert!(archive.join("2024-March").join(article["filename"].as_str().unwrap()).exists());
        assert_eq!(article["msgid"], *id);
        // The attributes that HyperArch reads of an article.
        for attribute in [
            "sequence",
            "subject",
            "datestr",
            "date",
            "fromdate",
            "headers",
            "author",
            "email",
            "in_reply_to",
            "references",
            "_in_reply_to",
            "_references",
            "_message_id",
            "parentID",
            "threadKey",
            "ctype",
            "cenc",
            "decoded",
            "_lang",
            "body",
            "__listname",
        ] {
            assert!(article.get(attribute).is_some(), "{id}: {attribute}");
        }
    }
    let answer = &articles["answer@x"];
    assert_eq!(answer["parentID"], "first@x");
    let above = articles["first@x"]["threadKey"].as_str().unwrap();
    assert!(answer["threadKey"].as_str().unwrap().starts_with(above), "{answer}");
    assert_eq!(answer["decoded"]["author"], "J\u{f6}rg");
    assert_eq!(answer["author"], "=?utf-8?b?SsO2cmc=?=");
    assert_eq!(articles["3"]["_message_id"], "<same@x>");
    for (index, parts) in [("date", 2), ("author", 3), ("subject", 3), ("thread", 2)] {
        let index = marshalled(&archive.join(format!("database/2024-March-{index}")));
        assert_eq!(index.root().entries().len(), 4);
        for (key, id) in index.root().entries() {
            assert_eq!(key.items().count(), parts);
            assert!(articles.contains_key(&*id.to_text_lossy()));
        }
    }
    // Pipermail moves the text between these lines into a page of the list's charset.
    let page = fs::read_to_string(archive.join("2024-March/000000.html")).unwrap();
    let text = page.split("<!--beginarticle-->\n").nth(1).unwrap();
    let text = text.split("<!--endarticle-->\n").next().unwrap();
    assert!(text.is_ascii() && text.contains("Gr&#252;&#223;e"), "{text}");
}

#[test]
fn pages_of_posts_that_no_mbox_has_stay_listed() {
    let site = Move::of_sample(&mailman21::site());
    site.import();
    let list = "cafe-talk";
    let old = mailman21::site().join("archives/private").join(list);
    let known: BTreeMap<String, usize> = files_in(&old.join("database"))
        .iter()
        .filter_map(|file| file.strip_suffix("-article"))
        .map(|volume| (volume.to_owned(), articles(&old, volume).len()))
        .collect();
    assert!(known.len() > 2, "{known:?}");
    // As if somebody had truncated the mbox: only new posts are in it.
    let mbox = site.site().join(format!("archives/private/{list}.mbox/{list}.mbox"));
    fs::write(&mbox, "").unwrap();
    let new = site.home.path().join("new.mbox");
    fs::write(&new, MAILS).unwrap();
    site.ok(&["archive", "import", list, new.to_str().unwrap()]);
    let back = site.export();
    let archive = back.join("archives/private").join(list);
    for (volume, number) in &known {
        assert_eq!(articles(&archive, volume).len(), *number, "{volume}");
    }
    assert_eq!(articles(&archive, "2024-March").len(), 4);
    let state = load(&archive.join("pipermail.pck"));
    let state = normal(state.root(), "us-ascii");
    let pages = known.values().sum::<usize>() as f64;
    assert!(state["sequence"].as_f64().unwrap() >= pages + 4.0, "{state}");
    for volume in known.keys().map(String::as_str).chain(["2024-March"]) {
        assert!(state["archives"].as_array().unwrap().contains(&volume.into()), "{volume}");
    }
}

/// Adds a post to an archive like Mailman's runner, for a site in other directories.
const ARCHIVE: &str = r"
import email, os, sys
prefix, site = sys.argv[1:]
sys.path.insert(0, os.path.join(prefix, 'bin'))
import paths
from Mailman import mm_cfg
for name, place in [('LIST_DATA_DIR', 'lists'), ('LOCK_DIR', 'locks'), ('LOG_DIR', 'logs'),
                    ('DATA_DIR', 'data'), ('QUEUE_DIR', 'qfiles'),
                    ('PRIVATE_ARCHIVE_FILE_DIR', 'archives/private'),
                    ('PUBLIC_ARCHIVE_FILE_DIR', 'archives/public')]:
    setattr(mm_cfg, name, os.path.join(site, place))
from Mailman import MailList, Message
mlist = MailList.MailList('talk')
for number, parent in ((1, 'answer@x'), (2, 'same@x')):
    text = '''From: new@example.org
Subject: after the way back %d
Message-ID: <after%d@x>
In-Reply-To: <%s>
Date: Tue, 5 Mar 2024 13:00:0%d +0000

after
''' % (number, number, parent, number)
    mlist.ArchiveMail(email.message_from_string(text, Message.Message))
mlist.Save()
mlist.Unlock()
";

#[test]
fn mailman_itself_archives_after_our_last_post() {
    let Some(mailman) = std::env::var_os("DORMOUSE_MAILMAN") else {
        skipped::skip(format!(
            "{}a Mailman 2.1 (DORMOUSE_MAILMAN names its directory)",
            skipped::ONLY_WHERE_GIVEN
        ));
        return;
    };
    let Some(python) = python27() else { return };
    let (_site, back) = written_for_mailman();
    let run = Command::new(python).args(["-c", ARCHIVE]).arg(mailman).arg(&back).output().unwrap();
    assert!(run.status.success(), "{}", describe(&run));
    let volume = back.join("archives/private/talk/2024-March");
    let read = |file: &str| fs::read_to_string(volume.join(file)).unwrap();
    for (number, text) in
        ["Gr&#252;&#223;e", "first", "one", "two", "after", "after"].iter().enumerate()
    {
        let page = format!("{number:06}.html");
        assert!(read(&page).contains(text), "{page}: {}", read(&page));
        for index in ["thread", "date", "author", "subject"] {
            assert!(read(&format!("{index}.html")).contains(&page), "{index}: {page}");
        }
    }
    let threads = read("thread.html");
    let at = |page: &str| threads.find(page).unwrap();
    assert!(at("000001") < at("000000") && at("000000") < at("000004"), "{threads}");
    assert!(at("000004") < at("000002") && at("000002") < at("000005"), "{threads}");
}

#[test]
fn confirmations_have_everything_that_mailman_requires() {
    let site = Move::of_fixture(Python::Two);
    site.import();
    let pending = load(&site.export().join("lists/dev/pending.pck"));
    let mut described = 0;
    for (_, record) in pending.root().entries() {
        let Some(state) = record.items().nth(1).and_then(Value::state) else { continue };
        assert_eq!(record.items().nth(1).unwrap().class(), Some(("Mailman.UserDesc", "UserDesc")));
        for attribute in ["address", "fullname", "password", "digest", "language"] {
            assert!(state.get(attribute).is_some(), "{attribute}");
        }
        assert!(!state.get("password").unwrap().as_bytes().unwrap().is_empty());
        described += 1;
    }
    assert!(described > 0);
}

#[test]
fn an_export_that_failed_can_be_repeated_and_takes_the_version_before_a_broken_one() {
    let site = Move::of_fixture(Python::Two);
    site.import();
    let dir = site.old().join("lists/dev");
    let good = fs::read(dir.join("config.pck")).unwrap();
    let to = site.home.path().join("back");
    let export = || {
        let args = ["export", "--json", "--mailman2", to.to_str().unwrap(), "--passwords-from"];
        let output = site.run(&[&args[..], &[site.old().to_str().unwrap()]].concat());
        let report: Json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", describe(&output)));
        (output.status.code(), report)
    };
    let password = || {
        let config = load(&to.join("lists/dev/config.pck"));
        let passwords = config.root().get("passwords").unwrap();
        passwords.get("anna@example.org").unwrap().to_text_lossy().into_owned()
    };
    // The version before a damaged one.
    fs::write(dir.join("config.pck.last"), &good).unwrap();
    fs::write(dir.join("config.pck"), &good[..good.len() / 2]).unwrap();
    let (code, report) = export();
    assert_eq!((code, password().as_str()), (Some(0), "secret"), "{report:#}");
    assert!(report["remarks"].to_string().contains("config.pck.last, is used"), "{report:#}");
    // A finished export is never overwritten.
    let again = site.run(&["export", "--mailman2", to.to_str().unwrap()]);
    assert!(describe(&again).contains("is not empty"), "{}", describe(&again));
    // If nothing can be read, that is reported, and everything else is exported.
    fs::remove_dir_all(&to).unwrap();
    fs::write(dir.join("config.pck.last"), "garbage").unwrap();
    let (code, report) = export();
    assert_eq!(code, Some(65));
    assert!(report["problems"].to_string().contains("no passwords are taken"), "{report:#}");
    assert!(password().starts_with("reset-"));
    // An incomplete export is started again; other files are not touched.
    fs::write(to.join("EXPORT-IS-NOT-COMPLETE"), "").unwrap();
    fs::remove_dir_all(to.join("lists")).unwrap();
    fs::write(dir.join("config.pck"), &good).unwrap();
    assert_eq!(export().0, Some(0));
    assert_eq!(password(), "secret");
    assert!(!to.join("EXPORT-IS-NOT-COMPLETE").exists());
    fs::write(to.join("EXPORT-IS-NOT-COMPLETE"), "").unwrap();
    fs::write(to.join("mine"), "").unwrap();
    let output = site.run(&["export", "--mailman2", to.to_str().unwrap()]);
    assert!(describe(&output).contains("is not empty"), "{}", describe(&output));
    assert!(to.join("lists").exists());
}

#[test]
fn leftover_bounces_count_at_their_own_date() {
    let site = Move::of_fixture(Python::Two);
    for file in files_in(&site.old().join("data")) {
        if file.starts_with("bounce-events-") {
            fs::remove_file(site.old().join("data").join(file)).unwrap();
        }
    }
    let day = |ago: i64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let day = jiff::Timestamp::from_second(now.as_secs() as i64 - ago * 86_400).unwrap();
        day.strftime("%Y-%m-%d").to_string()
    };
    let event = |address: &str, day: &str| {
        let mut parts = day.split('-').map(|part| part.trim_start_matches('0').to_owned());
        let mut part = || parts.next().unwrap();
        format!("(S'dev'\nS'{address}'\n(I{}\nI{}\nI{}\ntNt.", part(), part(), part())
    };
    // The threshold of the list is 3.
    let mut events = String::new();
    for old in ["2019-05-01", "2019-05-02", "2019-05-03", "2019-05-04"] {
        events += &event("anna@example.org", old);
    }
    for ago in [2, 1, 1] {
        events += &event("carl@example.org", &day(ago));
    }
    fs::write(site.old().join("data/bounce-events-00123.pck"), events).unwrap();
    let report = site.import();
    assert_eq!(report["brought"]["bounces"], 3, "{report:#}");
    assert!(report["remarks"].to_string().contains("4 of its bounces are too old"), "{report:#}");
    let store = Store::open(&Site::open(&site.site()).unwrap()).unwrap();
    let list = store.read().list("dev").unwrap().unwrap();
    let state = |address: &str| store.read().bounce_state(list.id, address).unwrap().unwrap();
    assert!(state("anna@example.org").is_empty());
    let carl = state("carl@example.org");
    assert_eq!((carl.score, carl.date), (2.0, day(1)));
    let member = store.read().member(list.id, "anna@example.org").unwrap().unwrap();
    assert_eq!(member.delivery, dormouse_store::Delivery::Enabled);
}

#[test]
fn directories_that_are_no_lists_are_named_and_no_problem() {
    let site = Move::of_fixture(Python::Two);
    let lists = site.old().join("lists");
    for name in ["emptydir", "..hidden", ".svn", "backup of dev"] {
        fs::create_dir(lists.join(name)).unwrap();
    }
    fs::write(lists.join("backup of dev/notes"), "").unwrap();
    let report = site.import();
    let remarks = report["remarks"].to_string();
    for name in ["lists/emptydir", "lists/..hidden", "lists/.svn", "lists/backup of dev"] {
        assert!(remarks.contains(name), "{name}: {remarks}");
    }
}

#[test]
fn a_web_server_reads_public_archives_after_an_import() {
    let site = Move::of_sample(&mailman21::site());
    let old = Command::new(DORMOUSE)
        .args(["import", site.old().to_str().unwrap()])
        .env("DORMOUSE_SITE", site.site())
        .output()
        .unwrap();
    assert!(old.status.success(), "{}", describe(&old));
    let mode = |path: &str| fs::metadata(site.site().join(path)).unwrap().permissions().mode();
    for (path, needed) in [
        ("archives", 0o005),
        ("archives/private", 0o001),
        ("archives/public", 0o005),
        ("archives/private/announce", 0o005),
        ("archives/private/announce/2024-January", 0o005),
        ("archives/private/announce/2024-January/000001.html", 0o004),
    ] {
        assert_eq!(mode(path) & needed, needed, "{path}: {:o}", mode(path));
    }
    // One list's archive is private.
    assert_eq!(mode("archives/private/cafe-talk") & 0o007, 0);
    // Directories that are closed later are reported and corrected.
    let closed = ["archives", "archives/public", "archives/private/announce/2024-January"];
    for path in closed {
        let mode = fs::Permissions::from_mode(0o2770);
        fs::set_permissions(site.site().join(path), mode).unwrap();
    }
    let told = String::from_utf8(site.run(&["doctor"]).stdout).unwrap();
    for path in closed {
        assert!(told.contains(&site.site().join(path).display().to_string()), "{path}: {told}");
    }
    let told = String::from_utf8(site.run(&["doctor", "--fix"]).stdout).unwrap();
    assert!(told.contains("a web server can read the public ones"), "{told}");
    assert_eq!(mode("archives") & 0o007, 5);
}

#[test]
fn passwords_by_pbkdf2_are_checked_and_forms_that_nobody_knows_are_named() {
    // The fork's hash of `secret`.
    const HASH: &str = "$pbkdf2$sha256$1000$000102030405060708090a0b0c0d0e0f$4efb2bbb6d2eb58ea8deaed54417ae2fd87fd50a8a8568709363da60d4560606";
    let site = Move::of_fixture(Python::Two);
    let list = site.old().join("lists/dev/config.pck");
    let with = |hash: &str| {
        let changed = fixture::CONFIG
            .replace("e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4", hash)
            .replace("'anna@example.org': 'secret'", &format!("'anna@example.org': '{HASH}'"));
        fs::write(&list, fixture::pickle(&fixture::value(&changed), Python::Two)).unwrap();
    };
    with(HASH);
    fs::write(site.old().join("data/adm.pw"), format!("{HASH}\n")).unwrap();
    fs::write(site.old().join("data/creator.pw"), "{PKCS5S2}dGhpcw==\n").unwrap();
    let report = site.import();
    let remarks = report["remarks"].to_string();
    assert!(remarks.contains("data/creator.pw") && remarks.contains("{PKCS5S2}"), "{remarks}");
    assert!(!remarks.contains("data/adm.pw"), "{remarks}");
    let store = Store::open(&Site::open(&site.site()).unwrap()).unwrap();
    let dev = store.read().list("dev").unwrap().unwrap();
    let verify = |hash: &str| dormouse_membership::password::verify(hash, "secret");
    let anna = AddressKey::of("anna@example.org");
    assert!(verify(&dev.settings.password));
    assert!(verify(&store.read().site_password("admin").unwrap().unwrap()));
    assert!(verify(&store.read().member_passwords(dev.id, &anna, &anna).unwrap()[&anna]));
    with("$scrypt$16$abc$def");
    let report = site.import();
    assert!(report["remarks"].to_string().contains("$scrypt$"), "{report:#}");
}

#[test]
fn texts_and_addresses_in_no_charset_are_named_and_go_back_as_they_came() {
    let site = Move::of_fixture(Python::Two);
    let dir = site.old().join("lists/dev");
    // The list's charset is iso-8859-1; these texts become UTF-8, and an address gets a Latin-1
    // letter.
    let changed = fixture::CONFIG
        .replace("Gr\\xfc\\xdfe &#8212; und mehr", "Gr@1@2e")
        .replace("Anna M\\xfcller", "Anna M@1ller")
        .replace("'All about tea'", "'@1ber Tee'")
        .replacen("'carl@example.org': 0", "'c^rl@example.org': 0, 'a&#233;@example.org': 0", 1);
    let mut pickle = fixture::pickle(&fixture::value(&changed), Python::Two);
    for (mark, bytes) in
        [(&b"@1"[..], &b"\xc3\xbc"[..]), (b"@2", b"\xc3\x9f"), (b"c^rl", b"c\xe4rl")]
    {
        let mut found = 0;
        while let Some(at) = pickle.windows(mark.len()).position(|window| window == mark) {
            pickle[at..at + mark.len()].copy_from_slice(bytes);
            found += 1;
        }
        assert!(found > 0, "{mark:?}");
    }
    fs::write(dir.join("config.pck"), pickle).unwrap();
    let report = site.import();
    let remarks = report["remarks"].to_string();
    for words in [
        "description, topics: not in the list's charset (iso-8859-1)",
        "names of members that are not in the list's charset (iso-8859-1): Anna@example.org",
        "addresses with letters beyond ASCII: c\u{e4}rl@example.org",
    ] {
        assert!(remarks.contains(words), "{words}: {remarks}");
    }
    assert_eq!(site.ok(&["list", "show", "dev", "description"]), "Gr\u{fc}\u{df}e\n");
    let members = site.ok(&["member", "ls", "dev"]);
    for address in ["c\u{e4}rl@example.org", "a&#233;@example.org", "Anna M\u{fc}ller"] {
        assert!(members.contains(address), "{address}: {members}");
    }
    let old = load(&dir.join("config.pck"));
    let bytes = |graph: &Graph<'_>, attribute: &str, key: &str| {
        let value = graph.root().get(attribute).unwrap();
        let value = if key.is_empty() { value } else { value.get(key).unwrap() };
        value.as_bytes().unwrap_or_else(|| panic!("{attribute} {key}")).to_vec()
    };
    let addresses = |graph: &Graph<'_>| -> BTreeSet<Vec<u8>> {
        let members = graph.root().get("members").unwrap();
        members.entries().map(|(key, _)| key.as_bytes().unwrap().to_vec()).collect()
    };
    let back = load(&site.export().join("lists/dev/config.pck"));
    for (attribute, key) in [("description", ""), ("usernames", "anna@example.org")] {
        assert_eq!(bytes(&back, attribute, key), bytes(&old, attribute, key), "{attribute}");
    }
    assert_eq!(addresses(&back), addresses(&old));
    // A text that was changed here is exported in its current form.
    site.ok(&["list", "set", "dev", "description=\u{fc}ber \u{2603}"]);
    fs::remove_dir_all(site.home.path().join("back")).unwrap();
    let back = load(&site.export().join("lists/dev/config.pck"));
    assert_eq!(bytes(&back, "description", ""), b"\xfcber &#9731;");
}

#[test]
fn defaults_of_new_lists_come_over() {
    let site = Move::of_fixture(Python::Two);
    let own = site.old().join("mm_cfg.py");
    let before = fs::read_to_string(&own).unwrap();
    let code = "DEFAULT_ARCHIVE_PRIVATE = 1\nDEFAULT_MAX_MESSAGE_SIZE = 77\n\
                DEFAULT_BOUNCE_INFO_STALE_AFTER = days(9)\nDEFAULT_LIST_ADVERTISED = No\n\
                DEFAULT_SUBJECT_PREFIX = '{%(real_name)s} '\nDEFAULT_SUBSCRIBE_POLICY = 9\n";
    fs::write(&own, format!("{before}\n{code}")).unwrap();
    let output = site.run(&["import", site.old().to_str().unwrap(), "--json"]);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let problems = report["problems"].to_string();
    assert!(problems.contains("DEFAULT_SUBSCRIBE_POLICY"), "{problems}");
    site.ok(&["list", "create", "new", "--owner", "o@example.org"]);
    for (setting, value) in [
        ("archive_private", "yes"),
        ("max_message_size", "77"),
        ("advertised", "no"),
        ("subject_prefix", "{New}"),
        ("subscribe_policy", "confirm"),
    ] {
        let found = site.ok(&["list", "show", "new", setting]);
        assert_eq!(found.trim(), value, "{setting}");
    }
    let shown = site.ok(&["list", "show", "new", "bounce_info_stale_after"]);
    assert!(shown.trim() == "9d" || shown.contains('9'), "{shown}");
}
