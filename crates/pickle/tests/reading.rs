//! How each opcode and each Python type is read, and how a graph is used.

use dormouse_pickle::{Graph, Limits, Made, Protocol, Value, View, dump, load, load_from};

fn read(bytes: &[u8]) -> Graph<'_> {
    let (graph, used) = load(bytes, &Limits::default())
        .unwrap_or_else(|error| panic!("{error}: {}", bytes.escape_ascii()));
    assert_eq!(used, bytes.len());
    graph
}

fn show(value: Value<'_, '_>) -> String {
    let row =
        |values: Vec<Value<'_, '_>>| values.into_iter().map(show).collect::<Vec<_>>().join(" ");
    match value.node() {
        View::Bytes(bytes) => format!("b{:?}", bytes.escape_ascii().to_string()),
        View::ByteArray(bytes) => format!("ba{:?}", bytes.escape_ascii().to_string()),
        View::Text(_) => format!("{:?}", value.to_text_lossy()),
        View::Long(_) => format!("{}L", value.to_text_lossy()),
        View::List(_) => format!("[{}]", row(value.items().collect())),
        View::Tuple(_) => format!("({})", row(value.items().collect())),
        View::Set(_) => format!("set({})", row(value.items().collect())),
        View::FrozenSet(_) => format!("frozenset({})", row(value.items().collect())),
        View::Dict(_) => {
            format!("{{{}}}", row(value.entries().flat_map(|(key, value)| [key, value]).collect()))
        }
        View::Global(class) => format!("{}.{}", class.module, class.name),
        View::Object(object) => {
            let how = match object.made {
                Made::OldStyle { .. } => "old",
                Made::NewObj { .. } => "new",
                Made::NewObjEx { .. } => "newex",
                Made::Reduce { .. } => "call",
            };
            format!("{how} {}.{}", object.class.module, object.class.name)
        }
        _ => value.to_text_lossy().into_owned(),
    }
}

