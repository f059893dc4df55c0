//! How much a pickle may use, and how much of that is left.

use crate::LoadProblem;
use crate::node::Class;

/// How much a pickle may use. The default is enough for a `config.pck` of 20 MB: with the usual 100
/// bytes a member, that is 200,000 members and about 2 million values. With the default the worst
/// inputs known take 400 MB of memory in addition to their own size, and those of a megabyte 80 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many values may be created or referred to.
    pub nodes: usize,
    /// How many places the memo may have.
    pub memo: usize,
    /// How many containers and objects may be nested. Python itself writes at most about 1000.
    pub depth: usize,
    /// How many bytes an integer beyond 64 bits may have.
    pub long_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { nodes: 4_000_000, memo: 2_000_000, depth: 1000, long_bytes: 1024 }
    }
}

impl Limits {
    /// Enough for anything in a file of this length, because a large list is not an attack: no value
    /// takes less than a byte, and a place of the memo takes two.
    pub fn of_file(length: usize) -> Limits {
        let usual = Limits::default();
        Limits { nodes: usual.nodes.max(length / 2), memo: usual.memo.max(length / 4), ..usual }
    }
}

/// What is left of [`Limits::nodes`].
pub(crate) struct Budget {
    left: usize,
    limit: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Budget {
        Budget { left: limits.nodes, limit: limits.nodes }
    }

    pub(crate) fn take(&mut self, nodes: usize) -> Result<(), LoadProblem> {
        match self.left.checked_sub(nodes) {
            Some(left) => self.left = left,
            None => return Err(LoadProblem::TooManyNodes(self.limit)),
        }
        Ok(())
    }

    /// Takes the cost of a copy of bytes: 32 of them take as much memory as a node.
    pub(crate) fn take_bytes(&mut self, bytes: &[u8]) -> Result<(), LoadProblem> {
        self.take(bytes.len().div_ceil(32))
    }

    /// Takes the cost of a copy of a class's name.
    pub(crate) fn take_class(&mut self, class: &Class<'_>) -> Result<(), LoadProblem> {
        self.take_bytes(class.module.as_bytes())?;
        self.take_bytes(class.name.as_bytes())
    }
}
