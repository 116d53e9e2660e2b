//! Facts of whole scripts: entry points as images have them, the scripts of this host, hostile text.

#![allow(clippy::unwrap_used)] // the lint's exemption covers test functions, not what they call

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use jettison::script::{Dialect, Parse, ScriptFacts, analyze, analyze_with, shebang};

/// Shows all facts, one kind a line.
fn dump(facts: &ScriptFacts) -> String {
    let join = |set: &BTreeSet<Vec<u8>>| {
        let texts = set.iter().map(|word| {
            let text = String::from_utf8_lossy(word).into_owned();
            if text.contains(char::is_whitespace) {
                format!("{text:?}")
            } else {
                text
            }
        });
        texts.collect::<Vec<_>>().join(" ")
    };
    let mut out = String::new();
    for (name, set) in [
        ("commands", &facts.commands),
        ("words", &facts.words),
        ("sources", &facts.sources),
        ("source ends", &facts.source_ends),
        ("ends", &facts.ends),
        ("globs", &facts.globs),
        ("path", &facts.assigned_path),
    ] {
        if !set.is_empty() {
            out += &format!("{name}: {}\n", join(set));
        }
    }
    if facts.dynamic {
        out += "dynamic\n";
    }
    if let Parse::Fallback { error } = &facts.parse {
        out += &format!("fallback: {error}\n");
    }
    out
}

fn sh(text: &str) -> String {
    dump(&analyze(text.as_bytes(), Dialect::Sh))
}

fn bash(text: &str) -> String {
    dump(&analyze(text.as_bytes(), Dialect::Bash))
}

/// Commands alone.
fn commands(text: &str) -> String {
    let facts = analyze(text.as_bytes(), Dialect::Bash);
    assert_eq!(facts.parse, Parse::Parsed, "{text}");
    let names = facts
        .commands
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned());
    let mut names: Vec<String> = names.collect();
    if facts.dynamic {
        names.push("?".to_owned());
    }
    names.join(" ")
}

#[test]
fn commands_are_found_wherever_they_stand() {
    for (text, want) in [
        ("a; b && c || d | e & f", "a b c d e f"),
        ("if a; then b; elif c; then d; else e; fi", "a b c d e"),
        (
            "for x in 1 2; do a; done; while b; do c; done; until d; do e; done",
            "a b c d e",
        ),
        ("case $1 in x) a ;; y|z) b ;; *) c ;; esac", "a b c"),
        ("(a; { b; }) > /x", "a b"),
        (
            "x=$(a $(b)) y=`c \\`d\\`` z=\"$(e \"$(f)\")\"",
            "a b c d e f",
        ),
        ("echo \"${x:-$(a)}\" $((1 + $(b)))", "a b"),
        ("cat <<E\n$(a)\nE\ncat <<'E'\n$(b)\nE\n", "a cat"),
        ("f() { a; }; f; g() ( b )", "a b"),
        ("function f { a; }; f x", "a"),
        ("[ -x /bin/a ] && [[ -n $(b) ]]; test c", "b"),
        ("a < <(b) > >(c)", "a b c"),
        ("coproc a", "a"),
        ("! a; time b", "a b"),
        ("X=1 a; Y=2", "a"),
        ("export A=$(a) B=b", "a"),
        ("for ((i=0; i<$(a); i++)); do b; done", "a b"),
        ("(( x = $(a) ))", "a"),
    ] {
        assert_eq!(commands(text), want, "{text}");
    }
}

#[test]
fn commands_are_found_behind_other_commands() {
    for (text, want) in [
        ("exec a b", "a"),
        ("exec gosu redis a b", "a gosu"),
        ("nohup nice -n 5 a &", "a nice nohup"),
        ("env -i X=1 a", "a env"),
        ("env -S 'a b'", "a env"),
        ("timeout -k 1 5 a", "a timeout"),
        ("find / -name x -exec a {} + -o -execdir b \\;", "a b find"),
        ("x | xargs -0 -n1 a", "a x xargs"),
        ("xargs echo", "echo xargs"), // not the builtin
        ("command echo; command -v a", ""),
        ("sh -c 'a; b $0' x", "a b sh"),
        ("/bin/bash -euc 'a'", "/bin/bash a"),
        ("su - user -s /bin/sh -c 'a b'", "a su"),
        ("runuser -u x -- a b", "a runuser"),
        ("eval a b; eval 'c; d'", "a c d"),
        ("trap 'a' EXIT; trap - INT; trap '' TERM", "a"),
        (
            "sh -c \"cd $x && a '$y'; b\"; eval \"c $x; d\"",
            "a b c d sh",
        ),
        ("sh <<E\na\nE\n", "a sh"),
        ("bash <<< 'a b'", "a bash"),
        ("set -- a \"$@\"; exec \"$@\"", "a ?"),
        ("set -- gosu x a \"$@\"", "a gosu"),
        (
            "start-stop-daemon --start --exec /usr/sbin/a -- -x",
            "/usr/sbin/a start-stop-daemon",
        ),
        ("setpriv --reuid=1 --clear-groups a", "a setpriv"),
        ("tini -- a", "a tini"),
    ] {
        assert_eq!(commands(text), want, "{text}");
    }
}

