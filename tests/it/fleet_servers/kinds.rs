//! Every kind of URL leads two pods to the same entries and the same log.

use std::path::PathBuf;

use larder::redis::commands;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use super::Fleet;
use crate::support::TestRedis;

/// Certificates as files: an authority's, and one signed by it for servers and one for clients.
struct Papers {
    directory: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Papers {
    fn new() -> Papers {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let papers = Papers {
            directory: tempfile::tempdir().unwrap(),
            authority,
        };
        papers.write("ca.crt", &papers.authority.pem());
        for (name, of) in [("server", "127.0.0.1"), ("client", "pod")] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![of.to_owned()]).unwrap();
            // With the authority's own name OpenSSL would take it for one that signed itself.
            params.distinguished_name.push(DnType::CommonName, of);
            let certificate = params.signed_by(&key, &papers.authority).unwrap();
            papers.write(&format!("{name}.crt"), &certificate.pem());
            papers.write(&format!("{name}.key"), &key.serialize_pem());
        }
        papers
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// Allows a user what the product's list names, as far as this server knows it, on its keys.
async fn allow(redis: &TestRedis, user: &str, password: &str) {
    let password = format!(">{password}");
    let begin = ["ACL", "SETUSER", user, "reset", "on", &password, "~larder:*"];
    redis.done(&begin).await;
    for command in commands::LIST {
        redis
            .command(&["ACL", "SETUSER", user, &format!("+{command}")])
            .await;
    }
}

/// The keys of the section that name a user, and where the password is.
fn by_password(papers: &Papers) -> String {
    let file = papers.shown("password");
    format!(", username: larder, password_file: \"{file}\"")
}

/// Two pods share through this URL, in this database, and nothing is refused.
async fn shares(url: &str, more: &str, redis: &TestRedis, database: &str) {
    println!("{url}");
    let fleet = Fleet::start(url, more).await;
    let mut client = redis.client().await;
    client.command(&["SELECT", database]).await.unwrap();
    let log = client.command(&["EXISTS", "larder:{shop}:log"]).await.unwrap();
    assert_eq!(log.int(), 1, "{url}");
    let size = client.command(&["DBSIZE"]).await.unwrap().int();
    assert!(size > 3, "{url}: entries beside the log: {size}");
    for pod in fleet.pods.iter() {
        for result in ["no-permission", "wrong-database", "other"] {
            let of = [("result", result)];
            let count = pod.metric("larder_redis_operations_total", &of).await;
            assert_eq!(count, 0.0, "{url}: {result}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pods_share_through_each_kind_of_url() {
    let papers = Papers::new();
    papers.write("password", "secret\n");
    let redis = TestRedis::start().await;
    println!("Redis {}", redis.info_field("server", "redis_version").await);
    allow(&redis, "larder", "secret").await;
    let (at, socket) = (redis.address(), redis.socket());
    let socket = socket.display();
    for (url, more, database) in [
        (format!("redis://{at}"), String::new(), "0"),
        (format!("redis://{at}/3"), String::new(), "3"),
        (format!("redis+unix://{socket}?db=4"), String::new(), "4"),
        (format!("redis://{at}/5"), by_password(&papers), "5"),
        (format!("redis://larder:secret@{at}/6"), String::new(), "6"),
    ] {
        shares(&url, &more, &redis, database).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pods_share_over_tls_with_certificates_of_their_own() {
    let papers = Papers::new();
    papers.write("password", "secret\n");
    let (certificate, key) = (papers.path("server.crt"), papers.path("server.key"));
    let redis = TestRedis::build()
        .tls(&certificate, &key, Some(&papers.path("ca.crt")))
        .start()
        .await;
    allow(&redis, "larder", "secret").await;
    let by_certificate = format!(
        ", tls: {{ ca: \"{}\", certificate: \"{}\", key: \"{}\" }}",
        papers.shown("ca.crt"),
        papers.shown("client.crt"),
        papers.shown("client.key"),
    );
    let both = format!("{by_certificate}{}", by_password(&papers));
    let at = redis.tls_address();
    shares(&format!("rediss://{at}"), &by_certificate, &redis, "0").await;
    shares(&format!("rediss://{at}/7"), &both, &redis, "7").await;
}
