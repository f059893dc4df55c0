//! What code and documentation cite is there: pages of `docs/spec` and `docs/design` with their
//! sections, and every relative link of a Markdown page.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// All source and documentation files of the project, without what builds leave behind.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![root()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name().into_string().unwrap_or_default();
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && !name.starts_with('.') {
                    waiting.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A citation: `docs/spec/PAGE.md`, perhaps with `§N.N` or a quoted heading behind it.
#[derive(Debug)]
struct Citation<'t> {
    page: &'t str,
    section: Option<&'t str>,
    heading: Option<&'t str>,
}

/// The citations in `text`, in which comment signs and line ends have become blanks.
fn citations(text: &str) -> Vec<Citation<'_>> {
    let mut found = Vec::new();
    for folder in ["docs/spec/", "docs/design/"] {
        for (at, _) in text.match_indices(folder) {
            let rest = &text[at..];
            let Some(end) = rest.find(".md") else { continue };
            let page = &rest[..end + 3];
            if page.contains(|c: char| c.is_whitespace() || c == '`' || c == '*') {
                continue;
            }
            let behind = rest[end + 3..].trim_start();
            let section = behind.strip_prefix('§').map(|number| {
                let end =
                    number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
                number[..end].trim_end_matches('.')
            });
            let heading = behind
                .strip_prefix('"')
                .and_then(|quoted| quoted.split_once('"'))
                .map(|(heading, _)| heading);
            found.push(Citation { page, section, heading });
        }
    }
    found
}

/// Whether the page has a heading with this number, or, for `7.11`, an item or row 11 below heading 7.
fn has_section(page: &str, number: &str) -> bool {
    let numbered = |line: &str, number: &str| {
        line.strip_prefix(number)
            .is_some_and(|rest| rest.starts_with([' ', '.']) || rest.is_empty())
    };
    let heading = |number: &str| {
        page.lines().position(|line| {
            line.starts_with('#') && numbered(line.trim_start_matches(['#', ' ']), number)
        })
    };
    if heading(number).is_some() {
        return true;
    }
    let Some((above, item)) = number.rsplit_once('.') else { return false };
    let Some(start) = heading(above) else { return false };
    page.lines()
        .skip(start + 1)
        .take_while(|line| !line.starts_with("## "))
        .any(|line| numbered(line.trim_start_matches(['|', ' ']), item))
}

/// Whether the page has a heading, or a row of a table, that begins with these words.
fn has_heading(page: &str, words: &str) -> bool {
    page.lines()
        .filter(|line| line.starts_with(['#', '|']))
        .any(|line| line.trim_start_matches(['#', '|', ' ']).starts_with(words))
}

#[test]
fn every_cited_page_and_section_is_there() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in files(&[".rs", ".md", ".sql", ".toml"]) {
        if path.ends_with("tests/citations.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let flat = text
            .lines()
            .map(|line| line.trim_start().trim_start_matches("//!").trim_start_matches("///"))
            .map(|line| line.trim_start_matches("//").trim())
            .collect::<Vec<_>>()
            .join(" ");
        for citation in citations(&flat) {
            seen += 1;
            let problem = match std::fs::read_to_string(root().join(citation.page)) {
                Err(_) => Some("no such page"),
                Ok(page) => {
                    let section =
                        citation.section.is_some_and(|number| !has_section(&page, number));
                    let heading = citation.heading.is_some_and(|words| !has_heading(&page, words));
                    (section || heading).then_some("no such section")
                }
            };
            if let Some(problem) = problem {
                wrong.push(format!("{}: {problem}: {citation:?}", path.display()));
            }
        }
    }
    assert!(seen > 150, "only {seen} citations found: is the search broken?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_relative_link_of_a_page_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in files(&[".md"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            if !path.parent().unwrap().join(target).exists() {
                wrong.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(seen > 20, "only {seen} links found: is the search broken?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_citation_stands_without_its_folder() {
    let mut wrong = Vec::new();
    for path in files(&[".rs"]) {
        if path.ends_with("tests/citations.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let bare = line.replace("docs/spec/", "");
            if bare.contains("spec/") && bare.contains(".md") {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
