//! A real Exim in a separate directory: it delivers mail by the generated routers, through the pipe
//! and over LMTP, sends mail through its queue, and bounces to VERP addresses.
//!
//! It is configured as `dormouse aliases` and the documentation say.

mod mta;

use dormouse_testkit::documented::block;
use dormouse_testkit::servers::{Account, Ends, Exim, EximPrograms, Mta, free_address};
use dormouse_testkit::site::{TestSite, describe, message};
use mta::PAGE;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

const HOSTS: [&str; 2] = ["lists.example.org", "lists.example.net"];

/// Runs a test if there is an Exim.
fn beside_exim(test: impl FnOnce(&EximPrograms, &TestSite)) {
    let Some(programs) = EximPrograms::find() else { return };
    let Some(owner) = Account::find(&["list"]) else { return };
    test(&programs, &mta::site(&owner));
}

/// Returns the parts of the output for the routers and for the transports.
fn parts(printed: &str) -> (&str, &str) {
    assert!(printed.contains("# Into the part \"begin routers\""), "{printed}");
    printed.split_once("# Into the part \"begin transports\":\n").unwrap()
}

#[test]
fn by_generated_routers_each_address_leads_to_its_queue_and_a_post_goes_round() {
    beside_exim(|programs, site| {
        let sink = mta::sink();
        let printed = site.ok(&["aliases", "--mta", "exim"]);
        let (routers, transports) = parts(&printed);
        let settings = block(PAGE, "### Exim", "smtp_accept_queue_per_connection");
        let exim = Exim::start(programs, &sink, &HOSTS, &settings, routers, transports);
        mta::each_address_leads_to_its_queue(site, &exim, "lists.example.org");
        mta::a_null_sender_is_told(site, &exim);
        mta::is_refused(&exim, "unknown@lists.example.org");
        mta::a_post_goes_round(site, &sink, &exim);
    });
}

#[test]
fn what_exim_lacks_is_named_by_asking_it() {
    beside_exim(|programs, site| {
        let sink = mta::sink();
        let install = |exim: &Exim<'_>| {
            let mut command = site.command(&["aliases", "--mta", "exim", "--install"]);
            exim.surrounds(&mut command);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", describe(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        let doctor = |exim: &Exim<'_>| {
            let mut command = site.command(&["doctor"]);
            exim.surrounds(&mut command);
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        let bare = Exim::start(programs, &sink, &HOSTS[1..], "", "", "");
        let told = install(&bare);
        for lacking in [
            "mail for dev@lists.example.org",
            "lists.example.org among local_domains",
            "eleventh and later mails",
        ] {
            assert!(told.contains(lacking), "{lacking} in {told}");
            assert!(doctor(&bare).contains(lacking), "{lacking} in {}", doctor(&bare));
        }
        let printed = site.ok(&["aliases", "--mta", "exim"]);
        let (routers, transports) = parts(&printed);
        let settings = block(PAGE, "### Exim", "smtp_accept_queue_per_connection");
        let exim = Exim::start(programs, &sink, &HOSTS, &settings, routers, transports);
        let told = install(&exim);
        assert!(told.contains("Exim is configured for all of them"), "{told}");
        assert!(doctor(&exim).contains("Exim delivers it"), "{}", doctor(&exim));
    });
}

#[test]
fn names_that_end_like_an_address_and_hosts_with_the_same_names_are_told_apart() {
    beside_exim(|programs, site| {
        for list in ["net-admin", "dev@lists.example.net", "+plus", "c++"] {
            site.plain_list(list, &[]);
        }
        let sink = mta::sink();
        let printed = site.ok(&["aliases", "--mta", "exim"]);
        let (routers, transports) = parts(&printed);
        let exim = Exim::start(programs, &sink, &HOSTS, "", routers, transports);
        mta::each_address_leads_to_its_queue(site, &exim, "lists.example.net");
        for (address, router) in [
            ("net-admin@lists.example.org", "dormouse_lists"),
            ("net-admin-request@lists.example.org", "dormouse_addresses"),
            ("Dev-Owner@Lists.Example.NET", "dormouse_addresses"),
            ("+plus-leave@lists.example.org", "dormouse_addresses"),
            ("c++@lists.example.org", "dormouse_lists"),
        ] {
            let said = exim.says(&["-bt", address]);
            assert!(said.contains(&format!("router = {router},")), "{address}: {said}");
        }
        for unknown in
            ["net-admin@lists.example.net", "unknown@lists.example.org", "dev-x@lists.example.org"]
        {
            mta::is_refused(&exim, unknown);
        }
    });
}

