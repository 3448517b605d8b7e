//! Small pictures are made of pictures that have none, elsewhere, and no picture is able to stop that.

use std::fs;
use std::process::Command;

use serde_json::Value;
use telescribe::archive::ArchivedFile;
use telescribe_simulator::Post;
use telescribe_simulator::world::DocumentKind;

use crate::support::files::{files, project};
use crate::support::gallery::{Gallery, ask};
use crate::support::python::python;

/// A picture of a gradient.
pub(crate) fn picture(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let drawn = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(x % 256) as u8, (y % 256) as u8, 90]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::ImageRgb8(drawn).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn hostile() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let script = project().join("tests/pictures/hostile.py");
    assert!(Command::new(python(&[])).arg(script).arg("make").arg(folder.path()).status().unwrap().success());
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_without_a_small_one_get_one_also_those_of_before() {
    let mut gallery = Gallery::new().await;
    let decoder = gallery.fleet.config.media.decoder.take();
    let png = gallery.file("shot.png", "image/png", &picture(1_600, 900, image::ImageFormat::Png));
    let app = gallery.start().await;
    assert_eq!(gallery.known(&app, png.id).unwrap().thumbnail, None, "nobody decodes");
    gallery.fleet.stop(app).await;

    gallery.fleet.config.media.decoder = decoder;
    let photo = gallery.post(Post::photo(300, 200, 9_000), &picture(300, 200, image::ImageFormat::Jpeg));
    let sticker = gallery.file("s.webp", "image/webp", &fs::read(project().join("tests/browser/sticker.webp")).unwrap());
    let gif = gallery.file("a.gif", "image/gif", &picture(900, 10, image::ImageFormat::Gif));
    let video = gallery.played(DocumentKind::Video, "video/webm", &fs::read(project().join("tests/browser/clip.webm")).unwrap());
    let text = gallery.file("a.png", "image/png", b"no picture, whatever its sender says");
    let app = gallery.start().await;
    let ids = [png.id, photo.id, sticker.id, gif.id];
    gallery.until_pictured(&app, &ids).await;
    for (posted, size, mime) in [
        (&png, (320, 180), "image/jpeg"),
        (&photo, (300, 200), "image/jpeg"),
        (&sticker, (256, 256), "image/webp"),
        (&gif, (320, 4), "image/jpeg"),
    ] {
        let ArchivedFile { thumbnail, no_thumbnail, .. } = gallery.known(&app, posted.id).unwrap();
        assert_eq!(no_thumbnail, None);
        let answer = ask(app.addresses[0], "GET", &format!("{}?thumbnail=true", gallery.media(posted)), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, mime), "{}", posted.id);
        assert_eq!(answer.header("etag"), format!("\"{}\"", thumbnail.unwrap().hash));
        let small = image::load_from_memory(&answer.body).unwrap();
        assert_eq!((small.width(), small.height()), size, "{}", posted.id);
    }
    // Telegram's own is kept, and of what is no picture there is none.
    let ArchivedFile { thumbnail, .. } = gallery.known(&app, video.id).unwrap();
    let own = gallery.fleet.simulator.inspect(|world| world.rendition_content(video.id.id, "m").unwrap());
    assert_eq!(app.blobs.get(&thumbnail.unwrap().hash).unwrap().unwrap().read_range(0, 1 << 20).unwrap(), own);
    let ArchivedFile { thumbnail, no_thumbnail, .. } = gallery.known(&app, text.id).unwrap();
    assert_eq!((thumbnail, no_thumbnail), (None, None));
    // They count as what the archive refers to.
    assert_eq!(app.archive.view().verify().unwrap().differences, Vec::<String>::new());
    gallery.fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_picture_crashes_fills_or_stops_anything_and_each_that_is_refused_has_its_reason() {
    let folder = hostile();
    let mut gallery = Gallery::new().await;
    let hostile: Vec<_> = files(folder.path(), |_| true)
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (gallery.file(&name, "image/jpeg", &fs::read(path).unwrap()), name)
        })
        .collect();
    assert!(hostile.len() > 15);
    let good = gallery.file("good.png", "image/png", &picture(640, 480, image::ImageFormat::Png));
    let app = gallery.start().await;
    let ids: Vec<_> = hostile.iter().map(|(posted, _)| posted.id).chain([good.id]).collect();
    gallery.until_pictured(&app, &ids).await;
    assert!(gallery.known(&app, good.id).unwrap().thumbnail.is_some());
    for (posted, name) in &hostile {
        let file = gallery.known(&app, posted.id).unwrap();
        let of_file = gallery.fleet.get(&format!("/v1/files/{}", posted.id)).await;
        match file.no_thumbnail {
            Some(why) => {
                assert!(!why.is_empty() && why.len() < 120 && !why.contains("limits"), "{name}: {why}");
                assert_eq!(of_file["no_thumbnail"], why.as_str());
                let target = format!("{}?thumbnail=true", gallery.media(posted));
                let answer = ask(app.addresses[0], "GET", &target, &[]).await;
                assert_eq!(answer.status, 404);
                assert!(answer.json()["detail"].as_str().unwrap().contains(&why), "{name}");
            }
            // A bomb in a part that nobody has to look at harms nobody: there is a picture beside it.
            None => assert!(name.contains("bomb") || name.contains("frames") || name.contains("progressive"), "{name}"),
        }
    }
    let failing: Vec<_> = app.lifecycle.workers().into_iter().filter(|(_, status)| status.failures > 0).collect();
    assert!(failing.is_empty(), "{failing:?}");
    gallery.fleet.stop(app).await;
}

#[test]
fn a_picture_takes_bounded_time_and_memory_whatever_it_is() {
    let folder = hostile();
    fs::write(folder.path().join("zzz-48-megapixels.jpg"), picture(8_000, 6_000, image::ImageFormat::Jpeg)).unwrap();
    let script = project().join("tests/pictures/hostile.py");
    let mut command = Command::new(python(&[]));
    let output = command.arg(script).arg("measure").arg(env!("CARGO_BIN_EXE_telescribe")).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(measured.len() > 15);
    for seen in &measured {
        assert!(seen["processor"].as_f64().unwrap() < 7.0, "{seen}");
        assert!(seen["memory_kib"].as_u64().unwrap() < 700 << 10, "{seen}");
        assert!(seen["out"].as_u64().unwrap() <= 1 << 20, "{seen}");
        // A picture, a reason, or an end by one of the limits; never a panic.
        assert!([0, 3, -6, -9, -24].contains(&seen["code"].as_i64().unwrap()), "{seen}");
    }
    let large = measured.last().unwrap();
    assert_eq!(large["code"], 0, "a large photo is no bomb: {large}");
}
