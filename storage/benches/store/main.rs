//! What the store costs, each figure as a ratio to a baseline of the same run. `cargo bench -p tandem-storage [-- store|stalls|list|delta|memory]`
//! Numbers grow with `TANDEM_BENCH_OBJECTS` (default 100,000) and `TANDEM_BENCH_SNAPSHOTS` (default 1,000).

mod bed;
mod delta;
mod list;
mod memory;
mod stalls;
mod writers;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    if wanted("store") {
        writers::run();
    }
    if wanted("stalls") {
        stalls::run();
    }
    if wanted("list") {
        list::run();
    }
    if wanted("delta") {
        delta::run();
    }
    if wanted("memory") {
        memory::run();
    }
}
