//! `demo`: a site, a list, posts and their delivery, on one screen, with the default settings.

use super::mta::quoted;
use super::run::{LingerTime, drain_once};
use crate::cli::DemoArgs;
use crate::failure::Failure;
use crate::output::{self, DIM, HEAD, Table, styled};
use dormouse_activation::{self as activation, Manager, Plan, UnitState, systemctl};
use dormouse_archive::ArchivePlace;
use dormouse_clock::Timestamp;
use dormouse_mail::{Message, html};
use dormouse_runners::arrangement::Scope;
use dormouse_runners::door::Door;
use dormouse_runners::intake::{self, IntakeEnvelope};
use dormouse_spool::Spool;
use dormouse_store::{NewMember, Site, Store, StoreError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sysexits::ExitCode;

const LIST: &str = "hazel";
const HOST: &str = "lists.example.org";
/// The members, each with the option it demonstrates.
const MEMBERS: [(&str, &str); 4] = [
    ("Anna Ahorn", "anna@example.org"),
    ("Bert Birke", "bert@example.net"),
    ("Cleo Zeder", "cleo@example.com"),
    ("Dora Douglasie", "dora@example.edu"),
];
/// How long the demonstration waits for systemd to start a run.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Serialize)]
struct Shown {
    site: PathBuf,
    posts: Vec<PostShown>,
    received: BTreeMap<String, usize>,
    intake_ms: f64,
    hops_ms: BTreeMap<&'static str, f64>,
    woken_by_systemd: bool,
    /// A page of the archive.
    page: Option<PathBuf>,
}

#[derive(Serialize)]
struct PostShown {
    subject: String,
    from: String,
    accepted_ms: f64,
    fate: String,
}

/// The posts of an mbox, or the demo's own.
fn posts(mbox: Option<&Path>) -> Result<Vec<Vec<u8>>, Failure> {
    let Some(file) = mbox else { return Ok(own_posts()) };
    let posts = split_mbox(&fs::read(file).map_err(|error| {
        Failure::new(ExitCode::NoInput, format!("cannot read {}: {error}", file.display()))
    })?);
    if posts.is_empty() {
        return Err(Failure::new(
            ExitCode::DataErr,
            "the mbox contains no messages (each begins with a line `From …`)",
        ));
    }
    Ok(posts)
}

pub fn run(args: DemoArgs) -> Result<ExitCode, Failure> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => tempfile::Builder::new().prefix("dormouse-demo-").tempdir()?.keep(),
    };
    let site = Site::init(&dir, HOST)?;
    let spool = Spool::new(site.qfiles());
    spool.create()?;
    make_list(&site)?;
    let posts = posts(args.mbox.as_deref())?;
    let units = if args.systemd || !args.no_systemd && is_manager_free(&site)? {
        Some(Woken::start(&site)?)
    } else {
        None
    };
    let mut shown = Vec::new();
    let began = Instant::now();
    for message in posts {
        shown.push(post(&site, &message)?);
    }
    let intake = began.elapsed();

    let mut hops = BTreeMap::new();
    let woken_by_systemd = units.is_some();
    if let Some(units) = units {
        let began = Instant::now();
        wait_until_empty(&spool)?;
        hops.insert("woken and delivered", millis(began.elapsed()));
        units.end()?;
    } else {
        let summary = drain_once(&site, &spool, &Scope::everything(site.config()), LingerTime::No)?;
        hops.insert("drained and delivered", summary.took_ms);
        for error in &summary.errors {
            crate::output::note!("dormouse: {error}");
        }
    }
    fates(&site, &mut shown)?;
    let shown = Shown {
        received: received(&site)?,
        site: dir,
        posts: shown,
        intake_ms: millis(intake),
        hops_ms: hops,
        woken_by_systemd,
        page: archive_page(&site)?,
    };
    if args.json {
        output::json(&shown)?;
    } else {
        print(&shown)?;
    }
    Ok(ExitCode::Ok)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn make_list(site: &Site) -> Result<(), Failure> {
    let store = Store::open(site)?;
    let now = Timestamp::now();
    Ok(store.write(|tx| -> Result<(), StoreError> {
        let name = LIST.parse().map_err(StoreError::Setting)?;
        let list = tx.create_list(&name, HOST, &["anna@example.org".to_owned()])?;
        tx.edit_settings(LIST, |settings| settings.description = "Where dormice meet".to_owned())?;
        for (name, address) in MEMBERS {
            let new = NewMember {
                address: address.to_owned(),
                real_name: name.to_owned(),
                digest: false,
            };
            tx.add_member(&list, &new, now, "the demonstration")?;
        }
        Ok(())
    })?)
}

