//! Large files brought to the disk while they are written.
//!
//! A blob is synced before it gets its name. Left to the end, that is a second
//! in which no processor works for every half gigabyte; here the disk works
//! while the next bytes are compressed.

use std::fs::File;
use std::io::{self, Write};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};

/// Bytes between two syncs. Smaller files never wait for a thread.
const STEP: u64 = 32 << 20;

/// Writes to a file, and has the disk follow.
pub(super) struct WriteBehind<'f> {
    file: &'f File,
    since: u64,
    disk: Option<(Sender<()>, JoinHandle<()>)>,
}

impl<'f> WriteBehind<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        Self {
            file,
            since: 0,
            disk: None,
        }
    }

    fn nudge(&mut self) -> io::Result<()> {
        if self.disk.is_none() {
            let file = self.file.try_clone()?;
            let (sender, steps) = bounded::<()>(1);
            let syncing = std::thread::spawn(move || {
                for () in steps {
                    // The sync at the end reports what goes wrong.
                    let _ = file.sync_data();
                }
            });
            self.disk = Some((sender, syncing));
        }
        if let Some((sender, _)) = &self.disk {
            // Full: the disk is behind, and has this step to do anyway.
            let _ = sender.try_send(());
        }
        self.since = 0;
        Ok(())
    }
}

impl Write for WriteBehind<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.since += written as u64;
        if self.since >= STEP {
            self.nudge()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for WriteBehind<'_> {
    fn drop(&mut self) {
        if let Some((sender, syncing)) = self.disk.take() {
            drop(sender);
            let _ = syncing.join();
        }
    }
}
