use super::*;
use proptest::prelude::*;

const SHOWN: &str = "\
Id=dormouse.target
ActiveState=active
SubState=active
UnitFileState=enabled
NeedDaemonReload=no

Result=unit-start-limit-hit
Id=dormouse-queue@in.path
ActiveState=failed
SubState=failed
UnitFileState=static
NeedDaemonReload=no

Result=exit-code
Id=dormouse.service
ActiveState=activating
SubState=auto-restart
UnitFileState=static
NeedDaemonReload=no
";

fn known(active: &str, sub: &str, result: &str) -> Live {
    Live::Known {
        active: active.to_owned(),
        sub: sub.to_owned(),
        result: result.to_owned(),
        outdated: false,
        enablement: "static".to_owned(),
        drop_ins: Vec::new(),
    }
}

fn stands(name: &str) -> bool {
    name == TARGET || name.ends_with(".path") || name == "dormouse-sweep.timer"
}

fn mend_of(name: &str, live: &Live) -> Option<String> {
    let remedy = remedy(name, FileState::Installed, Some(live), stands(name), false)?;
    Some(remedy.in_words(&Manager::User))
}

#[test]
fn every_unit_is_read_from_systemctl_show() {
    let shown = parse_show(SHOWN);
    assert_eq!(shown.len(), 3);
    assert_eq!(shown["dormouse.service"], known("activating", "auto-restart", "exit-code"));
    assert!(matches!(&shown[TARGET], Live::Known { enablement, .. } if enablement == "enabled"));
}

#[test]
fn a_dead_path_unit_is_named_with_the_command_that_revives_it() {
    for (active, result) in [("failed", "trigger-limit-hit"), ("inactive", "success")] {
        let mend = mend_of("dormouse-queue@in.path", &known(active, "dead", result)).unwrap();
        assert_eq!(
            mend,
            "systemctl --user reset-failed dormouse-queue@in.path; systemctl --user restart dormouse-queue@in.path"
        );
    }
}

#[test]
fn while_everything_is_paused_the_target_is_what_to_start() {
    let dead = known("inactive", "dead", "success");
    let path = "dormouse-queue@in.path";
    let remedy = remedy(path, FileState::Installed, Some(&dead), true, true);
    assert_eq!(remedy, Some(Remedy::Enable));
    let mend = remedy.map(|remedy| remedy.in_words(&Manager::User));
    assert_eq!(mend.unwrap(), "systemctl --user enable --now dormouse.target");
}

#[test]
fn a_unit_that_is_inactive_until_needed_is_well() {
    let off = known("inactive", "dead", "success");
    for name in [
        "dormouse.service",
        "dormouse-retry.timer",
        "dormouse-retry.service",
        "dormouse-sweep.service",
    ] {
        assert_eq!(mend_of(name, &off), None, "{name}");
    }
    assert!(mend_of("dormouse-sweep.timer", &off).is_some());
    assert_eq!(mend_of("dormouse-queue@in.path", &known("active", "waiting", "success")), None);
}

#[test]
fn a_drain_that_fails_is_not_well() {
    let mend = mend_of("dormouse.service", &known("activating", "auto-restart", "exit-code"));
    assert!(mend.unwrap().contains("journalctl --user --unit=dormouse.service"));
}

#[test]
fn a_masked_unit_is_unmasked_before_anything_else() {
    let masked = |enablement: &str| Live::Known {
        active: "inactive".to_owned(),
        sub: "dead".to_owned(),
        result: "success".to_owned(),
        outdated: true,
        enablement: enablement.to_owned(),
        drop_ins: Vec::new(),
    };
    let path = "dormouse-queue@in.path";
    let unmask = format!("systemctl --user unmask {path}");
    assert_eq!(mend_of(path, &masked("masked")).unwrap(), unmask);
    let for_now = mend_of(path, &masked("masked-runtime")).unwrap();
    assert_eq!(for_now, format!("systemctl --user unmask --runtime {path}; {unmask}"));
    for file in [FileState::Missing, FileState::Differs] {
        let remedy = remedy(path, file, Some(&masked("masked")), true, true).unwrap();
        assert!(remedy.turn() < Remedy::Install.turn());
    }
}

#[test]
fn a_target_that_does_not_start_at_boot_is_not_well() {
    let live = Live::Known {
        active: "active".to_owned(),
        sub: "active".to_owned(),
        result: String::new(),
        outdated: false,
        enablement: "disabled".to_owned(),
        drop_ins: Vec::new(),
    };
    assert!(mend_of(TARGET, &live).unwrap().contains("enable --now"));
}

#[test]
fn a_missing_or_different_file_is_repaired_by_installing() {
    for file in [FileState::Missing, FileState::Differs] {
        let manager = Manager::System { user: "list".to_owned(), group: "list".to_owned() };
        let mend = remedy(TARGET, file, None, true, false).unwrap().in_words(&manager);
        assert_eq!(mend, "dormouse units install --run-as list --group list");
    }
}

#[test]
fn a_summary_says_what_is_wrong() {
    let state = |file, live| UnitState { name: "x".to_owned(), file, live, mend: None };
    let failed = Some(known("failed", "failed", "trigger-limit-hit"));
    assert_eq!(
        state(FileState::Installed, failed.clone()).summary(),
        "failed (failed), trigger-limit-hit"
    );
    assert_eq!(
        state(FileState::Differs, failed).summary(),
        "failed (failed), trigger-limit-hit, different from what it should be"
    );
    assert_eq!(state(FileState::Missing, None).summary(), "not installed");
    assert_eq!(state(FileState::Installed, None).summary(), "installed");
}

#[test]
fn a_manager_that_cannot_be_asked_is_one_finding() {
    let unknown = |reason: &str| Some(Live::Unknown { reason: reason.to_owned() });
    let state = |file, live| UnitState { name: "x".to_owned(), file, live, mend: None };
    let unasked = [
        state(FileState::Installed, unknown("no bus")),
        state(FileState::Differs, unknown("no bus")),
        state(FileState::Installed, None),
    ];
    assert_eq!(unreachable(&unasked), Some("no bus"));
    assert_eq!(unreachable(&[state(FileState::Missing, unknown("no bus"))]), None);
    let asked = [
        state(FileState::Installed, unknown("no bus")),
        state(FileState::Installed, Some(known("active", "waiting", ""))),
    ];
    assert_eq!(unreachable(&asked), None);
    let error = ActivationError::Command { command: "x".repeat(900), said: "no bus\nmore".into() };
    assert_eq!(error.in_short(), "no bus");
}

#[test]
fn a_state_is_plain_json() {
    let state = UnitState {
        name: "dormouse.service".to_owned(),
        file: FileState::Installed,
        live: Some(known("inactive", "dead", "success")),
        mend: None,
    };
    let json = serde_json::to_value(&state).unwrap();
    assert_eq!(json["file"], "installed");
    assert_eq!(json["live"]["known"]["active"], "inactive");
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(?s).{0,300}") {
        parse_show(&text);
    }

    #[test]
    fn what_was_shown_is_what_is_read(units in prop::collection::btree_map("[a-z@.-]{1,20}", "[a-z-]{1,12}", 0..6)) {
        let text: String = units.iter().map(|(id, active)| format!("ActiveState={active}\nId={id}\nUnitFileState=static\n\n")).collect();
        let shown = parse_show(&text);
        prop_assert_eq!(shown.len(), units.len());
        for (id, active) in &units {
            prop_assert_eq!(&shown[id], &known(active, "", ""));
        }
    }
}
