use super::*;
use redis_rs::{Value, parse_redis_value};

/// Texts of versions 6.2 to 7.4, as they come over the wire.
const SAID: &[(&str, FailureKind)] = &[
    (
        "WRONGPASS invalid username-password pair or user is disabled.",
        FailureKind::WrongPassword,
    ),
    ("NOAUTH Authentication required.", FailureKind::WrongPassword),
    (
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
        FailureKind::WrongPassword,
    ),
    (
        "ERR Client sent AUTH, but no password is set",
        FailureKind::WrongPassword,
    ),
    ("ERR invalid password", FailureKind::WrongPassword),
    ("ERR DB index is out of range", FailureKind::WrongDatabase),
    ("ERR invalid DB index", FailureKind::WrongDatabase),
    (
        "ERR SELECT is not allowed in cluster mode",
        FailureKind::WrongDatabase,
    ),
    (
        "NOPERM this user has no permissions to run the 'info' command or its subcommand",
        FailureKind::NoPermission,
    ),
    (
        "NOPERM User larder has no permissions to run the 'xadd' command",
        FailureKind::NoPermission,
    ),
    (
        "NOPERM this user has no permissions to access one of the keys used as arguments",
        FailureKind::NoPermission,
    ),
    (
        "ERR ACL failure in script: User larder has no permissions to run the 'set' command script: 7b1c, on @user_script:1.",
        FailureKind::NoPermission,
    ),
    (
        "ERR Error running script (call to f_7b1c): @user_script:1: The user executing the script can't run this command or subcommand",
        FailureKind::NoPermission,
    ),
    (
        "OOM command not allowed when used memory > 'maxmemory'.",
        FailureKind::OutOfMemory,
    ),
    (
        "OOM command not allowed when used memory > 'maxmemory'. script: 7b1c, on @user_script:12.",
        FailureKind::OutOfMemory,
    ),
    (
        "ERR Error running script (call to f_7b1c): @user_script:12: @user_script: 12: -OOM command not allowed when used memory > 'maxmemory'.",
        FailureKind::OutOfMemory,
    ),
    (
        "ERR Error running script (call to f_7b1c): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.",
        FailureKind::ReadOnly,
    ),
    (
        "READONLY You can't write against a read only replica.",
        FailureKind::ReadOnly,
    ),
    (
        "READONLY You can't write against a read only replica. script: 7b1c, on @user_script:1.",
        FailureKind::ReadOnly,
    ),
    (
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        FailureKind::ReadOnly,
    ),
    (
        "LOADING Redis is loading the dataset in memory",
        FailureKind::Loading,
    ),
    (
        "NOREPLICAS Not enough good replicas to write.",
        FailureKind::NoReplicas,
    ),
    ("MOVED 3999 127.0.0.1:6381", FailureKind::Moved),
    ("ASK 3999 127.0.0.1:6381", FailureKind::Moved),
    (
        "TRYAGAIN Multiple keys request during rehashing of slot",
        FailureKind::Moved,
    ),
    ("CLUSTERDOWN Hash slot not served", FailureKind::Moved),
    (
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        FailureKind::Busy,
    ),
    (
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        FailureKind::NotMaster,
    ),
    (
        "ERR Protocol error: unauthenticated multibulk length",
        FailureKind::Protocol,
    ),
    ("ERR max number of clients reached", FailureKind::Other),
    (
        "DENIED Redis is running in protected mode because protected mode is enabled",
        FailureKind::Other,
    ),
    (
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        FailureKind::Other,
    ),
    (
        "ERR unknown command 'XADD', with args beginning with: 'a' ",
        FailureKind::Other,
    ),
    (
        "CROSSSLOT Keys in request don't hash to the same slot",
        FailureKind::Other,
    ),
];

#[test]
fn what_servers_say_is_told_apart() {
    for (said, kind) in SAID {
        let value = parse_redis_value(format!("-{said}\r\n").as_bytes()).unwrap();
        let Value::ServerError(error) = value else {
            panic!("{said}: {value:?}");
        };
        let failure = Failure::of_server(&error);
        assert_eq!(failure.kind, *kind, "{said}");
        let words = said.split(", with args").next().unwrap();
        assert_eq!(
            failure.detail,
            words.trim_end(),
            "the server's own words, not its echo"
        );
    }
}

#[test]
fn what_a_server_says_to_a_password_is_not_repeated() {
    let said = "-ERR unknown command 'AUTH', with args beginning with: 'larder' 'sesame' \r\n";
    let Value::ServerError(error) = parse_redis_value(said.as_bytes()).unwrap() else {
        panic!("an error");
    };
    let greeting = Failure::of_greeting(&error);
    assert_eq!(greeting.kind, FailureKind::WrongPassword);
    for failure in [greeting, Failure::of_server(&error)] {
        assert!(!failure.detail.contains("sesame"), "{failure}");
    }
    let long = format!("-ERR {}\r\n", "x".repeat(10_000));
    let Value::ServerError(error) = parse_redis_value(long.as_bytes()).unwrap() else {
        panic!("an error");
    };
    assert!(Failure::of_server(&error).detail.len() <= 300);
}

#[test]
fn what_the_system_says_of_a_dial_is_told_apart() {
    use rustls::{CertificateError, Error, InvalidMessage};
    let tls = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
    let cases = [
        (io::ErrorKind::ConnectionRefused.into(), FailureKind::Refused, ""),
        (io::ErrorKind::NotFound.into(), FailureKind::Refused, ""),
        (io::ErrorKind::HostUnreachable.into(), FailureKind::Refused, ""),
        (io::ErrorKind::TimedOut.into(), FailureKind::Timeout, ""),
        (
            io::Error::other(UnknownHost("redis: no address".to_owned())),
            FailureKind::UnknownHost,
            "redis",
        ),
        (
            tls(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
            FailureKind::Tls,
            "certificate is not accepted",
        ),
        (
            tls(Error::InvalidMessage(InvalidMessage::InvalidContentType)),
            FailureKind::Tls,
            "does not speak TLS",
        ),
    ];
    for (error, kind, part) in cases {
        let failure = Failure::of_dial(&error);
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.detail.contains(part), "{failure}");
    }
}

#[test]
fn every_kind_stands_at_its_place_with_a_word_of_its_own() {
    for (place, kind) in FailureKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, place);
        assert!(!kind.advice().is_empty());
    }
    let words: std::collections::HashSet<_> = FailureKind::ALL.map(FailureKind::word).into();
    assert_eq!(words.len(), FailureKind::ALL.len());
}
