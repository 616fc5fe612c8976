use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;

use super::client::{Client, Endpoint};
use super::content::{Content, Filled, Random};
use super::histogram::Histogram;
use super::report::{Latency, Report};
use super::sign::Signer;
use super::{BenchError, server_cpu};
use crate::clock::SharedClock;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Operation {
    Put,
    Get,
    Head,
    List,
    Delete,
    /// 50 % GET, 30 % PUT, 10 % HEAD, 5 % LIST, 5 % DELETE
    Mixed,
}

/// When a measurement ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Count(u64),
    Elapsed(Duration),
}

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends its next request when it has its answer.
    Closed,
    /// So many a second, whatever the answers do. What a connection sends late, because it waited for an answer, counts from when it was due: a stall
    /// shows in every request that it kept waiting.
    Open { per_second: f64 },
}

impl Pace {
    /// When a request is due, from the beginning.
    fn due(self, number: u64) -> Option<Duration> {
        match self {
            Pace::Closed => None,
            Pace::Open { per_second } => Duration::try_from_secs_f64(number as f64 / per_second).ok(),
        }
    }
}

/// A measurement's settings.
#[derive(Clone)]
pub struct Load {
    pub endpoint: Endpoint,
    /// None: anonymous requests.
    pub signer: Option<Signer>,
    pub bucket: String,
    pub prefix: String,
    pub operation: Operation,
    pub size: u64,
    pub concurrency: usize,
    pub until: Until,
    pub pace: Pace,
    /// How many objects GET, HEAD and LIST work on, and DELETE removes.
    pub objects: u64,
    pub create_bucket: bool,
    /// The objects are there already.
    pub prepared: bool,
    pub pids: Vec<u32>,
}

/// Prepares what the operation needs, then measures it.
pub async fn run(load: Load, clock: SharedClock) -> Result<Report, BenchError> {
    let load = Arc::new(load);
    if load.create_bucket {
        create_bucket(&load, &clock).await?;
    }
    let needs_objects = load.operation != Operation::Put;
    if needs_objects && !load.prepared {
        let made = phase(&load, (Operation::Put, Until::Count(load.objects), Pace::Closed), &clock).await?;
        if made.errors > 0 {
            return Err(BenchError::Prepare(made.error.unwrap_or_default()));
        }
    }
    let until = match (load.operation, load.until) {
        (Operation::Delete, Until::Count(count)) => Until::Count(count.min(load.objects)),
        (Operation::Delete, Until::Elapsed(_)) => Until::Count(load.objects),
        (_, until) => until,
    };
    let (cpu, start) = (server_cpu::used(&load.pids)?, clock.monotonic());
    let total = phase(&load, (load.operation, until, load.pace), &clock).await?;
    let seconds = (clock.monotonic() - start).as_secs_f64();
    let cpu = server_cpu::used(&load.pids)?.saturating_sub(cpu);
    let operations = total.latencies.total();
    let per_operation = (operations > 0 && !load.pids.is_empty()).then(|| cpu.as_secs_f64() * 1e6 / operations as f64);
    Ok(Report {
        operation: format!("{:?}", load.operation).to_lowercase(),
        size: load.size,
        concurrency: load.concurrency,
        seconds,
        operations,
        errors: total.errors,
        error: total.error,
        operations_per_second: operations as f64 / seconds,
        megabytes_per_second: total.bytes as f64 / 1e6 / seconds,
        latency_ms: Latency::of(&total.latencies),
        server_cpu_microseconds_per_operation: per_operation,
    })
}

async fn create_bucket(load: &Load, clock: &SharedClock) -> Result<(), BenchError> {
    let mut client = Client::new(load.endpoint.clone(), load.signer.clone(), clock.clone());
    let answer = client.send(Method::PUT, &format!("/{}", load.bucket), "", Filled::empty()).await?;
    // 409: it is there already.
    match answer.status.is_success() || answer.status == http::StatusCode::CONFLICT {
        true => Ok(()),
        false => {
            let words = answer.error.unwrap_or_default();
            Err(BenchError::Prepare(format!("bucket {}: {} {words}", load.bucket, answer.status)))
        }
    }
}

#[derive(Default)]
struct Total {
    latencies: Histogram,
    bytes: u64,
    errors: u64,
    error: Option<String>,
}

impl Total {
    fn add(&mut self, other: Total) {
        self.latencies.merge(&other.latencies);
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.error = self.error.take().or(other.error);
    }
}

