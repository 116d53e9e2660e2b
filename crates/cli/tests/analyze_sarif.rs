//! `jettison analyze --sarif` against the structure that SARIF 2.1.0 demands.

mod common;

use serde_json::Value;
use testkit::tree::Builder;

/// What an object of the format must and may have: its properties and their kinds,
/// those with `!` required. Any other property is an error (OASIS SARIF 2.1.0, section 3:
/// only property bags are open).
const OBJECTS: &[(&str, &[&str])] = &[
    ("log", &["!version:version", "!runs:[run", "$schema:uri"]),
    ("run", &["!tool:tool", "results:[result", "properties:bag"]),
    ("tool", &["!driver:component", "properties:bag"]),
    (
        "component",
        &[
            "!name:string",
            "version:string",
            "informationUri:uri",
            "rules:[rule",
        ],
    ),
    (
        "rule",
        &[
            "!id:string",
            "shortDescription:text",
            "fullDescription:text",
            "help:text",
            "helpUri:uri",
            "defaultConfiguration:configuration",
            "properties:bag",
        ],
    ),
    ("configuration", &["level:level"]),
    ("text", &["!text:string", "markdown:string"]),
    (
        "result",
        &[
            "!message:text",
            "ruleId:string",
            "ruleIndex:index",
            "level:level",
            "locations:[location",
            "partialFingerprints:strings",
            "properties:bag",
        ],
    ),
    (
        "location",
        &["physicalLocation:physical", "logicalLocations:[logical"],
    ),
    ("physical", &["!artifactLocation:artifact"]),
    ("artifact", &["!uri:uri", "uriBaseId:string"]),
    (
        "logical",
        &["name:string", "fullyQualifiedName:string", "kind:string"],
    ),
];

/// Adds a line for everything that is not as the format wants it.
fn check(kind: &str, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(kind) = kind.strip_prefix('[') {
        match value.as_array() {
            Some(list) => {
                for (index, value) in list.iter().enumerate() {
                    check(kind, value, &format!("{at}[{index}]"), wrong);
                }
            }
            None => wrong.push(format!("{at} is no list")),
        }
        return;
    }
    let string = |accept: fn(&str) -> bool| value.as_str().is_some_and(accept);
    let right = match kind {
        "string" => string(|text| !text.is_empty()),
        "version" => string(|text| text == "2.1.0"),
        "level" => string(|text| ["none", "note", "warning", "error"].contains(&text)),
        // RFC 3986: what no part of a reference may contain.
        "uri" => string(|text| {
            let forbidden = |c: char| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(c);
            let percent = text.split('%').skip(1).all(|rest| {
                let digits = rest.get(..2).unwrap_or_default();
                digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit())
            });
            !text.is_empty() && !text.contains(forbidden) && percent
        }),
        "index" => value.as_u64().is_some(),
        "bag" => value.is_object(),
        "strings" => value
            .as_object()
            .is_some_and(|map| map.values().all(Value::is_string)),
        _ => return check_object(kind, value, at, wrong),
    };
    if !right {
        wrong.push(format!("{at} is no {kind}: {value}"));
    }
}

fn check_object(kind: &str, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let properties = OBJECTS.iter().find(|(name, _)| *name == kind);
    let (_, properties) = properties.expect("the table has all kinds");
    let Some(object) = value.as_object() else {
        wrong.push(format!("{at} is no object"));
        return;
    };
    let property = |text: &'static str| {
        let plain = text.trim_start_matches('!');
        let (name, kind) = plain.split_once(':').expect("a property has a kind");
        (name, kind, text.starts_with('!'))
    };
    for (name, _, required) in properties.iter().copied().map(property) {
        if required && !object.contains_key(name) {
            wrong.push(format!("{at} has no {name}"));
        }
    }
    for (key, value) in object {
        let known = properties.iter().copied().map(property);
        match known.into_iter().find(|(name, ..)| name == key) {
            Some((_, kind, _)) => check(kind, value, &format!("{at}.{key}"), wrong),
            None => wrong.push(format!("{at} has {key}, which the format does not know")),
        }
    }
}

/// What relates parts of a log to one another.
fn check_references(log: &Value, wrong: &mut Vec<String>) {
    for run in log["runs"].as_array().into_iter().flatten() {
        let none = Vec::new();
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap_or(&none);
        let mut ids: Vec<&str> = rules
            .iter()
            .filter_map(|rule| rule["id"].as_str())
            .collect();
        for result in run["results"].as_array().into_iter().flatten() {
            let index = result["ruleIndex"].as_u64().map(|index| index as usize);
            let named = index.and_then(|index| rules.get(index));
            if named.map(|rule| &rule["id"]) != Some(&result["ruleId"]) {
                wrong.push(format!("rule {index:?} is not {}", result["ruleId"]));
            }
        }
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        if ids.len() != all {
            wrong.push("two rules have one id".to_owned());
        }
    }
}

#[test]
fn the_log_is_what_the_format_wants() {
    let environment = common::environment();
    let base = Builder::new()
        .file("srv/x <y>|%", "x".repeat(5000))
        .file("tmp/ü", "left")
        .file("top", "t".repeat(100));
    let upper = Builder::new().whiteout("srv").whiteout("top");
    let layers = [("ADD base /", base.tar()), ("", upper.tar())];
    environment.write("app.tar", common::archive("app:1", &layers));
    let mut arguments = vec!["analyze", "docker-archive:app.tar", "--sarif", "log"];
    let _ = environment.run(&arguments).done();
    arguments.extend(["--max-wasted", "1kB", "--max-cause", "deleted=0"]);
    let log = |arguments: &[&str], code: i32| -> Value {
        assert_eq!(environment.run(arguments).code, code);
        let bytes = std::fs::read(environment.path("log")).expect("the log is written");
        serde_json::from_slice(&bytes).expect("it is JSON")
    };
    for (arguments, code, results) in [(&arguments[..4], 0, 3), (&arguments[..], 1, 5)] {
        let log = log(arguments, code);
        let mut wrong = Vec::new();
        check("log", &log, "log", &mut wrong);
        check_references(&log, &mut wrong);
        assert_eq!(wrong, Vec::<String>::new(), "{log:#}");
        let found = log["runs"][0]["results"].as_array().map(Vec::len);
        assert_eq!(found, Some(results), "{log:#}");
    }
}

#[test]
fn the_check_sees_what_is_wrong() {
    let log = serde_json::json!({
        "version": "2.1", "runs": [{
            "tool": { "driver": { "name": "", "rules": [{ "id": "a" }, { "id": "a" }] } },
            "results": [{
                "ruleId": "b", "ruleIndex": 1, "level": "bad", "note": 1,
                "locations": [{ "physicalLocation": { "artifactLocation": { "uri": "a b%2" } } }],
            }],
        }],
    });
    let mut wrong = Vec::new();
    check("log", &log, "log", &mut wrong);
    check_references(&log, &mut wrong);
    wrong.sort();
    assert_eq!(
        wrong,
        [
            "log.runs[0].results[0] has no message",
            "log.runs[0].results[0] has note, which the format does not know",
            "log.runs[0].results[0].level is no level: \"bad\"",
            "log.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri is no uri: \"a b%2\"",
            "log.runs[0].tool.driver.name is no string: \"\"",
            "log.version is no version: \"2.1\"",
            "rule Some(1) is not \"b\"",
            "two rules have one id",
        ]
    );
}
