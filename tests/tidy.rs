//! The house rules that a compiler does not hold: edges between rooms, purity, size budgets, ASCII sources, prose.
//! `docs/contributing.md` says them for people.

mod edges;
mod prose;

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

/// Which rooms of `src/` a room may import, beside itself. Each edge is used. A new edge is a change of design: argue for
/// it in its commit.
const EDGES: &[(&str, &[&str])] = &[
    ("audit", &["telemetry", "terminal"]),
    ("clock", &[]),
    ("aws", &["audit", "clock", "identity", "s3"]),
    ("descriptors", &[]),
    ("files", &[]),
    ("identity", &["clock", "files"]),
    ("tls", &["files"]),
    ("telemetry", &["replication", "terminal"]),
    ("terminal", &[]),
    ("role", &[]),
    ("s3", &["audit", "clock", "identity", "role", "telemetry"]),
    ("replication", &["clock", "descriptors", "role", "tls"]),
    ("work", &["clock", "telemetry"]),
    (
        "admin",
        &[
            "audit",
            "clock",
            "config",
            "descriptors",
            "files",
            "identity",
            "replication",
            "role",
            "s3",
            "telemetry",
            "work",
        ],
    ),
    ("config", &["audit", "clock", "files"]),
    ("bench", &["clock"]),
    (
        "cli",
        &["bench", "clock", "config", "descriptors", "node", "replication", "s3", "telemetry", "terminal", "admin"],
    ),
    (
        "node",
        &[
            "admin",
            "audit",
            "aws",
            "clock",
            "config",
            "descriptors",
            "identity",
            "replication",
            "role",
            "s3",
            "telemetry",
            "tls",
            "work",
        ],
    ),
];

/// The same inside `storage/src`, from the bottom up: a room stands above all that it imports, but for the `KNOTS`.
const STORAGE_EDGES: &[(&str, &[&str])] = &[
    ("sync", &[]),
    ("types", &[]),
    ("record", &["types"]),
    ("checksum", &["record"]),
    ("disk", &[]),
    ("journal", &["checksum", "disk", "meta", "record", "types"]),
    ("blob", &["checksum", "disk", "journal", "meta", "record", "types"]),
    ("meta", &["blob", "change", "checksum", "disk", "journal", "record", "store", "sync", "types"]),
    ("change", &["blob", "meta", "record", "store", "types"]),
    ("gc", &["blob", "change", "journal", "meta", "record", "store", "types"]),
    ("check", &["blob", "journal", "meta", "record", "store", "types"]),
    ("scrub", &["blob", "meta", "record", "store", "types"]),
    ("list", &["store"]),
    ("store", &["blob", "change", "check", "disk", "gc", "meta", "record", "scrub", "types"]),
];

/// Edges of `STORAGE_EDGES` that point up, to be dissolved, and in how many files each stands at most. No file is added.
const KNOTS: &[(&str, &str, usize)] = &[
    ("journal", "meta", 3),
    ("blob", "meta", 1),
    ("meta", "change", 15),
    ("meta", "store", 21),
    ("change", "store", 12),
    ("gc", "store", 9),
    ("check", "store", 4),
    ("scrub", "store", 3),
    ("list", "store", 1),
];

/// Code that decides and does nothing else: no runtime, no files, no clock, no randomness.
const PURE: &[&str] = &[
    "policy/src",
    "src/terminal.rs",
    "storage/src/types",
    "storage/src/record",
    "storage/src/list.rs",
    "storage/src/gc/plan.rs",
    "src/role/machine",
    "src/replication/plan.rs",
    "src/replication/retry.rs",
    "src/replication/schedule.rs",
    "src/replication/repair/ledger.rs",
    "src/replication/repair/allowance.rs",
    "src/s3/route",
];

const IMPURE_WORDS: &[&str] = &[
    "tokio::",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "SystemTime",
    "Instant::",
    "getrandom",
    "std::env",
    "std::thread",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources(dirs: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for dir in dirs {
        rust_files(&root().join(dir), &mut files);
    }
    files.sort();
    let name = |path: &PathBuf| path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).expect("readable"))).collect()
}

fn is_test_file(name: &str) -> bool {
    name.starts_with("tests/")
        || name.starts_with("storage/tests/")
        || name.starts_with("policy/tests/")
        || name.ends_with("/tests.rs")
        || name.ends_with("_test.rs")
        || name.ends_with("_tests.rs")
        || name.contains("/tests/")
        || name.contains("/model/")
}

/// The files that are built for more than tests: without tests, and without modules that stand under `#[cfg(test)]`.
fn production_sources(dirs: &[&str]) -> Vec<(String, String)> {
    let all = sources(dirs);
    let for_tests: Vec<String> = all.iter().flat_map(|(name, text)| test_modules(name, text)).collect();
    let is_for_tests = |name: &str| {
        let module = name.strip_suffix("/mod.rs").or_else(|| name.strip_suffix(".rs")).unwrap_or(name);
        for_tests.iter().any(|tests| module == tests || module.starts_with(&format!("{tests}/")))
    };
    all.into_iter().filter(|(name, _)| !is_test_file(name) && !is_for_tests(name)).collect()
}

