//! What the page answers a browser: pages where a program gets problems, and nothing that a foreign page could use.

use crate::http::relay::{Answer, ONE_FIRING, OPERATOR, Relay, ask};
use crate::troubled::Trouble;

/// What a browser says it takes, when a person opens an address.
const BROWSER: (&str, &str) =
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8");

async fn open(relay: &Relay, path: &str) -> Answer {
    ask(relay.admin(), "GET", path, &[OPERATOR, BROWSER, ("host", "localhost")], "").await
}

#[tokio::test]
async fn a_browser_is_refused_with_a_page_and_a_program_with_a_problem() {
    let relay = Relay::new();
    for (path, status) in [("/deliveries/nothing", 404), ("/nowhere", 404), ("/?state=lost", 400), ("/?planted=1", 400)]
    {
        let page = open(&relay, path).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (status, "text/html; charset=utf-8"), "{path}");
        assert!(page.text.contains("To the lanes and deliveries") && !page.text.contains("planted"), "{}", page.text);
        let problem = relay.look(path).await;
        assert_eq!((problem.status.as_u16(), problem.header("content-type")), (status, "application/problem+json"));
    }
    let of_the_api = open(&relay, "/api/v1/deliveries/nothing").await;
    assert_eq!((of_the_api.status.as_u16(), of_the_api.header("content-type")), (404, "application/problem+json"));
}

#[tokio::test]
async fn who_shows_no_token_is_asked_for_it_and_told_what_it_is() {
    let relay = Relay::new();
    let asked = ask(relay.admin(), "GET", "/", &[BROWSER], "").await;
    assert_eq!(asked.status.as_u16(), 401);
    let schemes: Vec<_> = asked.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(schemes, ["Bearer", "Basic realm=\"dingtalk-relay\", charset=\"UTF-8\""]);
    assert!(asked.text.contains("the password is the token of admin.token"), "{}", asked.text);
}

#[tokio::test]
async fn a_stranger_learns_nothing_from_being_refused() {
    let relay = Relay::new();
    relay.post("/hooks/am", ONE_FIRING).await;
    let id = relay.look("/api/v1/deliveries").await.json()["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let there = format!("/deliveries/{id}");
    for headers in [&[][..], &[("authorization", "Bearer admin-tokem")], &[("authorization", "Bearer ")]] {
        let mut answers = vec![];
        for path in [&there, "/deliveries/nothing", "/nowhere", "/style.css"] {
            for method in ["GET", "POST", "DELETE"] {
                let mut refused = ask(relay.admin(), method, path, headers, "").await;
                // Which methods a path takes stands in the documentation.
                refused.headers.remove("allow");
                answers.push((refused.status, refused.headers, refused.text));
            }
        }
        for answer in &answers {
            assert_eq!(answer, &answers[0]);
        }
    }
}

#[tokio::test]
async fn a_page_says_what_a_browser_may_do_with_it_whether_it_is_one_or_a_refusal() {
    let relay = Relay::new();
    let active = regex::Regex::new("<script|<[^>]* (style|on[a-z]+)=").unwrap();
    for (path, headers) in [("/", &[OPERATOR, BROWSER][..]), ("/nowhere", &[OPERATOR, BROWSER]), ("/", &[BROWSER])] {
        let page = ask(relay.admin(), "GET", path, headers, "").await;
        let policy =
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
        assert_eq!(page.header("content-security-policy"), policy, "{path}");
        // With "no-referrer" a browser says `Origin: null` of our own forms.
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(active.find(&page.text), None, "{path}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_a_page_that_says_so() {
    let relay = Relay::new();
    relay.store.fail(Trouble::Unavailable);
    let page = open(&relay, "/").await;
    assert_eq!((page.status.as_u16(), page.header("retry-after")), (503, "10"));
    assert!(page.text.contains("the store cannot be asked now") && !page.text.contains("planted"), "{}", page.text);
}