#[test]
fn constants_are_followed() {
    for (text, want) in [
        (
            "P=/usr/local; $P/bin/a; \"${P}/b\"",
            "/usr/local/b /usr/local/bin/a",
        ),
        ("P=/x; Q=$P/y; $Q/z", "/x/y/z"),
        ("f() { $B; }; B=a; f", "a"),
        ("if x; then C=a; else C=b; fi; exec $C", "a b x"),
        (": ${C:=a}; $C", "a ?"),
        ("${C:-a}", "a ?"),
        ("C='a --x'; $C", "a"),
        ("C=a; D=\"$C b\"; \"$D\"", "a b"),
        ("for c in a b; do $c --version; done", "a b"),
        ("A=(a --x y); A+=(z); \"${A[@]}\"", "a"),
        ("A=$(command -v a || true); $A", "a"),
        ("$UNKNOWN x", "?"),
        ("\"$1\"", "?"),
        ("X=$X:y; $X", "?"),
        ("X=a; X=$X$X; X=$X$X; $X", "a ?"),
    ] {
        assert_eq!(commands(text), want, "{text}");
    }
}

#[test]
fn the_environment_counts() {
    let environment = [(b"APP_HOME".to_vec(), b"/opt/app".to_vec())];
    let facts = analyze_with(b"exec $APP_HOME/bin/run", Dialect::Sh, &environment);
    assert_eq!(
        dump(&facts),
        "commands: /opt/app/bin/run\nwords: /opt/app/bin/run\n"
    );
}

#[test]
fn words_sources_and_patterns_are_kept_apart() {
    for (text, want) in [
        (
            "x /etc/nginx/conf.d/$y --config=/etc/z a$b",
            "commands: x\nwords: --config=/etc/z /etc/nginx/conf.d/ /etc/z\n",
        ),
        (
            ". /lib/lsb/init-functions; source \"$D/x\"; D=/opt",
            "words: /lib/lsb/init-functions /opt /opt/x\nsources: /lib/lsb/init-functions /opt/x\n",
        ),
        (
            "for f in /docker-entrypoint.d/*.sh '/no/*'; do . \"$f\"; done",
            "words: /docker-entrypoint.d/ /no/*\nsources: /no/*\n\
             globs: /docker-entrypoint.d/*.sh /no/*\n",
        ),
        (
            "run-parts --regex x /etc/cron.daily",
            "commands: run-parts\nwords: --regex /etc/cron.daily x\nglobs: /etc/cron.daily/*\n",
        ),
        (
            "PATH=/opt/bin:$PATH; export PATH=\"$PATH:/x\"",
            "words: /opt/bin:\npath: $PATH:/x /opt/bin:$PATH\n",
        ),
        (
            "cat > /etc/app.conf <<E\ninclude /etc/app/*.conf\nlog $x/log\nE\n",
            "commands: cat\nwords: /etc/app.conf\nglobs: /etc/app/*.conf\n",
        ),
        ("[ -f /etc/a ] && [[ $x == /b/* ]]", "words: -f /etc/a ]\n"),
        (
            "rm -rf \"/a b\" ~/x",
            "commands: rm\nwords: -rf /a \"/a b\"\n",
        ),
    ] {
        assert_eq!(bash(text), want, "{text}");
    }
}

