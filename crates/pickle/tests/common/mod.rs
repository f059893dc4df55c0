//! The pickles of a real Mailman 2.1.39 site.

#[path = "../../../../tests/mailman21/unpack.rs"]
mod mailman21;

use std::path::PathBuf;

/// Every `.pck` file of the samples.
pub fn sample_pickles() -> Vec<PathBuf> {
    let site = mailman21::site();
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
