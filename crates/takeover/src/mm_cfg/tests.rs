use super::*;
use proptest::prelude::*;

fn read(source: &str) -> MmCfg {
    let mut settings = MmCfg::built_in();
    settings.run(source);
    settings
}

fn shown(settings: &MmCfg, name: &str) -> String {
    settings.get(name).map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

#[test]
fn what_computes_is_read() {
    let cases = [
        ("X = 'a' \"b\" '''c'''", "'abc'"),
        ("X = DEFAULT_URL_PATTERN % 'h.example'", "'http://h.example/mailman/'"),
        ("X = '%(a)s-%(b)03d%%' % {'a': 'x', 'b': 7}", "'x-007%'"),
        ("X = '%5.1f|%-4s|%r' % (2.25, 'ab', 'c')", "\"  2.2|ab  |'c'\""),
        ("X = minutes(5)", "300"),
        ("X = days(1) + hours(2) * 3", "108000"),
        ("X = 7 // 2 - -2 ** 2", "7"),
        ("X = (1 + 2) * 3 % 5", "4"),
        ("X = 5.0 / 2", "2.5"),
        ("X = -7 / 2", "-4"),
        ("X = 1 << 4 | 3", "19"),
        ("X = [1, 'a', (2,), {'k': None}, Yes]", "[1, 'a', (2,), {'k': None}, True]"),
        ("X = ()", "()"),
        ("X = 1, 2", "(1, 2)"),
        ("X = Y = 'z'", "'z'"),
        ("X = os.path.join('/a', 'b', 'c')", "'/a/b/c'"),
        ("X = os.path.join('/a', '/b')", "'/b'"),
        ("X = 'A.B'.lower() + ', '.join(['a', 'b'])", "'a.ba, b'"),
        ("X = [1]\nX.append(2); X.insert(0, 0)\nX += [3]", "[0, 1, 2, 3]"),
        ("X = {}\nX['a'] = 1\nX.update({'b': 2})", "{'a': 1, 'b': 2}"),
        ("X = GLOBAL_PIPELINE[-1]", "'ToOutgoing'"),
        ("X = 1 if Yes else 2", "1"),
        ("X = not 0 and 'b' or 'c'", "'b'"),
        ("X = 3 == 3.0", "True"),
        ("X = 0755", "493"),
        ("X = 'x' * 3", "'xxx'"),
        ("X = int('12') # twelve", "12"),
    ];
    for (source, value) in cases {
        let settings = read(source);
        assert_eq!(shown(&settings, "X"), value, "{source}: {:?}", settings.unread);
        assert!(settings.unread.is_empty(), "{source}: {:?}", settings.unread);
    }
}

#[test]
fn what_would_have_to_run_is_named_with_its_line_and_the_settings_it_may_change() {
    let source = "A = 1\nif A:\n    B = 2\n    C.append(3)\nelse:\n    B = 4\nD = open('/x').read()\n\
        E = [x for x in A]\nimport os\nos.system('rm')\nF = 'open\nG = 7\nfrom local import *\n";
    let settings = read(source);
    let lines: Vec<(usize, Vec<String>)> =
        settings.unread.iter().map(|unread| (unread.line, unread.settings.clone())).collect();
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        lines,
        [
            (2, named(&["B", "C"])),
            (5, named(&["B"])),
            (7, named(&["D"])),
            (8, named(&["E"])),
            (10, named(&["os"])),
            (11, named(&["F"])),
            (13, named(&[])),
        ]
    );
    assert_eq!((shown(&settings, "A"), shown(&settings, "G")), ("1".into(), "7".into()));
    assert_eq!(shown(&settings, "B"), "nothing");
}

#[test]
fn virtual_hosts_and_languages_are_kept() {
    let settings = read(
        "VIRTUAL_HOSTS.clear()\nadd_virtualhost('WWW.a.example', 'a.example')\n\
         add_virtualhost('www.b.example')\nadd_language('xx', _('Ex'), 'koi8-r', 'ltr')",
    );
    let hosts = "{'www.a.example': 'a.example', 'www.b.example': 'b.example'}";
    assert_eq!(shown(&settings, "VIRTUAL_HOSTS"), hosts);
    assert_eq!((settings.charset("xx"), settings.charset("de")), ("koi8-r", "iso-8859-1"));
    assert!(settings.unread.is_empty(), "{:?}", settings.unread);
}

#[test]
fn values_do_not_grow_without_end() {
    for source in [
        "X = 'x' * 999999999",
        "X = [[0] * 100000] * 100000",
        "X = 9 ** 99",
        "X = '%999999999d' % 1",
        &format!("X = {}1{}", "(".repeat(5000), ")".repeat(5000)),
        &format!("X = {}1", "-".repeat(5000)),
        &format!("X = 'a'\n{}", "X = X + X\n".repeat(64)),
        "X = 1 / 0",
        "X = 1 % 0",
        "X = -9223372036854775807 - 2",
        "X = 1e308 * 10",
    ] {
        let settings = read(source);
        assert!(settings.get("X").is_none_or(|value| value.size() <= 1 << 21), "{source:.40}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_read_without_a_panic(source: String) {
        read(&source);
    }

    #[test]
    fn pieces_of_python_in_any_order_are_read_without_a_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "X", "=", "'a'", "1", "0x", "(", ")", "[", "]", "{", "}", ":", ",", "%", "+", "**",
            "if ", "else ", "\n", "    ", "'''", "\\", ".append", "minutes(", "not ", "-", ";", "=="
        ]), 0..40)
    ) {
        read(&pieces.concat());
    }

    #[test]
    fn a_value_that_is_written_is_read_back(
        text in "[^\\r]*", number: i32, real in prop::num::f64::NORMAL, flag: bool
    ) {
        let value = Literal::Tuple(vec![
            Literal::from(&*text),
            Literal::List(vec![Literal::Int(number.into()), Literal::Float(real)]),
            Literal::Dict(vec![(Literal::from("k"), Literal::Bool(flag))]),
            Literal::None,
        ]);
        let settings = read(&format!("X = {value}\n"));
        prop_assert_eq!(settings.get("X"), Some(&value), "{:?}", settings.unread);
    }
}
