//! The administrators' pages: renaming, copying and closing lists; settings of the site; all lists;
//! traces of messages; and charts.

use dormouse_testkit::browser::{Browser, encoded, location, value};
use dormouse_testkit::server::Server;
use dormouse_testkit::site::{TestSite, describe, message};
use std::fs;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Two lists with an owner each, and an administrator of the site.
fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.ok(&["config", "set", "web.administrators", "chief@example.org"]);
    for list in ["dev", "ops"] {
        site.plain_list(list, &["anna@example.org"]);
        site.ok(&["list", "set", list, &format!("owner={list}-boss@example.org")]);
    }
    site.ok(&["member", "add", "ops", "--welcome", "no", "chief@example.org"]);
    site
}

fn chief<'s>(site: &TestSite, server: &'s Server) -> Browser<'s> {
    Browser::signed_in(server, site, "chief@example.org")
}

fn owner<'s>(site: &TestSite, server: &'s Server) -> Browser<'s> {
    Browser::signed_in(server, site, "dev-boss@example.org")
}

fn status(answer: &str) -> &str {
    &answer[9..12]
}

fn deliver(site: &TestSite, address: &str, message: &[u8]) {
    let output = site.feed(&["deliver", address], message);
    assert!(output.status.success(), "{}", describe(&output));
    site.ok(&["run"]);
}

fn archived(site: &TestSite, list: &str) -> String {
    site.ok(&["archive", "export", list])
}

