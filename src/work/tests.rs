use super::*;

/// Fails first, then counts its steps down to a pause.
struct Counted {
    left: u32,
    failed: bool,
    done: watch::Sender<u32>,
}

impl Worker for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }

    async fn step(&mut self) -> Result<Next, WorkError> {
        if !self.failed {
            self.failed = true;
            return Err(WorkError::Stopped("the disk is gone".into()));
        }
        if self.left == 0 {
            return Ok(Next::After(Duration::from_secs(3600)));
        }
        self.left -= 1;
        self.done.send_modify(|done| *done += 1);
        Ok(Next::Now)
    }
}

#[tokio::test]
async fn a_worker_is_retried_then_runs_while_there_is_more_and_stops_when_told() {
    let (stop, shutdown) = watch::channel(false);
    let (done, mut steps) = watch::channel(0);
    let table = StatusTable::default();
    let mut runner = Runner::new(table.clone(), shutdown);
    runner.start(Counted { left: 5, failed: false, done });
    tokio::task::yield_now().await;
    assert_eq!(table.stopped().as_deref(), Some("the disk is gone"));
    steps.wait_for(|steps| *steps == 5).await.unwrap();
    stop.send(true).unwrap();
    runner.finished().await;
    let row = table.rows().remove(0);
    assert_eq!((row.failures, row.error), (1, None));
}
