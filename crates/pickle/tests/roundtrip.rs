//! A written graph is read back with all its sharing and cycles.

use dormouse_pickle::{
    Class, DumpError, Graph, Limits, Made, Node, NodeId, Object, Protocol, dump, load,
};
use proptest::prelude::*;
use std::borrow::Cow;

const PROTOCOLS: [Protocol; 3] = [Protocol::Zero, Protocol::One, Protocol::Two];

fn written(graph: &Graph<'_>, protocol: Protocol) -> Vec<u8> {
    let mut out = b"before".to_vec();
    dump(graph, protocol, &mut out).unwrap();
    out.split_off(6)
}

fn assert_comes_back(graph: &Graph<'_>) {
    for protocol in PROTOCOLS {
        let mut bytes = written(graph, protocol);
        let length = bytes.len();
        bytes.extend_from_slice(b"behind");
        let (back, used) = load(&bytes, &Limits::default())
            .unwrap_or_else(|error| panic!("{protocol:?}: {error}: {}", bytes.escape_ascii()));
        assert_eq!(used, length);
        assert!(back == *graph, "{protocol:?}: {}\n{graph:?}\n{back:?}", bytes.escape_ascii());
        assert_eq!(written(&back, protocol), bytes[..length]);
    }
}

/// How to create one node. A number chooses another node, modulo the number of candidates.
#[derive(Debug, Clone)]
enum Plan {
    Leaf(Node<'static>),
    Tuple(Vec<usize>),
    FrozenSet(Vec<usize>),
    Set(Vec<usize>),
    List(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    Object { how: usize, args: Vec<usize>, items: Vec<usize>, state: Option<usize> },
}

fn leaf() -> impl Strategy<Value = Node<'static>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        Just(Node::None),
        any::<bool>().prop_map(Node::Bool),
        any::<i64>().prop_map(Node::Int),
        (-300..70_000_i64).prop_map(Node::Int),
        any::<u64>().prop_map(|bits| Node::Float(f64::from_bits(bits))),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Node::Long(bytes.into())),
        bytes().prop_map(|bytes| Node::Bytes(bytes.into())),
        bytes().prop_map(|bytes| Node::ByteArray(bytes.into())),
        any::<String>().prop_map(|text| Node::Text(text.into_bytes().into())),
        Just(Node::Text(Cow::Borrowed(b"\\u0041 \xed\xa0\xbd\n"))),
        Just(Node::Global(Box::new(Class::new("datetime", "datetime")))),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let some = || prop::collection::vec(any::<usize>(), 0..6);
    prop_oneof![
        2 => leaf().prop_map(Plan::Leaf),
        1 => some().prop_map(Plan::Tuple),
        1 => some().prop_map(Plan::FrozenSet),
        1 => some().prop_map(Plan::Set),
        1 => some().prop_map(Plan::List),
        1 => prop::collection::vec(any::<(usize, usize)>(), 0..6).prop_map(Plan::Dict),
        1 => (0..4_usize, some(), some(), any::<Option<usize>>())
            .prop_map(|(how, args, items, state)| Plan::Object { how, args, items, state }),
    ]
}

