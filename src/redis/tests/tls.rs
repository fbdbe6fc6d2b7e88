//! Servers that speak TLS.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;

use super::process::{Process, shown, strings};
use super::*;
use crate::config::RedisTls;
use crate::redis::FailureKind;
use crate::redis::wire::Wire;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn trusted(&self) -> RedisTls {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        RedisTls {
            config: Arc::new(config),
            digest: 0,
        }
    }

    fn server(&self, name: &str, clients: &str) -> Process {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Process::tcp(|folder, port| {
            let write = |name: &str, text: String| {
                let path = folder.path().join(name);
                std::fs::write(&path, text).unwrap();
                shown(path)
            };
            let mut arguments = strings(&["--port", "0", "--tls-port", &port.to_string()]);
            arguments.extend(strings(&["--tls-auth-clients", clients]));
            for (option, value) in [
                ("--tls-ca-cert-file", write("ca.crt", self.0.pem())),
                ("--tls-cert-file", write("server.crt", certificate.pem())),
                ("--tls-key-file", write("server.key", key.serialize_pem())),
            ] {
                arguments.extend([option.to_owned(), value]);
            }
            arguments
        })
    }
}

async fn refusal(address: &RedisAddress, tls: Option<RedisTls>) -> crate::redis::Failure {
    let settings = config::Redis { tls, ..one(address) };
    let opened = Wire::open_to_master(&context(settings), address).await;
    opened.map(|_| ()).unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_asked_over_tls_if_its_certificate_is_right() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1", "no");
    let redis = connected(config::Redis {
        tls: Some(authority.trusted()),
        ..one(&server.address)
    })
    .await;
    let big = "x".repeat(3_000_000);
    let reply = ask(&redis, "a", [set("a", &big), get("a")]).await.unwrap();
    assert_eq!(reply.values[1].as_ref().unwrap(), &text(&big));

    let stranger = refusal(&server.address, Some(Authority::new().trusted())).await;
    assert_eq!(stranger.kind, FailureKind::Tls, "{stranger}");
    assert!(
        stranger.detail.contains("certificate is not accepted"),
        "{stranger}"
    );

    let plain = refusal(&server.address, None).await;
    assert!(
        matches!(plain.kind, FailureKind::Protocol | FailureKind::Closed),
        "{plain}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_names_wanted_certificates_and_ports_in_clear_are_told_apart() {
    let authority = Authority::new();
    let other_name = authority.server("redis.example", "no");
    let failure = refusal(&other_name.address, Some(authority.trusted())).await;
    assert_eq!(failure.kind, FailureKind::Tls, "{failure}");
    assert!(
        failure.detail.contains("certificate is not accepted"),
        "{failure}"
    );

    let wants = authority.server("127.0.0.1", "yes");
    let failure = refusal(&wants.address, Some(authority.trusted())).await;
    // What it says of the certificate may be lost in the end of the connection.
    assert!(
        matches!(failure.kind, FailureKind::Tls | FailureKind::Closed),
        "{failure}"
    );
    assert!(failure.detail.contains("client certificate"), "{failure}");

    let plain = Process::plain_tcp(&[]);
    let failure = refusal(&plain.address, Some(authority.trusted())).await;
    assert!(
        matches!(failure.kind, FailureKind::Tls | FailureKind::Timeout),
        "{failure}"
    );
    assert!(failure.detail.contains("speak TLS"), "{failure}");
}
