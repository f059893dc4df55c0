//! No input makes the reader panic, hang or take more than it is allowed.

mod common;

use dormouse_pickle::{Graph, Limits, LoadError, LoadProblem, Protocol, dump, load, load_from};
use proptest::prelude::*;
use std::io::BufReader;

fn refused(bytes: &[u8]) -> LoadError {
    match load(bytes, &Limits::default()) {
        Ok((graph, _)) => panic!("{} was read as {:?}", bytes.escape_ascii(), graph.root()),
        Err(error) => error,
    }
}

/// Checks that a value that was read is within the limits, and can be written and read again, and that
/// a stream of the same bytes is the same value or error.
fn check(input: &[u8], limits: &Limits) {
    // A buffer of three bytes ends within everything.
    let buffered = BufReader::with_capacity(3, input);
    let streamed = load_from(buffered, input.len(), limits);
    match (&streamed, load(input, limits)) {
        (Ok((streamed, used)), Ok((graph, length))) => {
            assert!(*streamed == graph && *used == length, "{}", input.escape_ascii());
        }
        (Err(error), Err(expected)) => assert_eq!(*error, expected),
        (streamed, loaded) => panic!("{streamed:?} and {loaded:?}: {}", input.escape_ascii()),
    }
    let Ok((graph, used)) = load(input, limits) else { return };
    assert!(used <= input.len());
    for protocol in [Protocol::Zero, Protocol::One, Protocol::Two] {
        let mut out = Vec::new();
        dump(&graph, protocol, &mut out)
            .unwrap_or_else(|error| panic!("{error}: {}", input.escape_ascii()));
        let (back, length) = load(&out, &Limits::default())
            .unwrap_or_else(|error| panic!("{error}: {}", input.escape_ascii()));
        assert_eq!(length, out.len());
        assert!(back == graph, "{}\n{}", input.escape_ascii(), out.escape_ascii());
    }
}

