//! Settings of lists and of the site on the command line.

use dormouse_testkit::site::{TestSite, describe, message};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn refused(site: &TestSite, args: &[&str], words: &str) {
    let output = site.run(args);
    let said = describe(&output);
    assert_eq!(output.status.code(), Some(64), "{args:?}: {said}");
    assert!(said.contains(words), "{args:?}: {words} in {said}");
}

#[test]
fn one_value_is_printed_alone_and_several_lines_are_indented() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    site.ok(&[
        "list",
        "set",
        "dev",
        "description=Tea and more",
        "moderator=a@x.example,b@x.example",
    ]);
    assert_eq!(site.ok(&["list", "show", "dev", "description"]), "Tea and more\n");
    assert_eq!(site.ok(&["list", "show", "dev", "moderator"]), "a@x.example\nb@x.example\n");
    assert_eq!(site.ok(&["list", "show", "dev", "subject_prefix"]), "\n");
    let explained = site.ok(&["list", "show", "dev", "description", "--explain"]);
    assert!(explained.starts_with("# A description of the list"), "{explained}");
    let json = site.ok(&["list", "show", "dev", "archive", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["value"], true);
    refused(&site, &["list", "show", "dev", "descripton"], "did you mean description?");
    refused(&site, &["list", "show", "dev", "password"], "dormouse list password");

    assert_eq!(site.ok(&["config", "show", "host"]), "lists.example.org\n");
    assert_eq!(site.ok(&["config", "show", "web.proxies"]), "127.0.0.1\n::1\n");
    refused(&site, &["config", "show", "hosts"], "did you mean host?");
    let all = site.ok(&["config", "show"]);
    assert!(all.contains("web.proxies = 127.0.0.1\n    ::1\nweb.idle = "), "{all}");
}

#[test]
fn a_setting_that_could_not_work_is_refused_from_every_source() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    let wrong = ["description=x", "host_name=bad host"];
    refused(&site, &[&["list", "set", "dev"], &wrong[..]].concat(), "host_name: \"bad host\"");
    assert_eq!(site.ok(&["list", "show", "dev", "description"]), "\n", "all changes or none");
    refused(&site, &["list", "create", "dev-owner", "--owner", "o@x.example"], "of the list dev");
    refused(&site, &["config", "set", "host", "bad host"], "host: \"bad host\"");
    refused(&site, &["config", "set", "delivery.url", "smtp://127.0.0.1:99999"], "delivery.url: ");
    refused(&site, &["config", "set", "lmtp.listen", "foo"], "lmtp.listen: ");
    assert_eq!(site.ok(&["config", "show", "host"]), "lists.example.org\n");
}

#[test]
fn a_list_gets_passwords_that_are_hashed_and_fit() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["list", "set", "dev", "emergency=yes"]);
    refused(&site, &["list", "set", "dev", "password=hello"], "`dormouse list password dev` asks");
    refused(&site, &["list", "password", "dev"], "--stdin");
    let both = ["list", "password", "dev", "--moderator", "--poster", "--stdin"];
    assert!(!site.feed(&both, b"x\n").status.success());
    let empty = site.feed(&["list", "password", "dev", "--stdin"], b"\n");
    assert_eq!(empty.status.code(), Some(64), "{}", describe(&empty));
    for (whose, secret) in
        [(&[][..], "owners"), (&["--moderator"], "moderate"), (&["--poster"], "post")]
    {
        let args = [&["list", "password", "dev", "--stdin"], whose].concat();
        let set = site.feed(&args, format!("{secret}\n").as_bytes());
        assert!(set.status.success(), "{}", describe(&set));
        let mail = message("anna@example.org", secret, &format!("Approved: {secret}\n\nHello.\n"));
        site.post("dev", &mail);
    }
    site.post("dev", &message("anna@example.org", "wrong", "Approved: hello\n\nHello.\n"));
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), 3, "the wrong one is held");
    if !site.is_shared() {
        let kept = std::fs::read(site.dir().join("dormouse.db")).unwrap();
        let is_there = |text: &[u8]| kept.windows(text.len()).any(|part| part == text);
        assert!(!is_there(b"moderate\x00") && is_there(b"$argon2id$"));
    }
    site.ok(&["list", "set", "dev", "post_password="]);
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn programs_read_numbers_truth_values_and_lists() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    site.ok(&["list", "set", "dev", "moderator=a@x.example,b@x.example"]);
    let shown = json(&site.ok(&["list", "show", "dev", "--json"]));
    let settings = &shown["settings"];
    assert_eq!(settings["max_message_size"], 0);
    assert_eq!(settings["bounce_score_threshold"], 5.0);
    assert_eq!(settings["archive"], true);
    assert_eq!(settings["moderator"], serde_json::json!(["a@x.example", "b@x.example"]));
    assert_eq!(settings["topics"], serde_json::json!([]));
    assert_eq!(settings["max_days_to_hold"], 0);
    assert_eq!(settings["generic_nonmember_action"], "accept");
    assert_eq!(settings["bounce_info_stale_after"], "7d");
    let texts = json(&site.ok(&["template", "ls", "dev", "--json"]));
    let texts = texts.as_array().unwrap();
    assert!(texts.iter().any(|text| text["name"] == "postheld" && text["built_in"] == true));
    let aliases = json(&site.ok(&["aliases", "--json"]));
    let owner = aliases.as_array().unwrap().iter().find(|alias| alias["alias"] == "dev-owner");
    let owner = owner.unwrap();
    assert_eq!(owner["address"], "dev-owner@lists.example.org");
    assert_eq!((&owner["list"], &owner["purpose"]), (&"dev".into(), &"owner".into()));
    assert!(owner["command"].as_str().unwrap().ends_with(" mailman owner dev"), "{owner}");
}

