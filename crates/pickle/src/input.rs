//! The arguments of a pickle's opcodes: lines, numbers and counted bytes.

use crate::LoadProblem;
use memchr::memchr;

/// The input with a position in it. Results borrow from the input and never extend beyond its end,
/// whatever length the pickle claims.
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, at: 0 }
    }

    /// The number of bytes read so far.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The next byte, unless the input is at its end.
    pub(crate) fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], LoadProblem> {
        let bytes = self.peek(length as u64)?;
        self.at += length;
        Ok(bytes)
    }

    /// The next bytes, without advancing.
    pub(crate) fn peek(&self, length: u64) -> Result<&'a [u8], LoadProblem> {
        let rest = &self.bytes[self.at..];
        let bytes = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        bytes.ok_or(LoadProblem::Truncated { needed: length, left: rest.len() })
    }

    /// The bytes up to the next line feed, which is skipped.
    pub(crate) fn line(&mut self) -> Result<&'a [u8], LoadProblem> {
        let rest = &self.bytes[self.at..];
        let end = memchr(b'\n', rest).ok_or(LoadProblem::UnendedLine)?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], LoadProblem> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, LoadProblem> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, LoadProblem> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Bytes after a length of one byte.
    pub(crate) fn counted_u8(&mut self) -> Result<&'a [u8], LoadProblem> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// Bytes after a signed length of four bytes.
    pub(crate) fn counted_i32(&mut self) -> Result<&'a [u8], LoadProblem> {
        let length = i32::from_le_bytes(self.array()?);
        self.take(usize::try_from(length).map_err(|_| LoadProblem::NegativeLength(length))?)
    }

    /// Bytes after a length of four bytes.
    pub(crate) fn counted_u32(&mut self) -> Result<&'a [u8], LoadProblem> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    /// Bytes after a length of eight bytes.
    pub(crate) fn counted_u64(&mut self) -> Result<&'a [u8], LoadProblem> {
        let length = u64::from_le_bytes(self.array()?);
        let length = self.peek(length)?.len();
        self.take(length)
    }
}
