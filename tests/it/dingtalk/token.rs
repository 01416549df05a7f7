//! What the access token costs: fetched once, renewed before its end while calls go on, one refresh however many lanes
//! hit a revoked one, and a mended secret that works at once. Times are arguments, so two hours pass at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use dingtalk_relay::config::secret::Secret;
use jiff::ToSpan;

use crate::dingtalk::server::{Reaction, Server, admits, fails, grants};
use crate::dingtalk::{client, client_at, group, line, message, start};

#[tokio::test]
async fn a_token_serves_all_calls_until_its_end() {
    let server = Server::for_sends(|_| admits());
    let client = client(&server);
    for seconds in [0, 1, 6599] {
        client.authorise(start() + seconds.seconds()).await.unwrap();
        client.send(&group(), &message(), start() + seconds.seconds()).await.result.unwrap();
    }
    assert_eq!(server.counts(), (1, 3));
    assert_eq!(client.renew(start() + 6599.seconds()).await, Some(start() + 6600.seconds()));
    assert_eq!(client.renew(start() + 6600.seconds()).await, Some(start() + 13_200.seconds()));
    assert!(client.is_authorised(start() + 13_799.seconds()));
    client.send(&group(), &message(), start() + 7300.seconds()).await.result.unwrap();
    assert_eq!(server.counts(), (2, 4), "renewed ten minutes before its end");
    assert_eq!(server.calls().last().unwrap().token(), Some("token-2"));
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_early_is_used_until_its_end() {
    let server = Server::start(|call| match (call.is_for_a_token(), call.before) {
        (true, 0) => grants("token-1"),
        (true, _) => fails(500, "system.error"),
        (false, _) => admits(),
    });
    let client = client(&server);
    client.authorise(start()).await.unwrap();
    for seconds in [6600, 6601, 6659] {
        assert_eq!(client.renew(start() + seconds.seconds()).await, Some(start() + 6660.seconds()));
        client.send(&group(), &message(), start() + seconds.seconds()).await.result.unwrap();
    }
    assert_eq!(server.counts(), (2, 3), "one try a minute");
    let verdict = client.authorise(start() + 7200.seconds()).await.unwrap_err();
    assert_eq!(line(&verdict), "HTTP 500 system.error → unavailable app, uncounted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_sends_that_hit_a_revoked_token_cost_one_refresh() {
    const LANES: usize = 50;
    let all_are_here = Arc::new(Barrier::new(LANES));
    let revoked = Arc::new(AtomicBool::new(false));
    let now_revoked = revoked.clone();
    let server = Server::for_sends(move |call| match call.token() {
        Some("token-1") if now_revoked.load(Ordering::SeqCst) => {
            all_are_here.wait();
            fails(400, "InvalidAuthentication")
        }
        _ => admits(),
    });
    let client = Arc::new(client(&server));
    client.send(&group(), &message(), start()).await.result.unwrap();
    revoked.store(true, Ordering::SeqCst);

    let mut sends = tokio::task::JoinSet::new();
    for _ in 0..LANES {
        let client = client.clone();
        sends.spawn(async move { client.send(&group(), &message(), start()).await.result });
    }
    let results = sends.join_all().await;

    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(server.counts(), (2, 1 + 2 * LANES));
}

#[tokio::test]
async fn a_token_that_is_being_renewed_is_still_used() {
    let server = Server::start(|call| match (call.is_for_a_token(), call.before) {
        (true, 0) => grants("token-1"),
        (true, _) => Reaction::Hang,
        (false, _) => admits(),
    });
    let client = client(&server);
    client.authorise(start()).await.unwrap();
    let mut renewal = Box::pin(client.renew(start() + 6600.seconds()));
    // It is under way when the send begins, and when it has ended.
    let _under_way = tokio::time::timeout(Duration::from_millis(1), &mut renewal).await;

    assert!(client.is_authorised(start() + 6600.seconds()), "no lane has to fetch one");
    client.send(&group(), &message(), start() + 6600.seconds()).await.result.unwrap();

    assert_eq!(server.counts().1, 1);
    drop(renewal);
}

#[tokio::test]
async fn a_token_that_is_rejected_while_it_is_renewed_costs_the_renewal_and_nothing_more() {
    let server = Server::start(|call| match (call.is_for_a_token(), call.token()) {
        (true, _) => grants(&format!("token-{}", call.before + 1)),
        (false, Some("token-1")) => fails(400, "InvalidAuthentication"),
        (false, _) => admits(),
    });
    let client = client(&server);
    client.authorise(start()).await.unwrap();
    let now = start() + 6600.seconds();

    let (to, what) = (group(), message());
    let (_, sent) = tokio::join!(client.renew(now), client.send(&to, &what, now));

    sent.result.unwrap();
    assert_eq!(server.counts().0, 2, "one token at first, one instead of it");
}

#[tokio::test]
async fn a_token_that_is_revoked_just_after_its_renewal_is_not_taken_for_a_fresh_one() {
    // As long as a token is valid DingTalk grants the same one again, and here it is revoked after that.
    let is_renewed = Arc::new(Barrier::new(2));
    let server = Server::start(move |call| match (call.is_for_a_token(), call.before) {
        (true, before @ 0..2) => {
            (before == 1).then(|| is_renewed.wait());
            grants("token-1")
        }
        (true, _) => grants("token-2"),
        (false, before) if call.token() == Some("token-1") => {
            (before == 0).then(|| is_renewed.wait());
            fails(400, "InvalidAuthentication")
        }
        (false, _) => admits(),
    });
    let client = client(&server);
    client.authorise(start()).await.unwrap();
    let now = start() + 6600.seconds();

    let (to, what) = (group(), message());
    let (sent, _) = tokio::join!(client.send(&to, &what, now), client.renew(now));

    sent.result.unwrap();
    assert_eq!(server.counts(), (3, 2), "the renewal, and one that was asked for since");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_lanes_without_a_token_ask_for_it_once() {
    let server = Server::for_sends(|_| admits());
    let client = Arc::new(client(&server));
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        lanes.spawn(async move { client.authorise(start()).await });
    }
    assert!(lanes.join_all().await.iter().all(Result::is_ok));
    assert_eq!(server.counts(), (1, 0));
}

#[tokio::test]
async fn a_fresh_token_that_is_rejected_too_blocks_the_app() {
    let server = Server::for_sends(|_| fails(400, "InvalidAuthentication"));
    let verdict = client(&server).send(&group(), &message(), start()).await.result.unwrap_err();
    assert_eq!(line(&verdict), "HTTP 400 InvalidAuthentication → blocked app");
    assert_eq!(server.counts(), (2, 2), "one repeat, with one fresh token");
}

#[tokio::test]
async fn a_rejected_send_counts_even_if_no_fresh_token_can_be_had() {
    let server = Server::start(|call| match (call.is_for_a_token(), call.before) {
        (true, 0) => grants("token-1"),
        (true, _) => fails(500, "unknownError"),
        (false, _) => fails(400, "InvalidAuthentication"),
    });
    let verdict = client(&server).send(&group(), &message(), start()).await.result.unwrap_err();
    assert_eq!(line(&verdict), "HTTP 500 unknownError → unavailable app");
}

#[tokio::test]
async fn a_mended_secret_file_works_at_once() {
    let server = Server::start(|call| match call.field("appSecret").as_str() {
        Some("mended") => grants("token-1"),
        _ => fails(400, "invalidClientIdOrSecret"),
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let client = client_at(&server.url(), Secret::in_file(&path));

    let verdict = client.authorise(start()).await.unwrap_err();
    assert_eq!(line(&verdict), "secret → blocked app, uncounted");
    assert_eq!(server.counts(), (0, 0));
    std::fs::write(&path, "wrong\n").unwrap();
    let verdict = client.authorise(start()).await.unwrap_err();
    assert_eq!(line(&verdict), "HTTP 400 invalidClientIdOrSecret → blocked app, uncounted");
    std::fs::write(&path, "mended\n").unwrap();
    client.authorise(start()).await.unwrap();
}
