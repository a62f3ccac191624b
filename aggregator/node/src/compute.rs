//! The thread that owns a node's tensors: trainer, state and data live there, and everybody else sends it work.
//!
//! Invariants: jobs run one at a time, in the order submitted; at most [`JOBS_MAX`] wait; a job that panics or a thread
//! that has ended shows as [`ComputeError`] to whoever waits for its answer, never as a hang.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;

use tokio::sync::{mpsc as queue, oneshot};

mod fault;

pub use fault::{Cause, Fault};

/// Jobs that may wait: a round has a handful under way (training, one verification, one application, an evaluation).
pub const JOBS_MAX: usize = 64;

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// A handle on the thread; the thread ends when the last handle is dropped.
pub struct ComputeThread<T> {
    jobs: mpsc::SyncSender<Job<T>>,
}

/// Why a job has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// The thread is gone: an earlier job brought it down.
    #[error("the compute thread has ended")]
    Ended,
    /// The job itself brought it down.
    #[error("the computation was cut short")]
    Cut,
    /// More than [`JOBS_MAX`] jobs wait.
    #[error("the compute thread is {JOBS_MAX} jobs behind")]
    Busy,
}

impl<T> Clone for ComputeThread<T> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone() }
    }
}

impl<T: Send + 'static> ComputeThread<T> {
    /// Moves `owner` to a thread of its own.
    ///
    /// # Errors
    /// When the operating system has no thread to give.
    pub fn spawn(name: &str, mut owner: T) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::sync_channel::<Job<T>>(JOBS_MAX);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            for job in waiting {
                job(&mut owner);
            }
        })?;
        Ok(Self { jobs })
    }

    /// Queues a job; its answer comes through the receiver, which fails when the thread does.
    ///
    /// # Errors
    /// [`ComputeError`] when the thread has ended or is too far behind.
    pub fn submit<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<oneshot::Receiver<R>, ComputeError> {
        let (answer, receiver) = oneshot::channel();
        self.queue(Box::new(move |owner| {
            // Whoever asked may have gone: then nobody misses the answer.
            let _ = answer.send(job(owner));
        }))?;
        Ok(receiver)
    }

    /// Queues a job whose end goes into `answers`, in the order in which jobs end, also when it is cut short.
    ///
    /// # Errors
    /// As [`ComputeThread::submit`].
    pub fn submit_to<R: Send + 'static>(
        &self,
        answers: &queue::Sender<Result<R, Fault>>,
        job: impl FnOnce(&mut T) -> Result<R, Fault> + Send + 'static,
    ) -> Result<(), ComputeError> {
        let answers = answers.clone();
        self.queue(Box::new(move |owner| {
            // Nobody looks at the owner again after a panic: the thread ends with it.
            let end = catch_unwind(AssertUnwindSafe(|| job(owner)));
            let (end, panic) = match end {
                Ok(end) => (end, None),
                Err(panic) => (Err(ComputeError::Cut.into()), Some(panic)),
            };
            // Whoever waits for answers ends before this only when the process does.
            let _ = answers.blocking_send(end);
            if let Some(panic) = panic {
                resume_unwind(panic);
            }
        }))
    }

    fn queue(&self, job: Job<T>) -> Result<(), ComputeError> {
        self.jobs.try_send(job).map_err(|refused| match refused {
            mpsc::TrySendError::Full(_) => ComputeError::Busy,
            mpsc::TrySendError::Disconnected(_) => ComputeError::Ended,
        })
    }

    /// Queues a job and waits for its answer.
    ///
    /// # Errors
    /// As [`ComputeThread::submit`]; [`ComputeError::Cut`] when the job panicked.
    pub async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, ComputeError> {
        self.submit(job)?.await.map_err(|_| ComputeError::Cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_run_in_order_on_one_owner() {
        let compute = ComputeThread::spawn("test", Vec::new()).unwrap();
        for number in 0..5 {
            compute.run(move |seen: &mut Vec<i32>| seen.push(number)).await.unwrap();
        }
        assert_eq!(compute.run(|seen| seen.clone()).await, Ok(vec![0, 1, 2, 3, 4]));
    }

    #[tokio::test]
    async fn a_panicking_job_is_an_error_for_it_and_those_after() {
        let compute = ComputeThread::spawn("test", ()).unwrap();
        let cut = compute
            .run(|()| {
                if std::hint::black_box(true) {
                    panic!("on purpose")
                }
            })
            .await;
        assert_eq!(cut, Err(ComputeError::Cut));
        assert!(compute.run(|()| ()).await.is_err());
    }

    #[tokio::test]
    async fn answers_come_in_the_order_of_the_jobs_also_those_that_are_cut_short() {
        let compute = ComputeThread::spawn("test", ()).unwrap();
        let (answers, mut ends) = queue::channel(8);
        for number in 0..3 {
            compute.submit_to(&answers, move |()| Ok(number)).unwrap();
        }
        let cut = |(): &mut ()| if std::hint::black_box(true) { panic!("on purpose") } else { Ok(3) };
        compute.submit_to(&answers, cut).unwrap();
        for number in 0..3 {
            assert_eq!(ends.recv().await.unwrap().unwrap(), number);
        }
        assert!(matches!(ends.recv().await, Some(Err(Fault::Cut(ComputeError::Cut)))));
    }

    #[tokio::test]
    async fn a_thread_too_far_behind_refuses() {
        let compute = ComputeThread::spawn("test", ()).unwrap();
        let (release, blocked) = mpsc::channel::<()>();
        let first = compute.submit(move |()| blocked.recv().is_err()).unwrap();
        let mut refused = false;
        for _ in 0..=JOBS_MAX + 1 {
            refused |= compute.submit(|()| ()).err() == Some(ComputeError::Busy);
        }
        assert!(refused);
        drop(release);
        assert_eq!(first.await, Ok(true));
    }
}
