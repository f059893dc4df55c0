//! A survey of a graph before it is written.

use crate::node::NodeId;
use crate::{Graph, walk};

/// Flags of each node that must be known before the first is written.
pub(crate) struct Marks(Vec<u8>);

impl Marks {
    pub(crate) const SEEN: u8 = 1;
    /// Referred to more than once, so it goes through the memo.
    pub(crate) const SHARED: u8 = 2;
    /// Its parts are being written, so it is not in the memo yet.
    pub(crate) const IN_PARTS: u8 = 4;
    /// To be filled after everything else is written.
    pub(crate) const LATER: u8 = 8;

    pub(crate) fn has(&self, id: NodeId, mark: u8) -> bool {
        self.0[id.index()] & mark != 0
    }

    pub(crate) fn set(&mut self, id: NodeId, mark: u8) {
        self.0[id.index()] |= mark;
    }

    pub(crate) fn clear(&mut self, id: NodeId, mark: u8) {
        self.0[id.index()] &= !mark;
    }

    /// Walks a part of the graph in the order of writing. If the walk returns to a node before it can be in
    /// the memo, some list, dictionary or state in between must be filled later. Python writes such
    /// a node repeatedly instead, which can take unbounded time.
    pub(crate) fn survey(graph: &Graph<'_>, from: NodeId) -> Marks {
        let mut marks = Marks(vec![0; graph.size()]);
        let mut is_tangled = false;
        marks.set(from, Marks::SEEN);
        let mut path = vec![(from, 0)];
        while let Some((id, next)) = path.last_mut() {
            let Some(link) = graph.node(*id).link(*next) else {
                marks.clear(*id, Marks::IN_PARTS);
                path.pop();
                continue;
            };
            *next += 1;
            if link.part {
                marks.set(*id, Marks::IN_PARTS);
            } else {
                marks.clear(*id, Marks::IN_PARTS);
            }
            if marks.has(link.to, Marks::SEEN) {
                marks.set(link.to, Marks::SHARED);
                is_tangled |= marks.has(link.to, Marks::IN_PARTS);
            } else {
                marks.set(link.to, Marks::SEEN);
                if graph.node(link.to).link(0).is_some() {
                    path.push((link.to, 0));
                }
            }
        }
        if is_tangled {
            let later = walk::to_be_filled_later(graph);
            (0..graph.size())
                .map(NodeId::of)
                .filter(|id| later(*id))
                .for_each(|id| marks.set(id, Marks::LATER));
        }
        marks
    }
}
