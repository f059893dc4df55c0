//! A directory with one Maildir per recipient.

use crate::{
    Ask, Capabilities, Content, RecipientOutcome, Reply, SendError, Stage, Transaction,
    TransactionReport, address,
};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Mail is for its recipient, who may share a group with the server.
const DIR_MODE: u32 = 0o770;
/// The longest name a file may have.
const LONGEST_NAME: usize = 255;

/// The directory.
pub struct Maildir {
    root: PathBuf,
    offered: Capabilities,
}

impl Maildir {
    /// Creates the directory if necessary.
    pub fn open(root: &Path) -> io::Result<Maildir> {
        make_dir(root)?;
        let offered = Capabilities {
            eight_bit_mime: true,
            smtputf8: true,
            verbatim: true,
            ..Capabilities::default()
        };
        Ok(Maildir { root: root.to_owned(), offered })
    }

    pub fn offers(&self) -> &Capabilities {
        &self.offered
    }

    /// See [`crate::Session::send`]. A Maildir never loses the session: errors of the system defer
    /// recipients.
    pub fn send<'a, E>(
        &mut self,
        mut next: impl FnMut() -> Option<Transaction<'a>>,
        mut ask: impl FnMut(Ask) -> bool,
        mut done: impl FnMut(&Transaction<'a>, TransactionReport) -> Result<(), E>,
    ) -> Result<(), SendError<E>> {
        while let Some(transaction) = next().filter(|_| ask(Ask::GoOn)) {
            let report = self.deliver(&transaction);
            done(&transaction, report).map_err(SendError::Done)?;
        }
        Ok(())
    }

    /// Puts the message into each recipient's `new/`; all are durable when this returns.
    fn deliver(&self, transaction: &Transaction<'_>) -> TransactionReport {
        let mail = Mail::new(transaction);
        let mut outcomes = Vec::with_capacity(transaction.recipients.len());
        let mut unsynced: Vec<(usize, PathBuf)> = Vec::new();
        for (index, recipient) in transaction.recipients.iter().enumerate() {
            outcomes.push(match self.place(transaction, recipient) {
                Err(problem) => {
                    RecipientOutcome::Refused(Reply::local(Stage::Rcpt, "5.1.3", problem))
                }
                Ok(place) => match place.write(&mail, recipient) {
                    Ok(()) => {
                        unsynced.push((index, place.new_dir()));
                        RecipientOutcome::Accepted
                    }
                    Err(error) => deferred(&place.dir, &error),
                },
            });
        }
        for (index, dir) in unsynced {
            if let Err(error) = sync_dir(&dir) {
                outcomes[index] = deferred(&dir, &error);
            }
        }
        TransactionReport { outcomes }
    }

    fn place(&self, transaction: &Transaction<'_>, recipient: &str) -> Result<Place, String> {
        if let Some(problem) = address::problem(recipient) {
            return Err(format!("{recipient:?} cannot be used: {problem}"));
        }
        let (dir, name) = (safe_name(recipient), safe_name(&transaction.unique));
        if dir.len() > LONGEST_NAME || name.len() > LONGEST_NAME || name.is_empty() {
            return Err(format!(
                "{recipient:?} or {:?} is too long or too short for a file name",
                transaction.unique
            ));
        }
        Ok(Place { dir: self.root.join(dir), name })
    }
}

/// Where one recipient's mail goes.
struct Place {
    dir: PathBuf,
    name: String,
}

impl Place {
    fn new_dir(&self) -> PathBuf {
        self.dir.join("new")
    }

    /// Writes below `tmp/`, syncs, and renames into `new/`, replacing the file of an earlier
    /// attempt.
    fn write(&self, mail: &Mail<'_>, recipient: &str) -> io::Result<()> {
        for dir in ["", "tmp", "new", "cur"] {
            make_dir(&self.dir.join(dir))?;
        }
        let draft = self.dir.join("tmp").join(&self.name);
        let mut file = File::create(&draft)?;
        file.write_all(&mail.envelope(recipient))?;
        file.write_all(&mail.head)?;
        file.write_all(mail.content.original())?;
        file.sync_all()?;
        fs::rename(&draft, self.new_dir().join(&self.name))
    }
}

/// A message with the header lines before it, in its own line ends.
struct Mail<'t> {
    sender: &'t str,
    head: Vec<u8>,
    content: &'t Content,
    line_end: &'static str,
}

impl<'t> Mail<'t> {
    fn new(transaction: &'t Transaction<'_>) -> Mail<'t> {
        let first_line =
            transaction.message.original().split_inclusive(|&byte| byte == b'\n').next();
        let crlf = first_line.is_some_and(|line| line.ends_with(b"\r\n"));
        let line_end = if crlf { "\r\n" } else { "\n" };
        let mut head = Vec::new();
        for line in transaction.head.split_inclusive(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            head.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
            head.extend_from_slice(line_end.as_bytes());
        }
        Mail { sender: &transaction.sender, head, content: &transaction.message, line_end }
    }

    /// The fields that the last server adds on top (RFC 5321 §4.4).
    fn envelope(&self, recipient: &str) -> Vec<u8> {
        // A sender is never more than its header line.
        let sender: String = self.sender.chars().filter(|c| !c.is_control()).collect();
        let end = self.line_end;
        format!("Return-Path: <{sender}>{end}Delivered-To: {recipient}{end}").into_bytes()
    }
}

