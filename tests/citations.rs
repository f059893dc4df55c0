//! House rules. Everything that code and documentation cite exists: pages of `docs/spec` and
//! `docs/design` with their sections, and relative links in Markdown. Long files and functions say
//! why. Every dependency has an allowed licence. Packages have the program's version and the
//! documented examples; shell scripts pass shellcheck.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Returns all source and documentation files of the project, without build output.
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

/// A citation: `docs/spec/PAGE.md`, perhaps followed by `§N.N` or a quoted heading.
#[derive(Debug)]
struct Citation<'t> {
    page: &'t str,
    section: Option<&'t str>,
    heading: Option<&'t str>,
}

/// Returns the citations in `text`, in which comment signs and line ends have become blanks.
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
fn every_citation_names_its_folder() {
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

/// A line of a comment that explains a long file or function.
const REASON: &str = "Why this is one ";

/// Returns the functions of a source file outside of tests: name, first line and number of lines.
/// It relies on the indentation by rustfmt.
fn functions(text: &str) -> Vec<(&str, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().position(|line| *line == "mod tests {").unwrap_or(lines.len());
    let mut found = Vec::new();
    for (at, line) in lines[..end].iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let words = code.split_whitespace();
        let mut words = words.skip_while(|word| {
            word.starts_with("pub") || matches!(*word, "const" | "async" | "in" | "crate)")
        });
        if words.next() != Some("fn") {
            continue;
        }
        let name = words.next().unwrap_or_default();
        let name = name.split(['(', '<']).next().unwrap_or_default();
        let closing = format!("{indent}}}");
        let length = lines[at..].iter().position(|line| *line == closing);
        // A declaration without a body has no closing line before the next item.
        let is_one_line = code.contains('{') && code.ends_with('}');
        let has_body = !code.ends_with(';') && !is_one_line;
        if let (true, Some(length)) = (has_body, length) {
            found.push((name, at, length + 1));
        }
    }
    found
}