/// Parts are chosen among earlier nodes, as they must exist; other items among all nodes.
fn build(plans: &[Plan]) -> Graph<'static> {
    let mut graph = Graph::new();
    let mut ids: Vec<NodeId> = vec![graph.root_id()];
    for plan in plans {
        let parts = |chosen: &[usize]| -> Vec<NodeId> {
            chosen.iter().map(|index| ids[index % ids.len()]).collect()
        };
        let node = match plan {
            Plan::Leaf(node) => node.clone(),
            Plan::Tuple(chosen) => Node::Tuple(parts(chosen)),
            Plan::FrozenSet(chosen) => Node::FrozenSet(parts(chosen)),
            Plan::Set(chosen) => Node::Set(parts(chosen)),
            Plan::List(_) => Node::List(Vec::new()),
            Plan::Dict(_) => Node::Dict(Vec::new()),
            Plan::Object { how, args, .. } => {
                let args = graph.tuple(parts(args));
                let made = match how {
                    0 => Made::OldStyle { args },
                    1 => Made::NewObj { args },
                    2 => Made::NewObjEx { args, kwargs: graph.dict(Vec::new()) },
                    _ => Made::Reduce { args },
                };
                Node::Object(Box::new(Object::new(Class::new("some.module", "Thing"), made)))
            }
        };
        ids.push(graph.add(node));
    }
    let all = |chosen: &[usize]| -> Vec<NodeId> {
        chosen.iter().map(|index| ids[index % ids.len()]).collect()
    };
    for (plan, id) in plans.iter().zip(&ids[1..]) {
        match (plan, graph.node_mut(*id)) {
            (Plan::List(chosen), Node::List(items)) => *items = all(chosen),
            (Plan::Dict(chosen), Node::Dict(entries)) => {
                let pairs = chosen.iter().map(|(key, value)| (all(&[*key])[0], all(&[*value])[0]));
                entries.extend(pairs);
            }
            (Plan::Object { items, state, .. }, Node::Object(object)) => {
                object.entries =
                    all(items).as_chunks::<2>().0.iter().map(|&[k, v]| (k, v)).collect();
                object.items = all(items);
                object.state = state.map(|index| all(&[index])[0]);
            }
            _ => {}
        }
    }
    graph.set_root(*ids.last().unwrap());
    graph
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_graph_comes_back_from_every_protocol(plans in prop::collection::vec(plan(), 0..40)) {
        assert_comes_back(&build(&plans));
    }

    #[test]
    fn a_copy_in_another_graph_is_equal(plans in prop::collection::vec(plan(), 0..40)) {
        let original = build(&plans);
        let mut copy = Graph::new();
        let text = copy.text("already there");
        let root = copy.import(original.root());
        copy.set_root(root);
        prop_assert!(copy == original);
        prop_assert_eq!(copy.value(text).as_bytes(), Some(&b"already there"[..]));
        prop_assert!(original.clone().into_owned() == original);
    }

    #[test]
    fn equality_notices_a_changed_leaf(
        plans in prop::collection::vec(plan(), 1..20),
        old in leaf(),
        new in leaf(),
    ) {
        let with = |leaf: &Node<'static>| {
            let mut graph = build(&plans);
            let leaf = graph.add(leaf.clone());
            let root = graph.tuple(vec![graph.root_id(), leaf]);
            graph.set_root(root);
            graph
        };
        let same = {
            let mut alone = [Graph::new(), Graph::new()];
            for (graph, leaf) in alone.iter_mut().zip([&old, &new]) {
                let id = graph.add(leaf.clone());
                graph.set_root(id);
            }
            alone[0] == alone[1]
        };
        prop_assert_eq!(with(&old) == with(&new), same);
    }
}

#[test]
fn a_list_in_itself_comes_back() {
    let mut graph = Graph::new();
    let list = graph.list(Vec::new());
    *graph.node_mut(list) = Node::List(vec![list, list]);
    graph.set_root(list);
    assert_comes_back(&graph);
    assert_eq!(written(&graph, Protocol::One), b"]q\x01(h\x01h\x01e.");
}

#[test]
fn a_tuple_that_contains_itself_through_many_lists_is_written_in_linear_size() {
    let size = |count| {
        let mut graph = Graph::new();
        let lists: Vec<NodeId> = (0..count).map(|_| graph.list(Vec::new())).collect();
        let tuple = graph.tuple(lists.clone());
        for list in lists {
            *graph.node_mut(list) = Node::List(vec![tuple]);
        }
        graph.set_root(tuple);
        assert_comes_back(&graph);
        written(&graph, Protocol::Zero).len()
    };
    assert!(size(2000) < 25 * size(100), "{} and {}", size(2000), size(100));
}

#[test]
fn an_object_may_hold_itself_in_state_items_entries_and_arguments() {
    let mut graph = Graph::new();
    let list = graph.list(Vec::new());
    let args = graph.tuple(vec![list]);
    let kwargs = graph.dict(Vec::new());
    let object = graph.object(Object::new(Class::new("m", "C"), Made::NewObjEx { args, kwargs }));
    graph.insert(kwargs, "self", object);
    *graph.node_mut(list) = Node::List(vec![object]);
    if let Node::Object(made) = graph.node_mut(object) {
        made.items = vec![object];
        made.entries = vec![(object, object)];
        made.state = Some(object);
    }
    graph.set_root(object);
    assert_comes_back(&graph);
}

