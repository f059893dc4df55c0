//! Python reads what we write, and we read what Python writes.

use dormouse_pickle::{Graph, Limits, Node, NodeId, Protocol, Value, View, dump, load};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROTOCOLS: [Protocol; 3] = [Protocol::Zero, Protocol::One, Protocol::Two];

/// The interpreters of a version that really run: pyenv has shims for versions that are not active.
fn interpreters(names: &[&str], version: &str) -> Vec<PathBuf> {
    let mut candidates: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
    let pyenv = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv")));
    if let Some(entries) = pyenv.and_then(|root| std::fs::read_dir(root.join("versions")).ok()) {
        let mut installed: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path().join("bin/python")))
            .collect();
        installed.sort();
        candidates.extend(installed);
    }
    let mut found = HashMap::new();
    for candidate in candidates {
        let script = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
        let Ok(output) = Command::new(&candidate).args(["-c", script]).output() else { continue };
        let reported = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && reported.starts_with(version) {
            found.entry(reported).or_insert(candidate);
        }
    }
    if found.is_empty() {
        skipped::skip(format!("no Python {version}* on this machine"));
    }
    found.into_values().collect()
}

fn run(python: &Path, command: &str, input: &str) -> Vec<String> {
    let probe = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/probe.py");
    let mut child = Command::new(python)
        .args(["-B".as_ref(), probe.as_os_str(), command.as_ref()])
        .env("PYTHONHASHSEED", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{} {command} failed", python.display());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    text.as_bytes().as_chunks::<2>().0.iter().map(|&[a, b]| digit(a) << 4 | digit(b)).collect()
}

/// The same description as `describe` in probe.py, for values of types that have their own node.
fn describe(value: Value<'_, '_>, seen: &mut HashMap<NodeId, usize>, is_python_2: bool) -> String {
    let alone = |value| describe(value, &mut HashMap::new(), is_python_2);
    let known = seen.len();
    match value.node() {
        View::None => return "None".to_owned(),
        View::Bool(value) => return format!("bool:{}", u8::from(value)),
        View::Int(value) => return format!("int:{value}"),
        View::Long(_) if is_python_2 => return format!("long:{}", value.to_text_lossy()),
        View::Long(_) => return format!("int:{}", value.to_text_lossy()),
        View::Float(_) => return format!("float:{}", value.to_text_lossy()),
        View::Bytes(bytes) => return format!("bytes:{}", hex(bytes)),
        View::Text(bytes) => return format!("text:{}", hex(bytes)),
        View::ByteArray(bytes) => return format!("bytearray:{}", hex(bytes)),
        View::Global(class) => return format!("class:{}.{}", class.module, class.name),
        View::Tuple(_) => {}
        _ => {
            if let Some(number) = seen.get(&value.id()) {
                return format!("#{number}");
            }
            seen.insert(value.id(), known);
        }
    }
    let mut row = |value: Value<'_, '_>| {
        let words: Vec<String> =
            value.items().map(|item| describe(item, seen, is_python_2)).collect();
        words.join(" ")
    };
    let sorted = || {
        let mut words: Vec<String> = value.items().map(alone).collect();
        words.sort();
        words.join(" ")
    };
    match value.node() {
        View::Tuple(_) => format!("({})", row(value)),
        View::List(_) => format!("[{}]", row(value)),
        View::Set(_) => format!("set({})", sorted()),
        View::FrozenSet(_) => format!("frozenset({})", sorted()),
        View::Dict(_) => {
            let mut entries: Vec<_> =
                value.entries().map(|(key, value)| (alone(key), value)).collect();
            entries.sort_by(|one, two| one.0.cmp(&two.0));
            let words: Vec<String> = entries
                .into_iter()
                .map(|(key, value)| format!("{key}={}", describe(value, seen, is_python_2)))
                .collect();
            format!("{{{}}}", words.join(" "))
        }
        other => panic!("{} is not plain", other.kind()),
    }
}

/// Python pickles; we read, compare, and write in each of our protocols; Python reads and compares.
fn exchange(python: &Path, is_python_2: bool) {
    let mut written = String::new();
    let mut expected = Vec::new();
    for line in run(python, "emit", "") {
        let [kind, protocol, pickle, description] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let bytes = unhex(pickle);
        let (graph, used) = load(&bytes, &Limits::default())
            .unwrap_or_else(|error| panic!("{error}: {}", bytes.escape_ascii()));
        assert_eq!(used, bytes.len());
        let input = format!("{} in protocol {protocol}", bytes.escape_ascii());
        if kind == "plain" {
            let ours = describe(graph.root(), &mut HashMap::new(), is_python_2);
            assert_eq!(ours, description, "{input}");
        }
        for ours in PROTOCOLS {
            let mut out = Vec::new();
            dump(&graph, ours, &mut out).unwrap();
            assert!(load(&out, &Limits::default()).unwrap().0 == graph, "{input}");
            writeln!(written, "{}", hex(&out)).unwrap();
            expected.push((
                format!("{input}, written as {}", out.escape_ascii()),
                description.to_owned(),
            ));
        }
    }
    assert!(expected.len() > 500, "only {} pickles were exchanged", expected.len());
    let described = run(python, "check", &written);
    assert_eq!(described.len(), expected.len());
    for (found, (input, expected)) in described.iter().zip(&expected) {
        assert_eq!(found, expected, "{input}");
    }
    println!("{}: {} pickles", python.display(), expected.len());
}

#[test]
fn python_2_and_we_read_each_other_at_every_protocol() {
    for python in interpreters(&["python2.7", "python2"], "2.7.") {
        exchange(&python, true);
    }
}

#[test]
fn python_3_and_we_read_each_other_at_every_protocol() {
    for python in interpreters(&["python3"], "3.") {
        exchange(&python, false);
    }
}

#[test]
fn python_2_reads_a_circle_that_we_cut_open_in_our_own_way() {
    let mut graph = Graph::new();
    let lists: Vec<NodeId> = (0..3).map(|_| graph.list(Vec::new())).collect();
    let tuple = graph.tuple(lists.clone());
    for list in lists {
        *graph.node_mut(list) = Node::List(vec![tuple]);
    }
    graph.set_root(tuple);
    for python in interpreters(&["python2.7", "python2"], "2.7.") {
        let mut written = String::new();
        for protocol in PROTOCOLS {
            let mut out = Vec::new();
            dump(&graph, protocol, &mut out).unwrap();
            writeln!(written, "{}", hex(&out)).unwrap();
        }
        let ours = describe(graph.root(), &mut HashMap::new(), true);
        assert_eq!(run(&python, "check", &written), [&ours[..]; 3]);
    }
}

#[test]
fn python_2_tells_our_strings_texts_and_numbers_apart() {
    let mut graph = Graph::new();
    let (name, text) = (graph.bytes(b"caf\xe9"), graph.text("café"));
    let (yes, number) = (graph.bool(true), graph.int(1));
    let (long, float) = (graph.long(1), graph.float(0.1));
    let list = graph.list(vec![name, text, yes, number, long, float, name]);
    graph.set_root(list);
    for python in interpreters(&["python2.7", "python2"], "2.7.") {
        for protocol in PROTOCOLS {
            let mut out = Vec::new();
            dump(&graph, protocol, &mut out).unwrap();
            assert_eq!(
                run(&python, "check", &hex(&out)),
                ["[bytes:636166e9 text:636166c3a9 bool:1 int:1 long:1 float:0.1 bytes:636166e9]"]
            );
        }
    }
}