#[test]
fn times_have_mailmans_units_and_what_is_shown_may_be_typed() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    for (setting, typed, shown, configured) in [
        ("bounce_you_are_disabled_warnings_interval", "7", "7d", "7"),
        ("bounce_info_stale_after", "7", "7d", "7"),
        ("bounce_info_stale_after", "12h", "12h", "0.5"),
        ("bounce_info_stale_after", "1.5", "36h", "1.5"),
        ("max_days_to_hold", "2 weeks", "14", "14"),
        ("autoresponse_graceperiod", "30d", "30", "30"),
        ("member_verbosity_interval", "5min", "300", "300"),
    ] {
        let change = format!("{setting}={typed}");
        site.ok(&["list", "set", "dev", &change]);
        let now = site.ok(&["list", "show", "dev", setting]);
        assert_eq!(now, format!("{shown}\n"), "{change}");
        site.ok(&["list", "set", "dev", &format!("{setting}={}", now.trim())]);
        assert_eq!(site.ok(&["list", "show", "dev", setting]), now, "{change}");
        let mailmans = site.ok(&["compat", "config_list", "-o", "-", "dev"]);
        let line = format!("\n{setting} = {configured}\n");
        assert!(mailmans.contains(&line), "{line} in {mailmans}");
        let read = site.feed(&["compat", "config_list", "-i", "-", "dev"], mailmans.as_bytes());
        assert!(read.status.success(), "{}", describe(&read));
        assert_eq!(site.ok(&["list", "show", "dev", setting]), now, "{change} after config_list");
    }
    refused(&site, &["list", "set", "dev", "max_days_to_hold=12h"], "whole number of days");
    refused(&site, &["list", "set", "dev", "bounce_info_stale_after=soon"], "not a span of time");
    for key in ["delivery.retry_wait", "trace.keep", "shunt.stale_after"] {
        refused(&site, &["config", "set", key, "7"], "7 of what?");
        site.ok(&["config", "set", key, "1 week"]);
        assert_eq!(site.ok(&["config", "show", key]), "7d\n");
    }
}

#[test]
fn what_would_stand_in_mail_as_it_is_written_is_refused_and_so_are_absurd_numbers() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    for (change, words) in [
        ("msg_footer=%(reel_name)s", "did you mean real_name?"),
        ("msg_header=%(real_name)", "%(real_name)s"),
        ("digest_footer=%(user_unsubscribeurl)s", "nothing is filled in"),
        ("autoresponse_admin_text=%(nobody)s", "nothing is filled in for nobody"),
        ("subject_prefix=[%(real_name)s]", "only %d"),
        ("max_message_size=-1", "below 0"),
        ("max_message_size=99999999999999999", "above"),
        ("max_num_recipients=9223372036854775808", "not a whole number"),
        ("new_member_options=1024", "not a sum of"),
        ("digest_size_threshhold=inf", "not a number"),
    ] {
        refused(&site, &["list", "set", "dev", change], words);
    }
    site.ok(&["list", "set", "dev", "personalize=yes", "msg_footer=%(user_unsubscribeurl)s\n"]);
    site.ok(&["list", "set", "dev", "use_dollar_strings=yes", "msg_footer=$real_name"]);
    refused(&site, &["list", "set", "dev", "msg_footer=${nobody}"], "nobody");
    refused(&site, &["config", "set", "delivery.verp_interval", "-1"], "below 0");
    refused(&site, &["config", "set", "delivery.connections", "99999999999"], "above");
    refused(&site, &["config", "set", "delivery.timeout", "0s"], "longer than zero");
}

/// The list was personalized when its footer was set, or was imported like this.
#[test]
fn no_reader_gets_the_name_of_a_field() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    let names = "%(user_name)s %(user_address)s %(user_optionsurl)s %(user_unsubscribeurl)s\n";
    site.ok(&["list", "set", "dev", "personalize=yes", &format!("msg_footer=bye {names}")]);
    let told = site.run(&["list", "set", "dev", "personalize=no"]);
    let told = describe(&told);
    assert!(told.contains("msg_footer: user_name") && told.contains("personalize=yes"), "{told}");
    site.post("dev", &message("anna@example.org", "one", "text\n"));
    site.ok(&["run"]);
    let mail = String::from_utf8(site.maildir("anna@example.org").remove(0)).unwrap();
    assert!(mail.contains("bye ") && !mail.contains("%("), "{mail}");
    assert!(mail.contains("mailto:dev-request@lists.example.org?subject=unsubscribe"), "{mail}");
}

