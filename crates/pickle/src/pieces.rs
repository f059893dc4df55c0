//! Writing one pickle in pieces, so that its values need not be in memory together.

use crate::dump::{get, put, write_value};
use crate::node::NodeId;
use crate::{DumpError, Graph, Protocol, opcode as op};

/// Writes the values of one pickle of protocol 1 to any number of buffers, which the caller joins. A
/// value may refer to one that was remembered, if that comes earlier in the pickle.
///
/// ```
/// use dormouse_pickle::{DictPieces, Graph, Limits, Pieces, load};
///
/// let mut graph = Graph::new();
/// let key = graph.text("anna@example.org");
/// let (mut pieces, mut dict, mut out) = (Pieces::default(), DictPieces::default(), Vec::new());
/// dict.begin(&mut out);
/// dict.entry(&mut out);
/// let place = pieces.remember(&graph, key, &mut out)?;
/// pieces.recall(place, &mut out);
/// dict.end(&mut out);
/// pieces.stop(&mut out);
/// let (graph, _) = load(&out, &Limits::default()).unwrap();
/// let (key, value) = graph.root().entries().next().unwrap();
/// assert_eq!(key.id(), value.id());
/// # Ok::<(), dormouse_pickle::DumpError>(())
/// ```
#[derive(Debug, Default)]
pub struct Pieces {
    memoized: u32,
}

/// Where a value is in the memo of a pickle.
#[derive(Debug, Clone, Copy)]
pub struct Place(u32);

const PROTOCOL: Protocol = Protocol::One;

impl Pieces {
    /// Appends a value, in which one node may be in the memo.
    ///
    /// # Errors
    /// Those of [`dump`](crate::dump()); `out` is then unchanged.
    pub fn value(
        &mut self,
        graph: &Graph<'_>,
        id: NodeId,
        known: Option<(NodeId, Place)>,
        out: &mut Vec<u8>,
    ) -> Result<(), DumpError> {
        let mut memo = vec![0; graph.size()];
        if let Some((id, Place(place))) = known {
            memo[id.index()] = place;
        }
        write_value(graph, id, PROTOCOL, memo, &mut self.memoized, out)
    }

    /// Appends a value to which later pieces refer.
    ///
    /// # Errors
    /// Those of [`dump`](crate::dump()); `out` is then unchanged.
    pub fn remember(
        &mut self,
        graph: &Graph<'_>,
        id: NodeId,
        out: &mut Vec<u8>,
    ) -> Result<Place, DumpError> {
        self.value(graph, id, None, out)?;
        self.memoized += 1;
        put(PROTOCOL, self.memoized, out);
        Ok(Place(self.memoized))
    }

    /// Appends a reference to a value.
    pub fn recall(&self, Place(place): Place, out: &mut Vec<u8>) {
        get(PROTOCOL, place, out);
    }

    /// Ends the pickle.
    pub fn stop(self, out: &mut Vec<u8>) {
        out.push(op::STOP);
    }
}

/// A dictionary of any number of entries, written one after the other.
#[derive(Debug, Default)]
pub struct DictPieces {
    /// The number of entries since the last mark.
    entries: usize,
}

impl DictPieces {
    /// Begins the dictionary.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        out.push(op::EMPTY_DICT);
    }

    /// Begins an entry: its key and its value must follow.
    pub fn entry(&mut self, out: &mut Vec<u8>) {
        if self.entries == crate::dump::BATCH {
            self.end(out);
        }
        if self.entries == 0 {
            out.push(op::MARK);
        }
        self.entries += 1;
    }

    /// Ends the dictionary.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.entries > 0 {
            out.push(op::SETITEMS);
        }
        self.entries = 0;
    }
}
