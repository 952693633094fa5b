use std::fmt;

use async_trait::async_trait;

use crate::error::RevertError;

/// A fault that this process holds: a proxy's toxic, a socket that owns a table.
///
/// Rollback is: `end` this, then revert the record, then verify. Dropping it is only the fallback and should end the fault too.
#[async_trait]
#[must_use = "a live fault is ended by `end().await`; dropping it is only the fallback"]
pub trait Live: fmt::Debug + Send + 'static {
    /// Ends the fault.
    ///
    /// # Errors
    /// [`RevertError`]; the record is reverted all the same.
    async fn end(self: Box<Self>) -> Result<(), RevertError>;
}

/// A live fault that is ended by a function. If it is dropped instead, the function runs then.
///
/// ```
/// use chaos_core::injector::{Live, on_end};
/// let live: Box<dyn Live> = on_end(|| println!("the replicas are up again"));
/// ```
pub fn on_end(end: impl FnOnce() + Send + 'static) -> Box<dyn Live> {
    Box::new(OnEnd(Some(Box::new(end))))
}

struct OnEnd(Option<Box<dyn FnOnce() + Send>>);

impl OnEnd {
    fn run(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl fmt::Debug for OnEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnEnd").field("ended", &self.0.is_none()).finish()
    }
}

impl Drop for OnEnd {
    fn drop(&mut self) {
        self.run();
    }
}

#[async_trait]
impl Live for OnEnd {
    async fn end(mut self: Box<Self>) -> Result<(), RevertError> {
        self.run();
        Ok(())
    }
}

#[expect(dead_code, reason = "pins that the trait can be a trait object")]
fn object_safe(_: Box<dyn Live>) {}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn a_live_fault_ends_once_whether_it_is_ended_or_dropped() {
        let ends = Arc::new(AtomicUsize::new(0));
        let live = || {
            let ends = Arc::clone(&ends);
            on_end(move || _ = ends.fetch_add(1, Ordering::SeqCst))
        };
        live().end().await.unwrap();
        assert_eq!(ends.load(Ordering::SeqCst), 1);
        drop(live());
        assert_eq!(ends.load(Ordering::SeqCst), 2);
        assert_eq!(format!("{:?}", live()), "OnEnd { ended: false }");
    }
}
