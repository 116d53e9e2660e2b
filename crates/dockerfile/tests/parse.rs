//! Whole Dockerfiles and whole error reports.

use dockerfile::{Command, CopyArgs, Dockerfile, Kind, MountKind};

fn kinds(text: &str) -> Vec<Kind> {
    let file = Dockerfile::parse(text).unwrap_or_else(|problems| panic!("{problems}"));
    file.stages
        .into_iter()
        .flat_map(|stage| stage.instructions)
        .map(|one| one.kind)
        .collect()
}

fn problems(text: &str) -> String {
    Dockerfile::parse(text)
        .expect_err("something is wrong")
        .render("Dockerfile")
}

#[test]
fn every_problem_is_shown_with_its_place_and_a_hint() {
    let text = "FRM debian\nFROM debian AS 1st\nRUNN make\nCOPY --form=x a b\nCOPY a\nENV A=1 B\n\
                RUN --mount=type=cahce,target=/x true\nHEALTHCHECK --interval=5 CMD true\nRUN cat <<EOF\nEOF \n";
    assert_eq!(
        problems(text),
        "\
Dockerfile:1:1: unknown instruction `FRM`
   1 | FRM debian
     | ^^^ did you mean FROM?
Dockerfile:2:16: `1st` cannot be the name of a stage
   2 | FROM debian AS 1st
     |                ^^^ a name begins with a letter; letters, digits, `-`, `_` and `.` may follow
Dockerfile:3:1: unknown instruction `RUNN`
   3 | RUNN make
     | ^^^^ did you mean RUN?
Dockerfile:4:6: COPY has no flag --form
   4 | COPY --form=x a b
     |      ^^^^^^^^ did you mean --from?
Dockerfile:5:6: COPY needs at least a source and a destination
   5 | COPY a
     |      ^ the last word is where to copy to, as in COPY . /app/
Dockerfile:6:9: `B` has no `=`
   6 | ENV A=1 B
     |         ^ every word is NAME=VALUE; a value with spaces is put in quotes
Dockerfile:7:5: --mount has no type `cahce`
   7 | RUN --mount=type=cahce,target=/x true
     |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean cache?
Dockerfile:8:13: `5` is not a duration
   8 | HEALTHCHECK --interval=5 CMD true
     |             ^^^^^^^^^^^^ write for instance 30s or 1m30s
Dockerfile:9:9: the here-document `EOF` does not end
   9 | RUN cat <<EOF
     |         ^^^^^ a line `EOF` does not end it: the line must be `EOF` and nothing else"
    );
}

#[test]
fn problems_of_whole_files() {
    for (text, expected) in [
        (
            "",
            "Dockerfile:1:1: the Dockerfile has no FROM\n   1 | \n     | ^ begin with FROM scratch for an empty base",
        ),
        (
            "RUN x\nFROM a\n",
            "Dockerfile:1:1: RUN comes before the first FROM\n   1 | RUN x\n     | ^^^ begin with FROM, or FROM scratch for an empty base",
        ),
        (
            "# escape=x\nFROM a\n",
            "Dockerfile:1:1: `x` cannot be the escape character\n   1 | # escape=x\n     | ^^^^^^^^^^ it is \\ or `",
        ),
        (
            "FROM a\nONBUILD ONBUILD RUN x\n",
            "Dockerfile:2:9: ONBUILD cannot be used in ONBUILD\n   2 | ONBUILD ONBUILD RUN x\n     |         ^^^^^^^",
        ),
        (
            "FROM a\nCMD [\"a\", 1]\n",
            "Dockerfile:2:5: the JSON array of CMD has an element that is no string\n   2 | CMD [\"a\", 1]\n     |     ^^^^^^^^ write every element in double quotes",
        ),
    ] {
        assert_eq!(problems(text), expected, "{text:?}");
    }
}

