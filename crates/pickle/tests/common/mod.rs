//! The pickles of a real Mailman 2.1.39 site.

use std::path::{Path, PathBuf};

/// Every `.pck` file of the samples, or nothing, with a word on why, where there are none.
pub fn sample_pickles() -> Vec<PathBuf> {
    let samples = std::env::var_os("DORMOUSE_SAMPLES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples"),
        PathBuf::from,
    );
    let site = samples.join("mailman21-site");
    if !site.is_dir() {
        println!("skipped: no samples at {}; set DORMOUSE_SAMPLES", site.display());
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut waiting = vec![site];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() && name != "expected" {
                waiting.push(path);
            } else if name.ends_with(".pck") || name.ends_with(".pck.last") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() >= 40, "only {} pickles among the samples", found.len());
    found
}
