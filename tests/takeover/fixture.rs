//! A small Mailman site, written with our own pickles, so that every machine can run these tests.

use dormouse_pickle::{Class, Graph, Made, NodeId, Object, Protocol};
use dormouse_takeover::mm_cfg::{Literal, MmCfg};
use std::fs;
use std::path::Path;

/// The Python that wrote the site.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Python {
    /// Byte strings, protocol 1.
    Two,
    /// Texts, protocol 2, as Mailman's Python 3 fork.
    Three,
}

/// Parses a value in Python's syntax.
pub fn value(source: &str) -> Literal {
    let mut settings = MmCfg::built_in();
    settings.run(&format!("X = {source}\n"));
    assert!(settings.unread.is_empty(), "{:?}", settings.unread);
    settings.get("X").expect("the fixture's own value").clone()
}

/// Adds a value to a graph. A dictionary with `__class__` becomes an instance of that class.
pub fn node(graph: &mut Graph<'static>, value: &Literal, python: Python) -> NodeId {
    let all = |items: &[Literal], graph: &mut Graph<'static>| -> Vec<NodeId> {
        items.iter().map(|item| node(graph, item, python)).collect()
    };
    match value {
        Literal::None => graph.none(),
        Literal::Bool(value) => graph.bool(*value),
        Literal::Int(value) => graph.int(*value),
        Literal::Float(value) => graph.float(*value),
        Literal::Bytes(_) | Literal::Text(_) if python == Python::Two => {
            // Letters up to \xff are bytes, as in Python 2's source.
            let text = value.to_text();
            let bytes = text.chars().map(|letter| u8::try_from(u32::from(letter)));
            match bytes.collect::<Result<Vec<u8>, _>>() {
                Ok(bytes) => graph.bytes(bytes),
                Err(_) => graph.text(text),
            }
        }
        Literal::Bytes(_) | Literal::Text(_) => graph.text(value.to_text()),
        Literal::List(items) => {
            let items = all(items, graph);
            graph.list(items)
        }
        Literal::Tuple(items) => {
            let items = all(items, graph);
            graph.tuple(items)
        }
        Literal::Dict(entries) => {
            let class = entries.iter().find(|(key, _)| key.as_str() == Some("__class__"));
            let pairs = entries
                .iter()
                .filter(|(key, _)| key.as_str() != Some("__class__"))
                .map(|(key, value)| (node(graph, key, python), node(graph, value, python)))
                .collect();
            let dict = graph.dict(pairs);
            let Some((_, class)) = class else { return dict };
            let class = class.to_text();
            let (module, name) = class.rsplit_once('.').expect("module and class");
            let args = graph.tuple(Vec::new());
            let made = match python {
                Python::Two => Made::OldStyle { args },
                Python::Three => Made::NewObj { args },
            };
            let mut object = Object::new(Class::new(module.to_owned(), name.to_owned()), made);
            object.state = Some(dict);
            graph.object(object)
        }
    }
}

/// Returns a value as a pickle.
pub fn pickle(value: &Literal, python: Python) -> Vec<u8> {
    let mut graph = Graph::new();
    let root = node(&mut graph, value, python);
    graph.set_root(root);
    let protocol = if python == Python::Two { Protocol::One } else { Protocol::Two };
    let mut bytes = Vec::new();
    dormouse_pickle::dump(&graph, protocol, &mut bytes).unwrap();
    bytes
}