#[test]
fn lines_are_continued_and_comments_between_are_passed_over() {
    let text = "\u{feff}# syntax=docker/dockerfile:1\n# Escape = \\\n# a comment\nfrom debian\r\nrun a \\\n\n  # no\n   && b \\  \n && c\\\\\nRUN \\\n  d\n";
    let file = Dockerfile::parse(text).unwrap();
    assert_eq!(
        file.directives.syntax.as_deref(),
        Some("docker/dockerfile:1")
    );
    let commands: Vec<_> = file.stages[0]
        .instructions
        .iter()
        .map(|one| match &one.kind {
            Kind::Run(run) => (run.command.clone(), one.span.lines(text)),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        commands,
        [
            (Command::Shell("a    && b  && c\\\\".to_owned()), (5, 9)),
            (Command::Shell("d".to_owned()), (10, 11)),
        ]
    );
}

#[test]
fn a_backtick_can_be_the_escape_character() {
    let text = "# escape=`\nFROM a\nCOPY a`\n b C:\\\\\nENV X=a` b Y=\\\n";
    let [Kind::Copy(copy), Kind::Env(pairs)] = &kinds(text)[..] else {
        panic!("{text}")
    };
    assert_eq!(
        (
            &*copy.sources[0].text,
            &*copy.sources[1].text,
            &*copy.destination.text
        ),
        ("a", "b", "C:\\\\")
    );
    let pairs: Vec<_> = pairs
        .iter()
        .map(|pair| (&*pair.name.text, &*pair.value.text))
        .collect();
    assert_eq!(pairs, [("X", "a` b"), ("Y", "\\")]);
}

#[test]
fn here_documents_are_read_with_their_kinds() {
    let text = "FROM a\nRUN <<EOF\none\ntwo\nEOF\nCOPY <<-\"A\" <<B x /d/\n\tkeep $X\n\tA\n$Y\nB\nRUN cat <<E | sh -s 3<<F\ne\nE\nf\nF\nRUN echo $((1<<2))\n";
    let found = kinds(text);
    let Kind::Run(run) = &found[0] else { panic!() };
    assert_eq!(run.command, Command::Shell("<<EOF".to_owned()));
    assert_eq!(
        (&*run.heredocs[0].text(), run.heredocs[0].expand),
        ("one\ntwo\n", true)
    );
    let Kind::Copy(copy) = &found[1] else {
        panic!()
    };
    let documents: Vec<_> = copy
        .heredocs
        .iter()
        .map(|one| (&*one.name, one.text(), one.expand, one.strip_tabs))
        .collect();
    assert_eq!(
        documents,
        [
            ("A", "keep $X\n".to_owned(), false, true),
            ("B", "$Y\n".to_owned(), true, false)
        ]
    );
    assert_eq!(copy.sources.len(), 1);
    let Kind::Run(run) = &found[2] else { panic!() };
    assert_eq!(
        run.heredocs
            .iter()
            .map(|one| &*one.content)
            .collect::<Vec<_>>(),
        ["e\n", "f\n"]
    );
    let Kind::Run(run) = &found[3] else { panic!() };
    assert_eq!(run.heredocs, []);
}

#[test]
fn operands_are_typed() {
    let text = "FROM a\nENV old value with  spaces\nENV A=1 B=\"x y\" C=d\\ e\nARG X Y=2\nLABEL \"a b\"=c\nEXPOSE 80 443/udp\n\
        VOLUME [\"/a\", \"/b\"]\nVOLUME /c /d\nCMD\nENTRYPOINT [\"/x\", \"y z\"]\nCMD [ not json ]\nSHELL [\"/bin/bash\", \"-c\"]\n\
        STOPSIGNAL 9\nUSER a:b\nWORKDIR /a b\nMAINTAINER Ann <a@b>\nONBUILD RUN --network=none x\nHEALTHCHECK NONE\n";
    let found = kinds(text);
    let names: Vec<_> = found.iter().map(Kind::name).collect();
    assert_eq!(
        names,
        [
            "ENV",
            "ENV",
            "ARG",
            "LABEL",
            "EXPOSE",
            "VOLUME",
            "VOLUME",
            "CMD",
            "ENTRYPOINT",
            "CMD",
            "SHELL",
            "STOPSIGNAL",
            "USER",
            "WORKDIR",
            "MAINTAINER",
            "ONBUILD",
            "HEALTHCHECK"
        ]
    );
    let pairs = |kind: &Kind| match kind {
        Kind::Env(pairs) | Kind::Label(pairs) => pairs
            .iter()
            .map(|pair| format!("{}|{}", pair.name.text, pair.value.text))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(pairs(&found[0]), ["old|value with  spaces"]);
    assert_eq!(pairs(&found[1]), ["A|1", "B|\"x y\"", "C|d\\ e"]);
    assert_eq!(pairs(&found[3]), ["\"a b\"|c"]);
    assert_eq!(found[7], Kind::Cmd(Command::Shell(String::new())));
    assert_eq!(
        found[8],
        Kind::Entrypoint(Command::Exec(vec!["/x".to_owned(), "y z".to_owned()]))
    );
    assert_eq!(
        found[9],
        Kind::Cmd(Command::Shell("[ not json ]".to_owned()))
    );
}

#[test]
fn flags_are_typed() {
    let text = "FROM --platform=linux/arm64 a\nRUN --mount=type=cache,id=x,target=/c,sharing=locked,mode=0700 --mount=dst=/b,ro=false,from=s --network=none t\n\
        COPY --chown=a:b --chmod=u+x --link --parents=true --exclude=*.a --exclude=b --from=0 x y /z/\n";
    let file = Dockerfile::parse(text).unwrap();
    assert_eq!(
        file.stages[0].from.platform.as_ref().unwrap().text,
        "linux/arm64"
    );
    let found = kinds(text);
    let Kind::Run(run) = &found[0] else { panic!() };
    assert_eq!(
        (run.mounts[0].kind, run.mounts[0].id.as_deref()),
        (MountKind::Cache, Some("x"))
    );
    assert_eq!(
        (run.mounts[1].kind, run.mounts[1].read_only),
        (MountKind::Bind, Some(false))
    );
    assert_eq!(run.network.as_ref().unwrap().text, "none");
    let Kind::Copy(CopyArgs {
        chown,
        chmod,
        link,
        parents,
        excludes,
        from,
        ..
    }) = &found[1]
    else {
        panic!()
    };
    assert_eq!(
        (
            &*chown.as_ref().unwrap().text,
            &*chmod.as_ref().unwrap().text,
            *link,
            *parents,
            excludes.len(),
            &*from.as_ref().unwrap().text
        ),
        ("a:b", "u+x", true, true, 2, "0")
    );
}

#[test]
fn spans_lead_to_the_text_through_continuations() {
    let text = "FROM a\nCOPY \\\n  # why\n  first \\\n  second /d\n";
    let [Kind::Copy(copy)] = &kinds(text)[..] else {
        panic!()
    };
    let shown: Vec<_> = copy
        .sources
        .iter()
        .map(|word| (word.span.text(text), word.span.position(text)))
        .collect();
    assert_eq!(shown, [("first", (4, 3)), ("second", (5, 3))]);
    assert_eq!(copy.destination.span.text(text), "/d");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(FROM a\n)?((RUN|COPY|ENV|ONBUILD|ARG|HEALTHCHECK|#|  )?[ -~\n\\\\<\"'é]{0,30}\n){0,5}") {
        if let Err(problems) = Dockerfile::parse(&text) {
            proptest::prop_assert!(!problems.list.is_empty());
            problems.render("x");
        }
    }
}
