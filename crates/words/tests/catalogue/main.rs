//! The catalogue is complete: `po/dormouse.pot` has every text of the program, and the languages
//! that must be complete have a translation of each, with its fields and its markup.
//!
//! `DORMOUSE_WRITE_POT=1 cargo test -p dormouse-words` rewrites `po/dormouse.pot`.

mod gather;

use gather::{Key, Texts, Use};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The languages that must be complete, in addition to English.
const COMPLETE: [&str; 10] = ["de", "es", "fr", "it", "ja", "nl", "pl", "pt_BR", "ru", "zh_CN"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A text as catalogues write it.
fn quoted(text: &str) -> String {
    let escape = |line: &str| {
        line.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t")
    };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    match lines.as_slice() {
        [] => "\"\"".to_owned(),
        [line] => format!("\"{}\"", escape(line)),
        lines => {
            let lines = lines.iter().map(|line| format!("\n\"{}\"", escape(line)));
            format!("\"\"{}", lines.collect::<String>())
        }
    }
}

fn template(texts: &Texts) -> String {
    let mut pot = "# Texts of dormouse. Translations of them: docs/languages.md.\n\
                   msgid \"\"\nmsgstr \"\"\n\
                   \"Project-Id-Version: dormouse\\n\"\n\
                   \"Language-Team: \\n\"\n\
                   \"MIME-Version: 1.0\\n\"\n\
                   \"Content-Type: text/plain; charset=UTF-8\\n\"\n\
                   \"Content-Transfer-Encoding: 8bit\\n\"\n"
        .to_owned();
    // By file, so that translators see related texts together.
    let mut texts: Vec<(&Key, &Use)> = texts.iter().collect();
    texts.sort_by_key(|(key, text)| (text.files.first(), *key));
    for (key, text) in texts {
        pot.push('\n');
        for file in &text.files {
            writeln!(pot, "#: {file}").unwrap();
        }
        if key.id.contains("%(") {
            pot.push_str("#, python-format\n");
        } else if key.id.contains('{') || text.plural.is_some() {
            pot.push_str("#, python-brace-format\n");
        }
        if !key.context.is_empty() {
            writeln!(pot, "msgctxt {}", quoted(&key.context)).unwrap();
        }
        writeln!(pot, "msgid {}", quoted(&key.id)).unwrap();
        match &text.plural {
            Some(many) => {
                writeln!(pot, "msgid_plural {}\nmsgstr[0] \"\"\nmsgstr[1] \"\"", quoted(many))
                    .unwrap();
            }
            None => pot.push_str("msgstr \"\"\n"),
        }
    }
    pot
}

/// A catalogue's translations: one, or one per form.
fn translations(code: &str) -> BTreeMap<Key, Vec<String>> {
    let file = root().join(format!("po/{code}.po"));
    let catalogue = polib::po_file::parse(&file).unwrap();
    let done =
        catalogue.messages().filter(|message| message.is_translated() && !message.is_fuzzy());
    done.map(|message| {
        let key = Key {
            context: message.msgctxt().unwrap_or_default().to_owned(),
            id: message.msgid().to_owned(),
        };
        let forms = match message.msgstr_plural() {
            Ok(forms) => forms.clone(),
            Err(_) => vec![message.msgstr().unwrap().to_owned()],
        };
        (key, forms)
    })
    .collect()
}

fn codes() -> Vec<String> {
    let files = std::fs::read_dir(root().join("po")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut codes: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".po").map(str::to_owned)).collect();
    codes.sort();
    codes
}

/// Fields, `{name}` and `%(name)s`, and tags, in their order.
fn parts(text: &str) -> (BTreeSet<&str>, Vec<&str>) {
    let between = |start: &'static str, end: char| {
        text.split(start).skip(1).filter_map(move |rest| rest.split_once(end).map(|found| found.0))
    };
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let fields = between("{", '}').chain(between("%(", ')')).filter(is_name).collect();
    let mut tags: Vec<&str> = between("<", '>').collect();
    tags.sort_unstable();
    (fields, tags)
}

#[test]
fn the_template_has_every_text() {
    let texts = gather::all(&root());
    let file = root().join("po/dormouse.pot");
    if std::env::var_os("DORMOUSE_WRITE_POT").is_some() {
        std::fs::write(&file, template(&texts)).unwrap();
    }
    let named = |context: &str, id: &str, plural: Option<&str>| {
        format!("{context} {id:?} {}", plural.unwrap_or_default())
    };
    let found: BTreeSet<String> = texts
        .iter()
        .map(|(key, text)| named(&key.context, &key.id, text.plural.as_deref()))
        .collect();
    let kept = polib::po_file::parse(&file).unwrap();
    let kept: BTreeSet<String> = kept
        .messages()
        .map(|text| {
            let context = text.msgctxt().unwrap_or_default();
            named(context, text.msgid(), text.msgid_plural().ok())
        })
        .collect();
    let only = |here: &BTreeSet<String>, there: &BTreeSet<String>| -> String {
        here.difference(there).map(|text| format!("{text}\n")).collect()
    };
    let (new, old) = (only(&found, &kept), only(&kept, &found));
    assert!(
        new.is_empty() && old.is_empty(),
        "po/dormouse.pot is not up to date (DORMOUSE_WRITE_POT=1 writes it anew).\nNew:\n{new}\nGone:\n{old}"
    );
}

