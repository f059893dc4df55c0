//! The recipients of a line.

/// Recipients for a line of the trace, in the form that the line has them: a large post would spend
/// more time on a separate text for each than on sending.
#[derive(Debug, Default)]
pub struct LineNames {
    /// JSON texts, separated by commas.
    json: Vec<u8>,
    count: usize,
}

impl LineNames {
    /// Adds a recipient.
    pub fn push(&mut self, name: &str) {
        if self.count > 0 {
            self.json.push(b',');
        }
        self.count += 1;
        // Without an early end the compiler looks at many bytes in one step.
        let is_plain = name.bytes().fold(true, |is_plain, byte| {
            is_plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\')
        });
        if is_plain {
            self.json.push(b'"');
            self.json.extend_from_slice(name.as_bytes());
            self.json.push(b'"');
        } else {
            serde_json::to_writer(&mut self.json, name).expect("memory takes all text");
        }
    }

    /// Returns the number of recipients.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Removes all of them.
    pub fn clear(&mut self) {
        self.json.clear();
        self.count = 0;
    }

    /// Adds them to the line of an event that has none of its own.
    pub(crate) fn add_to(&self, line: &mut Vec<u8>) {
        if self.is_empty() || line.pop_if(|last| *last == b'}').is_none() {
            return;
        }
        for part in [&br#","recipients":["#[..], &self.json, b"]}"] {
            line.extend_from_slice(part);
        }
    }
}
