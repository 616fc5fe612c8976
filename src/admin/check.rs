//! A verification of the running node: one at a time, in the background, asked for progress.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use tandem_storage::Store;
use tandem_storage::check::{self, Depth, Progress};

use super::model::{CheckStatus, StartCheck};
use super::{AdminState, ApiError};

/// The running check, or the last one.
#[derive(Clone, Default)]
pub struct Checks(Arc<Mutex<CheckStatus>>);

impl Checks {
    fn lock(&self) -> MutexGuard<'_, CheckStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if one is running already.
    fn begin(&self) -> bool {
        let mut status = self.lock();
        let free = !status.running;
        if free {
            *status = CheckStatus { running: true, ..CheckStatus::default() };
        }
        free
    }

    fn run(&self, store: &Store, depth: Depth) {
        let outcome = store.check(check::State::Running, depth, &mut |progress| match progress {
            Progress::Rows { done } => self.lock().rows_done = done,
            Progress::Bytes { blobs_done, blobs } => {
                let mut status = self.lock();
                (status.blobs_done, status.blobs) = (blobs_done, blobs);
            }
        });
        let mut status = self.lock();
        status.running = false;
        match outcome {
            Ok(report) => status.report = Some(report),
            Err(error) => status.error = Some(error.to_string()),
        }
    }
}

pub async fn start(
    State(state): State<AdminState>,
    body: Result<Json<StartCheck>, JsonRejection>,
) -> Result<Json<CheckStatus>, ApiError> {
    let Json(asked) = body?;
    if !state.checks.begin() {
        return Err(ApiError::new(StatusCode::CONFLICT, "a check is running already"));
    }
    let (checks, store) = (state.checks.clone(), state.store.clone());
    let running = tokio::task::spawn_blocking(move || checks.run(&store, asked.depth));
    let checks = state.checks.clone();
    tokio::spawn(async move {
        if let Err(error) = running.await {
            let mut status = checks.lock();
            (status.running, status.error) = (false, Some(format!("the check broke off: {error}")));
        }
    });
    Ok(Json(state.checks.lock().clone()))
}

pub async fn status(State(state): State<AdminState>) -> Json<CheckStatus> {
    Json(state.checks.lock().clone())
}
