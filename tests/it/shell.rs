//! Commands for shells, editors and whoever asks what this is: `version`, `schema`,
//! `completions`, `man`; and what the build says of itself.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::process::run;
use crate::support::{LarderProcess, TestOrigin};

/// What a command prints when it succeeds.
async fn printed(arguments: &[&str]) -> String {
    let ended = run(arguments).await;
    let text = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {text}");
    assert!(ended.stderr.is_empty(), "{arguments:?}");
    text
}

/// The commands, and the long flags of each, as `--help` shows them.
async fn commands() -> Vec<(String, Vec<String>)> {
    let help = printed(&["--help"]).await;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    let mut commands = Vec::new();
    for name in names {
        let help = printed(&[name, "--help"]).await;
        let lines = help.lines().map(str::trim_start);
        let flags: Vec<String> = lines
            .filter(|line| line.starts_with('-'))
            .filter_map(|line| line.split([' ', ',', '=']).find(|word| word.starts_with("--")))
            .map(str::to_owned)
            .collect();
        commands.push((name.to_owned(), flags));
    }
    let known = |name: &str, flag: &str| {
        commands
            .iter()
            .any(|(command, flags)| command == name && flags.iter().any(|f| f == flag))
    };
    assert!(
        known("serve", "--drain-timeout") && known("purge", "--soft") && known("man", "--dir"),
        "{commands:?}"
    );
    commands
}

#[tokio::test]
async fn the_version_is_said_for_people_and_for_programs() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(printed(&["--version"]).await, format!("larder {version}\n"));
    let text = printed(&["version"]).await;
    assert_eq!(
        text.lines().next(),
        Some(format!("larder {version}").as_str()),
        "{text}"
    );

    let said: Value = serde_json::from_str(&printed(&["version", "--json"]).await).unwrap();
    assert_eq!(said["name"], "larder");
    assert_eq!(said["version"], version);
    assert_eq!(said["tls"]["provider"], "ring");
    assert!(
        said["features"].as_array().unwrap().contains(&"redis".into()),
        "{said}"
    );
    let triple = said["target"].as_str().unwrap();
    assert!(triple.starts_with(std::env::consts::ARCH), "{said}");
    let (compiler, oldest) = (said["rustc"].as_str().unwrap(), said["msrv"].as_str().unwrap());
    assert!(numbers(compiler) >= numbers(oldest), "{said}");
    for word in [
        compiler,
        oldest,
        triple,
        said["commit"].as_str().unwrap_or("unknown"),
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|number| number.parse().ok())
        .collect()
}

#[tokio::test]
async fn what_runs_says_the_same_of_itself() {
    let said: Value = serde_json::from_str(&printed(&["version", "--json"]).await).unwrap();
    let commit = said["commit"].as_str().unwrap_or("unknown");
    let origin = TestOrigin::start().await;
    let larder = LarderProcess::start("", &origin.url()).await;
    let first: Value = serde_json::from_str(&larder.first).unwrap();
    assert_eq!(first["commit"], commit, "{first}");
}

#[tokio::test]
async fn the_schema_is_the_file_of_the_repository() {
    let schema = printed(&["schema"]).await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schema.json");
    assert_eq!(schema, fs::read_to_string(file).unwrap());
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[tokio::test]
async fn every_shell_completes_every_command_and_flag() {
    let commands = commands().await;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]).await;
        for (name, flags) in &commands {
            assert!(script.contains(name.as_str()), "{shell}: {name}");
            for flag in flags {
                let word = if shell == "fish" {
                    format!("-l {}", flag.trim_start_matches('-'))
                } else {
                    flag.clone()
                };
                assert!(script.contains(&word), "{shell}: {name} {word}");
            }
        }
    }
    let ended = run(&["completions", "tcsh"]).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stdout.is_empty());
}