#[test]
fn errors_name_the_opcode_the_offset_and_the_reason() {
    for (pickle, message) in [
        (
            &b"](K\x01K"[..],
            "BININT1 at byte 4: the pickle is truncated: 1 bytes are needed and 0 are left",
        ),
        (
            b"]K\x01",
            "end of input at byte 3: the pickle is truncated: 1 bytes are needed and 0 are left",
        ),
        (b"S'abc", "STRING at byte 0: the pickle is truncated: the line does not end"),
        (
            b"T\xff\xff\xff\x7fabc.",
            "BINSTRING at byte 0: the pickle is truncated: 2147483647 bytes are needed and 4 are left",
        ),
        (b"T\xff\xff\xff\xffabc.", "BINSTRING at byte 0: the length -1 is negative"),
        (b"\x8b\x00\x00\x00\x80.", "LONG4 at byte 0: the length -2147483648 is negative"),
        (
            b"X\xff\xff\xff\xffabc.",
            "BINUNICODE at byte 0: the pickle is truncated: 4294967295 bytes are needed and 4 are left",
        ),
        (
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
            "BINBYTES8 at byte 0: the pickle is truncated: 18446744073709551615 bytes are needed and 1 are left",
        ),
        (
            b"\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.",
            "FRAME at byte 0: the pickle is truncated: 9223372036854775807 bytes are needed and 2 are left",
        ),
        (b"\x80\x06N.", "PROTO at byte 0: protocol 6 is unknown; protocols 0 to 5 are supported"),
        (b"Nq\x00h\x01.", "BINGET at byte 3: the memo has nothing at 1"),
        (
            b"Np2147483648\n.",
            "PUT at byte 1: memo index 2147483648 is out of bounds: 2000000 places are allowed",
        ),
        (
            b"Nr\x00\x00\x00\x80.",
            "LONG_BINPUT at byte 1: memo index 2147483648 is out of bounds: 2000000 places are allowed",
        ),
        (b"g4294967295\n.", "GET at byte 0: the memo has nothing at 4294967295"),
        (b"Np-1\n.", "PUT at byte 1: \"-1\" is not a memo index"),
        (b"I12x\n.", "INT at byte 0: \"12x\" is not an integer"),
        (b"Fabc\n.", "FLOAT at byte 0: \"abc\" is not a float"),
        (b"S'abc\n.", "STRING at byte 0: the quoted string is malformed: its quotes do not match"),
        (
            b"X\x03\x00\x00\x00ab\xff.",
            "BINUNICODE at byte 0: the text is malformed 2 bytes into it",
        ),
        (b"Va\\u12\n.", "UNICODE at byte 0: the text is malformed 1 bytes into it"),
        (b"c\xff\nx\n.", "GLOBAL at byte 0: the name of a module or class is malformed"),
        (
            b"U\x02a\nU\x01b\x93.",
            "STACK_GLOBAL at byte 7: the name of a module or class is malformed",
        ),
        (b".", "STOP at byte 0: the stack has too few values"),
        (b"(.", "STOP at byte 1: the stack has too few values"),
        (b"K\x01(a.", "APPEND at byte 3: the stack has too few values"),
        (b"K\x01a.", "APPEND at byte 2: the stack has too few values"),
        (b"(e.", "APPENDS at byte 1: the stack has too few values"),
        (b"t.", "TUPLE at byte 0: there is no mark on the stack"),
        (b"NNa.", "APPEND at byte 2: None was found where a list is needed"),
        (b"}(Nu.", "SETITEMS at byte 3: a key has no value"),
        (b"NNb.", "BUILD at byte 2: None was found where an object is needed"),
        (b"cm\nC\n)\x81NbNb.", "BUILD at byte 10: the object already has a state"),
        (b"(No.", "OBJ at byte 2: None was found where a class is needed"),
        (b"(o.", "OBJ at byte 1: the stack has too few values"),
        (b"N)R.", "REDUCE at byte 2: None was found where a class is needed"),
        (b"cm\nf\nNR.", "REDUCE at byte 6: None was found where a tuple is needed"),
        (b"cm\nC\n)N\x92.", "NEWOBJ_EX at byte 7: None was found where a dictionary is needed"),
        (
            b"Pid\n.",
            "PERSID at byte 0: it refers to a persistent id, which exists only in the program that wrote the pickle",
        ),
        (
            b"NQ.",
            "BINPERSID at byte 1: it refers to a persistent id, which exists only in the program that wrote the pickle",
        ),
        (
            b"\x82\x01.",
            "EXT1 at byte 0: it refers to an extension code, which exists only in the program that wrote the pickle",
        ),
        (
            b"\x97.",
            "NEXT_BUFFER at byte 0: it refers to a buffer, which exists only in the program that wrote the pickle",
        ),
        (b"garbage", "GET at byte 0: the pickle is truncated: the line does not end"),
        (
            b"\xff",
            "unknown opcode at byte 0: 0xff is not an opcode, so this is not a pickle or a damaged one",
        ),
        (b"\x8f\x94(h\x00\x85\x90.", "STOP at byte 7: a set contains itself"),
        (b"\x8f\x94(h\x00\x90.", "STOP at byte 6: a set contains itself"),
    ] {
        assert_eq!(refused(pickle).to_string(), message, "{}", pickle.escape_ascii());
    }
}

#[test]
fn deep_nesting_is_refused_by_the_limit_and_not_by_the_stack() {
    const DEEP: usize = 100_000;
    let lists = [vec![b']'; DEEP], vec![b'a'; DEEP - 1], b".".to_vec()].concat();
    let tuples = [b"N".to_vec(), vec![0x85; DEEP], b".".to_vec()].concat();
    let marks = [vec![b'('; DEEP], vec![b't'; DEEP], b".".to_vec()].concat();
    let states = [b"cm\nC\n)\x81".repeat(DEEP), b"b".repeat(DEEP - 1), b".".to_vec()].concat();
    for pickle in [lists, tuples, marks, states] {
        assert_eq!(refused(&pickle).problem, LoadProblem::TooDeep(1000));
        // Without a limit, nothing overflows the stack: writing, comparing, copying and dropping do
        // not either.
        let limits = Limits { depth: usize::MAX, ..Limits::default() };
        let (graph, _) = load(&pickle, &limits).unwrap();
        let mut out = Vec::new();
        dump(&graph, Protocol::One, &mut out).unwrap();
        assert!(load(&out, &limits).unwrap().0 == graph);
        let mut copy = Graph::new();
        let root = copy.import(graph.root());
        copy.set_root(root);
        assert!(copy == graph);
    }
}

