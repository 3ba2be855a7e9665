//! Reading what an app passes to a verb, with errors that name the argument.

use protocol::fields::{self, FieldError, Length};
use protocol::json::{Json, Shape};
use protocol::limits::{HISTORY_MESSAGES_MAX, NAME_BYTES_MAX, PAGE_MESSAGES_DEFAULT};
use protocol::wire::{Key, Word};

/// What `getMessages()` was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistoryQuery {
    /// Most messages.
    pub(crate) limit: usize,
    /// Only messages created before this time, in milliseconds.
    pub(crate) before: Option<u64>,
    /// Whether the newest comes first in the answer.
    pub(crate) newest_first: bool,
}

/// Reads `(userId, isTyping)`.
pub(crate) fn typing<J: Json>(user_id: &J, is_typing: &J) -> Result<(String, bool), FieldError> {
    let both = J::object(&[
        (Key::UserId, user_id.clone()),
        (Key::IsTyping, is_typing.clone()),
    ]);
    let user_id = fields::required_id(
        &both,
        Key::UserId,
        Length {
            min: 1,
            max: NAME_BYTES_MAX,
        },
    )?;
    Ok((user_id, fields::required_boolean(&both, Key::IsTyping)?))
}

/// Reads `{limit?, before?, order?}`.
pub(crate) fn history<J: Json>(
    options: Option<&J>,
    newest_first: bool,
) -> Result<HistoryQuery, FieldError> {
    let mut query = HistoryQuery {
        limit: PAGE_MESSAGES_DEFAULT,
        before: None,
        newest_first,
    };
    let Some(options) = options.filter(|options| options.shape() != Shape::Null) else {
        return Ok(query);
    };
    if options.shape() != Shape::Object {
        let expected = "an object such as {limit: 50}, or nothing";
        return Err(FieldError::new(
            "options",
            expected,
            Some(options.shape().as_str()),
        ));
    }
    if options.get(Key::Limit).is_some() {
        let expected = format!("a whole number from 1 to {HISTORY_MESSAGES_MAX}");
        let refused = |got| FieldError::new(Key::Limit.as_str(), expected.clone(), Some(got));
        let limit = fields::required_whole_number(options, Key::Limit)
            .map_err(|error| refused(error.got.unwrap_or("null")))?;
        query.limit = usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=HISTORY_MESSAGES_MAX).contains(limit))
            .ok_or_else(|| refused(if limit == 0 { "0" } else { "a larger one" }))?;
    }
    if options.get(Key::Before).is_some() {
        let before = fields::required_whole_number(options, Key::Before)?;
        if before == 0 {
            let expected = "a whole number from 1 to 2^53 - 1";
            return Err(FieldError::new(Key::Before.as_str(), expected, Some("0")));
        }
        query.before = Some(before);
    }
    if let Some(order) = options.get(Key::Order) {
        query.newest_first = match order.word() {
            Some(Word::Asc) => false,
            Some(Word::Desc) => true,
            Some(_) | None => {
                return Err(FieldError::new(
                    Key::Order.as_str(),
                    "'asc' or 'desc'",
                    Some(order.shape().as_str()),
                ));
            }
        };
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn limit_0_is_not_ignored_and_nonsense_is_named() {
        let check = |options: Value, expected: Result<(usize, Option<u64>, bool), &str>| {
            let read = history(Some(&options), false).map(|q| (q.limit, q.before, q.newest_first));
            assert_eq!(
                read.as_ref().map_err(|error| error.field.as_str()),
                expected.as_ref().map_err(|field| *field),
                "{options}"
            );
        };
        check(json!({}), Ok((50, None, false)));
        check(json!(null), Ok((50, None, false)));
        check(
            json!({"limit": 1000, "before": 17, "order": "desc"}),
            Ok((1000, Some(17), true)),
        );
        for limit in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!(1001),
            json!("5"),
            json!("abc"),
            json!(null),
            json!([5]),
        ] {
            check(json!({ "limit": limit }), Err("limit"));
        }
        for before in [
            json!(0),
            json!(-1),
            json!("2020-01-01"),
            json!(null),
            json!(1e300),
        ] {
            check(json!({ "before": before }), Err("before"));
        }
        for order in [json!("newest"), json!(1), json!("user")] {
            check(json!({ "order": order }), Err("order"));
        }
        check(json!(50), Err("options"));
    }
}