#[test]
fn a_program_that_is_away_for_a_moment_loses_no_mail() {
    beside_exim(|programs, site| {
        let sink = mta::sink();
        let away = site.dir().join("away, \"$so\" 'far'");
        let program = away.display().to_string();
        let printed = site.ok(&["aliases", "--mta", "exim", "--program", &program]);
        let (routers, transports) = parts(&printed);
        let exim = Exim::start(programs, &sink, &HOSTS, "", routers, transports);
        let mail = message("anna@example.org", "x", "x\n");
        exim.bring("anna@example.org", "dev@lists.example.org", &mail);
        exim.work();
        let full = site.binary().with_file_name("dormouse-full");
        fs::rename(full, away.with_file_name("dormouse-full")).unwrap();
        fs::rename(site.binary(), &away).unwrap();
        exim.eventually("the entry", &|| {
            fs::read_dir(site.queue("in")).is_ok_and(|files| files.count() > 0)
        });
        assert_eq!(sink.messages().len(), 0, "{}", exim.log());
    });
}

#[test]
fn over_lmtp_each_address_leads_to_its_queue_and_a_post_goes_round() {
    beside_exim(|programs, site| {
        let ours = free_address();
        let transport = block(PAGE, "### Exim", "protocol = lmtp")
            .replace("port = 8024", &format!("port = {}", ours.port()));
        let mut lmtp = site.command(&["lmtp", "--intake-only", "--listen", &ours.to_string()]);
        let _lmtp = Ends(lmtp.stdout(Stdio::null()).spawn().unwrap());
        over_lmtp(programs, site, &transport);
    });
}

#[test]
fn over_lmtp_on_a_unix_socket_it_is_the_same() {
    beside_exim(|programs, site| {
        // Everybody may connect to this socket, because this Exim's account is not a real one and
        // in no group.
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let socket = dir.path().join("lmtp.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
        let transport = block(PAGE, "### Exim", "driver = lmtp")
            .replace("/run/dormouse/lmtp.sock", &socket.display().to_string());
        site.ok(&["config", "set", "lmtp.idle", "1min"]);
        let mut lmtp = site.command_with(listener.into(), &["lmtp", "--intake-only"]);
        let _lmtp = Ends(lmtp.spawn().unwrap());
        over_lmtp(programs, site, &transport);
    });
}

fn over_lmtp(programs: &EximPrograms, site: &TestSite, transport: &str) {
    let printed = site.ok(&["aliases", "--mta", "exim"]);
    let sink = mta::sink();
    let exim = Exim::start(programs, &sink, &HOSTS, "", parts(&printed).0, transport);
    mta::each_address_leads_to_its_queue(site, &exim, "lists.example.org");
    mta::a_post_goes_round(site, &sink, &exim);
}

#[test]
fn on_the_way_back_mailmans_wrapper_is_told_what_each_address_is_for() {
    beside_exim(|programs, site| {
        let log = site.dir().join("called");
        let wrapper = site.dir().join("wrapper");
        fs::write(&wrapper, format!("#!/bin/sh\necho \"$@\" >> {}\n", log.display())).unwrap();
        fs::set_permissions(&wrapper, Permissions::from_mode(0o755)).unwrap();
        let wrapper = wrapper.display().to_string();
        let back = ["aliases", "--mta", "exim", "--for", "mailman", "--program", &wrapper];
        let printed = site.ok(&back);
        let (routers, transports) = parts(&printed);
        let sink = mta::sink();
        let exim = Exim::start(programs, &sink, &HOSTS, "", routers, transports);
        let mail = message("anna@example.org", "x", "x\n");
        for suffix in ["", "-owner", "-request", "-bounces+bert=example.net", "-unsubscribe"] {
            let address = format!("dev{suffix}@lists.example.org");
            let answer = exim.bring("anna@example.org", &address, &mail);
            assert!(answer.starts_with("250"), "{address}: {answer}");
            exim.work();
        }
        let called = fs::read_to_string(log).unwrap_or_default();
        let expected = "post dev\nowner dev\nrequest dev\nbounces dev\nunsubscribe dev\n";
        assert_eq!(called, expected, "{}", exim.log());
    });
}
