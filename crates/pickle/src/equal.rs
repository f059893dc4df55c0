//! Equality of graphs.

use crate::Graph;
use crate::node::{Made, View};
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
            if one.is_atom() || matches!(one, View::Bytes(_) | View::Text(_) | View::Global(_)) {
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
fn alike(one: View<'_, '_>, two: View<'_, '_>) -> bool {
    match (one, two) {
        (View::None, View::None) => true,
        (View::Bool(one), View::Bool(two)) => one == two,
        (View::Int(one), View::Int(two)) => one == two,
        (View::Long(one), View::Long(two)) => trim(one) == trim(two),
        (View::Float(one), View::Float(two)) => {
            one.to_bits() == two.to_bits() || one.is_nan() && two.is_nan()
        }
        (View::Bytes(one), View::Bytes(two))
        | (View::Text(one), View::Text(two))
        | (View::ByteArray(one), View::ByteArray(two)) => one == two,
        (View::Tuple(one), View::Tuple(two))
        | (View::List(one), View::List(two))
        | (View::Set(one), View::Set(two))
        | (View::FrozenSet(one), View::FrozenSet(two)) => one.len() == two.len(),
        (View::Dict(one), View::Dict(two)) => one.len() == two.len(),
        (View::Global(one), View::Global(two)) => one == two,
        (View::Object(one), View::Object(two)) => {
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
