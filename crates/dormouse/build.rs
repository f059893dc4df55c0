//! Links the programs for a fixed address, unless that is turned off.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A position-independent program relocates every pointer in its tables at each start, page by
    // page: half of the page faults of accepting a mail. `--features pie` builds one anyway.
    let is_glibc = var("CARGO_CFG_TARGET_ENV").is_ok_and(|kind| kind == "gnu")
        && var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    let is_static =
        var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|features| features.contains("crt-static"));
    if is_glibc && !is_static && var("CARGO_FEATURE_PIE").is_err() {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
