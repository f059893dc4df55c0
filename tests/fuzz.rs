//! Runs the fuzz targets on their corpora, and on truncated and changed samples: on the stable
//! toolchain, in seconds. `cargo +nightly fuzz run TARGET` searches further.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::Path;

/// Returns the samples of a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let found = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    found.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn every_target_takes_its_corpus_whole_cut_and_changed() {
    /// The number of places at which each sample is truncated and changed.
    const PLACES: usize = 48;
    for (name, target) in fuzz::TARGETS {
        eprintln!("{name}");
        let samples = corpus(name);
        assert!(samples.len() >= 3, "{name} has only {} samples", samples.len());
        for sample in samples {
            target(&sample);
            for at in (0..sample.len()).step_by((sample.len() / PLACES).max(1)) {
                target(&sample[..at]);
                for byte in [0, b'\n', b'<', 0xff, sample[at] ^ 0x20] {
                    let mut changed = sample.clone();
                    changed[at] = byte;
                    target(&changed);
                }
            }
        }
    }
}

#[test]
fn every_target_can_be_started_by_cargo_fuzz() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let mut files: Vec<String> = fs::read_dir(fuzz.join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut names = fuzz::TARGETS.map(|(name, _)| name);
    names.sort_unstable();
    assert_eq!(files, names);
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} in fuzz/Cargo.toml");
    }
}
