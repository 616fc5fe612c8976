//! What commands print: tables for people, JSON for programs.

use std::io::Write;

use serde::Serialize;

use super::CliError;
use crate::replication::report::PathReport;

/// One line to standard output.
pub fn line(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

pub fn json(value: &impl Serialize) -> Result<(), CliError> {
    line(&serde_json::to_string_pretty(value).map_err(|error| CliError::Failed(error.to_string()))?)
}

/// On one line, for ready lines and logs.
pub fn json_line(value: &impl Serialize) -> Result<(), CliError> {
    line(&serde_json::to_string(value).map_err(|error| CliError::Failed(error.to_string()))?)
}

/// Columns as wide as their widest cell.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(headings: &[&str]) -> Self {
        Table { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Headings and rows, without trailing blanks.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let lines = self.rows.iter().map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// `1.2 s`, `3m 20s`, `2h 5m`, or `unknown`.
pub fn seconds(value: Option<f64>) -> String {
    match value {
        None => "unknown".into(),
        Some(value) if value < 60.0 => format!("{value:.1} s"),
        Some(value) => {
            let whole = value as u64;
            match whole {
                0..3600 => format!("{}m {}s", whole / 60, whole % 60),
                _ => format!("{}h {}m", whole / 3600, whole % 3600 / 60),
            }
        }
    }
}

/// A path's lag; one that is only worked out from wall clocks is marked.
pub fn lag(path: &PathReport) -> String {
    let proven = if path.lag_proven || path.rpo_lag_seconds.is_none() { "" } else { " (unproven)" };
    format!("{}{proven}", seconds(path.rpo_lag_seconds))
}

/// `12.3 MiB`
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value as f64;
    let mut unit = 0;
    while scaled >= 1024.0 && unit < UNITS.len() - 1 {
        scaled /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{value} B"),
        _ => format!("{scaled:.1} {}", UNITS[unit]),
    }
}

/// A value of a query string.
pub fn quoted(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
