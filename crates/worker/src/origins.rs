//! Which pages may talk to the Worker, and under which names it answers: the variables `ALLOWED_ORIGINS` and
//! `ALLOWED_HOSTS`.
//!
//! Owns the lists' spelling and the comparison. It must not know headers or requests.

use std::net::IpAddr;

use url::Url;

/// The pages that may read answers and open sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    /// Every page. A space token is what protects a space; no cookie is ever read.
    Any,
    /// Pages of these origins only.
    Listed(Vec<Pattern>),
}

/// A list as it was read. What cannot be read admits nobody, and shuts nobody else out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadList<L> {
    pub(crate) list: L,
    /// The entries that could not be read.
    pub(crate) unreadable: Vec<String>,
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// What a browser writes for a page without an origin, such as a file.
    Null,
    Origin {
        /// `https`, `capacitor`, …
        scheme: String,
        host: HostPattern,
    },
}

/// A host of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPattern {
    /// Host as browsers write it (lower case, an IDN as `xn--…`), without the `*.`.
    host: String,
    /// Its port, where it is another one than its scheme's own.
    port: Option<u16>,
    /// Whether the host stands for its subdomains (and not for itself).
    subdomains: bool,
}

/// Names that stand for the machine itself, where pages are served without a certificate.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Longest `Origin` or `Host` that is read, in bytes: a host has 253 at most, a scheme and a port come on top. What it takes to read
/// a name grows with the square of its length, and anybody may send one.
const TOLD_BYTES_MAX: usize = 300;

/// Stands for all.
const ANY: &str = "*";

impl Origins {
    /// What an entry may look like, for error texts.
    pub(crate) const EXPECTED: &'static str = "origins separated by commas, such as \
         `https://app.example.com, https://*.example.com, capacitor://localhost, null`";

    /// Reads the list. An empty list and `*` mean every page.
    pub(crate) fn read(list: &str) -> ReadList<Self> {
        let entries = entries(list);
        let is_any = entries.is_empty() || entries.contains(&ANY);
        let (mut patterns, mut unreadable) = (Vec::new(), Vec::new());
        for entry in entries.into_iter().filter(|entry| *entry != ANY) {
            match Pattern::parse(entry) {
                Some(read) => patterns.extend(read),
                None => unreadable.push(without_password(entry)),
            }
        }
        let list = if is_any {
            Self::Any
        } else {
            Self::Listed(patterns)
        };
        ReadList { list, unreadable }
    }

    /// Whether a page of `origin` may talk to the Worker. The origin is the header as the browser wrote it.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(patterns) => {
                let read = read_origin(origin);
                let matches = |pattern: &Pattern| match (pattern, &read) {
                    (Pattern::Null, _) => origin == "null",
                    (Pattern::Origin { scheme, host }, Some((its_scheme, name, port))) => {
                        scheme == its_scheme && host.matches(name, *port)
                    }
                    (Pattern::Origin { .. }, None) => false,
                };
                patterns.iter().any(matches)
            }
        }
    }
}

impl Pattern {
    /// The patterns that an entry stands for: without a scheme it means https, and on this machine http as well.
    fn parse(entry: &str) -> Option<Vec<Self>> {
        let entry = entry.strip_suffix('/').unwrap_or(entry).to_lowercase();
        if entry == "null" {
            return Some(vec![Self::Null]);
        }
        let (scheme, host) = match entry.split_once("://") {
            Some((scheme, host)) => (Some(scheme), host),
            None => (None, entry.as_str()),
        };
        let schemes = match scheme {
            Some(scheme) if is_scheme(scheme) => vec![scheme],
            Some(_) => return None,
            None if HostPattern::parse("https", host)?.is_local() => vec!["https", "http"],
            None => vec!["https"],
        };
        let pattern = |scheme: &str| {
            Some(Self::Origin {
                scheme: scheme.to_owned(),
                host: HostPattern::parse(scheme, host)?,
            })
        };
        schemes.into_iter().map(pattern).collect()
    }
}

/// Those of apps and extensions are their own; a list for pages names no `ftp` or `file`.
fn is_scheme(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(legal)
        && !["ftp", "file", "ws", "wss", "data", "blob", "javascript"].contains(&text)
}

