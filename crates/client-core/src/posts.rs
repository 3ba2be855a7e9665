//! Edits and deletions that go by one HTTP request each, where there is no link.
//!
//! Owns the order among those of one message: requests overtake each other, and the text that was written last must be the one
//! that stays. Must not know requests, nor what became of them.

use protocol::ids::ClientMessageId;

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
}

/// The changes that are not settled, oldest first, and whether each has left.
#[derive(Clone, Debug)]
pub(crate) struct Posts<J> {
    posts: Vec<(Post<J>, bool)>,
}

impl<J: Clone> Posts<J> {
    pub(crate) fn new() -> Self {
        Self { posts: Vec::new() }
    }

    pub(crate) fn add(&mut self, post: Post<J>) {
        self.posts.push((post, false));
    }

    /// Whether a change of the message is on its way.
    pub(crate) fn is_changing(&self, target: &str) -> bool {
        self.posts.iter().any(|(post, _)| post.target == target)
    }

    /// The call is settled.
    pub(crate) fn end(&mut self, call: CallId) {
        self.posts.retain(|(post, _)| post.call != call);
    }

    /// Takes note that the next change leaves whose message no other one is changing, and gives it.
    pub(crate) fn next(&mut self) -> Option<Post<J>> {
        let is_first = |index: &usize| {
            let (before, rest) = self.posts.split_at(*index);
            let wanted = rest.first().filter(|(_, has_left)| !has_left);
            wanted.is_some_and(|(post, _)| before.iter().all(|(it, _)| it.target != post.target))
        };
        let index = (0..self.posts.len()).find(is_first)?;
        let (post, has_left) = self.posts.get_mut(index)?;
        *has_left = true;
        Some(post.clone())
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
        }
    }

    fn leave(posts: &mut Posts<()>) -> Vec<u32> {
        std::iter::from_fn(|| posts.next().map(|post| post.call.0)).collect()
    }

    #[test]
    fn changes_of_one_message_leave_one_after_the_other_and_others_beside_them() {
        let mut posts = Posts::new();
        for (call, target) in [(1, "a"), (2, "a"), (3, "b"), (4, "a")] {
            posts.add(post(call, target));
        }
        assert_eq!(leave(&mut posts), [1, 3]);
        assert!(leave(&mut posts).is_empty());
        assert!(posts.is_changing("a") && !posts.is_changing("c"));
        posts.end(CallId(1));
        assert_eq!(leave(&mut posts), [2]);
        posts.end(CallId(2));
        assert_eq!(leave(&mut posts), [4]);
        for call in [3, 4] {
            posts.end(CallId(call));
        }
        assert!(!posts.is_changing("a") && !posts.is_changing("b"));
    }
}