#[test]
fn what_is_printed_is_text_unless_something_reads_it() {
    for (text, want) in [
        ("echo see mail from $x", ""),
        ("echo /etc/a mail; read date", "words: /etc/a\n"),
        ("x=$(echo date); $x mail", "words: date mail\ndynamic\n"),
        ("echo mail | sh", "commands: sh\nwords: mail\n"),
    ] {
        assert_eq!(sh(text), want, "{text}");
    }
}

#[test]
fn paths_with_an_unknown_beginning_have_an_end() {
    let script = r#"
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib/common"
: "${CONF:=$here/../etc/shop.conf}"
"$here/tools/price" --data="$here/data" "$here/" "a b$here"
"#;
    let want = "\
commands: dirname
source ends: /lib/common
ends: /../etc/shop.conf /data /lib/common /tools/price
dynamic
";
    assert_eq!(sh(script), want);
}

/// In the style of the entry point of the redis image.
#[test]
fn an_entry_point_of_a_key_value_store() {
    let script = r#"#!/bin/sh
set -e

# first arg is `-f` or `--some-option`
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
	set -- redis-server "$@"
fi

# allow the container to be started with `--user`
if [ "$1" = 'redis-server' -a "$(id -u)" = '0' ]; then
	find . \! -user redis -exec chown redis '{}' +
	exec gosu redis "$0" "$@"
fi

um="$(umask)"
if [ "$um" = '0022' ]; then
	umask 0077
fi

exec "$@"
"#;
    let want = "\
commands: chown find gosu id redis-server
words: ! != + -- -a -e -exec -u -user . 0 0022 0077 = ] chown gosu redis redis-server {}
dynamic
";
    assert_eq!(sh(script), want);
}