/// Posts that show what a list does: one from a member, a reply to a member who wants no second
/// copy, one from a non-member, and one that has looped back.
fn own_posts() -> Vec<Vec<u8>> {
    let post = |from: &str, more: &str, subject: &str, body: &str| {
        format!(
            "From: {from}\r\nTo: {LIST}@{HOST}\r\n{more}Subject: {subject}\r\n\
             Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{}@example.org>\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n",
            subject.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")
        )
        .into_bytes()
    };
    vec![
        post(
            "Anna Ahorn <anna@example.org>",
            "",
            "Where are the nuts?",
            "I buried them somewhere near the old oak.\r\n\r\nAnna",
        ),
        post(
            "Bert Birke <bert@example.net>",
            "Cc: Anna Ahorn <anna@example.org>\r\n",
            "Re: Where are the nuts?",
            "Under the hazel. Good night, wake me in spring.\r\n\r\nBert",
        ),
        post("A Stranger <stranger@example.invalid>", "", "Cheap acorns", "Only today."),
        post(
            "Cleo Zeder <cleo@example.com>",
            &format!("X-BeenThere: {LIST}@{HOST}\r\n"),
            "An echo",
            "I have been here before.",
        ),
    ]
}

/// Returns the messages of an mbox: each begins with a `From ` line after an empty line.
fn split_mbox(mbox: &[u8]) -> Vec<Vec<u8>> {
    let mut mails: Vec<Vec<u8>> = Vec::new();
    let mut blank = true;
    for line in mbox.split_inclusive(|&byte| byte == b'\n') {
        if blank && line.starts_with(b"From ") {
            mails.push(Vec::new());
        } else if let Some(mail) = mails.last_mut() {
            let quoted = line.iter().take_while(|&&byte| byte == b'>').count();
            let unquoted = quoted > 0 && line[quoted..].starts_with(b"From ");
            mail.extend_from_slice(if unquoted { &line[1..] } else { line });
        }
        blank = line.trim_ascii().is_empty();
    }
    // The empty line before the next `From ` belongs to the mbox format.
    for mail in &mut mails {
        if mail.ends_with(b"\n\n") {
            mail.pop();
        }
    }
    mails
}

fn post(site: &Site, bytes: &[u8]) -> Result<PostShown, Failure> {
    let message = Message::parse(bytes);
    let began = Instant::now();
    intake::post(&Door::at(site.dir())?, LIST, &IntakeEnvelope::default(), bytes)?;
    let accepted_ms = millis(began.elapsed());
    Ok(PostShown {
        subject: message.text("Subject").unwrap_or_default(),
        from: message.sender().unwrap_or_default().into(),
        accepted_ms,
        fate: String::new(),
    })
}

