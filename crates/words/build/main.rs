//! Turns `po/*.po` into tables: all msgids in one sorted text, and one text of translations for
//! each language, with the end of each entry. Nothing must be parsed when the program starts.

mod plural;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A language's translations by msgid, which follows its context if it has one, as in `.mo` files.
type Translations = BTreeMap<String, String>;

fn main() {
    let po = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../po");
    println!("cargo:rerun-if-changed={}", po.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(&po)
        .unwrap_or_else(|error| panic!("{}: {error}", po.display()))
        .map(|file| file.expect("a directory that can be read").path())
        .filter(|path| path.extension().is_some_and(|end| end == "po"))
        .collect();
    files.sort();
    let mut languages = Vec::new();
    for file in files {
        println!("cargo:rerun-if-changed={}", file.display());
        let catalogue = polib::po_file::parse(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let code = file.file_stem().expect("a file with a name").to_string_lossy().into_owned();
        let rule = plural::to_rust(&catalogue.metadata.plural_rules.expr)
            .unwrap_or_else(|problem| panic!("{}: Plural-Forms: {problem}", file.display()));
        languages.push((code, rule, translations(&catalogue)));
    }
    let ids: BTreeSet<&str> =
        languages.iter().flat_map(|(_, _, texts)| texts.keys().map(String::as_str)).collect();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo"));
    let mut tables = table(&out, "ids", ids.iter().copied());
    let mut rows = String::new();
    for (code, rule, texts) in &languages {
        let found = ids.iter().map(|id| texts.get(*id).map_or("", String::as_str));
        tables.push_str(&table(&out, code, found));
        writeln!(
            rows,
            "    Catalogue {{ code: {code:?}, texts: &{}, form: |n| {rule} }},",
            name_of(code)
        )
        .expect("memory");
    }
    write!(
        tables,
        "/// The languages other than English, by code.\n\
         #[allow(unused_parens, unused_variables, clippy::all)]\n\
         static CATALOGUES: [Catalogue; {}] = [\n{rows}];\n",
        languages.len()
    )
    .expect("memory");
    std::fs::write(out.join("tables.rs"), tables).expect("a target directory to write to");
}

/// The translations of a catalogue, except those marked as fuzzy.
fn translations(catalogue: &polib::catalog::Catalog) -> Translations {
    let done =
        catalogue.messages().filter(|message| message.is_translated() && !message.is_fuzzy());
    done.map(|message| {
        let context = message.msgctxt().filter(|context| !context.is_empty());
        let key = match context {
            Some(context) => format!("{context}\u{4}{}", message.msgid()),
            None => message.msgid().to_owned(),
        };
        let text = match message.msgstr_plural() {
            Ok(forms) => forms.join("\0"),
            Err(_) => message.msgstr().unwrap_or_default().to_owned(),
        };
        (key, text)
    })
    .collect()
}

/// A table of texts: one file with all of them, and the end of each.
fn table<'t>(out: &Path, code: &str, texts: impl Iterator<Item = &'t str>) -> String {
    let (mut all, mut ends) = (String::new(), Vec::new());
    for text in texts {
        all.push_str(text);
        ends.push(all.len().to_string());
    }
    std::fs::write(out.join(format!("{code}.txt")), all).expect("a target directory to write to");
    format!(
        "static {}: Texts = Texts {{ all: include_str!(\"{code}.txt\"), ends: &[{}] }};\n",
        name_of(code),
        ends.join(", ")
    )
}

fn name_of(code: &str) -> String {
    code.to_uppercase().replace(['-', '@'], "_")
}
