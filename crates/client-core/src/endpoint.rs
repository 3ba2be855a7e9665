//! Where the Worker is: from `workerUrl` to the addresses of its socket and its HTTP endpoints.

use protocol::fields::FieldError;
use protocol::http::query_component;

/// A parsed `workerUrl`. Path and query are kept; a fragment is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    secure: bool,
    authority: String,
    path: String,
    query: String,
}

const EXPECTED: &str =
    "an absolute URL with http, https, ws or wss, such as 'https://chat.example.com'";

impl Endpoint {
    /// Parses `workerUrl`.
    ///
    /// # Errors
    /// Names `workerUrl` when it is not an absolute http(s) or ws(s) URL.
    ///
    /// ```
    /// use client_core::endpoint::Endpoint;
    /// let endpoint = Endpoint::parse("https://chat.example.com/team?region=eu")?;
    /// assert_eq!(endpoint.socket(&[("spaceId", "a b")]), "wss://chat.example.com/team?region=eu&spaceId=a%20b");
    /// assert_eq!(endpoint.http("/messages", &[]), "https://chat.example.com/team/messages?region=eu");
    /// # Ok::<(), protocol::fields::FieldError>(())
    /// ```
    pub fn parse(worker_url: &str) -> Result<Self, FieldError> {
        let refused = |got: &'static str| FieldError::new("workerUrl", EXPECTED, Some(got));
        let url = worker_url.trim();
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(refused("one with blanks or control characters"));
        }
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| refused("one without a scheme"))?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(refused("another scheme")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = location.split_at(location.find('/').unwrap_or(location.len()));
        if authority.is_empty() || authority.starts_with(':') {
            return Err(refused("one without a host"));
        }
        if authority.contains('@') {
            return Err(refused("one with a user name, which browsers refuse"));
        }
        Ok(Self {
            secure,
            authority: authority.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }

    /// The address of the socket, with `parameters` in its query.
    #[must_use]
    pub fn socket(&self, parameters: &[(&str, &str)]) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        let path = if self.path.is_empty() {
            "/"
        } else {
            &self.path
        };
        self.address(scheme, path, parameters)
    }

    /// The address of an HTTP endpoint, with `parameters` in its query.
    #[must_use]
    pub fn http(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let base = self.path.strip_suffix('/').unwrap_or(&self.path);
        self.address(scheme, &format!("{base}{path}"), parameters)
    }

    fn address(&self, scheme: &str, path: &str, parameters: &[(&str, &str)]) -> String {
        let mut address = format!("{scheme}://{}{path}", self.authority);
        let kept = (!self.query.is_empty()).then(|| self.query.clone());
        let named = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", query_component(value)));
        for (index, parameter) in kept.into_iter().chain(named).enumerate() {
            address.push(if index == 0 { '?' } else { '&' });
            address.push_str(&parameter);
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_path_and_query() {
        let check = |url: &str, socket: &str, http: &str| {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!(endpoint.socket(&[("spaceId", "房.%41")]), socket, "{url}");
            assert_eq!(endpoint.http("/messages", &[("limit", "5")]), http, "{url}");
        };
        let id = "spaceId=%E6%88%BF.%2541";
        check(
            "https://a.b",
            &format!("wss://a.b/?{id}"),
            "https://a.b/messages?limit=5",
        );
        check(
            "http://a.b:8787/",
            &format!("ws://a.b:8787/?{id}"),
            "http://a.b:8787/messages?limit=5",
        );
        check(
            "WSS://a/x/",
            &format!("wss://a/x/?{id}"),
            "https://a/x/messages?limit=5",
        );
        check(
            "ws://[::1]:1?k=v#f",
            &format!("ws://[::1]:1/?k=v&{id}"),
            "http://[::1]:1/messages?k=v&limit=5",
        );
        check(
            "https://a?k=/v",
            &format!("wss://a/?k=/v&{id}"),
            "https://a/messages?k=/v&limit=5",
        );
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for url in [
            "",
            "a.b",
            "/chat",
            "ftp://a",
            "javascript://a",
            "https://",
            "https:///x",
            "https://:1",
            "https://a b",
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("`workerUrl` must be an absolute URL"),
                "{url}: {error}"
            );
        }
    }
}
