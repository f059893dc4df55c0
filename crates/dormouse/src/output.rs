//! How results are printed: aligned tables for people, JSON for programs.

use crate::failure::Failure;
use crate::stdio;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::io::{self, Read, Seek as _, Write};
use sysexits::ExitCode;

/// Good.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Needs attention.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Bad.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// A heading.
pub const HEAD: Style = Style::new().bold();
/// Less important.
pub const DIM: Style = Style::new().dimmed();

/// Prints a line to standard error. It does not matter if nobody can read it.
macro_rules! note {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _unread = writeln!(anstream::stderr(), $($text)*);
    }};
}
pub(crate) use note;

/// Prints a line. A reader that has gone away (`| head`) does not stop the command's work.
pub fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(anstream::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => ended(written),
    }
}

/// Prints bytes unchanged.
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout();
    ended(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Copies a reader to standard output.
pub fn copy(from: &mut impl io::Read) -> Result<(), Failure> {
    let mut out = io::stdout();
    ended(io::copy(from, &mut out).and_then(|_| out.flush()))
}

/// Prints only a setting's value, for people and scripts; a list has one item on each line.
pub fn value(value: &str) -> Result<(), Failure> {
    line(value.strip_suffix('\n').unwrap_or(value))
}

/// Formats a setting's value after its name: further lines are indented.
pub fn indented(value: &str) -> String {
    value.trim_end_matches('\n').replace('\n', "\n    ")
}

/// Prints a value as JSON.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value)?)
}

/// Formats text in a style.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints values as one JSON array, each when it comes, so that there may be any number of them.
pub fn json_each(values: impl Iterator<Item = impl Serialize>) -> Result<(), Failure> {
    use serde::Serializer as _;
    let mut out = io::BufWriter::new(io::stdout());
    let written = serde_json::Serializer::pretty(&mut out).collect_seq(values);
    ended(written.map_err(io::Error::from).and_then(|()| writeln!(out)).and_then(|()| out.flush()))
}

/// Rows under headings, every column as wide as its widest cell. The rows of a long table are in a temporary
/// file until it is printed.
pub struct Table {
    head: Vec<&'static str>,
    widths: Vec<usize>,
    rows: Spilled,
    count: u64,
    /// Why a row could not be written.
    failed: Option<io::Error>,
}

type Spilled = io::BufWriter<tempfile::SpooledTempFile>;

/// So many bytes of a table are in memory.
const IN_MEMORY: usize = 1 << 20;

impl Table {
    /// Creates a table with these headings.
    pub fn new(head: &[&'static str]) -> Table {
        let widths = head.iter().map(|text| text.len()).collect();
        let rows = io::BufWriter::new(tempfile::SpooledTempFile::new(IN_MEMORY));
        Table { head: head.to_vec(), widths, rows, count: 0, failed: None }
    }

    /// Adds a row of plain cells.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.styled_row(cells.map(|cell| (cell, Style::new())));
    }

    /// Adds a row whose cells have styles.
    pub fn styled_row<const N: usize>(&mut self, cells: [(String, Style); N]) {
        self.count += 1;
        for ((cell, style), widest) in cells.iter().zip(&mut self.widths) {
            let width = cell.chars().count();
            *widest = width.max(*widest);
            if self.failed.is_none() {
                self.failed = keep(&mut self.rows, width, &styled(*style, cell)).err();
            }
        }
    }

    /// Prints the table.
    pub fn print(self) -> Result<(), Failure> {
        let Table { head, widths, rows, count, failed } = self;
        let spilled = |error: io::Error| {
            let why = format!("the table could not be kept in a temporary file: {error}");
            Failure::new(ExitCode::TempFail, why)
        };
        if let Some(error) = failed {
            return Err(spilled(error));
        }
        let mut rows = rows.into_inner().map_err(|error| spilled(error.into_error()))?;
        rows.rewind().map_err(spilled)?;
        let mut rows = io::BufReader::new(rows);
        let mut out = anstream::stdout().lock();
        let mut line = String::new();
        let head = head.iter().map(|text| (text.len(), styled(HEAD, text)));
        pad(&mut line, &widths, head);
        ended(writeln!(out, "{line}"))?;
        for _ in 0..count {
            let cells: io::Result<Vec<_>> = widths.iter().map(|_| kept(&mut rows)).collect();
            pad(&mut line, &widths, cells.map_err(spilled)?.into_iter());
            ended(writeln!(out, "{line}"))?;
        }
        Ok(())
    }
}

