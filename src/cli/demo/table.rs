//! Quantiles and columns of text. Pure.

use std::time::Duration;

/// The smallest duration that the share `quantile` (0 to 1) of `durations` does not exceed.
pub(super) fn quantile(durations: &mut [Duration], quantile: f64) -> Option<Duration> {
    durations.sort_unstable();
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    let rank = (durations.len() as f64 * quantile).ceil() as usize;
    durations.get(rank.saturating_sub(1)).copied()
}

/// Milliseconds with as many digits as help: `0.31 ms`, `12.3 ms`, `3503 ms`; `-` for none.
pub(super) fn millis(duration: Option<Duration>) -> String {
    match duration.map(|duration| duration.as_secs_f64() * 1e3) {
        None => "-".to_owned(),
        Some(millis) if millis < 9.995 => format!("{millis:.2} ms"),
        Some(millis) if millis < 99.95 => format!("{millis:.1} ms"),
        Some(millis) => format!("{millis:.0} ms"),
    }
}

/// `part` of `whole` in percent; `-` for part of nothing.
#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.1} %", part as f64 * 100.0 / whole as f64)
}

/// Rows in columns: the first flush left, the others flush right.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let number = rows.iter().map(Vec::len).max().unwrap_or_default();
    let cell_width =
        |row: &Vec<String>, column| row.get(column).map_or(0, |cell: &String| cell.chars().count());
    let widths: Vec<usize> = (0..number)
        .map(|column| {
            rows.iter()
                .map(|row| cell_width(row, column))
                .max()
                .unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks() {
        let mut durations: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        for (share, millis) in [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)] {
            assert_eq!(
                quantile(&mut durations, share),
                Some(Duration::from_millis(millis))
            );
        }
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile(&mut [Duration::ZERO], 0.99), Some(Duration::ZERO));
    }

    #[test]
    fn figures_have_the_digits_that_help() {
        let shown = [312, 12_345, 3_503_000].map(|micros| millis(Some(Duration::from_micros(micros))));
        assert_eq!(shown, ["0.31 ms", "12.3 ms", "3503 ms"]);
        assert_eq!([percent(1, 3), percent(0, 0)], ["33.3 %", "-"]);
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(
            columns(&[row(["rule", "requests"]), row(["product", "7"])]),
            "rule      requests\nproduct          7\n"
        );
    }
}
