//! `jettison images`.

mod common;

use common::{environment, with_start};

#[test]
fn an_empty_store() {
    let environment = environment();
    assert_eq!(
        environment.run(&["images"]).to_string(),
        "NAME   IMAGE ID   CREATED   PLATFORM   COMPRESSED\n--- exit 0\n"
    );
    assert_eq!(
        environment.run(&["images", "--json"]).to_string(),
        "[]\n--- exit 0\n"
    );
}

#[test]
fn a_table_and_ids() {
    let environment = with_start();
    let _ = environment.run(&["copy", "oci:zstd", "app:1"]).done();
    assert_eq!(
        environment.run(&["images"]).to_string(),
        "\
NAME      IMAGE ID       CREATED      PLATFORM      COMPRESSED
start:1   91f91b1fd9dd   1970-01-01   linux/amd64   313B
app:1     4f366547de56                linux/amd64   255B
--- exit 0
"
    );
    assert_eq!(
        environment.run(&["images", "--ids"]).to_string(),
        "91f91b1fd9dd\n4f366547de56\n--- exit 0\n"
    );
}

#[test]
fn as_json() {
    let environment = environment();
    let _ = environment.run(&["copy", "oci:zstd", "app:1"]).done();
    assert_eq!(
        environment.run(&["images", "--json"]).to_string(),
        r#"[
  {
    "name": "app:1",
    "id": "sha256:4f36…",
    "digest": "sha256:7ae8…",
    "created": "",
    "platform": "linux/amd64",
    "compressed": 255,
    "layers": [
      {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd",
        "digest": "sha256:3723…",
        "size": 138
      },
      {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd",
        "digest": "sha256:5746…",
        "size": 117
      }
    ]
  }
]
--- exit 0
"#
    );
}
