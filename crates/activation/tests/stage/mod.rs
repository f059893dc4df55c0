//! A site whose units are installed in a real, temporary user manager.

use dormouse_activation::{Manager, Plan, PlannedJob, Start, UnitState, check, install};
use dormouse_spool::Queue;
use dormouse_store::Arrangement;
pub use dormouse_testkit::waiting::eventually;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A stand-in for the drain: takes entries, records it, and is controlled by files in the site.
const DRAIN: &str = r#"#!/bin/sh
site=$2
echo "$3 $4" >>"$site/starts"
[ "$3" = cron ] && exec rm "$site/due/$4"
cd "$site/qfiles" || exit 75
if [ "$4" = --retry-only ]; then
    mv retry/*.pck out/
    exit
fi
[ -e "$site/broken" ] && exit 75
for claim in in/*.bak out/*.bak; do
    [ -e "$claim" ] && mv "$claim" "${claim%.bak}.pck"
done
more=yes
while [ "$more" ]; do
    more=
    for entry in in/*.pck virgin/*.pck out/*.pck; do
        [ -e "$entry" ] || continue
        more=yes
        mv "$entry" "$site/taken/"
    done
done
# After the last look, but before the end.
echo looked >>"$site/looks"
while [ -e "$site/held" ]; do sleep 0.05; done
[ -e "$site/late" ] && mv "$site/late" in/late.pck && sleep 0.2
[ -e "$site/slow" ] && sleep 0.5
echo end >>"$site/ends"
exit 0
"#;

/// A site, and the plan of its units.
pub struct Stage {
    pub plan: Plan,
    _home: TempDir,
}

impl Stage {
    /// Creates a site with nothing installed. Pauses are one second, for tests.
    pub fn new(name: &str, manager: Manager) -> Stage {
        let home = TempDir::new().unwrap();
        let site = home.path().join(name);
        for dir in ["in", "virgin", "out", "retry"] {
            fs::create_dir_all(site.join("qfiles").join(dir)).unwrap();
        }
        fs::create_dir(site.join("taken")).unwrap();
        fs::create_dir(site.join("due")).unwrap();
        let binary = home.path().join("stand-in drain");
        fs::write(&binary, DRAIN).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        let plan = Plan {
            qfiles: site.join("qfiles"),
            jobs: vec![PlannedJob {
                name: "tidy".to_owned(),
                about: "Tidy up".to_owned(),
                start: Start::At {
                    calendar: "*-*-* *:*:*".to_owned(),
                    signs: vec![(site.join("due"), "tidy".to_owned())],
                },
                network: false,
            }],
            site,
            binary,
            queues: [Queue::In, Queue::Virgin, Queue::Out, Queue::Retry]
                .map(|queue| (queue, Arrangement::OnDemand))
                .to_vec(),
            manager,
            linger: Duration::from_millis(100),
            web: String::new(),
            web_group: String::new(),
            lmtp: String::new(),
            lmtp_group: String::new(),
            metrics: None,
        };
        let stage = Stage { plan, _home: home };
        stage.drop_in("dormouse.service", "[Service]\nRestartSec=1s\n");
        stage.drop_in("dormouse-cron@tidy.timer", "[Timer]\nAccuracySec=1ms\n");
        stage.drop_in("dormouse-retry.timer", "[Timer]\nOnActiveSec=\nOnActiveSec=1s\n");
        stage
    }

    /// Creates a site whose units are installed and started.
    pub fn started() -> Stage {
        let stage = Stage::new("site", Manager::User);
        stage.install();
        stage
    }

    pub fn install(&self) {
        install(&self.plan, true).unwrap();
    }

    /// Changes a unit, as an administrator would.
    pub fn drop_in(&self, unit: &str, text: &str) {
        let dir = units_dir().join(format!("{unit}.d"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("test.conf"), text).unwrap();
    }

    /// Puts an entry into a queue, as producers do.
    pub fn enqueue(&self, queue: &str, name: &str) {
        let draft = self.plan.site.join(format!(".draft-{name}"));
        fs::write(&draft, name).unwrap();
        fs::rename(draft, self.plan.qfiles.join(queue).join(format!("{name}.pck"))).unwrap();
    }

    /// Creates a file that controls the stand-in.
    pub fn tell(&self, what: &str) {
        fs::write(self.plan.site.join(what), what).unwrap();
    }

    pub fn untell(&self, what: &str) {
        fs::remove_file(self.plan.site.join(what)).unwrap();
    }

    pub fn is_taken(&self, name: &str) -> bool {
        self.plan.site.join("taken").join(format!("{name}.pck")).exists()
    }

    pub fn taken(&self) -> usize {
        fs::read_dir(self.plan.site.join("taken")).unwrap().count()
    }

    /// Returns how often the drain was started so far, for any purpose.
    pub fn starts(&self) -> usize {
        self.lines("starts")
    }

    /// Returns how often the drain has completed its last check.
    pub fn looks(&self) -> usize {
        self.lines("looks")
    }

    pub fn ends(&self) -> usize {
        self.lines("ends")
    }

    fn lines(&self, file: &str) -> usize {
        match fs::read_to_string(self.plan.site.join(file)) {
            Ok(text) => text.lines().count(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => panic!("{file}: {error}"),
        }
    }

    /// Returns the state of a unit according to `check`.
    pub fn unit(&self, name: &str) -> UnitState {
        let states = check(&self.plan).unwrap();
        states.into_iter().find(|unit| unit.name == name).unwrap_or_else(|| panic!("no {name}"))
    }

    /// Returns a unit's state in a few words, such as `active (waiting)`.
    pub fn state(&self, name: &str) -> String {
        // Omit the test's own drop-ins.
        let summary = self.unit(name).summary();
        summary.split(", changed by").next().unwrap_or_default().to_owned()
    }

    /// Waits until a unit is in a state.
    pub fn until_state(&self, name: &str, state: &str) {
        eventually(&format!("{name} to be {state}"), || self.state(name) == state);
    }

    /// Waits until everything is idle.
    pub fn until_asleep(&self) {
        self.until_state("dormouse.service", "inactive (dead)");
        for queue in ["in", "virgin", "out"] {
            self.until_state(&format!("dormouse-queue@{queue}.path"), "active (waiting)");
        }
    }
}

/// Returns the directory in which the manager looks for units.
pub fn units_dir() -> PathBuf {
    Path::new(&std::env::var_os("XDG_CONFIG_HOME").unwrap()).join("systemd/user")
}

/// Runs `systemctl --user`.
pub fn systemctl(arguments: &[&str]) {
    shell(&format!("systemctl --user {}", arguments.join(" ")));
}

/// Runs a command line, as an administrator would.
pub fn shell(line: &str) {
    let status = Command::new("sh").args(["-c", line]).status().unwrap();
    assert!(status.success(), "{line}: {status}");
}

pub fn sleep(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}