/// Scheme, host and port of a page, as its browser tells them.
fn read_origin(origin: &str) -> Option<(String, String, Option<u16>)> {
    let (scheme, host) = told(origin)?.split_once("://")?;
    let scheme = scheme.to_lowercase();
    let (name, port) = read_host(&scheme, &host.to_lowercase())?;
    Some((scheme, name, port))
}

/// What a client tells of itself, if it is short enough to be read.
fn told(text: &str) -> Option<&str> {
    Some(text).filter(|text| text.len() <= TOLD_BYTES_MAX)
}

/// Reads host and port as a browser does. (WHATWG URL Standard, by the crate `url`.)
fn read_host(scheme: &str, host: &str) -> Option<(String, Option<u16>)> {
    let legal = |c: char| {
        !c.is_whitespace() && !c.is_control() && !"*/?#@\\\"'<>;,!$&()+=~`{}|^%".contains(c)
    };
    let url = Url::parse(&format!("{scheme}://{host}")).ok();
    let url = url.filter(|_| host.chars().all(legal))?;
    let name = url.host_str().filter(|name| !name.is_empty())?;
    Some((name.to_owned(), url.port()))
}

impl HostPattern {
    /// `host` is in lower case, and may have a port.
    fn parse(scheme: &str, host: &str) -> Option<Self> {
        let (subdomains, host) = match host.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, host),
        };
        let (host, port) = read_host(scheme, host)?;
        // No browser names such a host: with an empty label, or below an address.
        let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
        if host.starts_with('.') || (subdomains && (is_address || host.ends_with('.'))) {
            return None;
        }
        Some(Self {
            host,
            port,
            subdomains,
        })
    }

    fn is_local(&self) -> bool {
        LOCAL.contains(&self.host.as_str()) || self.host.ends_with(".localhost")
    }

    fn matches(&self, name: &str, port: Option<u16>) -> bool {
        self.port == port && self.matches_name(name)
    }

    fn matches_name(&self, name: &str) -> bool {
        if self.subdomains {
            name.strip_suffix(&self.host)
                .is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
        } else {
            name == self.host
        }
    }
}

/// The names under which the Worker answers: a page on the web can have a name of its own lead to a Worker that only its
/// owner's machine should reach, and is of the same origin then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    Any,
    Listed {
        /// Whether an IP address will do: nobody can make one lead elsewhere.
        addresses: bool,
        patterns: Vec<HostPattern>,
    },
}

impl Hosts {
    /// What stands for all IP addresses.
    const ADDRESS: &'static str = "<address>";
    pub(crate) const EXPECTED: &'static str = "host names separated by commas, such as `localhost, *.example.com`; `<address>` for all IP addresses";

    /// Reads the list. An empty list and `*` mean every name.
    pub(crate) fn read(list: &str) -> ReadList<Self> {
        let entries = entries(list);
        let is_any = entries.is_empty() || entries.contains(&ANY);
        let mut unreadable = Vec::new();
        let (mut addresses, mut patterns) = (false, Vec::new());
        for entry in entries.into_iter().filter(|entry| *entry != ANY) {
            match HostPattern::parse("http", &entry.to_lowercase()) {
                _ if entry == Self::ADDRESS => addresses = true,
                Some(pattern) => patterns.push(pattern),
                None => unreadable.push(without_password(entry)),
            }
        }
        let list = if is_any {
            Self::Any
        } else {
            Self::Listed {
                addresses,
                patterns,
            }
        };
        ReadList { list, unreadable }
    }

    /// Whether the Worker answers under the name of `host`, whatever its port.
    pub(crate) fn allow(&self, host: &str) -> bool {
        let Self::Listed {
            addresses,
            patterns,
        } = self
        else {
            return true;
        };
        let read = told(host).and_then(|host| read_host("http", &host.to_lowercase()));
        let Some((name, _port)) = read else {
            return false;
        };
        let address = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(&name);
        (*addresses && address.parse::<IpAddr>().is_ok())
            || patterns.iter().any(|pattern| pattern.matches_name(&name))
    }
}

/// An entry as it may be shown to its owner: what stands before an `@` may be a password.
fn without_password(entry: &str) -> String {
    match entry.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => entry.to_owned(),
    }
}

