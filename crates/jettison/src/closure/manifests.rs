//! Files that are there for who builds, installs, checks or starts an application, and not for the application.

/// Manifests and settings of tools: of npm, TypeScript and Composer; of Python's build tools (pyproject.toml
/// specification, setuptools, Pipfile) and checkers (tox, pytest, mypy); of Cargo; of Compose, which starts other
/// images.
const MANIFESTS: &[&[u8]] = &[
    b"package.json",
    b"tsconfig.json",
    b"jsconfig.json",
    b"composer.json",
    b"pyproject.toml",
    b"setup.cfg",
    b"Pipfile",
    b"tox.ini",
    b"pytest.ini",
    b"mypy.ini",
    b"Cargo.toml",
    b"docker-compose.yml",
    b"docker-compose.yaml",
    b"compose.yml",
    b"compose.yaml",
];

/// What tells builders and services how to make an image or to test (dockerfile(5), containerignore(5), GitLab's and
/// Jenkins' manuals): commands that run somewhere else, or ran before.
const RECIPES: &[&[u8]] = &[
    b"Dockerfile",
    b"Containerfile",
    b".dockerignore",
    b".containerignore",
    b".gitlab-ci.yml",
    b".travis.yml",
    b"Jenkinsfile",
];
/// How recipes for more than one image are named.
const RECIPES_OF_SEVERAL: [&[u8]; 2] = [b"Dockerfile.", b"Containerfile."];

/// Endings of what installers note for themselves, with the paths of all that they installed (package-lock.json(5),
/// pnpm, pkg-js-tools of Debian).
const LOCKS: &[&[u8]] = &[b"-lock.json", b"-lock.yaml", b"npm-shrinkwrap.json"];

/// Returns whether a file of this name tells tools of developers what to do.
pub(super) fn is_manifest(name: &[u8]) -> bool {
    MANIFESTS.contains(&name) || is_lock(name)
}

/// Returns whether a file of this name says how an image is made or tested.
pub(super) fn is_recipe(name: &[u8]) -> bool {
    let is_one_of_several = RECIPES_OF_SEVERAL
        .iter()
        .any(|begin| name.starts_with(begin))
        || name.to_ascii_lowercase().ends_with(b".dockerfile");
    RECIPES.contains(&name) || is_one_of_several
}

/// Returns whether a file of this name is what an installer noted for itself.
pub(super) fn is_lock(name: &[u8]) -> bool {
    LOCKS.iter().any(|ending| name.ends_with(ending))
}
