//! A service worker of the app's own that answers with what it has and fetches behind it (stale-while-revalidate), whatever the
//! address: what many sites have for their pictures, and takes every request of the page.
//!
//! Owns the answers. Must not know what they say.

use std::collections::BTreeMap;

use client_core::io::{FetchId, Fetched, Request};
use serde_json::Value;

use crate::world::Tab;

/// What the service worker of one app holds: it outlives the tab.
#[derive(Debug, Default)]
pub struct Cache {
    answers: BTreeMap<String, Fetched<Value>>,
    asked: Vec<(Tab, FetchId, String)>,
}

impl Cache {
    /// Takes a request; gives what it is answered with at once. It goes to the network all the same.
    pub fn ask(
        &mut self,
        tab: Tab,
        fetch: FetchId,
        request: &Request<Value>,
    ) -> Option<Fetched<Value>> {
        if request.method != "GET" {
            return None;
        }
        self.asked.push((tab, fetch, request.url.clone()));
        self.answers.get(&request.url).cloned()
    }

    /// Takes an answer of the network, or its own.
    pub fn learn(&mut self, tab: Tab, fetch: FetchId, answer: &Fetched<Value>) {
        let is_it = |asked: &&(Tab, FetchId, String)| (asked.0, asked.1) == (tab, fetch);
        if let Some((_, _, url)) = self.asked.iter().rfind(is_it)
            && answer.status == 200
        {
            self.answers.insert(url.clone(), answer.clone());
        }
    }
}
