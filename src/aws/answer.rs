//! Documents of IAM and STS.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use tandem_storage::types::Timestamp;

use crate::s3::xml::{XmlWriter, url_encode};

pub fn response(status: StatusCode, body: Bytes, id: &str) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// `2013-05-24T00:00:00Z`
pub fn date(at: Timestamp) -> String {
    match jiff::Timestamp::from_second(at.as_secs()) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => String::new(),
    }
}

/// A policy as IAM answers it: percent-encoded.
pub fn document(xml: &mut XmlWriter, name: &str, text: &str) {
    xml.text(name, &url_encode(text).replace('/', "%2F").replace('*', "%2A"));
}

/// `<NAME><member>...</member>...</NAME>`
pub fn members<T>(
    xml: &mut XmlWriter,
    name: &'static str,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut XmlWriter, T),
) {
    xml.open(name);
    for item in items {
        xml.open("member");
        write(xml, item);
        xml.close();
    }
    xml.close();
}
