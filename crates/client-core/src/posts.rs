//! Edits and deletions that go by one HTTP request each, where there is no link.
//!
//! Owns the order among those of one message: requests overtake each other, and the text that was written last must be the one
//! that stays. Edits that wait collapse to the newest, so that a silent network costs as long as two requests and not as many as
//! there are. Must not know requests, nor what became of them.

use protocol::ids::ClientMessageId;

use crate::identity::Identity;
use crate::io::{CallId, Operation};

/// A change that is on its way, or waits for the one before it.
#[derive(Clone, Debug)]
pub(crate) struct Post<J> {
    pub(crate) call: CallId,
    pub(crate) operation: Operation,
    /// The stored message that it changes.
    pub(crate) target: String,
    pub(crate) body: J,
    pub(crate) id: ClientMessageId,
    /// Who made it; `None` where nobody was known then.
    pub(crate) writer: Option<Identity>,
}

/// A change that is not settled.
#[derive(Clone, Debug)]
struct Posted<J> {
    post: Post<J>,
    has_left: bool,
    /// Calls of the edits in whose place it stands.
    superseded: Vec<CallId>,
}

/// The changes that are not settled, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Posts<J> {
    posts: Vec<Posted<J>>,
}

impl<J: Clone> Posts<J> {
    pub(crate) fn new() -> Self {
        Self { posts: Vec::new() }
    }

    pub(crate) fn add(&mut self, post: Post<J>) {
        let waits = |it: &mut Posted<J>| {
            let is_edit = it.post.operation == Operation::Edit;
            is_edit && !it.has_left && it.post.target == post.target
        };
        let before = self.posts.extract_if(.., waits);
        let calls = before.flat_map(|it| it.superseded.into_iter().chain([it.post.call]));
        let superseded = calls.collect();
        self.posts.push(Posted {
            post,
            has_left: false,
            superseded,
        });
    }

    /// Whether a change of the message is on its way.
    pub(crate) fn is_changing(&self, target: &str) -> bool {
        self.posts.iter().any(|it| it.post.target == target)
    }

    /// The call is settled. Gives those that end as it did.
    pub(crate) fn end(&mut self, call: CallId) -> Vec<CallId> {
        let ended = self.posts.extract_if(.., |it| it.post.call == call);
        ended.flat_map(|it| it.superseded).collect()
    }

    /// Who uses the client is known: what nobody has signed is theirs. Gives the calls of the changes that have not left and that
    /// are somebody else's.
    pub(crate) fn identify(&mut self, identity: &Identity) -> Vec<CallId> {
        let mut others = Vec::new();
        for Posted { post, has_left, .. } in &mut self.posts {
            let writer = post.writer.get_or_insert_with(|| identity.clone());
            if !*has_left && writer != identity {
                others.push(post.call);
            }
        }
        others
    }

    /// Takes note that the next change leaves whose message no other one is changing, and gives it.
    pub(crate) fn next(&mut self) -> Option<Post<J>> {
        let is_due = |index: &usize| {
            let (before, rest) = self.posts.split_at(*index);
            let wanted = rest.first().filter(|it| !it.has_left);
            wanted.is_some_and(|wanted| {
                let target = &wanted.post.target;
                before.iter().all(|it| it.post.target != *target)
            })
        };
        let index = (0..self.posts.len()).find(is_due)?;
        let due = self.posts.get_mut(index)?;
        due.has_left = true;
        Some(due.post.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(call: u32, target: &str) -> Post<()> {
        Post {
            call: CallId(call),
            operation: Operation::Edit,
            target: target.to_owned(),
            body: (),
            id: ClientMessageId(format!("change-{call}")),
            writer: None,
        }
    }

    fn leave(posts: &mut Posts<()>) -> Vec<u32> {
        std::iter::from_fn(|| posts.next().map(|post| post.call.0)).collect()
    }

    #[test]
    fn changes_of_one_message_leave_one_after_the_other_and_others_beside_them() {
        let mut posts = Posts::new();
        let mut left = Vec::new();
        for (call, target) in [(1, "a"), (2, "b"), (3, "a")] {
            posts.add(post(call, target));
            left.extend(leave(&mut posts));
        }
        assert_eq!(left, [1, 2]);
        assert!(posts.is_changing("a") && !posts.is_changing("c"));
        posts.end(CallId(1));
        assert_eq!(leave(&mut posts), [3]);
        for call in [2, 3] {
            posts.end(CallId(call));
        }
        assert!(!posts.is_changing("a") && !posts.is_changing("b"));
    }

    #[test]
    fn edits_that_wait_collapse_to_the_newest_and_end_as_it_does() {
        let mut posts = Posts::new();
        for call in 1..=3 {
            posts.add(post(call, "a"));
            posts.next();
        }
        posts.add(Post {
            operation: Operation::Delete,
            ..post(4, "a")
        });
        posts.add(post(5, "a"));
        assert!(posts.end(CallId(1)).is_empty());
        assert_eq!(leave(&mut posts), [4]);
        assert_eq!(posts.end(CallId(4)), [CallId(2), CallId(3)]);
        assert_eq!(
            leave(&mut posts),
            [5],
            "what was deleted is not edited before"
        );
    }
}