#[test]
fn long_files_and_functions_say_why() {
    let mut wrong = Vec::new();
    for path in files(&[".rs"]) {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        if !shown.starts_with("crates/") || !shown.contains("/src/") || shown.ends_with("tests.rs")
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let head: Vec<&str> = text.lines().take(40).collect();
        let number = text.lines().count();
        if number > 500 && !head.iter().any(|line| line.contains(REASON)) {
            wrong.push(format!("{shown} has {number} lines"));
        }
        let lines: Vec<&str> = text.lines().collect();
        for (name, at, length) in functions(&text) {
            let above = lines[..at].iter().rev().take_while(|line| {
                let line = line.trim_start();
                line.starts_with("//") || line.starts_with('#')
            });
            let says_why = above.into_iter().any(|line| line.contains(REASON));
            if length > 60 && !says_why {
                wrong.push(format!("{shown}:{}: {name} has {length} lines", at + 1));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "split these, or say \"{REASON}file: …\" at the head (docs/style.md):\n{}",
        wrong.join("\n")
    );
}

/// Whether a licence expression (SPDX) can be met by the allowed licences.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    // Old crates write `MIT/Apache-2.0`.
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let (value, rest) = any_of(&words, allowed);
    assert!(rest.is_empty(), "{expression:?} is not understood");
    value
}

fn any_of<'w>(words: &'w [&'w str], allowed: &[&str]) -> (bool, &'w [&'w str]) {
    let (mut value, mut rest) = all_of(words, allowed);
    while let ["OR", more @ ..] = rest {
        let (other, after) = all_of(more, allowed);
        (value, rest) = (value || other, after);
    }
    (value, rest)
}

fn all_of<'w>(words: &'w [&'w str], allowed: &[&str]) -> (bool, &'w [&'w str]) {
    let (mut value, mut rest) = one(words, allowed);
    while let ["AND", more @ ..] = rest {
        let (other, after) = one(more, allowed);
        (value, rest) = (value && other, after);
    }
    (value, rest)
}

fn one<'w>(words: &'w [&'w str], allowed: &[&str]) -> (bool, &'w [&'w str]) {
    match words {
        ["(", rest @ ..] => {
            let (value, rest) = any_of(rest, allowed);
            (value, rest.strip_prefix(&[")"]).expect("a closing parenthesis"))
        }
        [name, "WITH", exception, rest @ ..] => {
            (allowed.contains(&format!("{name} WITH {exception}").as_str()), rest)
        }
        [name, rest @ ..] => (allowed.contains(name), rest),
        [] => panic!("a licence is missing"),
    }
}

#[test]
fn a_licence_expression_needs_one_of_each_alternative() {
    let allowed = ["MIT", "Apache-2.0 WITH LLVM-exception", "ISC"];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT/GPL-3.0", true),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("MIT AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

/// The same as `cargo deny check licenses`, for machines without cargo-deny.
#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let deny = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let list = deny.split_once("allow = [").unwrap().1.split_once(']').unwrap().0;
    let allowed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    // Dependencies of other platforms were never downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", &platform])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{} packages", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(licence, &allowed), "{}: {licence:?}", package["name"]);
    }
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_package_has_the_version_of_the_program() {
    let manifest = text_of("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = "));
    let version = version.unwrap().trim_matches('"');
    let changelog = text_of("debian/changelog");
    assert!(
        changelog.starts_with(&format!("dormouse ({version}) ")),
        "debian/changelog: {version}"
    );
    let spec = text_of("packaging/dormouse.spec");
    let in_spec = spec.lines().find_map(|line| line.strip_prefix("Version:")).unwrap().trim();
    assert_eq!(in_spec, version, "packaging/dormouse.spec");
    assert!(spec.contains(&format!(" - {version}-1\n")), "packaging/dormouse.spec: %changelog");
}

/// Administrators copy these examples, which must protect archives as the documentation says.
#[test]
fn examples_of_the_package_are_those_of_the_documentation() {
    for (example, page, first, last) in [
        ("nginx/dormouse.conf", "installing", "location /pipermail/", "Content-Security-Policy"),
        ("caddy/Caddyfile", "installing", "handle_path /pipermail/", "Content-Security-Policy"),
        ("apache/dormouse.conf", "archives", "Alias /pipermail/", "</Directory>"),
        ("postfix/main.cf.aliases", "installing", "mydestination", "recipient_delimiter"),
        (
            "postfix/main.cf.lmtp",
            "installing",
            "smtpd_recipient_restrictions",
            "unverified_recipient",
        ),
    ] {
        let example_text = text_of(&format!("debian/examples/{example}"));
        let has: Vec<&str> = example_text.lines().map(str::trim).collect();
        let page = text_of(&format!("docs/{page}.md"));
        let documented = page.lines().map(str::trim).skip_while(|line| !line.starts_with(first));
        let mut lines: Vec<&str> = Vec::new();
        for line in documented {
            lines.push(line);
            if line.contains(last) {
                break;
            }
        }
        assert!(lines.len() > 1, "{example}: {first}");
        let missing: Vec<_> = lines.iter().filter(|line| !has.contains(line)).collect();
        assert!(missing.is_empty(), "debian/examples/{example}: {missing:#?}");
    }
}

#[test]
fn every_shell_script_passes_shellcheck() {
    if std::process::Command::new("shellcheck").arg("--version").output().is_err() {
        skipped::skip("shellcheck is not installed");
        return;
    }
    let is_script = |path: &PathBuf| {
        let text = std::fs::read(path).unwrap_or_default();
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        first.starts_with(b"#!") && (first.ends_with(b"/sh") || first.ends_with(b"bash"))
    };
    let mut scripts: Vec<_> = files(&[""]).into_iter().filter(is_script).collect();
    scripts.push(root().join(".ci/run"));
    assert!(scripts.len() > 5, "{scripts:?}");
    let checked = std::process::Command::new("shellcheck").args(&scripts).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
