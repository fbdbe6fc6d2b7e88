//! What others than Larder read of it: curl, Python's standard library, Brotli as browsers have it
//! (Node), and the reference Zstandard within the window that browsers allow (RFC 9659).

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::{JSON, RULES, text};
use crate::support::{Answer, Gate, TestLarder, TestOrigin};

const PYTHON: &str = "
import gzip, sys, urllib.request
asked = urllib.request.Request(sys.argv[1], headers={'Accept-Encoding': 'gzip'})
with urllib.request.urlopen(asked) as answer:
    assert answer.headers['Content-Encoding'] == 'gzip', answer.headers
    sys.stdout.buffer.write(gzip.decompress(answer.read()))
";

const NODE: &str = "
const [url, coding] = process.argv.slice(1);
require('http').get(url, {headers: {'Accept-Encoding': coding}}, (answer) => {
    if (answer.headers['content-encoding'] !== coding) throw new Error(JSON.stringify(answer.headers));
    const zlib = require('zlib');
    answer.pipe(coding === 'br' ? zlib.createBrotliDecompress() : zlib.createGunzip()).pipe(process.stdout);
});
";

/// What a program prints; Larder answers meanwhile.
async fn run(program: &'static str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output
        .expect("a thread")
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    content(program, output)
}

fn content(program: &str, output: Output) -> Vec<u8> {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    output.stdout
}

#[tokio::test]
async fn curl_python_node_and_zstd_read_every_coding() {
    let origin = TestOrigin::start().await;
    let list = text(1_500_000);
    let sent = list.clone();
    origin.on("/list", move |_| Answer::ok(sent.clone()).field(JSON.0, JSON.1));
    let open = Gate::shut();
    open.open();
    let (sent, gate) = (list.clone(), open);
    // As a stream that pauses: coded piece by piece, and flushed.
    origin.on("/feed", move |_| {
        let mut answer = Answer::status(200).field(JSON.0, JSON.1);
        for piece in sent.chunks(40_000) {
            answer = answer.chunk(piece.to_vec()).wait(&gate);
        }
        answer
    });
    let passed = "  - { match: 'GET /feed', cache: false }\n";
    let larder = TestLarder::start(&format!("{RULES}{passed}"), &origin).await;
    for path in ["/list", "/feed"] {
        let url = format!("http://{}{path}", larder.address());
        // Twice: as it is coded, and as it is kept.
        for _ in 0..2 {
            for coding in ["gzip", "br", "zstd"] {
                let accepts = format!("Accept-Encoding: {coding}");
                let read = run("curl", &["-sS", "--fail", "--compressed", "-H", &accepts, &url]).await;
                assert!(read == list, "curl {coding}");
                let raw = run("curl", &["-sS", "--fail", "-H", &accepts, &url]).await;
                assert!(raw.len() < list.len() / 2, "{coding} {}", raw.len());
                if coding == "zstd" {
                    assert!(zstd(&raw) == list);
                } else {
                    assert!(
                        run("node", &["-e", NODE, &url, coding]).await == list,
                        "node {coding}"
                    );
                }
            }
            assert!(run("python3", &["-c", PYTHON, &url]).await == list, "python");
        }
    }
}

fn zstd(coded: &[u8]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(coded).expect("room");
    let output = Command::new("zstd")
        .args(["-d", "-c", "-M8MiB", "-q"])
        .arg(file.path())
        .output()
        .expect("zstd");
    content("zstd", output)
}
