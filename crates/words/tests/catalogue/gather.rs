//! Finds every text of the program: in its sources, its templates, and the letters of notices.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A text, as catalogues name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub context: String,
    pub id: String,
}

/// What else is known about a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    pub plural: Option<String>,
    /// The files that use it.
    pub files: BTreeSet<String>,
}

pub type Texts = BTreeMap<Key, Use>;

/// The texts of all rooms.
pub fn all(root: &Path) -> Texts {
    let mut texts = Texts::new();
    for room in listed(&root.join("crates")) {
        let needs = std::fs::read_to_string(room.join("Cargo.toml")).unwrap_or_default();
        // The settings of lists are in the store, which does not depend on `words`.
        if !needs.contains("dormouse-words") && !room.ends_with("store") {
            continue;
        }
        for file in walked(&room.join("src")) {
            let name = file.strip_prefix(root).unwrap().display().to_string();
            let of_letters = file.parent().is_some_and(|dir| dir.ends_with("notices/texts/en"));
            if of_letters {
                letter(&mut texts, &file, &name);
            } else if name.ends_with(".rs") && !name.ends_with("/tests.rs") {
                let text = std::fs::read_to_string(&file).unwrap();
                let tokens: TokenStream =
                    text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
                if name.starts_with("crates/store/src/") {
                    of_settings(&mut texts, tokens, &name);
                } else {
                    in_tokens(&mut texts, tokens, &name);
                }
            }
        }
        for file in walked(&room.join("templates")) {
            let name = file.strip_prefix(root).unwrap().display().to_string();
            let text = std::fs::read_to_string(&file).unwrap();
            for (start, end) in [("{{", "}}"), ("{%", "%}")] {
                for part in text.split(start).skip(1) {
                    let code = part.split(end).next().unwrap_or_default().trim_matches(['-', '+']);
                    let tokens = code.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
                    in_tokens(&mut texts, tokens, &name);
                }
            }
        }
    }
    texts
}

fn listed(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn walked(dir: &Path) -> Vec<PathBuf> {
    let walk = |path: PathBuf| if path.is_dir() { walked(&path) } else { vec![path] };
    listed(dir).into_iter().flat_map(walk).collect()
}

/// A letter is one text; of short texts, each line is one.
fn letter(texts: &mut Texts, file: &Path, name: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    let letter = file.file_stem().unwrap().to_str().unwrap();
    if !matches!(letter, "words" | "digest") {
        add(texts, name, letter.to_owned(), text, None);
        return;
    }
    for (key, phrase) in text.lines().filter_map(|line| line.split_once(':')) {
        add(texts, name, format!("{letter} {key}"), phrase.trim().to_owned(), None);
    }
}

fn add(texts: &mut Texts, file: &str, context: String, id: String, plural: Option<String>) {
    assert!(!id.is_empty(), "{file}: nothing is said");
    let entry = texts.entry(Key { context, id: id.clone() }).or_default();
    assert!(
        plural.is_none() || entry.plural.is_none() || entry.plural == plural,
        "{file}: {id:?} has two plurals"
    );
    entry.plural = plural.or(entry.plural.take());
    entry.files.insert(file.to_owned());
}

/// `say("…")`, `rich("…")`, `msgid("…")`, `say_as("…", "…")` and `count("…", "…", …)`, as functions or
/// methods; not those of unit tests.
fn in_tokens(texts: &mut Texts, tokens: TokenStream, file: &str) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if is_test_mark(&tokens[at..]) {
            at += 2;
            // The item that is compiled for tests alone ends with a block or a semicolon.
            while at < tokens.len() {
                let ends = match &tokens[at] {
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    TokenTree::Punct(mark) => mark.as_char() == ';',
                    _ => false,
                };
                at += 1;
                if ends {
                    break;
                }
            }
            continue;
        }
        if let [TokenTree::Ident(name), TokenTree::Group(group), ..] = &tokens[at..] {
            let literals = leading_literals(group.stream());
            match (name.to_string().as_str(), literals.as_slice()) {
                ("say" | "rich" | "msgid", [id, ..]) => {
                    add(texts, file, String::new(), id.clone(), None);
                }
                ("say_as", [context, id, ..]) => {
                    add(texts, file, context.clone(), id.clone(), None);
                }
                ("count", [one, many, ..]) => {
                    add(texts, file, String::new(), one.clone(), Some(many.clone()));
                }
                _ => {}
            }
        }
        if let TokenTree::Group(group) = &tokens[at] {
            in_tokens(texts, group.stream(), file);
        }
        at += 1;
    }
}

/// The settings of lists are documented where they are defined, and pages show this documentation:
/// titles of groups, settings, their values, and the types of these.
fn of_settings(texts: &mut Texts, tokens: TokenStream, file: &str) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.to_string() == text);
    let is_of_lists = file.ends_with("/settings.rs") || file.contains("/settings/");
    for at in 0..tokens.len() {
        if is(at, "KIND") && is(at + 1, ":") {
            // KIND : & 'static str = "…"
            if let Some(TokenTree::Literal(literal)) = tokens.get(at + 7)
                && let Ok(kind) = syn::parse_str::<syn::LitStr>(&literal.to_string())
            {
                add(texts, file, String::new(), kind.value(), None);
            }
        }
        let Some(TokenTree::Group(group)) = tokens.get(at) else { continue };
        let is_macro = |name: &str| at >= 2 && is(at - 2, name) && is(at - 1, "!");
        if is_of_lists && is_macro("list_settings") {
            documented(texts, group.stream(), file);
        } else if is_of_lists && is_macro("choice") {
            for token in group.stream() {
                if let TokenTree::Group(values) = token
                    && values.delimiter() == Delimiter::Brace
                {
                    documented(texts, values.stream(), file);
                }
            }
        } else if is_of_lists && at >= 1 && is(at - 1, "group") {
            if let [_, _, title] = leading_literals(group.stream()).as_slice() {
                add(texts, file, String::new(), title.clone(), None);
            }
        } else {
            of_settings(texts, group.stream(), file);
        }
    }
}

/// The documented items by name: the lines of each are one text.
fn documented(texts: &mut Texts, tokens: TokenStream, file: &str) {
    let mut doc: Vec<String> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
                if let [TokenTree::Ident(name), _, TokenTree::Literal(line)] = tokens.as_slice()
                    && name == "doc"
                {
                    let line = syn::parse_str::<syn::LitStr>(&line.to_string()).unwrap();
                    doc.push(line.value().trim().to_owned());
                }
            }
            TokenTree::Ident(_) if !doc.is_empty() => {
                add(texts, file, String::new(), std::mem::take(&mut doc).join(" "), None);
            }
            _ => {}
        }
    }
}

fn is_test_mark(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(mark), TokenTree::Group(group), ..] = tokens else { return false };
    mark.as_char() == '#' && group.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// The arguments that a call begins with and that are literal texts.
fn leading_literals(arguments: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut tokens = arguments.into_iter();
    while let Some(TokenTree::Literal(literal)) = tokens.next() {
        let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) else { break };
        found.push(text.value());
        match tokens.next() {
            Some(TokenTree::Punct(mark)) if mark.as_char() == ',' => {}
            _ => break,
        }
    }
    found
}
