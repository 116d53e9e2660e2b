//! An analysis as SARIF 2.1.0 (OASIS), which code scanning services show.
//!
//! Each cause is a rule and each place a result. A place is a path in the image,
//! not in a repository: it stands as a logical location too.

use jettison::analyze::Analysis;
use jettison::analyze::gate::Verdict;
use jettison::analyze::report::CauseBytes;
use serde_json::{Value, json};

use super::analysis::reason;
use crate::size::human;

/// Places of each cause that become results; services take some thousands.
const MOST: usize = 100;

/// The log.
pub(crate) fn log(analysis: &Analysis, verdicts: &[Verdict]) -> Value {
    let mut rules: Vec<Value> = analysis.causes.iter().map(rule).collect();
    let mut results: Vec<Value> = analysis
        .causes
        .iter()
        .enumerate()
        .flat_map(|(at, cause)| results(analysis, cause, at))
        .collect();
    for verdict in verdicts.iter().filter(|verdict| !verdict.passed) {
        let id = format!("gate/{}", verdict.rule.replace(' ', "/"));
        results.push(json!({
            "ruleId": id, "ruleIndex": rules.len(), "level": "error",
            "message": { "text": reason(verdict) },
            "locations": [location(analysis, "/", 0)],
        }));
        rules.push(json!({ "id": id, "shortDescription": { "text": "a limit on the image" } }));
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "jettison", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
            } },
            "properties": {
                "image": analysis.image.name, "id": analysis.image.id,
                "efficiency": analysis.efficiency,
                "wasted": analysis.wasted, "reclaimable": analysis.reclaimable,
            },
            "results": results,
        }],
    })
}

fn rule(cause: &CauseBytes) -> Value {
    let level = if cause.hidden { "warning" } else { "note" };
    json!({
        "id": cause.cause.name(),
        "shortDescription": { "text": cause.title },
        "help": { "text": cause.remedy },
        "defaultConfiguration": { "level": level },
    })
}

fn results<'a>(
    analysis: &'a Analysis,
    cause: &'a CauseBytes,
    rule: usize,
) -> impl Iterator<Item = Value> + 'a {
    let level = if cause.hidden { "warning" } else { "note" };
    cause.places.iter().take(MOST).map(move |place| {
        let text = format!(
            "{} could be saved in {}: {}. To save it: {}",
            human(place.bytes),
            place.path,
            cause.title,
            cause.remedy
        );
        json!({
            "ruleId": cause.cause.name(), "ruleIndex": rule, "level": level,
            "message": { "text": text },
            "locations": [location(analysis, &place.path, place.layer)],
            "partialFingerprints": { "place/v1": format!("{}:{}", cause.cause.name(), place.path) },
            "properties": {
                "bytes": place.bytes, "compressed": place.compressed, "files": place.files,
                "layer": place.layer,
            },
        })
    })
}

fn location(analysis: &Analysis, path: &str, layer: u32) -> Value {
    let instruction = analysis.layers.get(layer as usize);
    json!({
        "physicalLocation": { "artifactLocation": { "uri": uri(path.trim_start_matches('/')) } },
        "logicalLocations": [{
            "name": path, "kind": "resource",
            "fullyQualifiedName": format!(
                "layer {layer}: {}",
                instruction.map_or("", |layer| layer.instruction.as_str())
            ),
        }],
    })
}

/// RFC 3986, "Path": everything else is percent-encoded. The root is `.`.
fn uri(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&b);
    path.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
