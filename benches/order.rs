//! Finds out which functions a run needs, and writes the order in which the linker places them:
//! `cargo bench --bench order` writes `crates/dormouse/start.ld`. Needs valgrind and LLD, which is
//! Rust's linker on x86-64.
//!
//! A run executes a tenth of its program. If these functions are scattered, the kernel reads and maps
//! the whole program, piece by piece. The script names functions without the hashes in their symbols,
//! and the crates that contain them, so it stays useful while the code changes.

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A name with variants that no run executes is left out if they have more bytes than this in all.
const MOST_WASTE: u64 = 20_000;

/// The functions that have the same crate and name: a file pattern, and a section pattern.
type Place = (String, String);

/// A function in the program.
struct Function {
    place: Place,
    start: u64,
    size: u64,
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let home = TempDir::new().unwrap();
    let map = home.path().join("map");
    let program = build(&root, &map);
    let functions = functions(&fs::read_to_string(map).unwrap());
    let site = Site::new(&program, home.path());
    // A run with one post comes first: its functions are placed next to each other.
    let runs = [site.executed("ten"), site.executed("kept"), site.executed("personal")];
    let script = script(&functions, &runs);
    fs::write(root.join("crates/dormouse/start.ld"), script).unwrap();
}

/// Builds the program with its symbols and a map of its sections.
fn build(root: &Path, map: &Path) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["rustc", "--release", "--locked", "-p", "dormouse"]);
    command.args(["--bin", "dormouse-full", "--message-format", "json-render-diagnostics", "--"]);
    command.args(["-C", "strip=none", "-C", &format!("link-arg=-Wl,-Map={}", map.display())]);
    let done = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(done.status.success(), "it does not build");
    let said = String::from_utf8(done.stdout).unwrap();
    let messages =
        said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut programs =
        messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    programs.next_back().expect("a program")
}

/// Returns the functions in a map.
fn functions(map: &str) -> Vec<Function> {
    let found: Vec<Function> = map.lines().filter_map(function).collect();
    assert!(!found.is_empty(), "the map is not one of LLD's");
    found
}

/// Reads a line of a map: `address load-address size alignment file:(section)`.
fn function(line: &str) -> Option<Function> {
    let mut words = line.split_whitespace();
    let mut number = || u64::from_str_radix(words.next()?, 16).ok();
    let (start, _load, size) = (number()?, number()?, number()?);
    let _alignment = words.next()?;
    let (file, section) = words.next()?.strip_suffix(')')?.split_once(":(")?;
    let is_function = section.starts_with(".text.");
    let place = (file_pattern(file)?, section_pattern(section));
    (is_function && size > 0).then_some(Function { place, start, size })
}

/// Returns a pattern for all object files of a crate, in this build and others.
fn file_pattern(file: &str) -> Option<String> {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    let stem = |name: &str| {
        let (stem, hash) = name.rsplit_once('-')?;
        (hash.len() == 16).then(|| stem.to_owned())
    };
    match name.split_once(".rlib(") {
        // Objects in the language C have names of their own.
        Some((_, member)) if !member.contains("-cgu.") && !member.contains(".rcgu.") => {
            let object = member.strip_suffix(')')?;
            Some(format!("*{}", object.rsplit_once('-').map_or(object, |(_, name)| name)))
        }
        Some((library, _)) => Some(format!("*/{}-*", stem(library)?)),
        None => {
            let mut parts = name.split('.');
            let program = stem(parts.next()?)?;
            // After optimization across crates the second part is the crate.
            Some(match parts.next().and_then(stem) {
                Some(origin) => format!("*/{program}-*.{origin}-*"),
                None => format!("*/{program}-*.{program}.*"),
            })
        }
    }
}

/// Returns a section's name without the hash.
fn section_pattern(section: &str) -> String {
    let Some((name, rest)) = section.rsplit_once("17h") else { return section.to_owned() };
    let is_hash = rest.len() > 16 && rest.bytes().take(16).all(|byte| byte.is_ascii_hexdigit());
    if is_hash { format!("{name}17h*") } else { section.to_owned() }
}

