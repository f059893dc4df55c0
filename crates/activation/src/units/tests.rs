use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use tempfile::TempDir;

fn system() -> Manager {
    Manager::System { user: "list".to_owned(), group: "list".to_owned() }
}

fn plan(manager: Manager) -> Plan {
    plan_at(Path::new("/var/lib/dormouse"), manager)
}

fn plan_at(site: &Path, manager: Manager) -> Plan {
    Plan {
        site: site.to_owned(),
        binary: PathBuf::from("/bin/true"),
        qfiles: site.join("qfiles"),
        queues: on_demand(),
        jobs: vec![
            PlannedJob {
                name: "senddigests".to_owned(),
                about: "Send 100% of the digests".to_owned(),
                start: Start::At {
                    calendar: "*-*-* 12:00:00".to_owned(),
                    signs: vec![(site.join("due"), "senddigests".to_owned())],
                },
                network: false,
            },
            PlannedJob {
                name: "trim-trace".to_owned(),
                about: "Remove old files".to_owned(),
                start: Start::At {
                    calendar: "*-*-* 04:00:00".to_owned(),
                    signs: vec![
                        (site.join("logs"), "trace-*.jsonl".to_owned()),
                        (site.join("qfiles/bad"), "*".to_owned()),
                    ],
                },
                network: false,
            },
            PlannedJob {
                name: "gate_news".to_owned(),
                about: "Pass articles on".to_owned(),
                start: Start::While {
                    marker: site.join("due/gate_news"),
                    every: Duration::from_secs(300),
                },
                network: true,
            },
        ],
        manager,
        linger: Duration::from_millis(100),
        web: "127.0.0.1:8124".to_owned(),
        web_group: "www-data".to_owned(),
        lmtp: "/run/dormouse/lmtp.sock".to_owned(),
        lmtp_group: "postfix".to_owned(),
        metrics: None,
    }
}

fn on_demand() -> Vec<(Queue, Arrangement)> {
    [Queue::In, Queue::Virgin, Queue::Out, Queue::Retry]
        .map(|queue| (queue, Arrangement::OnDemand))
        .into()
}

/// Returns a plan with one queue for each arrangement.
fn mixed(manager: Manager) -> Plan {
    let how = ["on-demand", "timer 15min", "resident 2", "timer 5min"];
    let queues = [Queue::In, Queue::Virgin, Queue::Out, Queue::Retry];
    let queues = queues.into_iter().zip(how.map(|how| how.parse().unwrap())).collect();
    Plan { queues, ..plan(manager) }
}

fn names(plan: &Plan) -> Vec<String> {
    generate(plan)
        .into_iter()
        .filter(|file| file.kind == UnitFileKind::Unit)
        .map(|file| file.name)
        .collect()
}

fn contents(plan: &Plan, name: &str) -> String {
    let files = generate(plan);
    files.into_iter().find(|file| file.name == name).unwrap_or_else(|| panic!("no {name}")).contents
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|given| given == line)
}

