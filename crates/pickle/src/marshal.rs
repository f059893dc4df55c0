//! Python 2's `marshal` format, versions 0 to 2 (docs/spec/pickles.md §9). Mailman kept its state
//! in it before it used pickles, and Pipermail keeps its indexes in it. It contains only data, so
//! there is nothing to execute.

use crate::{Graph, Node, NodeId, Value, View};
use std::borrow::Cow;

/// How deep values may be nested; Mailman's files need five.
const DEEPEST: usize = 100;
/// The number of items to reserve memory for at most, because a length in the input is only a
/// claim.
const ROOM: usize = 4096;

/// Reads one value. Returns its graph and its length in bytes.
///
/// # Errors
/// Says what is wrong, and at which byte.
pub fn load(bytes: &[u8]) -> Result<(Graph<'_>, usize), String> {
    let mut reader = Reader { bytes, at: 0, graph: Graph::within(bytes), interned: Vec::new() };
    let root = reader.value(0)?.ok_or_else(|| "there is a NULL instead of a value".to_owned())?;
    reader.graph.set_root(root);
    Ok((reader.graph, reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    graph: Graph<'a>,
    interned: Vec<&'a [u8]>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("the file is truncated at byte {}", self.at))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn number(&mut self) -> Result<i32, String> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    fn length(&mut self) -> Result<usize, String> {
        let at = self.at;
        let length = self.number()?;
        usize::try_from(length).map_err(|_| format!("a length of {length} at byte {at}"))
    }

    /// A value, or `None` for the mark that ends a dictionary.
    // Why this is one function: it is a table of type codes.
    fn value(&mut self, depth: usize) -> Result<Option<NodeId>, String> {
        if depth > DEEPEST {
            return Err(format!("values are nested more than {DEEPEST} deep"));
        }
        let at = self.at;
        let [kind] = self.array()?;
        let id = match kind {
            b'0' => return Ok(None),
            b'N' => self.graph.none(),
            b'F' => self.graph.bool(false),
            b'T' => self.graph.bool(true),
            b'i' => {
                let number = self.number()?;
                self.graph.int(i64::from(number))
            }
            b'I' => {
                let number = i64::from_le_bytes(self.array()?);
                self.graph.int(number)
            }
            b'l' => self.long()?,
            b'g' => {
                let number = f64::from_le_bytes(self.array()?);
                self.graph.float(number)
            }
            b'f' => {
                let [length] = self.array()?;
                let text = self.take(usize::from(length))?;
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                let number = number.ok_or_else(|| format!("no float at byte {at}"))?;
                self.graph.float(number)
            }
            b's' | b't' => {
                let length = self.length()?;
                let text = self.take(length)?;
                if kind == b't' {
                    self.interned.push(text);
                }
                self.graph.bytes(text)
            }
            b'R' => {
                let index = self.length()?;
                let text = self.interned.get(index).copied();
                let text =
                    text.ok_or_else(|| format!("no string number {index} before byte {at}"))?;
                self.graph.bytes(text)
            }
            b'u' => {
                let length = self.length()?;
                let text = self.take(length)?;
                self.graph.add(Node::Text(Cow::Borrowed(text)))
            }
            b'(' | b'[' => {
                let length = self.length()?;
                let mut items = Vec::with_capacity(length.min(ROOM));
                for _ in 0..length {
                    let item = self.value(depth + 1)?;
                    items.push(item.ok_or_else(|| format!("a NULL among the items at byte {at}"))?);
                }
                if kind == b'(' { self.graph.tuple(items) } else { self.graph.list(items) }
            }
            b'{' => {
                let mut entries = Vec::new();
                while let Some(key) = self.value(depth + 1)? {
                    let value = self.value(depth + 1)?;
                    entries.push((
                        key,
                        value.ok_or_else(|| format!("a key without a value at byte {at}"))?,
                    ));
                }
                self.graph.dict(entries)
            }
            other => {
                return Err(format!("{:?} at byte {at} is not a type of value", char::from(other)));
            }
        };
        Ok(Some(id))
    }

    /// A long integer: digits of 15 bits each; the sign of their count is the number's sign.
    fn long(&mut self) -> Result<NodeId, String> {
        let at = self.at;
        let count = self.number()?;
        let mut value: i128 = 0;
        for index in 0..count.unsigned_abs() {
            let digit = i128::from(u16::from_le_bytes(self.array()?));
            value = digit
                .checked_shl(15 * index)
                .filter(|_| index < 8)
                .and_then(|digit| value.checked_add(digit))
                .ok_or_else(|| format!("the long integer at byte {at} is too long"))?;
        }
        let value = i64::try_from(if count < 0 { -value } else { value })
            .map_err(|_| format!("the long integer at byte {at} is too long"))?;
        Ok(self.graph.long(value))
    }
}

/// Writes the graph's root as Python 2's `marshal.dumps(value, 0)` does: strings are not shared.
///
/// # Errors
/// If `marshal` does not know a value, or values are nested too deep.
pub fn dump(graph: &Graph<'_>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    put(graph.root(), 0, &mut out)?;
    Ok(out)
}

fn put(value: Value<'_, '_>, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("values are nested more than {DEEPEST} deep"));
    }
    match value.node() {
        View::None => out.push(b'N'),
        View::Bool(false) => out.push(b'F'),
        View::Bool(true) => out.push(b'T'),
        View::Int(number) => match i32::try_from(number) {
            Ok(number) => {
                out.push(b'i');
                out.extend(number.to_le_bytes());
            }
            Err(_) => {
                out.push(b'I');
                out.extend(number.to_le_bytes());
            }
        },
        View::Float(number) => {
            // As in Python's repr, so that reading gives the same number.
            let text = format!("{number:?}");
            out.push(b'f');
            out.push(u8::try_from(text.len()).map_err(|_| "a float that is too long".to_owned())?);
            out.extend(text.as_bytes());
        }
        View::Bytes(bytes) => put_bytes(b's', bytes, out)?,
        View::Text(bytes) => put_bytes(b'u', bytes, out)?,
        View::Tuple(_) | View::List(_) => {
            let is_tuple = matches!(value.node(), View::Tuple(_));
            put_length(if is_tuple { b'(' } else { b'[' }, value.items().count(), out)?;
            value.items().try_for_each(|item| put(item, depth + 1, out))?;
        }
        View::Dict(_) => {
            out.push(b'{');
            for (key, value) in value.entries() {
                put(key, depth + 1, out)?;
                put(value, depth + 1, out)?;
            }
            out.push(b'0');
        }
        _ => return Err(format!("{} cannot be marshalled", value.kind())),
    }
    Ok(())
}

