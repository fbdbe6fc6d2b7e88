//! From the text of certificates and keys to how connections are secured.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};

/// A certificate and its key, as PEM.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub certificate: &'a str,
    pub key: &'a str,
}

/// Who is on the other side, for messages.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Peer {
    /// Its name.
    pub name: &'static str,
    /// How to do without TLS.
    pub in_clear: &'static str,
}

/// Which of the parts is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The authorities whose certificates the other side may have.
    Roots,
    /// The certificate.
    Certificate,
    /// The key of the certificate.
    Key,
}

/// Why connections cannot be secured.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    pub part: Part,
    pub title: String,
    pub cause: String,
    pub fix: &'static str,
}

fn unusable(part: Part, title: impl Into<String>, cause: impl Into<String>, fix: &'static str) -> Unusable {
    Unusable {
        part,
        title: title.into(),
        cause: cause.into(),
        fix,
    }
}

/// Servers must have a certificate that one of `roots` vouches for; they see that of `own`.
pub(super) fn client(
    roots: RootCertStore,
    own: Option<Pair<'_>>,
    peer: Peer,
) -> Result<ClientConfig, Unusable> {
    let broken = |error: rustls::Error| {
        let title = format!("connections to {} cannot be secured", peer.name);
        unusable(Part::Roots, title, error.to_string(), peer.in_clear)
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        .with_root_certificates(roots);
    let Some(own) = own else {
        return Ok(builder.with_no_client_auth());
    };
    let (chain, key) = parts(own)?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| not_together(error, peer.name))
}

/// What a server shows: a certificate with its key.
pub(super) fn certified(own: Pair<'_>) -> Result<CertifiedKey, Unusable> {
    let (chain, key) = parts(own)?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| not_together(error, "clients"))
}

/// Named, since what is installed for the process is not ours to rely on.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

type Parts = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn parts(own: Pair<'_>) -> Result<Parts, Unusable> {
    let chain = certificates(own.certificate, Part::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).map_err(|error| {
        if own.key.contains("ENCRYPTED") {
            let fix = "decrypt it: `openssl pkey -in key.pem -out plain.pem`";
            return unusable(
                Part::Key,
                "the key is encrypted",
                "nobody is there to type its password",
                fix,
            );
        }
        let fix = "write the path of a file with a line `-----BEGIN PRIVATE KEY-----`";
        unusable(Part::Key, "the file holds no private key", error.to_string(), fix)
    })?;
    Ok((chain, key))
}

fn not_together(error: rustls::Error, peer: &str) -> Unusable {
    match error {
        rustls::Error::InconsistentKeys(_) => unusable(
            Part::Key,
            "`key` is not the key of `certificate`",
            format!("they must be made for each other; {peer} would refuse the connection"),
            "name the key that the certificate was made with; the certificate of the pod comes first in its file",
        ),
        other => unusable(
            Part::Key,
            "`certificate` and `key` cannot be used",
            other.to_string(),
            "name a certificate and its key, both as PEM",
        ),
    }
}

/// The authorities of a PEM file.
pub(super) fn given_roots(pem: &str) -> Result<RootCertStore, Unusable> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, Part::Roots)? {
        roots.add(certificate).map_err(|error| {
            let fix = "name the certificate of the authority that signed the other side's";
            unusable(
                Part::Roots,
                "this certificate cannot be an authority's",
                error.to_string(),
                fix,
            )
        })?;
    }
    Ok(roots)
}

/// The authorities that the system trusts.
pub(super) fn system_roots() -> Result<RootCertStore, Unusable> {
    let found = rustls_native_certs::load_native_certs();
    let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    trusted(found.certs, &errors)
}

fn trusted(certificates: Vec<CertificateDer<'static>>, errors: &[String]) -> Result<RootCertStore, Unusable> {
    let mut roots = RootCertStore::empty();
    // One that cannot be used among a hundred is usual, and no reason to trust none.
    roots.add_parsable_certificates(certificates);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let cause = match errors.first() {
        Some(error) => error.clone(),
        None => "nothing says which certificate of a server to believe".to_owned(),
    };
    let fix =
        "name the authority's certificate as `tls: { ca: ca.crt }`, or install the package ca-certificates";
    Err(unusable(
        Part::Roots,
        "this system trusts no authority",
        cause,
        fix,
    ))
}

fn certificates(pem: &str, part: Part) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let fix = "write the path of a file with a line `-----BEGIN CERTIFICATE-----`";
    let none = |cause: String| unusable(part, "the file holds no certificate", cause, fix);
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(found) if found.is_empty() => Err(none("no part of it is a certificate as PEM".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(none(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["pod".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn a_certificate_goes_with_its_own_key_alone() {
        let ((certificate, key), (other, other_key)) = (pair(), pair());
        let roots = || given_roots(&format!("{certificate}{other}")).unwrap();
        assert_eq!(roots().len(), 2);
        let peer = Peer {
            name: "Redis",
            in_clear: "",
        };
        let with = |certificate, key| client(roots(), Some(Pair { certificate, key }), peer);
        assert!(
            with(&certificate, &key)
                .unwrap()
                .client_auth_cert_resolver
                .has_certs()
        );
        assert!(
            !client(roots(), None, peer)
                .unwrap()
                .client_auth_cert_resolver
                .has_certs()
        );
        for (certificate, key, part, title) in [
            (
                &*certificate,
                &*other_key,
                Part::Key,
                "`key` is not the key of `certificate`",
            ),
            (&key, &key, Part::Certificate, "the file holds no certificate"),
            (
                &certificate,
                &certificate,
                Part::Key,
                "the file holds no private key",
            ),
            (
                &certificate,
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                Part::Key,
                "the key is encrypted",
            ),
        ] {
            let error = with(certificate, key).unwrap_err();
            assert_eq!((error.part, error.title.as_str()), (part, title), "{error:?}");
        }
    }

    #[test]
    fn without_an_authority_nothing_is_trusted() {
        let error = trusted(Vec::new(), &["no such directory".to_owned()]).unwrap_err();
        assert_eq!(
            (error.part, error.cause.as_str()),
            (Part::Roots, "no such directory")
        );
        let broken = CertificateDer::from(vec![1, 2, 3]);
        assert!(trusted(vec![broken], &[]).is_err());
        assert_eq!(
            given_roots("").unwrap_err().title,
            "the file holds no certificate"
        );
        let (certificate, _) = pair();
        let good = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let broken = CertificateDer::from(vec![1, 2, 3]);
        assert_eq!(trusted(vec![broken, good], &[]).unwrap().len(), 1);
    }
}
