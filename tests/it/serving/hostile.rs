//! Names and contents of strangers: what they say that they are is believed nowhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use telescribe::model::safe_file_name;

use crate::support::gallery::{Gallery, Posted, ask};

/// Names that mean harm, and what is left of them.
fn names() -> Vec<(String, &'static str)> {
    let long = format!("{}.jpeg", "n".repeat(4_096));
    [
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\system32\\cmd.exe", "cmd.exe"),
        ("a\u{0}b\u{1b}[31mc.txt", "ab[31mc.txt"),
        ("holiday\u{202e}gpj.exe", "holidaygpj.exe"),
        ("a\r\nSet-Cookie: x=1\r\n\r\n<script>.txt", "aSet-Cookie x=1script.txt"),
        ("\"; filename=\"evil.html", "; filename=evil.html"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("....", ""),
        ("", ""),
        ("-rf", "_-rf"),
        ("<img src=x onerror=alert(1)>.png", "img src=x onerror=alert(1).png"),
    ]
    .map(|(name, safe)| (name.to_owned(), safe))
    .into_iter()
    .chain([(long, "long")])
    .collect()
}

/// What runs where it is believed, and what it says that it is.
pub(crate) const SCRIPT: &str = "window.ran=(window.ran||'')+'x';document.title='ran';fetch('/ran');";

pub(crate) fn contents() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let html = format!("<!doctype html><script>{SCRIPT}</script><img src=x onerror=\"{SCRIPT}\"><p>a page");
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\" onload=\"{SCRIPT}\"><script>{SCRIPT}</script><rect width=\"9\" height=\"9\"/></svg>"
    );
    // A picture of one pixel to whoever looks at its first bytes, and a program to whoever runs it.
    let mut gif = b"GIF89a/*\0\x80\0\0".to_vec();
    gif.extend([0, 0, 0, 255, 255, 255]);
    gif.extend(format!("*/=1;{SCRIPT}//").bytes());
    let pdf = format!(
        "%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS({SCRIPT})>>>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    );
    let jpeg_with_page = [&[0xff, 0xd8, 0xff, 0xe0, 0, 16][..], b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0", html.as_bytes()].concat();
    let mhtml = format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n{html}\r\n--b--"
    );
    vec![
        ("photo.jpg", "image/jpeg", html.clone().into_bytes()),
        ("page.html", "text/html", html.into_bytes()),
        ("drawing.svg", "image/svg+xml", svg.clone().into_bytes()),
        ("drawing.png", "image/png", svg.into_bytes()),
        ("polyglot.gif", "text/javascript", gif),
        ("polyglot.jpg", "text/html", jpeg_with_page),
        ("paper.pdf", "application/pdf", pdf.into_bytes()),
        ("program.js", "text/javascript", SCRIPT.as_bytes().to_vec()),
        ("style.css", "text/css", b"*{background:url(/ran)}".to_vec()),
        ("mail.mhtml", "multipart/related", mhtml.into_bytes()),
        (
            "page.xhtml",
            "application/xhtml+xml",
            format!("<html xmlns=\"http://www.w3.org/1999/xhtml\"><script>{SCRIPT}</script></html>").into_bytes(),
        ),
        (
            "feed.xml",
            "text/xml",
            format!("<?xml version=\"1.0\"?><x xmlns:h=\"http://www.w3.org/1999/xhtml\"><h:script>{SCRIPT}</h:script></x>")
                .into_bytes(),
        ),
        ("page.wasm", "application/wasm", b"\0asm\x01\0\0\0".to_vec()),
        ("utf7.html", "text/html; charset=utf-7", b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-".to_vec()),
        ("bomb.zip", "application/zip", b"PK\x03\x04\x14\0\0\0\x08\0".to_vec()),
    ]
}

/// Every path below a folder.
fn below(folder: &Path, into: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, into);
        }
        into.insert(path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_and_contents_are_downloads_without_a_type_and_reach_no_path() {
    let mut gallery = Gallery::new().await;
    let named: Vec<(Posted, String, &str)> = names()
        .into_iter()
        .enumerate()
        .map(|(at, (name, safe))| (gallery.file(&name, "text/html", format!("file {at}").as_bytes()), name, safe))
        .collect();
    let typed: Vec<(Posted, &str)> =
        contents().into_iter().map(|(name, mime, content)| (gallery.file(name, mime, &content), name)).collect();
    let app = gallery.start().await;
    for (posted, name, safe) in &named {
        let answer = ask(app.addresses[0], "GET", &gallery.media(posted), &[]).await;
        assert!(answer.status == 200 && answer.body == posted.content, "{name}");
        let disposition = answer.header("content-disposition");
        let given = disposition.strip_prefix("attachment").unwrap().strip_prefix("; filename*=UTF-8''").unwrap_or_default();
        assert!(disposition.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{disposition}");
        let given = percent_encoding::percent_decode_str(given).decode_utf8().unwrap();
        assert_eq!(given, safe_file_name(name));
        assert!(*safe == "long" && given.ends_with(".jpeg") && given.len() <= 200 || given == *safe, "{name}: {given}");
    }
    for (posted, name) in &typed {
        for target in
            [gallery.media(posted), format!("/v1/media/{}", gallery.known(&app, posted.id).unwrap().state.stored().unwrap().hash)]
        {
            let answer = ask(app.addresses[0], "GET", &target, &[]).await;
            assert!(answer.status == 200 && answer.body == posted.content, "{name}");
            let mime = answer.header("content-type");
            match *name {
                "polyglot.gif" => assert_eq!(mime, "image/gif"),
                "polyglot.jpg" => assert_eq!(mime, "image/jpeg"),
                _ => {
                    assert_eq!(mime, "application/octet-stream", "{name}");
                    assert!(answer.header("content-disposition").starts_with("attachment"), "{name}");
                }
            }
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.header("content-security-policy"), "sandbox; default-src 'none'; frame-ancestors 'none'");
            assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        }
    }
    // On the disk nothing is called as a stranger calls it.
    let mut paths = BTreeSet::new();
    below(gallery.fleet.data().parent().unwrap(), &mut paths);
    let called = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let strangers: BTreeSet<String> =
        named.iter().map(|(_, name, _)| safe_file_name(name)).filter(|name| !name.is_empty()).collect();
    assert!(paths.iter().map(called).all(|name| !strangers.contains(&name)));
    gallery.fleet.stop(app).await;
}