/// Returns the outcome of each post, determined from where it is now.
fn fates(site: &Site, posts: &mut [PostShown]) -> Result<(), Failure> {
    let store = Store::open(site)?;
    let held = match store.read().list(LIST)? {
        Some(list) => store.read().held_posts(list.id)?,
        None => Vec::new(),
    };
    let mails: Vec<Message> =
        deliveries(site)?.into_iter().map(|(_, mail)| Message::parse(mail)).collect();
    for post in posts {
        let copies = mails
            .iter()
            .filter(|mail| mail.sender().as_deref() == Some(post.from.as_str()))
            .filter(|mail| {
                mail.text("Subject").is_some_and(|subject| same_subject(&subject, &post.subject))
            })
            .count();
        let waiting = held
            .iter()
            .find(|held| held.post.subject == post.subject && held.post.sender == post.from);
        post.fate = match (copies, waiting) {
            (0, Some(held)) => format!("held: {}", held.post.reason),
            (0, None) => "discarded: it has already passed this list".to_owned(),
            (copies, _) => {
                format!("delivered to {}", output::count(copies as u64, "member", "members"))
            }
        };
    }
    Ok(())
}

/// Whether a delivered subject is that of a post, apart from the list's prefix.
fn same_subject(delivered: &str, posted: &str) -> bool {
    let bare = |subject: &str| {
        subject.replace("[Hazel]", "").replace("Re:", "").split_whitespace().collect::<String>()
    };
    bare(delivered) == bare(posted)
}

/// Returns all mail in the Maildirs, with its recipients.
fn deliveries(site: &Site) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut mails = Vec::new();
    let dir = site.resolve("mail");
    if !dir.is_dir() {
        return Ok(mails);
    }
    for recipient in fs::read_dir(dir)? {
        let recipient = recipient?;
        for mail in fs::read_dir(recipient.path().join("new"))? {
            mails.push((
                recipient.file_name().to_string_lossy().into_owned(),
                fs::read(mail?.path())?,
            ));
        }
    }
    Ok(mails)
}

fn received(site: &Site) -> Result<BTreeMap<String, usize>, Failure> {
    let mut received = BTreeMap::new();
    for (recipient, _) in deliveries(site)? {
        *received.entry(recipient).or_default() += 1;
    }
    Ok(received)
}

fn wait_until_empty(spool: &Spool) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let mut busy = false;
        for queue in dormouse_runners::queue::waking() {
            busy |= !spool.list(queue)?.is_empty();
        }
        if !busy {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(Failure::new(
                ExitCode::TempFail,
                "systemd did not start a run; see `systemctl --user status dormouse.service`",
            ));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The units of the demonstration. They are removed at its end, however it ends.
struct Woken {
    plan: Plan,
    is_over: bool,
}

impl Woken {
    /// Installs and starts them for the user's own manager.
    fn start(site: &Site) -> Result<Woken, Failure> {
        let plan = super::units::plan(site, Manager::User)?;
        if activation::check(&plan)?.iter().any(UnitState::is_installed) {
            return Err(Failure::new(
                ExitCode::CantCreat,
                "your user manager already has units of dormouse; the demonstration does not replace \
                 them",
            ));
        }
        // From here on there may be units to remove.
        let woken = Woken { plan, is_over: false };
        activation::install(&woken.plan, true)?;
        Ok(woken)
    }

    fn end(mut self) -> Result<(), Failure> {
        self.is_over = true;
        activation::uninstall(&self.plan.manager, &self.plan.site)?;
        Ok(())
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if let Err(error) = activation::uninstall(&self.plan.manager, &self.plan.site) {
            crate::output::note!("dormouse: the demonstration's units are still there: {error}");
        }
    }
}

/// Whether there is a user manager, and it has no units of ours.
fn is_manager_free(site: &Site) -> Result<bool, Failure> {
    if systemctl::require_manager(&Manager::User).is_err() {
        return Ok(false);
    }
    let plan = super::units::plan(site, Manager::User)?;
    let states = activation::check(&plan);
    Ok(states.is_ok_and(|states| !states.iter().any(UnitState::is_installed)))
}

/// Returns the page of the list's first post.
fn archive_page(site: &Site) -> Result<Option<PathBuf>, Failure> {
    let tree = ArchivePlace::of(site, &LIST.parse().map_err(StoreError::Setting)?).tree();
    if !tree.is_dir() {
        return Ok(None);
    }
    let mut pages = Vec::new();
    for volume in fs::read_dir(tree)? {
        let volume = volume?.path();
        if volume.is_dir() {
            let first = volume.join("000000.html");
            pages.extend(first.is_file().then_some(first));
        }
    }
    pages.sort();
    Ok(pages.into_iter().next())
}

/// Returns how to call this program: by its name, if that finds this program in PATH.
fn program() -> Result<String, Failure> {
    let own = crate::program::own()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|dir| dir.join("dormouse")).find(|it| it.is_file());
    let is_found = found.and_then(|it| it.canonicalize().ok()) == own.canonicalize().ok();
    Ok(if is_found { "dormouse".to_owned() } else { word(&own) })
}

