//! Errors as clients see them.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use jiff::Timestamp as Date;
use tandem_storage::types::Timestamp;

use crate::s3::error::{ErrorCode, S3Error};

/// The error document. Everything in it that a client sent is escaped.
pub fn error_document(error: &S3Error, resource: &str, request_id: &str) -> String {
    let mut xml = String::with_capacity(384);
    xml.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    element(&mut xml, "Code", error.code.as_str());
    element(&mut xml, "Message", &error.message);
    for (name, value) in &error.details {
        element(&mut xml, name, value);
    }
    element(&mut xml, "Resource", resource);
    element(&mut xml, "RequestId", request_id);
    xml.push_str("</Error>");
    xml
}

fn element(xml: &mut String, name: &str, text: &str) {
    xml.push('<');
    xml.push_str(name);
    xml.push('>');
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\r' => xml.push_str("&#13;"),
            '\n' | '\t' => xml.push(character),
            // XML 1.0 has no way to write these.
            control if control < ' ' || matches!(control, '\u{fffe}' | '\u{ffff}') => xml.push('\u{fffd}'),
            other => xml.push(other),
        }
    }
    xml.push_str("</");
    xml.push_str(name);
    xml.push('>');
}

/// The error as an answer. `head`: the request was a HEAD, whose answer has no body.
pub fn error_response(error: &S3Error, resource: &str, request_id: &str, head: bool) -> Response<Bytes> {
    let status = error.code.status();
    let bodiless = head || status == StatusCode::NOT_MODIFIED;
    let body = if bodiless { String::new() } else { error_document(error, resource, request_id) };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    for (name, value) in &error.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    if error.close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A whole answer in bytes, for connections that the HTTP library does not serve (any longer).
pub fn raw_answer(code: ErrorCode, reason: Option<&str>, request_id: &str, now: Timestamp) -> Vec<u8> {
    let mut error = S3Error::of(code);
    if let Some(reason) = reason {
        error = error.detail("Reason", reason);
    }
    let document = error_document(&error, "", request_id);
    let status = code.status();
    let date = Date::from_second(now.as_secs()).unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    format!(
        "HTTP/1.1 {} {}\r\nx-amz-request-id: {request_id}\r\nServer: Tandem\r\nDate: {date}\r\nContent-Type: application/xml\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{document}",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        document.len(),
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use tandem_storage::types::Timestamp;

    use super::{error_document, error_response, raw_answer};
    use crate::s3::error::{ErrorCode, S3Error};

    #[test]
    fn what_a_client_sent_is_escaped() {
        let error = S3Error::of(ErrorCode::NoSuchKey).detail("Key", "<script>]]>&\"\u{1}");
        let document = error_document(&error, "/b/<x>", "00FF");
        assert!(document.contains("<Key>&lt;script&gt;]]&gt;&amp;&quot;\u{fffd}</Key>"), "{document}");
        assert!(
            document.contains("<Resource>/b/&lt;x&gt;</Resource><RequestId>00FF</RequestId></Error>"),
            "{document}"
        );
    }

    #[test]
    fn heads_and_not_modified_have_no_body() {
        let error = S3Error::of(ErrorCode::NoSuchKey).header("x-tandem-role", "destination");
        assert!(error_response(&error, "/", "1", true).body().is_empty());
        assert_eq!(error_response(&error, "/", "1", false).headers()["x-tandem-role"], "destination");
        assert!(error_response(&S3Error::of(ErrorCode::NotModified), "/", "1", false).body().is_empty());
    }

    #[test]
    fn raw_answers_are_complete() {
        let answer = raw_answer(ErrorCode::SlowDown, None, "1", Timestamp::from_secs(1_369_353_600));
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(answer.contains("\r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\n"), "{answer}");
    }
}
