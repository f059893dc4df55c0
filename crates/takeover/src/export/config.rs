//! A `config.pck` being written. The members' dictionaries come one after the other in it, and the
//! members one after the other from the database, so each dictionary has a file of its own until all
//! members are there.

use super::write;
use crate::TakeoverError;
use dormouse_pickle::{DictPieces, DumpError, Graph, NodeId, Pieces};
use std::fs::File;
use std::io::{Seek as _, Write as _, copy};
use std::path::{Path, PathBuf};

/// More bytes of a dictionary than these are not in memory.
const ROOM: usize = 256 << 10;

/// A dictionary that is written to memory while it is small.
struct Spill {
    dict: DictPieces,
    buffer: Vec<u8>,
    file: Option<File>,
}

impl Spill {
    fn new() -> Spill {
        let (mut dict, mut buffer) = (DictPieces::default(), Vec::new());
        dict.begin(&mut buffer);
        Spill { dict, buffer, file: None }
    }

    /// Writes the buffer to a file without a name in `dir`, if it is full.
    fn spill(&mut self, dir: &Path) -> Result<(), TakeoverError> {
        if self.buffer.len() < ROOM {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let made = tempfile::tempfile_in(dir);
                self.file.insert(made.map_err(TakeoverError::io("create a file in", dir))?)
            }
        };
        file.write_all(&self.buffer).map_err(TakeoverError::io("write to", dir))?;
        self.buffer.clear();
        Ok(())
    }

    /// Appends what was written to a file.
    fn append_to(mut self, to: &mut File) -> std::io::Result<()> {
        self.dict.end(&mut self.buffer);
        if let Some(mut file) = self.file {
            file.rewind()?;
            copy(&mut file, to)?;
        }
        to.write_all(&self.buffer)
    }
}

/// A list's attributes, in the order in which they are put.
pub(super) struct ConfigFile {
    path: PathBuf,
    file: File,
    pieces: Pieces,
    attributes: DictPieces,
}

impl ConfigFile {
    pub fn create(path: PathBuf) -> Result<ConfigFile, TakeoverError> {
        let mut attributes = DictPieces::default();
        let mut start = Vec::new();
        attributes.begin(&mut start);
        write(&path, &start)?;
        let file = File::options().append(true).open(&path);
        let file = file.map_err(TakeoverError::io("write", &path))?;
        Ok(ConfigFile { path, file, pieces: Pieces::default(), attributes })
    }

    /// Appends an attribute.
    pub fn put(
        &mut self,
        attribute: &str,
        graph: &Graph<'_>,
        value: NodeId,
    ) -> Result<(), TakeoverError> {
        let mut entry = self.begin(attribute)?;
        let written = self.pieces.value(graph, value, None, &mut entry);
        written.map_err(|problem| TakeoverError::content(&self.path, problem.to_string()))?;
        self.append(&entry)
    }

    fn begin(&mut self, attribute: &str) -> Result<Vec<u8>, TakeoverError> {
        let mut entry = Vec::new();
        self.attributes.entry(&mut entry);
        let mut graph = Graph::new();
        let key = graph.bytes(attribute.as_bytes());
        let written = self.pieces.value(&graph, key, None, &mut entry);
        written.map_err(|problem| TakeoverError::content(&self.path, problem.to_string()))?;
        Ok(entry)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), TakeoverError> {
        self.file.write_all(bytes).map_err(TakeoverError::io("write", &self.path))
    }

    /// Returns the dictionaries of members, to be filled and then put with [`ConfigFile::put_dicts`].
    pub fn dicts<const N: usize>(&self) -> Dicts<N> {
        Dicts(std::array::from_fn(|_| Spill::new()))
    }

    /// Appends one entry each to some of the dictionaries: keys are all the same node, and the first
    /// of these dictionaries must come first in the file.
    pub fn put_member<const N: usize>(
        &mut self,
        dicts: &mut Dicts<N>,
        graph: &Graph<'_>,
        key: NodeId,
        values: &[(usize, NodeId)],
    ) -> Result<(), TakeoverError> {
        let mut place = None;
        for (which, value) in values {
            let dict = &mut dicts.0[*which];
            let out = &mut dict.buffer;
            dict.dict.entry(out);
            let mut write = || -> Result<(), DumpError> {
                // One node for all dictionaries, as in Mailman.
                let known = match place {
                    Some(place) => {
                        self.pieces.recall(place, out);
                        place
                    }
                    None => *place.insert(self.pieces.remember(graph, key, out)?),
                };
                self.pieces.value(graph, *value, Some((key, known)), out)
            };
            write().map_err(|problem| TakeoverError::content(&self.path, problem.to_string()))?;
            let dir = self.path.parent().unwrap_or(Path::new("."));
            dict.spill(dir)?;
        }
        Ok(())
    }

    /// Appends the dictionaries as attributes with these names.
    pub fn put_dicts<const N: usize>(
        &mut self,
        names: [&str; N],
        dicts: Dicts<N>,
    ) -> Result<(), TakeoverError> {
        for (attribute, dict) in names.into_iter().zip(dicts.0) {
            let entry = self.begin(attribute)?;
            self.append(&entry)?;
            let appended = dict.append_to(&mut self.file);
            appended.map_err(TakeoverError::io("write", &self.path))?;
        }
        Ok(())
    }

    /// Ends the file.
    pub fn end(mut self) -> Result<(), TakeoverError> {
        let mut end = Vec::new();
        self.attributes.end(&mut end);
        std::mem::take(&mut self.pieces).stop(&mut end);
        self.append(&end)
    }
}

/// Dictionaries of members being filled.
pub(super) struct Dicts<const N: usize>([Spill; N]);
