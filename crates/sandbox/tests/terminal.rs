//! Programs with a terminal.

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use rustix::termios::{Winsize, tcsetwinsize};
use sandbox::{Spec, spawn, terminal::Session};
use support::root;

#[test]
fn a_program_has_a_terminal_that_is_its_own() {
    let Some(root) = root() else { return };
    let script = "tty; test -t 0 && test -t 1 && test -t 2 && echo all; stty size; \
        echo direct > /dev/tty; test -c /dev/console && echo console; read line; echo \"<$line>\"";
    let mut container = spawn(&Spec {
        terminal: true,
        ..root.script(script)
    })
    .unwrap();
    let controller = container.main.take_terminal().unwrap();
    let size = Winsize {
        ws_row: 33,
        ws_col: 99,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&controller, size).unwrap();
    let mut terminal = File::from(controller);
    terminal.write_all(b"typed\n").unwrap();
    let mut seen = Vec::new();
    // A terminal whose program has ended answers with an error, not with an end.
    let _ = terminal.read_to_end(&mut seen);
    let seen = String::from_utf8(seen)
        .unwrap()
        .replace("\r\n", "\n")
        .replacen("typed\n", "", 1);
    assert!(seen.starts_with("/dev/pts/0\nall\n"), "{seen}");
    assert!(seen.ends_with("direct\nconsole\n<typed>\n"), "{seen}");
    assert!(container.main.wait().unwrap().success());
}

#[test]
fn a_session_copies_both_ways() {
    let Some(root) = root() else { return };
    let script = "stty size; stty -echo; echo ready; read line; echo \"<$line>\"; exit 3";
    let mut container = spawn(&Spec {
        terminal: true,
        ..root.script(script)
    })
    .unwrap();
    // The caller's terminal: we hold its controlling side.
    let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
    let outer = rustix::pty::openpt(flags).unwrap();
    rustix::pty::unlockpt(&outer).unwrap();
    let inner = rustix::pty::ioctl_tiocgptpeer(&outer, flags).unwrap();
    let before = rustix::termios::tcgetattr(&inner).unwrap();
    let (mut read, output) = std::io::pipe().unwrap();

    let controller = container.main.take_terminal().unwrap();
    let session = Session::start(controller, inner.as_fd(), output.as_fd()).unwrap();
    drop(output);
    assert_ne!(
        rustix::termios::tcgetattr(&inner).unwrap().local_modes,
        before.local_modes,
        "the caller's terminal is raw"
    );
    let mut seen = String::new();
    while !seen.contains("ready") {
        let mut byte = [0];
        read.read_exact(&mut byte).unwrap();
        seen.push(char::from(byte[0]));
    }
    File::from(outer.try_clone().unwrap())
        .write_all(b"typed\r")
        .unwrap();
    assert_eq!(container.main.wait().unwrap().code(), 3);
    session.finish();
    read.read_to_string(&mut seen).unwrap();
    assert!(seen.ends_with("<typed>\r\n"), "{seen:?}");
    let after = rustix::termios::tcgetattr(&inner).unwrap();
    assert_eq!(after.local_modes, before.local_modes);
}