#[test]
fn depth_is_counted_over_shared_values_too() {
    let mut pickle = b"]q\x00".to_vec();
    for _ in 0..1000 {
        // The list so far becomes the item of a new one.
        pickle.extend_from_slice(b"]q\x01h\x00ah\x01q\x000");
    }
    pickle.extend_from_slice(b"h\x00.");
    assert_eq!(refused(&pickle).problem, LoadProblem::TooDeep(1000));
    let exact = Limits { depth: 1001, ..Limits::default() };
    assert!(load(&pickle, &exact).is_ok());
    // A list is put 600 levels deep and only then filled with 600 more levels.
    let chain = |inner: &str| format!("{}{inner}{}", "]".repeat(600), "a".repeat(600));
    let longer = format!("g8\n{}{}0", "]".repeat(600), "a".repeat(600));
    let pickle = format!("]p8\n0{}{longer}.", chain("g8\n"));
    let limit = |depth| Limits { depth, ..Limits::default() };
    assert!(load(pickle.as_bytes(), &limit(1201)).is_ok());
    let error = load(pickle.as_bytes(), &limit(1200)).unwrap_err();
    assert_eq!(error.problem, LoadProblem::TooDeep(1200));
}

#[test]
fn billion_laughs_cost_no_more_than_they_are_long() {
    let mut pickle = b"]q\x00".to_vec();
    for level in 0..100_u8 {
        // A list of ten references to the list before.
        pickle.extend_from_slice(b"](");
        pickle.extend_from_slice(&[b'h', level].repeat(10));
        pickle.extend_from_slice(&[b'e', b'q', level + 1]);
    }
    pickle.push(b'.');
    let (graph, _) = load(&pickle, &Limits::default()).unwrap();
    let mut out = Vec::new();
    dump(&graph, Protocol::One, &mut out).unwrap();
    assert!(out.len() < 2 * pickle.len(), "{}", out.len());
    assert!(load(&out, &Limits::default()).unwrap().0 == graph);
    let mut copy = Graph::new();
    let root = copy.import(graph.root());
    copy.set_root(root);
    assert!(copy == graph);
}

#[test]
fn copies_that_take_no_input_are_charged() {
    // One list of 1000 items, made a set 10,000 times.
    let mut pickle = b"](".to_vec();
    pickle.extend(b"N".repeat(1000));
    pickle.extend_from_slice(b"e\x85q\x00c__builtin__\nset\nq\x01");
    pickle.extend(b"h\x01h\x00R".repeat(10_000));
    pickle.push(b'.');
    assert_eq!(refused(&pickle).problem, LoadProblem::TooManyNodes(4_000_000));
    // One text of 100,000 letters, made a bytearray 10,000 times.
    let mut pickle = b"X\xa0\x86\x01\x00".to_vec();
    pickle.extend(b"a".repeat(100_000));
    pickle.extend_from_slice(b"U\x07latin-1\x86q\x00c__builtin__\nbytearray\nq\x01");
    pickle.extend(b"h\x01h\x00R".repeat(10_000));
    pickle.push(b'.');
    assert_eq!(refused(&pickle).problem, LoadProblem::TooManyNodes(4_000_000));
    // One class of a long name that had to be decoded, instantiated 10,000 times.
    let mut pickle = b"Vm\nV".to_vec();
    pickle.extend(b"\\u0041".repeat(100_000));
    pickle.extend_from_slice(b"\n\x93q\x00)q\x01");
    pickle.extend(b"h\x00h\x01\x81".repeat(10_000));
    pickle.push(b'.');
    assert_eq!(refused(&pickle).problem, LoadProblem::TooManyNodes(4_000_000));
}

#[test]
fn every_limit_is_kept_to_the_unit() {
    let limits = Limits { nodes: 10, memo: 10, depth: 10, long_bytes: 10 };
    type OfSize = dyn Fn(usize) -> Vec<u8>;
    let last_and_first_too_many: [(&OfSize, LoadProblem); 6] = [
        (&|n| [b"N".repeat(n), b".".to_vec()].concat(), LoadProblem::TooManyNodes(10)),
        (
            &|n| [b"N".to_vec(), b"2".repeat(n - 1), b".".to_vec()].concat(),
            LoadProblem::TooManyNodes(10),
        ),
        (
            &|n| format!("Np{}\n.", n - 1).into_bytes(),
            LoadProblem::MemoTooLarge { index: 10, limit: 10 },
        ),
        (
            &|n| [b")".to_vec(), b"\x85".repeat(n - 1), b".".to_vec()].concat(),
            LoadProblem::TooDeep(10),
        ),
        (&|n| [&[0x8a, n as u8][..], &[1; 11][..n], b"."].concat(), LoadProblem::LongTooLong(10)),
        (&|n| format!("L{}L\n.", 1_u128 << (8 * n - 2)).into_bytes(), LoadProblem::LongTooLong(10)),
    ];
    for (pickle, problem) in last_and_first_too_many {
        // Eleven levels would be eleven values too.
        let limits = match problem {
            LoadProblem::TooDeep(_) => Limits { nodes: 20, ..limits },
            _ => limits,
        };
        let (fits, exceeds) = (pickle(10), pickle(11));
        assert!(load(&fits, &limits).is_ok(), "{}", fits.escape_ascii());
        assert_eq!(load(&exceeds, &limits).unwrap_err().problem, problem);
    }
}

