//! What `jettison analyze` draws: the page in a browser, the explorer in a terminal.

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use testkit::cli::Environment;
use testkit::tools::{has_tool, run};
use testkit::tree::Builder;

fn environment() -> Environment {
    let environment = common::environment();
    let base = Builder::new()
        .executable("bin/sh", "x".repeat(40_000))
        .file("etc/hosts", "h".repeat(200))
        .file("srv/old/dump", "d".repeat(90_000))
        .file("srv/keep", "k".repeat(20_000))
        .tar();
    let upper = Builder::new()
        .whiteout("srv/old")
        .file("srv/new", "n".repeat(30_000))
        .file("etc/hosts", "H".repeat(300))
        .tar();
    let layers = [
        ("ADD base in /", base),
        ("/bin/sh -c rm -r /srv/old", upper),
    ];
    environment.write("app.tar", common::archive("app:1", &layers));
    environment
}

#[test]
fn the_page_is_drawn_in_light_and_dark() {
    if !has_tool("chromium") {
        return;
    }
    let environment = environment();
    let arguments = ["analyze", "docker-archive:app.tar", "--html", "page.html"];
    let _ = environment.run(&arguments).done();
    let url = format!("file://{}", environment.path("page.html").display());
    let profile = format!("--user-data-dir={}", environment.path("profile").display());
    let chromium = |more: &[&str]| {
        let mut arguments = vec![
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            &profile,
        ];
        arguments.extend(more);
        arguments.push(&url);
        run("chromium", &arguments)
    };
    let document = chromium(&["--dump-dom"]);
    // Rows and rectangles are made by the script: what they show came from the JSON.
    for part in [
        "<b>180kB</b>unpacked",
        "<b>90.2kB</b>wasted",
        "<td class=\"path\">/srv/keep</td>",
        "removed by a later layer, still shipped (1 file)",
        "RUN rm -r /srv/old",
        "<title>/srv  50.0kB",
    ] {
        assert!(document.contains(part), "no `{part}` in\n{document}");
    }
    assert!(document.matches("<rect ").count() >= 4, "no treemap");
    let shot = |name: &str, more: &[&str]| {
        let path = environment.path(name);
        let target = format!("--screenshot={}", path.display());
        let mut arguments = vec![target.as_str(), "--window-size=800,1400"];
        arguments.extend(more);
        let _ = chromium(&arguments);
        std::fs::read(path).expect("the browser takes a picture")
    };
    let light = shot("light.png", &[]);
    let dark = shot("dark.png", &["--blink-settings=preferredColorScheme=0"]);
    for picture in [&light, &dark] {
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 20_000);
    }
    assert!(light != dark, "dark is as light");
}

/// The explorer in a terminal of its own.
struct Screen {
    socket: String,
}

impl Screen {
    fn open(environment: &Environment, size: [&str; 2]) -> Self {
        let socket = environment.path("tmux").display().to_string();
        let screen = Self { socket };
        let command = environment.command(&[]);
        let store = environment.store().display().to_string();
        let program = command.get_program().to_string_lossy().into_owned();
        let start = format!(
            "cd {} && TERM=screen JETTISON_STORE={store} {program} analyze docker-archive:app.tar --tui; sleep 60",
            environment.path("").display()
        );
        let [width, height] = size;
        screen.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            width,
            "-y",
            height,
            &start,
        ]);
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut all = vec!["-S", self.socket.as_str()];
        all.extend(arguments);
        run("tmux", &all)
    }

    fn press(&self, keys: &[&str]) {
        let mut arguments = vec!["send-keys"];
        arguments.extend(keys);
        self.tmux(&arguments);
    }

    /// Waits until the screen shows something, and returns all of it.
    fn shows(&self, part: &str) -> String {
        let begin = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if screen.contains(part) {
                return screen;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "no `{part}` in\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .args(["-S", &self.socket, "kill-server"])
            .status();
    }
}

#[test]
fn the_explorer_is_driven_by_keys() {
    if !has_tool("tmux") {
        return;
    }
    for size in [["80", "24"], ["160", "48"], ["50", "12"]] {
        let environment = environment();
        let screen = Screen::open(&environment, size);
        let narrow = size[0] == "50";
        screen.shows("ADD base in /");
        screen.press(&["Down"]);
        if narrow {
            screen.press(&["Tab"]);
        }
        let shown = screen.shows("srv/ ⊕");
        assert!(
            !shown.contains("keep"),
            "closed directories are closed:\n{shown}"
        );
        if !narrow {
            screen.press(&["Tab"]);
        }
        screen.press(&["/", "d", "u", "m", "p"]);
        // The last line is drawn last.
        let filtered = screen.shows("filter: dump");
        assert!(filtered.contains("└ dump"), "{filtered}");
        assert!(!filtered.contains("keep"), "{filtered}");
        screen.press(&["Escape"]);
        screen.shows("Tab pane");
        screen.press(&["?"]);
        screen.shows("Tab              between layers and files");
        screen.press(&["x"]);
        screen.shows("Tab pane");
        // SGR 1006: a click on the first layer, then two on the first directory.
        let click = |column: u16, row: u16| {
            screen.press(&[
                "-l",
                &format!("\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m"),
            ]);
        };
        let position = |part: &str| {
            let shown = screen.shows(part);
            let found = shown.lines().enumerate().find_map(|(row, line)| {
                let at = line.find(part)?;
                Some((line[..at].chars().count() as u16 + 1, row as u16 + 1))
            });
            found.expect("what is shown has a place")
        };
        if !narrow {
            let (column, row) = position("ADD base in /");
            click(column, row);
            screen.shows("hidden by upper layers");
        }
        let (column, row) = position("srv/ ⊕");
        click(column, row);
        if !narrow {
            // The files had no cursor before.
            click(column, row);
        }
        screen.shows("srv/ ");
        screen.shows("keep");
        if !narrow {
            let (column, row) = position("ADD base in /");
            screen.press(&["-l", &format!("\x1b[<65;{column};{row}M")]);
            screen.shows("of lower layers");
        }
        screen.press(&["q"]);
    }
}
