//! What a listener shows its clients, and what it asks of them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use webpki::EndEntityCert;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::super::model::{ListenerTls, Shown};
use super::super::raw::{RawListenerTls, RawPair};
use super::super::report::Report;
use super::pem::{self, Pair, Part, Unusable};
use super::{digest, half, tell, text};

/// Protocols that a client may choose by ALPN (RFC 7301), the first liked best.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Reads what `tls` of a listener names; `None` if something is wrong, all of which is noted.
pub(in crate::config) fn listener(
    written: &RawListenerTls,
    directory: Option<&Path>,
    report: &mut Report,
) -> Option<ListenerTls> {
    let pairs = std::iter::once(&written.first).chain(&written.more);
    let mut texts = Vec::new();
    let read: Vec<Option<CertifiedKey>> = pairs
        .map(|pair| certified(pair, &mut texts, directory, report))
        .collect();
    let client_ca = text(
        written.client_ca.as_ref(),
        "the authority of clients' certificates",
        directory,
        report,
    );
    let certified = read.into_iter().collect::<Option<Vec<_>>>()?;
    let shown = certified.iter().map(shown).collect();
    let client_ca = client_ca?;
    texts.push(client_ca.clone());
    let roots = client_ca.as_deref().map(pem::given_roots).transpose();
    match roots.and_then(|roots| server(certified, roots)) {
        Ok(config) => Some(ListenerTls {
            config: Arc::new(config),
            shown,
            digest: digest(&texts),
        }),
        Err(unusable) => {
            let client_ca = written.client_ca.as_ref();
            tell(unusable, (client_ca, None, None), &written.place, report);
            None
        }
    }
}

/// A certificate with its key; what their files hold is added to `read`.
fn certified(
    pair: &RawPair,
    read: &mut Vec<Option<String>>,
    directory: Option<&Path>,
    report: &mut Report,
) -> Option<CertifiedKey> {
    let (certificate, key) = (pair.certificate.as_ref(), pair.key.as_ref());
    let texts = (
        text(certificate, "the certificate", directory, report),
        text(key, "the key of the certificate", directory, report),
    );
    match texts {
        (Some(Some(certificate_text)), Some(Some(key_text))) => {
            read.extend([Some(certificate_text.clone()), Some(key_text.clone())]);
            let own = Pair {
                certificate: &certificate_text,
                key: &key_text,
            };
            match pem::certified(own) {
                Ok(certified) => Some(certified),
                Err(unusable) => {
                    tell(unusable, (None, certificate, key), &pair.place, report);
                    None
                }
            }
        }
        (Some(Some(_)), Some(None)) => half(certificate, ("certificate", "key"), report),
        (Some(None), Some(Some(_))) => half(key, ("key", "certificate"), report),
        (Some(None), Some(None)) => {
            let problem = report.error(&pair.place, "`tls` has no `certificate`");
            problem.cause("clients are to see who they speak to");
            problem.fix("write `tls: { certificate: tls.crt, key: tls.key }`");
            None
        }
        (None, _) | (_, None) => None,
    }
}

fn server(certified: Vec<CertifiedKey>, clients: Option<RootCertStore>) -> Result<ServerConfig, Unusable> {
    let unusable = |cause: String| Unusable {
        part: Part::Roots,
        title: "clients' certificates cannot be checked".to_owned(),
        cause,
        fix: "name the certificate of the authority that signed those of clients",
    };
    let provider = pem::provider();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| unusable(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName::new(certified)));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// Shows the certificate that is for the name a client asks for (SNI, RFC 6066 §3), else the first.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ByName {
    fn new(certified: Vec<CertifiedKey>) -> Self {
        Self(certified.into_iter().map(Arc::new).collect())
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let named = name.and_then(|name| {
            let name = ServerName::try_from(name).ok()?;
            self.0.iter().find(|own| is_for(own, &name))
        });
        named.or(self.0.first()).cloned()
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}

fn is_for(own: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = own
        .cert
        .first()
        .and_then(|leaf| EndEntityCert::try_from(leaf).ok());
    leaf.is_some_and(|leaf| leaf.verify_is_valid_for_subject_name(name).is_ok())
}

/// What is told of a certificate.
fn shown(own: &CertifiedKey) -> Shown {
    let leaf = own.cert.first();
    let name = leaf.and_then(|leaf| EndEntityCert::try_from(leaf).ok());
    let name = name.and_then(|leaf| leaf.valid_dns_names().next().map(str::to_owned));
    Shown {
        name: name.unwrap_or_default(),
        expires: leaf.and_then(expires),
    }
}

/// Until when a certificate is valid (RFC 5280 §4.1.2.5).
fn expires(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    let seconds = u64::try_from(read.validity().not_after.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn own(names: &[&str]) -> CertifiedKey {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 5, 6);
        let certificate = params.self_signed(&key).unwrap();
        pem::certified(Pair {
            certificate: &certificate.pem(),
            key: &key.serialize_pem(),
        })
        .unwrap()
    }

    #[test]
    fn the_certificate_for_the_name_is_shown_and_else_the_first() {
        let resolver = ByName::new(vec![own(&["a.test"]), own(&["b.test", "*.c.test"])]);
        for (name, expected) in [
            (Some("a.test"), 0),
            (Some("b.test"), 1),
            (Some("x.c.test"), 1),
            (Some("c.test"), 0),
            (Some("other.test"), 0),
            (None, 0),
        ] {
            let found = resolver.find(name).unwrap();
            assert!(Arc::ptr_eq(&found, &resolver.0[expected]), "{name:?}");
        }
    }

    #[test]
    fn a_certificate_says_whom_it_is_for_and_until_when() {
        let shown = shown(&own(&["b.test", "a.test"]));
        assert_eq!(shown.name, "b.test");
        let until = shown
            .expires
            .unwrap()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        assert_eq!(until.as_secs(), 1_935_792_000);
    }
}
