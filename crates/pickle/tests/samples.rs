//! The files of a real Mailman site are read, and written again without loss.

mod common;

use dormouse_pickle::{Graph, Limits, Protocol, View, dump, load};

#[test]
fn every_pickle_of_a_site_is_read_and_comes_back_from_every_protocol() {
    let mut pickles = 0;
    for path in common::sample_pickles() {
        let bytes = std::fs::read(&path).unwrap();
        let mut rest = &bytes[..];
        let mut roots = Vec::new();
        while !rest.is_empty() {
            let (graph, used) = load(rest, &Limits::default())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            for protocol in [Protocol::Zero, Protocol::One, Protocol::Two] {
                let mut out = Vec::new();
                dump(&graph, protocol, &mut out).unwrap();
                let (back, length) = load(&out, &Limits::default()).unwrap();
                assert_eq!(length, out.len());
                assert!(back == graph, "{} in {protocol:?}", path.display());
            }
            rest = &rest[used..];
            roots.push(graph);
        }
        check_layout(&path.to_string_lossy(), &roots);
        pickles += roots.len();
    }
    println!("{pickles} pickles read");
}

/// Checks the contents of each kind of file (docs/spec/pickles.md §2, docs/spec/queue.md §3).
fn check_layout(path: &str, roots: &[Graph<'_>]) {
    let is_dict = |graph: &Graph<'_>| matches!(graph.root().node(), View::Dict(_));
    if path.contains("/qfiles/") {
        let [message, metadata] = roots else { panic!("{path} has {} pickles", roots.len()) };
        assert!(is_dict(metadata), "{path}");
        let is_text =
            metadata.root().get("_parsemsg").and_then(|flag| flag.as_bool()) == Some(true);
        assert_eq!(message.root().as_bytes().is_some(), is_text, "{path}");
        if !is_text {
            assert_eq!(message.root().class().unwrap().0, "Mailman.Message", "{path}");
            assert!(message.root().state().unwrap().get("_headers").is_some(), "{path}");
        }
    } else if path.contains("bounce-events") {
        assert!(roots.len() > 1, "{path}");
        assert!(roots.iter().all(|event| event.root().is_sequence() && event.root().len() == 4));
    } else {
        assert_eq!(roots.len(), 1, "{path}");
    }
    if path.contains("/config.pck") {
        let members = roots[0].root().get("members").unwrap();
        assert!(members.entries().all(|(address, _)| address.as_bytes().is_some()), "{path}");
        assert_eq!(roots[0].root().get("data_version").unwrap().as_int(), Some(112), "{path}");
    }
}
