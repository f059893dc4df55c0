//! Files by administrators, and malicious ones.

use dormouse_python_literal::{Expr, Literal, Scope, What, parse, set};
use proptest::prelude::*;

/// The value of the only assignment in a file.
fn value(source: &str) -> Result<Literal, String> {
    let file = parse(format!("x = {source}\n").as_bytes());
    if let Some(problem) = file.problems.first() {
        return Err(problem.to_string());
    }
    match file.statements.as_slice() {
        [statement] => match &statement.what {
            What::Assign { value, .. } => Scope::default().evaluate(value),
            other => Err(format!("{other:?}")),
        },
        other => Err(format!("{other:?}")),
    }
}

fn text(bytes: &[u8]) -> Result<Literal, String> {
    Ok(Literal::Bytes(bytes.to_vec()))
}

#[test]
fn strings_are_read_in_every_notation() {
    assert_eq!(value("'a\\'b'"), text(b"a'b"));
    assert_eq!(value(r#""caf\xc3\xa9\n\101\q""#), text(b"caf\xc3\xa9\nA\\q"));
    assert_eq!(value(r"r'\d\'x'"), text(br"\d\'x"));
    assert_eq!(
        value("\"\"\"one\ntwo \\\"quoted\\\"\nthree\"\"\""),
        text(b"one\ntwo \"quoted\"\nthree")
    );
    assert_eq!(value("'a' \"b\"\\\n 'c'"), text(b"abc"));
    assert_eq!(value("u'\\xe9\\u20ac'"), Ok(Literal::Text("\u{e9}\u{20ac}".into())));
    assert_eq!(value("''"), text(b""));
    assert_eq!(value("'''a\r\nb'''"), text(b"a\nb"));
    assert_eq!(value("u'caf\u{e9}'"), Ok(Literal::Text("caf\u{e9}".into())));
}

#[test]
fn numbers_names_and_containers_are_read() {
    assert_eq!(value("0x1F"), Ok(Literal::Int(31)));
    assert_eq!(value("0660"), Ok(Literal::Int(432)));
    assert_eq!(value("-7L"), Ok(Literal::Int(-7)));
    assert_eq!(value("1e3"), Ok(Literal::Float(1000.0)));
    assert_eq!(value("1.5e-3"), Ok(Literal::Float(0.0015)));
    assert_eq!(value("No"), Ok(Literal::Bool(false)));
    assert_eq!(value("None"), Ok(Literal::None));
    assert_eq!(value("60 * 60 * 24"), Ok(Literal::Int(86_400)));
    assert_eq!(value("-7 / 2"), Ok(Literal::Int(-4)));
    assert_eq!(value("'a' + 'b'"), text(b"ab"));
    assert_eq!(value("['a'] + []"), Ok(Literal::List(vec![Literal::from("a")])));
    assert_eq!(value("('a',)"), Ok(Literal::Tuple(vec![Literal::from("a")])));
    assert_eq!(value("('a')"), text(b"a"));
    assert_eq!(value("()"), Ok(Literal::Tuple(Vec::new())));
    assert_eq!(value("1, 2"), Ok(Literal::Tuple(vec![Literal::Int(1), Literal::Int(2)])));
    assert_eq!(
        value("{'a': [1, # one\n 2],\n}"),
        Ok(Literal::Dict(vec![(
            Literal::from("a"),
            Literal::List(vec![Literal::Int(1), Literal::Int(2)])
        )]))
    );
}

#[test]
fn nothing_is_executed() {
    for source in [
        "open('/etc/passwd')",
        "__import__('os').system('true')",
        "[x for x in y]",
        "unknown",
        "lambda: 1",
    ] {
        assert!(value(source).is_err(), "{source}");
    }
    assert!(value("os.getcwd()").unwrap_err().contains("it calls os.getcwd"));
}

#[test]
fn what_computes_is_computed_as_python_2_does() {
    for (source, expected) in [
        ("'%(a)s-%(b)03d%%' % {'a': 'x', 'b': 7}", "'x-007%'"),
        ("'%5.1f|%-4s|%r' % (2.25, 'ab', 'c')", "\"  2.2|ab  |'c'\""),
        ("7 // 2 - -2 ** 2", "7"),
        ("(1 + 2) * 3 % 5", "4"),
        ("5.0 / 2", "2.5"),
        ("7.5 // 2", "3.0"),
        ("1 << 4 | 3", "19"),
        ("~5 & 0xff ^ 1", "251"),
        ("2 ** 3 ** 2", "512"),
        ("'A.B'.lower() + ', '.join(['a', u'b'])", "'a.ba, b'"),
        ("' a  b '.split()", "['a', 'b']"),
        ("[1, 2, 3][-1]", "3"),
        ("{'a': 1, 'a': 2}[u'a']", "2"),
        ("1 if Yes else 2", "1"),
        ("1 if No else 2 if None else 3", "3"),
        ("not 0 and 'b' or 'c'", "'b'"),
        ("1 or unknown", "1"),
        ("3 == 3.0", "True"),
        ("u'x' != 'x'", "False"),
        ("not 1 == 2", "True"),
        ("'x' * 3", "'xxx'"),
        ("2 * [0]", "[0, 0]"),
    ] {
        assert_eq!(
            value(source).map(|value| value.to_string()),
            Ok(expected.to_owned()),
            "{source}"
        );
    }
    for source in
        ["1 < 2", "1 / 0", "1 % 0", "9 ** 99", "1e308 * 10", "'%q' % 1", "'%d' % 'x'", "[1][5]"]
    {
        assert!(value(source).is_err(), "{source}");
    }
}

#[test]
fn values_do_not_grow_without_end() {
    for source in ["'x' * 999999999", "[[0] * 100000] * 100000", "'%999999999d' % 1"] {
        assert!(value(source).is_ok_and(|value| value.size() < 2000) || value(source).is_err());
    }
}

#[test]
fn problems_name_their_line_and_the_rest_is_read() {
    let file = parse(b"a = 1\nb = = 2\nc = 'open\nd = 4; e = 5\n1 = f\n");
    let problems: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "line 2: a value is missing before =",
            "line 3: a string is opened and never closed",
            "line 5: nothing can be assigned to a number",
        ]
    );
    let is_broken = |what: &What| matches!(what, What::Broken { .. });
    let lines: Vec<(usize, bool)> =
        file.statements.iter().map(|found| (found.line, is_broken(&found.what))).collect();
    assert_eq!(lines, [(1, false), (2, true), (3, true), (4, false), (4, false), (5, true)]);
}

