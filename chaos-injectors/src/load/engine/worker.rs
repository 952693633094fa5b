use std::sync::Arc;

use tokio::time::timeout;

use super::{
    board::{Board, Job},
    conn::{Conn, Failure},
};
use crate::load::stats::Outcome;

/// Carries one request after the other on one kept-alive connection, until the runtime ends.
pub(super) async fn run(board: Arc<Board>, slot: usize) {
    let mut conn = None;
    loop {
        let job = next(&board, slot, &mut conn).await;
        let outcome = carry(&board, &mut conn).await;
        board.finish(slot, job, outcome);
    }
}

/// Waits for a request, and meanwhile notices when the server closes the connection.
async fn next(board: &Board, slot: usize, conn: &mut Option<Conn>) -> Job {
    let next = board.next(slot);
    let mut next = std::pin::pin!(next);
    if let Some(open) = conn {
        tokio::select! {
            biased;
            job = &mut next => return job,
            () = open.closed() => *conn = None,
        }
    }
    next.await
}

async fn carry(board: &Board, conn: &mut Option<Conn>) -> Outcome {
    let outcome = match timeout(board.plan().timeout, exchange(board, conn)).await {
        Ok(Ok(status)) => return Outcome::Answered { failed: status >= 500 },
        Ok(Err(failure)) => failure.into(),
        Err(_) => Outcome::Timeout,
    };
    *conn = None;
    outcome
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connect(_) => Self::Connect,
            Failure::Protocol(_) => Self::Protocol,
        }
    }
}

/// One request and its whole response. A kept connection that turns out closed before anything was written is
/// replaced, as RFC 9110 section 9.2.2 allows since the target has seen nothing.
async fn exchange(board: &Board, conn: &mut Option<Conn>) -> Result<u16, Failure> {
    let (template, path) = (&board.plan().request, board.plan().target.path());
    let mut counted = false;
    loop {
        let open = open(board, conn).await?;
        if !std::mem::replace(&mut counted, true) {
            board.sent();
        }
        match open.exchange(template, path).await? {
            Some(status) => return Ok(status),
            None => *conn = None,
        }
    }
}

/// The kept connection if it still lives, or a new one.
async fn open<'a>(board: &Board, conn: &'a mut Option<Conn>) -> Result<&'a mut Conn, Failure> {
    let alive = match conn {
        Some(kept) => kept.is_ready().await,
        None => false,
    };
    if !alive {
        *conn = None;
    }
    match conn {
        Some(kept) => Ok(kept),
        None => Ok(conn.insert(Conn::open(board.addresses().await.map_err(Failure::Connect)?).await?)),
    }
}