#[test]
fn what_is_promised_to_be_complete_is_complete() {
    let texts = gather::all(&root());
    let codes = codes();
    // The documentation of settings is promised only in English.
    let is_promised = |text: &Use| text.files.iter().any(|file| !file.starts_with("crates/store/"));
    let promised = || texts.iter().filter(|(_, text)| is_promised(text));
    let mut report = String::new();
    for code in COMPLETE {
        assert!(codes.iter().any(|known| known == code), "there is no po/{code}.po");
        let done = translations(code);
        for (key, _) in promised().filter(|(key, _)| !done.contains_key(*key)) {
            writeln!(report, "{code}: missing: {} {:?}", key.context, key.id).unwrap();
        }
        for key in done.keys().filter(|key| !texts.contains_key(*key)) {
            writeln!(report, "{code}: obsolete: {} {:?}", key.context, key.id).unwrap();
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn a_translation_has_the_fields_and_the_markup_of_its_text() {
    let texts = gather::all(&root());
    let mut report = String::new();
    for code in codes() {
        for (key, forms) in translations(&code) {
            let Some(text) = texts.get(&key) else { continue };
            let (fields, tags) = parts(text.plural.as_ref().unwrap_or(&key.id));
            for form in &forms {
                let (mut found, found_tags) = parts(form);
                if text.plural.is_some() {
                    // "One member" needs no number.
                    found.extend(fields.get("count"));
                }
                let ends = |text: &str| (text.starts_with('\n'), text.ends_with('\n'));
                if found != fields || found_tags != tags || ends(form) != ends(&key.id) {
                    writeln!(report, "{code}: {:?}: {form:?}", key.id).unwrap();
                }
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

/// The rules of the languages: Unicode CLDR, Language Plural Rules.
#[test]
fn every_language_has_as_many_forms_as_its_plural_rule_names() {
    for (code, number) in [
        ("ar", 6),
        ("de", 2),
        ("es", 2),
        ("fr", 2),
        ("it", 2),
        ("ja", 1),
        ("nl", 2),
        ("pl", 3),
        ("pt_BR", 2),
        ("ru", 3),
        ("zh_CN", 1),
    ] {
        let file = root().join(format!("po/{code}.po"));
        let catalogue = polib::po_file::parse(&file).unwrap();
        assert_eq!(catalogue.metadata.plural_rules.nplurals, number, "{code}");
        for message in catalogue.messages() {
            if let Ok(forms) = message.msgstr_plural() {
                assert_eq!(forms.len(), number, "{code}: {}", message.msgid());
            }
        }
    }
}

/// Letters are sent unchanged: a line that is too long is not wrapped later.
#[test]
fn lines_of_letters_fit() {
    let texts = gather::all(&root());
    let is_letter = |key: &Key| {
        let files = &texts.get(key).map(|text| text.files.clone()).unwrap_or_default();
        let words = ["words.txt", "digest.txt"];
        files.iter().any(|file| {
            file.contains("/texts/en/") && !words.iter().any(|words| file.ends_with(words))
        })
    };
    for code in codes() {
        for (key, forms) in translations(&code).into_iter().filter(|(key, _)| is_letter(key)) {
            let begins = |text: &str| text.starts_with("Subject: ");
            assert_eq!(begins(&forms[0]), begins(&key.id), "{code}: {}", key.context);
            for line in forms[0].lines() {
                let bare = parts(line)
                    .0
                    .iter()
                    .fold(line.to_owned(), |line, field| line.replace(&format!("%({field})s"), ""));
                // Characters of these scripts are twice as wide.
                let wide = bare.chars().filter(|letter| *letter >= '\u{1100}').count();
                let width = bare.chars().count() + wide;
                assert!(width <= 80, "{code}: {}: {line}", key.context);
            }
        }
    }
}

#[test]
fn gettext_accepts_the_catalogues() {
    let Ok(version) = std::process::Command::new("msgfmt").arg("--version").output() else {
        return skipped::skip("gettext is not installed");
    };
    assert!(version.status.success());
    for code in codes() {
        let file = root().join(format!("po/{code}.po"));
        let checked = std::process::Command::new("msgfmt")
            .args(["--check", "--output-file=/dev/null"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