#[test]
fn every_value_opcode_is_read() {
    for (pickle, expected) in [
        (&b"N."[..], "None"),
        (b"I01\n.", "True"),
        (b"I00\n.", "False"),
        (b"I-12\n.", "-12"),
        (b"I12345678901234567890\n.", "12345678901234567890L"),
        (b"L-5L\n.", "-5L"),
        (b"L5\n.", "5L"),
        (b"\x80\x02\x88.", "True"),
        (b"\x80\x02\x89.", "False"),
        (b"K\xff.", "255"),
        (b"M\xff\xff.", "65535"),
        (b"J\xff\xff\xff\xff.", "-1"),
        (b"\x8a\x00.", "0L"),
        (b"\x8a\x02\xff\x00.", "255L"),
        (b"\x8b\x01\x00\x00\x00\xff.", "-1L"),
        (b"F1.5\n.", "1.5"),
        (b"F-inf\n.", "-inf"),
        (b"G\x3f\xf8\x00\x00\x00\x00\x00\x00.", "1.5"),
        (b"S'a\\x00\\n'\n.", "b\"a\\\\x00\\\\n\""),
        (b"S\"it's\"\n.", "b\"it\\\\'s\""),
        (b"U\x01a.", "b\"a\""),
        (b"T\x01\x00\x00\x00a.", "b\"a\""),
        (b"V\xe9\\u0100\n.", "\"éĀ\""),
        (b"X\x02\x00\x00\x00\xc3\xa9.", "\"é\""),
        (b"\x8c\x02\xc3\xa9.", "\"é\""),
        (b"\x8d\x02\x00\x00\x00\x00\x00\x00\x00\xc3\xa9.", "\"é\""),
        (b"C\x01\xe9.", "b\"\\\\xe9\""),
        (b"B\x01\x00\x00\x00a.", "b\"a\""),
        (b"\x8e\x01\x00\x00\x00\x00\x00\x00\x00a.", "b\"a\""),
        (b"\x96\x01\x00\x00\x00\x00\x00\x00\x00a.", "ba\"a\""),
        (b").", "()"),
        (b"(K\x01K\x02t.", "(1 2)"),
        (b"K\x01\x85.", "(1)"),
        (b"K\x01K\x02\x86.", "(1 2)"),
        (b"K\x01K\x02K\x03\x87.", "(1 2 3)"),
        (b"(lI1\na.", "[1]"),
        (b"(K\x01K\x02l.", "[1 2]"),
        (b"](K\x01K\x02eK\x03a.", "[1 2 3]"),
        (b"(dI1\nNs.", "{1 None}"),
        (b"(K\x01Nd.", "{1 None}"),
        (b"}(K\x01K\x02K\x03K\x04uK\x05Ns.", "{1 2 3 4 5 None}"),
        (b"\x8f(K\x01K\x02\x90.", "set(1 2)"),
        (b"(K\x01\x91.", "frozenset(1)"),
        (b"cos\nsystem\n.", "os.system"),
        (b"U\x02osU\x06system\x93.", "os.system"),
        (b"K\x01(K\x02K\x031.", "1"),
        (b"K\x01K\x020.", "1"),
        (b"K\x01(0.", "1"),
        (b"K\x012\x86.", "(1 1)"),
        (b"]q\x05p9\n0g9\nh\x05\x86.", "([] [])"),
        (b"]r\x00\x01\x00\x00j\x00\x01\x00\x00\x86.", "([] [])"),
        (b"]\x94K\x01\x94h\x00\x87.", "([] 1 [])"),
        (b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00K\x01.", "1"),
        (b"(cm\nC\nK\x01o.", "old m.C"),
        (b"(K\x01im\nC\n.", "old m.C"),
        (b"cm\nC\n)\x81.", "new m.C"),
        (b"cm\nC\n)}\x92.", "newex m.C"),
        (b"cos\nsystem\nU\x02ls\x85R.", "call os.system"),
    ] {
        assert_eq!(show(read(pickle).root()), expected, "{}", pickle.escape_ascii());
    }
}

#[test]
fn calls_that_are_data_in_disguise_are_read_as_data() {
    for (pickle, expected) in [
        (&b"c__builtin__\nset\n(](K\x01K\x02etR."[..], "set(1 2)"),
        (b"cbuiltins\nfrozenset\n(]tR.", "frozenset()"),
        (b"c__builtin__\nset\n)R.", "set()"),
        (b"c__builtin__\nset\nU\x01a\x85R.", "call __builtin__.set"),
        (b"c__builtin__\nbytearray\n(X\x03\x00\x00\x00a\xc3\xa9U\x07latin-1tR.", "ba\"a\\\\xe9\""),
        (b"c__builtin__\nbytearray\n)R.", "ba\"\""),
        (b"c__builtin__\nbytes\n)R.", "b\"\""),
        (b"c_codecs\nencode\n(X\x02\x00\x00\x00\xc3\xa9X\x06\x00\x00\x00latin1tR.", "b\"\\\\xe9\""),
        (
            b"c_codecs\nencode\n(X\x02\x00\x00\x00\xc4\x80X\x06\x00\x00\x00latin1tR.",
            "call _codecs.encode",
        ),
        (b"ccopy_reg\n__newobj__\n(cm\nC\nK\x01tR.", "new m.C"),
        (b"ccopyreg\n__newobj_ex__\n(cm\nC\n)}tR.", "newex m.C"),
    ] {
        assert_eq!(show(read(pickle).root()), expected, "{}", pickle.escape_ascii());
    }
}

#[test]
fn an_instance_tells_its_class_and_state() {
    let graph = read(b"(cMailman.Bouncer\n_BounceInfo\no}U\x05scoreG\x3f\xf8\0\0\0\0\0\0sb.");
    let info = graph.root();
    assert_eq!(info.class(), Some(("Mailman.Bouncer", "_BounceInfo")));
    assert_eq!(info.state().and_then(|state| state.get("score")?.as_float()), Some(1.5));
    assert!(info.state().is_some_and(|state| state.get("cookie").is_none()));
}

#[test]
fn a_new_style_instance_of_protocol_0_tells_its_own_class() {
    let graph =
        read(b"ccopy_reg\n_reconstructor\n(cm\nC\nc__builtin__\nobject\nNtR(dS'x'\nI1\nsb.");
    assert_eq!(graph.root().class(), Some(("m", "C")));
    assert_eq!(graph.root().state().and_then(|state| state.get("x")?.as_int()), Some(1));
}

#[test]
fn subclasses_of_list_and_dict_keep_their_items() {
    let graph = read(b"cm\nL\n)\x81(K\x01K\x02eK\x03a.");
    assert_eq!(graph.root().items().filter_map(Value::as_int).collect::<Vec<_>>(), [1, 2, 3]);
    let graph = read(b"cm\nD\n)\x81U\x01aK\x01s.");
    assert_eq!(graph.root().get("a").and_then(Value::as_int), Some(1));
    assert_eq!(graph.root().len(), 1);
}

#[test]
fn strings_are_borrowed_where_they_stand_in_the_input() {
    let input = b"(U\x03abcX\x03\0\0\0defS'ghi'\nVjkl\nt.";
    let graph = read(input);
    for item in graph.root().items() {
        let text = item.as_bytes().unwrap().as_ptr_range();
        assert!(input.as_ptr_range().contains(&text.start), "{item:?}");
    }
}

#[test]
fn the_last_value_of_a_repeated_key_counts() {
    let mut graph = read(b"}(U\x01aK\x01U\x01bK\x02X\x01\0\0\0aK\x03u.");
    let dict = graph.root_id();
    assert_eq!(graph.root().get("a").and_then(Value::as_int), Some(3));
    let four = graph.int(4);
    graph.insert(dict, "a", four);
    assert_eq!(show(graph.root()), "{b\"a\" 1 b\"b\" 2 \"a\" 4}");
    assert_eq!(graph.remove(dict, "a"), Some(four));
    assert_eq!(graph.remove(dict, "a"), None);
    assert_eq!(show(graph.root()), "{b\"b\" 2}");
}

#[test]
fn entries_are_replaced_in_place_or_appended() {
    let mut graph = read(b"}(U\x01aK\x01X\x01\0\0\0bK\x02K\x07Nu.");
    let dict = graph.root_id();
    let (one, two) = (graph.text("one"), graph.bytes(b"two"));
    graph.insert(dict, "b", one);
    graph.insert(dict, "c", two);
    assert_eq!(show(graph.root()), "{b\"a\" 1 \"b\" \"one\" 7 None b\"c\" b\"two\"}");
    graph.retain(dict, |key| key != b"a");
    assert_eq!(show(graph.root()), "{\"b\" \"one\" 7 None b\"c\" b\"two\"}");
}

#[test]
fn numbers_answer_to_the_types_they_can_be_taken_for() {
    let graph = read(b"(I01\nK\x00K\x02\x8a\x01\x05G\x3f\xf8\0\0\0\0\0\0NU\x011t.");
    let values: Vec<_> = graph.root().items().collect();
    let collect = |f: fn(Value<'_, '_>) -> String| values.iter().map(|v| f(*v)).collect::<Vec<_>>();
    assert_eq!(
        collect(|value| format!("{:?}", value.as_bool())),
        ["Some(true)", "Some(false)", "None", "None", "None", "None", "None"]
    );
    assert_eq!(
        collect(|value| format!("{:?}", value.as_int())),
        ["Some(1)", "Some(0)", "Some(2)", "Some(5)", "None", "None", "None"]
    );
    assert_eq!(
        collect(|value| format!("{:?}", value.as_float())),
        ["Some(1.0)", "Some(0.0)", "Some(2.0)", "Some(5.0)", "Some(1.5)", "None", "None"]
    );
}

#[test]
fn two_pickles_back_to_back_are_read_one_after_the_other() {
    let input = b"S'text'\n.(dS'version'\nI3\ns.\njournal";
    let (first, used) = load(input, &Limits::default()).unwrap();
    assert_eq!(first.root().as_bytes(), Some(&b"text"[..]));
    let (second, more) = load(&input[used..], &Limits::default()).unwrap();
    assert_eq!(second.root().get("version").and_then(Value::as_int), Some(3));
    assert_eq!(&input[used + more..], b"\njournal");
}

#[test]
fn a_set_that_grew_by_what_refers_to_it_can_still_be_written() {
    // s = set(); x = C(); x.s = s; s.add(x)
    let graph = read(b"\x8f\x94(cm\nC\n)\x81}U\x01sh\x00sb\x90.");
    for protocol in [Protocol::Zero, Protocol::One, Protocol::Two] {
        let mut out = Vec::new();
        dump(&graph, protocol, &mut out).unwrap();
        assert!(read(&out) == graph, "{}", out.escape_ascii());
    }
}

#[test]
fn equal_strings_of_a_file_are_one_node_and_texts_are_not_byte_strings() {
    let pickle = b"(U\x01aU\x01aX\x01\x00\x00\x00aU\x01bX\x01\x00\x00\x00aU\x00l.";
    let (graph, used) = load_from(&mut &pickle[..], pickle.len(), &Limits::default()).unwrap();
    assert_eq!(used, pickle.len());
    let ids: Vec<_> = graph.root().items().map(|item| item.id()).collect();
    assert_eq!((ids[0], ids[2]), (ids[1], ids[4]));
    assert!(ids[0] != ids[2] && ids[0] != ids[3]);
    assert_eq!(
        graph.root().items().map(show).collect::<Vec<_>>().join(" "),
        r#"b"a" b"a" "a" b"b" "a" b"""#
    );
}

#[test]
fn a_string_of_16_megabytes_is_read_like_a_short_one() {
    for length in [(1 << 24) - 1, 1 << 24] {
        let mut pickle = b"(T".to_vec();
        pickle.extend_from_slice(&(length as u32).to_le_bytes());
        pickle.resize(pickle.len() + length, b'x');
        pickle.extend_from_slice(b"U\x01al.");
        let (borrowed, _) = load(&pickle, &Limits::default()).unwrap();
        let (copied, _) = load_from(&mut &pickle[..], pickle.len(), &Limits::default()).unwrap();
        assert!(borrowed == copied);
        let lengths: Vec<_> =
            copied.root().items().filter_map(|item| Some(item.as_bytes()?.len())).collect();
        assert_eq!(lengths, [length, 1]);
    }
}