/// Runs one operation on all connections until its end.
async fn phase(
    load: &Arc<Load>,
    (operation, until, pace): (Operation, Until, Pace),
    clock: &SharedClock,
) -> Result<Total, BenchError> {
    let taken = Arc::new(AtomicU64::new(0));
    let started = clock.monotonic();
    let workers = (0..load.concurrency).map(|_| {
        let worker = Worker {
            client: Client::new(load.endpoint.clone(), load.signer.clone(), clock.clone()),
            content: Content::new(load.size, Random::new(crate::clock::random_u64(&**clock))),
            random: Random::new(crate::clock::random_u64(&**clock)),
            load: Arc::clone(load),
            taken: Arc::clone(&taken),
            clock: clock.clone(),
            started,
        };
        tokio::spawn(worker.run(operation, until, pace))
    });
    let mut total = Total::default();
    for worker in workers.collect::<Vec<_>>() {
        total.add(worker.await.map_err(|error| BenchError::Request(error.to_string()))?);
    }
    match (&total.error, total.latencies.total()) {
        (Some(error), 0) => Err(BenchError::Request(error.clone())),
        _ => Ok(total),
    }
}

struct Worker {
    client: Client,
    content: Content,
    random: Random,
    load: Arc<Load>,
    taken: Arc<AtomicU64>,
    clock: SharedClock,
    started: Duration,
}

/// Errors in a row after which a connection gives up.
const ERRORS_MAX: u32 = 20;

impl Worker {
    async fn run(mut self, operation: Operation, until: Until, pace: Pace) -> Total {
        let mut total = Total::default();
        let mut failed = 0;
        while failed < ERRORS_MAX {
            let number = self.taken.fetch_add(1, Ordering::Relaxed);
            let ended = match until {
                Until::Count(count) => number >= count,
                Until::Elapsed(duration) => self.clock.monotonic() - self.started >= duration,
            };
            if ended {
                break;
            }
            let (method, path, query, body) = self.request(operation, number);
            let sent = body.size();
            let before = self.start_of(pace.due(number)).await;
            let outcome = self.client.send(method, &path, &query, body).await;
            let took = self.clock.monotonic() - before;
            let error = match outcome {
                Ok(answer) => {
                    total.latencies.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                    total.bytes += sent + answer.bytes;
                    answer.error.map(|words| format!("{} {words}", answer.status))
                }
                Err(error) => Some(error.to_string()),
            };
            match error {
                None => failed = 0,
                Some(error) => {
                    failed += 1;
                    total.errors += 1;
                    total.error.get_or_insert(error);
                }
            }
        }
        total
    }

    /// Waits until a request is due. From when on its time counts: from when it was due, if that is over; a timer that is late is no fault of the server's.
    async fn start_of(&self, due: Option<Duration>) -> Duration {
        let now = self.clock.monotonic();
        match due.map(|due| self.started + due) {
            Some(due) if due > now => {
                tokio::time::sleep(due - now).await;
                self.clock.monotonic()
            }
            Some(due) => due,
            None => now,
        }
    }

    fn request(&mut self, operation: Operation, number: u64) -> (Method, String, String, Filled) {
        let load = Arc::clone(&self.load);
        let key = |number: u64| format!("/{}/{}{number:09}", load.bucket, load.prefix);
        let any = self.random.below(load.objects.max(1));
        match operation {
            Operation::Put => (Method::PUT, key(number), String::new(), self.content.next()),
            Operation::Get => (Method::GET, key(any), String::new(), Filled::empty()),
            Operation::Head => (Method::HEAD, key(any), String::new(), Filled::empty()),
            Operation::Delete => (Method::DELETE, key(number), String::new(), Filled::empty()),
            Operation::List => {
                let query = format!("list-type=2&max-keys=1000&prefix={}", load.prefix.replace('/', "%2F"));
                (Method::GET, format!("/{}", load.bucket), query, Filled::empty())
            }
            Operation::Mixed => {
                let part = match self.random.below(100) {
                    0..50 => Operation::Get,
                    50..80 => Operation::Put,
                    80..90 => Operation::Head,
                    90..95 => Operation::List,
                    _ => Operation::Delete,
                };
                // Beyond the prepared objects, so that GET and HEAD always find theirs. DELETE takes one that may have been PUT.
                let beyond = if part == Operation::Delete { self.random.below(number + 1) } else { number };
                self.request(part, load.objects + beyond)
            }
        }
    }
}