/// Returns a value as Python 2's `marshal` writes it (docs/spec/pickles.md §9).
pub fn marshal(value: &Literal) -> Vec<u8> {
    let counted = |kind: u8, count: usize| {
        let count = u32::try_from(count).unwrap().to_le_bytes();
        [&[kind][..], &count].concat()
    };
    match value {
        Literal::None => b"N".to_vec(),
        Literal::Bool(value) => if *value { b"T" } else { b"F" }.to_vec(),
        Literal::Int(value) => [b"I".as_slice(), &value.to_le_bytes()].concat(),
        Literal::Float(value) => {
            let text = format!("{value:?}");
            [&[b'f', u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
        }
        Literal::Bytes(_) | Literal::Text(_) => {
            let text = value.to_text();
            let bytes: Vec<u8> =
                text.chars().map(|l| u8::try_from(u32::from(l)).unwrap()).collect();
            [counted(b's', bytes.len()), bytes].concat()
        }
        Literal::List(items) | Literal::Tuple(items) => {
            let kind = if matches!(value, Literal::List(_)) { b'[' } else { b'(' };
            let items = items.iter().flat_map(marshal);
            counted(kind, value.items().unwrap().len()).into_iter().chain(items).collect()
        }
        Literal::Dict(entries) => {
            let pairs = entries.iter().flat_map(|(key, value)| [marshal(key), marshal(value)]);
            std::iter::once(b'{').chain(pairs.flatten()).chain([b'0']).collect()
        }
    }
}

/// The attributes of the fixture's list, as Python source. `\xfc` is a letter of its charset.
pub const CONFIG: &str = r#"{
    'data_version': 112, 'created_at': 1700000000.5, 'volume': 3, 'next_digest_number': 7,
    'digest_last_sent_at': 1700000100, 'last_post_time': 1700000200.25, 'post_id': 12.0,
    'next_post_number': 1, 'next_request_id': 5, 'usenet_watermark': 4711,
    'real_name': 'Dev', 'host_name': 'lists.example.com', 'owner': ['owner@example.org'],
    'web_page_url': 'http://lists.example.com/mailman/', 'preferred_language': 'de',
    'available_languages': ['de', 'en'], 'description': 'Gr\xfc\xdfe &#8212; und mehr',
    'password': 'e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4', 'mod_password': None,
    'reply_goes_to_list': '', 'generic_nonmember_action': 3, 'max_message_size': 64,
    'bounce_score_threshold': 3.0, 'accept_these_nonmembers': ['^.*@partner\\.example$', 'a,b@c.d'],
    'header_filter_rules': [('^x-spam: yes', 3, 0)], 'news_moderation': 2,
    'topics': [('Tea', 'tea|leaf', 'All about tea', 0), ('broken', 'x')],
    'site_code': {'a': [1, (2, None)]}, 'info': 'a\nb\n', 'emergency': True,
    'members': {'anna@example.org': 'Anna@example.org', 'bert@example.org': 0,
        'carl@example.org': 0},
    'digest_members': {'dora@example.org': 0},
    'passwords': {'anna@example.org': 'secret', 'bert@example.org': 'geheim',
        'dora@example.org': 'dorapw', 'gone@example.org': 'x'},
    'language': {'anna@example.org': 'en', 'bert@example.org': 'de'},
    'usernames': {'anna@example.org': 'Anna M\xfcller', 'dora@example.org': ''},
    'user_options': {'anna@example.org': 264, 'bert@example.org': 128, 'gone@example.org': 2},
    'delivery_status': {'bert@example.org': (4, 1700000300.0)},
    'bounce_info': {'bert@example.org': {'__class__': 'Mailman.Bouncer._BounceInfo',
        'member': 'bert@example.org', 'cookie': 'abcdefabcdefabcdefabcdefabcdefabcdefabcd',
        'score': 4.5, 'date': (2026, 11, 18), 'noticesleft': 2, 'lastnotice': (1970, 1, 2)}},
    'topics_userinterest': {'anna@example.org': ['Tea']},
    'one_last_digest': {'carl@example.org': 0},
    'postings_responses': {'x@example.org': 1800000000.0}, 'admin_responses': {},
    'hold_and_cmd_autoresponses': {'z@example.org': ((2024, 5, 6), 3)},
}"#;

const REQUESTS: &str = r#"{
    'version': (0, 1),
    1: (1, (1700000400.5, 'stranger@outside.example', 'Hello', 'a stranger', 'heldmsg-dev-1.pck',
        {'listname': 'dev', 'received_time': 1700000400.25, 'tolist': 1})),
    2: (2, (1700000500.0, 'eva@example.org', 'Eva', 'evapw', 1, 'en')),
    3: (3, 'bert@example.org'),
    4: (1, (1700000600.0, 'x@y.example', 'lost', 'why', 'heldmsg-dev-4.pck', {})),
}"#;

const PENDING: &str = r#"{
    'version': 2,
    'evictions': {'1111111111111111111111111111111111111111': 1900000000.0,
        '2222222222222222222222222222222222222222': 1900000001.0,
        '3333333333333333333333333333333333333333': 1900000002.0},
    '1111111111111111111111111111111111111111': ('H', 1),
    '2222222222222222222222222222222222222222': ('S', {'__class__': 'Mailman.UserDesc.UserDesc',
        'address': 'Finn@example.org', 'fullname': 'Finn', 'password': 'finnpw', 'digest': 0,
        'language': 'de', 'invitation': 'dev'}),
    '3333333333333333333333333333333333333333': ('C', 'anna@example.org', 'anna@new.example', 1),
}"#;

