//! A [`Plot`] drawn as SVG by `plotters`, in colours that can be told apart with any eyes and on paper (Okabe and Ito).

use plotters::{
    chart::{ChartBuilder, SeriesLabelPosition},
    element::{Circle, PathElement},
    prelude::{DrawingAreaErrorKind, IntoDrawingArea, SVGBackend},
    series::LineSeries,
    style::{BLACK, Color, RGBColor, ShapeStyle, WHITE},
};

use super::document::{Plot, Series};

const SIZE: (u32, u32) = (760, 400);
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
];

/// The plot as an `svg` element; `None` where there is nothing to draw.
pub(super) fn svg(plot: &Plot) -> Option<String> {
    let mut drawn = String::new();
    draw(plot, &mut drawn).ok()?;
    drawn.contains("<svg").then_some(drawn)
}

fn draw<'a>(
    plot: &Plot,
    into: &'a mut String,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as plotters::prelude::DrawingBackend>::ErrorType>> {
    let Some((x, y)) = ranges(&plot.series) else { return Ok(()) };
    let area = SVGBackend::with_string(into, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart =
        ChartBuilder::on(&area).margin(12).x_label_area_size(44).y_label_area_size(64).build_cartesian_2d(x, y)?;
    let (across, up) = (&plot.x, &plot.y);
    chart
        .configure_mesh()
        .x_desc(across.as_str())
        .y_desc(up.as_str())
        .label_style(("sans-serif", 13))
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    for (series, colour) in plot.series.iter().zip(COLOURS.iter().cycle()) {
        let style = ShapeStyle::from(colour).stroke_width(2);
        let drawn = if plot.scattered {
            chart.draw_series(series.points.iter().map(|&at| Circle::new(at, 2, colour.filled())))?
        } else {
            if series.points.len() < 30 {
                chart.draw_series(series.points.iter().map(|&at| Circle::new(at, 3, colour.filled())))?;
            }
            chart.draw_series(LineSeries::new(series.points.iter().copied(), style))?
        };
        drawn.label(series.name.as_str()).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(if plot.y.starts_with('%') {
            SeriesLabelPosition::LowerRight
        } else {
            SeriesLabelPosition::UpperLeft
        })
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()
}

type Range = std::ops::Range<f64>;

/// Axes that begin at zero where zero is near, with a little room above.
fn ranges(series: &[Series]) -> Option<(Range, Range)> {
    let points = || series.iter().flat_map(|series| &series.points).filter(|(x, y)| x.is_finite() && y.is_finite());
    points().next()?;
    let range = |value: fn(&(f64, f64)) -> f64| {
        let low = points().map(value).fold(f64::INFINITY, f64::min);
        let high = points().map(value).fold(f64::NEG_INFINITY, f64::max);
        let low = if low > 0.0 && low < high * 0.7 { 0.0 } else { low.min(high * 0.9) };
        low..if high > low { high + (high - low) * 0.05 } else { low + 1.0 }
    };
    Some((range(|point| point.0), range(|point| point.1)))
}
