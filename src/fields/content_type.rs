//! `Content-Type` as far as storing cares: whether the content has an end at all.

use http::{HeaderMap, header};

/// Whether the answer is a stream that usually never ends: server-sent events, multipart
/// replacement (camera pictures) or gRPC. Parameters and case do not count.
pub fn is_endless(fields: &HeaderMap) -> bool {
    fields.get_all(header::CONTENT_TYPE).iter().any(|line| {
        let value = line.as_bytes();
        let media_type = value
            .split(|b| *b == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        media_type.eq_ignore_ascii_case(b"text/event-stream")
            || media_type.eq_ignore_ascii_case(b"multipart/x-mixed-replace")
            || is_grpc(media_type)
    })
}

/// `application/grpc` and its kin (`application/grpc+proto`, `application/grpc-web`).
fn is_grpc(media_type: &[u8]) -> bool {
    let name = b"application/grpc";
    media_type
        .get(..name.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_streams_are_known_by_their_media_type() {
        let table: &[(&[&str], bool)] = &[
            (&[], false),
            (&["text/html"], false),
            (&["text/event-stream"], true),
            (&["Text/Event-Stream; charset=utf-8"], true),
            (&["text/event-stream-like"], false),
            (&["multipart/x-mixed-replace;boundary=x"], true),
            (&["multipart/form-data"], false),
            (&["application/grpc"], true),
            (&["application/grpc+proto"], true),
            (&["application/grpc-web"], true),
            (&["application/json"], false),
            (&["text/html; x=text/event-stream"], false),
            (&["text/html", "text/event-stream"], true),
        ];
        for (lines, endless) in table {
            let mut fields = HeaderMap::new();
            for line in *lines {
                fields.append(header::CONTENT_TYPE, line.parse().unwrap());
            }
            assert_eq!(is_endless(&fields), *endless, "{lines:?}");
        }
    }
}
