//! The installation itself.

use super::Topic;
use crate::program;
use dormouse_store::Site;
use std::process::Command;

/// Checks that the program that MTAs and people call is of this program's version.
pub fn versions(topic: &mut Topic, _site: &Site) {
    let again = "install the package, or all of its programs, again";
    let own = match program::own() {
        Ok(own) => own,
        Err(error) => {
            return topic.odd(format!("cannot find this program: {error}"), "mount /proc");
        }
    };
    let shown = own.display();
    match Command::new(&own).arg("--version").output() {
        Err(error) => topic.bad(program::explained(&own, &error), again),
        Ok(output) if !output.stderr.is_empty() => {
            topic.bad(String::from_utf8_lossy(&output.stderr).trim_end(), again);
        }
        Ok(output) => {
            let (version, printed) = (program::VERSION, String::from_utf8_lossy(&output.stdout));
            if printed.trim_end() == version {
                topic.good(format!("{shown} and the program that it executes are {version}"));
            } else {
                topic.bad(format!("this program is {version}, {shown} is another one"), again);
            }
        }
    }
}