/// The modules that a file declares under `#[cfg(test)]` or `#[cfg(all(test, ...))]`, as paths without `.rs`.
fn test_modules(name: &str, text: &str) -> Vec<String> {
    let (dir, file) = name.rsplit_once('/').unwrap_or(("", name));
    let stem = file.trim_end_matches(".rs");
    let beside = matches!(stem, "mod" | "lib" | "main");
    let dir = if beside { dir.to_owned() } else { format!("{dir}/{stem}") };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let pairs = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]" || pair[0].starts_with("#[cfg(all(test,"));
    let named = pairs.filter_map(|pair| pair[1].split_once("mod ")?.1.strip_suffix(';'));
    named.map(|module| format!("{dir}/{module}")).collect()
}

#[test]
fn modules_for_tests_are_told_from_others() {
    let text = "mod a;\n#[cfg(test)]\nmod b;\n#[cfg(all(test, feature = \"x\"))]\npub(crate) mod c;\n#[cfg(not(test))]\nmod d;\n";
    assert_eq!(test_modules("src/x/mod.rs", text), ["src/x/b", "src/x/c"]);
    assert_eq!(test_modules("src/x.rs", text), ["src/x/b", "src/x/c"]);
}

/// The part of a file before its inline tests.
fn production(text: &str) -> &str {
    text.split_once("\n#[cfg(test)]\nmod tests {").map_or(text, |(before, _)| before)
}

/// The text with comments, strings and character literals blanked, line breaks kept.
fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = token_end(bytes, at);
        match end {
            Some(end) => {
                out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
                at = end;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the comment or literal that starts at `at` ends; absent if none starts there.
fn token_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let line_end = |from: usize| rest[from..].iter().position(|byte| *byte == b'\n').map_or(rest.len(), |n| from + n);
    if rest.starts_with(b"//") {
        return Some(at + line_end(2));
    }
    if rest.starts_with(b"/*") {
        return rest.windows(2).position(|pair| pair == b"*/").map(|n| at + n + 2);
    }
    if rest[0] == b'r' && (rest.get(1) == Some(&b'#') || rest.get(1) == Some(&b'"')) {
        let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
        let inside_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        if !inside_word && rest.get(1 + hashes) == Some(&b'"') {
            let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
            let body = 2 + hashes;
            let found = rest[body..].windows(close.len()).position(|window| window == close);
            return Some(at + found.map_or(rest.len(), |n| body + n + close.len()));
        }
    }
    if rest[0] == b'"' {
        return Some(at + quoted_end(rest, b'"'));
    }
    let character = rest[0] == b'\'' && (rest.get(1) == Some(&b'\\') || rest.get(2) == Some(&b'\''));
    character.then(|| at + quoted_end(rest, b'\''))
}

fn quoted_end(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[test]
fn pure_rooms_have_no_runtime_no_files_no_clock_and_no_randomness() {
    let mut wrong = Vec::new();
    for (name, text) in production_sources(&["src", "storage/src", "policy/src"]) {
        let pure = PURE.iter().any(|place| name == *place || name.starts_with(&format!("{place}/")));
        if !pure {
            continue;
        }
        let code = code_only(production(&text));
        wrong.extend(IMPURE_WORDS.iter().filter(|word| code.contains(**word)).map(|word| format!("{name}: {word}")));
    }
    assert!(wrong.is_empty(), "impure:\n{}", wrong.join("\n"));
}

#[test]
fn files_and_functions_keep_their_size_budgets() {
    let mut wrong = Vec::new();
    for (name, text) in sources(&[
        "src",
        "storage/src",
        "storage/tests",
        "policy/src",
        "policy/tests",
        "policy/benches",
        "tests",
        "xtask/src",
        "benches",
    ]) {
        let lines = production(&text).lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{name}: {lines} lines"));
        }
        for (function, lines) in long_functions(&text) {
            wrong.push(format!("{name}: fn {function} has {lines} lines"));
        }
    }
    assert!(
        wrong.is_empty(),
        "over the budgets (file {FILE_LINES_MAX}, function {FUNCTION_LINES_MAX}):\n{}",
        wrong.join("\n")
    );
}

fn long_functions(text: &str) -> Vec<(String, usize)> {
    let code = code_only(text);
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = code[from..].find("fn ").map(|n| from + n) {
        from = start + 3;
        let word_before = start > 0 && code.as_bytes()[start - 1].is_ascii_alphanumeric();
        let name: String = code[from..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(length) = (!word_before && !name.is_empty()).then(|| body_lines(&code[from..])).flatten() else {
            continue;
        };
        if length > FUNCTION_LINES_MAX {
            found.push((name, length));
        }
    }
    found
}

/// Lines from a function's name to the end of its body; absent for a declaration.
fn body_lines(code: &str) -> Option<usize> {
    let open = code.find(['{', ';']).filter(|at| code.as_bytes()[*at] == b'{')?;
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(code[..at].matches('\n').count() + 1);
        }
    }
    None
}

#[test]
fn sources_are_ascii_and_carry_no_leftovers() {
    let leftovers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("to", "do!(")];
    let mut wrong = Vec::new();
    for (name, text) in sources(&["src", "storage", "policy", "tests", "xtask", "benches"]) {
        if !text.is_ascii() {
            wrong.push(format!("{name}: not ASCII"));
        }
        wrong.extend(leftovers.iter().filter(|word| text.contains(**word)).map(|word| format!("{name}: {word}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stands_nowhere() {
    let named: Vec<String> = sources(&["src", "storage/src", "policy", "xtask/src"])
        .into_iter()
        .filter(|(_, text)| code_only(text).contains("unsafe "))
        .map(|(name, _)| name)
        .collect();
    assert!(named.is_empty(), "unsafe in {named:?}");
}