/// Runs a tool of systemd. Skips the test and returns `None` if it is not installed.
fn tool(command: &mut Command) -> Option<Output> {
    match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skipped::skip(format!("no {}", command.get_program().display()));
            None
        }
        output => Some(output.unwrap()),
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Creates a site and a program with names that need every kind of quoting.
fn awkward_site(home: &TempDir) -> Plan {
    let site = home.path().join(r#"1 "site" [a]{b}*? 100%i $HOME\x"#);
    fs::create_dir(&site).unwrap();
    let binary = home.path().join("the [program]{a}*? 100%i $HOME");
    fs::write(&binary, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    Plan { binary, ..plan_at(&site, system()) }
}

#[test]
fn a_queue_is_watched_by_its_level() {
    let path = contents(&plan(system()), QUEUE_TEMPLATE);
    assert!(has_line(&path, "PathExistsGlob=/var/lib/dormouse/qfiles/%i/*.pck"), "{path}");
    assert!(has_line(&path, "Unit=dormouse.service"));
    assert!(has_line(&path, "TriggerLimitIntervalSec=0"));
    assert!(!path.contains("PathExists="), "no second trigger without need: {path}");
    for file in generate(&plan(system())) {
        for edge in ["\nPathChanged=", "\nPathModified="] {
            assert!(!file.contents.contains(edge), "{}", file.name);
        }
    }
}

#[test]
fn the_drain_pauses_after_any_failure_and_never_gives_up() {
    let drain = contents(&plan(system()), SERVICE);
    for line in [
        "Type=oneshot",
        r#"ExecStart=:"/bin/true" --site "/var/lib/dormouse" run --linger 100 --queue in --queue virgin --queue out --queue retry"#,
        "StartLimitIntervalSec=0",
        "Restart=on-failure",
        "RestartSec=15s",
        "TimeoutStartSec=2h",
        "TimeoutStopSec=30s",
        "KillMode=mixed",
        "UMask=0007",
        "User=list",
        "Group=list",
        r#"ReadWritePaths="/var/lib/dormouse""#,
    ] {
        assert!(has_line(&drain, line), "{line} is missing in\n{drain}");
    }
}

#[test]
fn only_what_a_timer_starts_has_conditions() {
    for file in [plan(system()), mixed(system())].iter().flat_map(generate) {
        let conditional = file.contents.lines().any(|line| {
            line.starts_with("Condition")
                || line.starts_with("Assert")
                || line.starts_with("ExecCondition")
        });
        let by_timer = ["retry", "sweep", "virgin"]
            .iter()
            .any(|one| file.name == format!("dormouse-{one}.service"))
            || file.name.starts_with(JOB_PREFIX) && file.name.ends_with(".service");
        assert_eq!(conditional, by_timer, "{}", file.name);
    }
}

#[test]
fn a_job_has_a_persistent_timer_and_a_service_with_a_condition() {
    let timer = contents(&plan(system()), "dormouse-cron@senddigests.timer");
    for line in ["OnCalendar=*-*-* 12:00:00", "Persistent=true", "PartOf=dormouse.target"] {
        assert!(has_line(&timer, line), "{line} is missing in\n{timer}");
    }
    assert!(has_line(&timer, "Description=Mailing lists: Send 100%% of the digests"));
    let service = contents(&plan(system()), "dormouse-cron@senddigests.service");
    for line in [
        "ConditionPathExistsGlob=|/var/lib/dormouse/due/senddigests",
        r#"ExecStart=:"/bin/true" --site "/var/lib/dormouse" cron senddigests"#,
        "Restart=on-failure",
        "StartLimitIntervalSec=0",
        "PrivateNetwork=yes",
    ] {
        assert!(has_line(&service, line), "{line} is missing in\n{service}");
    }
    let service = contents(&plan(system()), "dormouse-cron@trim-trace.service");
    for sign in ["logs/trace-*.jsonl", "qfiles/bad/*"] {
        let line = format!("ConditionPathExistsGlob=|/var/lib/dormouse/{sign}");
        assert!(has_line(&service, &line), "{service}");
    }
    let target = contents(&plan(system()), TARGET);
    let timers = "dormouse-cron@senddigests.timer dormouse-cron@trim-trace.timer";
    assert!(target.contains(timers), "{target}");
    let wrong = PlannedJob { name: "a b".to_owned(), ..plan(system()).jobs.remove(0) };
    let refused = Plan { jobs: vec![wrong], ..plan(system()) }.validate().unwrap_err();
    assert!(refused.to_string().contains("the job"), "{refused}");
}

#[test]
fn a_frequent_job_has_a_timer_only_while_there_is_something_to_do() {
    let path = contents(&plan(system()), "dormouse-cron@gate_news.path");
    for line in [
        "PathExists=/var/lib/dormouse/due/gate_news",
        "Unit=dormouse-cron@gate_news.timer",
        "TriggerLimitIntervalSec=0",
        "PartOf=dormouse.target",
    ] {
        assert!(has_line(&path, line), "{line} is missing in\n{path}");
    }
    let timer = contents(&plan(system()), "dormouse-cron@gate_news.timer");
    for line in ["OnActiveSec=300s", "RemainAfterElapse=no", "PartOf=dormouse.target"] {
        assert!(has_line(&timer, line), "{line} is missing in\n{timer}");
    }
    let service = contents(&plan(system()), "dormouse-cron@gate_news.service");
    for line in [
        "ConditionPathExists=/var/lib/dormouse/due/gate_news",
        r#"ExecStart=:"/bin/true" --site "/var/lib/dormouse" cron gate_news"#,
    ] {
        assert!(has_line(&service, line), "{line} is missing in\n{service}");
    }
    assert!(!service.contains("PrivateNetwork"), "it talks to the news server: {service}");
    let target = contents(&plan(system()), TARGET);
    assert!(target.contains(" dormouse-cron@gate_news.path "), "{target}");
    assert!(!target.contains("dormouse-cron@gate_news.timer"), "{target}");
}

#[test]
fn the_sweep_looks_for_claims_in_every_queue_and_revives_every_path_unit() {
    let sweep = contents(&plan(system()), "dormouse-sweep.service");
    for (queue, _) in on_demand() {
        let line = format!("ConditionPathExistsGlob=|/var/lib/dormouse/qfiles/{queue}/*.bak");
        assert!(has_line(&sweep, &line), "{sweep}");
    }
    assert!(has_line(&sweep, "ConditionPathExistsGlob=|/var/lib/dormouse/qfiles/.handover/*"));
    let paths = "dormouse-queue@in.path dormouse-queue@virgin.path dormouse-queue@out.path dormouse-retry.path dormouse-sweep.timer dormouse-cron@senddigests.timer dormouse-cron@trim-trace.timer dormouse-cron@gate_news.path dormouse-web.socket dormouse-lmtp.socket";
    assert!(has_line(&sweep, &format!("Wants={paths}")), "{sweep}");
    assert!(has_line(&contents(&plan(system()), TARGET), &format!("Wants={paths}")));
}

#[test]
fn a_user_manager_gets_nothing_that_needs_root() {
    for file in generate(&plan(Manager::User)) {
        assert_eq!(file.kind, UnitFileKind::Unit, "{}", file.name);
        for line in [
            "User=",
            "Group=",
            "Private",
            "Protect",
            "Capability",
            "DevicePolicy=",
            "IPAddress",
            "ReadWritePaths=",
        ] {
            assert!(!file.contents.contains(&format!("\n{line}")), "{line} in {}", file.name);
        }
    }
    assert!(has_line(&contents(&plan(Manager::User), TARGET), "WantedBy=default.target"));
    assert!(has_line(&contents(&plan(system()), TARGET), "WantedBy=multi-user.target"));
}

#[test]
fn a_site_below_a_hidden_directory_stays_visible() {
    let drain = |site: &str| contents(&plan_at(Path::new(site), system()), SERVICE);
    assert!(has_line(&drain("/var/lib/dormouse"), "ProtectHome=yes"));
    assert!(has_line(&drain("/var/lib/dormouse"), "PrivateTmp=yes"));
    assert!(has_line(&drain("/home/lists"), "ProtectHome=read-only"));
    assert!(has_line(&drain("/home/lists"), "PrivateTmp=yes"));
    assert!(has_line(&drain("/tmp/lists"), "PrivateTmp=no"));
    let metrics = Some(PathBuf::from("/var/lib/node exporter/dormouse.prom"));
    let reported = Plan { metrics, ..plan(system()) };
    assert!(has_line(
        &contents(&reported, SERVICE),
        r#"ReadWritePaths="/var/lib/dormouse" -"/var/lib/node exporter""#
    ));
    let apart = Plan { qfiles: PathBuf::from("/srv/queues"), ..plan(system()) };
    assert!(has_line(
        &contents(&apart, SERVICE),
        r#"ReadWritePaths="/var/lib/dormouse" "/srv/queues""#
    ));
}

#[test]
fn values_that_cannot_be_in_unit_files_are_refused_by_name() {
    let refusal = |plan: Plan| plan.validate().unwrap_err().to_string();
    assert!(plan(system()).validate().is_ok());
    assert!(refusal(plan_at(Path::new("lists"), system())).contains("\"lists\""));
    assert!(refusal(plan_at(Path::new("/a\nb"), system())).contains("control characters"));
    assert!(refusal(Plan { site: PathBuf::from("/a "), ..plan(system()) }).contains("white space"));
    assert!(refusal(Plan { lmtp: "a b".to_owned(), ..plan(system()) }).contains("lmtp.listen"));
    let quoted = Plan { binary: PathBuf::from("/opt/\"x\"/dormouse"), ..plan(system()) };
    assert!(refusal(quoted).contains("the program"));
    let manager = Manager::System { user: "a b".to_owned(), group: "list".to_owned() };
    assert!(refusal(plan(manager)).contains("the user"));
}

#[test]
fn queue_names_are_their_own_instance_names() {
    for queue in Queue::ALL {
        let template = format!("--template={QUEUE_TEMPLATE}");
        let Some(output) = tool(Command::new("systemd-escape").args([&template, queue.name()]))
        else {
            return;
        };
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), queue_unit(queue));
    }
}

