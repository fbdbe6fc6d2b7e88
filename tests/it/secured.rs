//! TLS and HTTP/2 on both sides, and sockets in the file system.

mod drains;
mod http2;
mod origins;
mod raw;
mod refused;
mod sockets;
mod streams;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Answers to GET are stored for an hour.
const RULES: &str = "rules:\n  - { name: all, match: 'GET /**', ttl: 1h }\n";

/// An authority, and a directory for what it signs.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.crt"), issuer.pem()).unwrap();
        Authority { issuer, directory }
    }

    /// Signs a certificate for `name`; its files are `NAME.crt` and `NAME.key`.
    fn sign(&self, name: &str) {
        self.sign_until(name, 2126);
    }

    /// The same, valid until a year begins.
    fn sign_until(&self, name: &str, year: i32) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(&format!("{name}.crt")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// `certificate: ..., key: ...` for what was signed for `name`.
    fn pair(&self, name: &str) -> String {
        let file = |end: &str| self.path(&format!("{name}.{end}")).display().to_string();
        format!("certificate: {}, key: {}", file("crt"), file("key"))
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// A client that trusts this authority, and shows what was signed for `own`.
    fn client(&self, protocols: &[&str], own: Option<&str>) -> TlsConnector {
        client(self.roots(), protocols, own.map(|name| self.read(name)))
    }

    /// What a server shows that has what was signed for `name`, and speaks `protocols`.
    fn server(&self, name: &str, protocols: &[&str]) -> TlsAcceptor {
        let (chain, key) = self.read(name);
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = names(protocols);
        TlsAcceptor::from(Arc::new(config))
    }

    fn read(&self, name: &str) -> Pair {
        let text = |path: &Path| std::fs::read(path).unwrap();
        let certificate = text(&self.path(&format!("{name}.crt")));
        let key = text(&self.path(&format!("{name}.key")));
        (
            vec![CertificateDer::from_pem_slice(&certificate).unwrap()],
            PrivateKeyDer::from_pem_slice(&key).unwrap(),
        )
    }
}

/// A certificate with its key.
type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A client that trusts `roots`, and shows a certificate of its own if it has one.
fn client(roots: RootCertStore, protocols: &[&str], own: Option<Pair>) -> TlsConnector {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
    };
    config.alpn_protocols = names(protocols);
    TlsConnector::from(Arc::new(config))
}

fn names(protocols: &[&str]) -> Vec<Vec<u8>> {
    protocols.iter().map(|name| name.as_bytes().to_vec()).collect()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

async fn handshake(
    connector: &TlsConnector,
    address: SocketAddr,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    connector
        .connect(ServerName::try_from(name.to_owned()).unwrap(), stream)
        .await
}
