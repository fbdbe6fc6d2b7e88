//! Listeners and origins with certificates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::{Authority, RULES, client, handshake};
use crate::support::{Answer, Http2Client, TestLarder, TestOrigin};

fn listen(tls: &str) -> String {
    format!("listen:\n  - address: 127.0.0.1:0\n    tls: {{ {tls} }}\n{RULES}")
}

/// One HTTP/1.1 request on a connection of its own.
async fn ask(mut io: impl AsyncReadExt + AsyncWriteExt + Unpin) -> std::io::Result<String> {
    let request = "GET /x HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
    io.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    io.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn clients_of_both_versions_over_tls_have_one_cache() {
    let authority = Authority::new();
    authority.sign("shop.test");
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("here"));
    let larder = TestLarder::start(&listen(&authority.pair("shop.test")), &origin).await;
    for protocols in [&[][..], &["http/1.1"]] {
        let connector = authority.client(protocols, None);
        let io = handshake(&connector, larder.address(), "shop.test")
            .await
            .unwrap();
        let answer = ask(io).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"),
            "{answer}"
        );
    }
    let connector = authority.client(&["h2", "http/1.1"], None);
    let io = handshake(&connector, larder.address(), "shop.test")
        .await
        .unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let answer = Http2Client::over(io, "https").await.get("/x", &[]).await.unwrap();
    assert!(answer.is_hit() && answer.content == "here", "{answer:?}");
    assert_eq!(origin.total(), 1);
    // In clear nothing is answered on this port.
    let clear = TcpStream::connect(larder.address()).await.unwrap();
    assert!(!ask(clear).await.unwrap_or_default().contains("200"));
}

#[tokio::test]
async fn each_name_is_shown_its_certificate() {
    let (first, second) = (Authority::new(), Authority::new());
    first.sign("a.test");
    second.sign("b.test");
    let origin = TestOrigin::start().await;
    let tls = format!(
        "{}, more: [{{ {} }}]",
        first.pair("a.test"),
        second.pair("b.test")
    );
    let larder = TestLarder::start(&listen(&tls), &origin).await;
    for (authority, name, trusted) in [
        (&first, "a.test", true),
        (&second, "b.test", true),
        (&first, "b.test", false),
        (&second, "a.test", false),
    ] {
        let connector = authority.client(&[], None);
        let shaken = handshake(&connector, larder.address(), name).await;
        assert_eq!(shaken.is_ok(), trusted, "{name}");
    }
}

