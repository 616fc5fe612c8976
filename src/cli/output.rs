//! What commands print: tables for people, JSON for programs. Nothing else in this room writes to a terminal.

use std::fmt;
use std::io::Write;

use serde::Serialize;

use super::CliError;
use crate::replication::report::PathReport;
use crate::terminal::{escaped, escaped_json};

/// Lines for people. Each is escaped as it comes in: no key, name or error of others ends a line, moves the cursor or
/// turns the text around.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<String>);

impl Text {
    /// A text of our own whose line ends are meant.
    pub fn of_lines(text: &str) -> Self {
        text.lines().collect()
    }

    pub fn push(&mut self, line: impl AsRef<str>) {
        self.0.push(escaped(line.as_ref()).into_owned());
    }

    pub fn append(&mut self, mut more: Text) {
        self.0.append(&mut more.0);
    }
}

impl<S: AsRef<str>> FromIterator<S> for Text {
    fn from_iter<I: IntoIterator<Item = S>>(lines: I) -> Self {
        Text(lines.into_iter().map(|line| escaped(line.as_ref()).into_owned()).collect())
    }
}

impl From<&str> for Text {
    fn from(line: &str) -> Self {
        [line].into_iter().collect()
    }
}

impl From<&String> for Text {
    fn from(line: &String) -> Self {
        line.as_str().into()
    }
}

impl From<String> for Text {
    fn from(line: String) -> Self {
        line.as_str().into()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// To standard output.
pub fn line(text: impl Into<Text>) -> Result<(), CliError> {
    written(std::io::stdout().lock(), &text.into().to_string(), "\n")
}

/// To standard error.
pub fn note(text: impl Into<Text>) {
    // Nobody is left to be told that standard error has gone.
    let _ = written(std::io::stderr().lock(), &text.into().to_string(), "\n");
}

/// To standard error, without a line end, for an answer on the same line.
pub fn prompt(text: impl Into<Text>) -> Result<(), CliError> {
    written(std::io::stderr().lock(), &text.into().to_string(), "")
}

/// A line of a terminal that is written again and again.
pub fn rewrite(out: impl Write, line: &str) -> Result<(), CliError> {
    written(out, &format!("\r\x1b[2K{}", escaped(line)), "")
}

pub fn json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| CliError::Failed(error.to_string()))?;
    written(std::io::stdout().lock(), &escaped_json(&text), "\n")
}

/// On one line, for ready lines and logs.
pub fn json_line(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string(value).map_err(|error| CliError::Failed(error.to_string()))?;
    written(std::io::stdout().lock(), &escaped_json(&text), "\n")
}

/// What is safe already.
fn written(mut out: impl Write, text: &str, end: &str) -> Result<(), CliError> {
    write!(out, "{text}{end}")?;
    Ok(out.flush()?)
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
        // Here, so that a column is as wide as what is shown.
        self.rows.push(cells.iter().map(|cell| escaped(cell).into_owned()).collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Headings and rows, without trailing blanks.
    pub fn render(&self) -> Text {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let lines = self.rows.iter().map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        });
        lines.collect()
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
