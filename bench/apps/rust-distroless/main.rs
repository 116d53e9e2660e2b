use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};

#[link(name = "c")]
extern "C" {
    fn tzset();
    fn time(t: *mut i64) -> i64;
    fn localtime(t: *const i64) -> *const [i32; 9];
    fn getservbyname(name: *const u8, protocol: *const u8) -> *const u8;
}

fn answer(line: &str) -> String {
    let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "echo" => argument.to_owned(),
        "host" => match (argument, 0).to_socket_addrs() {
            Ok(mut addresses) => addresses.next().map_or("none".into(), |a| a.ip().to_string()),
            Err(error) => error.to_string(),
        },
        "file" => std::fs::read_to_string(argument).map_or_else(|e| e.to_string(), |t| t.lines().count().to_string()),
        "write" => std::fs::write(argument, "kept").map_or_else(|e| e.to_string(), |()| "written".into()),
        "hour" => unsafe {
            tzset();
            let noon = 1_719_835_200;
            let _ = time(std::ptr::null_mut());
            (*localtime(&noon))[2].to_string()
        },
        "service" => {
            let name = format!("{argument}\0");
            unsafe { !getservbyname(name.as_ptr(), "tcp\0".as_ptr()).is_null() }.to_string()
        }
        "thread" => std::thread::spawn(|| 6 * 7).join().map_or_else(|_| "panic".into(), |n| n.to_string()),
        "panic" => std::panic::catch_unwind(|| panic!("on purpose")).is_err().to_string(),
        _ => "what?".into(),
    }
}

fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        writeln!(out, "{}", answer(&line?))?;
    }
    Ok(())
}

fn main() {
    if let Some(line) = std::env::args().nth(1) {
        println!("{}", answer(&line));
        return;
    }
    let listener = TcpListener::bind("0.0.0.0:7000").expect("port 7000");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || serve(stream));
    }
}
