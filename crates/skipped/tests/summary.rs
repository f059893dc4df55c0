//! The last test program: prints which tests were skipped, and why. If `DORMOUSE_SKIP_NOTHING` is
//! set, as in CI, this is a failure.

use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    let skipped = skipped::take();
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (test, reason) in &skipped {
        reasons.entry(reason).or_default().push(test);
    }
    if skipped.is_empty() {
        println!("\nno test was skipped");
        return ExitCode::SUCCESS;
    }
    println!("\n{} tests were SKIPPED:", skipped.len());
    for (reason, tests) in reasons {
        println!("  {reason}");
        tests.iter().for_each(|test| println!("    {test}"));
    }
    println!(".ci/run installs what they need.\n");
    let fails = skipped.iter().any(|(_, reason)| !reason.starts_with(skipped::ONLY_WHERE_GIVEN));
    if fails && std::env::var_os("DORMOUSE_SKIP_NOTHING").is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