fn entries(list: &str) -> Vec<&str> {
    let entries = list.split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, allowed: &[&str], refused: &[&str]) {
        let ReadList {
            list: origins,
            unreadable,
        } = Origins::read(list);
        assert_eq!(unreadable, Vec::<String>::new(), "{list}");
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
    fn without_a_scheme_it_means_https_and_on_this_machine_http_as_well() {
        check(
            "app.example.com, *.localhost, 127.0.0.1:3000, [::1]:3000",
            &[
                "https://app.example.com",
                "http://a.localhost",
                "https://a.localhost",
                "http://127.0.0.1:3000",
                "http://[::1]:3000",
            ],
            &["http://app.example.com", "http://127.0.0.1"],
        );
    }

    #[test]
    fn pages_of_apps_and_extensions_and_without_an_origin_can_be_listed() {
        check(
            "capacitor://localhost, tauri://localhost, chrome-extension://abcdefghijklmnop, null",
            &[
                "capacitor://localhost",
                "tauri://localhost",
                "chrome-extension://abcdefghijklmnop",
                "null",
            ],
            &["http://localhost", "chrome-extension://other", ""],
        );
    }

    #[test]
    fn hosts_are_compared_as_browsers_write_them() {
        check(
            "https://Müller.example, https://shop.example:443, *.bücher.example, http://127.1:80",
            &[
                "https://xn--mller-kva.example",
                "https://shop.example",
                "https://a.xn--bcher-kva.example",
                "http://127.0.0.1",
            ],
            &["https://shop.example:8443", "https://xn--bcher-kva.example"],
        );
    }

    #[test]
    fn what_is_no_origin_is_named_and_shuts_nobody_else_out() {
        for entry in [
            "https://",
            "ftp://a.example",
            "https://a.example/path",
            "https://a*.example",
            "a b",
            "https://a.example:port",
            "https://[::1",
            "a.example;b.example",
            "https://a(b).example",
            ".a.example",
            "https://*.1.2.3.4",
            "https://*.[::1]",
            "https://*.a.example.",
        ] {
            let read = Origins::read(&format!("{entry}, https://good.example"));
            assert_eq!(read.unreadable, [entry]);
            let among_all = Origins::read(&format!("*, {entry}"));
            assert_eq!(among_all.unreadable, [entry]);
            assert!(among_all.list.allow("https://anywhere.example"));
            assert!(read.list.allow("https://good.example"));
            assert!(!read.list.allow("https://a.example"));
        }
        assert!(!Origins::read("ftp://x").list.allow("https://a.example"));
    }

    #[test]
    fn a_password_in_an_entry_is_not_told() {
        let read = Origins::read("https://user:secret@a.example, user@b.example");
        assert_eq!(read.unreadable, ["…@a.example", "…@b.example"]);
        assert_eq!(Hosts::read("user:secret@c").unreadable, ["…@c"]);
    }

    #[test]
    fn what_is_longer_than_any_host_is_not_read() {
        let label = "a".repeat(63);
        let longest = format!("capacitor://{}.{label}.{label}.{label}:65535", &label[..61]);
        let list = format!("{longest}, https://*.a.example");
        check(&list, &[&longest], &[]);
        let hosts = Hosts::read("*.a.example").list;
        let long = format!("{}.a.example", "a".repeat(TOLD_BYTES_MAX));
        check(&list, &[], &[&format!("https://{long}")]);
        assert!(!hosts.allow(&long));
    }

    #[test]
    fn a_name_that_is_not_listed_is_no_host_of_ours() {
        let hosts = Hosts::read("<address>, localhost:8787, *.localhost, box.local").list;
        for host in [
            "localhost",
            "LOCALHOST:8787",
            "a.localhost:1",
            "127.0.0.1:8787",
            "192.168.0.7",
            "[::1]:8787",
            "[fe80::1]",
            "box.local:80",
        ] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8787",
            "",
            "1.2.3.4.evil",
        ] {
            assert!(!hosts.allow(host), "{host}");
        }
        assert!(Hosts::read("").list.allow("evil.example"));
        assert_eq!(Hosts::read("a/b, c").unreadable, ["a/b"]);
        assert_eq!(Hosts::read("*, a/b").unreadable, ["a/b"]);
    }
}