/// Keeps a cell: its width, the length of its text, and its text.
fn keep(rows: &mut impl Write, width: usize, text: &str) -> io::Result<()> {
    for number in [width, text.len()] {
        rows.write_all(&(number as u64).to_le_bytes())?;
    }
    rows.write_all(text.as_bytes())
}

/// The next cell that was kept.
fn kept(rows: &mut impl Read) -> io::Result<(usize, String)> {
    let mut number = || {
        let mut bytes = [0; 8];
        rows.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes) as usize)
    };
    let (width, length) = (number()?, number()?);
    let mut text = vec![0; length];
    rows.read_exact(&mut text)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    Ok((width, text))
}

/// Writes cells as a line; each but the last is as wide as its column.
fn pad(line: &mut String, widths: &[usize], cells: impl Iterator<Item = (usize, String)>) {
    line.clear();
    for (column, (width, cell)) in cells.enumerate() {
        let is_last = column + 1 == widths.len();
        let padding = if is_last { 0 } else { widths[column].saturating_sub(width) + 2 };
        line.push_str(&cell);
        line.extend(std::iter::repeat_n(' ', padding));
    }
}

/// Rows that are printed one by one: lines for people, or one JSON array.
pub struct Rows {
    out: io::BufWriter<io::Stdout>,
    json: bool,
    count: u64,
}

impl Rows {
    /// Creates an empty output, as JSON or as text.
    pub fn new(json: bool) -> Rows {
        Rows { out: io::BufWriter::new(io::stdout()), json, count: 0 }
    }

    /// Prints a row.
    pub fn add(&mut self, row: &impl Serialize, text: &str) -> Result<(), Failure> {
        let before = match (self.json, self.count) {
            (false, _) => "",
            (true, 0) => "[\n  ",
            (true, _) => ",\n  ",
        };
        self.count += 1;
        let written = self.out.write_all(before.as_bytes()).and_then(|()| {
            if self.json {
                serde_json::to_writer(&mut self.out, row).map_err(io::Error::from)
            } else {
                writeln!(self.out, "{text}")
            }
        });
        ended(written)
    }

    /// Ends the output.
    pub fn finish(mut self) -> Result<(), Failure> {
        let end = match (self.json, self.count) {
            (false, _) => "",
            (true, 0) => "[]\n",
            (true, _) => "\n]\n",
        };
        ended(self.out.write_all(end.as_bytes()).and_then(|()| self.out.flush()))
    }
}

/// A reader that has gone away quietly ends a command that only prints. Other errors may be temporary.
fn ended(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.map_err(|error| {
            let why =
                if stdio::was_closed() { "it is closed".to_owned() } else { error.to_string() };
            Failure::new(ExitCode::TempFail, format!("cannot write to standard output: {why}"))
        }),
    }
}

/// Formats a count with its noun: `1 entry`, `2 entries`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Formats a size for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Formats a duration for people, in its largest unit: `12 ms`, `3 min`, `2 d`.
pub fn span(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// Creates a progress bar for long work on a terminal; `total` is the amount of work, if that is
/// known. The bar disappears when it is dropped.
pub fn progress(total: Option<u64>) -> indicatif::ProgressBar {
    let (bar, template) = match total {
        Some(total) => {
            (indicatif::ProgressBar::new(total), "{wide_bar} {human_pos}/{human_len} {eta}")
        }
        None => (indicatif::ProgressBar::no_length(), "{spinner} {human_pos} {per_sec}"),
    };
    if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_finish(indicatif::ProgressFinish::AndClear)
}
