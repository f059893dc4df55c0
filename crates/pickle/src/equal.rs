//! Equality of graphs.

use crate::Graph;
use crate::node::{Made, Node};
use crate::number::trim;

impl<'b> PartialEq<Graph<'b>> for Graph<'_> {
    /// Walks both graphs in parallel. A node with an identity must be paired with the same partner
    /// each time; this also ends the walk on a cycle.
    fn eq(&self, other: &Graph<'b>) -> bool {
        let mut partners = vec![None; self.size()];
        let mut taken = vec![None; other.size()];
        let mut waiting = vec![(self.root_id(), other.root_id())];
        while let Some((left, right)) = waiting.pop() {
            let (one, two) = (self.node(left), other.node(right));
            if !alike(one, two) {
                return false;
            }
            if one.is_atom() || matches!(one, Node::Bytes(_) | Node::Text(_) | Node::Global(_)) {
                continue;
            }
            let (partner, taken) = (&mut partners[left.index()], &mut taken[right.index()]);
            match (*partner, *taken) {
                (None, None) => (*partner, *taken) = (Some(right), Some(left)),
                (Some(partner), Some(taken)) if (partner, taken) == (right, left) => continue,
                (_, _) => return false,
            }
            waiting.extend(one.links().zip(two.links()).map(|(one, two)| (one.to, two.to)));
        }
        true
    }
}

/// Whether two nodes are equal, apart from the nodes they link to.
fn alike(one: &Node<'_>, two: &Node<'_>) -> bool {
    match (one, two) {
        (Node::None, Node::None) => true,
        (Node::Bool(one), Node::Bool(two)) => one == two,
        (Node::Int(one), Node::Int(two)) => one == two,
        (Node::Long(one), Node::Long(two)) => trim(one) == trim(two),
        (Node::Float(one), Node::Float(two)) => {
            one.to_bits() == two.to_bits() || one.is_nan() && two.is_nan()
        }
        (Node::Bytes(one), Node::Bytes(two))
        | (Node::Text(one), Node::Text(two))
        | (Node::ByteArray(one), Node::ByteArray(two)) => one == two,
        (Node::Tuple(one), Node::Tuple(two))
        | (Node::List(one), Node::List(two))
        | (Node::Set(one), Node::Set(two))
        | (Node::FrozenSet(one), Node::FrozenSet(two)) => one.len() == two.len(),
        (Node::Dict(one), Node::Dict(two)) => one.len() == two.len(),
        (Node::Global(one), Node::Global(two)) => one == two,
        (Node::Object(one), Node::Object(two)) => {
            one.class == two.class
                && matches!(
                    (one.made, two.made),
                    (Made::OldStyle { .. }, Made::OldStyle { .. })
                        | (Made::NewObj { .. }, Made::NewObj { .. })
                        | (Made::NewObjEx { .. }, Made::NewObjEx { .. })
                        | (Made::Reduce { .. }, Made::Reduce { .. })
                )
                && (one.items.len(), one.entries.len(), one.state.is_some())
                    == (two.items.len(), two.entries.len(), two.state.is_some())
        }
        _ => false,
    }
}
