//! Keeps an attempt that was given up from what belongs to its successors.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::context::TaskError;

/// Up once the attempt is given up, which it may be while it hangs: a thread cannot be killed, and goes on when it comes
/// back. It is raised before a successor is deployed. So what an attempt looks at while its fence is still down was not made by
/// a successor: look first, then check, then act.
#[derive(Debug, Clone, Default)]
pub struct Fence(Arc<AtomicBool>);

impl Fence {
    /// The attempt is given up.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// An error if the attempt is given up.
    pub fn check(&self) -> Result<(), TaskError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(TaskError::Function("the attempt was given up while it hung".to_owned()));
        }
        Ok(())
    }
}