#[test]
fn a_bracket_that_stays_open_is_named_once_by_its_own_line() {
    let file = parse(b"a = 1\nb = [1,\nc = 2\nd = 3\n");
    let problems: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["line 2: a bracket is opened and never closed"]);
    let [_, broken] = file.statements.as_slice() else { panic!("{:?}", file.statements) };
    assert!(matches!(broken.what, What::Broken { .. }) && broken.line == 2, "{broken:?}");
}

#[test]
fn other_statements_are_kept_by_their_first_word_with_their_place() {
    let file = parse(
        b"from Defaults import *\nif True:\n    A = 1\nA.append('x')\nA += [1]\nmlist.b = c = 2\n",
    );
    assert_eq!(file.problems, []);
    let [import, branch, inside, call, augment, chain] = file.statements.as_slice() else {
        panic!("{:?}", file.statements);
    };
    assert_eq!(import.what, What::Other { keyword: "from".into() });
    assert_eq!(branch.what, What::Other { keyword: "if".into() });
    assert_eq!((inside.line, inside.indent), (3, 4));
    assert!(matches!(&call.what, What::Expression(Expr::Call(function, arguments, _))
        if function.dotted().as_deref() == Some("A.append") && arguments.len() == 1));
    assert!(matches!(augment.what, What::Augment { .. }));
    let What::Assign { targets, .. } = &chain.what else { panic!() };
    let names: Vec<_> = targets.iter().filter_map(Expr::dotted).collect();
    assert_eq!(names, ["mlist.b", "c"]);
}

#[test]
fn depth_and_length_have_a_limit() {
    for deep in [
        "[".repeat(100_000),
        "-".repeat(100_000),
        "not ".repeat(100_000),
        format!("1{}", "+1".repeat(100_000)),
        format!("a{}", ".b".repeat(100_000)),
        format!("{}1{}", "(".repeat(500), ")".repeat(500)),
    ] {
        assert!(value(&deep).is_err());
    }
    assert!(value(&format!("{}1{}", "[".repeat(50), "]".repeat(50))).is_ok());
}

fn any_value() -> impl Strategy<Value = Literal> {
    let leaf = prop_oneof![
        Just(Literal::None),
        any::<bool>().prop_map(Literal::Bool),
        (i64::MIN + 1..=i64::MAX).prop_map(Literal::Int),
        prop::num::f64::NORMAL.prop_map(Literal::Float),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Literal::Bytes),
        any::<String>().prop_map(Literal::Text),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Literal::List),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Literal::Tuple),
            prop::collection::vec((inner.clone(), inner), 0..3).prop_map(|pairs| {
                let mut entries = Vec::new();
                pairs.into_iter().for_each(|(key, value)| set(&mut entries, key, value));
                Literal::Dict(entries)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(written in any_value()) {
        prop_assert_eq!(value(&written.to_string()), Ok(written));
    }

    #[test]
    fn no_input_is_too_strange(source in prop::collection::vec(any::<u8>(), 0..200)) {
        parse(&source);
    }

    #[test]
    fn no_python_is_too_strange(source in "([a-z=+\\[\\](){},.:;'\"\\\\0-9#% \n-]|u'|\"\"\"|if ){0,60}") {
        let file = parse(source.as_bytes());
        let lines = source.split('\n').count();
        for statement in &file.statements {
            prop_assert!(statement.line <= lines);
            if let What::Assign { value, .. } | What::Expression(value) = &statement.what {
                let _ = Scope::default().evaluate(value);
            }
        }
    }
}
