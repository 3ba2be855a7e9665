//! Who somebody is, once authentication of whatever kind is done.

use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;
use crate::token::{Claims, Role};

/// The capability to change a space's metadata.
pub const CAP_METADATA: &str = "metadata";
/// The capability to edit and delete what others wrote.
pub const CAP_MODERATE: &str = "moderate";
/// The capability to speak as `system`.
pub const CAP_SYSTEM: &str = "system";

/// The capability to see what is the owner's to know: how full a space is, and which settings cannot be read. A token that has it
/// does nothing else.
pub const CAP_INSPECT: &str = "inspect";

/// The outcome of authentication: all that the room knows of who acts. Never holds a token or a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    /// Whose space this is, where one Worker serves several owners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The user that the token names. `None`: anybody who holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The user's name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the user is here; counts only with `sub`.
    pub role: Role,
    /// Capabilities beyond sending and reading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<String>,
    /// When the token's time is over.
    pub exp: UnixMillis,
    /// Tells tokens without a `sub` apart for rate limits; says nothing about the token's secret parts.
    pub bucket: String,
    /// Whether the caller also showed the gateway key, and so acts for the space's owner.
    #[serde(default)]
    pub gateway: bool,
}

impl Principal {
    /// The principal of a verified token.
    #[must_use]
    pub fn of_claims(claims: Claims, gateway: bool) -> Self {
        let bucket = claims.sub.as_ref().map_or_else(
            || format!("token:{}", claims.rnd),
            |sub| format!("sub:{sub}"),
        );
        Self {
            tenant: None,
            sub: claims.sub,
            name: claims.name,
            role: claims.role.unwrap_or(Role::Customer),
            caps: claims.caps,
            exp: claims.exp,
            bucket,
            gateway,
        }
    }

    /// Whether a token proves who this is.
    #[must_use]
    pub fn verified(&self) -> bool {
        self.sub.is_some()
    }

    /// Whether this is a user whom a token names, or acts for the owner.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.verified() || self.gateway
    }

    /// Whether this may do what takes `cap`: it holds it, or acts for the owner.
    #[must_use]
    pub fn may(&self, cap: &str) -> bool {
        self.gateway || self.caps.iter().any(|held| held == cap)
    }
}