/// A site with lists of ten members.
struct Site {
    site: TestSite,
    _sink: Sink,
    profile: PathBuf,
}

impl Site {
    fn new(program: &Path, home: &Path) -> Site {
        let sink = Sink::builder().counting().quick_ack(true).start();
        let site = TestSite::new(program.to_str().unwrap());
        site.ok(&["config", "set", "delivery.url", &sink.url()]);
        let members: Vec<String> = (0..10).map(|number| format!("m{number}@example.org")).collect();
        for (name, settings) in [
            ("ten", &["archive=no", "digestable=no"][..]),
            ("kept", &[]),
            ("personal", &["archive=no", "digestable=no", "personalize=full"]),
        ] {
            site.plain_list(name, &members.iter().map(String::as_str).collect::<Vec<_>>());
            for setting in settings {
                site.ok(&["list", "set", name, setting]);
            }
        }
        Site { site, _sink: sink, profile: home.join("profile") }
    }

    /// Returns the addresses of the instructions that a run with one post to a list executes.
    fn executed(&self, list: &str) -> BTreeSet<u64> {
        let post =
            |subject: &str| message("stranger@example.com", subject, "The dormouse sleeps.\n");
        // The first post creates the list's files.
        for subject in ["hello", "again"] {
            self.site.post(list, &post(subject));
            if subject == "hello" {
                self.site.ok(&["run"]);
            }
        }
        let mut valgrind = Command::new("valgrind");
        let profile = format!("--callgrind-out-file={}", self.profile.display());
        valgrind.args(["--tool=callgrind", "--dump-instr=yes", "--dump-line=no", &profile]);
        valgrind.args(["--compress-pos=no", "--compress-strings=no"]);
        valgrind.arg(self.site.binary()).arg("run").env("DORMOUSE_SITE", self.site.dir());
        assert!(valgrind.stderr(Stdio::null()).status().unwrap().success(), "valgrind fails");
        addresses(&fs::read_to_string(&self.profile).unwrap(), self.site.binary())
    }
}

/// Returns the addresses of a program's executed instructions in a profile.
fn addresses(profile: &str, program: &Path) -> BTreeSet<u64> {
    let object = format!("ob={}", program.display());
    let mut is_ours = false;
    let mut found = BTreeSet::new();
    for line in profile.lines() {
        if line.starts_with("ob=") {
            is_ours = line == object;
        } else if is_ours && let Some(line) = line.strip_prefix("0x") {
            let digits = line.split(' ').next().unwrap_or_default();
            found.insert(u64::from_str_radix(digits, 16).unwrap());
        }
    }
    assert!(!found.is_empty(), "no instruction of {object}");
    found
}

/// Returns the script, which places the functions of the first run first.
fn script(functions: &[Function], runs: &[BTreeSet<u64>]) -> String {
    let mut waste: HashMap<&Place, u64> = HashMap::new();
    let was_executed = |function: &&Function, run: &BTreeSet<u64>| {
        run.range(function.start..function.start + function.size).next().is_some()
    };
    for function in functions {
        if !runs.iter().any(|run| was_executed(&function, run)) {
            *waste.entry(&function.place).or_default() += function.size;
        }
    }
    let mut text = "/* Functions that a run executes. Written by `cargo bench --bench order`. */\n\
                    SECTIONS {\n  .text.start : {\n"
        .to_owned();
    let mut done: HashSet<&Place> = HashSet::new();
    for run in runs {
        let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for function in functions.iter().filter(|function| was_executed(function, run)) {
            let place = &function.place;
            if waste.get(place).is_none_or(|bytes| *bytes <= MOST_WASTE) && done.insert(place) {
                files.entry(&place.0).or_default().insert(&place.1);
            }
        }
        for (file, sections) in files {
            writeln!(text, "    {file}(").unwrap();
            sections.iter().for_each(|section| writeln!(text, "      {section}").unwrap());
            text.push_str("    )\n");
        }
    }
    let bytes: u64 =
        functions.iter().filter(|function| done.contains(&function.place)).map(|f| f.size).sum();
    eprintln!("{} names, {bytes} bytes", done.len());
    text + "  }\n}\nINSERT BEFORE .text;\n"
}