/// In the style of the entry points of database images.
#[test]
fn an_entry_point_of_a_database() {
    let script = r#"#!/usr/bin/env bash
set -Eeo pipefail
file_env() {
	local var="$1"
	local fileVar="${var}_FILE"
	local def="${2:-}"
	if [ "${!fileVar:-}" ]; then
		val="$(< "${!fileVar}")"
	fi
	export "$var"="$val"
	unset "$fileVar"
}
docker_process_init_files() {
	psql=( docker_process_sql )
	printf '\n'
	local f
	for f; do
		case "$f" in
			*.sh)
				if [ -x "$f" ]; then "$f"; else . "$f"; fi
				;;
			*.sql)     psql -f "$f" ;;
			*.sql.gz)  gunzip -c "$f" | docker_process_sql ;;
			*.sql.zst) zstd -dc "$f" | docker_process_sql ;;
			*) printf '%s: ignoring %s\n' "$0" "$f" ;;
		esac
	done
}
docker_process_sql() {
	local query_runner=( psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc )
	PGHOST= PGHOSTADDR= "${query_runner[@]}" "$@"
}
docker_setup_db() {
	docker_process_sql --dbname postgres <<-'EOSQL'
		CREATE DATABASE x;
	EOSQL
}
_main() {
	: "${PGDATA:=/var/lib/postgresql/data}"
	if [ "$(id -u)" = '0' ]; then
		exec gosu postgres "$BASH_SOURCE" "$@"
	fi
	eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"
	ls /docker-entrypoint-initdb.d/ > /dev/null
	docker_process_init_files /docker-entrypoint-initdb.d/*
	if ! pg_ctl -D "$PGDATA" -m fast -w stop; then exit 1; fi
	exec "$@"
}
if ! _is_sourced; then
	_main "$@"
fi
"#;
    let facts = analyze(script.as_bytes(), Dialect::Bash);
    assert_eq!(facts.parse, Parse::Parsed);
    assert!(facts.dynamic);
    let names: Vec<_> = facts
        .commands
        .iter()
        .map(|name| String::from_utf8_lossy(name))
        .collect();
    for name in [
        "gosu", "gunzip", "id", "initdb", "ls", "pg_ctl", "psql", "zstd",
    ] {
        assert!(names.contains(&name.into()), "{name}: {names:?}");
    }
    assert!(!names.contains(&"docker_process_sql".into()));
    let globs: Vec<_> = facts
        .globs
        .iter()
        .map(|name| String::from_utf8_lossy(name))
        .collect();
    assert_eq!(globs, ["/docker-entrypoint-initdb.d/*"]);
    for word in [
        "/var/lib/postgresql/data",
        "/docker-entrypoint-initdb.d/",
        "/dev/null",
    ] {
        assert!(facts.words.contains(word.as_bytes()), "{word}");
    }
}

/// In the style of the entry point of the nginx image.
#[test]
fn an_entry_point_of_a_web_server() {
    let script = r#"#!/bin/sh
set -e
entrypoint_log() {
    if [ -z "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ]; then
        echo "$@"
    fi
}
if [ "$1" = "nginx" ] || [ "$1" = "nginx-debug" ]; then
    if /usr/bin/find "/docker-entrypoint.d/" -mindepth 1 -maxdepth 1 -type f -print -quit 2>/dev/null | read v; then
        find "/docker-entrypoint.d/" -follow -type f -print | sort -V | while read -r f; do
            case "$f" in
                *.envsh) if [ -x "$f" ]; then . "$f"; fi ;;
                *.sh) if [ -x "$f" ]; then "$f"; fi ;;
                *) entrypoint_log "$0: Ignoring $f" ;;
            esac
        done
    fi
fi
exec "$@"
"#;
    let want = "\
commands: /usr/bin/find find sort
words: -V -e -follow -maxdepth -mindepth -print -quit -type -x -z /dev/null \
/docker-entrypoint.d/ 1 = ] f nginx nginx-debug
dynamic
";
    assert_eq!(sh(script), want);
}

/// A start script as Debian packages have them: all facts.
#[test]
fn a_start_script_of_a_service() {
    let script = r#"#!/bin/sh
### BEGIN INIT INFO
# Provides:          appd
### END INIT INFO
PATH=/sbin:/bin:/usr/sbin:/usr/bin
NAME=appd
DAEMON=/usr/sbin/$NAME
[ -r /etc/default/$NAME ] && . /etc/default/$NAME
. /lib/lsb/init-functions
case "$1" in
  start) start-stop-daemon --start --quiet --exec $DAEMON ;;
  stop) killproc -p /run/$NAME.pid $DAEMON ;;
  *) echo "Usage: /etc/init.d/$NAME {start|stop}" ;;
esac
"#;
    let want = "\
commands: /usr/sbin/appd killproc start-stop-daemon
words: --exec --quiet --start -p -r /bin /etc/default/appd /etc/init.d/appd \
/lib/lsb/init-functions /run/appd.pid /sbin /sbin:/bin:/usr/sbin:/usr/bin /usr/bin /usr/sbin \
/usr/sbin/appd \"Usage: /etc/init.d/appd {start|stop}\" ] appd
sources: /etc/default/appd /lib/lsb/init-functions
path: /sbin:/bin:/usr/sbin:/usr/bin
";
    assert_eq!(sh(script), want);
}

#[test]
fn what_cannot_be_parsed_is_read_word_by_word() {
    let want = "\
commands: app exec-me
words: --x /etc/app/ /etc/x /opt/bin /y app exec-me
path: /opt/bin:/y
dynamic
";
    let text = "if ]] then (\nPATH=/opt/bin:/y\nexec-me /etc/app/$x 'don\n\"app --x /etc/x\n# no\n";
    let got = sh(text);
    let (facts, error) = got.split_once("fallback: ").unwrap();
    assert!(!error.is_empty());
    assert!(
        facts.contains("/etc/app/") && facts.contains("exec-me"),
        "{facts}"
    );
    assert!(
        facts.contains("path: /opt/bin:/y") && facts.contains("dynamic"),
        "{facts} {want}"
    );
}

#[test]
fn scripts_that_are_not_utf8_keep_their_bytes() {
    let facts = analyze(b"/opt/caf\xe9/run \xff", Dialect::Sh);
    assert!(facts.commands.contains(&b"/opt/caf\xe9/run"[..]));
    assert!(facts.words.contains(&b"\xff"[..]));
}

#[test]
fn hostile_scripts_neither_hang_nor_crash() {
    // One level each would overflow the stack; the limit of the parser is higher.
    let many = |text: &str| text.repeat(20_000);
    let mut scripts: Vec<Vec<u8>> = Vec::new();
    for opener in [
        "(",
        "((",
        "{ ",
        "$(",
        "${a:-",
        "$((",
        "`",
        "\"$(",
        "if ",
        "while ",
        "case x in y) ",
        "case x in (",
        "f() {\n",
        "function f { ",
        "for x do ",
        "coproc ",
        "time -p { ",
        "! ",
        "[[ ( ",
        "[[ ! ",
        "a[",
        "a[(",
        "a=(",
        "<(",
        "<<E\n",
        "'",
        "\"",
        "\\",
        "|",
        "&&",
        "~9",
        "$[",
        "eval \"",
        "@(",
        "{a,",
        "a <<<",
        "esac ",
        ") ",
        "if (",
        "a[\"$(",
        "x=\"${a[",
    ] {
        scripts.push(many(opener).into_bytes());
        // Below the limits of nesting, where the parser is let in.
        for count in [5, 8, 10, 16, 20, 40, 300, 3900] {
            scripts.push(opener.repeat(count).into_bytes());
            scripts.push(format!("{} a b; c", opener.repeat(count)).into_bytes());
        }
    }
    for text in [
        "99999999999999999999 > x",
        "99999999999999999999>x",
        "99999999999>&1",
        "echo ~99999999999999999999999/x",
        "x=~+99999999999999999999999",
        "a\0b",
        "\u{feff}a",
        "case",
        "$",
        "${",
        "$(",
        "`",
        "a <<",
        "a <<\n",
        "() { :;}; a",
        "$A $A $A $A $A $A $A $A $A $A $A $A $A $A",
    ] {
        scripts.push(text.as_bytes().to_vec());
    }
    // Every value of every word: wrappers that run wrappers.
    let values = "A=exec; A=env; A=nohup; A=nice; A=time; A=command; A=setsid; A=xargs; ";
    scripts.push(format!("{values}{}", "$A ".repeat(30)).into_bytes());
    scripts.push(format!("{values}X={}; $X", "$A".repeat(30)).into_bytes());
    scripts.push(
        (0..2000)
            .map(|n| format!("V{n}=$V{}$V{};", n + 1, n + 2))
            .collect::<String>()
            .into(),
    );
    scripts.push(format!("sh -c {}", "\"sh -c ".repeat(5000)).into_bytes());
    scripts.push(vec![0xff; 100_000]);
    scripts.push((0..=255u8).cycle().skip(1).take(100_000).collect());
    scripts.push(b"a \\\n".repeat(100_000));
    scripts.push(b"a;".repeat(100_000));
    for script in scripts {
        // Both dialects are tried in any case if the first fails.
        for dialect in [Dialect::Sh, Dialect::Bash] {
            if dialect == Dialect::Sh && script.len() > 10_000 {
                continue;
            }
            let start = Instant::now();
            analyze(&script, dialect);
            let shown = String::from_utf8_lossy(&script[..script.len().min(40)]).into_owned();
            // A debug build on a busy machine.
            let taken = start.elapsed();
            assert!(taken < Duration::from_secs(20), "{shown} {}", script.len());
            if taken > Duration::from_secs(1) {
                println!("{taken:?} for {} bytes of {shown:?}", script.len());
            }
        }
    }
}

/// Every shell script that Debian installed here is parsed.
#[test]
fn scripts_of_this_host_are_parsed() {
    let mut scripts = 0;
    let mut failed = Vec::new();
    for directory in ["/usr/bin", "/usr/sbin", "/etc/init.d"] {
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let mut bytes = Vec::new();
            let file = fs::File::open(&path).ok().filter(|_| path.is_file());
            let Some(mut file) = file else { continue };
            let mut start = [0; 256];
            let read = file.read(&mut start).unwrap_or(0);
            let Some(shebang) = shebang(&start[..read]) else {
                continue;
            };
            let Some(dialect) = Dialect::of(&shebang.interpreter) else {
                continue;
            };
            bytes.extend_from_slice(&start[..read]);
            file.read_to_end(&mut bytes).unwrap();
            scripts += 1;
            let facts = analyze(&bytes, dialect);
            if let Parse::Fallback { error } = facts.parse {
                failed.push(format!("{}: {error}", path.display()));
            }
        }
    }
    println!("{scripts} scripts, {} failed: {failed:#?}", failed.len());
    assert!(
        failed.len() * 20 <= scripts,
        "{} of {scripts}: {failed:#?}",
        failed.len()
    );
}

#[test]
fn what_a_case_compares_with_may_be_run_where_a_value_is() {
    let of = |end: &str| sh(&format!("case $1 in convert) sox x;; esac\n{end}"));
    assert_eq!(of("play \"$@\""), "commands: play sox\nwords: x\n");
    assert_eq!(
        of("exec \"$@\""),
        "commands: sox\nwords: convert x\ndynamic\n"
    );
}
