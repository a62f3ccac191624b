//! Bodies of requests, read up to a bound.

use super::answer::Answer;
use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use std::time::Duration;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A media type without its parameters, lower-cased.
pub(super) fn media_type(request: &Request<Incoming>) -> String {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// The body of a request, at most so long.
pub(super) async fn read(request: Request<Incoming>, bytes_max: usize) -> Result<Bytes, Answer> {
    let body = Limited::new(request.into_body(), bytes_max).collect();
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(failure)) if failure.is::<http_body_util::LengthLimitError>() => {
            Err(Answer::error(413, "web_framework_error", &format!("a body above {bytes_max} bytes"), None))
        }
        Ok(Err(_)) => Err(Answer::invalid("the body cannot be read")),
        Err(_) => Err(Answer::error(408, "web_framework_error", "the body took too long", None)),
    }
}
