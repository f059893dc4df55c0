//! Tables: their cells are held back until it is known whether they fit side by side.

use super::*;

impl Page {
    /// The innermost table, if its cells are held back.
    pub(super) fn held_table(&mut self) -> Option<&mut Table> {
        self.tables.last_mut().filter(|table| !table.is_frame)
    }

    pub(super) fn end_cell(&mut self) {
        let is_blank = self.text.chars().all(is_invisible);
        self.gap = false;
        if self.held_table().is_none() {
            self.block(false);
            return;
        }
        self.link = None;
        let text = std::mem::take(&mut self.text);
        let Some(table) = self.held_table() else { return };
        table.is_cell_full = false;
        if is_blank {
            return;
        }
        match table.rows.last_mut().and_then(|row| row.last_mut()) {
            Some(cell) if cell.is_empty() => *cell = text,
            // Text between the cells.
            _ => table.rows.push(vec![text]),
        }
    }

    /// The cell's content needs its own lines: the table is used for layout.
    pub(super) fn open_frame(&mut self) {
        let Some(table) = self.held_table() else { return };
        table.is_frame = true;
        let rows = std::mem::take(&mut table.rows);
        let text = std::mem::take(&mut self.text);
        let gap = self.gap;
        self.rows(rows);
        self.text = text;
        self.block(false);
        self.gap = gap;
    }

    /// Writes the rows of a table: side by side if they fit.
    pub(super) fn rows(&mut self, rows: Vec<Vec<String>>) {
        let room = WIDTH.saturating_sub(self.margin_width());
        let mut widths: Vec<usize> = Vec::new();
        for row in rows.iter().filter(|row| row.len() > 1) {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let whole = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        let is_aligned = whole <= room && widths.len() <= MOST_COLUMNS;
        for row in rows {
            let used: usize = row.iter().map(|cell| cell.chars().count() + 2).sum();
            if row.len() > 1 && is_aligned {
                let cells = row.iter().zip(&widths);
                let cells: Vec<String> =
                    cells.map(|(cell, &width)| format!("{cell:width$}")).collect();
                if row.iter().any(|cell| !cell.is_empty()) {
                    self.line(&cells.join("  "));
                }
            } else if row.len() > 1 && used <= room + 2 {
                let cells: Vec<&str> =
                    row.iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect();
                if !cells.is_empty() {
                    self.line(&cells.join("  "));
                }
            } else {
                for cell in row.iter().filter(|cell| !cell.is_empty()) {
                    wrap(cell, room.max(WIDTH / 3)).lines().for_each(|line| self.line(line));
                }
            }
        }
    }
}