/// A text as a file's name: neither hidden nor a path, and different for different texts.
fn safe_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut buffer = [0; 4];
    for (at, c) in text.chars().enumerate() {
        if c.is_alphanumeric() || "@+-_=".contains(c) || (c == '.' && at > 0) {
            name.push(c);
        } else {
            for byte in c.encode_utf8(&mut buffer).bytes() {
                name.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    name
}

/// Creates a directory whose name is durable when this returns.
fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIR_MODE).create(path) {
        Ok(()) => sync_dir(
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        ),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn deferred(path: &Path, error: &io::Error) -> RecipientOutcome {
    RecipientOutcome::Deferred(Reply::local(
        Stage::Dot,
        "4.3.0",
        format!("{}: {error}", path.display()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::borrow::Cow;
    use std::convert::Infallible;
    use std::rc::Rc;

    fn transaction<'a>(content: &'a Content, recipients: &[&'a str]) -> Transaction<'a> {
        Transaction {
            unique: "17.25.anna@example.org".to_owned(),
            sender: "dev-bounces@lists.example.org".into(),
            recipients: Rc::new(recipients.iter().collect()),
            head: Cow::Borrowed(b"Errors-To: e\r\n"),
            message: Cow::Borrowed(content),
            verp: false,
        }
    }

    fn deliver(root: &Path, transaction: &Transaction<'_>) -> Vec<RecipientOutcome> {
        let mut maildir = Maildir::open(root).unwrap();
        let mut waiting = Some(transaction.clone());
        let mut outcomes = Vec::new();
        let sent = maildir.send(
            || waiting.take(),
            |_| true,
            |_, report| {
                outcomes.extend(report.outcomes);
                Ok::<(), Infallible>(())
            },
        );
        sent.unwrap();
        outcomes
    }

    fn mails(dir: &Path) -> Vec<Vec<u8>> {
        fs::read_dir(dir).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn each_recipient_gets_the_message_as_it_came_under_its_envelope() {
        let root = tempfile::tempdir().unwrap();
        let content = Content::new(b"Subject: x\n\n.dot\nno end \xff");
        let recipients = ["anna@example.org", "Bert@example.net"];
        assert_eq!(
            deliver(root.path(), &transaction(&content, &recipients)),
            [RecipientOutcome::Accepted, RecipientOutcome::Accepted]
        );
        for recipient in recipients {
            let expected = [
                format!("Return-Path: <dev-bounces@lists.example.org>\nDelivered-To: {recipient}\nErrors-To: e\n").as_bytes(),
                content.original(),
            ]
            .concat();
            assert_eq!(mails(&root.path().join(recipient).join("new")), [expected]);
            assert!(mails(&root.path().join(recipient).join("tmp")).is_empty());
            assert!(root.path().join(recipient).join("cur").is_dir());
        }
    }

    #[test]
    fn what_is_put_on_top_has_the_messages_line_ends() {
        let root = tempfile::tempdir().unwrap();
        let content = Content::new(b"Subject: x\r\n\r\nbare\nlf\r\n");
        deliver(root.path(), &transaction(&content, &["a@b"]));
        let mail = mails(&root.path().join("a@b/new")).remove(0);
        assert!(
            mail.ends_with(b"Errors-To: e\r\nSubject: x\r\n\r\nbare\nlf\r\n"),
            "{}",
            String::from_utf8_lossy(&mail)
        );
    }

    #[test]
    fn a_repeated_delivery_overwrites_itself_and_another_does_not() {
        let root = tempfile::tempdir().unwrap();
        let content = Content::new(b"x\n");
        let first = transaction(&content, &["a@b"]);
        deliver(root.path(), &first);
        deliver(root.path(), &first);
        assert_eq!(mails(&root.path().join("a@b/new")).len(), 1);
        let other = Transaction { unique: "18.0.anna@example.org".to_owned(), ..first };
        deliver(root.path(), &other);
        assert_eq!(mails(&root.path().join("a@b/new")).len(), 2);
    }

    #[test]
    fn no_address_leads_out_of_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let inside = root.path().join("mail");
        let content = Content::new(b"x\n");
        let recipients = ["../a@b", "..", ".", "/etc/passwd", "a/../../b@c"];
        let outcomes = deliver(&inside, &transaction(&content, &recipients));
        assert!(
            outcomes.iter().all(|outcome| *outcome == RecipientOutcome::Accepted),
            "{outcomes:?}"
        );
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(&inside).unwrap().count(), recipients.len());
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_and_what_the_system_refuses_is_deferred() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file@b"), "in the way").unwrap();
        let content = Content::new(b"x\n");
        let long = "a".repeat(300);
        let outcomes =
            deliver(root.path(), &transaction(&content, &[&long, "a b@c", "file@b", "d@e"]));
        assert!(matches!(outcomes[0], RecipientOutcome::Refused(_)), "{outcomes:?}");
        assert!(matches!(outcomes[1], RecipientOutcome::Refused(_)), "{outcomes:?}");
        assert!(
            matches!(&outcomes[2], RecipientOutcome::Deferred(reply) if reply.text.contains("file@b")),
            "{outcomes:?}"
        );
        assert_eq!(outcomes[3], RecipientOutcome::Accepted);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_a_connection_that_fails() {
        assert!(Maildir::open(Path::new("/dev/null/mail")).is_err());
    }

    proptest! {
        #[test]
        fn a_name_is_one_visible_name(text in any::<String>()) {
            let name = safe_name(&text);
            prop_assert!(!name.starts_with('.') && !name.contains(['/', '\0']));
        }

        #[test]
        fn different_texts_have_different_names(one in "[a%./2F5]{0,6}", two in "[a%./2F5]{0,6}") {
            prop_assert_eq!(one == two, safe_name(&one) == safe_name(&two));
        }
    }
}
