//! `COPY` and `ADD`.

use super::flags::Flags;
use super::{Parser, Rest};
use crate::ast::{CopyArgs, Word};

impl Parser {
    pub(super) fn copy(&mut self, rest: &Rest<'_>, mut flags: Flags) -> Option<CopyArgs> {
        let mut words = self.strings(rest)?.unwrap_or_else(|| rest.words());
        let destination = match words.pop() {
            Some(last) if !words.is_empty() => last,
            _ => {
                let hint = Some("the last word is where to copy to, as in COPY . /app/".to_owned());
                self.report(
                    rest.span(),
                    format!("{} needs at least a source and a destination", rest.name),
                    hint,
                );
                return None;
            }
        };
        let heredocs = &rest.line.heredocs;
        let is_heredoc = |word: &Word| heredocs.iter().any(|heredoc| heredoc.word == word.text);
        if let Some(heredoc) = heredocs
            .iter()
            .find(|heredoc| heredoc.word == destination.text)
        {
            self.report(
                destination.span,
                format!(
                    "the here-document `{}` cannot be the destination",
                    heredoc.name
                ),
                None,
            );
            return None;
        }
        let (link, parents) = (flags.take("link"), flags.take("parents"));
        let (keep_git_dir, unpack) = (flags.take("keep-git-dir"), flags.take("unpack"));
        let from = flags.take("from");
        if let Some(from) = from.as_ref().filter(|from| from.text.contains('$')) {
            let hint = "make a stage of it: FROM $IMAGE AS name, and COPY --from=name".to_owned();
            self.report(from.span, "--from cannot have variables", Some(hint));
            return None;
        }
        if from.is_some() && !heredocs.is_empty() {
            self.report(
                rest.span(),
                "a here-document cannot be copied --from somewhere",
                None,
            );
            return None;
        }
        Some(CopyArgs {
            sources: words.into_iter().filter(|word| !is_heredoc(word)).collect(),
            heredocs: heredocs.clone(),
            destination,
            from,
            chown: flags.take("chown"),
            chmod: flags.take("chmod"),
            link: self.switch(link)?.unwrap_or(false),
            parents: self.switch(parents)?.unwrap_or(false),
            excludes: flags.take_all("exclude"),
            checksum: flags.take("checksum"),
            keep_git_dir: self.switch(keep_git_dir)?.unwrap_or(false),
            unpack: self.switch(unpack)?,
        })
    }
}
