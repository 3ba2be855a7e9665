//! Tokens refused, failing, renewed.

use client_core::io::{CallId, Input, TokenId};
use serde_json::{Value, json};

use crate::bench::{Bench, EPOCH_MS, TOKEN, message, page, token_of};

#[test]
fn a_rejected_token_does_not_loop_for_ever() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.take();
    bench.close(4401);
    bench.expect(&["connecting", "token fresh=true"]);
    bench.give_token(TOKEN);
    bench.expect(&[
        "failed",
        "error tokenExpired",
        "1 tokenExpired: Token expired",
    ]);
}

#[test]
fn a_token_function_that_fails_is_asked_again_later() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    let token_id = bench.token;
    bench.input(Input::TokenFailed {
        token_id,
        message: "503".into(),
    });
    bench.expect(&[
        "connecting",
        "token fresh=false",
        "error tokenUnavailable",
        "connecting in soon",
    ]);
    bench.retry();
    bench.expect(&["connecting", "token fresh=false"]);
}

#[test]
fn another_source_is_asked_at_once_while_a_failed_one_is_left_alone() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    for _ in 0..6 {
        bench.input(Input::TokenFailed {
            token_id: bench.token,
            message: "503".into(),
        });
        bench.retry();
    }
    bench.input(Input::TokenFailed {
        token_id: bench.token,
        message: "503".into(),
    });
    bench.take();
    bench.input(Input::TokenChanged);
    bench.expect(&["connecting", "token fresh=false"]);
}

#[test]
fn there_is_a_way_to_refresh_a_token_and_it_is_tried_once() {
    let mut bench = Bench::new();
    bench.client.participants(CallId(3), bench.now);
    bench.drain();
    bench.give_token(TOKEN);
    bench.answer(
        401,
        &json!({"error": "Token expired", "code": "tokenExpired"}),
    );
    bench.expect(&[
        "token fresh=false",
        "GET https://x/participants?v=2",
        "token fresh=true",
    ]);
    bench.give_token(TOKEN);
    bench.expect(&[
        "3 tokenExpired: Failed to get participants: {\"code\":\"tokenExpired\",\"error\":\"Token expired\"}",
    ]);
}

#[test]
fn a_source_that_gives_the_refused_token_once_more_is_asked_again() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(TOKEN);
    bench.take();
    bench.close(4401);
    bench.expect(&["connecting", "token fresh=true"]);
    bench.fetch_token(TOKEN);
    bench.expect(&["error tokenExpired", "connecting in soon"]);
    // A call does not ask in between either.
    bench.client.participants(CallId(2), bench.now);
    bench.advance(999);
    bench.expect(&[]);
    bench.advance(1);
    bench.expect(&["token fresh=true"]);
    bench.fetch_token(&token_of("ada", 600_000));
    bench.expect(&["open", "GET https://x/participants?v=2"]);
    bench.welcome(r#""seq":4"#);
    assert!(bench.client.is_connected());
}

#[test]
fn a_source_that_signs_with_a_wrong_key_is_told_at_the_second_refusal_and_once() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    let mut told = Vec::new();
    for nth in 0..4 {
        bench.fetch_token(&token_of("ada", 600_000 + nth));
        bench.close(4401);
        let seen = bench.take();
        told.push(seen.contains(&"error tokenExpired".to_owned()));
        bench.retry();
    }
    assert_eq!(told, [false, true, false, false]);
}

/// Failed: the source gave nothing but the refused token for as long as it was asked.
fn failed_after_patience() -> Bench {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(TOKEN);
    bench.take();
    bench.close(4401);
    let (mut asked, mut waited) = (0, 0);
    while !bench.take().contains(&"failed".to_owned()) {
        assert!(waited <= 40_000, "{waited}");
        bench.fetch_token(TOKEN);
        bench.advance(500);
        waited += 500;
        asked += 1;
    }
    assert!(waited >= 30_000 && asked > 30, "{waited}");
    bench
}

#[test]
fn a_client_that_failed_for_its_token_comes_back_with_another_one() {
    let mut bench = failed_after_patience();
    bench.advance(1_000);
    bench.input(Input::Woken);
    bench.expect(&["token fresh=true"]);
    bench.fetch_token(TOKEN);
    bench.expect(&[]);
    // Not more than once a second, and a sign that comes early is not forgotten.
    bench.advance(300);
    bench.input(Input::OnlineChanged(true));
    bench.advance(699);
    bench.expect(&[]);
    bench.advance(1);
    bench.expect(&["token fresh=true"]);
    bench.fetch_token(&token_of("ada", 600_000));
    assert!(bench.take().contains(&"open".to_owned()));
    bench.welcome(r#""seq":4"#);
    assert!(bench.client.is_connected());
}

#[test]
fn a_call_brings_a_client_back_that_failed_for_its_token() {
    let mut bench = failed_after_patience();
    bench.client.participants(CallId(9), bench.now);
    bench.drain();
    bench.advance(1_000);
    bench.expect(&["token fresh=true"]);
    bench.fetch_token(&token_of("ada", 600_000));
    let seen = bench.take();
    assert!(seen.contains(&"open".to_owned()), "{seen:?}");
    assert!(seen.iter().any(|it| it.starts_with("GET ")), "{seen:?}");
}

#[test]
fn a_text_that_is_over_is_not_asked_for_again() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.close(4401);
    bench.give_token(TOKEN);
    bench.take();
    bench.input(Input::Woken);
    bench.input(Input::OnlineChanged(true));
    bench.expect(&[]);
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn who_left_after_a_failure_is_not_brought_back() {
    let mut bench = failed_after_patience();
    bench.client.disconnect(bench.now);
    bench.drain();
    bench.take();
    bench.input(Input::Woken);
    bench.expect(&[]);
}

#[test]
fn a_new_token_of_the_same_user_is_an_auth_on_the_live_link() {
    let mut bench = connected_for(600_000);
    bench.input(Input::TokenChanged);
    bench.expect(&["token fresh=true"]);
    bench.give_token(&token_of("ada", 1_200_000));
    bench.expect(&["transmit auth"]);
    assert!(bench.client.is_connected());
}

#[test]
fn a_new_token_brings_a_client_back_whose_text_was_over() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.close(4401);
    bench.give_token(TOKEN);
    assert!(bench.take().contains(&"failed".to_owned()));
    bench.input(Input::TokenChanged);
    bench.expect(&["token fresh=true"]);
    bench.give_token(&token_of("ada", 600_000));
    assert!(bench.take().contains(&"open".to_owned()));
}

