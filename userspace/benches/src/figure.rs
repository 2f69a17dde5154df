// SPDX-License-Identifier: GPL-2.0-only
//! Figures of distributions.

use std::path::Path;

use anyhow::Result;
use hdrhistogram::Histogram;
use plotters::prelude::*;

/// Percentiles are drawn by how many nines they have, up to here: 99.99 %.
const NINES: f64 = 4.0;

/// One distribution.
pub struct Line {
    name: String,
    /// Nines, and nanoseconds.
    points: Vec<(f64, f64)>,
}

impl Line {
    /// What a histogram of nanoseconds says.
    pub fn new(name: String, histogram: &Histogram<u64>) -> Self {
        let point = |step: u32| {
            let nines = NINES * f64::from(step) / 200.0;
            let quantile = 1.0 - 10f64.powf(-nines);
            (nines, histogram.value_at_quantile(quantile).max(1) as f64)
        };
        Self {
            name,
            points: (0..=200).map(point).collect(),
        }
    }
}

/// Draws distributions of nanoseconds into one figure, as SVG.
///
/// # Errors
///
/// When the file cannot be written.
pub fn draw(path: &Path, lines: &[Line]) -> Result<()> {
    let all = lines.iter().flat_map(|line| &line.points);
    let most = all.map(|(_, y)| *y).fold(100.0, f64::max);
    let root = SVGBackend::new(path, (720, 440)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..NINES, (10.0..most * 1.5).log_scale())?;
    let percent = |nines: &f64| format!("{:.4}", 100.0 - 100.0 * 10f64.powf(-nines));
    let short = |nines: &f64| {
        percent(nines)
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
    };
    chart
        .configure_mesh()
        .x_labels(5)
        .x_label_formatter(&short)
        .x_desc("percentile")
        .y_desc("nanoseconds")
        .light_line_style(WHITE)
        .draw()?;
    for (index, line) in lines.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        chart
            .draw_series(LineSeries::new(
                line.points.iter().copied(),
                color.stroke_width(2),
            ))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()?;
    root.present()?;
    Ok(())
}
