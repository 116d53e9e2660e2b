//! Dockerfiles as data.

use std::time::Duration;

use crate::problem::Span;

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq)]
pub struct Dockerfile {
    /// What comments at the very top say to the parser.
    pub directives: Directives,
    /// `ARG`s before the first `FROM`.
    pub args: Vec<Instruction>,
    /// The stages, in order; at least one.
    pub stages: Vec<Stage>,
    /// The text.
    pub text: String,
}

/// Parser directives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: the image of a front end. There is only one here.
    pub syntax: Option<String>,
    /// `# escape=`: what makes a line end or a character ordinary.
    pub escape: char,
    /// `# check=`: which checks are wanted.
    pub check: Option<String>,
}

impl Default for Directives {
    fn default() -> Self {
        Self {
            syntax: None,
            escape: '\\',
            check: None,
        }
    }
}

/// A `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The name after `AS`, in lower case.
    pub name: Option<String>,
    /// The `FROM`.
    pub from: From,
    /// The rest.
    pub instructions: Vec<Instruction>,
}

/// The operands of a `FROM`.
#[derive(Debug, Clone, PartialEq)]
pub struct From {
    /// The whole instruction.
    pub span: Span,
    /// An image, a stage, or `scratch`; unexpanded.
    pub image: Word,
    /// `--platform`, unexpanded.
    pub platform: Option<Word>,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// Where it stands, its here-documents included.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// A piece of text, unexpanded, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    /// The text, line continuations taken out.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// What an instruction is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `ADD`.
    Add(CopyArgs),
    /// `ARG`.
    Arg(Vec<Argument>),
    /// `CMD`.
    Cmd(Command),
    /// `COPY`.
    Copy(CopyArgs),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `ENV`.
    Env(Vec<Pair>),
    /// `EXPOSE`: each word may expand to several.
    Expose(Vec<Word>),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `LABEL`.
    Label(Vec<Pair>),
    /// `MAINTAINER`.
    Maintainer(Word),
    /// `ONBUILD`: the instruction, and its text as it goes into the image.
    Onbuild(Box<Instruction>, String),
    /// `RUN`.
    Run(Run),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `STOPSIGNAL`.
    Stopsignal(Word),
    /// `USER`.
    User(Word),
    /// `VOLUME`.
    Volume(Vec<Word>),
    /// `WORKDIR`.
    Workdir(Word),
}

impl Kind {
    /// Returns the name of the instruction, in upper case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Onbuild(..) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::Stopsignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Workdir(_) => "WORKDIR",
        }
    }
}

/// `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Unexpanded, quotes included.
    pub name: Word,
    /// Unexpanded, quotes included.
    pub value: Word,
}

/// One operand of `ARG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: Word,
    /// Its default, unexpanded.
    pub default: Option<Word>,
}

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// For a shell.
    Shell(String),
    /// Program and arguments.
    Exec(Vec<String>),
}

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// What ends it, and for `COPY` the name of the file.
    pub name: String,
    /// The lines between, as they stand.
    pub content: String,
    /// Whether variables in it are expanded: no part of its name is quoted.
    pub expand: bool,
    /// Whether tabs at the beginnings of lines mean nothing: `<<-`.
    pub strip_tabs: bool,
    /// What stands on the line, such as `<<-EOF`.
    pub word: String,
    /// The lines between.
    pub span: Span,
}

impl Heredoc {
    /// Returns the content without what `<<-` takes away.
    pub fn text(&self) -> String {
        if !self.strip_tabs {
            return self.content.clone();
        }
        let lines = self.content.split_inclusive('\n');
        lines.map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// The operands of `RUN`.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The command; of the shell form with the here-documents' words in it.
    pub command: Command,
    /// The here-documents, in order.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`s.
    pub mounts: Vec<Mount>,
    /// `--network`, unexpanded.
    pub network: Option<Word>,
    /// `--security`, unexpanded.
    pub security: Option<Word>,
}

/// Kinds of `RUN --mount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    Bind,
    /// A directory that stays from build to build.
    Cache,
    /// A directory in memory.
    Tmpfs,
    /// A file that does not get into the image.
    Secret,
    /// An SSH agent.
    Ssh,
}

/// How several users share a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// All at once.
    #[default]
    Shared,
    /// Each has its own.
    Private,
    /// One after another.
    Locked,
}

/// A `RUN --mount`. Texts are unexpanded.
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    /// The whole flag.
    pub span: Span,
    /// `type`.
    pub kind: MountKind,
    /// `target`.
    pub target: Option<String>,
    /// `source`.
    pub source: Option<String>,
    /// `from`.
    pub from: Option<String>,
    /// `id`.
    pub id: Option<String>,
    /// `env`: the variable that a secret is given in.
    pub env: Option<String>,
    /// `readonly`, or not `readwrite`, if either is said.
    pub read_only: Option<bool>,
    /// `required`.
    pub required: bool,
    /// `sharing`.
    pub sharing: Sharing,
    /// `mode`.
    pub mode: Option<String>,
    /// `uid`.
    pub uid: Option<String>,
    /// `gid`.
    pub gid: Option<String>,
    /// `size` in bytes.
    pub size: Option<u64>,
}

/// The operands of `COPY` and `ADD`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CopyArgs {
    /// What to copy, unexpanded; here-documents are not among them.
    pub sources: Vec<Word>,
    /// Files that stand in the Dockerfile itself.
    pub heredocs: Vec<Heredoc>,
    /// Where to, unexpanded.
    pub destination: Word,
    /// `--from`.
    pub from: Option<Word>,
    /// `--chown`, unexpanded.
    pub chown: Option<Word>,
    /// `--chmod`, unexpanded.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`s, unexpanded.
    pub excludes: Vec<Word>,
    /// `--checksum` of `ADD`, unexpanded.
    pub checksum: Option<Word>,
    /// `--keep-git-dir` of `ADD`.
    pub keep_git_dir: bool,
    /// `--unpack` of `ADD`, if it is said.
    pub unpack: Option<bool>,
}

/// The operands of `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq)]
pub enum Healthcheck {
    /// The base's does not count.
    None,
    /// A command.
    Command {
        /// What to run.
        command: Command,
        /// `--interval`.
        interval: Option<Duration>,
        /// `--timeout`.
        timeout: Option<Duration>,
        /// `--start-period`.
        start_period: Option<Duration>,
        /// `--start-interval`.
        start_interval: Option<Duration>,
        /// `--retries`.
        retries: Option<u32>,
    },
}