fn word(path: &Path) -> String {
    quoted(&path.display().to_string())
}

fn print(shown: &Shown) -> Result<(), Failure> {
    output::line(styled(
        HEAD,
        format!("{LIST}@{HOST}, {} members, nothing running", MEMBERS.len()),
    ))?;
    output::line("")?;
    let mut posts = Table::new(&["Post", "From", "Accepted", "Outcome"]);
    for post in shown.posts.iter().take(20) {
        posts.row([
            shorten(&post.subject, 32),
            shorten(&post.from, 28),
            format!("{:.1} ms", post.accepted_ms),
            post.fate.clone(),
        ]);
    }
    posts.print()?;
    if shown.posts.len() > 20 {
        output::line(styled(DIM, format!("… and {} more", shown.posts.len() - 20)))?;
    }
    output::line("")?;
    let mut received = Table::new(&["Recipient", "Mails"]);
    for (recipient, mails) in &shown.received {
        received.row([recipient.clone(), mails.to_string()]);
    }
    received.print()?;
    output::line("")?;
    output::line(format_args!(
        "accepted, on the disk   {:8.1} ms for {}",
        shown.intake_ms,
        output::count(shown.posts.len() as u64, "post", "posts")
    ))?;
    for (hop, time) in &shown.hops_ms {
        output::line(format_args!("{hop:23} {time:8.1} ms"))?;
    }
    output::line("")?;
    if shown.woken_by_systemd {
        output::line(
            "Your systemd started the run: nothing was running before the first post, and nothing is running now.",
        )?;
        output::line("")?;
    }
    if let Some(page) = &shown.page {
        output::line(styled(HEAD, format!("A page of the archive: file://{}", page.display())))?;
        let text = html::to_text(&fs::read_to_string(page)?);
        for line in text.lines().filter(|line| !line.trim().is_empty()).take(12) {
            output::line(styled(DIM, format!("  | {line}")))?;
        }
        output::line("")?;
    }
    let (program, site) = (program()?, word(&shown.site.canonicalize()?));
    output::line(format_args!("The mail:       ls -R {site}/mail"))?;
    output::line(format_args!("Look around:    {program} --site {site} status"))?;
    output::line(format_args!("What is held:   {program} --site {site} held ls"))?;
    output::line(format_args!("What waits:     {program} --site {site} queue ls"))?;
    output::line(format_args!(
        "The pages:      {program} --site {site} serve --listen 127.0.0.1:8124"
    ))?;
    output::line(format_args!("When done:      rm -r {site}"))
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_split_at_its_from_lines_only() {
        let mbox = b"From a Mon\nSubject: 1\n\nFrom the middle\n>From quoted\n\nFrom b Tue\nSubject: 2\n\nx\n";
        assert_eq!(
            split_mbox(mbox).len(),
            3,
            "a line in the text that looks like a separator counts as one, as everywhere"
        );
        assert_eq!(split_mbox(b"no mailbox"), Vec::<Vec<u8>>::new());
        let quoted =
            b"From a Mon\nSubject: 1\n\ntext\n>From quoted\n\nFrom b Tue\nSubject: 2\n\nx\n";
        let mails = split_mbox(quoted);
        assert_eq!(mails.len(), 2);
        assert_eq!(mails[0], b"Subject: 1\n\ntext\nFrom quoted\n");
    }
}
