//! A real Postfix in a separate directory: it delivers mail by the generated maps, through pipes
//! and over LMTP, sends mail through its queue, and bounces to VERP addresses.
//!
//! It is configured as `dormouse aliases` and the documentation say.

mod mta;

use dormouse_testkit::documented::block;
use dormouse_testkit::servers::{Account, Ends, Mta, Postfix, PostfixPrograms, free_address};
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, message};
use mta::PAGE;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

/// A site on a machine with Postfix.
struct Host<'p> {
    site: TestSite,
    sink: Sink,
    postfix: Postfix<'p>,
}

impl<'p> Host<'p> {
    fn new(programs: &'p PostfixPrograms, owner: &Account) -> Host<'p> {
        let (site, sink) = (mta::site(owner), mta::sink());
        let postfix = Postfix::new(programs, &sink);
        Host { site, sink, postfix }
    }

    /// Copies the configuration on a page into `main.cf` or `master.cf`, with this site's paths.
    fn follow(&self, heading: &str, having: &str) {
        let block = block(PAGE, heading, having);
        let (file, lines) = block.split_once('\n').unwrap();
        let lines = lines
            // The aliases of the machine do not exist here.
            .replace("hash:/etc/aliases, ", "")
            .replace("/usr/bin/dormouse", &format!("{} --site {}", self.program(), self.dir()))
            .replace("/var/lib/dormouse", &self.dir());
        self.postfix.add(file.trim_start_matches("# "), &lines);
    }

    fn program(&self) -> String {
        self.site.binary().display().to_string()
    }

    fn dir(&self) -> String {
        self.site.dir().display().to_string()
    }

    /// Runs `dormouse aliases` as root.
    fn aliases(&self, args: &[&str]) -> String {
        let mut command = Command::new(self.site.binary());
        command.arg("--site").arg(self.site.dir()).arg("aliases").args(args);
        self.postfix.surrounds(&mut command);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", describe(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the indented commands in a command's output, and returns their number.
    fn obey(&self, told: &str) -> usize {
        let lines = told.lines().filter_map(|line| line.strip_prefix("  "));
        let typed: Vec<&str> = lines.filter(|line| *line != "postfix reload").collect();
        for line in &typed {
            let mut command = Command::new("sh");
            // Administrators have the program in PATH and use the default site.
            let line =
                line.replace("dormouse ", &format!("{} --site {} ", self.program(), self.dir()));
            command.args(["-c", &line]);
            self.postfix.surrounds(&mut command);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{line}: {}", describe(&output));
        }
        typed.len()
    }

    /// Returns the findings of `doctor` about incoming mail.
    fn doctor(&self) -> String {
        let mut command = self.site.command(&["doctor"]);
        self.postfix.surrounds(&mut command);
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let mut lines = text.lines().skip_while(|line| !line.contains("mail in"));
        let first = lines.next().unwrap_or_default().to_owned();
        let more = lines.take_while(|line| line.contains("mail in") || line.starts_with("     "));
        more.fold(first, |all, line| format!("{all}\n{line}"))
    }

    fn start(mut self) -> Host<'p> {
        self.postfix = self.postfix.start();
        self.site.ok(&["config", "set", "delivery.url", &self.postfix.url()]);
        self
    }
}

/// Runs a test if there is a Postfix.
fn beside_postfix(test: impl FnOnce(Host<'_>)) {
    let Some(programs) = PostfixPrograms::find() else { return };
    let Some(owner) = Account::find(&["list"]) else { return };
    test(Host::new(&programs, &owner));
}

#[test]
fn by_generated_aliases_each_address_leads_to_its_queue_and_a_post_goes_round() {
    beside_postfix(|host| {
        let lost = "hash:/nowhere/aliases";
        host.postfix.add("main.cf", &format!("recipient_delimiter =\nalias_maps = {lost}"));
        assert!(host.doctor().contains("dormouse aliases --install"), "{}", host.doctor());
        let told = host.aliases(&["--install"]);
        assert!(told.contains(&format!("Postfix cannot read {lost}")), "{told}");
        host.postfix.add("main.cf", "alias_maps =");
        let told = host.aliases(&["--install"]);
        for lacking in [
            "postconf -e 'mydestination = $myhostname, lists.example.org'",
            &format!("hash:{}/aliases'", host.dir()),
            "postconf -e 'recipient_delimiter = +'",
            "postfix reload",
        ] {
            assert!(told.contains(lacking), "{lacking} in {told}");
        }
        for lacking in ["does not accept mail for lists.example.org", "postconf -e 'alias_maps = "]
        {
            assert!(host.doctor().contains(lacking), "{}", host.doctor());
        }
        assert_eq!(host.obey(&told), 3);
        let again = host.aliases(&["--install"]);
        assert!(again.contains("Postfix is configured for all of them"), "{again}");
        assert!(
            host.doctor().starts_with("good") && !host.doctor().contains('\n'),
            "{}",
            host.doctor()
        );
        let host = host.start();
        mta::each_address_leads_to_its_queue(&host.site, &host.postfix, "lists.example.org");
        mta::a_null_sender_is_told(&host.site, &host.postfix);
        mta::is_refused(&host.postfix, "unknown@lists.example.org");
        // A new list gets mail immediately.
        let mut create = host.site.command(&["list", "create", "new", "--owner", "o@example.org"]);
        host.postfix.surrounds(&mut create);
        let output = create.output().unwrap();
        assert!(output.status.success(), "{}", describe(&output));
        host.postfix.eventually("the new list", &|| {
            let answer = host.postfix.bring("", "new-request@lists.example.org", b"x");
            answer.starts_with("250")
        });
        mta::a_post_goes_round(&host.site, &host.sink, &host.postfix);
    });
}

#[test]
fn by_the_virtual_map_lists_of_another_domain_are_found() {
    beside_postfix(|host| {
        host.site.plain_list("dev@lists.example.net", &[]);
        host.postfix.add("main.cf", "alias_maps =");
        let told = host.aliases(&["--install"]);
        let virtual_domains = "'virtual_alias_domains = $virtual_alias_maps, lists.example.net'";
        for lacking in [virtual_domains, "dormouse aliases --virtual --install", "/virtual'"] {
            assert!(told.contains(lacking), "{lacking} in {told}");
        }
        host.obey(&told);
        let again = host.aliases(&["--virtual", "--install"]);
        assert!(again.contains("Postfix is configured for all of them"), "{again}");
        let host = host.start();
        mta::each_address_leads_to_its_queue(&host.site, &host.postfix, "lists.example.net");
        mta::is_refused(&host.postfix, "unknown@lists.example.net");
    });
}

#[test]
fn by_what_the_page_says_nothing_is_missing() {
    beside_postfix(|host| {
        host.site.plain_list("dev@lists.example.net", &[]);
        host.aliases(&["--install"]);
        host.aliases(&["--virtual", "--install"]);
        host.follow("### Postfix", "alias_maps");
        host.follow("### Postfix", "virtual_alias_maps");
        assert!(host.doctor().starts_with("good"), "{}", host.doctor());
        // A list at another host is created.
        let list = ["list", "create", "third@lists.example.com", "--owner", "o@example.org"];
        let mut create = host.site.command(&list);
        host.postfix.surrounds(&mut create);
        let told = describe(&create.output().unwrap());
        assert!(told.contains("does not accept mail for lists.example.com"), "{told}");
        let mend = "mydestination = $myhostname, localhost, lists.example.org, lists.example.com'";
        assert!(host.doctor().contains(mend), "{}", host.doctor());
    });
}

#[test]
fn where_a_transport_brings_it_no_aliases_are_missed() {
    beside_postfix(|host| {
        host.postfix.add("main.cf", &block(PAGE, "#### LMTP", "lmtp:inet"));
        assert!(host.doctor().starts_with("good"), "{}", host.doctor());
        host.postfix.add("main.cf", "recipient_delimiter =");
        let said = host.doctor();
        assert!(said.contains("recipient_delimiter = +") && !said.contains("aliases"), "{said}");
    });
}

#[test]
fn mailmans_own_aliases_run_dormouse_through_a_link() {
    beside_postfix(|host| {
        let odd = host.site.dir().join("odd ($1) 'mail'");
        fs::create_dir(&odd).unwrap();
        let wrapper = odd.join("mailman");
        symlink(host.site.binary(), &wrapper).unwrap();
        let wrapper = wrapper.display().to_string();
        host.aliases(&["--for", "mailman", "--program", &wrapper, "--install"]);
        host.follow("### Postfix", "alias_maps");
        let environment = format!("export_environment = TZ LANG DORMOUSE_SITE={}", host.dir());
        host.postfix.add("main.cf", &environment);
        let host = host.start();
        mta::each_address_leads_to_its_queue(&host.site, &host.postfix, "lists.example.org");
    });
}

#[test]
fn through_one_pipe_mail_is_kept_and_for_nobody_it_bounces() {
    beside_postfix(|host| {
        host.follow("#### One line for all lists", "master.cf");
        host.follow("#### One line for all lists", "main.cf");
        let host = host.start();
        mta::each_address_leads_to_its_queue(&host.site, &host.postfix, "lists.example.org");
        mta::a_null_sender_is_told(&host.site, &host.postfix);
        // Exit code 67 causes an immediate bounce to the sender, through the sink.
        let unknown = message("anna@example.org", "lost", "x\n");
        host.postfix.bring("anna@example.org", "unknown@lists.example.org", &unknown);
        host.postfix.eventually("the bounce", &|| {
            host.sink.messages().iter().any(|mail| mail.sender.is_empty())
        });
    });
}

#[test]
fn a_post_and_a_bounce_to_its_verp_address_arrive_over_lmtp() {
    beside_postfix(|host| {
        let ours = free_address();
        let block = block(PAGE, "#### LMTP", "lmtp:inet");
        host.postfix.add("main.cf", &block.replace("127.0.0.1:8024", &ours.to_string()));
        let host = host.start();
        let mut lmtp = host.site.command(&["lmtp", "--listen", &ours.to_string()]);
        let _lmtp = Ends(lmtp.stdout(Stdio::null()).spawn().unwrap());
        mta::a_post_goes_round(&host.site, &host.sink, &host.postfix);
        mta::is_refused(&host.postfix, "unknown@lists.example.org");
    });
}
