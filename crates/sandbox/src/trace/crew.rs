//! How many threads look at the calls of one program: one for as long as its calls come one after the other.
//!
//! A notification wakes every thread that waits for one, and all but one in vain (Linux, `kernel/seccomp.c`:
//! those who wait in `recv_wait_event` are not exclusive). On an idle machine another processor then takes over what was
//! woken, and a quarter more time goes by for a program that makes its calls alone. So the others rest until
//! calls of several threads come at once.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex};

use super::listener::lock;

/// So many calls are looked at to tell.
const CALLS: u32 = 64;
/// Among them the calls of several threads at once take turns at least so often; programs that are run one
/// after the other do not.
const TURNS: u32 = 16;

/// The first thread looks at all calls.
const REST: u8 = 0;
/// So do the others.
const WORK: u8 = 1;
/// No call will come any more.
const END: u8 = 2;

/// The threads that look at the calls of one program.
#[derive(Debug, Default)]
pub(super) struct Crew {
    orders: AtomicU8,
    /// Locked while they change.
    changes: Mutex<()>,
    changed: Condvar,
}

impl Crew {
    /// Has one of the others rest until it is needed. Returns whether calls may still come.
    pub(super) fn wait_until_needed(&self) -> bool {
        if self.orders() == REST {
            let resting = lock(&self.changes);
            drop(self.changed.wait_while(resting, |()| self.orders() == REST));
        }
        // It may be to rest again by now, and does after one more call.
        self.orders() != END
    }

    /// Says whether the others are needed.
    fn order(&self, orders: u8) {
        if self.orders() != orders {
            let changing = lock(&self.changes);
            self.orders.store(orders, Ordering::Relaxed);
            drop(changing);
            self.changed.notify_all();
        }
    }

    fn orders(&self) -> u8 {
        self.orders.load(Ordering::Relaxed)
    }
}

/// The first thread of a crew. Without it the others have nothing to wait for.
#[derive(Debug)]
pub(super) struct Leader<'c> {
    crew: &'c Crew,
    last: i32,
    calls: u32,
    turns: u32,
}

impl<'c> Leader<'c> {
    pub(super) fn of(crew: &'c Crew) -> Self {
        Self {
            crew,
            last: 0,
            calls: 0,
            turns: 0,
        }
    }

    /// Notes whose call has come, and lets the others know when there are several.
    pub(super) fn note(&mut self, thread: i32) {
        self.turns += u32::from(thread != self.last);
        self.last = thread;
        self.calls += 1;
        if self.calls == CALLS {
            let is_many = self.turns >= TURNS;
            self.crew.order(if is_many { WORK } else { REST });
            (self.calls, self.turns) = (0, 0);
        }
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.crew.order(END);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_work_while_calls_come_from_several_threads() {
        let crew = Crew::default();
        std::thread::scope(|scope| {
            let mut leader = Leader::of(&crew);
            let mut see = |threads: [i32; 2]| {
                for call in 0..CALLS as usize {
                    leader.note(threads[call % 2]);
                }
                crew.orders()
            };
            assert_eq!(see([1, 1]), REST);
            let woken = scope.spawn(|| crew.wait_until_needed());
            assert_eq!(see([1, 2]), WORK);
            assert!(woken.join().unwrap());
            assert_eq!(see([3, 3]), REST);
            let sent_home = scope.spawn(|| crew.wait_until_needed());
            drop(leader);
            assert!(!sent_home.join().unwrap());
        });
    }
}
