//! A list of Mailman 3 that posts pass through on their way: its own handlers, with its own seal
//! (ARC). It is the package `mailman` of PyPI, in the Python that `DORMOUSE_MAILMAN3` names
//! (default: `python3`); `openssl` generates its key.

use crate::verifiers::Records;
use std::path::Path;
use std::process::Command;

/// The list.
pub struct Mailman3 {
    python: String,
}

/// Takes the records and a message; prints the record of its key, then the message as the list
/// sends it.
const HOP: &str = r#"
import email, os, shutil, subprocess, sys, tempfile
home = tempfile.mkdtemp()
os.mkdir(home + "/var")
run = lambda *words: subprocess.run(words, check=True, capture_output=True).stdout.decode()
run("openssl", "genrsa", "-traditional", "-out", home + "/key.pem", "2048")
public = run("openssl", "rsa", "-in", home + "/key.pem", "-pubout")
print("v=DKIM1; k=rsa; p=" + "".join(public.splitlines()[1:-1]), flush=True)
open(home + "/suffixes", "w").write("example\norg\n")
open(home + "/mailman.cfg", "w").write(f"""
[mailman]
layout: here
site_owner: owner@three.example
[paths.here]
var_dir: {home}/var
[mta]
incoming: mailman.mta.null.NullMTA
[ARC]
enabled: yes
dmarc: no
authserv_id: three.example
selector: three
domain: three.example
privkey: {home}/key.pem
[dmarc]
org_domain_data_url: file://{home}/suffixes
""")
from mailman.core.initialize import initialize
initialize(home + "/mailman.cfg")
from mailman.app.lifecycle import create_list
from mailman.config import config
from mailman.email.message import Message
from mailman.handlers import validate_authenticity
from mailman.interfaces.domain import IDomainManager
from zope.component import getUtility
records = dict(line.split("\t", 1) for line in open(sys.argv[1]).read().splitlines())
validate_authenticity.dnsfunc = lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode()
getUtility(IDomainManager).add("three.example")
hop = create_list("hop@three.example")
hop.subject_prefix = "[three] "
message = email.message_from_binary_file(open(sys.argv[2], "rb"), Message)
data = dict(original_subject=message["subject"], original_sender="anna@author.example", recipients=set())
for name in ["validate-authenticity", "cleanse", "cleanse-dkim", "cook-headers", "subject-prefix", "rfc-2369",
             "decorate", "dmarc", "arc-sign"]:
    config.handlers[name].process(hop, message, data)
sys.stdout.buffer.write(message.as_bytes())
shutil.rmtree(home)
"#;

impl Mailman3 {
    /// Returns the list. `None`, with the test noted as skipped, if Mailman 3 is not installed.
    pub fn find() -> Option<Mailman3> {
        let python = std::env::var("DORMOUSE_MAILMAN3").unwrap_or_else(|_| "python3".to_owned());
        let script = "import mailman.handlers.arc_sign";
        let found = Command::new(&python).args(["-c", script]).output();
        if found.is_ok_and(|output| output.status.success()) {
            return Some(Mailman3 { python });
        }
        skipped::skip(
            "mailman (3.3) from PyPI is not installed; DORMOUSE_MAILMAN3 names its Python",
        );
        None
    }

    /// Sends a message through the list, returns it as sent, and adds the record of the list's key
    /// to the records.
    pub fn pass(&self, records: &mut Records, message: &[u8]) -> Vec<u8> {
        let home = tempfile::tempdir().expect("a temporary directory can be created");
        let write = |name: &str, content: &[u8]| {
            let path = home.path().join(name);
            std::fs::write(&path, content).expect("the file can be written");
            path
        };
        let lines = records.0.iter().map(|(name, text)| format!("{name}\t{text}\n"));
        let zone = write("zone", lines.collect::<String>().as_bytes());
        let file = write("message", message);
        let mut command = Command::new(&self.python);
        // Mailman looks for programs in the directory of its Python.
        let beside = Path::new(&self.python).parent().unwrap_or(Path::new(""));
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", beside.display()));
        let output = command.args(["-c", HOP]).arg(zone).arg(file).output().expect("Python starts");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        let end =
            output.stdout.iter().position(|byte| *byte == b'\n').expect("the output has a record");
        let (record, sent) = output.stdout.split_at(end);
        let record = String::from_utf8_lossy(record).into_owned();
        records.0.insert("three._domainkey.three.example".to_owned(), record);
        sent[1..].to_vec()
    }
}