/// An instance of a message, as held posts are stored.
const MESSAGE: &str = r#"{'__class__': 'Mailman.Message.Message', '__version__': (4, 0, 3),
    '_headers': [('From', 'stranger@outside.example'), ('To', 'dev@lists.example.com'),
        ('Subject', 'Hello')], '_unixfrom': None, '_payload': 'the body\n', '_charset': None,
    'preamble': None, 'epilogue': None, 'defects': [], '_default_type': 'text/plain'}"#;

/// The name of the entry in the fixture's queue `in`.
pub const ENTRY: &str = "1700000700.5+0123456789abcdef0123456789abcdef01234567";

/// Writes the site with one list, `dev`.
pub fn write(root: &Path, python: Python) {
    for dir in [
        "lists/dev/de",
        "data",
        "locks",
        "qfiles/in",
        "qfiles/bad",
        "archives/private/dev.mbox",
        "archives/private/dev/2026-November",
        "archives/public",
        "templates/site/en",
        "templates/de",
    ] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let list = root.join("lists/dev");
    fs::write(list.join("config.pck"), pickle(&value(CONFIG), python)).unwrap();
    fs::write(list.join("config.pck.last"), pickle(&value(CONFIG), python)).unwrap();
    fs::write(list.join("request.pck"), pickle(&value(REQUESTS), python)).unwrap();
    fs::write(list.join("pending.pck"), pickle(&value(PENDING), python)).unwrap();
    fs::write(
        list.join("digest.mbox"),
        "From a@b Mon Nov 23 15:08:03 2026\nSubject: one\n\n>From here\n\n\
         From a@b Mon Nov 23 15:08:04 2026\nSubject: two\n\nx\n\n",
    )
    .unwrap();
    fs::write(list.join("de/postheld.txt"), "Ihre Nachricht wartet.\n").unwrap();
    fs::write(root.join("data/heldmsg-dev-1.pck"), pickle(&value(MESSAGE), python)).unwrap();
    let mut events = Vec::new();
    for day in [17, 18] {
        let source = format!("('dev', 'bert@example.org', (2026, 11, {day}), {MESSAGE})");
        events.extend(pickle(&value(&source), python));
    }
    fs::write(root.join("data/bounce-events-00042.pck"), events).unwrap();
    fs::write(root.join("data/adm.pw"), "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4\n").unwrap();
    let mut entry =
        pickle(&value("'From: a@b.example\\nTo: dev@lists.example.com\\n\\nin flight\\n'"), python);
    entry.extend(pickle(
        &value("{'listname': 'dev', 'received_time': 1700000700.5, '_parsemsg': True, 'version': 3, 'tolist': 1}"),
        python,
    ));
    fs::write(root.join("qfiles/in").join(format!("{ENTRY}.bak")), entry).unwrap();
    fs::write(root.join("qfiles/bad/1700000800.5+00.psv"), "broken").unwrap();
    fs::write(root.join("archives/private/dev.mbox/dev.mbox"), "From a@b\nSubject: old\n\nx\n\n")
        .unwrap();
    fs::write(root.join("archives/private/dev/2026-November/000000.html"), "<p>old</p>").unwrap();
    std::os::unix::fs::symlink("/elsewhere/private/dev", root.join("archives/public/dev")).unwrap();
    fs::write(root.join("templates/site/en/refuse.txt"), "No.\n").unwrap();
    fs::write(
        root.join("mm_cfg.py"),
        "from Defaults import *\nDEFAULT_EMAIL_HOST = 'lists.example.com'\nSMTPHOST = 'mx.example.com'\n\
         SMTPPORT = 2525\nQRUNNERS = [('ArchRunner', 1), ('BounceRunner', 1), ('CommandRunner', 1),\n\
         ('IncomingRunner', 1), ('OutgoingRunner', 4), ('VirginRunner', 1), ('RetryRunner', 1)]\n\
         NNTP_USERNAME = 'lists'\nNNTP_PASSWORD = 'secret'\nDELIVERY_RETRY_WAIT = minutes(30)\nif True:\n    SMTP_MAX_RCPTS = 3\n",
    )
    .unwrap();
}
