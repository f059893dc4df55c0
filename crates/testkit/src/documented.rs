//! The configuration that the documentation shows, so that tests can use it.

use std::fs;
use std::path::Path;

/// Returns the code blocks below a heading of a page in `docs/`, up to the next heading of the same
/// or a higher level.
pub fn blocks(page: &str, heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = fs::read_to_string(path).expect("a page of the documentation");
    let rank = |line: &str| line.chars().take_while(|&letter| letter == '#').count();
    let mut blocks: Vec<String> = Vec::new();
    let (mut is_below, mut is_block) = (false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            is_block = !is_block;
            if is_block && is_below {
                blocks.push(String::new());
            }
        } else if is_block {
            if is_below && let Some(block) = blocks.last_mut() {
                block.push_str(line);
                block.push('\n');
            }
        } else if line == heading {
            is_below = true;
        } else if rank(line) > 0 && rank(line) <= rank(heading) {
            is_below = false;
        }
    }
    assert!(!blocks.is_empty(), "{page} has no blocks below {heading}");
    blocks
}

/// Returns the first of these blocks that contains `having`.
pub fn block(page: &str, heading: &str, having: &str) -> String {
    let blocks = blocks(page, heading);
    let found = blocks.iter().find(|block| block.contains(having));
    found.unwrap_or_else(|| panic!("{page} has no block with {having} below {heading}")).clone()
}
