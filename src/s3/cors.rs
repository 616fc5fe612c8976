//! Preflight requests. No bucket has a CORS configuration, so each ends in a refusal. Pure.

use http::HeaderMap;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};

use super::error::{ErrorCode, S3Error};

/// The answer to an OPTIONS request with these headers.
pub fn preflight(headers: &HeaderMap) -> S3Error {
    if !headers.contains_key(ORIGIN) {
        let message = "Insufficient information. Origin request header needed.";
        return S3Error::new(ErrorCode::BadRequest, message);
    }
    let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD).and_then(|method| method.to_str().ok());
    if !method.is_some_and(|method| ["GET", "PUT", "HEAD", "POST", "DELETE"].contains(&method)) {
        let message = format!("Invalid Access-Control-Request-Method: {}", method.unwrap_or("null"));
        return S3Error::new(ErrorCode::BadRequest, message);
    }
    S3Error::new(ErrorCode::AccessForbidden, "CORSResponse: CORS is not enabled for this bucket.")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// The messages are AWS's.
    #[test]
    fn f12_a_preflight_without_origin_or_method_is_a_bad_request() {
        let answer = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
            let error = preflight(&headers.collect());
            (error.code, error.message)
        };
        let origin = ("origin", "https://example.org");
        let insufficient = "Insufficient information. Origin request header needed.";
        assert_eq!(answer(&[]), (ErrorCode::BadRequest, insufficient.to_owned()));
        assert_eq!(answer(&[("access-control-request-method", "GET")]).0, ErrorCode::BadRequest);
        assert_eq!(answer(&[origin]).1, "Invalid Access-Control-Request-Method: null");
        assert_eq!(answer(&[origin, ("access-control-request-method", "PATCH")]).0, ErrorCode::BadRequest);
        assert_eq!(answer(&[origin, ("access-control-request-method", "GET")]).0, ErrorCode::AccessForbidden);
    }
}
