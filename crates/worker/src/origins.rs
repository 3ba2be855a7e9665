//! Which pages may talk to the Worker: the variable `ALLOWED_ORIGINS`.
//!
//! Owns the list's spelling and the comparison. It must not know headers or requests.

/// The pages that may read answers and open sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    /// Every page. A space token is what protects a space; no cookie is ever read.
    Any,
    /// Pages of these origins only.
    Listed(Vec<Pattern>),
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// `https` or `http`; any of both when absent.
    scheme: Option<String>,
    /// Host and port, in lower case, without the `*.`.
    host: String,
    /// Whether the host stands for its subdomains (and not for itself).
    subdomains: bool,
}

impl Origins {
    /// What an entry may look like, for error texts.
    pub(crate) const EXPECTED: &'static str =
        "origins separated by commas, such as `https://app.example.com, https://*.example.com`";

    /// Reads the list. `None` when an entry is no origin; an empty list and `*` mean every page.
    pub(crate) fn parse(list: &str) -> Option<Self> {
        let entries: Vec<&str> = list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .collect();
        if entries.is_empty() || entries.contains(&"*") {
            return Some(Self::Any);
        }
        entries
            .into_iter()
            .map(Pattern::parse)
            .collect::<Option<_>>()
            .map(Self::Listed)
    }

    /// Whether a page of `origin` may talk to the Worker. The origin is the header as the browser wrote it.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(origin)),
        }
    }
}

impl Pattern {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.strip_suffix('/').unwrap_or(entry).to_lowercase();
        let (scheme, host) = match entry.split_once("://") {
            Some((scheme @ ("http" | "https"), host)) => (Some(scheme.to_owned()), host),
            Some(_) => return None,
            None => (None, entry.as_str()),
        };
        let (subdomains, host) = match host.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, host),
        };
        let legal = |c: char| !c.is_whitespace() && !c.is_control() && !"*/?#@\\\"'".contains(c);
        (!host.is_empty() && host.chars().all(legal)).then(|| Self {
            scheme,
            host: host.to_owned(),
            subdomains,
        })
    }

    fn matches(&self, origin: &str) -> bool {
        let origin = origin.to_lowercase();
        let Some((scheme, host)) = origin.split_once("://") else {
            return false;
        };
        if self
            .scheme
            .as_deref()
            .is_some_and(|wanted| wanted != scheme)
        {
            return false;
        }
        if self.subdomains {
            host.strip_suffix(&self.host)
                .is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
        } else {
            host == self.host
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, allowed: &[&str], refused: &[&str]) {
        let origins = Origins::parse(list).expect(list);
        for origin in allowed {
            assert!(origins.allow(origin), "{list} should allow {origin}");
        }
        for origin in refused {
            assert!(!origins.allow(origin), "{list} should refuse {origin}");
        }
    }

    #[test]
    fn lists_name_origins_exactly_and_labels_by_star() {
        check("", &["https://a.example", "null"], &[]);
        check("https://x.example, *", &["https://a.example"], &[]);
        check(
            "https://app.example.com, https://*.example.org, localhost:3000",
            &[
                "https://app.example.com",
                "https://a.b.example.org",
                "http://localhost:3000",
                "HTTPS://A.example.org",
            ],
            &[
                "http://app.example.com",
                "https://example.org",
                "https://evilexample.org",
                "https://app.example.com.evil.com",
                "https://app.example.com:8443",
                "http://localhost",
                "null",
                "",
            ],
        );
    }

    #[test]
    fn what_is_no_origin_is_refused_instead_of_never_matching() {
        for list in [
            "https://",
            "ftp://a.example",
            "https://a.example/path",
            "https://a*.example",
            "a b",
        ] {
            assert_eq!(Origins::parse(list), None, "{list}");
        }
    }
}
