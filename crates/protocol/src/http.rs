//! The HTTP half of the contract: the table of routes, and how ids and tokens travel in headers and queries.
//!
//! Owns names and spellings. It must not know who serves a route or what an answer holds.

use crate::codes::ErrorCode;

/// What our Worker calls itself in the answer of `GET /health`, under `service`.
pub const SERVICE: &str = "kuratchi-spaces";
/// Header that names the space; not-ASCII ids as `utf8.<base64url>`.
pub const SPACE_ID_HEADER: &str = "x-space-id";
/// Header that carries the space token; not-ASCII tokens as `utf8.<base64url>`.
pub const SPACE_TOKEN_HEADER: &str = "x-space-token";

/// An endpoint of a space, or of the Worker itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET /health`: names the service; needs no credentials.
    Health,
    /// `POST /messages`
    PostMessage,
    /// `GET /messages`
    ListMessages,
    /// `PATCH /messages/:id`
    EditMessage,
    /// `DELETE /messages/:id`
    DeleteMessage,
    /// `GET /events`: what a resuming socket would be told, for clients whose network lets no socket through.
    ListEvents,
    /// `GET /participants`
    ListParticipants,
    /// `POST /typing`
    PostTyping,
    /// `GET /metadata`
    GetMetadata,
    /// `PUT /metadata`
    PutMetadata,
    /// `POST /admin/epoch`: the owner's call after a restore; takes the gateway key.
    RenewEpoch,
    /// `GET /admin/space`: how much a space stores, and may; takes the gateway key.
    DescribeSpace,
    /// `GET /admin/settings`: what of the Worker's settings could not be read; takes the gateway key.
    DescribeSettings,
}

impl Route {
    /// The route table: path, method, route.
    pub const TABLE: &'static [(&'static str, &'static str, Self)] = &[
        ("/health", "GET", Self::Health),
        ("/messages", "GET", Self::ListMessages),
        ("/messages", "POST", Self::PostMessage),
        ("/messages/:id", "PATCH", Self::EditMessage),
        ("/messages/:id", "DELETE", Self::DeleteMessage),
        ("/events", "GET", Self::ListEvents),
        ("/participants", "GET", Self::ListParticipants),
        ("/typing", "POST", Self::PostTyping),
        ("/metadata", "GET", Self::GetMetadata),
        ("/metadata", "PUT", Self::PutMetadata),
        ("/admin/epoch", "POST", Self::RenewEpoch),
        ("/admin/space", "GET", Self::DescribeSpace),
        ("/admin/settings", "GET", Self::DescribeSettings),
    ];

    /// The route that answers `method path`; one slash at the end is forgiven. What stands in a path for `:id` is
    /// [`Self::parameter`]'s to give.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] for a path that is in no row, [`ErrorCode::MethodNotAllowed`] for a method that
    /// the path does not know.
    pub fn find(method: &str, path: &str) -> Result<Self, ErrorCode> {
        let method = if method == "HEAD" { "GET" } else { method };
        let mut refusal = ErrorCode::NotFound;
        for (row_path, row_method, route) in Self::TABLE {
            if matches(row_path, path) {
                if *row_method == method {
                    return Ok(*route);
                }
                refusal = ErrorCode::MethodNotAllowed;
            }
        }
        Err(refusal)
    }

    /// The methods that `path` knows, for the `Allow` header.
    #[must_use]
    pub fn methods(path: &str) -> Vec<&'static str> {
        Self::TABLE
            .iter()
            .filter(|(row, _, _)| matches(row, path))
            .map(|(_, method, _)| *method)
            .collect()
    }

    /// What stands in `path` where the table has `:id`, still percent-encoded.
    #[must_use]
    pub fn parameter(path: &str) -> Option<&str> {
        Self::TABLE
            .iter()
            .find_map(|(row, _, _)| parameter(row, path))
    }
}

fn matches(row: &str, path: &str) -> bool {
    row == path.strip_suffix('/').unwrap_or(path) || parameter(row, path).is_some()
}

fn parameter<'a>(row: &str, path: &'a str) -> Option<&'a str> {
    let start = row.strip_suffix(":id")?;
    let path = path.strip_suffix('/').unwrap_or(path);
    path.strip_prefix(start)
        .filter(|id| !id.is_empty() && !id.contains('/'))
}