#[tokio::test]
async fn bash_completes_what_was_begun() {
    let script = printed(&["completions", "bash"]).await;
    let asks = r#"
        COMP_WORDS=(larder pu) COMP_CWORD=1; _larder larder pu larder; echo "${COMPREPLY[@]}"
        COMP_WORDS=(larder serve --drain) COMP_CWORD=2; _larder larder --drain serve; echo "${COMPREPLY[@]}"
    "#;
    let ended = Command::new("bash")
        .args(["--norc", "-c", &format!("{script}\n{asks}")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(text, "purge\n--drain-delay --drain-timeout\n", "{ended:?}");
}

/// A manual page as it is meant: hyphens without their backslashes.
fn plain(page: &str) -> String {
    page.replace("\\-", "-")
}

#[tokio::test]
async fn manual_pages_name_every_command_and_every_flag() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("share/man/man1");
    assert_eq!(printed(&["man", "--dir", into.to_str().unwrap()]).await, "");
    let all = printed(&["man"]).await;
    assert_eq!(fs::read_to_string(into.join("larder.1")).unwrap(), all);
    let commands = commands().await;
    for (name, flags) in &commands {
        let page = printed(&["man", name]).await;
        assert!(
            plain(&all).contains(&format!("larder-{name}(1)")),
            "{name} in {all}"
        );
        let file = into.join(format!("larder-{name}.1"));
        assert_eq!(fs::read_to_string(file).unwrap(), page, "{name}");
        let title = page.lines().find(|line| line.starts_with(".TH")).unwrap();
        assert!(
            title.contains(concat!("larder ", env!("CARGO_PKG_VERSION"))),
            "{title}"
        );
        for flag in flags {
            assert!(plain(&page).contains(flag.as_str()), "{name} {flag}: {page}");
        }
    }
    assert_eq!(fs::read_dir(&into).unwrap().count(), commands.len() + 1);
}

#[tokio::test]
async fn a_page_that_cannot_be_had_is_an_error() {
    let ended = run(&["man", "srve"]).await;
    assert_eq!(ended.status.code(), Some(2));
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        text.contains("there is no command `srve`; there are serve, check"),
        "{text}"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    let ended = run(&["man", "--dir", file.path().to_str().unwrap()]).await;
    assert_eq!(ended.status.code(), Some(2));
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(text.contains("cannot write into"), "{text}");
}

/// The build script, compiled and run by itself where a test wants it.
struct BuildScript {
    directory: tempfile::TempDir,
}

impl BuildScript {
    fn compiled() -> BuildScript {
        let directory = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
        let compiled = Command::new(rustc())
            .args(["--edition", "2024", "-o"])
            .arg(directory.path().join("script"))
            .arg(source)
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{compiled:?}");
        let package = directory.path().join("package");
        fs::create_dir(&package).unwrap();
        BuildScript { directory }
    }

    /// What it says in the directory `inside` the package, as part of a build of `profile`.
    fn says(&self, inside: &str, profile: &str, more: &[(&str, &str)]) -> Vec<String> {
        let mut command = Command::new(self.directory.path().join("script"));
        command
            .current_dir(self.directory.path().join("package").join(inside))
            .env_remove("LARDER_COMMIT")
            .env("GIT_CEILING_DIRECTORIES", self.directory.path())
            .envs([("PROFILE", profile), ("TARGET", "some-target")])
            .env("RUSTC", rustc())
            .envs(more.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn git(&self, arguments: &[&str]) -> Output {
        let output = Command::new("git")
            .current_dir(self.directory.path().join("package"))
            .env("GIT_CEILING_DIRECTORIES", self.directory.path())
            .args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output
    }
}

/// The compiler of this test, whatever directory it is run in.
fn rustc() -> String {
    std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned())
}

/// The commit that a build is told.
fn commit(said: &[String]) -> &str {
    let mut commits = said
        .iter()
        .filter_map(|line| line.strip_prefix("cargo::rustc-env=LARDER_BUILD_COMMIT="));
    let commit = commits.next().unwrap();
    assert_eq!(commits.next(), None, "{said:?}");
    commit
}

fn watched(said: &[String]) -> Vec<&str> {
    said.iter()
        .filter_map(|line| line.strip_prefix("cargo::rerun-if-changed="))
        .collect()
}

#[test]
fn the_build_knows_its_commit_where_there_is_one_to_know() {
    let script = BuildScript::compiled();
    let given = [("LARDER_COMMIT", "v1-abc\n")];

    let said = script.says("", "release", &[]);
    assert_eq!(commit(&said), "", "no repository: {said:?}");
    assert!(said.contains(&"cargo::rustc-env=LARDER_BUILD_TARGET=some-target".to_owned()));
    assert!(said.contains(&"cargo::rerun-if-env-changed=LARDER_COMMIT".to_owned()));
    assert_eq!(commit(&script.says("", "release", &given)), "v1-abc");
    assert_eq!(commit(&script.says("", "debug", &given)), "v1-abc");
    let no_git = [("PATH", "/nowhere")];
    assert_eq!(commit(&script.says("", "release", &no_git)), "", "no git");

    script.git(&["init", "-q", "-b", "some/branch"]);
    assert_eq!(commit(&script.says("", "release", &[])), "", "no commit yet");
    script.git(&["commit", "-q", "--allow-empty", "-m", "one"]);
    let head = String::from_utf8(script.git(&["rev-parse", "HEAD"]).stdout).unwrap();
    let said = script.says("", "release", &[]);
    assert_eq!(commit(&said), head.trim());
    assert_eq!(commit(&said).len(), 40, "{said:?}");
    assert_eq!(said, script.says("", "release", &[]), "the same each time");
    assert_eq!(commit(&script.says("", "release", &given)), "v1-abc");
    assert_eq!(
        watched(&said),
        [
            "build.rs",
            ".git/HEAD",
            ".git/logs/HEAD",
            ".git/refs/heads/some/branch"
        ]
    );
    // A path that is not there would have cargo build every time.
    script.git(&["pack-refs", "--all"]);
    let said = script.says("", "release", &[]);
    assert_eq!(commit(&said), head.trim());
    assert_eq!(watched(&said), ["build.rs", ".git/HEAD", ".git/logs/HEAD"]);

    let said = script.says("", "debug", &[]);
    assert_eq!((commit(&said), watched(&said)), ("", vec!["build.rs"]));
    fs::create_dir(script.directory.path().join("package/vendored")).unwrap();
    let said = script.says("vendored", "release", &[]);
    assert_eq!((commit(&said), watched(&said)), ("", vec!["build.rs"]));
}

/// The quoted words of the lines of `deny.toml` that begin so.
fn banned() -> Vec<String> {
    let file = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let (_, list) = file.split_once("\ndeny = [\n").unwrap();
    let (list, _) = list.split_once("\n]").unwrap();
    list.lines()
        .filter_map(|line| line.split('"').nth(1).map(str::to_owned))
        .collect()
}

#[test]
fn there_is_one_tls_provider() {
    let banned = banned();
    for name in ["openssl", "native-tls", "aws-lc-rs"] {
        assert!(banned.iter().any(|banned| banned == name), "{name} in {banned:?}");
    }
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let in_tree = |name: &str| lock.lines().any(|line| line == format!("name = \"{name}\""));
    assert!(in_tree("ring") && in_tree("rustls"));
    let found: Vec<&String> = banned.iter().filter(|name| in_tree(name)).collect();
    assert!(found.is_empty(), "{found:?}");
}
