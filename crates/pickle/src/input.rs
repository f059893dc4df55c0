//! The arguments of a pickle's opcodes: lines, numbers and counted bytes.

use crate::LoadProblem;
use memchr::memchr;
use std::borrow::Cow;
use std::io::BufRead;

/// A pickle with a position in it. Nothing extends beyond its end, whatever length the pickle
/// claims.
pub(crate) trait Input<'a> {
    /// The number of bytes read so far.
    fn offset(&self) -> usize;

    /// The next byte, unless the input is at its end.
    fn next(&mut self) -> Result<Option<u8>, LoadProblem>;

    /// The next bytes.
    fn take(&mut self, length: usize) -> Result<Cow<'a, [u8]>, LoadProblem>;

    /// The next bytes, as many as the array has.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], LoadProblem>;

    /// Checks that this many bytes follow, without advancing.
    fn require(&self, length: u64) -> Result<usize, LoadProblem>;

    /// The bytes up to the next line feed, which is skipped.
    fn line(&mut self) -> Result<Cow<'a, [u8]>, LoadProblem>;

    fn u8(&mut self) -> Result<u8, LoadProblem> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, LoadProblem> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Bytes after a length of one byte.
    fn counted_u8(&mut self) -> Result<Cow<'a, [u8]>, LoadProblem> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// Bytes after a signed length of four bytes.
    fn counted_i32(&mut self) -> Result<Cow<'a, [u8]>, LoadProblem> {
        let length = i32::from_le_bytes(self.array()?);
        self.take(usize::try_from(length).map_err(|_| LoadProblem::NegativeLength(length))?)
    }

    /// Bytes after a length of four bytes.
    fn counted_u32(&mut self) -> Result<Cow<'a, [u8]>, LoadProblem> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    /// Bytes after a length of eight bytes.
    fn counted_u64(&mut self) -> Result<Cow<'a, [u8]>, LoadProblem> {
        let length = u64::from_le_bytes(self.array()?);
        let length = self.require(length)?;
        self.take(length)
    }
}

/// Checks that this many of the bytes that are left can be taken.
fn within(length: u64, left: usize) -> Result<usize, LoadProblem> {
    let taken = usize::try_from(length).ok().filter(|length| *length <= left);
    taken.ok_or(LoadProblem::Truncated { needed: length, left })
}

/// Bytes in memory. Results borrow from them.
pub(crate) struct Slice<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Slice<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Slice { bytes, at: 0 }
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], LoadProblem> {
        let length = self.require(length as u64)?;
        let bytes = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(bytes)
    }
}

impl<'a> Input<'a> for Slice<'a> {
    fn offset(&self) -> usize {
        self.at
    }

    fn next(&mut self) -> Result<Option<u8>, LoadProblem> {
        let byte = self.bytes.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<Cow<'a, [u8]>, LoadProblem> {
        self.slice(length).map(Cow::Borrowed)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LoadProblem> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.slice(N)?);
        Ok(bytes)
    }

    fn require(&self, length: u64) -> Result<usize, LoadProblem> {
        within(length, self.bytes.len() - self.at)
    }

    fn line(&mut self) -> Result<Cow<'a, [u8]>, LoadProblem> {
        let rest = &self.bytes[self.at..];
        let end = memchr(b'\n', rest).ok_or(LoadProblem::UnendedLine)?;
        self.at += end + 1;
        Ok(Cow::Borrowed(&rest[..end]))
    }
}

/// A file, of which only a buffer is in memory.
pub(crate) struct Stream<R> {
    source: R,
    length: usize,
    at: usize,
}

impl<R: BufRead> Stream<R> {
    /// `length` is that of the rest of the file.
    pub(crate) fn new(source: R, length: usize) -> Self {
        Stream { source, length, at: 0 }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), LoadProblem> {
        self.require(bytes.len() as u64)?;
        self.source.read_exact(bytes).map_err(unreadable)?;
        self.at += bytes.len();
        Ok(())
    }
}

impl<'a, R: BufRead> Input<'a> for Stream<R> {
    fn offset(&self) -> usize {
        self.at
    }

    fn next(&mut self) -> Result<Option<u8>, LoadProblem> {
        if self.at >= self.length {
            return Ok(None);
        }
        self.array::<1>().map(|[byte]| Some(byte))
    }

    fn take(&mut self, length: usize) -> Result<Cow<'a, [u8]>, LoadProblem> {
        self.require(length as u64)?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LoadProblem> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn require(&self, length: u64) -> Result<usize, LoadProblem> {
        within(length, self.length.saturating_sub(self.at))
    }

    fn line(&mut self) -> Result<Cow<'a, [u8]>, LoadProblem> {
        let mut line = Vec::new();
        self.at += self.source.read_until(b'\n', &mut line).map_err(unreadable)?;
        match line.pop() {
            Some(b'\n') => Ok(Cow::Owned(line)),
            _ => Err(LoadProblem::UnendedLine),
        }
    }
}

fn unreadable(error: std::io::Error) -> LoadProblem {
    LoadProblem::Unreadable(error.to_string())
}