#[test]
fn a_renamed_list_is_reached_under_both_names() {
    let site = site();
    site.ok(&["list", "set", "dev", "require_explicit_destination=yes"]);
    site.ok(&["aliases", "--install"]);
    deliver(&site, "dev@lists.example.org", &message("x@example.net", "before", "one\n"));
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold"]);
    deliver(&site, "dev@lists.example.org", &message("x@example.net", "held", "two\n"));
    site.ok(&["list", "set", "dev", "generic_nonmember_action=accept"]);
    // A post that is in the queue when the name changes.
    site.post("dev", &message("x@example.net", "queued", "three\n"));
    let server = Server::start(&site);
    let browser = chief(&site, &server);
    let page = "/mailman/rename/dev";
    let shown = browser.send(page, page, "new=Devel&do=check");
    for words in ["devel@lists.example.org", "List-Id", "Its archive moves"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(site.ok(&["list", "ls"]).contains("dev@"), "nothing is done yet");
    let done = browser.send(page, page, "new=Devel&do=rename");
    assert_eq!(location(&done).unwrap(), "/mailman/rename/devel?done=renamed", "{done}");
    assert!(browser.follow(&done).contains("The list was renamed."));
    let lists = site.ok(&["list", "ls"]);
    assert!(lists.contains("devel@") && !lists.contains("dev@"), "{lists}");
    site.ok(&["run"]);
    deliver(&site, "dev@lists.example.org", &message("x@example.net", "old", "four\n"));
    let to_new = message("x@example.net", "new", "five\n");
    let to_new = String::from_utf8(to_new).unwrap().replace("dev@", "devel@");
    deliver(&site, "devel@lists.example.org", to_new.as_bytes());
    site.ok(&["held", "approve", "devel", "1"]);
    site.ok(&["run"]);
    let archive = archived(&site, "devel");
    for subject in ["before", "queued", "old", "new", "held"] {
        let here = archive.matches(&format!("Subject: {subject}\n")).count();
        assert_eq!(here, 1, "{subject}: {archive}");
    }
    let mails = site.maildir("anna@example.org");
    let last = String::from_utf8_lossy(mails.last().unwrap()).into_owned();
    assert!(last.contains("List-Id: <devel.lists.example.org>"), "{last}");
    // The archive is at both addresses.
    let archives = site.dir().join("archives");
    assert!(!archives.join("private/dev").exists());
    for name in ["dev", "devel"] {
        assert!(archives.join("public").join(name).join("index.html").exists(), "{name}");
    }
    site.ok(&["list", "set", "devel", "archive_private=yes"]);
    for name in ["dev", "devel"] {
        assert!(fs::symlink_metadata(archives.join("public").join(name)).is_err(), "{name}");
    }
    // The MTA delivers to both names, and old pages redirect.
    let aliases = fs::read_to_string(site.dir().join("aliases")).unwrap();
    assert!(
        aliases.contains("\ndev-bounces:") && aliases.contains("\ndevel-bounces:"),
        "{aliases}"
    );
    assert_eq!(status(&browser.get("/mailman/listinfo/dev")), "200");
    // A bounce of mail that was sent before.
    let bounce = "From: MAILER-DAEMON@example.org\nSubject: undeliverable\n\n550 no such user\n";
    deliver(&site, "dev-bounces+anna=example.org@lists.example.org", bounce.as_bytes());
    let bounces = site.ok(&["member", "bounces", "devel", "--json"]);
    assert!(bounces.contains("anna@example.org"), "{bounces}");
    // The person is recorded.
    let trail = browser.get("/mailman/changes/devel");
    assert!(trail.contains("<h2>name</h2>") && trail.contains("chief@example.org"), "{trail}");
}

#[test]
fn a_former_name_is_free_once_it_is_forgotten() {
    let site = site();
    site.ok(&["list", "rename", "dev", "devel", "--yes"]);
    let create = ["list", "create", "dev", "--owner", "a@example.org", "--quiet"];
    let refused = site.run(&create);
    assert!(describe(&refused).contains("--forget dev"), "{}", describe(&refused));
    let server = Server::start(&site);
    let browser = chief(&site, &server);
    let page = "/mailman/rename/devel";
    assert!(browser.get(page).contains("dev@lists.example.org"));
    assert_eq!(status(&browser.send(page, page, "do=forget:ops")), "404");
    let done = browser.send(page, page, "do=forget:dev");
    assert!(location(&done).unwrap().ends_with("done=released"), "{done}");
    let unknown =
        site.feed(&["deliver", "dev@lists.example.org"], &message("a@b.example", "x", "x"));
    assert!(!unknown.status.success());
    site.plain_list("dev", &[]);
    deliver(&site, "dev@lists.example.org", &message("a@example.org", "anew", "x\n"));
    assert!(archived(&site, "dev").contains("anew"), "the new list has an archive of its own");
}

#[test]
fn a_name_that_cannot_be_is_refused_and_nothing_moves() {
    let site = site();
    deliver(&site, "dev@lists.example.org", &message("x@example.net", "here", "one\n"));
    site.plain_list("gone", &[]);
    deliver(&site, "gone@lists.example.org", &message("a@example.org", "there", "x\n"));
    site.ok(&["list", "rm", "gone", "--yes"]);
    let server = Server::start(&site);
    let browser = chief(&site, &server);
    let page = "/mailman/rename/dev";
    for (wrong, why) in [
        ("ops", "ops"),
        ("ops-owner", "an address of the list ops"),
        ("a b", "name"),
        ("", "name"),
        ("dev", "already"),
        ("../x", "name"),
        ("gone", "from an earlier list"),
        ("x@bad host", "host"),
    ] {
        let answer = browser.send(page, page, &format!("new={}&do=rename", encoded(wrong)));
        assert_eq!(status(&answer), "422", "{wrong}: {answer}");
        assert!(
            answer.contains("Nothing was changed") && answer.contains(why),
            "{wrong}: {answer}"
        );
    }
    assert!(archived(&site, "dev").contains("here"));
    assert!(!site.dir().join("archives/moving/ops").exists());
    let other = owner(&site, &server);
    assert_eq!(status(&other.get(page)), "403", "owners do not choose addresses");
}

#[test]
fn wherever_a_rename_is_killed_the_next_run_finishes_it_and_no_post_is_lost() {
    for point in [
        "moving.begun",
        "rename.committed",
        "moving.mbox_dir",
        "moving.mbox",
        "moving.tree",
        "moving.index",
        "moving.done",
    ] {
        let site = site();
        site.ok(&["config", "set", "web.listen", ""]);
        fs::create_dir_all(site.dir().join("lists/dev/en")).unwrap();
        deliver(&site, "dev@lists.example.org", &message("x@example.net", "first", "one\n"));
        let mut rename = site.command(&["list", "rename", "dev", "devel", "--yes"]);
        let killed = rename.env("DORMOUSE_FAULT", point).output().unwrap();
        assert!(!killed.status.success(), "{point}");
        deliver(&site, "dev@lists.example.org", &message("x@example.net", "second", "two\n"));
        site.ok(&["run"]);
        let name = if point == "moving.begun" { "dev" } else { "devel" };
        let archive = archived(&site, name);
        for subject in ["first", "second"] {
            let here = archive.matches(&format!("Subject: {subject}\n")).count();
            assert_eq!(here, 1, "{point}: {subject}");
        }
        assert!(site.dir().join("lists").join(name).join("en").is_dir(), "{point}");
        assert!(site.dir().join("archives/private").join(name).join("index.html").exists());
        assert!(fs::read_dir(site.dir().join("archives/moving")).unwrap().next().is_none());
        assert!(site.files("shunt", "pck").is_empty(), "{point}");
    }
}

#[test]
fn a_copy_has_the_settings_texts_and_if_wanted_the_members() {
    let site = site();
    site.ok(&[
        "list",
        "set",
        "dev",
        "description=Leaves",
        "drop_cc=no",
        "moderator=mod@example.org",
    ]);
    let texts = site.dir().join("lists/dev/en");
    fs::create_dir_all(&texts).unwrap();
    fs::write(texts.join("welcome.txt"), "Hello\n").unwrap();
    let server = Server::start(&site);
    let browser = chief(&site, &server);
    let page = "/mailman/copy/dev";
    let owners = "owners=dev-boss%40example.org";
    let done = browser.send(page, page, &format!("new=tea&{owners}&members=on"));
    assert_eq!(location(&done).unwrap(), "/mailman/admin/tea", "{done}");
    let show = |name: &str| site.ok(&["list", "show", "tea", name]);
    for (name, value) in [
        ("description", "Leaves"),
        ("drop_cc", "no"),
        ("owner", "dev-boss@example.org"),
        ("moderator", "mod@example.org"),
        ("real_name", "Tea"),
    ] {
        assert_eq!(show(name).trim(), value, "{name}");
    }
    assert!(site.ok(&["member", "ls", "tea"]).contains("anna@example.org"));
    assert!(site.maildir("anna@example.org").is_empty(), "nobody gets a mail about it");
    let record = site.ok(&["person", "show", "anna@example.org"]);
    assert!(record.contains("copied from dev by chief@example.org"), "{record}");
    assert_eq!(fs::read_to_string(site.dir().join("lists/tea/en/welcome.txt")).unwrap(), "Hello\n");
    for (form, why) in [
        ("new=ops", "ops"),
        ("new=tea-owner", "an address of the list tea"),
        ("new=ok&owners=nobody", "nobody"),
    ] {
        let answer = browser.send(page, page, form);
        assert_eq!(status(&answer), "422", "{form}: {answer}");
        assert!(answer.contains("Nothing was created") && answer.contains(why), "{answer}");
    }
    let other = browser.send(page, page, "new=milk&owners=milk%40example.org");
    assert_eq!(status(&other), "303");
    assert_eq!(site.ok(&["list", "show", "milk", "moderator"]).trim(), "");
    assert_eq!(site.ok(&["member", "ls", "milk"]), "");
    assert_eq!(status(&owner(&site, &server).get(page)), "403");
}

#[test]
fn a_closed_list_takes_no_posts_and_no_members_and_its_archive_stays() {
    let site = site();
    deliver(&site, "dev@lists.example.org", &message("x@example.net", "before", "one\n"));
    let server = Server::start(&site);
    let browser = owner(&site, &server);
    site.post("dev", &message("x@example.net", "queued", "two\n"));
    let page = "/mailman/close/dev";
    assert!(browser.get(page).contains("Its archive stays"));
    let done = browser.send(page, page, "do=close&members=stay");
    assert!(browser.follow(&done).contains("Dev is closed"));
    site.ok(&["run"]);
    let refused =
        site.feed(&["deliver", "dev@lists.example.org"], &message("x@example.net", "late", "x"));
    assert!(describe(&refused).contains("is closed"), "{}", describe(&refused));
    let archive = archived(&site, "dev");
    assert!(archive.contains("before") && !archive.contains("queued"), "{archive}");
    let joined = site.run(&["member", "add", "dev", "new@example.org"]);
    assert!(describe(&joined).contains("closed"), "{}", describe(&joined));
    let info = server.get("/mailman/listinfo/dev");
    assert!(!info.contains("name=\"email\" value") && info.contains("closed"), "{info}");
    assert!(site.ok(&["member", "ls", "dev"]).contains("anna@"));
    // Owners are still reached, and members can leave.
    deliver(&site, "dev-owner@lists.example.org", &message("x@example.net", "why", "x\n"));
    assert!(!site.maildir("dev-boss@example.org").is_empty());
    site.ok(&["member", "rm", "dev", "anna@example.org"]);
    let open = browser.send(page, page, "do=reopen");
    assert_eq!(status(&open), "303");
    deliver(&site, "dev@lists.example.org", &message("x@example.net", "again", "x\n"));
    assert!(archived(&site, "dev").contains("again"));
    let other = Browser::signed_in(&server, &site, "ops-boss@example.org");
    assert_eq!(status(&other.get(page)), "403");
}

#[test]
fn a_list_is_closed_with_its_members_kept_in_a_file() {
    let site = site();
    let said = site.ok(&["list", "close", "dev", "--remove-members", "--yes"]);
    let file = said.split("is kept in ").nth(1).unwrap().trim();
    assert!(fs::read_to_string(file).unwrap().contains("anna@example.org"));
    assert_eq!(site.ok(&["member", "ls", "dev"]), "");
    assert!(site.maildir("anna@example.org").is_empty());
    assert!(site.ok(&["list", "reopen", "dev"]).contains("reopened"));
}

fn config(site: &TestSite) -> String {
    fs::read_to_string(site.dir().join("dormouse.toml")).unwrap()
}

#[test]
fn settings_of_the_site_are_changed_after_a_look_and_the_files_comments_stay() {
    let site = site();
    let server = Server::start(&site);
    let browser = chief(&site, &server);
    let page = "/mailman/site/settings/trace";
    let shown = browser.send(page, page, "set-trace.keep=7d&do=check");
    assert!(shown.contains("1 setting would change") && shown.contains("30d"), "{shown}");
    assert!(!config(&site).contains("\nkeep = \"7d\""));
    let comments = |text: &str| text.lines().filter(|line| line.starts_with("# ")).count();
    let before = comments(&config(&site));
    let saved = browser.send(page, page, "set-trace.keep=7d&do=save");
    assert!(browser.follow(&saved).contains("1 setting was changed."), "{saved}");
    assert_eq!(site.ok(&["config", "show", "trace.keep"]).trim(), "7d");
    assert_eq!(comments(&config(&site)), before);
    site.ok(&["config", "set", "trace.recipients", "no"]);
    let trail = browser.get("/mailman/site/changes");
    assert!(trail.contains("chief@example.org · web"), "{trail}");
    assert!(trail.contains("command line") && trail.contains("trace.recipients"), "{trail}");
    let id = trail.split("name=\"revert\" value=\"").nth(2).unwrap().split('"').next().unwrap();
    let done =
        browser.send("/mailman/site/changes", "/mailman/site/changes", &format!("revert={id}"));
    assert_eq!(status(&done), "303", "{done}");
    assert_eq!(site.ok(&["config", "show", "trace.keep"]).trim(), "30d");
    let found = browser.get("/mailman/site/settings/search?q=bounces+kept");
    assert!(found.contains("set-bounces.keep"), "{found}");
}

#[test]
fn what_is_wrong_is_said_and_what_could_lock_somebody_out_is_only_shown() {
    let site = site();
    let server = Server::start(&site);
    let browser = chief(&site, &server);
    let page = "/mailman/site/settings/delivery";
    let wrong =
        browser.send(page, page, "set-delivery.connections=0&set-delivery.timeout=7min&do=save");
    assert_eq!(status(&wrong), "422", "{wrong}");
    assert!(wrong.contains("Nothing was changed: ") && wrong.contains("7min"), "{wrong}");
    let before = config(&site);
    for (section, key, value) in [
        ("delivery", "delivery.url", "smtp://evil.example:25"),
        ("general", "host", "evil.example"),
        ("general", "web_url", "https://evil.example/"),
        ("web", "web.listen", "0.0.0.0:80"),
        ("web", "web.administrators", "evil@example.org"),
        ("web", "web.proxies", "0.0.0.0"),
        ("metrics", "metrics.file", "/etc/passwd"),
        ("scrub", "scrub.html", "store"),
        ("notices", "notices.authserv_id", "evil"),
    ] {
        let page = format!("/mailman/site/settings/{section}");
        let shown = browser.get(&page);
        assert!(shown.contains(&format!("dormouse config set {key} VALUE")), "{key}: {shown}");
        assert!(!shown.contains(&format!("name=\"set-{key}\"")), "{key}");
        let form = format!("set-{key}={}&do=save", encoded(value));
        let answer = browser.send(&page, &page, &form);
        assert!(answer.contains("Nothing was changed."), "{key}: {answer}");
    }
    assert_eq!(config(&site), before);
    for page in ["/mailman/site/settings/none", "/mailman/site/settings/..%2Fx"] {
        assert_eq!(status(&browser.get(page)), "404", "{page}");
    }
}

#[test]
fn nobody_else_sees_the_site() {
    let site = site();
    let server = Server::start(&site);
    let owner = owner(&site, &server);
    let key = value(&owner.get("/mailman/account"), "key").unwrap();
    for page in [
        "/mailman/site",
        "/mailman/site/people",
        "/mailman/site/settings",
        "/mailman/site/settings/trace",
        "/mailman/site/changes",
        "/mailman/site/charts",
        "/mailman/site/trace",
    ] {
        assert_eq!(status(&server.get(page)), "303", "{page}");
        assert_eq!(status(&owner.get(page)), "403", "{page}");
    }
    let before = config(&site);
    let form = format!("key={key}&set-trace.keep=1d&do=save");
    assert_eq!(status(&owner.post("/mailman/site/settings/trace", &form)), "403");
    let chief = chief(&site, &server);
    let without = chief.post("/mailman/site/settings/trace", "set-trace.keep=1d&do=save");
    assert_eq!(status(&without), "403");
    assert_eq!(config(&site), before);
}

#[test]
fn all_lists_are_seen_at_a_glance_and_found() {
    let site = site();
    site.ok(&["list", "set", "dev", "description=Leaves <b>"]);
    site.ok(&["list", "create", "far@far.example", "--owner", "f@example.org", "--quiet"]);
    deliver(&site, "dev@lists.example.org", &message("x@example.net", "post", "one\n"));
    let server = Server::start(&site);
    let browser = chief(&site, &server);
    let all = browser.get("/mailman/site");
    for words in ["Leaves &#60;b&#62;", "far.example", "dev-boss@example.org"] {
        assert!(all.contains(words), "{words}: {all}");
    }
    let far = browser.get("/mailman/site?host=far.example");
    assert!(far.contains("/admin/far") && !far.contains("/admin/ops"), "{far}");
    let found = browser.get("/mailman/site?q=LEAVES");
    assert!(found.contains("/admin/dev") && !found.contains("/admin/ops"), "{found}");
    let people = browser.get("/mailman/site/people?q=dev-");
    assert!(people.contains("dev-boss@example.org") && !people.contains("ops-boss"), "{people}");
}

#[test]
fn lists_by_the_hundred_are_on_pages_that_follow_each_other() {
    let site = site();
    for number in 0..60 {
        let name = format!("l{number:02}");
        site.ok(&["list", "create", &name, "--owner", "many@example.org", "--quiet"]);
    }
    let server = Server::start(&site);
    let browser = chief(&site, &server);
    let mut place = "/mailman/site?q=many".to_owned();
    let mut seen = 0;
    loop {
        let page = browser.get(&place);
        seen += page.matches("<th scope=\"row\">").count();
        let Some(next) =
            page.split("<p><a rel=\"next\" href=\"").find(|part| part.contains("More lists"))
        else {
            break;
        };
        place = next.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(seen, 60);
}

#[test]
fn a_message_is_traced_and_each_list_sees_its_own_part() {
    let site = site();
    site.ok(&["member", "add", "ops", "--welcome", "no", "secret@example.org"]);
    let mail = message("x@example.net", "both", "one\n");
    deliver(&site, "dev@lists.example.org", &mail);
    deliver(&site, "ops@lists.example.org", &mail);
    let server = Server::start(&site);
    let id = encoded("<both@test.example>");
    let dev = owner(&site, &server);
    let seen = dev.get(&format!("/mailman/trace/dev?id={id}"));
    for words in ["received", "accepted", "anna@example.org", "archived"] {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    assert!(!seen.contains("secret@example.org") && !seen.contains("chief@"), "{seen}");
    assert_eq!(status(&dev.get(&format!("/mailman/trace/ops?id={id}"))), "403");
    let narrow = dev.get(&format!("/mailman/trace/dev?id={id}&recipient=nobody%40x.example"));
    assert!(!narrow.contains("for anna@example.org"), "{narrow}");
    let unknown = dev.get("/mailman/trace/dev?id=%3Cno%40such%3E");
    assert!(unknown.contains("Nothing is known about it on this list"), "{unknown}");
    let all = chief(&site, &server).get(&format!("/mailman/site/trace?id={id}"));
    assert!(all.contains("secret@example.org") && all.contains("anna@example.org"), "{all}");
}

#[test]
fn charts_show_what_happened_without_a_script_or_a_style() {
    let site = site();
    for subject in ["one", "two"] {
        deliver(&site, "dev@lists.example.org", &message("x@example.net", subject, "x\n"));
    }
    site.ok(&["member", "add", "dev", "--welcome", "no", "new@example.org"]);
    let server = Server::start(&site);
    let page = owner(&site, &server).get("/mailman/charts/dev");
    assert!(page.contains("2 in 90 days, at most 2 in a day."), "{page}");
    assert!(page.contains("<title id=\"posts-title\">Posts, "), "{page}");
    assert!(page.contains("<td>2</td><td>0</td><td>2</td><td>0</td><td>2</td>"), "{page}");
    assert!(!page.contains("style=\"") && !page.contains("<script"), "{page}");
    assert!(page.contains("default-src 'none'"));
    let ops = Browser::signed_in(&server, &site, "ops-boss@example.org");
    assert_eq!(status(&ops.get("/mailman/charts/dev")), "403");
    assert!(ops.get("/mailman/charts/ops").contains("0 in 90 days"));
    let all = chief(&site, &server).get("/mailman/site/charts");
    assert!(all.contains("2 in 90 days"), "{all}");
    assert!(page.contains("No mail has come back."), "{page}");
}

#[test]
fn owners_see_which_domains_return_mail_and_moderators_do_not() {
    let site = site();
    site.ok(&["member", "add", "dev", "--welcome", "no", "gone@full.example", "b@full.example"]);
    let bounce = b"From: MAILER-DAEMON@full.example\nSubject: undeliverable\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
        --b\nContent-Type: message/delivery-status\n\n\
        Reporting-MTA: dns; full.example\n\n\
        Final-Recipient: rfc822; gone@full.example\nAction: failed\nStatus: 5.1.1\n\n--b--\n";
    deliver(&site, "dev-bounces@lists.example.org", bounce);
    site.ok(&["list", "set", "dev", "moderator=mod@example.org"]);
    let server = Server::start(&site);
    let row = "<th scope=\"row\">full.example</th><td>2</td><td>1 (50.0 %)</td>";
    assert!(owner(&site, &server).get("/mailman/charts/dev").contains(row));
    assert!(chief(&site, &server).get("/mailman/site/charts").contains(row));
    let page = Browser::signed_in(&server, &site, "mod@example.org").get("/mailman/charts/dev");
    assert!(page.contains("in 90 days") && !page.contains("full.example"), "{page}");
}
