//! The wake-up and claim protocol on a model, in every order in which things can happen.
//!
//! Messages arrive in `in` at any step; one or two drains claim them, hand them over to `out` and
//! send them, one file operation per step; either may be killed at any step; systemd watches,
//! looks, starts and restarts as measured. In every reachable state:
//! - **nothing is lost or doubled**: a message is in one place, and was handed over at most once;
//! - **nothing is stuck**: if fate does nothing more, everything that arrived is sent;
//! - **nothing spins**: no process works indefinitely without a pause, and after everything is sent
//!   nothing happens at all.
//!
//! Designs that are known to be wrong show that the search finds such faults.
//!
//! # Layout
//! - `world`: the state of files, locks and processes, what fate may do, and what counts as harm.
//! - `drain`: the protocol. `manager`: systemd. `explorer`: the search.

#[path = "wakeup_model/drain.rs"]
mod drain;
#[path = "wakeup_model/explorer.rs"]
mod explorer;
#[path = "wakeup_model/manager.rs"]
mod manager;
#[path = "wakeup_model/world.rs"]
mod world;

use explorer::{Property, explore};
use world::{Fault, Scenario};

/// Explores a whole scenario, in which nothing may be wrong. It must have a minimum number of
/// states: a world that hardly moves proves nothing.
fn all_is_well(at_least: usize, scenario: Scenario) {
    let explored = explore(&scenario).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{explored:?} in {scenario:?}");
    assert!(explored.states >= at_least && explored.steps > explored.states, "{explored:?}");
    assert!(explored.asleep > scenario.messages, "{explored:?}");
}

/// Checks that the search finds a wrong design, and the property that it violates.
fn is_found(fault: Fault, property: Property, scenario: Scenario) {
    let sound = explore(&scenario);
    assert!(sound.is_ok(), "without the fault: {}", sound.unwrap_err());
    let violation =
        explore(&Scenario { fault: Some(fault), ..scenario }).expect_err("a fault is not found");
    assert_eq!(violation.property, property, "{violation}");
    println!("{fault:?}: {violation}");
}

#[test]
fn without_accidents_all_is_well() {
    all_is_well(10_000, Scenario { messages: 2, ..Scenario::CALM });
}

#[test]
fn two_messages_and_two_kills() {
    all_is_well(200_000, Scenario { messages: 2, kills: 2, ..Scenario::CALM });
}

#[test]
fn two_drains_and_three_kills() {
    all_is_well(50_000, Scenario { kills: 3, manual_runs: 1, ..Scenario::CALM });
}

#[test]
fn a_kill_and_a_full_disk_and_a_reload() {
    all_is_well(50_000, Scenario { kills: 1, breakages: 1, reloads: 1, ..Scenario::CALM });
}

#[test]
fn a_kill_and_a_full_disk_and_a_path_unit_that_dies() {
    all_is_well(50_000, Scenario { kills: 1, breakages: 1, path_deaths: 1, ..Scenario::CALM });
}

#[test]
fn an_edge_trigger_leaves_mail_behind() {
    is_found(Fault::EdgeTrigger, Property::Stuck, Scenario { messages: 2, ..Scenario::CALM });
}

#[test]
fn unlinking_before_the_decision_loses_mail() {
    is_found(Fault::UnlinkBeforeDecision, Property::Lost, Scenario { kills: 1, ..Scenario::CALM });
}

#[test]
fn recovery_that_ignores_records_doubles_mail() {
    is_found(
        Fault::RecoveryIgnoresRecords,
        Property::Doubled,
        Scenario { kills: 1, ..Scenario::CALM },
    );
}

#[test]
fn recovery_that_looks_before_it_locks_doubles_mail() {
    is_found(
        Fault::RecoveryLooksTooEarly,
        Property::Doubled,
        Scenario { kills: 1, ..Scenario::CALM },
    );
}

#[test]
fn recovery_that_passes_over_held_records_doubles_mail() {
    is_found(
        Fault::RecoveryPassesOverHeldRecords,
        Property::Doubled,
        Scenario { kills: 1, ..Scenario::CALM },
    );
}

#[test]
fn exiting_with_zero_whatever_is_left_spins() {
    is_found(
        Fault::AlwaysExitsWithZero,
        Property::Spins,
        Scenario { breakages: 1, ..Scenario::CALM },
    );
}

#[test]
fn without_a_sweep_a_killed_drain_leaves_mail() {
    is_found(
        Fault::NoSweep,
        Property::Stuck,
        Scenario { kills: 1, manual_runs: 1, ..Scenario::CALM },
    );
}
