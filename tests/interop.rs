//! Mailman's own Python reads our queue entries.

use dormouse_testkit::python::python27;
use dormouse_testkit::site::{TestSite, message};
use std::process::Command;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

const READ: &str = r#"
import cPickle, sys
entry = open(sys.argv[1], 'rb')
text = cPickle.load(entry)
data = cPickle.load(entry)
assert type(text) is str and type(data) is dict, (type(text), type(data))
assert data['_parsemsg'] is True and data['version'] == 3, data
assert type(data['received_time']) is float, data
assert data['listname'] == 'dev', data
if len(sys.argv) > 2:
    assert data['recips'] == ['anna@example.org'], data
sys.stdout.write(text)
"#;

#[test]
fn python_reads_an_entry_of_in_and_of_out_to_the_same_bytes_and_metadata() {
    let Some(python) = python27() else { return };
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    let post: Vec<u8> = [message("b@example.org", "x", ""), (0..=255).collect()].concat();
    site.post("dev", &post);
    let file = site.queue("in").join(&site.files("in", "pck")[0]);
    let output = Command::new(&python).args(["-c", READ]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, post);

    // If the server is down, the entry for the MTA waits in retry.
    site.ok(&["config", "set", "delivery.url", "smtp://127.0.0.1:1"]);
    site.ok(&["run"]);
    let file = site.queue("retry").join(&site.files("retry", "pck")[0]);
    let output = Command::new(&python).args(["-c", READ]).arg(&file).arg("out").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.ends_with(&(0..=255).collect::<Vec<u8>>()));
}
