//! A report as one file for a browser: plots inside, nothing loaded, each plot with the rows that it shows.

use super::{
    document::{Block, Document, Plot, Table},
    svg::svg,
};

/// Rows of a plot's own table.
const MOST_ROWS: usize = 200;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}\
caption{text-align:left;font-style:italic;padding:.3rem 0}\
th,td{padding:.25rem .7rem;border-bottom:1px solid #8884;text-align:left;vertical-align:top}\
td.n,th.n{text-align:right;white-space:nowrap}\
.scroll{overflow-x:auto}figure{margin:1.2rem 0}figcaption{font-weight:600}\
svg{max-width:100%;height:auto;background:#fff}\
details{margin:.3rem 0}summary{cursor:pointer}\
@media print{body{max-width:none;margin:0;font-size:11px}figure,table{break-inside:avoid}details:not([open]){display:none}}";

/// The report as a document of HTML that needs nothing else.
pub fn html(document: &Document) -> String {
    let title = escape(&document.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    let mut plots = 0;
    for section in &document.sections {
        out.push_str(&format!("<section>\n<h2>{}</h2>\n", escape(&section.title)));
        for block in &section.blocks {
            match block {
                Block::Text(text) => out.push_str(&format!("<p>{}</p>\n", escape(text))),
                Block::List(items) => {
                    let items: String = items.iter().map(|item| format!("<li>{}</li>\n", escape(item))).collect();
                    out.push_str(&format!("<ul>\n{items}</ul>\n"));
                }
                Block::Table(table) => out.push_str(&rows(table)),
                Block::Plot(plot) => {
                    plots += 1;
                    out.push_str(&figure(plot, plots));
                }
            }
        }
        out.push_str("</section>\n");
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn figure(plot: &Plot, number: usize) -> String {
    let Some(drawn) = svg(plot) else { return String::new() };
    let lines: Vec<&str> = plot.series.iter().map(|series| series.name.as_str()).collect();
    let label = format!("{}: {} against {}, for {}", plot.title, plot.y, plot.x, lines.join(", "));
    // The picture is one thing with a name; what is in it stands in the table.
    let drawn = drawn.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", escape(&label)), 1);
    format!(
        "<figure id=\"plot-{number}\">\n<figcaption>{}</figcaption>\n{drawn}\n<details>\n<summary>The same as a table</summary>\n{}</details>\n</figure>\n",
        escape(&plot.title),
        rows(&table(plot))
    )
}

fn table(plot: &Plot) -> Table {
    let mut table = Table::new(&plot.title, &["line", &plot.x, &plot.y]);
    for series in &plot.series {
        let every = series.points.len().div_ceil(MOST_ROWS).max(1);
        let row = |(x, y): &(f64, f64)| vec![series.name.clone(), super::number::number(*x), super::number::number(*y)];
        table.rows.extend(series.points.iter().step_by(every).map(row));
    }
    table
}

fn rows(table: &Table) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let right =
        |column: usize| table.rows.iter().all(|row| row.get(column).is_some_and(|cell| super::text::is_number(cell)));
    let class: Vec<&str> =
        (0..table.headings.len()).map(|at| if at > 0 && right(at) { " class=\"n\"" } else { "" }).collect();
    // What scrolls must be reached by keyboard, and then have a name.
    let caption = escape(&table.caption);
    let mut out = format!(
        "<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"{caption}\"><table>\n<caption>{caption}</caption>\n<thead><tr>"
    );
    for (heading, class) in table.headings.iter().zip(&class) {
        out.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape(heading)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let class = class.get(at).copied().unwrap_or_default();
            match at {
                0 => out.push_str(&format!("<th scope=\"row\">{}</th>", escape(cell))),
                _ => out.push_str(&format!("<td{class}>{}</td>", escape(cell))),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            char if char.is_control() => out.push(' '),
            char => out.push(char),
        }
    }
    out
}
