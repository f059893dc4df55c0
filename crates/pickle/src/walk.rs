//! The shape of a graph: depth and cycles.

use crate::Graph;
use crate::node::{Link, NodeId};

/// Whether a path from the root has more than `limit` nodes. A link back to a node of the path does
/// not make it longer.
pub(crate) fn is_deeper_than(graph: &Graph<'_>, limit: usize) -> bool {
    const UNSEEN: usize = 0;
    const OPEN: usize = usize::MAX;
    let Some(root) = graph.number_among_large(graph.root_id()) else { return limit == 0 };
    let mut heights = vec![UNSEEN; graph.number_of_large()];
    heights[root] = OPEN;
    // The node, its next link, and the height of its contents seen so far.
    let mut path = vec![(graph.root_id(), root, 0, 0)];
    while let Some((id, number, next, below)) = path.last_mut() {
        if let Some(Link { to, .. }) = graph.node(*id).link(*next) {
            *next += 1;
            let Some(large) = graph.number_among_large(to) else {
                *below = (*below).max(1);
                continue;
            };
            match heights[large] {
                OPEN => {}
                UNSEEN if graph.node(to).link(0).is_none() => *below = (*below).max(1),
                UNSEEN => {
                    heights[large] = OPEN;
                    path.push((to, large, 0, 0));
                    if path.len() > limit {
                        return true;
                    }
                }
                height => *below = (*below).max(height),
            }
        } else {
            let height = *below + 1;
            if height > limit {
                return true;
            }
            heights[*number] = height;
            path.pop();
            if let Some((_, _, _, below)) = path.last_mut() {
                *below = (*below).max(height);
            }
        }
    }
    false
}

/// Numbers the cycles: two nodes have the same number if each can be reached from the other over
/// links that `follow` accepts (Tarjan's strongly connected components).
fn circles(graph: &Graph<'_>, follow: impl Fn(Link) -> bool) -> Vec<usize> {
    const UNSEEN: usize = 0;
    const OPEN: usize = usize::MAX;
    let size = graph.size();
    let (mut order, mut lowest, mut circle) = (vec![UNSEEN; size], vec![0; size], vec![OPEN; size]);
    let (mut seen, mut found) = (0, 0);
    let (mut open, mut path) = (Vec::new(), Vec::new());
    for start in 0..size {
        if order[start] == UNSEEN {
            path.push((start, 0));
        }
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            if order[at] == UNSEEN {
                seen += 1;
                (order[at], lowest[at]) = (seen, seen);
                open.push(at);
            }
            if let Some(link) = graph.node(NodeId::of(at)).link(*next) {
                *next += 1;
                let to = link.to.index();
                if !follow(link) {
                    continue;
                } else if order[to] == UNSEEN {
                    path.push((to, 0));
                } else if circle[to] == OPEN {
                    lowest[at] = lowest[at].min(order[to]);
                }
                continue;
            }
            path.pop();
            if let Some((above, _)) = path.last() {
                lowest[*above] = lowest[*above].min(lowest[at]);
            }
            if lowest[at] == order[at] {
                let first = open.iter().rposition(|id| *id == at).unwrap_or(0);
                open.drain(first..).for_each(|id| circle[id] = found);
                found += 1;
            }
        }
    }
    circle
}

/// The first node that is, through parts only, a part of itself, and so could never be created.
pub(crate) fn part_of_itself(graph: &Graph<'_>) -> Option<NodeId> {
    let circle = circles(graph, |link| link.part);
    (0..graph.size()).map(NodeId::of).find(|id| {
        let mut parts = graph.node(*id).links().filter(|link| link.part);
        parts.any(|link| circle[link.to.index()] == circle[id.index()])
    })
}

/// The nodes that must be created empty and filled at the end, because something on a cycle with
/// them can only be created complete.
pub(crate) fn to_be_filled_later(graph: &Graph<'_>) -> impl Fn(NodeId) -> bool + use<> {
    let circle = circles(graph, |_| true);
    let mut tangled = vec![false; circle.len()];
    for index in 0..graph.size() {
        for link in graph.node(NodeId::of(index)).links() {
            if link.part && circle[link.to.index()] == circle[index] {
                tangled[circle[index]] = true;
            }
        }
    }
    move |id| tangled[circle[id.index()]]
}
