//! Where the bytes of an image are, which of them are there for nothing, and why.
//!
//! [`analyze`] looks at an [image::Survey]: the merged tree, together with all
//! that upper layers hide of lower ones. Each byte that could be saved has one
//! [`Cause`], and each cause its remedy.
//!
//! - `hidden`: bytes that no one can see. These are what dive calls wasted.
//! - `visible`, `places`: files that the image could do without, by what they are for.
//! - `duplicate`, `again`, `sections`: what is there twice; symbols inside of programs.
//! - [`report`]: the result. [`gate`]: limits on it. [`growth`]: against another.
//!
//! Nothing here is a promise that the image works without those files, but for
//! the hidden ones; `slim` and `verify` are for that.

mod again;
pub mod cause;
mod counts;
mod duplicate;
mod find;
pub mod gate;
pub mod growth;
mod hidden;
mod places;
pub mod remember;
pub mod report;
mod sections;
mod sums;
mod visible;

use std::io;

use image::{Image, Survey};

pub use cause::{CAUSES, Cause};
pub use find::Find;
pub use report::Analysis;

use crate::installed::Installed;
use crate::instructions;
use crate::packages;

/// What can go wrong with an analysis.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The package database cannot be read.
    #[error("cannot read the package database")]
    Packages(#[source] packages::Error),
    /// Files of the image cannot be read.
    #[error("cannot read the files of the image")]
    Read(#[source] io::Error),
}

/// How much an analysis lists.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the user calls the image.
    pub name: String,
    /// Most files of each cause, and most directories and files, that are listed.
    pub most: usize,
}

/// Everything that an analysis finds out, before it is put into words.
#[derive(Debug)]
pub struct Findings {
    /// The packages and whose each file is.
    pub installed: Installed,
    /// Files that could be saved; no byte is in two of them.
    pub finds: Vec<Find>,
}

/// Finds what could be saved of an image.
///
/// # Errors
/// When files of the image cannot be read.
pub fn find(image: &Image, survey: &Survey) -> Result<Findings, Error> {
    let files = &survey.files;
    let installed = Installed::read(files).map_err(Error::Packages)?;
    let mut finds = hidden::find(files).map_err(Error::Read)?;
    let config = image.config();
    let language = config.env_var("LC_ALL").or_else(|| config.env_var("LANG"));
    let language = language.unwrap_or_default();
    let visible::Visible {
        finds: found,
        mut rest,
    } = visible::find(files, &installed, language.as_bytes());
    finds.extend(found);
    finds.extend(again::packages(files, &installed, &mut rest));
    // What came first is the original.
    rest.sort_by_key(|node| files.tree.layer(*node));
    let copies = duplicate::find(files, &rest).map_err(Error::Read)?;
    let superfluous: std::collections::HashSet<_> = copies.iter().map(|find| find.node).collect();
    rest.retain(|node| !superfluous.contains(node));
    finds.extend(copies);
    finds.extend(again::libraries(files, &mut rest).map_err(Error::Read)?);
    finds.extend(sections::find(files, &rest).map_err(Error::Read)?);
    Ok(Findings { installed, finds })
}

/// Analyses an image.
///
/// # Errors
/// When files of the image cannot be read.
pub fn analyze(image: &Image, survey: &Survey, options: &Options) -> Result<Analysis, Error> {
    let findings = find(image, survey)?;
    Ok(describe(image, survey, &findings, options))
}

/// Puts what was found into words.
pub fn describe(
    image: &Image,
    survey: &Survey,
    findings: &Findings,
    options: &Options,
) -> Analysis {
    let tree = &survey.files.tree;
    let sums = sums::Sums::new(tree, &findings.installed);
    let unpacked = survey.files.unpacked;
    let of_cause = |hidden: bool| -> u64 {
        let finds = findings.finds.iter();
        finds
            .filter(|find| find.cause.is_hidden() == hidden)
            .map(|find| find.bytes)
            .sum()
    };
    let wasted = of_cause(true);
    let layers = layers(image, survey, findings);
    let user: u64 = layers.iter().skip(1).map(|layer| layer.unpacked).sum();
    let stored = image
        .layers()
        .all(|layer| layer.descriptor.digest != layer.diff_id);
    Analysis {
        schema: report::SCHEMA,
        image: report::Subject {
            name: options.name.clone(),
            id: image.id(),
            digest: image.digest(),
            platform: image.platform(),
        },
        sizes: report::Sizes {
            unpacked,
            visible: sums.visible,
            compressed: stored.then(|| image.stored_size()),
            entries: tree.len() as u64,
        },
        efficiency: share(unpacked - wasted.min(unpacked), unpacked, 1.0),
        wasted,
        wasted_of_user: share(wasted, user, 0.0),
        reclaimable: wasted + of_cause(false),
        layers,
        causes: sums::causes(survey, stored, &findings.finds, options.most),
        packages: sums.packages(tree, &findings.installed),
        directories: sums.directories(tree, options.most),
        files: sums::files(tree, &findings.installed, options.most),
    }
}

fn share(part: u64, whole: u64, of_nothing: f64) -> f64 {
    if whole == 0 {
        of_nothing
    } else {
        part as f64 / whole as f64
    }
}

fn layers(image: &Image, survey: &Survey, findings: &Findings) -> Vec<report::Layer> {
    let tree = &survey.files.tree;
    let counts = counts::count(tree, survey.layers.len());
    let mut hidden = vec![0; survey.layers.len()];
    let mut hides = vec![0; survey.layers.len()];
    for find in findings.finds.iter().filter(|find| find.cause.is_hidden()) {
        hidden[sums::content_layer(tree, find.node) as usize] += find.bytes;
        if let Some(by) = find.by {
            hides[by as usize] += find.bytes;
        }
    }
    let instructions = instructions::of_layers(image);
    image
        .layers()
        .zip(instructions)
        .zip(&survey.layers)
        .zip(counts)
        .map(|(((layer, instruction), size), count)| {
            let at = layer.index as usize;
            let compressed = layer.descriptor.digest != layer.diff_id;
            report::Layer {
                index: layer.index,
                digest: layer.descriptor.digest,
                diff_id: layer.diff_id,
                instruction: instruction.text,
                created: instruction.created,
                unpacked: size.bytes,
                compressed: compressed.then_some(layer.descriptor.size),
                entries: size.entries,
                added: count.added,
                changed: count.changed,
                removed: count.removed,
                hidden: hidden[at],
                hides: hides[at],
            }
        })
        .collect()
}