#[test]
fn a_site_says_what_new_lists_have() {
    let site = TestSite::new(DORMOUSE);
    let file = site.dir().join("dormouse.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    for words in
        ["\n[list-defaults]\n", "\n#web_url = \"\"\n", "\n[delivery]\n", "# Where mail is sent"]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
    for (key, value) in [
        ("list-defaults.archive_private", "yes"),
        ("list-defaults.max_message_size", "200"),
        ("list-defaults.bounce_info_stale_after", "14d"),
        ("list-defaults.subject_prefix", "(%(real_name)s) "),
        ("list-defaults.ban_list", "^spam@"),
    ] {
        site.ok(&["config", "set", key, value]);
        assert_eq!(site.ok(&["config", "show", key]), format!("{value}\n"), "{key}");
    }
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\narchive_private = \"yes\"\n") && !text.contains("#archive_private"));
    assert!(site.ok(&["config", "show"]).contains("list-defaults.max_message_size = 200"));
    refused(&site, &["config", "set", "list-defaults.max_message_size", "-1"], "below 0");
    refused(&site, &["config", "set", "list-defaults.max_mesage_size", "1"], "did you mean");
    refused(&site, &["config", "set", "list-defaults.owner", "a@x.example"], "its own");
    refused(&site, &["config", "set", "archive_private", "yes"], "list-defaults.archive_private");
    site.ok(&["list", "create", "tea", "--owner", "o@example.org"]);
    let value = |list: &str, key: &str| site.ok(&["list", "show", list, key]).trim_end().to_owned();
    let of = |list: &str| {
        [
            "archive_private",
            "max_message_size",
            "bounce_info_stale_after",
            "subject_prefix",
            "ban_list",
        ]
        .map(|key| value(list, key))
    };
    assert_eq!(of("tea"), ["yes", "200", "14d", "(Tea)", "^spam@"]);
    let made = site.feed(&["compat", "newlist", "-q", "milk", "o@example.org", "pw"], b"");
    assert!(made.status.success(), "{}", describe(&made));
    assert_eq!(of("milk"), ["yes", "200", "14d", "(Milk)", "^spam@"]);

    site.ok(&[
        "list",
        "set",
        "tea",
        "max_message_size=7",
        "description=Leaves",
        "archive_private=no",
    ]);
    site.ok(&["list", "create", "mate", "--owner", "m@example.org", "--like", "tea"]);
    assert_eq!(of("mate"), ["no", "7", "14d", "(Mate)", "^spam@"]);
    assert_eq!(
        (value("mate", "description"), value("mate", "owner")),
        (String::new(), "m@example.org".into())
    );
    let missing =
        site.run(&["list", "create", "x", "--owner", "m@example.org", "--like", "nolist"]);
    assert_eq!(missing.status.code(), Some(67), "{}", describe(&missing));
    assert_eq!(site.run(&["list", "show", "x"]).status.code(), Some(67), "nothing was created");
    // A file edited by hand is checked as strictly.
    std::fs::write(&file, text.replace("max_message_size = 200", "max_message_size = -3")).unwrap();
    let broken = site.run(&["list", "ls"]);
    assert_eq!(broken.status.code(), Some(78), "{}", describe(&broken));
}

#[test]
fn a_language_without_texts_is_named_with_those_there_are() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    let said = |change: &str| {
        let output = site.run(&["list", "set", "dev", change]);
        assert!(output.status.success(), "{}", describe(&output));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(said("preferred_language=de"), "");
    for change in ["preferred_language=sv", "available_languages=en,sv"] {
        let remark = said(change);
        assert!(
            remark.contains("no texts in \"sv\"") && remark.contains("de, en, es, fr, it"),
            "{remark}"
        );
    }
    let dir = site.dir().join("templates/site/sv");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("postheld.txt"), "Var god vänta.\n").unwrap();
    assert_eq!(said("preferred_language=sv"), "");
}

#[test]
fn settings_are_explained_in_groups() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    let lists = site.ok(&["list", "show", "dev", "--explain"]);
    let place =
        |text: &str, words: &str| text.find(words).unwrap_or_else(|| panic!("{words} in {text}"));
    assert!(place(&lists, "[Digests]") < place(&lists, "\ndigestable = "));
    assert!(place(&lists, "\ndigestable = ") < place(&lists, "[Bounces]"));
    let sites = site.ok(&["config", "show", "--explain"]);
    assert!(place(&sites, "[delivery]") < place(&sites, "\ndelivery.url = "));
}

#[test]
fn a_name_that_can_be_no_address_is_refused() {
    let site = TestSite::new(DORMOUSE);
    for name in [
        "a..b",
        ".a",
        "a.",
        "a b",
        "a\tb",
        "a\u{7f}",
        "-a",
        "a@",
        "@x.example",
        "a@b c",
        "dev.mbox",
        "a,b",
    ] {
        let output = site.run(&["list", "create", "--owner", "o@example.org", "--", name]);
        assert_eq!(output.status.code(), Some(64), "{name:?}: {}", describe(&output));
    }
    assert_eq!(json(&site.ok(&["list", "ls", "--json"])), serde_json::json!([]));
}
