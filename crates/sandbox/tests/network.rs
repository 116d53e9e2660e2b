//! What a container reaches, and how it is reached.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use sandbox::{Container, ExitStatus, HostCommand, Network, Spec, Stdio, Streams};
use support::{Root, output, root, run, started, strings};

const TIMEOUT: Duration = Duration::from_secs(10);

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Starts a server in a container: whoever connects is told a word.
fn server(root: &Root, port: u16) -> Container {
    let script = format!("echo up; nc -ll -p {port} -e echo welcome");
    let container = started(&root.script(&script));
    let deadline = Instant::now() + TIMEOUT;
    while container.listening_tcp_ports().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "the server does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sockets = container.tcp_sockets().expect("the kernel counts sockets");
    assert_eq!(sockets.iter().sum::<u32>(), 1);
    container
}

#[test]
fn a_private_network_has_itself_and_nothing_else() {
    let Some(root) = root() else { return };
    let listener = TcpListener::bind(local(0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let script = format!("nc 127.0.0.1 {port} < /dev/null && echo reached; ip -o link");
    let spec = |network| Spec {
        network,
        ..root.script(&script)
    };
    let seen = output(&spec(Network::Private));
    assert!(
        !seen.contains("reached") && seen.contains("lo: <LOOPBACK,UP"),
        "{seen}"
    );
    let seen = output(&spec(Network::None));
    assert!(
        !seen.contains("reached") && seen.contains("lo: <LOOPBACK> "),
        "{seen}"
    );
    let seen = output(&spec(Network::Host));
    assert!(seen.contains("reached"), "{seen}");
}

#[test]
fn the_caller_connects_to_a_server_in_a_private_network() {
    let Some(root) = root() else { return };
    // Two containers listen on the same port, and neither is the host's.
    let containers = [server(&root, 80), server(&root, 80)];
    for container in &containers {
        let ports = container.listening_tcp_ports().unwrap();
        assert!(
            ports.iter().any(|address| address.port() == 80),
            "{ports:?}"
        );
        let mut stream = container.tcp_connect(local(80), TIMEOUT).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "welcome\n");
    }
    let error = containers[0].tcp_connect(local(81), TIMEOUT).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_command_of_the_host_sees_the_containers_network_and_its_own_files() {
    let Some(root) = root() else { return };
    let container = server(&root, 6379);
    let mark = root.beside("mark").join("file");
    std::fs::write(&mark, "host\n").unwrap();
    let script = format!("cat {}; nc 127.0.0.1 6379 < /dev/null", mark.display());
    let mut process = container
        .host_command(&HostCommand {
            argv: strings(&["/bin/busybox", "sh", "-c", &script]),
            env: vec![("PATH".into(), "/bin:/usr/bin".into())],
            streams: Streams {
                stdin: Stdio::Null,
                ..Streams::all(Stdio::Piped)
            },
            ..HostCommand::default()
        })
        .unwrap();
    assert_eq!(support::read(process.take_stdout()), "host\nwelcome\n");
    assert!(process.wait().unwrap().success());
    let missing = HostCommand {
        argv: strings(&["nowhere"]),
        ..HostCommand::default()
    };
    assert_eq!(
        container.host_command(&missing).unwrap_err().exit_code(),
        127
    );
}

#[test]
fn a_container_in_the_hosts_network_is_reached_as_the_host_is() {
    let Some(root) = root() else { return };
    let listener = TcpListener::bind(local(0)).unwrap();
    let address = listener.local_addr().unwrap();
    let spec = Spec {
        network: Network::Host,
        ..root.script("echo up; sleep 60")
    };
    let container = started(&spec);
    container.tcp_connect(address, TIMEOUT).unwrap();
    assert!(container.listening_tcp_ports().unwrap().contains(&address));
    let command = HostCommand {
        argv: strings(&["true"]),
        ..HostCommand::default()
    };
    assert!(
        container
            .host_command(&command)
            .unwrap()
            .wait()
            .unwrap()
            .success()
    );
}

#[test]
fn any_user_may_listen_on_a_low_port() {
    let Some(root) = root() else { return };
    if !root.has_many_ids() {
        return;
    }
    let user = sandbox::User {
        uid: 999,
        gid: 999,
        groups: Vec::new(),
    };
    let script = "nc -l -p 80 -e true & sleep 0.2; nc 127.0.0.1 80 < /dev/null";
    let (status, _, errors) = run(&Spec {
        user,
        ..root.script(script)
    })
    .unwrap();
    assert!(status.success(), "{errors}");
}

#[test]
fn a_container_beside_another_shares_its_network_and_ends_with_it() {
    let Some(root) = root() else { return };
    let mut first = server(&root, 5432);
    let streams = Streams {
        stdout: Stdio::Piped,
        ..Streams::default()
    };
    let script = "nc 127.0.0.1 5432; echo $$; test -e /proc/2; echo $?; hostname";
    let mut client = first
        .beside(&Spec {
            streams,
            hostname: "client".to_owned(),
            ..root.script(script)
        })
        .unwrap();
    let mut said = String::new();
    let mut stdout = client.main.take_stdout().unwrap();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said, "welcome\n1\n1\nclient\n");
    assert!(client.main.wait().unwrap().success());

    let mut waiting = first
        .beside(&root.script("nc -ll -p 80 -e echo both; true"))
        .unwrap();
    let deadline = Instant::now() + TIMEOUT;
    while first.listening_tcp_ports().unwrap().len() < 2 {
        assert!(Instant::now() < deadline, "the second does not listen");
    }
    first.main.kill().unwrap();
    assert_eq!(waiting.main.wait().unwrap(), ExitStatus::Signal(9));
    let error = first.beside(&root.script("true")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot share the network of another container: it has ended"
    );
}
