//! What holds for Markdown.

use std::fs;
use std::path::{Path, PathBuf};

use super::root;

const COLUMNS_MAX: usize = 120;

/// Pages that are not wrapped yet. The list only shrinks.
const UNWRAPPED: &[&str] = &["CHANGELOG.md", "src/replication/DESIGN.md", "storage/FORMAT.md"];

/// Where a path in backticks begins that must exist.
const PLACES: &[&str] = &["src/", "storage/", "policy/", "tests/", "xtask/", "docs/", "docker/", "benches/", ".ci/"];

fn pages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for dir in ["", "docs", "docs/decisions", "docker", "src/replication", "storage", "policy", "tests/s3-tests"] {
        let Ok(entries) = fs::read_dir(root().join(dir)) else { continue };
        let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
        found.extend(entries.flatten().map(|entry| entry.path()).filter(is_page));
    }
    found.sort();
    let name = |path: &Path| path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
    found.iter().map(|path| (name(path), fs::read_to_string(path).expect("readable"))).collect()
}

/// Lines of prose that are too long, by number. Tables and code are free, and so is a line that nothing can break.
fn long_lines(text: &str) -> Vec<usize> {
    let mut code = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        let free = code || fence || line.trim_start().starts_with('|');
        let breaks = line.trim().char_indices().any(|(at, c)| c == ' ' && at > "1234. ".len());
        if !free && breaks && line.chars().count() > COLUMNS_MAX {
            found.push(number + 1);
        }
    }
    found
}

#[test]
fn lines_of_prose_are_short() {
    let mut wrong = Vec::new();
    for (name, text) in pages() {
        let long = long_lines(&text);
        match (UNWRAPPED.contains(&name.as_str()), long.is_empty()) {
            (true, true) => wrong.push(format!("{name} is wrapped: take it out of UNWRAPPED")),
            (false, false) => wrong.push(format!("{name}: over {COLUMNS_MAX} columns in lines {long:?}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn long_lines_are_told_from_tables_code_and_links() {
    let long = "word ".repeat(30);
    assert_eq!(long_lines(&format!("short\n{long}\n")), [2]);
    assert_eq!(long_lines(&format!("- {long}\n")), [1]);
    for free in
        [format!("| {long} |"), format!("```sh\n{long}\n```"), format!("https://example.com/{}", "x".repeat(130))]
    {
        assert_eq!(long_lines(&free), [0; 0], "{free}");
    }
    assert_eq!(long_lines(&format!("```\n{long}\n```\n{long}")), [4]);
}

/// Words in backticks that are paths of this repository: `src/s3/ops/etag.rs`.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        PLACES.iter().any(|place| word.starts_with(place)) && word.chars().all(plain)
    })
}

#[test]
fn every_path_that_a_page_names_exists() {
    let mut wrong = Vec::new();
    for (name, text) in pages().iter().filter(|(name, _)| name != "CHANGELOG.md") {
        // A page beside the code names files beside itself.
        let beside = root().join(name).parent().map(Path::to_path_buf).unwrap_or_default();
        let missing = named(text).filter(|path| !root().join(path).exists() && !beside.join(path).exists());
        wrong.extend(missing.map(|path| format!("{name}: {path}")));
    }
    assert!(wrong.is_empty(), "named, and not there:\n{}", wrong.join("\n"));
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut wrong = Vec::new();
    for (name, text) in pages() {
        let beside = root().join(&name).parent().map(Path::to_path_buf).unwrap_or_default();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            let file = target.split('#').next().unwrap_or_default();
            let outside = file.is_empty() || file.contains("://") || file.contains(' ');
            if !outside && !beside.join(file).exists() {
                wrong.push(format!("{name}: {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "links to nothing:\n{}", wrong.join("\n"));
}