/// Writes units into a directory, and returns systemd's names for them.
fn written(plan: &Plan, dir: &Path) -> Vec<String> {
    crate::write_into(&generate(plan), dir).unwrap();
    let units = generate(plan).into_iter().filter(|file| file.kind == UnitFileKind::Unit);
    units
        .map(|file| match file.name.as_str() {
            WAKE_TEMPLATE => wake_unit(1_795_446_454),
            name => name.replace("@.", "@in."),
        })
        .collect()
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let home = TempDir::new().unwrap();
    let awkward = awkward_site(&home);
    let ordinary = Plan { binary: awkward.binary.clone(), ..plan(system()) };
    for (number, plan) in [
        ordinary.clone(),
        awkward,
        Plan { manager: Manager::User, ..ordinary },
        Plan { binary: PathBuf::from("/bin/true"), ..mixed(system()) },
    ]
    .iter()
    .enumerate()
    {
        let units = home.path().join(format!("units{number}"));
        let names = written(plan, &units);
        let mut verify = Command::new("systemd-analyze");
        verify
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .args(&names)
            .current_dir(&units);
        if plan.manager == Manager::User {
            verify.arg("--user").env("XDG_RUNTIME_DIR", home.path());
        }
        let mut path = units.into_os_string();
        path.push(":");
        let Some(output) = tool(verify.env("SYSTEMD_UNIT_PATH", path)) else { return };
        // It also reports problems of other units.
        let said = said(&output);
        let ours: Vec<_> = said.lines().filter(|line| line.contains("dormouse")).collect();
        assert!(ours.is_empty(), "{}", ours.join("\n"));
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn a_fault_would_be_found() {
    let home = TempDir::new().unwrap();
    let mut names = written(&plan(system()), home.path());
    fs::write(
        home.path().join("dormouse-fault.service"),
        "[Service]\nType=sometimes\nExecStart=/bin/true\n",
    )
    .unwrap();
    names.push("dormouse-fault.service".to_owned());
    let mut path = home.path().as_os_str().to_owned();
    path.push(":");
    let Some(output) = tool(
        Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .args(&names)
            .current_dir(home.path())
            .env("SYSTEMD_UNIT_PATH", path),
    ) else {
        return;
    };
    assert!(said(&output).contains("dormouse-fault.service"), "{}", said(&output));
}

#[test]
fn the_services_are_hardened() {
    let home = TempDir::new().unwrap();
    let mut names = written(&plan(system()), home.path());
    names.extend(written(&mixed(system()), home.path()));
    for service in names.iter().filter(|name| name.ends_with(".service")) {
        let Some(output) = tool(
            Command::new("systemd-analyze")
                .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
                .arg(home.path().join(service)),
        ) else {
            return;
        };
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn tmpfiles_and_sysusers_create_what_the_services_need() {
    let home = TempDir::new().unwrap();
    let root = home.path().join("root");
    for dir in ["etc", "srv"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let site = Path::new("/srv/my \"lists\" 100%");
    let files = generate(&plan_at(
        site,
        Manager::System { user: "list".to_owned(), group: "mail-lists".to_owned() },
    ));
    for (kind, command, flags) in [
        (UnitFileKind::Sysusers, "systemd-sysusers", &[][..]),
        (UnitFileKind::Tmpfiles, "systemd-tmpfiles", &["--create"]),
    ] {
        if !rustix::process::geteuid().is_root() {
            skipped::skip("only root may make users and give directories away");
            return;
        }
        let file = home.path().join(format!("{kind:?}.conf"));
        fs::write(&file, &files.iter().find(|file| file.kind == kind).unwrap().contents).unwrap();
        let root = format!("--root={}", root.display());
        let Some(output) = tool(Command::new(command).arg(root).args(flags).arg(&file)) else {
            return;
        };
        assert!(output.status.success(), "{}", said(&output));
    }
    let passwd = fs::read_to_string(root.join("etc/passwd")).unwrap();
    assert!(passwd.starts_with("list:"), "{passwd}");
    assert!(passwd.contains(":Mailing lists:/srv/my \"lists\" 100%:"), "{passwd}");
    assert!(fs::read_to_string(root.join("etc/group")).unwrap().contains("mail-lists:"));
    for dir in [
        "",
        "due",
        "qfiles",
        "qfiles/in",
        "qfiles/retry",
        "qfiles/.staged",
        "qfiles/.handover",
        "qfiles/.spare",
    ] {
        let made = root.join("srv/my \"lists\" 100%").join(dir);
        // A web server must pass through the site's directory to archives.
        let mode = if dir.is_empty() { 0o2771 } else { 0o2770 };
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o7777, mode, "{dir}");
    }
}

#[test]
fn an_arrangement_has_exactly_the_units_it_needs() {
    assert_eq!(
        names(&Plan {
            jobs: Vec::new(),
            web: String::new(),
            lmtp: String::new(),
            ..mixed(system())
        }),
        [
            "dormouse.target",
            "dormouse-queue@.path",
            "dormouse.service",
            "dormouse-virgin.timer",
            "dormouse-virgin.service",
            "dormouse-out.service",
            "dormouse-retry.timer",
            "dormouse-retry.service",
            "dormouse-sweep.timer",
            "dormouse-sweep.service",
        ]
    );
    let wants = contents(&mixed(system()), TARGET);
    let standing = "Wants=dormouse-queue@in.path dormouse-virgin.timer dormouse-out.service dormouse-retry.timer dormouse-sweep.timer dormouse-cron@senddigests.timer dormouse-cron@trim-trace.timer dormouse-cron@gate_news.path dormouse-web.socket dormouse-lmtp.socket";
    assert!(has_line(&wants, standing), "{wants}");
    let drain = contents(&mixed(system()), SERVICE);
    assert!(drain.contains(" run --linger 100 --queue in\n"), "{drain}");
    let resident = contents(&mixed(system()), "dormouse-out.service");
    assert!(resident.contains(" runner out --slices 2\n"), "{resident}");
    assert!(has_line(&resident, "Restart=always"));
    assert!(has_line(
        &contents(&mixed(system()), "dormouse-virgin.timer"),
        "OnUnitInactiveSec=900s"
    ));
    let all = |how: Arrangement| {
        let queues = on_demand().into_iter().map(|(queue, _)| (queue, how)).collect();
        names(&Plan {
            queues,
            jobs: Vec::new(),
            web: String::new(),
            lmtp: String::new(),
            ..plan(system())
        })
    };
    assert_eq!(all(Arrangement::Off), Vec::<String>::new());
    assert_eq!(all(Arrangement::Resident(1)).len(), 5);
}

#[test]
fn every_unit_of_every_plan_is_known_to_be_ours() {
    for plan in [plan(system()), plan(Manager::User), mixed(system()), mixed(Manager::User)] {
        for name in names(&plan) {
            assert!(is_ours(&name), "{name}");
        }
    }
    assert!(is_ours("dormouse-cron@of_an_older_version.timer"));
    for other in ["dormouse.conf", "dormouse-cron@.timer", "dormouse-x.timer", "dormouse-in.d"] {
        assert!(!is_ours(other), "{other}");
    }
}

#[test]
fn only_a_users_manager_gets_timers_for_exact_times() {
    assert!(names(&plan(Manager::User)).contains(&WAKE_TEMPLATE.to_owned()));
    assert!(!names(&plan(system())).contains(&WAKE_TEMPLATE.to_owned()));
    assert!(contents(&plan(Manager::User), SERVICE).contains(" --arm\n"));
    assert!(has_line(&contents(&plan(Manager::User), "dormouse-retry.timer"), "OnActiveSec=15min"));
    assert!(!contents(&plan(system()), SERVICE).contains(" --arm\n"));
    assert!(has_line(&contents(&plan(system()), "dormouse-retry.timer"), "OnActiveSec=60s"));
}

/// Clients of the pages' socket are trusted with X-Forwarded-For, and mail over LMTP has passed the
/// MTA.
#[test]
fn only_the_server_in_front_can_connect_to_a_socket() {
    let text = contents(&plan(system()), WEB_SOCKET);
    assert!(text.contains("\nSocketMode=0660\nSocketGroup=www-data\n"), "{text}");
    let text = contents(&plan(system()), LMTP_SOCKET);
    assert!(text.contains("\nSocketMode=0660\nSocketGroup=postfix\n"), "{text}");
    let nobody = Plan { web_group: String::new(), lmtp_group: String::new(), ..plan(system()) };
    for closed in [plan(Manager::User), nobody] {
        for socket in [WEB_SOCKET, LMTP_SOCKET] {
            let text = contents(&closed, socket);
            let is_closed = text.contains("\nSocketMode=0660\n") && !text.contains("SocketGroup");
            assert!(is_closed, "{text}");
        }
    }
    let wrong = || "a\nExecStart=x".to_owned();
    let wrong_plans = [
        ("web.group", Plan { web_group: wrong(), ..plan(system()) }),
        ("lmtp.group", Plan { lmtp_group: wrong(), ..plan(system()) }),
    ];
    for (named, plan) in wrong_plans {
        assert!(plan.validate().unwrap_err().to_string().contains(named));
    }
}

#[test]
fn if_everything_is_off_there_are_no_units() {
    let off: Vec<_> = on_demand().into_iter().map(|(queue, _)| (queue, Arrangement::Off)).collect();
    let silent =
        Plan { queues: off.clone(), web: String::new(), lmtp: String::new(), ..plan(system()) };
    assert_eq!(names(&silent), Vec::<String>::new());
    let open = Plan { queues: off, ..plan(Manager::User) };
    let expected =
        ["dormouse-lmtp.service", LMTP_SOCKET, "dormouse-web.service", WEB_SOCKET, TARGET];
    let mut found = names(&open);
    found.sort();
    assert_eq!(found, expected, "who may connect is still served");
}
