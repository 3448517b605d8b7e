//! Files are served whole, in parts and sealed, and what strangers have uploaded harms nobody: on disk, in memory, or over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod get;
mod hostile;
mod sealed;
mod thumbnails;

use telescribe_simulator::Post;

pub(crate) use hostile::contents;
pub(crate) use thumbnails::picture;

use crate::support::gallery::{Gallery, ask};
use crate::support::served::Answer;

/// The whole of a request for a part.
async fn part(at: std::net::SocketAddr, target: &str, headers: &[(&str, &str)]) -> (u16, String, String, usize) {
    let answer = ask(at, "GET", target, headers).await;
    let header = |name: &str| answer.header(name).to_owned();
    (answer.status.as_u16(), header("content-range"), header("content-length"), answer.body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_served_in_ranges_and_on_conditions_as_rfc_9110_says() {
    let mut gallery = Gallery::new().await;
    let content: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    let (posted, empty) = (gallery.file("a.bin", "x/y", &content), gallery.file("empty.bin", "x/y", b""));
    let app = gallery.start().await;
    let at = app.addresses[0];
    let target = gallery.media(&posted);
    let whole = ask(at, "GET", &target, &[]).await;
    assert!(whole.status == 200 && whole.body == content);
    let (etag, by_hash) = (whole.header("etag").to_owned(), format!("/v1/media/{}", whole.header("etag").trim_matches('"')));
    assert_eq!((whole.header("accept-ranges"), whole.header("content-length")), ("bytes", "700000"));
    assert!(ask(at, "GET", &by_hash, &[]).await.body == content);

    let head = ask(at, "HEAD", &target, &[("range", "bytes=5-6")]).await;
    assert_eq!((head.status.as_u16(), head.body.len(), head.header("content-length")), (200, 0, "700000"));
    assert_eq!((head.header("etag"), head.header("content-range")), (etag.as_str(), ""));

    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=699999-", 699_999, 699_999),
        ("bytes=262143-262144", 262_143, 262_144),
        ("bytes=-5", 699_995, 699_999),
        ("bytes=-9999999", 0, 699_999),
        ("bytes=1-9999999", 1, 699_999),
    ] {
        let answer = ask(at, "GET", &target, &[("range", range)]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-range")),
            (206, format!("bytes {first}-{last}/700000").as_str())
        );
        assert!(answer.body == content[first..=last], "{range}");
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    }
    for range in ["bytes=700000-", "bytes=700000-700001", "bytes=-0"] {
        let answer = ask(at, "GET", &target, &[("range", range)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-range")), (416, "bytes */700000"), "{range}");
        assert_eq!(answer.json()["code"], "bad-range");
    }
    // What is not understood, and several at once, are all of it.
    for range in ["bytes=0-1,5-6", "bytes=5-4", "lines=0-1", "bytes"] {
        assert_eq!(part(at, &target, &[("range", range)]).await, (200, String::new(), "700000".to_owned(), 700_000), "{range}");
    }
    for (headers, status) in [
        ([("if-none-match", etag.as_str()), ("range", "bytes=0-1")], 304),
        ([("if-none-match", "\"other\", *"), ("range", "bytes=0-1")], 304),
        ([("if-none-match", "\"other\""), ("range", "bytes=0-1")], 206),
        ([("if-range", etag.as_str()), ("range", "bytes=0-1")], 206),
        ([("if-range", "\"other\""), ("range", "bytes=0-1")], 200),
        ([("if-range", "Wed, 21 Oct 2015 07:28:00 GMT"), ("range", "bytes=0-1")], 200),
        ([("if-match", etag.as_str()), ("range", "bytes=0-1")], 206),
        ([("if-match", "\"other\""), ("range", "bytes=0-1")], 412),
    ] {
        let answer = ask(at, "GET", &target, &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        if status == 304 {
            assert_eq!((answer.header("etag"), answer.body.len(), answer.header("content-type")), (etag.as_str(), 0, ""));
        }
    }

    let nothing = gallery.media(&empty);
    assert_eq!(part(at, &nothing, &[]).await, (200, String::new(), "0".to_owned(), 0));
    assert_eq!(ask(at, "HEAD", &nothing, &[]).await.header("content-length"), "0");
    for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        assert_eq!(ask(at, "GET", &nothing, &[("range", range)]).await.status, 416, "{range}");
    }
    for target in [&format!("{by_hash}?offset=1"), &format!("{target}?length=1")] {
        assert_eq!(ask(at, "GET", target, &[]).await.json()["code"], "bad-parameter");
    }
    gallery.fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_lists_its_files_with_what_has_become_of_each() {
    let mut gallery = Gallery::new().await;
    gallery.fleet.config.media.size_max_mib = 1;
    let photo = gallery.post(Post::photo(300, 200, 9_000), b"not a picture");
    let large = gallery.fleet.simulator.post(gallery.channel, Post::document("film.mp4", "video/mp4", 5 << 20)).unwrap();
    let app = gallery.start().await;
    let files = |message: i32| format!("/v1/peers/{}/messages/{message}/files", gallery.channel.marked());
    let listed = |answer: Answer| answer.json()["files"].as_array().unwrap().clone();
    let of_photo = listed(ask(app.addresses[0], "GET", &files(photo.message), &[]).await);
    assert_eq!((of_photo.len(), &of_photo[0]["state"], &of_photo[0]["place"]), (1, &"stored".into(), &"media".into()));
    assert_eq!((&of_photo[0]["id"], &of_photo[0]["size"]), (&photo.id.to_string().into(), &13.into()));
    let target = files(large);
    let film = gallery.fleet.until_got(&target, |answer| answer["files"][0]["state"] == "skipped").await;
    assert_eq!(film["files"][0]["name"], "film.mp4");
    assert!(film["files"][0]["reason"].as_str().unwrap().contains("size"), "{film}");
    let refused = ask(app.addresses[0], "GET", &files(999_999), &[]).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (404, &"unknown-message".into()));
    gallery.fleet.stop(app).await;
}
