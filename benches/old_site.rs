//! Sites of Mailman 2.1, written as its own Python writes them: an address is another string in each of
//! a list's dictionaries, and every string has a place in the memo.

use dormouse_pickle::{DictPieces, Graph, Pieces};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes a site with lists of that many members each.
pub fn write(root: &Path, lists: usize, members: usize) {
    for number in 0..lists {
        let dir = root.join(format!("lists/list{number}"));
        fs::create_dir_all(&dir).expect("a directory");
        let file = BufWriter::new(File::create(dir.join("config.pck")).expect("a file"));
        let mut list = List { file, pieces: Pieces::default(), part: Vec::new() };
        list.config(&format!("list{number}"), members);
        list.file.flush().expect("a disk");
    }
}

struct List {
    file: BufWriter<File>,
    pieces: Pieces,
    part: Vec<u8>,
}

impl List {
    fn config(&mut self, name: &str, members: usize) {
        let mut attributes = DictPieces::default();
        attributes.begin(&mut self.part);
        let digest = |number: usize| number.is_multiple_of(10);
        let all = || 0..members;
        let (single, digests) = (all().filter(|n| !digest(*n)), all().filter(|n| digest(*n)));
        self.dict(&mut attributes, "members", single, |it, _| it.int(0));
        self.dict(&mut attributes, "digest_members", digests, |it, _| it.int(0));
        let password = |it: &mut List, number| it.bytes(&format!("pw{number}word"));
        self.dict(&mut attributes, "passwords", all(), password);
        self.dict(&mut attributes, "language", all(), |it, _| it.bytes("en"));
        let person = |it: &mut List, number| it.text(format!("Membér Number {number}"));
        self.dict(&mut attributes, "usernames", all(), person);
        self.dict(&mut attributes, "user_options", all(), |it, _| it.int(264));
        for (attribute, text) in [
            ("real_name", name),
            ("host_name", "lists.example.org"),
            ("preferred_language", "en"),
            ("description", "a list to measure with"),
            ("password", "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"),
        ] {
            attributes.entry(&mut self.part);
            self.bytes(attribute);
            self.bytes(text);
        }
        attributes.entry(&mut self.part);
        self.bytes("data_version");
        self.int(112);
        attributes.end(&mut self.part);
        std::mem::take(&mut self.pieces).stop(&mut self.part);
        self.file.write_all(&self.part).expect("a disk");
    }

    /// Writes a dictionary of members.
    fn dict(
        &mut self,
        attributes: &mut DictPieces,
        attribute: &str,
        members: impl Iterator<Item = usize>,
        value: impl Fn(&mut List, usize),
    ) {
        attributes.entry(&mut self.part);
        self.bytes(attribute);
        let mut dict = DictPieces::default();
        dict.begin(&mut self.part);
        for number in members {
            dict.entry(&mut self.part);
            self.bytes(&format!("member{number}@example{}.org", number % 1000));
            value(self, number);
            if self.part.len() > 64 << 10 {
                self.file.write_all(&self.part).expect("a disk");
                self.part.clear();
            }
        }
        dict.end(&mut self.part);
    }

    fn bytes(&mut self, text: &str) {
        let mut graph = Graph::new();
        let id = graph.bytes(text.as_bytes());
        self.pieces.remember(&graph, id, &mut self.part).expect("a string");
    }

    fn text(&mut self, text: String) {
        let mut graph = Graph::new();
        let id = graph.text(text);
        self.pieces.remember(&graph, id, &mut self.part).expect("a string");
    }

    fn int(&mut self, number: i64) {
        let mut graph = Graph::new();
        let id = graph.int(number);
        self.pieces.value(&graph, id, None, &mut self.part).expect("a number");
    }
}