/// The text of an HTTP refusal that has no better one.
#[must_use]
pub fn refusal_text(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NotFound => "Invalid endpoint",
        ErrorCode::MethodNotAllowed => "Method not allowed",
        ErrorCode::SpaceIdRequired => "x-space-id required",
        ErrorCode::GatewayKeyInvalid => "Invalid or missing gateway key",
        ErrorCode::TokenMissing => "Missing x-space-token",
        ErrorCode::TokenInvalid => "Invalid token signature",
        ErrorCode::TokenExpired => "Token expired",
        ErrorCode::SpaceMismatch => "Token space mismatch",
        ErrorCode::MissingField => "Missing required fields",
        ErrorCode::BadFrame => "the body is not JSON",
        ErrorCode::TooLarge => "too large: send less at once",
        ErrorCode::UnknownType => "unknown type",
        ErrorCode::InvalidField => "a field has a value it may not have",
        ErrorCode::NotAuthenticated => "authenticate first",
        ErrorCode::IdentityRequired => {
            "this server wants a token that names a user: mint one with `userId`"
        }
        ErrorCode::OriginRefused => {
            "this server does not serve pages of this origin: add it to ALLOWED_ORIGINS"
        }
        ErrorCode::SenderMismatch => "the sender is not who the token names",
        ErrorCode::CapRequired => "the token lacks a capability that this takes",
        ErrorCode::ConflictingDuplicate => {
            "the clientMessageId was used before, for another message"
        }
        ErrorCode::OutOfOrder => "what this comes after is not stored: send both again, in order",
        ErrorCode::RateLimited => "too many in a short time: wait and try again",
        ErrorCode::TooManyConnections => "too many connections of this user or token",
        ErrorCode::SpaceFull => "too many connections to this space",
        ErrorCode::SlowConsumer => "too far behind: connect again",
        ErrorCode::StorageFull => "the space's storage refuses the write: nothing was stored",
        ErrorCode::QuotaExceeded => {
            "the space is full: nothing was stored; delete messages, or have its owner allow more"
        }
        ErrorCode::Internal => "internal error: try again",
    }
}

/// Writes `value` as one component of a query: everything but unreserved ASCII becomes `%XX`.
#[must_use]
pub fn query_component(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => {
                encoded.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    encoded.push(
                        char::from_digit(u32::from(nibble), 16)
                            .map_or('0', |digit| digit.to_ascii_uppercase()),
                    );
                }
            }
        }
    }
    encoded
}

/// Returns the value of a `Retry-After` header for a wait of `ms` milliseconds: whole seconds, rounded up and at least 1, so
/// that a client which obeys it is never too early.
///
/// # Examples
/// ```
/// assert_eq!(protocol::http::retry_after_seconds(1_001), 2);
/// ```
#[must_use]
pub fn retry_after_seconds(ms: u64) -> u64 {
    ms.div_ceil(1_000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_paths_are_404_and_known_paths_with_another_method_405() {
        assert_eq!(Route::find("GET", "/messages"), Ok(Route::ListMessages));
        assert_eq!(Route::find("HEAD", "/messages/"), Ok(Route::ListMessages));
        assert_eq!(Route::find("PUT", "/metadata"), Ok(Route::PutMetadata));
        assert_eq!(
            Route::find("DELETE", "/messages"),
            Err(ErrorCode::MethodNotAllowed)
        );
        for path in [
            "/",
            "",
            "/message",
            "/messages//",
            "/messages/1/2",
            "//messages",
        ] {
            assert_eq!(Route::find("GET", path), Err(ErrorCode::NotFound), "{path}");
        }
        assert_eq!(Route::methods("/messages"), ["GET", "POST"]);
        assert_eq!(
            Route::find("PATCH", "/messages/m1-0"),
            Ok(Route::EditMessage)
        );
        assert_eq!(
            Route::find("DELETE", "/messages/m1-0/"),
            Ok(Route::DeleteMessage)
        );
        assert_eq!(
            Route::find("GET", "/messages/m1-0"),
            Err(ErrorCode::MethodNotAllowed)
        );
        assert_eq!(Route::methods("/messages/m1-0"), ["PATCH", "DELETE"]);
        assert_eq!(Route::parameter("/messages/m1-0/"), Some("m1-0"));
        assert_eq!(Route::parameter("/messages"), None);
        assert_eq!(Route::find("HEAD", "/events"), Ok(Route::ListEvents));
        assert_eq!(Route::methods("/events/"), ["GET"]);
    }

    #[test]
    fn retry_after_is_never_too_early() {
        for (ms, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (59_999, 60)] {
            assert_eq!(retry_after_seconds(ms), seconds);
        }
    }

    #[test]
    fn query_components_survive_every_character() {
        assert_eq!(query_component("a b.é%41房"), "a%20b.%C3%A9%2541%E6%88%BF");
    }
}