fn put_bytes(kind: u8, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    put_length(kind, bytes.len(), out)?;
    out.extend(bytes);
    Ok(())
}

fn put_length(kind: u8, length: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let length = i32::try_from(length).map_err(|_| format!("{length} items are too many"))?;
    out.push(kind);
    out.extend(length.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_what_python_writes() {
        // marshal.dumps({('a', u'\xe9'): [1, 2 ** 33, 1.5, None, True]}, 0)
        let bytes = b"{(\x02\x00\x00\x00s\x01\x00\x00\x00au\x02\x00\x00\x00\xc3\xa9[\x05\x00\x00\x00i\x01\x00\x00\x00I\x00\x00\x00\x00\x02\x00\x00\x00f\x031.5NT0";
        let (graph, _) = load(bytes).unwrap();
        assert_eq!(dump(&graph).unwrap(), bytes);
    }

    #[test]
    fn what_marshal_does_not_know_is_refused() {
        let (graph, _) =
            crate::load(b"(iMailman.UserDesc\nUserDesc\np1\n(dp2\nb.", &crate::Limits::default())
                .unwrap();
        assert!(dump(&graph).unwrap_err().contains("cannot be marshalled"));
        let deep = [&b"]".repeat(500)[..], &b"a".repeat(499), b"."].concat();
        let (deep, _) = crate::load(&deep, &crate::Limits::default()).unwrap();
        assert!(dump(&deep).unwrap_err().contains("deep"));
    }

    #[test]
    fn what_python_marshals_is_read() {
        // marshal.dumps({'a': [1, 2L ** 33, 1.5, None, True, u'\xe9'], 'b': ('a', -5)}, 1)
        let bytes = b"{t\x01\x00\x00\x00a[\x06\x00\x00\x00i\x01\x00\x00\x00l\x03\x00\x00\x00\x00\x00\x00\x00\x08\x00f\x031.5NTu\x02\x00\x00\x00\xc3\xa9t\x01\x00\x00\x00b(\x02\x00\x00\x00R\x00\x00\x00\x00i\xfb\xff\xff\xff0";
        let (graph, used) = load(bytes).unwrap();
        assert_eq!(used, bytes.len());
        let a: Vec<String> = graph
            .root()
            .get("a")
            .unwrap()
            .items()
            .map(|item| item.to_text_lossy().into())
            .collect();
        assert_eq!(a, ["1", "8589934592", "1.5", "None", "True", "\u{e9}"]);
        let b: Vec<String> = graph
            .root()
            .get("b")
            .unwrap()
            .items()
            .map(|item| item.to_text_lossy().into())
            .collect();
        assert_eq!(b, ["a", "-5"]);
    }

    #[test]
    fn what_is_cut_short_or_too_deep_is_named() {
        assert!(load(b"[\xff\xff\xff\x7fN").unwrap_err().contains("truncated"));
        assert!(load(&b"[\x01\x00\x00\x00".repeat(5000)).unwrap_err().contains("deep"));
        assert!(load(b"x").unwrap_err().contains("is not a type of value"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>) {
            let _either = load(&bytes);
        }
    }
}