#[test]
fn a_decimal_number_of_three_megabytes_is_refused_at_once() {
    for opcode in ["I", "L"] {
        let pickle = format!("{opcode}{}L\n.", "9".repeat(3_000_000));
        assert_eq!(refused(pickle.as_bytes()).problem, LoadProblem::LongTooLong(1024));
    }
}

/// A pickle with a bit of everything, in protocols 0 to 5.
fn motley() -> Vec<Vec<u8>> {
    vec![
        b"(lp1\nS'it\\'s'\nag1\naV\\u0100\xe9\naI01\naL5L\naF1.5\na(dp2\nI1\n(I2\ntsa(iMailman.UserDesc\nUserDesc\np3\n(dS'a'\ng3\nsba.".to_vec(),
        b"](T\x02\0\0\0abX\x02\0\0\0\xc3\xa9q\x01h\x01M\x01\x02J\xff\xff\xff\xffG\x3f\xf8\0\0\0\0\0\0(cm\nC\nK\x01oq\x02}U\x01ah\x02sbc__builtin__\nset\n(](K\x01K\x02etRe.".to_vec(),
        b"\x80\x02](\x88\x89\x8a\x02\x01\x02cm\nC\n)\x81}bK\x01\x85e.".to_vec(),
        b"\x80\x05\x95\x10\0\0\0\0\0\0\0](\x8c\x01a\x94h\x00\x94C\x01b\x8f\x94(K\x01K\x02\x90(\x8c\x01x\x91\x8c\x01m\x8c\x01C\x93)}\x92K\x01K\x02\x86\x96\x01\0\0\0\0\0\0\0ze.".to_vec(),
    ]
}

#[test]
fn a_pickle_cut_at_any_byte_is_refused() {
    for pickle in motley() {
        assert!(load(&pickle, &Limits::default()).is_ok(), "{}", pickle.escape_ascii());
        for length in 0..pickle.len() {
            refused(&pickle[..length]);
        }
    }
    for path in common::sample_pickles() {
        let bytes = std::fs::read(&path).unwrap();
        let (_, used) = load(&bytes, &Limits::default()).unwrap();
        for length in (0..used).step_by(1 + used / 300) {
            refused(&bytes[..length]);
        }
    }
}

/// Opcodes are more likely than other bytes, so that more than the first few are reached.
fn program() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        8 => prop::sample::select(&b"(.012NRabcdeloptsu])}\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94"[..])
            .prop_map(|opcode| vec![opcode]),
        4 => (0..6_u8).prop_map(|index| vec![b'h', index]),
        4 => (0..6_u8).prop_map(|index| vec![b'q', index]),
        2 => prop::sample::select(vec![
            &b"K\x01"[..], b"U\x01a", b"X\x02\0\0\0\xc3\xa9", b"cm\nC\n", b"c__builtin__\nset\n", b"c__builtin__\nbytearray\n",
            b"ccopy_reg\n__newobj__\n", b"ccopy_reg\n__newobj_ex__\n", b"c_codecs\nencode\n", b"U\x07latin-1", b"im\nC\n",
            b"S'a\\n'\n", b"V\\ud83d\n", b"I01\n", b"L-129L\n", b"F0.1\n", b"\x8a\x02\xff\x7f", b"\x80\x04",
        ]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| {
        [b"]q\x00}q\x01)q\x02cm\nC\nq\x03\x8f\x94".to_vec(), pieces.concat(), b".".to_vec()]
            .concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes, &Limits::default());
    }

    #[test]
    fn any_program_is_read_or_refused(bytes in program()) {
        check(&bytes, &Limits::default());
        check(&bytes, &Limits { nodes: 12, memo: 4, depth: 3, long_bytes: 1 });
    }

    #[test]
    fn a_damaged_pickle_is_read_or_refused(
        which in 0..4_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = motley().swap_remove(which);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes, &Limits::default());
    }
}

#[test]
fn damaged_files_of_a_site_are_read_or_refused() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for path in common::sample_pickles() {
        let bytes = std::fs::read(&path).unwrap();
        for _ in 0..20 {
            let mut damaged = bytes.clone();
            for _ in 0..=random(4) {
                let at = random(damaged.len());
                damaged[at] = random(256) as u8;
            }
            check(&damaged, &Limits::default());
        }
    }
}