#[test]
fn two_equal_lists_are_not_one_shared_list() {
    let mut apart = Graph::new();
    let items = vec![apart.list(Vec::new()), apart.list(Vec::new())];
    let root = apart.list(items);
    apart.set_root(root);
    let mut shared = Graph::new();
    let item = shared.list(Vec::new());
    let root = shared.list(vec![item, item]);
    shared.set_root(root);
    assert!(apart != shared);
    assert!(shared != apart);
    let row = |choose: &[usize]| {
        let mut graph = Graph::new();
        let lists = [graph.list(Vec::new()), graph.list(Vec::new())];
        let root = graph.list(choose.iter().map(|index| lists[*index]).collect());
        graph.set_root(root);
        graph
    };
    assert!(row(&[0, 1, 0]) == row(&[1, 0, 1]));
    assert!(row(&[0, 1, 0]) != row(&[0, 1, 1]));
    assert!(row(&[0, 1, 0, 1]) != row(&[0, 1, 1, 0]));
    assert_comes_back(&apart);
    assert_comes_back(&shared);
}

#[test]
fn only_shared_objects_are_written_through_the_memo() {
    let mut graph = Graph::new();
    let (once, twice) = (graph.bytes(b"once"), graph.bytes(b"twice"));
    let number = graph.int(7);
    let root = graph.list(vec![once, twice, number, twice, number]);
    graph.set_root(root);
    assert_eq!(written(&graph, Protocol::One), b"](U\x04onceU\x05twiceq\x01K\x07h\x01K\x07e.");
}

#[test]
fn more_than_256_shared_strings_use_the_long_memo_opcodes() {
    let mut graph = Graph::new();
    let strings: Vec<NodeId> =
        (0..300).map(|index| graph.bytes(format!("string {index}").into_bytes())).collect();
    let root = graph.list([strings.clone(), strings].concat());
    graph.set_root(root);
    assert_comes_back(&graph);
}

#[test]
fn instances_are_written_as_mailman_writes_them() {
    let mut graph = Graph::new();
    let (key, value) = (graph.bytes(b"score"), graph.float(1.5));
    let (state, args) = (graph.dict(vec![(key, value)]), graph.tuple(Vec::new()));
    let class = Class::new("Mailman.Bouncer", "_BounceInfo");
    let mut object = Object::new(class, Made::OldStyle { args });
    object.state = Some(state);
    let object = graph.object(object);
    graph.set_root(object);
    assert_eq!(
        written(&graph, Protocol::Zero),
        b"(iMailman.Bouncer\n_BounceInfo\n(dS'score'\nF1.5\nsb."
    );
    assert_eq!(
        written(&graph, Protocol::One),
        b"(cMailman.Bouncer\n_BounceInfo\no}U\x05scoreG\x3f\xf8\0\0\0\0\0\0sb."
    );
    assert_comes_back(&graph);
}

#[test]
fn integers_beyond_32_bits_are_text_in_every_protocol() {
    for protocol in PROTOCOLS {
        let mut graph = Graph::new();
        let number = graph.int(1 << 40);
        graph.set_root(number);
        let bytes = written(&graph, protocol);
        assert!(bytes.ends_with(b"I1099511627776\n."), "{}", bytes.escape_ascii());
    }
}

#[test]
fn what_can_never_be_made_is_refused_and_leaves_no_half_a_pickle() {
    let mut graph = Graph::new();
    let tuple = graph.tuple(Vec::new());
    let set = graph.add(Node::Set(vec![tuple]));
    *graph.node_mut(tuple) = Node::Tuple(vec![set]);
    let list = graph.list(vec![tuple]);
    graph.set_root(list);
    for protocol in PROTOCOLS {
        let mut out = b"kept".to_vec();
        let error = dump(&graph, protocol, &mut out).unwrap_err();
        assert!(matches!(error, DumpError::PartOfItself { .. }), "{error}");
        assert_eq!(out, b"kept");
    }
}

#[test]
fn malformed_texts_names_and_arguments_are_refused() {
    let mut cases: Vec<(Graph<'_>, &str)> = Vec::new();
    let mut graph = Graph::new();
    let text = graph.add(Node::Text(Cow::Borrowed(b"ab\xff")));
    graph.set_root(text);
    cases.push((graph, "the text of node 1 is malformed 2 bytes into it"));
    let mut graph = Graph::new();
    let class = graph.global(Class::new("os\nsystem", "x"));
    graph.set_root(class);
    cases.push((graph, "\"os\\nsystem\".\"x\" cannot be the name of a class"));
    let mut graph = Graph::new();
    let args = graph.list(Vec::new());
    let object = graph.object(Object::new(Class::new("m", "C"), Made::Reduce { args }));
    graph.set_root(object);
    cases.push((graph, "node 1 (a list) is used as arguments, where a tuple is needed"));
    for (graph, message) in cases {
        for protocol in PROTOCOLS {
            let error = dump(&graph, protocol, &mut Vec::new()).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
