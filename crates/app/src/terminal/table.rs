//! Tables for people: [`Table`] takes text from outside, makes it inert and fits it to the terminal.

use comfy_table::{CellAlignment, ContentArrangement, presets};

use super::sanitise::sanitise_line;

/// A table without borders, columns two spaces apart.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// A table with these headings, as wide as the terminal, or as its content when nobody looks.
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(headings);
        if let Some((terminal_size::Width(width), _)) = terminal_size::terminal_size_of(std::io::stdout()) {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        Self(table)
    }

    /// Numbers read better from the right.
    pub(crate) fn right(mut self, column: usize) -> Self {
        if let Some(column) = self.0.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        self
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.add_row(cells.map(|cell| sanitise_line(&cell)));
    }

    /// The table as text, without a line feed at its end.
    pub(crate) fn text(&self) -> String {
        // Each cell has a space on either side; the first and the last have no neighbour to keep away from.
        let lines = self.0.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// A size as people read it: `1.0 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (count, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1 << 20, "1.0 MiB"), (u64::MAX, "16384.0 PiB")]
        {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn cells_are_inert_and_keep_to_their_line() {
        let mut table = Table::new(["MODEL", "SIZE"]).right(1);
        table.row(["a\x1b[2J\nb".into(), "1 B".into()]);
        let text = table.text();
        assert!(!text.contains('\x1b') && text.lines().count() == 2, "{text:?}");
    }
}
