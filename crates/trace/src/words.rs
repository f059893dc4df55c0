//! Descriptions of steps for people.

use super::{Event, Step};

/// The maximum number of recipients named in a line; the others are counted.
const NAMED: usize = 5;

impl Event {
    /// The text of an event for people. `own` is the traced Message-ID; events with another one are
    /// consequences.
    pub fn words(&self, own: &str) -> String {
        let mut told = Vec::new();
        if self.step == Step::Received {
            told.push(format!("from {}, {:?}", self.sender, self.subject));
        }
        if self.step == Step::Passed && !own.is_empty() && self.id != own {
            told.push(format!("a message of the list's own, {:?}", self.subject));
        }
        if self.count > 0 {
            let mut names = self.recipients.iter().take(NAMED).cloned().collect::<Vec<_>>();
            let more = self.count.saturating_sub(names.len() as u64);
            if more > 0 {
                names.push(format!("{more} more"));
            }
            told.push(format!("for {}", names.join(", ")));
        }
        if !self.text.is_empty() {
            told.push(self.text.trim().to_owned());
        }
        if told.is_empty() && self.step == Step::Passed {
            told.push("there was no objection".to_owned());
        }
        let decided = [self.handler.as_str(), self.setting.as_str()];
        let decided: Vec<&str> = decided.into_iter().filter(|word| !word.is_empty()).collect();
        if !decided.is_empty() {
            told.push(format!("({})", decided.join(", ")));
        }
        told.join(" ")
    }

    /// Keeps only one recipient. Returns whether the step is about that one, or about all.
    pub fn narrow(&mut self, recipient: &str) -> bool {
        let is_meant = self.recipients.is_empty()
            || self.recipients.iter().any(|one| one.eq_ignore_ascii_case(recipient));
        self.recipients.retain(|one| one.eq_ignore_ascii_case(recipient));
        is_meant
    }
}