/// What a Worker closes a connection with that came with a token of another room, or of nobody.
const OF_ANOTHER_PLACE: [(u16, &str); 2] = [(4403, "spaceMismatch"), (4405, "identityRequired")];

#[test]
fn a_token_of_another_space_or_of_nobody_is_replaced_as_one_that_is_over_is() {
    for (code, error) in OF_ANOTHER_PLACE {
        let good = token_of("ada", 600_000);
        let mut bench = Bench::new();
        bench.client.connect(CallId(1), bench.now);
        bench.drain();
        bench.fetch_token(TOKEN);
        bench.take();
        bench.close(code);
        bench.expect(&["connecting", "token fresh=true"]);
        bench.fetch_token(&good);
        bench.expect(&["open"]);

        // A cache gives what it has until it has the new one.
        let mut bench = Bench::new();
        bench.client.connect(CallId(1), bench.now);
        bench.drain();
        bench.fetch_token(TOKEN);
        bench.close(code);
        bench.take();
        bench.fetch_token(TOKEN);
        bench.expect(&[&format!("error {error}"), "connecting in soon"]);
        bench.advance(1_000);
        bench.expect(&["token fresh=true"]);
        bench.fetch_token(TOKEN);
        bench.expect(&["connecting in 2000"]);
        bench.advance(2_000);
        bench.expect(&["token fresh=true"]);
        bench.fetch_token(&good);
        bench.expect(&["open"]);
        bench.welcome(r#""seq":4"#);
        assert!(bench.client.is_connected());

        // A text is the only one.
        let mut bench = Bench::new();
        bench.client.connect(CallId(1), bench.now);
        bench.drain();
        bench.give_token(TOKEN);
        bench.close(code);
        bench.give_token(TOKEN);
        let seen = bench.take();
        assert!(seen.contains(&"failed".to_owned()), "{seen:?}");
        assert!(seen.contains(&format!("error {error}")), "{seen:?}");
        bench.input(Input::TokenChanged);
        bench.expect(&["token fresh=true"]);
        bench.give_token(&good);
        assert!(bench.take().contains(&"open".to_owned()));
    }
}

#[test]
fn a_client_that_only_lost_its_link_is_not_ended_by_a_stale_answer_and_is_so_after_30_s_of_them() {
    for (code, error) in OF_ANOTHER_PLACE {
        for stale_ms in [1_500, u64::MAX] {
            let mut bench = connected_for(3_600_000);
            bench.close(1006);
            let (mut asked, mut refused, mut waited) = (Vec::new(), 0, 0);
            let failed = loop {
                let seen = bench.take();
                let count = |word: &str| seen.iter().filter(|it| it.starts_with(word)).count();
                if count("failed") > 0 || bench.client.is_connected() || waited > 60_000 {
                    break count("failed") > 0;
                }
                if count("token") > 0 {
                    asked.push(waited);
                    let is_good = waited >= stale_ms;
                    bench.fetch_token(&token_of(if is_good { "ada" } else { "bo" }, 3_600_000));
                } else if count("open") > 0 {
                    if waited >= stale_ms {
                        bench.welcome(r#""seq":4"#);
                    } else {
                        refused += 1;
                        bench.close(code);
                    }
                } else {
                    bench.advance(10);
                    waited += 10;
                }
            };
            assert_eq!(failed, stale_ms == u64::MAX, "{error}: {asked:?}");
            assert!(refused >= 1 && waited >= stale_ms.min(30_000), "{waited}");
            let apart = asked.windows(2).skip(1).map(|pair| pair[1] - pair[0]);
            assert!(apart.min().is_none_or(|ms| ms >= 1_000), "{asked:?}");
        }
    }
}

#[test]
fn a_source_that_throws_or_gives_no_token_is_asked_once_a_second_at_most() {
    for gives in [None, Some(""), Some("<h1>Sign in</h1>")] {
        let mut bench = Bench::new();
        bench.client.connect(CallId(1), bench.now);
        bench.drain();
        let (mut asked, mut asked_at) = (0, None);
        for nth in 0..1_000 {
            // Calls need one as well, the link's next attempt comes by itself, and the page wakes up.
            if nth % 3 == 0 {
                bench.client.participants(CallId(10 + nth), bench.now);
                bench.drain();
            }
            if nth % 50 == 0 {
                bench.input(Input::Woken);
            }
            let seen = bench.take();
            for _ in seen.iter().filter(|it| it.starts_with("token")) {
                let apart = asked_at.map_or(u64::MAX, |at| bench.now.ms_since(at));
                assert!(apart >= 1_000, "{gives:?}: asked again after {apart} ms");
                (asked, asked_at) = (asked + 1, Some(bench.now));
                match gives {
                    Some(text) => bench.fetch_token(text),
                    None => bench.input(Input::TokenFailed {
                        token_id: bench.token,
                        message: "503".into(),
                    }),
                }
            }
            bench.advance(10);
        }
        assert!((9..=11).contains(&asked), "{gives:?}: {asked} in 10 s");
        bench.advance(1_000);
        bench.fetch_token(&token_of("ada", 600_000));
        let seen = bench.take();
        assert!(seen.iter().any(|it| it.starts_with("GET ")), "{seen:?}");
    }
}

#[test]
fn a_source_that_gives_another_wrong_token_for_each_call_is_asked_once_a_second_at_most() {
    let mut bench = Bench::new();
    let (mut asked, mut given) = (0, 0);
    for nth in 0..500 {
        bench.client.participants(CallId(10 + nth), bench.now);
        bench.drain();
        for said in bench.take() {
            if said.starts_with("token") {
                asked += 1;
                given += 1;
                bench.fetch_token(&token_of("ada", 600_000 + given));
            } else if said.starts_with("GET ") {
                let refused = json!({"error": "Token space mismatch", "code": "spaceMismatch"});
                bench.answer(401, &refused);
            }
        }
        bench.advance(10);
    }
    assert!((4..=7).contains(&asked), "{asked} in 5 s");
}

#[test]
fn an_answer_of_the_source_before_is_not_heard() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    let before = bench.token;
    bench.input(Input::TokenChanged);
    bench.take();
    bench.input(Input::TokenReady {
        token_id: before,
        token: token_of("bo", 600_000),
        fixed: true,
    });
    bench.expect(&[]);
    bench.give_token(&token_of("ada", 600_000));
    bench.expect(&["open"]);
    assert_eq!(bench.used_token, token_of("ada", 600_000));
}

#[test]
fn an_idle_client_is_asked_for_nothing_by_a_new_token() {
    let mut bench = Bench::new();
    bench.input(Input::TokenChanged);
    bench.expect(&[]);
}

#[test]
fn what_failed_is_said_once() {
    let mut bench = Bench::new();
    bench.client.participants(CallId(3), bench.now);
    bench.drain();
    bench.give_token(TOKEN);
    bench.history(4, json!({}));
    bench.answer_to(
        "GET https://x/participants",
        401,
        &json!({"error": "Token expired", "code": "tokenExpired"}),
    );
    bench.history(5, json!({}));
    bench.take();
    bench.give_token(TOKEN);
    let seen = bench.take();
    let of_history = seen.iter().find(|it| it.starts_with("5 ")).unwrap();
    assert_eq!(of_history.matches("Failed to get").count(), 1, "{seen:?}");
}

/// Connected as ada, with a token that is good for `ms`.
fn connected_for(ms: u64) -> Bench {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.give_token(&token_of("ada", ms));
    bench.welcome(r#""seq":4"#);
    bench.take();
    bench
}

#[test]
fn a_token_is_renewed_on_the_live_link_before_it_expires() {
    let mut bench = connected_for(600_000);
    // Signs of life come all the time.
    for _ in 0..27 {
        bench.frame(r#"{"type":"pong"}"#);
        bench.advance(20_000);
    }
    let mut told = bench.take();
    told.retain(|it| it != "transmit ping");
    assert_eq!(told, ["token fresh=true"]);
    bench.give_token(&token_of("ada", 1_200_000));
    bench.expect(&["transmit auth"]);
    assert!(bench.client.is_connected());
}

#[test]
fn a_warning_of_the_server_renews_a_token_that_does_not_say_when_it_is_over() {
    let mut bench = Bench::ready_with("opaque");
    bench.frame(r#"{"type":"expiring","exp":1}"#);
    bench.frame(r#"{"type":"expiring","exp":1}"#);
    bench.expect(&["token fresh=true"]);
    bench.give_token("opaque");
    bench.expect(&[]);
    bench.close(4401);
    assert_eq!(bench.take().last().unwrap(), "token fresh=true");
    bench.give_token("opaque");
    assert!(
        bench.take().contains(&"error tokenExpired".to_owned()),
        "a typed end, no loop"
    );
}

#[test]
fn a_token_that_lives_for_seconds_is_not_renewed_in_a_loop() {
    let mut bench = connected_for(5_000);
    let mut asked = 0;
    for _ in 0..200 {
        bench.frame(r#"{"type":"pong"}"#);
        bench.advance(100);
        for _ in bench.take().iter().filter(|line| line.starts_with("token")) {
            asked += 1;
            let exp = bench.now.0 + 5_000;
            bench.give_token(&token_of("ada", exp));
            let warning = format!(r#"{{"type":"expiring","exp":{exp}}}"#);
            bench.frame(&warning);
        }
    }
    assert!((4..=6).contains(&asked), "asked {asked} times in 20 s");
}

#[test]
fn a_server_whose_clock_takes_each_token_for_over_makes_nobody_ask_in_a_circle() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.give_token(&token_of("ada", 3_600_000));
    // By its clock 20 ms are left of each.
    let server_time = EPOCH_MS + 3_600_000 - 20;
    bench.welcome(&format!(r#""seq":4,"serverTime":{server_time}"#));
    let mut asked = 0;
    for _ in 0..1_000 {
        bench.advance(10);
        for _ in bench.take().iter().filter(|line| line.starts_with("token")) {
            asked += 1;
            bench.fetch_token(&token_of("ada", 3_600_000 + bench.now.0));
        }
    }
    assert!((1..=10).contains(&asked), "asked {asked} times in 10 s");
}

#[test]
fn a_renewal_that_fails_is_tried_again_until_the_token_is_over() {
    let mut bench = connected_for(60_000);
    let mut asked = 0;
    for _ in 0..120 {
        bench.frame(r#"{"type":"pong"}"#);
        bench.advance(1_000);
        if bench.take().contains(&"token fresh=true".to_owned()) {
            asked += 1;
            let token_id = bench.token;
            bench.input(Input::TokenFailed {
                token_id,
                message: "503".into(),
            });
            bench.expect(&["error tokenUnavailable"]);
        }
    }
    assert!(
        (2..=4).contains(&asked),
        "asked {asked} times in the last 15 s"
    );
    assert!(bench.client.is_connected(), "an accepted connection stays");
}

#[test]
fn a_token_of_another_user_is_not_pressed_into_the_old_connection() {
    let mut bench = connected_for(600_000);
    for _ in 0..27 {
        bench.frame(r#"{"type":"pong"}"#);
        bench.advance(20_000);
    }
    let mut told = bench.take();
    told.retain(|it| it != "transmit ping");
    assert_eq!(told, ["token fresh=true"]);
    bench.give_token(&token_of("bo", 1_200_000));
    bench.expect(&["close 1000", "connected false", "reconnecting", "open"]);
    assert_eq!(bench.used_token, token_of("bo", 1_200_000));
}

#[test]
fn a_socket_that_was_opened_as_somebody_else_carries_nothing() {
    let (ada, bo) = (token_of("ada", 600_000), token_of("bo", 600_000));
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.give_token(&ada);
    bench.input(Input::TokenChanged);
    bench.give_token(&bo);
    bench.take();
    bench.welcome(r#""seq":4"#);
    bench.expect(&["close 1000", "connecting", "open"]);
    assert_eq!(bench.used_token, bo);
    bench.welcome(r#""seq":4"#);
    assert!(bench.client.is_connected());
}

#[test]
fn a_socket_that_waited_is_shown_the_token_that_came_meanwhile() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.give_token(&token_of("ada", 600_000));
    bench.input(Input::TokenChanged);
    bench.give_token(&token_of("ada", 1_200_000));
    bench.take();
    bench.welcome(r#""seq":4"#);
    let seen = bench.take();
    assert!(seen.contains(&"transmit auth".to_owned()), "{seen:?}");
}

#[test]
fn a_token_of_another_user_that_a_request_found_out_ends_the_old_connection() {
    let mut bench = connected_for(600_000);
    bench.history(5, json!({}));
    bench.answer(
        401,
        &json!({"error": "Token expired", "code": "tokenExpired"}),
    );
    bench.take();
    bench.give_token(&token_of("bo", 600_000));
    let seen = bench.take();
    assert!(seen.contains(&"close 1000".to_owned()), "{seen:?}");
    assert!(seen.contains(&"open".to_owned()), "{seen:?}");
}

#[test]
fn who_leaves_is_not_signed_in_by_an_answer_that_was_on_its_way() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    let asked = bench.token;
    bench.client.disconnect(bench.now);
    bench.client.connect(CallId(2), bench.now);
    bench.drain();
    assert_ne!(bench.token, asked, "the source is asked anew");
    let late = Input::TokenReady {
        token_id: asked,
        token: token_of("ada", 600_000),
        fixed: false,
    };
    bench.take();
    bench.input(late);
    bench.expect(&[]);
    bench.fetch_token(&token_of("bo", 600_000));
    bench.expect(&["open"]);
    assert_eq!(bench.used_token, token_of("bo", 600_000));
    // A call that waited for the answer gets the next one.
    let mut bench = Bench::new();
    bench.history(5, json!({}));
    let asked = bench.token;
    bench.client.disconnect(bench.now);
    bench.drain();
    assert_eq!(bench.token, asked, "a source is asked once a second");
    bench.advance(1_000);
    assert_ne!(bench.token, asked);
    bench.fetch_token(&token_of("bo", 600_000));
    assert_eq!(bench.count("GET"), 1);
}

#[test]
fn what_one_user_wrote_does_not_leave_with_the_token_of_the_next() {
    let refusal = json!({"error": "Token expired", "code": "tokenExpired"});
    let bo = token_of("bo", 600_000);
    // While polls serve: it waits in the outbox.
    let mut bench = Bench::asking();
    let ada = token_of("ada", 600_000);
    bench.input(Input::TokenChanged);
    bench.fetch_token(&ada);
    let welcome = json!([{"type": "welcome", "epoch": "e", "seq": 4, "serverTime": EPOCH_MS}]);
    bench.answer_to("GET https://x/events", 200, &welcome);
    bench.send(5, "mine", false);
    assert_eq!((bench.count("POST"), &bench.used_token), (1, &ada));
    bench.answer_to("POST", 401, &refusal);
    bench.fetch_token(&bo);
    bench.advance(1_000);
    assert_eq!(bench.count("POST"), 1, "it is ada's");
    bench.send(6, "of bo", false);
    assert_eq!((bench.count("POST"), &bench.used_token), (2, &bo));
    let stored = json!({"success": true, "message": message(5)});
    bench.answer_to("POST", 201, &stored);
    bench.input(Input::TokenChanged);
    bench.fetch_token(&token_of("ada", 1_200_000));
    bench.advance(1_000);
    assert_eq!(
        bench.count("POST"),
        3,
        "ada is back, and so is what is hers"
    );

    // Without a link: nothing keeps it, and the call says so. Whoever signs in while it is out changes nothing.
    for is_out in [false, true] {
        let mut bench = Bench::new();
        bench.send(5, "mine", false);
        bench.fetch_token(&ada);
        if is_out {
            bench.input(Input::TokenChanged);
            bench.fetch_token(&bo);
            bench.answer_to("POST", 401, &refusal);
        } else {
            bench.answer_to("POST", 401, &refusal);
            bench.fetch_token(&bo);
        }
        assert_eq!(bench.count("POST"), 1);
        let seen = bench.take();
        assert!(seen.last().unwrap().starts_with("5 closed: "), "{seen:?}");
    }
}

#[test]
fn the_server_s_clock_decides_when_a_token_is_over() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.give_token(&token_of("ada", 600_000));
    // The machine's clock is ten minutes late.
    let server_time = EPOCH_MS + 500_000;
    bench.welcome(&format!(r#""seq":4,"serverTime":{server_time}"#));
    bench.take();
    bench.advance(40_000);
    assert!(!bench.take().contains(&"token fresh=true".to_owned()));
    bench.frame(r#"{"type":"pong"}"#);
    bench.advance(35_000);
    assert!(bench.take().contains(&"token fresh=true".to_owned()));
}

#[test]
fn nothing_is_renewed_for_a_client_that_left() {
    let mut bench = connected_for(600_000);
    bench.client.disconnect(bench.now);
    bench.drain();
    assert_eq!(bench.client.poll_timeout(), None);
}

/// A client whose first question for a token was given up, and the name of that question.
fn given_up() -> (Bench, TokenId) {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    let first = bench.token;
    bench.advance(10_000);
    (bench, first)
}

fn late_answer(token_id: TokenId, token: &str) -> Input<Value> {
    Input::TokenReady {
        token_id,
        token: token.to_owned(),
        fixed: false,
    }
}

#[test]
fn a_token_that_comes_later_than_it_was_waited_for_is_taken() {
    let late = token_of("ada", 3_600_000);
    // In the pause before the next question.
    let (mut bench, first) = given_up();
    bench.input(late_answer(first, &late));
    assert_eq!(bench.used_token, late);
    // While the next question is out, which was asked as whoever is signed in by now.
    let (mut bench, first) = given_up();
    bench.retry();
    let second = bench.token;
    assert_ne!(second, first, "asked anew");
    bench.input(late_answer(first, &late));
    assert_eq!(bench.used_token, late);
    bench.welcome(r#""seq":4"#);
    let newer = token_of("bob", 3_600_000);
    bench.input(late_answer(second, &newer));
    bench.drain();
    assert_eq!(bench.used_token, newer);
    // Nothing comes of what comes after that.
    bench.input(late_answer(first, &late));
    assert_eq!(bench.used_token, newer);
}

#[test]
fn a_late_token_of_another_source_or_one_that_was_refused_is_not_taken() {
    let (mut bench, first) = given_up();
    bench.input(Input::TokenChanged);
    bench.input(late_answer(first, &token_of("ada", 3_600_000)));
    assert_eq!(bench.used_token, "");
    let mut bench = Bench::new();
    let old = token_of("ada", 600_000);
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(&old);
    bench.close(4401);
    let second = bench.token;
    bench.advance(10_000);
    bench.retry();
    let third = bench.token;
    assert_ne!(third, second);
    bench.input(late_answer(second, &old));
    // The question that is out is still waited for.
    let good = token_of("ada", 3_600_000);
    bench.input(late_answer(third, &good));
    assert_eq!(bench.used_token, good);
}

#[test]
fn a_token_function_that_never_answers_does_not_stop_the_client() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.client.participants(CallId(2), bench.now);
    bench.drain();
    bench.take();
    bench.advance(9_999);
    bench.expect(&[]);
    bench.advance(1);
    let seen = bench.take();
    assert!(seen[0].starts_with("2 tokenUnavailable: "), "{seen:?}");
    assert!(
        seen.contains(&"error tokenUnavailable".to_owned()),
        "{seen:?}"
    );
    assert!(!seen.contains(&"token fresh=false".to_owned()), "{seen:?}");
    bench.retry();
    bench.expect(&["connecting", "token fresh=false"]);
    bench.give_token(TOKEN);
    bench.welcome(r#""seq":4"#);
    assert!(bench.client.is_connected());
}

#[test]
fn a_fresh_token_is_not_blamed_for_the_refusal_of_the_one_before() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.client.participants(CallId(2), bench.now);
    bench.drain();
    // The request finds out first, and has a fresh token before the socket's refusal arrives.
    bench.answer(
        401,
        &json!({"error": "Token expired", "code": "tokenExpired"}),
    );
    bench.give_token(&token_of("ada", 600_000));
    bench.take();
    bench.close(4401);
    bench.expect(&["connecting", "open"]);
    assert_eq!(bench.used_token, token_of("ada", 600_000));
}

#[test]
fn a_client_that_only_asks_over_http_wants_no_timer() {
    let mut bench = Bench::new();
    bench.client.participants(CallId(3), bench.now);
    bench.drain();
    bench.give_token(&token_of("ada", EPOCH_MS + 3_600_000));
    bench.answer(200, &json!({"success": true, "participants": []}));
    bench.drain();
    // A server's script ends with its last answer, and not an hour later.
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn a_refused_call_names_what_failed_once() {
    let mut bench = Bench::new();
    bench.history(3, json!({"limit": 10}));
    bench.fetch_token(&token_of("ada", 600_000));
    bench.answer(
        401,
        &json!({"code": "tokenExpired", "error": "Token expired"}),
    );
    // It waits for another token, and so does this one, which is told of the same refusal.
    bench.history(4, json!({"limit": 10}));
    bench.take();
    let mut told = Vec::new();
    for _ in 0..80 {
        bench.fetch_token(&token_of("ada", 600_000));
        bench.advance(500);
        told.extend(bench.take());
    }
    told.retain(|words| words.starts_with(['3', '4']));
    // The one that was answered has the whole body, as with the SDK.
    let body = r#"{"code":"tokenExpired","error":"Token expired"}"#;
    assert_eq!(
        told,
        [(3, body), (4, "Token expired")]
            .map(|(call, told)| format!("{call} tokenExpired: Failed to get messages: {told}"))
    );
}

#[test]
fn a_page_shows_the_sentence_of_a_refusal_whichever_request_met_it() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.history(3, json!({"limit": 10}));
    bench.drain();
    let token = token_of("ada", 3_600_000);
    bench.fetch_token(&token);
    let body = json!({"code": "tokenInvalid", "error": "Invalid token signature"});
    for _ in 0..80 {
        // Answers come before the socket is through.
        bench.answer(401, &body);
        bench.fetch_token(&token);
        bench.advance(500);
    }
    bench.take();
    let is_of_the_link = |text: &String| text == "WebSocket error";
    bench.errors.retain(|text| !is_of_the_link(text));
    bench.errors.dedup();
    assert_eq!(bench.errors, ["Invalid token signature"]);
}

#[test]
fn a_source_that_gives_what_is_no_token_changes_nobody_s_identity_and_is_asked_again() {
    let token = token_of("ada", 3_600_000);
    let wrapped = [
        format!("{token}\n"),
        format!(" {token}"),
        format!("\"{token}\""),
        format!("Bearer {token}"),
    ];
    let others = ["", "<h1>Sign in</h1>", r#"{"error":"signed out"}"#];
    for junk in others.into_iter().chain(wrapped.iter().map(String::as_str)) {
        // As the first token ...
        let mut bench = Bench::new();
        bench.client.connect(CallId(1), bench.now);
        bench.drain();
        bench.fetch_token(junk);
        bench.send(5, "written meanwhile", false);
        let seen = bench.take().join(", ");
        assert!(
            seen.contains("error tokenUnavailable") && !seen.contains("open"),
            "{junk}: {seen}"
        );
        bench.retry();
        bench.fetch_token(&token_of("ada", 3_600_000));
        bench.welcome(r#""epoch":"e","seq":4"#);
        let seen = bench.take();
        assert!(
            seen.contains(&"transmit written meanwhile".to_owned()),
            "{junk}: {seen:?}"
        );
        // ... and in the middle of a session.
        bench.input(Input::TokenChanged);
        bench.take();
        bench.fetch_token(junk);
        bench.send(6, "and later", false);
        let seen = bench.take();
        assert!(
            seen.contains(&"transmit and later".to_owned()),
            "{junk}: {seen:?}"
        );
        assert!(
            seen.contains(&"error tokenUnavailable".to_owned()),
            "{junk}: {seen:?}"
        );
    }
}

#[test]
fn a_token_of_another_form_that_the_server_takes_names_nobody() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.send(5, "written before", false);
    bench.give_token("opaque");
    bench.welcome(r#""epoch":"e","seq":4"#);
    bench.send(6, "written after", false);
    let seen = bench.take().join(", ");
    for text in ["written before", "written after"] {
        assert!(seen.contains(&format!("transmit {text}")), "{seen}");
    }
}

#[test]
fn a_text_that_is_no_token_is_told_as_such_whatever_the_server_takes_it_for() {
    let token = token_of("ada", 3_600_000);
    for (text, close) in [
        (format!("{token}\n"), 4402),
        (format!("\"{token}\""), 4403),
        (format!("Bearer {token}"), 4403),
    ] {
        let mut bench = Bench::new();
        bench.client.connect(CallId(1), bench.now);
        bench.drain();
        bench.give_token(&text);
        bench.close(close);
        bench.give_token(&text);
        let seen = bench.take();
        let last = seen.last().unwrap();
        assert!(
            last.starts_with("1 tokenInvalid: ") && last.contains("quotes or `Bearer` around it"),
            "{text:?}: {last}"
        );
    }
    // What is one is refused in the server's words.
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.give_token(&token);
    bench.close(4403);
    bench.give_token(&token);
    let seen = bench.take();
    assert!(
        seen.last().unwrap().starts_with("1 spaceMismatch: "),
        "{seen:?}"
    );
}

/// What our Worker says to a poll that comes with a bad token; the last is that of one that may only inspect.
const OF_POLLS: [(u16, &str); 4] = [
    (401, "tokenExpired"),
    (401, "spaceMismatch"),
    (403, "identityRequired"),
    (403, "capRequired"),
];

/// A token of nobody, as [`TOKEN`] is.
fn another(nth: usize) -> String {
    format!("room.r.{}.s", nth + 2)
}

#[test]
fn a_source_of_one_bad_token_after_the_other_has_30_s_while_polling_as_well() {
    for (status, code) in OF_POLLS {
        let begins = [Bench::polling, Bench::asking];
        for (begin, recovers_ms) in begins.map(|it| [(it, 5_000), (it, u64::MAX)]).concat() {
            let mut bench = begin();
            bench.send(5, "mine", false);
            let refusal = json!({"error": "refused", "code": code});
            let stored = json!({"success": true, "message": message(5)});
            let (start, mut asked, mut told) = (bench.now, Vec::new(), Vec::new());
            let failed = loop {
                let waited = bench.now.ms_since(start);
                let is_good = waited >= recovers_ms;
                assert!(waited < 70_000, "{code}: {asked:?}");
                let seen = bench.take();
                let is_refused = format!("error {code}");
                told.extend(seen.iter().filter(|it| **it == is_refused).cloned());
                if seen.contains(&"failed".to_owned()) {
                    break true;
                }
                for said in seen {
                    if said.starts_with("token") {
                        asked.push(waited);
                        bench.fetch_token(&another(asked.len()));
                    } else if said.starts_with("GET https://x/events") && !is_good {
                        bench.answer(status, &refusal);
                    } else if said.starts_with("GET https://x/events") {
                        let welcome =
                            json!([{"type": "welcome", "epoch": "e", "seq": 4, "recovered": true}]);
                        bench.answer(200, &welcome);
                    } else if said.starts_with("POST") && is_good {
                        bench.answer_to("POST", 201, &stored);
                    }
                }
                if is_good && bench.outbox.last().unwrap().starts_with("mine sent") {
                    break false;
                }
                bench.advance(50);
            };
            let waited = bench.now.ms_since(start);
            assert_eq!(failed, recovers_ms == u64::MAX, "{code}: {asked:?}");
            assert!(!failed || waited >= 30_000, "{code}: {waited} {asked:?}");
            assert_eq!(told.len(), if failed { 2 } else { 1 }, "{code}: {told:?}");
            let apart = asked.windows(2).skip(1).map(|pair| pair[1] - pair[0]);
            assert!(apart.min().is_none_or(|ms| ms >= 1_000), "{asked:?}");
            if failed {
                bench.input(Input::TokenChanged);
                assert!(bench.take().contains(&"token fresh=true".to_owned()));
            }
        }
    }
}

#[test]
fn an_entry_that_is_posted_does_not_fail_for_tokens_of_a_moment() {
    for code in ["tokenExpired", "spaceMismatch", "identityRequired"] {
        let mut bench = Bench::polling();
        bench.send(5, "mine", false);
        let refusal = json!({"error": "refused", "code": code});
        for nth in 0..4 {
            assert_eq!(bench.count("POST"), nth + 1, "{code}");
            bench.answer_to("POST", 401, &refusal);
            bench.advance(1_000);
            bench.fetch_token(&another(nth));
        }
        let stored = json!({"success": true, "message": message(5)});
        bench.answer_to("POST", 201, &stored);
        bench.expect_outbox(&["mine pending", "mine sent as 5"]);
    }
}

#[test]
fn a_client_whose_token_may_only_inspect_comes_back_with_another_one() {
    let refusals: [fn(&mut Bench); 2] = [
        |bench| bench.frame(r#"{"type":"error","code":"capRequired","error":"it inspects"}"#),
        |bench| bench.close(4402),
    ];
    for refuse in refusals {
        let mut bench = Bench::new();
        bench.connect(1);
        refuse(&mut bench);
        bench.give_token(TOKEN);
        assert!(bench.take().contains(&"failed".to_owned()));
        bench.input(Input::TokenChanged);
        bench.expect(&["token fresh=true"]);
        bench.give_token(&token_of("ada", 600_000));
        assert!(bench.take().contains(&"open".to_owned()));
    }
}

fn say(bench: &mut Bench, call: u32, options: &Value) {
    bench
        .client
        .send_message(CallId(call), options, false, bench.now);
    bench.drain();
}

#[test]
fn what_is_written_after_a_sign_out_is_of_who_signs_in() {
    let (ada, bo) = (token_of("ada", 600_000), token_of("bo", 600_000));
    fn leave(bench: &mut Bench) {
        bench.client.disconnect(bench.now);
        bench.client.connect(CallId(2), bench.now);
        bench.drain();
    }
    fn lose_the_token(bench: &mut Bench) {
        bench.close(4401);
        bench.input(Input::TokenFailed {
            token_id: bench.token,
            message: "signed out".into(),
        });
        bench.input(Input::TokenChanged);
    }
    for sign_out in [leave, lose_the_token] {
        let mut bench = Bench::new();
        bench.client.connect(CallId(1), bench.now);
        bench.drain();
        bench.fetch_token(&ada);
        bench.welcome(r#""seq":4"#);
        say(&mut bench, 3, &json!({"text": "of ada, not acknowledged"}));
        sign_out(&mut bench);
        bench.outbox.clear();
        say(&mut bench, 4, &json!({"text": "of bo"}));
        bench.take_frames();
        bench.fetch_token(&bo);
        bench.welcome(r#""seq":4"#);
        let frames = bench.take_frames().concat();
        assert!(frames.contains("of bo"), "{frames}");
        assert!(!frames.contains("ada"), "{frames}");
        let seen = std::mem::take(&mut bench.outbox);
        assert!(
            seen.contains(&"of ada, not acknowledged dropped".to_owned()),
            "{seen:?}"
        );
        assert!(!seen.contains(&"of bo dropped".to_owned()), "{seen:?}");
    }
}

#[test]
fn a_text_in_the_place_of_a_function_is_all_there_is() {
    let mut bench = connected_for(600_000);
    bench.input(Input::TokenChanged);
    bench.input(Input::TokenReady {
        token_id: bench.token,
        token: token_of("ada", 900_000),
        fixed: true,
    });
    bench.take();
    bench.client.disconnect(bench.now);
    bench.client.connect(CallId(2), bench.now);
    bench.drain();
    let seen = bench.take();
    assert!(!seen.concat().contains("token"), "{seen:?}");
    assert_eq!(bench.used_token, token_of("ada", 900_000));
}

#[test]
fn a_change_by_http_after_a_sign_out_is_of_who_signs_in() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(&token_of("ada", 600_000));
    bench.welcome(r#""seq":4"#);
    bench.client.disconnect(bench.now);
    bench.send(5, "of bo", false);
    bench.advance(1_000);
    bench.take();
    bench.fetch_token(&token_of("bo", 600_000));
    assert_eq!(
        (bench.count("POST"), bench.used_token.as_str()),
        (1, token_of("bo", 600_000).as_str())
    );
    bench.expect(&["POST https://x/messages?v=2"]);
}

#[test]
fn who_typed_before_does_not_type_on_the_next_users_connection() {
    let mut bench = connected_for(600_000);
    bench
        .client
        .set_typing(CallId(5), &json!("ada"), &json!(true), bench.now);
    bench.drain();
    bench.input(Input::TokenChanged);
    bench.fetch_token(&token_of("bo", 600_000));
    bench.welcome(r#""seq":4"#);
    bench.take_frames();
    bench.advance(5_000);
    let frames = bench.take_frames().concat();
    assert!(!frames.contains("typing"), "{frames}");
}

#[test]
fn a_source_is_tried_again_where_it_was_away_since_the_first_refusal() {
    // The network was away, and the token's time over.
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(&token_of("ada", 60_000));
    bench.close(4401);
    bench.fetch_token(&token_of("ada", 70_000));
    bench.close(1006);
    bench.advance(300_000);
    bench.close(4401);
    bench.advance(1_000);
    assert_eq!(bench.client.state().as_str(), "connecting");
    bench.fetch_token(&token_of("ada", 900_000));
    bench.welcome(r#""seq":4"#);
    assert!(bench.client.is_connected());

    // The source itself was, and gave an old one when it was back.
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    let old = token_of("ada", 60_000);
    bench.fetch_token(&old);
    bench.close(4401);
    for _ in 0..8 {
        bench.input(Input::TokenFailed {
            token_id: bench.token,
            message: "503".into(),
        });
        bench.advance(10_000);
    }
    bench.fetch_token(&old);
    bench.advance(8_000);
    bench.fetch_token(&token_of("ada", 900_000));
    bench.welcome(r#""seq":4"#);
    assert!(bench.client.is_connected());
}

#[test]
fn what_becomes_of_an_entry_of_the_user_before_is_not_told() {
    let (ada, bo) = (token_of("ada", 600_000), token_of("bo", 600_000));
    let mut bench = Bench::asking();
    bench.input(Input::TokenChanged);
    bench.fetch_token(&ada);
    let welcome = json!([{"type": "welcome", "epoch": "e", "seq": 4, "serverTime": EPOCH_MS}]);
    bench.answer_to("GET https://x/events", 200, &welcome);
    say(&mut bench, 5, &json!({"text": "private"}));
    bench.input(Input::TokenChanged);
    bench.fetch_token(&bo);
    bench.take();
    bench.outbox.clear();
    let refusal = json!({"error": "too long", "code": "invalidField", "field": "text"});
    bench.answer_to("POST", 400, &refusal);
    assert_eq!(bench.outbox, [""; 0]);
    let seen = bench.take();
    assert!(!seen.iter().any(|it| it.starts_with("error")), "{seen:?}");
    bench.input(Input::TokenChanged);
    bench.fetch_token(&ada);
    assert_eq!(bench.outbox, ["private failed invalidField"]);
}

#[test]
fn who_connects_after_a_sign_out_does_not_go_in_with_what_a_request_was_given_between() {
    let (ada, bo) = (token_of("ada", 600_000), token_of("bo", 600_000));
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(&ada);
    bench.welcome(r#""seq":4"#);
    bench.client.disconnect(bench.now);
    bench.advance(1_000);
    bench.history(5, json!({}));
    bench.fetch_token(&ada);
    bench.take();
    bench.client.connect(CallId(2), bench.now);
    bench.drain();
    bench.expect(&["connecting", "token fresh=false"]);
    say(&mut bench, 6, &json!({"text": "of bo"}));
    bench.fetch_token(&bo);
    bench.expect(&["6 done", "open"]);
    assert_eq!(bench.used_token, bo);
    bench.take_frames();
    bench.welcome(r#""seq":4"#);
    assert!(bench.take_frames().concat().contains("of bo"));
}

#[test]
fn changes_that_have_not_left_at_a_sign_out_are_of_who_made_them() {
    let (ada, bo) = (token_of("ada", 600_000), token_of("bo", 600_000));
    for (next, ends) in [(&bo, "2 closed: "), (&ada, "PATCH")] {
        let mut bench = Bench::new();
        for (call, text) in [(1, "a"), (2, "b")] {
            let edit = json!({"text": text});
            let (client, now) = (&mut bench.client, bench.now);
            client.edit_message(CallId(call), &json!("m1-0"), &edit, false, now);
        }
        bench.drain();
        bench.fetch_token(&ada);
        bench.client.disconnect(bench.now);
        bench.drain();
        bench.answer_to("PATCH", 200, &json!({"message": message(5)}));
        bench.advance(1_000);
        bench.take();
        bench.fetch_token(next);
        let seen = bench.take().concat();
        assert!(seen.starts_with(ends), "{seen}");
    }
}

#[test]
fn another_source_is_asked_on_a_link_whose_token_a_request_found_over() {
    let refusal = json!({"error": "Token expired", "code": "tokenExpired"});
    for fails in [false, true] {
        let mut bench = connected_for(600_000);
        bench.history(5, json!({}));
        bench.answer(401, &refusal);
        bench.give_token(&token_of("ada", 600_000));
        bench.take();
        bench.input(Input::TokenChanged);
        bench.expect(&["token fresh=true"]);
        say(&mut bench, 6, &json!({"text": "meanwhile"}));
        assert!(bench.take_frames().concat().contains("meanwhile"));
        if fails {
            bench.input(Input::TokenFailed {
                token_id: bench.token,
                message: "503".into(),
            });
            bench.take();
            bench.frame(r#"{"type":"pong"}"#);
            bench.advance(10_000);
            assert!(bench.take().concat().contains("token"));
        }
        bench.fetch_token(&token_of("ada", 900_000));
        let seen = bench.take();
        assert!(seen.contains(&"transmit auth".to_owned()), "{seen:?}");
    }
}

#[test]
fn the_token_of_the_source_before_lets_nobody_in_where_there_is_no_link() {
    let mut bench = connected_for(600_000);
    bench.client.disconnect(bench.now);
    bench.drain();
    bench.take();
    bench.input(Input::TokenChanged);
    bench.input(Input::TokenFailed {
        token_id: bench.token,
        message: "503".into(),
    });
    bench.client.connect(CallId(7), bench.now);
    bench.drain();
    let seen = bench.take();
    assert!(!seen.contains(&"open".to_owned()), "{seen:?}");
    bench.advance(1_000);
    bench.fetch_token(&token_of("bo", 600_000));
    assert_eq!(bench.used_token, token_of("bo", 600_000));
}

#[test]
fn a_slow_answer_of_before_does_not_keep_a_client_from_trying_another_token() {
    let mut bench = connected_for(600_000);
    bench.history(5, json!({}));
    bench.close(1006);
    bench.advance(1_000);
    bench.close(4401);
    bench.give_token(&token_of("ada", 600_000));
    assert_eq!(bench.client.state().as_str(), "failed");
    bench.answer(200, &page(1..4, 4));
    bench.take();
    bench.input(Input::TokenChanged);
    let seen = bench.take();
    assert!(seen.concat().contains("token"), "{seen:?}");
}

#[test]
fn who_leaves_asks_for_no_token_in_that_moment() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.history(5, json!({}));
    bench.advance(5_000);
    bench.take();
    bench.client.disconnect(bench.now);
    bench.drain();
    let seen = bench.take();
    assert!(!seen.concat().contains("token"), "{seen:?}");
    bench.advance(1_000);
    bench.expect(&["token fresh=false"]);
}
