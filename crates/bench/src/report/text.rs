//! A report for a terminal.

use comfy_table::{CellAlignment, ContentArrangement, presets};

use super::document::{Block, Document, Section, Table};

/// The report as plain text. `width` is the terminal's, where there is one. `brief` leaves out what stands in every
/// report.
pub fn text(document: &Document, width: Option<u16>, brief: bool) -> String {
    let kept =
        |section: &&Section| !brief || !matches!(section.title.as_str(), "Definitions" | "Environment" | "Plots");
    let mut out = format!("{}\n", document.title);
    for section in document.sections.iter().filter(kept) {
        let blocks: Vec<String> = section.blocks.iter().filter_map(|block| self::block(block, width)).collect();
        if !blocks.is_empty() {
            out.push_str(&format!("\n{}\n{}\n", section.title.to_uppercase(), blocks.join("\n")));
        }
    }
    out
}

fn block(block: &Block, width: Option<u16>) -> Option<String> {
    match block {
        Block::Text(text) => Some(text.clone()),
        Block::List(items) => Some(items.iter().map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n")),
        Block::Table(table) if !table.rows.is_empty() => Some(drawn(table, width)),
        Block::Table(_) | Block::Plot(_) => None,
    }
    .filter(|text| !text.is_empty())
}

fn drawn(table: &Table, width: Option<u16>) -> String {
    let mut drawn = comfy_table::Table::new();
    drawn.load_style(presets::NOTHING).set_header(&table.headings);
    if let Some(width) = width {
        drawn.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for (position, row) in table.rows.iter().enumerate() {
        let mut row = row.clone();
        // A load is named once.
        let same = position > 0 && table.rows[position - 1].first() == row.first();
        if let Some(first) = row.first_mut().filter(|_| same) {
            first.clear();
        }
        drawn.add_row(row);
    }
    for column in drawn.column_iter_mut().skip(1) {
        let numbers = table.rows.iter().filter_map(|row| row.get(column.index));
        if numbers.clone().all(|cell| is_number(cell)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = drawn.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether it begins as numbers do.
pub(super) fn is_number(cell: &str) -> bool {
    let text = cell.trim_start_matches(['+', '-']);
    text.starts_with(|char: char| char.is_ascii_digit()) || cell == super::number::NOTHING
}
