//! A report for a pull request or a wiki.

use super::document::{Block, Document, Table};

/// The report as Markdown, with tables as GitHub reads them. Plots are left out.
pub fn markdown(document: &Document) -> String {
    let mut out = format!("# {}\n", escape(&document.title));
    for section in &document.sections {
        let blocks: Vec<String> = section.blocks.iter().filter_map(block).collect();
        if !blocks.is_empty() {
            out.push_str(&format!("\n## {}\n\n{}\n", escape(&section.title), blocks.join("\n\n")));
        }
    }
    out
}

fn block(block: &Block) -> Option<String> {
    match block {
        Block::Text(text) => Some(escape(text)),
        Block::List(items) => {
            Some(items.iter().map(|item| format!("- {}", escape(item))).collect::<Vec<_>>().join("\n"))
        }
        Block::Table(table) if !table.rows.is_empty() => Some(rows(table)),
        Block::Table(_) | Block::Plot(_) => None,
    }
    .filter(|text| !text.is_empty())
}

fn rows(table: &Table) -> String {
    let line =
        |cells: &[String]| format!("| {} |", cells.iter().map(|cell| escape(cell)).collect::<Vec<_>>().join(" | "));
    let right =
        |column: usize| table.rows.iter().all(|row| row.get(column).is_some_and(|cell| super::text::is_number(cell)));
    let rule: Vec<&str> = (0..table.headings.len()).map(|column| if right(column) { "--:" } else { "---" }).collect();
    let mut lines = vec![line(&table.headings), format!("|{}|", rule.join("|"))];
    lines.extend(table.rows.iter().map(|row| line(row)));
    lines.join("\n")
}

/// What a server says must not become markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' => out.extend(['\\', char]),
            char if char.is_control() => out.push(' '),
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::document::Section;

    #[test]
    fn what_a_server_says_is_no_markup() {
        let table = Table {
            caption: "c".into(),
            headings: vec!["a".into(), "b".into()],
            rows: vec![vec!["x|y\n".into(), "1".into()]],
        };
        let document = Document {
            title: "t".into(),
            sections: vec![Section { title: "s".into(), blocks: vec![Block::Text("<b>".into()), Block::Table(table)] }],
        };
        assert_eq!(markdown(&document), "# t\n\n## s\n\n\\<b\\>\n\n| a | b |\n|---|--:|\n| x\\|y  | 1 |\n");
    }
}
