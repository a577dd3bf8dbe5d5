//! The page's door and the API's.

use http::Request;

use super::support::{Rig, TOKEN};

#[tokio::test]
async fn the_api_wants_the_token_and_its_own_page() {
    let rig = Rig::new("").await;
    let check = async |host: &str, token: Option<&str>, origin: Option<&str>, status: u16| {
        let mut request = Request::get("/desk/api/hello").header("host", host);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let said = rig.send(request.body(String::new()).unwrap()).await;
        let problem = said.with(status);
        if status != 200 {
            assert!(problem["detail"].is_string() && problem["status"] == status, "{problem}");
        }
    };
    let own = format!("http://{}", rig.authority);
    check(&rig.authority, None, None, 401).await;
    check(&rig.authority, Some("wrong"), None, 401).await;
    // The gateway's token is for another door.
    check(&rig.authority, Some("gateway"), None, 401).await;
    check(&rig.authority, Some(TOKEN), None, 200).await;
    check(&rig.authority, Some(TOKEN), Some(&own), 200).await;
    check(&rig.authority, Some(TOKEN), Some("http://evil.example"), 403).await;
    check(&rig.authority, Some(TOKEN), Some("null"), 403).await;
    check("evil.example", Some(TOKEN), None, 403).await;
}

#[tokio::test]
async fn the_desk_does_not_open_the_gateway() {
    let rig = Rig::new("").await;
    let request = Request::get("/v1/models").header("host", &rig.authority);
    let request = request.header("authorization", format!("Bearer {TOKEN}")).body(String::new()).unwrap();
    assert_eq!(rig.send(request).await.status, 401);
    // And what is no browser is not sent to the page.
    for (accept, status) in [("*/*", 401), ("text/html,*/*", 307)] {
        let request = Request::get("/").header("host", &rig.authority).header("accept", accept);
        let said = rig.send(request.body(String::new()).unwrap()).await;
        assert_eq!(said.status, status);
        assert_eq!(said.header("location"), if status == 307 { "/desk/" } else { "" });
    }
}

#[tokio::test]
async fn the_page_is_kept_by_its_tag_and_runs_nothing_else() {
    let rig = Rig::new("").await;
    let get = async |path: &str, name: &str, value: &str| {
        let request = Request::get(path).header("host", &rig.authority).header(name, value);
        rig.send(request.body(String::new()).unwrap()).await
    };
    let page = get("/desk/", "x-nothing", "").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    assert!(!policy.contains("script-src 'self' 'unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(page.header("content-encoding").is_empty());

    let tag = page.header("etag");
    let again = get("/desk/", "if-none-match", tag).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    assert_eq!(get("/desk/", "if-none-match", "\"other\"").await.status, 200);

    let zipped = get("/desk/", "accept-encoding", "br, gzip").await;
    if zipped.header("content-encoding") == "gzip" {
        assert!(zipped.body.len() < page.body.len() && zipped.header("etag") != tag);
    }
    assert!(get("/desk/", "accept-encoding", "gzip;q=0").await.header("content-encoding").is_empty());
    assert_eq!(get("/desk/no-such-file.js", "x-nothing", "").await.status, 404);
    assert_eq!(get("/desk/../Cargo.toml", "x-nothing", "").await.status, 404);
}

#[tokio::test]
async fn what_the_router_refuses_is_a_problem_too() {
    let rig = Rig::new("").await;
    let problem = rig.get("no/such/route").await.with(404);
    assert_eq!(problem["kind"], "invalid_request");
    let problem = rig.post("servers/probe", serde_json::json!({ "no": "url" })).await.with(422);
    assert!(problem["detail"].as_str().unwrap().contains("url"), "{problem}");
    let hello = rig.get("hello").await.with(200);
    assert_eq!(hello["url"], format!("http://{}", rig.authority));
    assert_eq!((&hello["gateway_token"], &hello["engine"]), (&false.into(), &false.into()));
}