#[tokio::test]
async fn where_clients_must_show_a_certificate_others_are_not_answered() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (authority, name) in [
        (&authority, "shop.test"),
        (&authority, "client"),
        (&other, "client"),
    ] {
        authority.sign(name);
    }
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("here"));
    let tls = format!(
        "{}, client_ca: {}",
        authority.pair("shop.test"),
        authority.path("ca.crt").display()
    );
    let larder = TestLarder::start(&listen(&tls), &origin).await;
    let known = authority.client(&[], Some("client"));
    let io = handshake(&known, larder.address(), "shop.test").await.unwrap();
    assert!(ask(io).await.unwrap().ends_with("here"));
    // It trusts the server, and shows a certificate that another authority signed.
    let unknown = client(authority.roots(), &[], Some(other.read("client")));
    for connector in [authority.client(&[], None), unknown] {
        // With TLS 1.3 a client learns of it when it reads.
        if let Ok(io) = handshake(&connector, larder.address(), "shop.test").await {
            assert!(!ask(io).await.unwrap_or_default().contains("200"));
        }
    }
    assert_eq!(origin.total(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_replaced_without_a_failed_handshake() {
    let (old, new) = (Authority::new(), Authority::new());
    old.sign("shop.test");
    new.sign("shop.test");
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("here"));
    let larder = Arc::new(TestLarder::start(&listen(&old.pair("shop.test")), &origin).await);
    let mut both = old.roots();
    both.add(new.issuer.der().clone()).unwrap();
    let connector = client(both, &[], None);
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (connector, over, address) = (connector.clone(), over.clone(), larder.address());
            tokio::spawn(async move {
                let mut asked = 0;
                while !over.load(Ordering::Relaxed) {
                    let io = handshake(&connector, address, "shop.test")
                        .await
                        .expect("a handshake");
                    assert!(ask(io).await.unwrap().ends_with("here"));
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    for n in 0..20 {
        let authority = if n % 2 == 0 { &new } else { &old };
        larder.replace_config(&listen(&authority.pair("shop.test")), &origin);
        // The very next handshake goes by it.
        let only = authority.client(&[], None);
        assert!(
            handshake(&only, larder.address(), "shop.test").await.is_ok(),
            "{n}"
        );
    }
    over.store(true, Ordering::Relaxed);
    let mut asked = 0;
    for client in clients {
        asked += client.await.unwrap();
    }
    println!("{asked} handshakes beside 20 replacements");
}

/// A listener whose other neighbours wait for a restart is not kept waiting for its certificate.
#[tokio::test]
async fn a_certificate_is_replaced_beside_a_listener_that_needs_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    old.sign("shop.test");
    new.sign("shop.test");
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(&listen(&old.pair("shop.test")), &origin).await;
    let more = listen(&new.pair("shop.test")).replace("rules:", "  - address: 127.0.0.1:1\nrules:");
    larder.replace_config(&more, &origin);
    let only = new.client(&[], None);
    assert!(handshake(&only, larder.address(), "shop.test").await.is_ok());
}

#[tokio::test]
async fn until_when_certificates_are_valid_is_a_metric_that_follows_their_replacement() {
    const NAME: &str = "larder_tls_certificate_expiry_timestamp_seconds";
    let authority = Authority::new();
    for (name, year) in [("a.test", 2031), ("b.test", 2032), ("c.test", 2033)] {
        authority.sign_until(name, year);
    }
    let origin = TestOrigin::start().await;
    let pair = |name: &str| authority.pair(name);
    let both = format!("{}, more: [{{ {} }}]", pair("a.test"), pair("b.test"));
    let larder = TestLarder::start(&listen(&both), &origin).await;
    let listener = larder.address().to_string();
    let shown = async || {
        let text = larder.admin_get("/metrics").await.text().to_owned();
        let lines = text.lines().filter(|line| line.starts_with(NAME));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let line = |name: &str, end: u64| format!("{NAME}{{listener=\"{listener}\",name=\"{name}\"}} {end}");
    let expected = [line("a.test", 1_924_992_000), line("b.test", 1_956_528_000)];
    assert_eq!(shown().await, expected);
    // Another end for the one name, another name in place of the other.
    authority.sign_until("a.test", 2034);
    let replaced = format!("{}, more: [{{ {} }}]", pair("c.test"), pair("a.test"));
    larder.replace_config(&listen(&replaced), &origin);
    let expected = [line("a.test", 2_019_686_400), line("c.test", 1_988_150_400)];
    assert_eq!(shown().await, expected);
    let clear = TestLarder::start("", &origin).await;
    let text = clear.admin_get("/metrics").await;
    assert!(!text.text().contains(NAME), "no certificate, no series");
}

/// TLS in front of a test's origin.
async fn secured(authority: &Authority, name: &str, origin: &TestOrigin) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (acceptor, behind) = (authority.server(name, &[]), origin.address());
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut near = acceptor.accept(near).await?;
                let mut far = TcpStream::connect(behind).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    address
}

#[tokio::test]
async fn an_origin_is_asked_over_tls_if_its_certificate_is_right() {
    let (authority, other) = (Authority::new(), Authority::new());
    authority.sign("app.test");
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("here"));
    let address = secured(&authority, "app.test", &origin).await;
    let yaml = |ca: &Authority, name: &str| {
        let ca = ca.path("ca.crt");
        format!(
            "origin: {{ url: \"https://{address}\", tls: {{ ca: {}, server_name: {name} }} }}\n{RULES}",
            ca.display()
        )
    };
    for (ca, name, status) in [
        (&authority, "app.test", 200),
        (&other, "app.test", 502),
        (&authority, "other.test", 502),
    ] {
        let larder = TestLarder::before("", &yaml(ca, name)).await;
        for path in ["/x", "/x?again"] {
            assert_eq!(larder.get(path).await.status, status, "{name}");
        }
    }
    assert_eq!(origin.total(), 2);
}
